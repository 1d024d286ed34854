"""Sizes beside the law: how far they scatter, which one stands apart, and that intervals know it."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

import rlaw
from rlaw.fitting.scatter import Scatter
from rlaw.measurements.frame import Frame
from rlaw.testing.studies import Truth, study

SIZES = (1e9, 8e9, 64e9)
PLAIN = Truth(steps=40, runs=3, drift=0.0, items=2000, with_items=False)


def scattered(truth, spread, seed):
    """The truth with slopes beside its law, each size turned about the middle of its curve."""
    rng = np.random.default_rng([seed, 1])
    middle = np.log10(truth.prompts) + np.mean(np.log10(np.arange(1, truth.steps + 1)))
    slopes = [truth.k(n) * np.exp(spread * rng.standard_normal()) for n in truth.sizes]
    levels = [e + (k - truth.k(n)) * middle for e, k, n in zip(truth.intercepts, slopes, truth.sizes, strict=True)]
    return replace(truth, slopes=slopes, intercepts=levels)


def ladder(off, noise=0.02, sizes=7):
    """A scatter of sizes whose slopes are off a law of two parameters."""
    n = np.linspace(-2, 2, sizes)
    full = np.column_stack([np.ones(sizes), n])
    off = np.asarray(off) - full @ np.linalg.lstsq(full, off, rcond=None)[0]
    return Scatter(np.full(sizes, 0.1), off, noise**2 * np.eye(sizes), full, np.ones(sizes), np.ones(sizes, bool))


def test_the_scatter_is_found_and_as_unsure_as_few_sizes_leave_it():
    rng = np.random.default_rng(0)
    found = [ladder(0.15 * rng.standard_normal(7)).interval(0.9) for _ in range(200)]
    assert np.median([i.value for i in found]) == pytest.approx(0.15, rel=0.2)
    assert np.mean([i.low <= 0.15 <= i.high for i in found]) == pytest.approx(0.9, abs=0.07)
    assert np.mean([i.high / i.value for i in found]) > 1.5


def test_sizes_on_the_law_scatter_less_than_their_noise():
    found = [ladder(0.02 * np.random.default_rng(s).standard_normal(7)) for s in range(50)]
    assert np.median([s.interval(0.9).value for s in found]) < 0.02


def test_a_size_that_stands_apart_is_found_and_does_not_widen_the_others():
    off = np.r_[0.0, 0.01, 0.0, 0.5, -0.01, 0.0, 0.01]
    scatter = ladder(off)
    deviations = scatter.deviations()
    assert min(deviations, key=lambda d: d.chance).size == 3
    assert deviations[3].chance * 7 < 0.05
    assert deviations[3].own / deviations[3].others > 1
    assert scatter.interval(0.9).value < 0.1
    assert np.mean(scatter.draw(np.random.default_rng(0), 2000).apart == 3) > 0.8


def test_honest_scatter_hardly_ever_puts_a_size_apart():
    rng = np.random.default_rng(1)
    chances = [min(d.chance for d in ladder(0.15 * rng.standard_normal(7)).deviations()) * 7 for _ in range(100)]
    assert np.mean(np.array(chances) < 0.1) <= 0.2


def test_intervals_are_as_wide_as_the_sizes_scatter():
    truth = scattered(PLAIN, 0.15, 4)
    on, off = (rlaw.fit("saturating", study(t, 0), axis="data", draws=200) for t in (PLAIN, truth))
    widths = [f.k(72e9).high - f.k(72e9).low for f in (on, off)]
    assert widths[1] > 2 * widths[0]
    assert on.to_json()["scatter"]["value"] < off.to_json()["scatter"]["value"]


def test_a_new_size_is_less_sure_than_the_law_at_it():
    fit = rlaw.fit("saturating", study(scattered(PLAIN, 0.15, 4), 0), axis="data", hold_out="largest", draws=400)
    law = np.quantile(fit.k_draws(72e9), [0.05, 0.95])
    new = fit.k(72e9)
    assert new.high - new.low > 1.1 * np.ptp(law)
    held = fit.held_out.values["k"]
    assert (held.low, held.high) == pytest.approx((new.low, new.high))


def test_the_fit_names_the_size_and_gives_the_law_without_it():
    slopes = [PLAIN.k(n) * (0.4 if n == 14e9 else 1) for n in PLAIN.sizes]
    levels = [e + (k - PLAIN.k(n)) * 3.9 for e, k, n in zip(PLAIN.intercepts, slopes, PLAIN.sizes, strict=True)]
    frame = study(replace(PLAIN, slopes=slopes, intercepts=levels), 2)
    fit = rlaw.fit("saturating", frame, axis="data", draws=200)
    (caution,) = [w for w in fit.warnings if w.code == "size-apart"]
    assert caution.text.startswith("14B stands apart")
    (named,) = [d for d in fit.to_json()["deviations"] if d["apart"]]
    without = rlaw.fit("saturating", frame, axis="data", hold_out="14B", intervals="none")
    assert named["model"] == "14B"
    assert named["without"]["K_max"] == pytest.approx(without.parameters["K_max"].value, rel=1e-4)
    assert named["without"]["k"] == pytest.approx(without.k(72e9).value, rel=1e-4)
    K_max = fit.parameters["K_max"]
    assert K_max.low <= named["without"]["K_max"] <= K_max.high


def test_the_published_fit_stays_and_names_the_size_beside_it():
    fit = rlaw.fit("saturating", "qwen2.5-math-base", draws=200)
    assert fit.parameters["K_max"].value == pytest.approx(0.13304, rel=0.005)
    assert [d.model for d in fit.deviations if d.apart] == ["Qwen2.5-1.5B"]
    assert fit.identified


def rows(losses, **columns):
    """A table of three sizes, one loss function each."""
    return pl.concat(
        [
            pl.DataFrame({"params": n, "step": s, "data_size": 512.0 * s, "test_loss": f(s), **columns})
            for n, f in zip(SIZES, losses, strict=True)
            for s in (1, 4, 16, 64, 256)
        ]
    )


def falling(k, level=0.9):
    return lambda step: level * step**-k


@pytest.mark.parametrize("law", ["saturating", "power", "sigmoid", "constant"])
def test_curves_without_noise_get_the_noise_of_their_answers_or_no_interval(law):
    exact = [falling(0.0 if law == "constant" else PLAIN.k(n), level=0.9 - 0.1 * i) for i, n in enumerate(SIZES)]
    table = rows(exact)
    bare = rlaw.fit(law, Frame.of(table, "exact"), axis="data", draws=100)
    for size in bare.sizes:
        assert all(np.isnan(v.low) or (v.low <= v.value <= v.high and v.low < v.high) for v in size.values.values())
    known = rlaw.fit(law, Frame.of(table.with_columns(items=pl.lit(500)), "exact"), axis="data", draws=100)
    for name in ("k", "A"):
        for size in (s for s in known.sizes if name in s.values):
            assert size.values[name].low < size.values[name].value < size.values[name].high


def test_a_fit_on_the_law_to_the_last_digit_is_not_identified():
    fit = rlaw.fit("saturating", Frame.of(rows([falling(PLAIN.k(n)) for n in SIZES]), "exact"), axis="data")
    assert not fit.identified
    assert "noise-unknown" in {w.code for w in fit.warnings}


def test_three_evaluations_a_run_do_not_make_slopes_certain():
    frame = study(Truth(steps=105, with_items=False), 3)
    few = Frame.of(frame.rows.drop("base_loss").filter(pl.col("step").is_in([10, 50, 105])), "few")
    fit = rlaw.fit("power", few, axis="data", draws=200)
    assert all(s.values["k"].high - s.values["k"].low > 0.01 for s in fit.sizes)


def test_a_floor_that_may_be_none_is_not_identified():
    fit = rlaw.fit("sigmoid", study(Truth(steps=40, with_items=False), 0), axis="data", draws=100)
    assert not fit.identified
    assert "floor-open" in {w.code for w in fit.warnings}
