"""What must not matter to a forecast, a comparison and an allocation: order of rows, unit of compute, copied runs."""

import polars as pl
import pytest

import rlaw
from rlaw.measurements.frame import Frame
from rlaw.testing.studies import Truth, study

ROWS = study(
    Truth(steps=20, items=200, with_items=False, sizes=(1e9, 4e9, 2e10, 7e10), intercepts=(0.0, 0.05, 0.1, 0.18)), 0
)


def frame(rows):
    return Frame.of(rows.drop("base_loss"), "a study")


def forecast(data, unit=1.0):
    told = rlaw.forecast(data, "largest", anchor="first:5", axis="compute", at=[3e20 * unit], draws=40)
    return [v for p in told.points for v in (p.loss, p.low, p.high)]


def compare(data, unit=1.0):
    told = rlaw.compare(data, laws=["auto", "saturating"], axis="compute", cut=8, draws=40)
    return [v for s in told.laws for v in (s.mae, s.bias, s.coverage)]


def allocate(data, unit=1.0):
    told = rlaw.allocate(data, compute=1e20 * unit, draws=40)
    return [v for c in told.choices for v in (c.loss.value, c.loss.low, c.loss.high, c.probability_best)]


COMMANDS = (forecast, compare, allocate)


@pytest.mark.parametrize("ask", COMMANDS)
def test_the_order_of_rows_changes_nothing_to_the_last_bit(ask):
    shuffled = ROWS.rows.sample(fraction=1, shuffle=True, seed=2)
    assert ask(frame(shuffled)) == ask(frame(ROWS.rows))


@pytest.mark.parametrize("ask", COMMANDS)
def test_compute_in_other_units_changes_no_loss(ask):
    scaled = ROWS.rows.with_columns(pl.col("compute_flops") * 1e-12)
    assert ask(frame(scaled), 1e-12) == pytest.approx(ask(frame(ROWS.rows)), rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("ask", COMMANDS)
def test_copies_declared_replicates_change_nothing(ask):
    copies = ROWS.rows.filter(pl.col("model") != "70B").with_columns(seed=pl.lit(1, pl.Int64))
    assert ask(frame(pl.concat([ROWS.rows, copies]))) == ask(frame(ROWS.rows))
