import json

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rlaw
from rlaw.errors import NotFound, NotIdentifiable, UsageError
from rlaw.measurements.frame import Frame
from rlaw.testing.studies import Truth, study

SMALL = Truth(steps=25, items=200, runs=2)


@pytest.fixture(scope="module")
def frame():
    return study(SMALL, seed=0)


def table(**changes):
    """Three sizes that follow a law without noise, with some columns replaced."""
    rows = pl.DataFrame({"params": [1e9, 1e9, 1e9, 4e9, 4e9, 4e9, 2e10, 2e10, 2e10], "step": [1, 10, 100] * 3})
    k = 0.2 / (1 + 3e9 / rows["params"])
    rows = rows.with_columns(data_size=pl.col("step") * 512.0)
    rows = rows.with_columns(test_loss=pl.Series(0.9 * rows["step"].to_numpy() ** -k.to_numpy()))
    return rows.with_columns(**changes)


def fit_of(rows, law="saturating", axis="data", **options):
    return rlaw.fit(law, Frame.of(rows, "a table"), axis=axis, **{"intervals": "none", **options})


def test_a_noiseless_table_gives_back_its_law():
    fit = fit_of(table())
    assert fit.parameters["K_max"].value == pytest.approx(0.2, rel=1e-6)
    assert fit.parameters["N_0"].value == pytest.approx(3e9, rel=1e-6)
    assert fit.k(3e9).value == pytest.approx(0.1, rel=1e-6)
    E = fit.size("1B").values["E"].value
    assert pytest.approx(np.log10(0.9) + 0.05 * np.log10(512), rel=1e-6) == E
    assert fit.predict("4B", [512 * 10.0]) == pytest.approx(table()["test_loss"][4], rel=1e-6)


def test_the_document_has_the_keys_of_schema_1(frame):
    document = rlaw.fit("saturating", frame, axis="compute", draws=50, hold_out="largest").to_json()
    wanted = "schema law axis log_base points dropped parameters rungs r2_pooled rmse identified warnings held_out"
    assert set(wanted.split()) <= set(document)
    assert document["schema"] == 1
    assert document["log_base"] == 10
    assert set(document["parameters"]) == {"K_max", "N_0"}
    assert {"model", "params", "points", "k", "E", "r2", "rmse"} <= set(document["rungs"][0])
    assert set(document["rungs"][0]["k"]) == {"value", "low", "high"}
    assert json.loads(json.dumps(document, allow_nan=False)) == document


@settings(max_examples=10, deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_nothing_to_the_last_bit(random):
    rows = study(Truth(steps=8, items=50, runs=2), seed=1).rows
    order = list(range(len(rows)))
    random.shuffle(order)
    told = [rlaw.fit("saturating", Frame.of(r, "x"), axis="compute", draws=20).to_json() for r in (rows, rows[order])]
    assert told[0] == told[1]


@pytest.mark.parametrize("unit", [1e-12, 1e12])
def test_compute_in_other_units_moves_only_the_intercepts(frame, unit):
    other = Frame.of(frame.rows.with_columns(pl.col("compute_flops") * unit), "x")
    first, second = (rlaw.fit("saturating", f, axis="compute", intervals="none") for f in (frame, other))
    for name in ("K_max", "N_0"):
        assert second.parameters[name].value == pytest.approx(first.parameters[name].value, rel=1e-9)
    for a, b in zip(first.sizes, second.sizes, strict=True):
        k, moved = a.values["k"].value, b.values["E"].value - a.values["E"].value
        assert b.values["k"].value == pytest.approx(k, rel=1e-9)
        assert moved == pytest.approx(k * np.log10(unit), rel=1e-6)


def test_copies_declared_replicates_do_not_narrow_intervals(frame):
    once = frame.where(seed=0)
    copied = pl.concat([once.rows, once.rows.with_columns(seed=pl.lit(1, pl.Int64))])
    for noise in ("equal", "binomial"):
        alone, twice = (
            rlaw.fit("saturating", f, axis="data", draws=100, noise=noise) for f in (once, Frame.of(copied, "x"))
        )
        assert twice.k(72e9) == alone.k(72e9)
        assert "copied-runs" in {w.code for w in twice.warnings}


def test_slopes_that_do_not_rise_with_size_are_not_identified():
    sizes, step = np.repeat([1e9, 2e9, 4e9, 8e9, 16e9], 30), np.tile(np.arange(1, 31), 5)
    k = np.repeat([0.2, 0.05, 0.17, 0.04, 0.11], 30)
    loss = 0.9 * step**-k + np.random.default_rng(0).normal(0, 0.005, 150)
    rows = pl.DataFrame({"params": sizes, "step": step, "data_size": step * 512.0, "test_loss": loss})
    fit = fit_of(rows, intervals="bootstrap", draws=50)
    assert not fit.identified
    assert "slopes-not-rising" in {w.code for w in fit.warnings}
    assert "NOT IDENTIFIED" in str(fit)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"test_loss": pl.lit(0.5)}, "every loss is 0.5"),
        ({"params": pl.when(pl.col("params") > 1e10).then(4e9).otherwise("params")}, "there are 2"),
        ({"data_size": pl.lit(0.0)}, "no point to fit"),
        ({"data_size": pl.col("data_size") * -1}, "no point to fit"),
    ],
    ids=["a constant loss", "two sizes", "zero axis", "negative axis"],
)
def test_what_cannot_be_told_is_refused_with_what_is_missing_and_what_next(changes, reason):
    rows = table(**changes).unique(["params", "step"], keep="first", maintain_order=True)
    with pytest.raises(NotIdentifiable, match=reason) as refused:
        fit_of(rows)
    assert "next:" in str(refused.value)


