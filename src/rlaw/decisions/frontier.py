"""Frontiers of a ladder over compute: who leads at a compute, what a loss costs at each size, where sizes cross.

All sizes are drawn together on one grid of compute, so that what they share blurs neither their order nor their
crossings. Axes: R sizes, S draws, M places of the grid.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from rlaw import units
from rlaw.fitting.curves import Curves
from rlaw.fitting.interval import Interval, Plain, median, percentile
from rlaw.forecasting.predictors import PooledLadder

_GRID = 121
_BEYOND = 10.0  # compute is looked at up to this many times what was run
_BUDGETS = 9
_LOSSES = 7


@dataclass(frozen=True, slots=True)
class Crossover:
    """The compute from which the larger of two neighbouring sizes has the lower loss for good.

    Attributes:
        smaller: name of the smaller size.
        larger: name of the larger size.
        compute_flops: nan, or an infinite end, where it is not within reach.
        text: what was found, in words.
    """

    smaller: str
    larger: str
    compute_flops: Interval
    text: str

    def to_json(self) -> dict[str, Any]:
        """The fields by name."""
        compute = self.compute_flops.to_json()
        words = {"where": where(self.compute_flops), "text": self.text}
        return {"smaller": self.smaller, "larger": self.larger, "compute_flops": compute, **words}


@dataclass(frozen=True, slots=True)
class IsoCompute(Plain):
    """Every size at one compute.

    Attributes:
        compute_flops: the compute.
        best: the size with the lowest expected loss.
        probability_best: share of draws in which no other size is lower than it.
        losses: true loss of each size that has begun by then, by name.
    """

    compute_flops: float
    best: str
    probability_best: float
    losses: dict[str, Interval]


@dataclass(frozen=True, slots=True)
class IsoLoss:
    """What one loss costs.

    Attributes:
        loss: true loss.
        cheapest: the size that is expected to reach it with the least compute; None when none does within reach.
        compute_flops: compute from which each size stays below the loss, by name; infinite out of reach, -infinite
            where it is below from its first point on.
    """

    loss: float
    cheapest: str | None
    compute_flops: dict[str, Interval]

    def to_json(self) -> dict[str, Any]:
        """The fields by name."""
        needed = {name: {**value.to_json(), "where": where(value)} for name, value in self.compute_flops.items()}
        return {"loss": self.loss, "cheapest": self.cheapest, "compute_flops": needed}


@dataclass(frozen=True, slots=True)
class Frontier:
    """A ladder over compute; all three are empty where the data have no compute."""

    crossovers: tuple[Crossover, ...] = ()
    iso_compute: tuple[IsoCompute, ...] = ()
    iso_loss: tuple[IsoLoss, ...] = ()


def frontier(
    curves: Curves, sizes: PooledLadder, *, losses: tuple[float, ...] = (), draws: int, level: float, seed: int
) -> Frontier:
    """The frontier of a ladder.

    Args:
        curves: what was measured over compute.
        sizes: the same, pooled.
        losses: given, beside those that the frontier passes through.
        draws, level, seed: of the intervals.
    """
    reached = [curves.at.x[0, r, curves.present[r]] for r in range(len(curves.models))]
    x = np.geomspace(min(own.min() for own in reached), max(own.max() for own in reached) * _BEYOND, _GRID)
    loss = np.stack([sizes.true(r, x, draws, seed) for r in range(len(curves.models))], axis=1)
    pairs = [_pair(curves, r, x, loss, reached, level) for r in range(len(reached) - 1)]
    begin = sorted(own.min() for own in reached)[min(1, len(reached) - 1)]  # two sizes have begun
    inside = np.flatnonzero((x >= begin) & (x <= max(own.max() for own in reached) * 2))
    places = inside[np.linspace(0, len(inside) - 1, min(_BUDGETS, len(inside))).astype(int)]
    begun = x >= np.array([own.min() for own in reached])[:, None] * (1 - 1e-9)  # (R, M)
    lowest = np.where(begun, loss.mean(axis=0), np.inf).min(axis=0)[places]
    levels = {*np.round(np.linspace(lowest.max(), lowest.min(), _LOSSES), 3).tolist(), *losses}
    return Frontier(
        tuple(pairs),
        tuple(_iso_compute(curves.models, float(x[m]), loss[:, :, m], begun[:, m], level) for m in places),
        tuple(_iso_loss(curves.models, x, loss, begun, level, value) for value in sorted(levels, reverse=True)),
    )


def where(place: Interval) -> str:
    """Where a place along the axis is: "within reach", "before the data" or "beyond reach"."""
    if np.isfinite(place.value):
        return "within reach"
    return "beyond reach" if place.value > 0 else "before the data"


def best_of(loss: np.ndarray) -> np.ndarray:
    """(R,) share of (S, R) draws in which no other size is lower."""
    best = loss == loss.min(axis=1, keepdims=True)
    return (best / best.sum(axis=1, keepdims=True)).mean(axis=0)


def _iso_compute(models: tuple[str, ...], x: float, loss: np.ndarray, begun: np.ndarray, level: float) -> IsoCompute:
    there = np.flatnonzero(begun)
    best = int(loss[:, there].mean(axis=0).argmin())
    losses = {models[r]: median(loss[:, r], level) for r in there}
    return IsoCompute(x, models[there[best]], float(best_of(loss[:, there])[best]), losses)


def _iso_loss(
    models: tuple[str, ...], x: np.ndarray, loss: np.ndarray, begun: np.ndarray, level: float, value: float
) -> IsoLoss:
    needed = {m: stays_below(x[begun[r]], loss[:, r, begun[r]] - value, level) for r, m in enumerate(models)}
    first = dict(zip(models, (x[b][0] for b in begun), strict=True))
    cheapest = min(needed, key=lambda m: max(needed[m].value, first[m]))
    return IsoLoss(value, cheapest if needed[cheapest].value < np.inf else None, needed)


def _pair(
    curves: Curves, r: int, x: np.ndarray, loss: np.ndarray, reached: list[np.ndarray], level: float
) -> Crossover:
    """Where size r is overtaken by the next larger one, from the first compute that both reached."""
    first = max(reached[r].min(), reached[r + 1].min())
    last = max(reached[r].max(), reached[r + 1].max()) * _BEYOND
    inside = (x >= first) & (x <= last * (1 + 1e-9))
    at = stays_below(x[inside], (loss[:, r + 1] - loss[:, r])[:, inside], level)
    text = "the larger size is ahead from here on"
    if at.value == -np.inf:
        text = f"the larger size is ahead from the first compute both reached, {units.flops(first)}"
    elif at.value == np.inf:
        text = f"the larger size does not overtake within {units.flops(last)}"
    return Crossover(curves.models[r], curves.models[r + 1], at, text)


def stays_below(x: np.ndarray, ahead: np.ndarray, level: float) -> Interval:
    """The place from which (S, M) `ahead` stays negative; -infinite where it always is, infinite where it never is."""
    behind = ahead >= 0
    last = np.where(behind.any(axis=1), behind.shape[1] - 1 - behind[:, ::-1].argmax(axis=1), -1)
    after = np.minimum(last + 1, len(x) - 1)
    rows = np.arange(len(ahead))
    before, then = ahead[rows, np.maximum(last, 0)], ahead[rows, after]
    share = np.where(before > then, before / np.where(before > then, before - then, 1.0), 0.0)
    at = np.exp(np.log(x)[np.maximum(last, 0)] * (1 - share) + np.log(x)[after] * share)
    place = np.where(last < 0, -np.inf, np.where(last == len(x) - 1, np.inf, at))
    return percentile(float(np.quantile(place, 0.5, method="nearest")), place, level)
