import numpy as np
import polars as pl
import pytest
from scipy import stats
from scipy.optimize import least_squares

import rlaw
from rlaw.fitting.bootstrap import student_factor
from rlaw.fitting.curves import Curves
from rlaw.fitting.drift import Drift, fit_drift
from rlaw.fitting.interval import Interval, percentile
from rlaw.fitting.items import ability_of, assumed, mean_wrong, resampled
from rlaw.fitting.merging import merge
from rlaw.measurements.frame import Frame
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


@pytest.mark.parametrize("true", [Drift(0.05, 0.0, 0.5, 100), Drift(0.05, 0.3, 0.9, 100)], ids=["white", "lasting"])
def test_the_drift_of_runs_is_told_by_their_residuals_together(true):
    rng = np.random.default_rng(0)
    log_x = np.log(np.arange(1, 106))
    design = np.stack([np.ones(105), log_x], axis=1)
    runs = []
    for noise in true.draw(rng, 105, 21):
        residual = noise - design @ np.linalg.lstsq(design, noise, rcond=None)[0]
        runs.append((residual, design))
    found = fit_drift(runs)
    assert found.spread == pytest.approx(true.spread, rel=0.1)
    assert found.share == pytest.approx(true.share, abs=0.15)
    assert not true.share or found.memory == pytest.approx(true.memory, abs=0.06)


def test_curves_without_noise_have_no_drift():
    design = np.ones((10, 1))
    assert fit_drift([(np.zeros(10), design)]).spread == 0.0


def test_a_drift_lasts_as_long_as_its_memory():
    drawn = Drift(0.1, 1.0, 0.9, 100).draw(np.random.default_rng(0), 50, 4000)
    assert drawn.std() == pytest.approx(0.1, rel=0.03)
    assert np.corrcoef(drawn[:, 10], drawn[:, 15])[0, 1] == pytest.approx(0.9**5, abs=0.05)


def test_drawing_the_items_again_scatters_as_the_items_do():
    rng = np.random.default_rng(0)
    right = (rng.random(400) < 0.3)[None, None].repeat(6, axis=1).astype(float)
    fitted = np.linspace(0.8, 0.6, 6)[None]
    steps = {"step": np.arange(6), "seed": np.zeros(6), "items": np.full(6, 400), "base_loss": np.full(6, 0.9)}
    curves = Curves.of(np.full(6, "a"), np.full(6, 1e9), np.arange(1.0, 7), fitted[0], **steps)
    drawn = resampled(rng, right, fitted, merge(curves), draws=2000)
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
        fit = rlaw.fit("saturating", study(Truth(runs=runs, steps=30, drift=0.05, with_items=False), 0), draws=200)
        assert fit.settings["intervals"]["noise"][0] == "runs"
        widths.append(fit.k(72e9).high - fit.k(72e9).low)
    assert widths[1] < 0.8 * widths[0]


def test_single_runs_are_judged_by_their_drift_and_the_fit_says_so():
    fit = rlaw.fit("saturating", study(Truth(steps=30), 0), draws=50)
    assert fit.settings["intervals"]["noise"] == ["drift", "items"]
    assert "replicates-missing" in {w.code for w in fit.warnings}


@pytest.mark.parametrize("runs", [1, 3])
def test_ninety_percent_intervals_cover_the_truth_about_as_often(runs):
    truth = Truth(runs=runs, steps=30, items=200, drift=0.02)
    hits = []
    for seed in range(40):
        fit = rlaw.fit("saturating", study(truth, seed), axis="data", draws=100)
        k = fit.k(72e9)
        hits.append(k.low <= truth.k(72e9) <= k.high)
    assert (
        30 <= sum(hits) <= 40
    )  # 36 expected; fewer than 30 has a chance of 0.5 % (the full study: benchmarks/coverage)


def test_for_independent_errors_the_interval_is_the_one_of_linear_theory(monkeypatch):
    monkeypatch.setattr("rlaw.fitting.bootstrap.measure", lambda *_: None)  # sizes on the law: the theory's case
    rng = np.random.default_rng(2)
    steps, sizes = np.arange(1, 106), np.array([0.5e9, 1.5e9, 3e9, 7e9, 14e9, 32e9, 72e9])
    k, level = 0.14 / (1 + 13e9 / sizes), np.linspace(-0.02, -0.05, 7)
    true = 10 ** (level[:, None] - k[:, None] * np.log10(steps))
    loss = true + 0.03 * np.sqrt(true * (1 - true)) * rng.standard_normal(true.shape)
    size, point = (a.ravel() for a in np.indices(loss.shape))
    table = {"params": sizes[size], "step": steps[point], "data_size": 1.0 * steps[point], "test_loss": loss.ravel()}
    fit = rlaw.fit("saturating", Frame.of(pl.DataFrame(table), "x"), axis="data", draws=1000)

    def residual(v):
        fitted = 10 ** (v[2:][size] - v[0] / (1 + 10 ** v[1] / sizes[size]) * np.log10(steps[point]))
        return (fitted - loss.ravel()) / np.sqrt(105 * 7)

    found = least_squares(residual, np.r_[0.14, np.log10(13e9), level], x_scale="jac")
    noise = np.diag(0.03**2 * true.ravel() * (1 - true.ravel()) / (105 * 7))
    inverse = np.linalg.inv(found.jac.T @ found.jac)
    spread = np.sqrt(np.diag(inverse @ found.jac.T @ noise @ found.jac @ inverse))
    told = fit.parameters["N_0"]
    width = np.log10(told.high / told.low) / (2 * stats.norm.ppf(0.95))
    assert told.value == pytest.approx(10 ** found.x[1], rel=1e-4)
    assert width == pytest.approx(spread[1], rel=0.15)
    K_max = fit.parameters["K_max"]
    assert (K_max.high - K_max.low) / (2 * stats.norm.ppf(0.95)) == pytest.approx(spread[0], rel=0.15)
