"""Our intervals beside those of linear theory (scipy) and of MINOS (iminuit), on one data set and one noise model."""

from collections.abc import Iterator

import numpy as np
import polars as pl
import pytest
from iminuit import Minuit
from scipy.optimize import least_squares
from scipy.stats import norm

import rlaw
from rlaw.fitting.profile import profile
from rlaw.measurements.frame import Frame

SIZES = np.array([0.5e9, 1.5e9, 3e9, 7e9, 14e9, 32e9, 72e9])
K_MAX, N_0, SPREAD, STEPS = 0.16, 13e9, 0.006, 60
Z = norm.ppf(0.95)  # half of a 90 % interval, in standard deviations


def predicted(theta: np.ndarray, log_x: np.ndarray) -> np.ndarray:
    """(sizes, steps) loss for K_max, ln N_0 and an intercept per size; written here anew, not the package's law."""
    k = theta[0] / (1 + np.exp(theta[1]) / SIZES)
    return 10 ** (theta[2:, None] - k[:, None] * log_x)


@pytest.fixture(scope="module")
def measured() -> tuple[np.ndarray, np.ndarray]:
    """log10 of the data and losses near 1/2, where binomial noise and noise of one size for all are the same."""
    log_x = np.log10(np.arange(1, STEPS + 1) / np.sqrt(STEPS))
    truth = np.r_[K_MAX, np.log(N_0), np.full(len(SIZES), np.log10(0.5))]
    noise = SPREAD * np.random.default_rng(4).standard_normal((len(SIZES), STEPS))
    return log_x, predicted(truth, log_x) + noise


@pytest.fixture(scope="module")
def scipys(measured: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray, float]:
    """Values and standard deviations of all parameters by linear theory, and the standard deviation of the noise."""
    log_x, loss = measured
    start = np.r_[0.2, np.log(1e10), np.full(len(SIZES), -0.3)]
    found = least_squares(lambda t: (predicted(t, log_x) - loss).ravel(), start, x_scale="jac", xtol=1e-12, ftol=1e-12)
    spread = np.sqrt(2 * found.cost / (loss.size - len(start)))
    return found.x, spread * np.sqrt(np.diag(np.linalg.inv(found.jac.T @ found.jac))), spread


@pytest.fixture(scope="module")
def minos(measured: tuple[np.ndarray, np.ndarray], scipys: tuple[np.ndarray, np.ndarray, float]) -> np.ndarray:
    """(2, 2) ends of the 90 % intervals of K_max and N_0 by iminuit."""
    log_x, loss = measured
    values, _, spread = scipys

    def squares(theta: np.ndarray) -> float:
        return float(np.sum(((predicted(theta, log_x) - loss) / spread) ** 2))

    search = Minuit(squares, values * 1.001)
    search.errordef = Minuit.LEAST_SQUARES
    search.migrad()
    search.minos("x0", "x1", cl=0.9)
    assert search.valid
    ends = [[search.values[i] + side for side in (m.lower, m.upper)] for i, m in enumerate(search.merrors.values())]
    return np.array([ends[0], np.exp(ends[1])])


@pytest.fixture(scope="module")
def ours(measured: tuple[np.ndarray, np.ndarray]) -> Iterator[rlaw.Fit]:
    """Our fit, its scatter of sizes left out: the other tools know of none."""
    log_x, loss = measured
    rows = {
        "params": np.repeat(SIZES, STEPS),
        "step": np.tile(np.arange(1, STEPS + 1), len(SIZES)),
        "data_size": np.tile(10**log_x, len(SIZES)),
        "test_loss": loss.ravel(),
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rlaw.fitting.bootstrap.measure", lambda *_: None)
        yield rlaw.fit("saturating", Frame.of(pl.DataFrame(rows), "independent noise"), axis="data", draws=2000)


@pytest.mark.parametrize(("which", "name"), [(0, "K_max"), (1, "N_0")])
def test_linear_theory_and_minos_agree_within_15_percent(scipys, minos, which, name):
    values, deviations, _ = scipys
    back = np.exp if name == "N_0" else np.asarray
    linear = back(values[which] + Z * deviations[which] * np.array([-1, 1]))
    assert np.ptp(minos[which]) == pytest.approx(np.ptp(linear), rel=0.15)


@pytest.mark.parametrize(("which", "name"), [(0, "K_max"), (1, "N_0")])
def test_our_bootstrap_and_profile_agree_with_minos_within_15_percent(ours, minos, which, name):
    width = np.ptp(minos[which])
    for told in (ours.parameters[name], profile(ours, name).interval):
        assert told.high - told.low == pytest.approx(width, rel=0.15)
        assert (told.low, told.high) == pytest.approx(tuple(minos[which]), abs=0.15 * width)


def test_all_tools_find_the_same_fit(ours, scipys):
    values = scipys[0]
    assert ours.parameters["K_max"].value == pytest.approx(values[0], rel=1e-5)
    assert ours.parameters["N_0"].value == pytest.approx(np.exp(values[1]), rel=1e-5)
