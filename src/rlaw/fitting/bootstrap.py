"""Bootstrap draws of a fit: the fitted curves plus noise drawn from what varied in the study, fitted again.

Three sources of noise, each declared in the fit:

* runs: where at least three degrees of freedom of replicates are there, whole runs' deviations from the mean of their
  size, scaled by the binomial standard deviation so that they can be drawn for another size, with random sign;
* drift: otherwise, white noise plus a lasting drift of each run, estimated from the residuals of all runs (`drift.py`);
* items: the problems are drawn again, the same ones for every evaluation, so that the error which all evaluations share
  is counted; from per-item answers where they are there, else ("items assumed") for problems of assumed difficulty.

Sizes lie beside the law as well, by the scatter that they show (`scatter.py`); in the draws where one stands apart, the
law is that of the others. Runs are merged: their mean at each step is drawn, so that a draw costs what its steps do.

Source: Efron and Tibshirani 1993; Rao and Wu 1988 (the factor n / (n - 1)).

Axes: B draws, R sizes, M points of a size, T steps of a size.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from statistics import NormalDist
from typing import Any

import numpy as np

from rlaw.fitting.curves import Curves, each_run
from rlaw.fitting.drift import Drift, fit_drift
from rlaw.fitting.items import assumed, resampled
from rlaw.fitting.merging import Merged, merge
from rlaw.fitting.objective import Space, target
from rlaw.fitting.scatter import Scatter, measure
from rlaw.fitting.solver import Solution, solve
from rlaw.laws import Law

_LEAST_FREEDOM = 3
_LEAST_DRAWS = 200  # of the noise, whose covariance the scatter of sizes is judged by
_MOST_POOLED = 1000  # runs whose deviations are drawn from
_SUMMED = 30  # runs whose sum is drawn one by one
_FAINT = 1e-6  # weight of a size whose curve only sets its own level
_MANY = 1000  # degrees of freedom of a noise that is not estimated
_NO_NOISE = 1e-6  # binomial units
_TOO_STILL = 0.01  # of the binomial noise: what is less is no measurement, however many samples of a problem there are
_OWN_SHARE = 0.5  # of the binomial variance that evaluations of the same problems do not share, about
_SMALLEST_LOSS = 1e-6


@dataclass(frozen=True, slots=True)
class Beside:
    """Draws of where the sizes of a ladder lie beside its law.

    Attributes:
        slopes: (B, R) own slope less the law's.
        levels: (B, R) log loss at the size's middle less the law's.
        new: (B,) slope of a size that was not fitted, in multiples of the law's.
    """

    slopes: np.ndarray
    levels: np.ndarray
    new: np.ndarray

    def factor(self, log_x: np.ndarray, sizes: slice = slice(None)) -> np.ndarray:
        """(B, R, M) loss of some sizes over that of the law, at ln X from their middles that broadcasts to (R, M)."""
        return np.exp(self.levels[:, sizes, None] - self.slopes[:, sizes, None] * log_x)


@dataclass(frozen=True, slots=True)
class Draws:
    """Bootstrap draws of a fit and how they were made.

    Attributes:
        solution: the law fitted to each draw.
        noise: what was drawn: "runs" or "drift", then "items", "items assumed" or nothing.
        drift: the noise of single runs; None when runs were resampled.
        freedom: degrees of freedom of the replicates.
        scatter: of the sizes about the law; None where the law ties no size to another by its slope.
        known: False when neither the data nor the number of problems show any noise: the draws are all alike.
        beside: where sizes lie beside the law in each draw; None without a scatter.
    """

    solution: Solution
    noise: tuple[str, ...]
    drift: Drift | None
    freedom: int
    scatter: Scatter | None = None
    beside: Beside | None = None
    known: bool = True

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
    unit, merged = binomial_unit(fitted), merge(curves)
    deviations = [_deviations(curves, r, unit) for r in range(len(curves.models))]
    freedom = sum(max(len(of_size) - 1, 0) for of_size in deviations)
    many = max(draws, _LEAST_DRAWS)
    pool = list(chain(*deviations))
    if freedom >= _LEAST_FREEDOM and max(np.abs(d).max() for d in pool) > _NO_NOISE:
        noise, drift = _runs(rng, curves, merged, pool, many), None
        wide = student_factor(freedom, level)
    else:
        drift = _drift(law, curves, (curves.loss - fitted) / unit, unit)
        noise, wide = _drifts(rng, curves, merged, drift, many), student_factor(max(drift.freedom, 1), level)
    known = bool(noise.max() > _NO_NOISE)
    middle = np.broadcast_to(law.loss(estimate.theta, estimate.coefficients, merged.at), (1, *merged.present.shape))[0]
    noise *= binomial_unit(middle)
    shared, kind = _shared_by_evaluations(rng, curves, merged, fitted, middle, many)
    w, y = merged.total(weights), merged.mean(target(curves.loss, space))
    scatter = measure(law, merged.at, w, space, estimate, y, noise + shared)
    moved, heavy, beside = middle, w, None
    if scatter is not None:
        loss = 10**y if space == "log" else y
        moved, heavy, beside = _moved(rng, law, merged, loss, w, space, scatter, estimate, draws)
    shared = shared[:draws] if isinstance(shared, np.ndarray) else shared
    drawn = moved + noise[:draws] * wide + shared
    drawn = np.where(merged.present, np.clip(drawn, _SMALLEST_LOSS, None), 1.0)
    kinds = ("drift" if drift else "runs", *kind)
    solution = solve(law, merged.at, drawn, heavy, space, start=estimate)
    return Draws(solution, kinds, drift, freedom, scatter, beside, known)


def _moved(
    rng: np.random.Generator,
    law: Law,
    merged: Merged,
    loss: np.ndarray,
    weights: np.ndarray,
    space: Space,
    scatter: Scatter,
    estimate: Solution,
    draws: int,
) -> tuple[np.ndarray, np.ndarray, Beside]:
    """(B, R, T) loss of sizes beside the law, (B, R, T) weights, and where the sizes lie.

    Where a size stands apart, the law is that of the others, and the size next to nothing to its fit.
    """
    beside = scatter.draw(rng, draws)
    slopes, levels = scatter.k * np.expm1(beside.slopes), beside.levels
    fitted = law.loss(estimate.theta, estimate.coefficients, merged.at)[0]
    base, weights = (np.repeat(a[None], draws, axis=0) for a in (fitted, weights))
    for r in np.unique(beside.apart[beside.apart >= 0]).tolist():
        if len(np.unique(np.delete(merged.at.params[0, :, 0], r))) < law.needs_sizes:
            continue
        of_it = beside.apart == r
        weights[of_it, r] *= _FAINT
        without = solve(law, merged.at, loss, weights[of_it.argmax()], space, start=estimate)
        base[of_it] = law.loss(without.theta, without.coefficients, merged.at)[0]
        slopes[of_it, r] = levels[of_it, r] = 0.0
    where = Beside(slopes, levels, np.exp(beside.new))
    return base * where.factor(merged.at.log_x[0]), weights, where


def _shared_by_evaluations(
    rng: np.random.Generator, curves: Curves, merged: Merged, fitted: np.ndarray, middle: np.ndarray, draws: int
) -> tuple[np.ndarray | float, tuple[str, ...]]:
    """(B, R, T) error of using these problems and not others, as far as the data show it, and what it rests on."""
    if curves.right is not None:
        return resampled(rng, curves.right, fitted, merged, draws), ("items",)
    items = curves.items[curves.present]
    if np.isfinite(items).all() and items.max() == items.min():
        return assumed(rng, int(items[0]), middle, draws), ("items assumed",)
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
    shared = np.argsort(run, kind="stable")
    shared = shared[n[shared] > 1]
    return np.split(scaled[shared], np.flatnonzero(np.diff(run[shared])) + 1) if len(shared) else []


def _runs(rng: np.random.Generator, curves: Curves, merged: Merged, pool: list[np.ndarray], draws: int) -> np.ndarray:
    """(B, R, T) mean deviations of the runs of each step, whole runs drawn from those of all sizes with random sign."""
    pool = [pool[i] for i in np.unique(np.linspace(0, len(pool) - 1, _MOST_POOLED).round().astype(int))]
    noise = np.zeros((draws, *merged.present.shape))
    for r, steps, count in _same_steps(curves, merged):  # each deviation stretched to the length of the run
        stretched = np.stack([d[np.linspace(0, len(d) - 1, len(steps)).round().astype(int)] for d in pool])
        if count <= _SUMMED:
            for _ in range(count):
                sign = rng.choice((-1.0, 1.0), size=(draws, 1))
                noise[:, r, steps] += sign * stretched[rng.integers(len(pool), size=draws)]
        else:  # the sum of so many is normal
            noise[:, r, steps] += rng.standard_normal((draws, len(pool))) @ stretched * np.sqrt(count / len(pool))
    return noise / np.maximum(merged.counts, 1)


def _same_steps(curves: Curves, merged: Merged) -> Iterator[tuple[int, np.ndarray, int]]:
    """Every set of steps that runs of a size have: the size, (n,) places of the steps, and how many runs."""
    found: dict[tuple[int, bytes], list[Any]] = {}
    for r, here in each_run(curves):
        steps = merged.place[r, here]
        found.setdefault((r, steps.tobytes()), [r, steps, 0])[2] += 1
    yield from (tuple(group) for group in found.values())


def _drift(law: Law, curves: Curves, residual: np.ndarray, unit: np.ndarray) -> Drift:
    """The drift of all runs, from (R, M) residuals in binomial units."""
    followed = len(law.coefficients) + len(law.local) + bool(law.shared)
    drift = fit_drift(
        [
            (residual[r, here], np.vander(curves.at.log_x[0, r, here], followed) / unit[r, here, None])
            for r, here in each_run(curves)
        ]
    )
    return at_least_binomial(drift, curves)


def at_least_binomial(drift: Drift, curves: Curves) -> Drift:
    """The drift, or where residuals are too few or too small to be noise that of the answers; 0 where none is known."""
    items = curves.items[curves.present]
    least = math.sqrt(_OWN_SHARE / float(items.min())) if np.isfinite(items).all() else 0.0
    if drift.spread >= max(_NO_NOISE, _TOO_STILL * least):
        return drift
    return Drift(least, 0.0, 0.0, _MANY)


def _drifts(rng: np.random.Generator, curves: Curves, merged: Merged, drift: Drift, draws: int) -> np.ndarray:
    """(B, R, T) mean drifts of the runs of each step."""
    noise = np.zeros((draws, *merged.present.shape))
    for r, here in each_run(curves):
        noise[:, r, merged.place[r, here]] += drift.draw(rng, len(here), draws)
    return noise / np.maximum(merged.counts, 1)
