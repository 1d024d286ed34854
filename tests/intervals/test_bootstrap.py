import numpy as np
import pytest
from scipy import stats

import rlaw
from rlaw.intervals import Interval, percentile
from rlaw.intervals.blocks import circular_blocks, memory
from rlaw.intervals.bootstrap import student_factor
from rlaw.intervals.items import ability_of, assumed, mean_wrong, resampled
from rlaw.testing.studies import Truth, study


def test_a_percentile_interval_leaves_the_same_share_out_at_both_ends():
    draws = np.random.default_rng(0).permutation(np.arange(1001.0))
    assert percentile(500.0, draws, 0.9) == Interval(500.0, 50.0, 950.0)


def test_draws_without_an_end_make_an_interval_without_an_end():
    told = percentile(1.0, np.r_[np.ones(80), np.full(20, np.inf)], 0.9)
    assert told.high == np.inf
    assert told.to_json() == {"value": 1.0, "low": 1.0, "high": None}


@pytest.mark.parametrize("freedom", [3, 7, 20])
def test_few_replicates_widen_as_students_t_does(freedom):
    exact = stats.t.ppf(0.95, freedom) / stats.norm.ppf(0.95)
    assert student_factor(freedom, 0.9) == pytest.approx(exact, rel=0.01)


def test_white_noise_needs_no_blocks_and_lasting_noise_long_ones():
    rng = np.random.default_rng(0)
    white = [rng.standard_normal(100) for _ in range(7)]
    lasting = [np.convolve(w, 0.9 ** np.arange(40), mode="same") for w in white]
    assert memory(white).block <= 2
    assert memory(lasting).block > 8
    assert memory(lasting).effective < 0.3 < memory(white).effective


def test_blocks_keep_neighbours_together():
    series = np.arange(20.0)
    drawn = circular_blocks(np.random.default_rng(0), series, 5, draws=50)
    assert drawn.shape == (50, 20)
    steps = np.diff(drawn.reshape(50, 4, 5), axis=2) % 20
    assert (steps == 1).all()


def test_drawing_the_items_again_scatters_as_the_items_do():
    rng = np.random.default_rng(0)
    right = (rng.random(400) < 0.3)[None, None].repeat(6, axis=1).astype(float)
    fitted = np.linspace(0.8, 0.6, 6)[None]
    drawn = resampled(rng, right, fitted, np.ones((1, 6), bool), draws=2000)
    share = right[0, 0].mean()
    assert drawn[:, 0, 0].std() == pytest.approx(np.sqrt(share * (1 - share) / 400), rel=0.1)
    assert np.allclose(drawn[:, 0, 0], drawn[:, 0, 5])  # answers that never change are shared by every evaluation


def test_assumed_items_scatter_less_than_independent_answers_would():
    fitted = np.array([[0.9, 0.5]])
    scatter = assumed(np.random.default_rng(0), 500, fitted, draws=500).std(axis=0)[0]
    independent = np.sqrt(fitted[0] * (1 - fitted[0]) / 500)
    assert (scatter < independent).all()
    assert (scatter > 0.4 * independent).all()


def test_an_ability_gives_the_loss_it_was_made_for():
    loss = np.array([0.95, 0.5, 0.2])
    assert mean_wrong(ability_of(loss, 2.0), 2.0) == pytest.approx(loss, abs=1e-3)


def test_more_runs_narrow_the_interval():
    widths = []
    for runs in (2, 8):
        fit = rlaw.fit("saturating", study(Truth(runs=runs, steps=30, drift=0.05, tell_items=False), 0), draws=200)
        assert fit.settings["intervals"]["noise"][0] == "runs"
        widths.append(fit.k(72e9).high - fit.k(72e9).low)
    assert widths[1] < 0.8 * widths[0]


def test_single_runs_are_drawn_in_blocks_and_the_fit_says_what_that_leaves_out():
    fit = rlaw.fit("saturating", study(Truth(steps=30), 0), draws=50)
    assert fit.settings["intervals"]["noise"] == ["blocks", "items"]
    assert "replicates-missing" in {w.code for w in fit.warnings}


@pytest.mark.parametrize("runs", [1, 3])
def test_ninety_percent_intervals_cover_the_truth_about_as_often(runs):
    truth = Truth(runs=runs, steps=30, items=200, drift=0.0 if runs == 1 else 0.02)
    hits = []
    for seed in range(40):
        fit = rlaw.fit("saturating", study(truth, seed), axis="data", draws=100)
        k = fit.k(72e9)
        hits.append(k.low <= truth.k(72e9) <= k.high)
    assert 30 <= sum(hits) <= 40  # 36 expected; fewer than 30 has a chance of 0.5 % (the full study: benchmarks/coverage)
