import numpy as np
import polars as pl
import pytest

import rlaw
from rlaw.forecasting.outcomes import bounded, dispersion_of, measured
from rlaw.measurements.frame import Frame
from rlaw.testing.studies import Truth, study


def frame_of(rows):
    return Frame.of(pl.DataFrame(rows), "a table")


def near_one(noise, items=None, points=12):
    """Sizes that hardly learn, and one that loses what it had: straight lines through them pass 1."""
    rng = np.random.default_rng(0)
    step = np.arange(1, points + 1)
    rows = []
    for N, k, level in (
        (1e8, 0.001, 0.985),
        (3e8, 0.002, 0.98),
        (1e9, 0.03, 0.97),
        (3e9, 0.08, 0.95),
        (1e10, 0.12, 0.9),
    ):
        loss = np.clip(level * step**-k + noise * rng.standard_normal(points), 1e-3, 1.0)
        rows += [
            {"params": N, "step": int(s), "data_size": 64.0 * s, "test_loss": float(v)}
            | ({} if items is None else {"items": items})
            for s, v in zip(step, loss, strict=True)
        ]
    return frame_of(rows)


@pytest.mark.parametrize("dispersion", [1e-12, 1e-3, 0.3, 5.0])
@pytest.mark.parametrize("answers", [None, 30, 500])
def test_measured_losses_stay_within_their_range_and_scatter_as_they_should(dispersion, answers):
    rng = np.random.default_rng(0)
    true = np.tile([0.0, 1e-9, 0.3, 0.98, 1.0], (4000, 1))
    drawn = measured(rng, true, np.full((4000, 1), dispersion), answers)
    assert 0 <= drawn.min() <= drawn.max() <= 1
    assert (drawn.std(axis=0) > 0).all()
    if dispersion == 1e-3:
        assert drawn[:, 2].std() == pytest.approx(np.sqrt(1e-3 * 0.3 * 0.7), rel=0.1)
        assert drawn.mean(axis=0) == pytest.approx(true[0], abs=0.002)


def test_a_loss_is_left_as_it_is_where_losses_were_measured_and_never_reaches_past_1():
    loss = np.array([0.01, 0.5, 0.9, 0.95, 1.2, 300.0])
    bent = bounded(loss, 0.9)
    assert bent[:3] == pytest.approx(loss[:3])
    assert (np.diff(bent) >= 0).all()
    assert 0.9 < bent[3] < 0.95
    assert bent.max() <= 1
    assert bounded(loss, 0.9, 0.95).max() <= 0.95


def test_without_points_to_spare_the_number_of_answers_says_what_scatters():
    assert dispersion_of(0.0, 0, 500) == pytest.approx(0.5 / 500)
    assert dispersion_of(0.0, 0, None) == 0
    assert dispersion_of(200 * 4e-3, 200, 500) == pytest.approx(4e-3, rel=0.02)


@pytest.mark.parametrize("law", ["auto", "power", "saturating", "damped-trend", "sigmoid", "chinchilla"])
@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_no_forecast_and_no_interval_leaves_the_range_of_a_loss_or_has_no_width(law, noise):
    frame = near_one(noise)
    for target, anchor in (("1e8", "first:6"), ("1e10", "first:6")):
        how = {"axis": "data", "law": law, "at": [64 * 7, 6.4e4, 6.4e7], "far": True, "draws": 100}
        told = rlaw.forecast(frame, target, anchor=anchor, **how)
        for p in told.points:
            assert 0 <= p.low <= p.loss <= p.high <= 1
            assert p.low < p.high


def test_a_blind_forecast_of_a_smaller_size_stays_below_1_and_says_that_the_law_has_left_its_range():
    forecast = rlaw.forecast(rlaw.load("qwen2.5-math-base"), "0.5B", axis="data", draws=200)
    assert max(p.high for p in forecast.points) <= 1
    assert max(p.loss for p in forecast.points) < 1
    assert "out-of-range" in [w.code for w in forecast.warnings]


def test_three_evaluations_of_known_size_give_intervals_at_least_as_wide_as_their_answers_scatter():
    rows = [
        {"params": N, "step": s, "data_size": 64.0 * s, "test_loss": 0.8 * s**-k, "items": 100}
        for N, k in ((1e8, 0.05), (1e9, 0.1), (1e10, 0.2))
        for s in (1, 2, 4)
    ]
    told = rlaw.forecast(frame_of(rows), "1e10", anchor="first:3", axis="data", at=[64 * 8], draws=200)
    point = told.points[0]
    assert point.high - point.low > 2 * np.sqrt(0.5 * point.loss * (1 - point.loss) / 100)


def test_the_forecast_of_runs_with_unequal_numbers_is_judged_by_steps_and_not_by_points():
    truth = Truth(steps=30, runs=(1, 1, 1, 1, 1, 1, 3), with_items=False)
    told = rlaw.forecast(study(truth, 0), "72B", anchor="first:8", axis="data", draws=60)
    assert told.backtest.sizes == 6  # as points, 24 of 30 would be asked for, and no other size could be judged
    assert told.to_json()["backtest"]["coverage"] == pytest.approx(told.backtest.coverage)
