import numpy as np
import pytest

import rlaw
from rlaw.errors import NotFound, UsageError
from rlaw.fitting.profile import profile
from rlaw.testing.studies import Truth, study


@pytest.fixture(scope="module")
def fit():
    return rlaw.fit("saturating", study(Truth(steps=60, drift=0.0, difficulty=0.0, with_items=False), 0), axis="data")


@pytest.mark.parametrize("name", ["K_max", "N_0"])
def test_where_the_law_is_well_determined_profile_and_bootstrap_agree(fit, name):
    found, drawn = profile(fit, name).interval, fit.parameters[name]
    assert found.value == drawn.value
    width = drawn.high - drawn.low
    assert found.low == pytest.approx(drawn.low, abs=0.15 * width)
    assert found.high == pytest.approx(drawn.high, abs=0.15 * width)


def test_a_profile_is_lowest_at_the_fit_and_rises_to_both_sides(fit):
    found = profile(fit, "N_0")
    best = np.argmin(found.rise)
    assert found.values[best] == pytest.approx(fit.parameters["N_0"].value)
    assert (np.diff(found.rise[best:]) > 0).all()
    assert (np.diff(found.rise[: best + 1]) < 0).all()
    assert np.interp(found.interval.high, found.values, found.rise) == pytest.approx(1, abs=0.02)


def test_sizes_far_below_the_bend_leave_the_parameters_without_an_upper_end():
    truth = Truth(steps=40, sizes=(0.5e9, 1e9, 2e9), intercepts=(-0.01, -0.01, -0.01), N_0=300e9, K_max=2.0)
    found = profile(rlaw.fit("saturating", study(truth, 1), axis="data", draws=200), "N_0")
    assert found.interval.high == np.inf
    assert found.interval.to_json()["high"] is None
    assert "unbounded" in str(found)


def test_a_profile_needs_a_parameter_of_the_law_and_draws(fit):
    with pytest.raises(NotFound, match="it has K_max, N_0"):
        profile(fit, "E")
    bare = rlaw.fit("saturating", study(Truth(steps=10), 0), axis="data", intervals="none")
    with pytest.raises(UsageError, match="bootstrap"):
        profile(bare, "N_0")


def test_a_fit_with_profile_intervals_differs_in_the_shared_parameters_alone(fit):
    again = rlaw.fit("saturating", fit.frame, axis="data", intervals="profile")
    assert again.parameters == {name: profile(fit, name).interval for name in ("K_max", "N_0")}
    assert again.sizes == fit.sizes
    assert again.to_json()["intervals"] == {**fit.to_json()["intervals"], "method": "profile"}