def test_a_single_row_is_refused():
    with pytest.raises(NotIdentifiable, match="at least 2 points"):
        fit_of(table()[:1])


def test_step_zero_and_steps_outside_the_window_are_left_out_and_counted():
    rows = pl.concat([table(), table(step=pl.lit(0, pl.Int64), data_size=pl.lit(0.0)).unique("params")])
    fit = fit_of(rows, window=":10")
    assert fit.points == 6
    assert fit.dropped == {"axis_not_positive": 3, "outside_window": 3}


@pytest.mark.parametrize("window", ["5", "a:b", "9:3", "1:2:3"])
def test_a_window_that_is_none_is_a_usage_error(frame, window):
    with pytest.raises(UsageError, match="window"):
        rlaw.fit("power", frame, window=window)


def test_a_run_that_broke_down_is_kept_out_and_counted():
    step = np.arange(1, 31)
    tables = []
    for params, seed in [(1e9, 0), (4e9, 0), (2e10, 0), (2e10, 1)]:
        loss = 0.9 * step ** (-0.2 / (1 + 3e9 / params))
        if seed == 1:
            loss = np.where(step > 20, 0.99, loss)
        tables.append(
            pl.DataFrame({"params": params, "seed": seed, "step": step, "data_size": step * 512.0, "test_loss": loss})
        )
    fit = fit_of(pl.concat(tables))
    assert fit.dropped == {"collapsed_run": 30}
    assert "collapsed" in {w.code for w in fit.warnings}
    assert fit.parameters["K_max"].value == pytest.approx(0.2, rel=1e-6)


def test_a_held_out_size_is_found_by_its_name_its_size_or_as_the_largest(frame):
    told = {
        rlaw.fit("saturating", frame, intervals="none", hold_out=w).held_out.model for w in ("largest", "72B", 72e9)
    }
    assert told == {"72B"}
    with pytest.raises(NotFound, match="'8B'"):
        rlaw.fit("saturating", frame, intervals="none", hold_out="8B")


def test_a_law_per_size_says_nothing_of_a_size_that_was_held_out(frame):
    fit = rlaw.fit("power", frame, intervals="none", hold_out="largest")
    assert fit.held_out is None
    with pytest.raises(NotIdentifiable, match="of its own"):
        fit.k(72e9)


def test_a_band_holds_the_fitted_curve(frame):
    fit = rlaw.fit("saturating", frame, axis="data", draws=100)
    x = np.geomspace(512, 512 * 25, 5)
    low, high = fit.band("7B", x)
    assert (low < fit.predict("7B", x)).all()
    assert (fit.predict("7B", x) < high).all()
    assert fit.predict_draws("7B", x).shape == (100, 5)
    assert fit.k_draws(72e9).shape == (100,)


def test_a_fit_without_draws_says_so_when_a_band_is_asked_for(frame):
    fit = rlaw.fit("saturating", frame, axis="data", intervals="none")
    with pytest.raises(UsageError, match="no bootstrap draws"):
        fit.band("7B", [1e4])


def test_binomial_weights_need_the_number_of_problems(frame):
    unknown = Frame.of(frame.rows.with_columns(items=pl.lit(None, pl.Int64)), "x")
    with pytest.raises(UsageError, match="how many problems"):
        rlaw.fit("saturating", unknown, noise="binomial", intervals="none")
    given_, known = (rlaw.fit("saturating", f, noise="binomial", items=200, intervals="none") for f in (unknown, frame))
    assert given_.parameters == known.parameters


def test_log_space_gives_the_line_that_least_squares_gives_in_logarithms(frame):
    fit = rlaw.fit("power", frame, axis="data", space="log", intervals="none")
    own = frame.rows.filter(pl.col("model") == "7B")
    slope, level = np.polyfit(np.log10(own["data_size"].to_numpy()), np.log10(own["test_loss"].to_numpy()), 1)
    assert fit.size("7B").values["k"].value == pytest.approx(-slope, rel=1e-6)
    assert fit.size("7B").values["E"].value == pytest.approx(level, rel=1e-6)


def test_the_same_seed_gives_the_same_intervals_and_another_seed_others(frame):
    first, again, other = (rlaw.fit("saturating", frame, draws=50, seed=s).k(72e9) for s in (0, 0, 1))
    assert first == again
    assert first != other


def test_a_law_of_the_base_asks_for_the_loss_of_the_base():
    bases = {"1B": 0.95, "4B": 0.9, "20B": 0.8}
    start = table(step=pl.lit(0, pl.Int64), data_size=pl.lit(0.0)).unique("params", maintain_order=True)
    start = start.with_columns(test_loss=pl.Series(list(bases.values())))
    fit = fit_of(pl.concat([table(), start]), law="base-efficiency")
    with pytest.raises(UsageError, match="base_loss"):
        fit.k(7e9)
    assert fit.k(7e9, base_loss=0.95).value < fit.k(7e9, base_loss=0.8).value
