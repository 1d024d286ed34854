"""How far sizes lie beside the law: a variance component of its own, and sizes that stand apart from the others.

Noise of evaluations and runs is not all that moves a size: its slope lies beside K_max / (1 + N_0 / N) for reasons of
its own. What each curve alone would change in the law's slope (and in its level, where the law ties it to the size) is
that scatter plus the noise of the bootstrap. The scatter is estimated from these few numbers with the directions left
out that the law could follow (REML). Few sizes do not determine it: it is drawn from its likelihood, which makes
intervals as wide as Student's t does. A size is judged by the law and the scatter of the others.

Source: Patterson and Thompson 1971 (REML); Gelman 2006 (the weak prior); Cook and Weisberg 1982 (leverage, deleted
residuals).

Axes: B draws, R sizes, T points of a size, n numbers (R slopes, then R levels), p shared parameters, G settings.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import product
from statistics import NormalDist

import numpy as np

from rlaw.fitting.interval import Interval
from rlaw.fitting.objective import Space, slope_of_target, target
from rlaw.fitting.solver import Solution
from rlaw.laws import Law, Points

_GRID = np.r_[0.0, np.geomspace(0.01, 1.0, 21)]  # scatters that are tried, of ln k and of ln L
_USUAL = 0.25  # a scatter of several times this is no ladder with a law: half-normal before the data
_APART, _CHANCE_APART = 1.0, 0.3  # scatter of a size that stands apart, and how often a ladder has one
_MOST = 1.5  # that a draw moves ln k or ln L
_LEAST_POINTS = 3
_STEP = 1e-4  # of a derivative, relative


@dataclass(frozen=True, slots=True)
class Deviation:
    """How a size stands to the law of the others.

    Attributes:
        size: its place in the ladder.
        own: slope k of the size alone.
        others: slope that the law of the others gives it.
        studentised: their difference in standard errors, the scatter of the others included.
        chance: how often luck alone puts a size as far off.
        leverage: weight of the size in its own fitted slope, from 0 to 1.
    """

    size: int
    own: float
    others: float
    studentised: float
    chance: float
    leverage: float


@dataclass(frozen=True, slots=True)
class Departures:
    """Draws of where sizes lie beside the law.

    Attributes:
        slopes: (B, R) departures of ln k.
        levels: (B, R) departures of the log loss; 0 where the law leaves the level free.
        new: (B,) departure of ln k of a size that is new.
        apart: (B,) int, the size that stands apart and says nothing of the law; -1 for none.
    """

    slopes: np.ndarray
    levels: np.ndarray
    new: np.ndarray
    apart: np.ndarray


@dataclass(frozen=True)
class Scatter:
    """What the sizes of a ladder say about its scatter; numbers are relative to the law's slope, levels in log loss.

    Attributes:
        k: (R,) slope that the law gives each size.
        off: (n,) what each size alone would change.
        noise: (n, n) covariance of that by evaluations and runs.
        follows: (n, p) how the law's numbers move with its parameters.
        info: (n,) weight of each number in the fit.
        usable: (n,) False for sizes with too few points.
    """

    k: np.ndarray
    off: np.ndarray
    noise: np.ndarray
    follows: np.ndarray
    info: np.ndarray
    usable: np.ndarray

    @cached_property
    def apart(self) -> np.ndarray:
        """(G,) int, the size that stands apart in each of the settings; -1 for none."""
        R, kinds = len(self.k), len(self.off) // len(self.k)
        return np.repeat(np.arange(-1, R), len(_GRID) ** kinds)

    @cached_property
    def settings(self) -> np.ndarray:
        """(G, n) scatter of every number: one for slopes, one for levels, and at most one size apart from both."""
        R, kinds = len(self.k), len(self.off) // len(self.k)
        of_kinds = np.repeat(np.array(list(product(_GRID, repeat=kinds))), R, axis=1)
        apart = np.tile(np.r_[np.zeros((1, R), bool), np.eye(R, dtype=bool)], kinds)
        return np.where(apart[:, None], np.maximum(of_kinds, _APART), of_kinds).reshape(-1, R * kinds)

    @cached_property
    def prior(self) -> np.ndarray:
        """(G,) log probability of the settings before the data."""
        R, kinds = len(self.k), len(self.off) // len(self.k)
        of_one = np.log(np.gradient(_GRID)) - 0.5 * (_GRID / _USUAL) ** 2
        of_kinds = np.array([sum(p) for p in product(of_one, repeat=kinds)])
        apart = np.log(np.r_[1 - _CHANCE_APART, np.full(R, _CHANCE_APART / R)])
        return np.add.outer(apart, of_kinds).ravel()

    @cached_property
    def weights(self) -> np.ndarray:
        """(G,) probability of each of the settings."""
        return self._weights(self.usable)

    def interval(self, level: float) -> Interval:
        """The scatter of ln k of all sizes but one that stands apart: its median and its interval."""
        of_slopes = np.median(self.settings[:, : len(self.k)], axis=1)
        order = np.argsort(of_slopes, kind="stable")
        reached = np.cumsum(self.weights[order])
        tail = (1 - level) / 2
        middle, low, high = (float(of_slopes[order[np.searchsorted(reached, p)]]) for p in (0.5, tail, 1 - tail))
        return Interval(middle, low, high)

    def draw(self, rng: np.random.Generator, draws: int) -> Departures:
        """Where sizes may lie beside the law."""
        chosen = rng.choice(len(self.settings), size=draws, p=self.weights)
        scatter = self.settings[chosen]
        own = np.clip(rng.standard_normal(scatter.shape) * scatter, -_MOST, _MOST)
        usual = np.median(scatter[:, : len(self.k)], axis=1)  # of all sizes but one
        new = np.clip(rng.standard_normal(draws) * usual, -_MOST, _MOST)
        R = len(self.k)
        return Departures(own[:, :R], own[:, R:] if own.shape[1] > R else np.zeros((draws, R)), new, self.apart[chosen])

    def deviations(self) -> list[Deviation]:
        """How every size with enough points stands to the law of the others."""
        return [self._deviation(r) for r in np.flatnonzero(self.usable[: len(self.k)]).tolist()]

    def _weights(self, rows: np.ndarray) -> np.ndarray:
        """Probability of each of the settings by some of the numbers."""
        logs, projected = self._reml(rows)
        squares = np.einsum("i,gij,j->g", self.off[rows], projected, self.off[rows])
        log = self.prior - 0.5 * (logs + squares)
        found = np.exp(log - log.max())
        return found / found.sum()

    def _reml(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(G,) log determinants and (G, m, m) inverse covariances of what the law cannot follow in some numbers."""
        variance = self.settings[:, rows] ** 2 + 1e-8
        covariance = self.noise[np.ix_(rows, rows)] + variance[:, :, None] * np.eye(int(rows.sum()))
        inverse, X = np.linalg.inv(covariance), _basis(self.follows[rows])
        inner = X.T @ inverse @ X
        projected = inverse - inverse @ X @ np.linalg.solve(inner, X.T @ inverse)
        return np.linalg.slogdet(covariance)[1] + np.linalg.slogdet(inner)[1], projected

    def _deviation(self, r: int) -> Deviation:
        number = np.arange(len(self.off))
        others = self.usable & (number % len(self.k) != r)
        rows = others | (number == r)
        at = int(np.sum(rows[:r]))
        projected = self._reml(rows)[1]
        ladder = self.apart != r  # luck, and not being apart, is what has to explain the size
        weight, variance = self._weights(others)[ladder], projected[ladder, at, at]
        weight, left = weight / weight.sum(), (projected[ladder] @ self.off[rows])[:, at]
        if not (variance > 1e-9 * np.linalg.norm(projected[ladder], axis=(1, 2))).all():  # the others do not say
            return Deviation(r, float(self.k[r] * (1 + self.off[r])), np.nan, 0.0, 1.0, self._leverage(r))
        chance = sum(w * 2 * NormalDist().cdf(-abs(t)) for w, t in zip(weight, left / np.sqrt(variance), strict=True))
        away = float(weight @ (left / variance))
        own = float(self.off[r])
        return Deviation(
            size=r,
            own=float(self.k[r] * (1 + own)),
            others=float(self.k[r] * (1 + own - away)),
            studentised=away / float(np.sqrt(weight @ (1 / variance))),
            chance=min(float(chance), 1.0),
            leverage=self._leverage(r),
        )

    def _leverage(self, r: int) -> float:
        X, info = _basis(self.follows), self.info
        return float(X[r] @ np.linalg.solve(X.T @ (info[:, None] * X), X[r]) * info[r])


