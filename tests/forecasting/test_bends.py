import numpy as np
import polars as pl
import pytest

import rlaw
from rlaw.forecasting.bends import PRIOR, RATES, bend, faded, middle_of, weights_of
from rlaw.measurements.frame import Frame


def late_sigmoids(steps=105, start=20, seed=0):
    """Quiet sigmoids from after their bend on: they look straight, and near their asymptote are not."""
    rng, tables = np.random.default_rng(seed), []
    for N, base, floor, middle in (
        (1e8, 0.97, 0.85, 12),
        (1e9, 0.93, 0.65, 11),
        (1e10, 0.9, 0.5, 10),
        (1e11, 0.85, 0.35, 9),
    ):
        step = np.arange(start, steps + 1)
        loss = floor + (base - floor) / (1 + (step / middle) ** 1.5) + 0.003 * rng.standard_normal(len(step))
        columns = {"params": np.full(len(step), N), "step": step, "data_size": 64.0 * step, "test_loss": loss}
        tables.append(pl.DataFrame(columns))
    return Frame.of(pl.concat(tables), "sigmoids after their bend")


def test_a_slope_that_fades_leaves_a_bounded_change_and_none_leaves_it_whole():
    u = np.array([1e-6, 0.5, 1.0, 5.0])
    assert faded(u, 0.0) == pytest.approx(1.0)
    assert faded(u, 2.0) * u * 2.0 == pytest.approx(1 - np.exp(-2.0 * u), abs=1e-6)
    assert (faded(u[1:], -0.5) > 1).all()


def test_within_the_data_nothing_bends():
    true = np.array([[0.5, 0.45, 0.4]])
    bent = bend(true, np.array([0.46]), np.array([-0.1, 0.0, 0.3]), PRIOR, 0)
    assert bent[0, :2] == pytest.approx(true[0, :2])
    only = tuple(float(rate == 2.0) for rate in RATES)
    many = bend(np.repeat(true, 400, axis=0), np.full(400, 0.46), np.array([-0.1, 0.0, 0.3]), only, 0)[:, 2]
    assert 0.5 < np.mean((true[0, 2] < many) & (many < 0.46)) < 1
    assert np.mean(many < true[0, 2]) > 0  # and some steepen, whatever the weights
    middle = middle_of(true[0], 0.46, np.array([-0.1, 0.0, 0.3]), PRIOR)
    assert true[0, 2] < middle[2] < 0.46


def test_rates_that_would_have_forecast_the_curves_gain_weight():
    misses = np.full((5, len(RATES)), 3.0)
    misses[:, RATES.index(2.0)] = 0.5
    assert weights_of(misses)[RATES.index(2.0)] > 0.9
    assert weights_of(np.zeros((0, len(RATES)))) == PRIOR


def test_intervals_after_the_bend_of_sigmoids_know_that_an_asymptote_lies_ahead():
    told = rlaw.compare(late_sigmoids(), laws=["auto"], axis="data", cut=29, draws=100).score("auto")
    assert told.coverage > 0.8  # half as many by lines without an end
