"""Bootstrap draws of a fit: the fitted curves plus noise drawn from what varied in the study, fitted again.

Three sources of noise, each declared in the fit:

* runs: where at least three degrees of freedom of replicates are there, whole runs' deviations from the mean of their
  size, scaled by the binomial standard deviation so that they can be drawn for another size, with random sign;
* drift: otherwise, white noise plus a lasting drift of each run, estimated from the residuals of all runs (`drift.py`);
* items: the problems are drawn again, the same ones for every evaluation, so that the error which all evaluations share
  is counted; from per-item answers where they are there, else ("items assumed") for problems of assumed difficulty.

Source: Efron and Tibshirani 1993; Rao and Wu 1988 (the factor n / (n - 1)).

Axes: B draws, R sizes, M points of a size.
"""

from dataclasses import dataclass
from itertools import chain
from statistics import NormalDist

import numpy as np

from rlaw.fitting.curves import Curves, each_run
from rlaw.fitting.drift import Drift, fit_drift
from rlaw.fitting.items import assumed, resampled
from rlaw.fitting.objective import Space
from rlaw.fitting.solver import Solution, solve
from rlaw.laws import Law

_LEAST_FREEDOM = 3
_SMALLEST_LOSS = 1e-6


@dataclass(frozen=True, slots=True)
class Draws:
    """Bootstrap draws of a fit and how they were made.

    Attributes:
        solution: the law fitted to each draw.
        noise: what was drawn: "runs" or "drift", then "items", "items assumed" or nothing.
        drift: the noise of single runs; None when runs were resampled.
        freedom: degrees of freedom of the replicates.
    """

    solution: Solution
    noise: tuple[str, ...]
    drift: Drift | None
    freedom: int

    def __len__(self) -> int:
        return len(self.solution)


def bootstrap(
    law: Law,
    curves: Curves,
    weights: np.ndarray,
    space: Space,
    estimate: Solution,
    *,
    draws: int,
    level: float,
    seed: int,
) -> Draws:
    """Draw fits of a law.

    Args:
        law: the law that was fitted.
        curves: what it was fitted to, copies of a run removed.
        weights: (R, M) weights of the fit.
        space: loss or log, as in the fit.
        estimate: the fit, one draw.
        draws: how many fits to draw.
        level: of the intervals to come; widens the noise of few replicates as Student's t does.
        seed: of the random numbers.
    """
    rng = np.random.default_rng(seed)
    fitted = law.loss(estimate.theta, estimate.coefficients, curves.at)[0]
    unit = binomial_unit(fitted)
    deviations = [_deviations(curves, r, unit) for r in range(len(curves.models))]
    freedom = sum(max(len(of_size) - 1, 0) for of_size in deviations)
    if freedom >= _LEAST_FREEDOM:
        noise, drift = _runs(rng, curves, list(chain(*deviations)), draws) * student_factor(freedom, level), None
    else:
        noise, drift = _drifts(rng, law, curves, (curves.loss - fitted) / unit, unit, draws)
    drawn = fitted + noise * unit
    shared, kind = _shared_by_evaluations(rng, curves, fitted, draws)
    drawn = np.where(curves.present, np.clip(drawn + shared, _SMALLEST_LOSS, None), 1.0)
    kinds = ("drift" if drift else "runs", *kind)
    return Draws(solve(law, curves.at, drawn, weights, space, start=estimate), kinds, drift, freedom)


def _shared_by_evaluations(
    rng: np.random.Generator, curves: Curves, fitted: np.ndarray, draws: int
) -> tuple[np.ndarray | float, tuple[str, ...]]:
    """(B, R, M) error of using these problems and not others, as far as the data show it, and what it rests on."""
    if curves.right is not None:
        return resampled(rng, curves.right, fitted, curves.present, draws), ("items",)
    items = curves.items[curves.present]
    if np.isfinite(items).all() and items.max() == items.min():
        return assumed(rng, int(items[0]), fitted, draws), ("items assumed",)
    return 0.0, ()


def binomial_unit(loss: np.ndarray) -> np.ndarray:
    """Standard deviation of one answer that is wrong with probability `loss`."""
    likely = np.clip(loss, 0.005, 0.995)
    return np.sqrt(likely * (1 - likely))


def student_factor(freedom: int, level: float) -> float:
    """Quantile of Student's t over that of the normal, so that few replicates give wide intervals.

    Source: Cornish and Fisher's expansion, Abramowitz and Stegun 1964, 26.7.5.
    """
    z, n = NormalDist().inv_cdf((1 + level) / 2), freedom
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return (z + first / n + second / n**2 + third / n**3) / z


def _deviations(curves: Curves, r: int, unit: np.ndarray) -> list[np.ndarray]:
    """Each run's deviations from the mean of its size at the steps it shares with another run, in binomial units."""
    step, run, loss = (a[r, curves.present[r]] for a in (curves.step, curves.run, curves.loss))
    unit = unit[r, curves.present[r]]
    _, which = np.unique(step, return_inverse=True)
    n = np.bincount(which)[which]
    mean = (np.bincount(which, loss) / np.bincount(which))[which]
    scaled = (loss - mean) / unit * np.sqrt(n / np.maximum(n - 1, 1))
    return [scaled[(run == i) & (n > 1)] for i in range(run.max() + 1) if np.any((run == i) & (n > 1))]


def _runs(rng: np.random.Generator, curves: Curves, pool: list[np.ndarray], draws: int) -> np.ndarray:
    """(B, R, M) deviations of whole runs, drawn from those of all sizes with random sign."""
    noise = np.zeros((draws, *curves.loss.shape))
    for r, here in each_run(curves):  # each deviation stretched to the length of the run
        stretched = np.stack([d[np.round(np.linspace(0, len(d) - 1, len(here))).astype(int)] for d in pool])
        sign = rng.choice((-1.0, 1.0), size=(draws, 1))
        noise[:, r, here] = sign * stretched[rng.integers(len(pool), size=draws)]
    return noise


def _drifts(
    rng: np.random.Generator, law: Law, curves: Curves, residual: np.ndarray, unit: np.ndarray, draws: int
) -> tuple[np.ndarray, Drift]:
    """(B, R, M) drifts of runs, and the drift estimated from all of them; residuals in binomial units."""
    followed = len(law.coefficients) + len(law.local) + bool(law.shared)
    drift = fit_drift(
        [
            (residual[r, here], np.vander(curves.at.log_x[0, r, here], followed) / unit[r, here, None])
            for r, here in each_run(curves)
        ]
    )
    noise = np.zeros((draws, *residual.shape))
    for r, here in each_run(curves):
        noise[:, r, here] = drift.draw(rng, len(here), draws)
    return noise, drift