def measure(
    law: Law, at: Points, weights: np.ndarray, space: Space, estimate: Solution, y: np.ndarray, noise: np.ndarray
) -> Scatter | None:
    """The scatter of a ladder about a law; None for a law that ties no size to another by its slope.

    Args:
        law: the law that was fitted.
        at: points of (1, R, T).
        weights: (R, T) weights of the fit.
        space: loss or log, as in the fit.
        estimate: the fit, one draw.
        y: (R, T) measured loss or its logarithm, as in the fit.
        noise: (B, R, T) draws of the error of the loss, sizes on the law.
    """
    if not law.shared or law.local or len(law.coefficients) > 1:
        return None
    lines = _Lines.of(law.loss(estimate.theta, estimate.coefficients, at)[0], at.log_x[0], weights, space)
    fitted = target(lines.loss, space)

    def along(i: int) -> np.ndarray:
        value = estimate.theta[i]
        step = _STEP * np.where(value == 0, 1.0, value)
        moved = tuple(t + step if j == i else t for j, t in enumerate(estimate.theta))
        return lines.of_target(target(law.loss(moved, estimate.coefficients, at)[0], space) - fitted) / _STEP

    numbers = slice(len(lines.k) if law.coefficients else None)  # a free level follows its curve
    slopes = lines.of_target(noise * slope_of_target(lines.loss, space))[..., numbers]
    return Scatter(
        k=lines.k,
        off=lines.of_target(np.where(weights > 0, y - fitted, 0.0))[numbers],
        noise=np.atleast_2d(np.cov(slopes, rowvar=False)),
        follows=np.column_stack([along(i) for i in range(len(law.shared))])[numbers],
        info=lines.info[numbers],
        usable=lines.usable[numbers],
    )


