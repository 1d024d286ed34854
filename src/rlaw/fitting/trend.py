"""Does the slope rise with size? The slope of each size's own curve with its error, and how their rise could be luck.

Two kinds of luck are distinguished, because a ladder without a law of the size may have either:

* noise: all slopes are equal, and the noise of the runs makes them rise;
* order: slopes differ for other reasons, and happen to stand in the order of the sizes.

The rise is what slopes that saturate with size, K / (1 + N_0 / N) at the best N_0, explain beyond equal slopes. It is
compared with what it would be under either kind of luck, drawn with a fixed seed; orders of few sizes are all counted.

Source: Fisher 1935 (permutation); Patterson and Thompson 1971 (the noise, see `rlaw.fitting.drift`).

Axes: R sizes, M points of a size, S draws, H values of N_0.
"""

import math
from dataclasses import dataclass, replace
from functools import cache
from itertools import permutations

import numpy as np

from rlaw.fitting.bootstrap import binomial_unit
from rlaw.fitting.curves import Curves, each_run
from rlaw.fitting.drift import Drift, fit_drift

_LEAST_PLACES = 3  # of a curve whose slope has an error
_CHANCE = 0.05
_DRAWS = 2000
_COUNTED = 7  # up to so many sizes, all orders are counted
_N_0 = np.geomspace(1e-2, 1e2, 17)  # in multiples of the middle size
_ROUNDING = 1e-9  # slopes that differ by less are equal, relative to the largest


@dataclass(frozen=True, slots=True)
class Slopes:
    """The straight line through each curve, log L = level - k log X by least squares.

    Attributes:
        params: (R,) sizes.
        k: (R,) slopes; nan where a curve has fewer than two places.
        error: (R,) standard errors, from the noise and drift of the runs about the lines; nan where k is.
        loss: (R, M) loss along the lines.
        freedom: degrees of freedom that the errors come from.
    """

    params: np.ndarray
    k: np.ndarray
    error: np.ndarray
    loss: np.ndarray
    freedom: int


@dataclass(frozen=True, slots=True)
class Trend:
    """How the slopes rise with size.

    Attributes:
        params: (n,) sizes with a slope.
        k: (n,) their slopes.
        error: (n,) standard errors.
        by_noise: how often equal slopes, measured with these errors, rise as much.
        by_order: how often these slopes, dealt to the sizes at random, rise as much.
    """

    params: np.ndarray
    k: np.ndarray
    error: np.ndarray
    by_noise: float
    by_order: float

    @property
    def rises(self) -> bool:
        """Whether neither kind of luck explains the rise; of three sizes it takes the best of all six orders."""
        sizes = len(np.unique(self.params))
        return self.by_noise <= _CHANCE and self.by_order <= max(_CHANCE, 1.001 / math.factorial(sizes))

    def __str__(self) -> str:
        listed = ", ".join(f"{k:.3g} ± {e:.2g}" for k, e in zip(self.k, self.error, strict=True))
        return (
            f"the slopes of the sizes, fitted one by one ({listed}), do not rise with size beyond luck: noise makes "
            f"equal slopes rise as much in {self.by_noise:.0%} of draws, and {self.by_order:.0%} of their orders do"
        )


def slopes(curves: Curves) -> Slopes:
    """The slope of every size with its error."""
    here = curves.present
    n = np.maximum(here.sum(axis=1, keepdims=True), 1)
    z, y = curves.at.log_x[0] * here, np.log(curves.positive) * here
    z = (z - z.sum(axis=1, keepdims=True) / n) * here
    middle = y.sum(axis=1, keepdims=True) / n
    places = np.array([len(np.unique(x[p])) for x, p in zip(curves.at.x[0], here, strict=True)])
    pull = z / np.where(places > 1, np.sum(z**2, axis=1), np.nan)[:, None]  # (R, M): k = -Σ pull y
    k = -np.sum(pull * (y - middle), axis=1)
    line = np.exp(middle - np.where(places > 1, k, 0.0)[:, None] * z)
    unit = binomial_unit(line)
    runs = [(r, i) for r, i in each_run(curves) if places[r] >= _LEAST_PLACES]
    left = (curves.loss - line) / unit
    drift = fit_drift([(left[r, i], np.vander(z[r, i], 2) * (line[r, i] / unit[r, i])[:, None]) for r, i in runs])
    variance = np.zeros(len(k))
    for r, i in runs:
        variance[r] += _variance(pull[r, i] * unit[r, i] / line[r, i], drift)
    freedom = int(np.maximum(curves.counts - 2, 0)[places >= _LEAST_PLACES].sum())
    error = np.where(places >= _LEAST_PLACES, np.sqrt(variance), np.nan) * _widened(curves, z, y, drift, line, unit)
    return Slopes(curves.params, k, error, np.where(here, line, 1.0), max(freedom, 1))


