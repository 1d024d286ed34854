import itertools

import numpy as np
import polars as pl
import pytest

import rlaw
from rlaw.errors import NotIdentifiable
from rlaw.fitting.selection import curves_of
from rlaw.fitting.trend import Slopes, slopes, trend
from rlaw.measurements.frame import Frame
from rlaw.testing.studies import Truth, study

SIZES = np.array([0.5e9, 1.5e9, 3e9, 7e9, 14e9, 32e9, 72e9])


def told(k, error=0.005, params=SIZES):
    k = np.asarray(k, float)
    return trend(Slopes(params[: len(k)], k, np.full(len(k), error), np.zeros((len(k), 1)), 400))


def law_free(k, seed, noise=0.01, steps=60, memory=0.8):
    """A ladder with the given slopes in the order of the sizes, whose runs drift."""
    rng = np.random.default_rng(seed)
    rows = []
    for params, slope in zip(SIZES, k, strict=False):
        step, drift = np.arange(1, steps + 1), np.zeros(steps)
        for t in range(1, steps):
            drift[t] = memory * drift[t - 1] + np.sqrt(1 - memory**2) * rng.standard_normal()
        loss = 0.9 * step**-slope + noise * (drift + rng.standard_normal(steps))
        columns = {"params": params, "step": step, "data_size": step * 512.0, "test_loss": loss}
        rows.append(pl.DataFrame({**columns, "params": np.full(steps, params)}))
    return Frame.of(pl.concat(rows), "a ladder without a law")


def test_slopes_that_follow_the_law_rise_beyond_luck():
    assert told(0.14 / (1 + 13e9 / SIZES)).rises


def test_by_order_is_the_share_of_orders_that_rise_as_well():
    k = [0.01, 0.05, 0.03, 0.08, 0.09]
    seen = told(k).by_order
    as_well = [told(np.array(k)[list(o)]).by_order <= seen for o in itertools.permutations(range(5))]
    assert seen == pytest.approx(np.mean(as_well), abs=1e-9)
    assert told(sorted(k)).by_order == pytest.approx(1 / 120)
    assert told(sorted(k, reverse=True)).by_order > 0.5


def test_a_perfect_order_within_the_errors_is_luck():
    k = np.linspace(0.05, 0.052, 7)
    assert told(k, error=0.005).by_order <= 0.05
    assert not told(k, error=0.005).rises
    assert told(k, error=0.0001).rises


def test_of_three_sizes_the_best_order_is_asked():
    assert told([0.01, 0.05, 0.1]).rises
    assert not told([0.01, 0.1, 0.09]).rises


def test_the_error_of_a_slope_is_how_much_it_scatters_from_study_to_study():
    found = [slopes(curves_of(law_free([0.05] * 7, seed), axis="data")[0]) for seed in range(60)]
    scatter = np.std([s.k for s in found], axis=0).mean()
    assert np.mean([s.error for s in found]) == pytest.approx(scatter, rel=0.25)


def test_a_slope_without_noise_has_no_error_and_equal_slopes_do_not_rise():
    found = slopes(curves_of(law_free([0.05] * 7, 0, noise=0.0), axis="data")[0])
    assert found.k == pytest.approx(np.full(7, 0.05), rel=1e-9)
    assert found.error == pytest.approx(np.zeros(7), abs=1e-9)
    assert not trend(found).rises


def test_runs_of_a_size_that_differ_widen_its_error():
    one = study(Truth(steps=40, runs=3, drift=0.0, with_items=False), seed=0)
    tilt = (pl.col("seed") - 1) * 0.05 * pl.col("step").log() / np.log(40)
    apart = Frame.of(one.rows.drop("base_loss").with_columns(pl.col("test_loss") * (1 + tilt) * 0.95), "apart")
    narrow, wide = (slopes(curves_of(f, axis="data")[0]).error for f in (one, apart))
    assert (wide > 2 * narrow).all()


KINDS = {
    "equal": lambda rng: np.full(7, rng.uniform(0.02, 0.12)),
    "falling": lambda rng: np.sort(rng.uniform(0.01, 0.12, 7))[::-1],
    "random": lambda rng: rng.uniform(0.01, 0.12, 7),
    "hump": lambda rng: np.array([0.02, 0.05, 0.08, 0.1, 0.08, 0.05, 0.02]) * rng.uniform(0.5, 1.2),
}


@pytest.mark.parametrize("kind", KINDS)
def test_law_free_studies_are_seldom_taken_for_a_law(kind):
    rng = np.random.default_rng(5)
    rose = [trend(slopes(curves_of(law_free(KINDS[kind](rng), s), axis="data")[0])).rises for s in range(80)]
    assert np.mean(rose) <= 0.08


def test_studies_of_the_papers_design_are_identified():
    frames = [study(Truth(with_items=False), seed=s) for s in range(20)]
    assert all(trend(slopes(curves_of(f, axis="data")[0])).rises for f in frames)


def test_the_real_curves_rise_even_in_their_first_steps():
    frame = rlaw.load("qwen2.5-math-base")
    for axis in ("data", "compute"):
        assert trend(slopes(curves_of(frame, axis=axis, window=":5")[0])).rises


def test_every_command_of_the_ladder_says_not_identified_without_a_law():
    frame = law_free([0.05] * 7, seed=1)
    fit = rlaw.fit("saturating", frame, axis="data", draws=40)
    anchored = rlaw.forecast(frame, "72B", anchor="first:5", axis="data", draws=40)
    allocated = rlaw.allocate(frame, data=20_000, draws=40)
    for result in (fit, anchored, allocated):
        assert result.to_json()["identified"] is False
        assert "NOT IDENTIFIED" in str(result)
    with pytest.raises(NotIdentifiable, match="beyond luck"):
        rlaw.forecast(frame, "72B", axis="data", draws=40)
