"""Doublings and years that a lower loss takes: Lu 2026, arXiv:2603.28507, with numbers derived from its equations."""

import numpy as np
import pytest

from rlaw.fitting.efficiency import doublings, physical, relative_loss, years, years_of
from rlaw.forecasting.doublings import doublings_to


@pytest.mark.parametrize(("kappa", "needed"), [(0.05, 20), (0.11, 9.09), (0.2, 5)])
def test_half_the_reducible_loss_takes_log2_of_2_over_kappa_doublings(kappa, needed):
    assert doublings(2, kappa) == pytest.approx(needed, abs=0.005)


def test_at_an_exponent_of_0_11_half_the_loss_is_545_times_the_compute():
    assert 2 ** doublings(2, 0.11) == pytest.approx(545, abs=0.5)


@pytest.mark.parametrize(("rate", "span"), [(0.5, 15.1), (1, 8.6), (2, 4.8), (0, 544)])
def test_years_of_a_fixed_spending_to_half_the_loss(rate, span):
    assert years(doublings(2, 0.11), rate) == pytest.approx(span, abs=0.5 if rate == 0 else 0.05)


@pytest.mark.parametrize("rate", [0, 0.5, 1, 2])
def test_the_relative_loss_after_those_years_is_the_one_that_was_wanted(rate):
    assert relative_loss(years(doublings(2, 0.11), rate), rate, 0.11) == pytest.approx(0.5)
    assert relative_loss(3.0, 0, 0.11) == pytest.approx(4**-0.11)
    assert relative_loss(3.0, 1e-9, 0.11) == pytest.approx(4**-0.11)


def test_years_of_very_many_doublings_do_not_overflow():
    assert years(5000.0, 1.0) == pytest.approx(5000, abs=1)
    assert years(np.inf, 1.0) == np.inf


def test_a_doubling_time_is_read_in_months_and_years():
    assert years_of("12 months") == pytest.approx(1)
    assert years_of("2 years") == pytest.approx(2)
    assert years_of(0.5) == 0.5


def test_draws_of_a_power_law_with_a_floor_give_their_doublings_back():
    """L = 0.1 + 0.4 C^-0.2: 0.2 takes a fourth of the reducible loss, log2(4) / 0.2 doublings."""
    loss, after, floors = np.full(200, 0.5), np.full(200, 0.1 + 0.4 * 2**-0.2), np.full(50, 0.1)
    found = doublings_to(loss, after, 0.2, floors=floors, level=0.9, seed=0, efficiency_doubling="12 months")
    assert found.needed.value == pytest.approx(10)
    assert found.gain.value == pytest.approx(0.4 * (1 - 2**-0.2))
    assert found.later_gain.value == pytest.approx(0.4 * 2**-0.6 * (1 - 2**-0.2))
    assert found.years is not None
    assert found.years[0].value == pytest.approx(float(years(10, 1)))
    assert found.years[1].value == pytest.approx(float(years(10, 2)))


def test_a_floor_whose_interval_reaches_the_target_leaves_no_finite_number():
    loss, after = np.full(300, 0.5), np.full(300, 0.47)
    floors = np.linspace(0.1, 0.3, 100)
    near = doublings_to(loss, after, 0.28, floors=floors, level=0.9, seed=0)
    assert np.isfinite(near.needed.value)
    assert near.needed.high == np.inf
    assert near.to_json()["needed"]["high"] is None
    assert "no finite number" in "\n".join(near.lines())
    below = doublings_to(loss, after, 0.05, floors=floors, level=0.9, seed=0)
    assert below.needed.value == np.inf
    assert below.within == 0
    assert np.isfinite(below.without_floor.value)
    there = doublings_to(loss, after, 0.6, floors=floors, level=0.9, seed=0)
    assert there.needed.value == 0


def test_the_physical_side_counts_what_is_executed():
    """1e20 FLOPs counted 6N of 12N executed: 2e20 at 30 % of 989e12 FLOP/s."""
    side = physical(1e20, "6N", 12.0)
    assert side.gpu_hours == pytest.approx(2e20 / (0.3 * 989e12 * 3600))
    assert side.kwh == pytest.approx(side.gpu_hours * 0.7)
    assert side.usd == pytest.approx(side.gpu_hours * 2.5)
