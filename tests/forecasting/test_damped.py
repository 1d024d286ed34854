import numpy as np
import polars as pl
import pytest

import rlaw
from rlaw.errors import NotIdentifiable
from rlaw.measurements.frame import Frame


def settling(noise=0.0):
    """Curves whose steps shrink by a tenth each time."""
    rng = np.random.default_rng(0)
    step = np.arange(1, 41)
    rows = [
        {
            "params": N,
            "step": int(s),
            "data_size": 64.0 * s,
            "test_loss": 0.9 - gain * (1 - 0.9**s) + noise * rng.normal(),
        }
        for N, gain in ((1e8, 0.1), (1e9, 0.2), (1e10, 0.4))
        for s in step.tolist()
    ]
    return Frame.of(pl.DataFrame(rows), "settling")


def test_a_trend_that_fades_as_the_curve_does_is_found():
    told = rlaw.forecast(settling(), "largest", anchor="first:15", axis="data", law="damped-trend", draws=50)
    assert told.law == "damped-trend"
    assert told.held_out.mae < 0.02
    last = told.observed[-1][1]
    assert all(p.loss < last for p in told.points)


def test_the_damped_trend_is_a_baseline_of_every_comparison():
    told = rlaw.compare(settling(0.003), laws=["power"], axis="data", cut=15, draws=50)
    assert told.score("damped-trend").mae < 0.5 * told.score("last-value").mae
    assert "damped-trend" in told.verdict


def test_the_damped_trend_goes_on_along_a_curve_and_is_refused_without_one():
    with pytest.raises(NotIdentifiable, match="goes on along a curve"):
        rlaw.forecast(settling(), "largest", axis="data", law="damped-trend")
    told = rlaw.forecast(settling(), "largest", anchor="first:1", axis="data", law="damped-trend", draws=50)
    assert [p.loss for p in told.points] == pytest.approx([told.observed[0][1]] * len(told.points))


def test_order_of_rows_changes_no_damped_trend():
    frame = settling(0.003)
    shuffled = Frame.of(frame.rows.drop("base_loss").sample(fraction=1, shuffle=True, seed=1), frame.source)
    first, second = (
        rlaw.forecast(f, "largest", anchor="first:9", axis="data", law="damped-trend", draws=50).points
        for f in (frame, shuffled)
    )
    assert first == second