@dataclass(frozen=True, slots=True)
class _Lines:
    """The straight line in log-log that each size of a fitted law could move along: its slope and its level.

    Attributes:
        loss: (R, T) fitted loss.
        k: (R,) its slope.
        pull: (2, R, T) weights of a small change of the target in the relative slope and in the level.
        info: (2 R,) weight of both in the fit.
        usable: (2 R,) whether a size has enough points for them.
    """

    loss: np.ndarray
    k: np.ndarray
    pull: np.ndarray
    info: np.ndarray
    usable: np.ndarray

    @staticmethod
    def of(loss: np.ndarray, log_x: np.ndarray, weights: np.ndarray, space: Space) -> "_Lines":
        level = loss * slope_of_target(loss, space)  # what the target gains as ln L does
        w = weights * level**2
        total = w.sum(axis=1, keepdims=True)
        z = log_x - (w * log_x).sum(axis=1, keepdims=True) / np.where(total > 0, total, 1.0)
        along = (w * z**2).sum(axis=1, keepdims=True)
        usable = (np.sum((weights > 0) & (np.abs(z) > 0), axis=1) >= _LEAST_POINTS) & (along[:, 0] > 0)
        pull = -weights * level * z / np.where(along > 0, along, 1.0), weights * level / np.where(total > 0, total, 1.0)
        k = np.sum(pull[0] * level * np.log(np.where(loss > 0, loss, 1.0)), axis=1)
        unit = np.maximum(np.abs(k), 1e-3 * max(float(np.abs(k).max()), 1e-9))[:, None]
        info = np.r_[along[:, 0] * unit[:, 0] ** 2, total[:, 0]]
        return _Lines(loss, k, np.stack([pull[0] / unit, pull[1]]), info, np.tile(usable, 2))

    def of_target(self, change: np.ndarray) -> np.ndarray:
        """(…, 2 R) relative slopes and levels of (…, R, T) changes of the target."""
        both = np.einsum("jrt,...rt->...jr", self.pull, change)
        return both.reshape(*both.shape[:-2], -1)


def _basis(follows: np.ndarray) -> np.ndarray:
    """(m, q) orthonormal directions of (m, p) numbers, those left out that are not there."""
    length = np.sqrt(np.sum(follows**2, axis=0))
    left, size, _ = np.linalg.svd(follows / np.where(length > 0, length, 1.0), full_matrices=False)
    return left[:, size > 1e-6 * max(float(size.max(initial=0.0)), 1e-300)]