def _variance(pull: np.ndarray, drift: Drift) -> float:
    """Variance of a weighted sum of one run's noise, (n,) weights in binomial units."""
    lasting, before = 0.0, 0.0
    for p in pull.tolist():
        before *= drift.memory
        lasting += p * (p + 2 * before)
        before += p
    return drift.spread**2 * float((1 - drift.share) * (pull @ pull) + drift.share * lasting)


def _widened(curves: Curves, z: np.ndarray, y: np.ndarray, drift: Drift, line: np.ndarray, unit: np.ndarray) -> float:
    """How many times more the slopes of runs of one size differ than their errors say; 1 without such runs."""
    squares, freedom = 0.0, 0
    by_size: dict[int, list[tuple[float, float]]] = {}
    for r, here in each_run(curves):
        about = z[r, here] - z[r, here].mean()
        if len(np.unique(about)) >= _LEAST_PLACES:
            pull = about / (about @ about)
            fitted = pull @ y[r, here], _variance(pull * unit[r, here] / line[r, here], drift)
            by_size.setdefault(r, []).append(fitted)
    for of_runs in by_size.values():
        if len(of_runs) > 1:
            k, variance = np.array(of_runs).T
            middle = np.sum(k / np.maximum(variance, 1e-300)) / np.sum(1 / np.maximum(variance, 1e-300))
            squares += float(np.sum((k - middle) ** 2 / np.maximum(variance, 1e-300)))
            freedom += len(of_runs) - 1
    return max(math.sqrt(squares / freedom), 1.0) if freedom else 1.0


def trend(alone: Slopes) -> Trend:
    """How the slopes rise with size, and how often luck does as well; sizes without an error are left out."""
    alone = _one_each(alone)
    known = np.isfinite(alone.error) & np.isfinite(alone.params)
    params, k = alone.params[known], alone.k[known]
    error = np.maximum(alone.error[known], _ROUNDING * max(float(np.abs(k).max(initial=0.0)), 1e-12))
    if len(np.unique(params)) < 2:
        return Trend(params, k, error, 1.0, 1.0)
    shapes = 1 / (1 + np.exp(np.log(params).mean()) * _N_0[:, None] / params)  # (H, n)
    rng = np.random.default_rng(0)
    weight = error**-2
    middle = float(np.sum(weight * k) / np.sum(weight))
    wide = np.sqrt(alone.freedom / rng.chisquare(alone.freedom, (_DRAWS, 1)))
    equal = middle + error * wide * rng.standard_normal((_DRAWS, len(k)))
    dealt = k[_orders(len(k))]
    even = np.ones(len(k))
    by_noise = _share(_rise(equal, shapes, weight), float(_rise(k[None], shapes, weight)[0]))
    by_order = _share(_rise(dealt, shapes, even), float(_rise(k[None], shapes, even)[0]))
    return Trend(params, k, error, by_noise, by_order)


def _one_each(alone: Slopes) -> Slopes:
    """One slope for each number of parameters: several names of one size are no several sizes."""
    sized = np.isfinite(alone.params)
    sizes, which = np.unique(alone.params[sized], return_inverse=True)
    if len(sizes) == sized.sum():
        return alone
    k, weight = np.nan_to_num(alone.k[sized]), np.nan_to_num(np.maximum(alone.error[sized], 1e-100) ** -2.0)
    total = np.bincount(which, weight)
    mean = np.bincount(which, weight * k) / np.where(total > 0, total, np.nan)
    return replace(alone, params=sizes, k=mean, error=np.where(total > 0, total, np.nan) ** -0.5)


def _rise(k: np.ndarray, shapes: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """(S,) what the best of (H, n) shapes, times K >= 0, explains of (S, n) slopes beyond equal slopes."""
    along = np.maximum((k * weight) @ shapes.T, 0.0) ** 2 / (shapes**2 @ weight)
    return along.max(axis=1) - (k @ weight) ** 2 / weight.sum()


def _share(luck: np.ndarray, measured: float) -> float:
    """Share of the draws that are at least as large, rounding apart."""
    return float(np.mean(luck >= measured - 1e-9 * abs(measured)))


@cache
def _orders(n: int) -> np.ndarray:
    """(S, n) all orders of few sizes, else orders drawn at random."""
    if n <= _COUNTED:
        return np.array(list(permutations(range(n))))
    rng = np.random.default_rng(0)
    return np.stack([rng.permutation(n) for _ in range(5000)])
