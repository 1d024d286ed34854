"""Shares of right answers of one system, with intervals clustered by item."""

import math
from collections.abc import Sequence

import numpy as np
import polars as pl
from scipy import special

from rlaw.analysis.costs import cost_of, times_of
from rlaw.analysis.systems.cells import Cells
from rlaw.analysis.systems.result import Accuracy, System
from rlaw.fitting.interval import Interval
from rlaw.measurements.ledger import COSTS, OUTCOMES, Ledger


def share_interval(right: np.ndarray, of: np.ndarray, level: float) -> Interval:
    """Right answers of all, with Wilson's interval for as many independent answers as the clusters are worth.

    Args:
        right, of: (n,) right answers, and answers, of each item.
        level: of the interval.

    Source: Wilson 1927; the design effect of Korn and Graubard 1998, Survey Methodology 24, 193-201.
    """
    kept = of > 0
    right, of = right[kept], of[kept]
    n, items = float(of.sum()), len(of)
    if not items:
        return Interval(math.nan)
    p = float(right.sum()) / n
    variance = float(((right - p * of) ** 2).sum()) / n**2 * items / max(items - 1, 1)
    worth = min(p * (1 - p) / variance, n) if variance > 0 else float(items)
    z = float(special.stdtrit(max(items - 1, 1), (1 + level) / 2) if n > items else special.ndtri((1 + level) / 2))
    middle = (p + z * z / (2 * worth)) / (1 + z * z / worth)
    half = z / (1 + z * z / worth) * math.sqrt(p * (1 - p) / worth + z * z / (4 * worth * worth))
    return Interval(p, max(min(middle - half, p), 0.0), min(max(middle + half, p), 1.0))


def weighted(parts: Sequence[Interval], weights: Sequence[float]) -> Interval:
    """A weighted mean of shares; the interval by the method of variance estimates recovery.

    Source: Zou and Donner 2008, Construction of confidence limits about effect measures, Statist. Med. 27, 1693-1702.
    """
    used = [(part, w) for part, w in zip(parts, weights, strict=True) if w > 0]
    value = sum(w * part.value for part, w in used)
    below = math.sqrt(sum((w * (part.value - part.low)) ** 2 for part, w in used))
    above = math.sqrt(sum((w * (part.high - part.value)) ** 2 for part, w in used))
    return Interval(value, value - below, value + above)


def system_of(
    cells: Cells, ledger: Ledger, s: int, share: list[float] | None, level: float, *, any_mean: bool
) -> System:
    """What became of the questions of system s.

    Args:
        cells, ledger: the answers.
        s: its index in `cells.names`.
        share: the weight of each benchmark; None where every answer weighs the same.
        level: of intervals.
        any_mean: whether a mean over benchmarks was asked for.
    """
    first, last = np.searchsorted(cells.system, [s, s + 1])
    asked, done, right, of = (x[first:last] for x in (cells.asked, cells.done, cells.right, cells.benchmark))
    rows = ledger.rows.filter(pl.col("system") == cells.names[s])
    counts = dict(rows["outcome"].value_counts().iter_rows())
    outcomes = {name: int(counts.get(name, 0)) for name in OUTCOMES}
    met = rows.select("benchmark", "item").n_unique()
    outcomes["not_attempted"] += len(cells.benchmark_I) - met
    total = sum(outcomes.values())
    parts = []
    for b, name in enumerate(cells.benchmarks):
        here = of == b
        parts.append(
            Accuracy(
                name,
                int(here.sum()),
                int(asked[here].sum()),
                int(done[here].sum()),
                int(right[here].sum()),
                share_interval(right[here], asked[here], level),
                share_interval(right[here], done[here], level),
            )
        )
    accuracy = share_interval(right, asked, level)
    mean = accuracy if any_mean or len(parts) == 1 else Interval(math.nan)
    if share is not None:
        mean = weighted([part.accuracy for part in parts], share)
    bounds = (outcomes["right"] / total, (total - outcomes["wrong"]) / total)
    seconds, tokens, usd = (cost_of(rows, name, level) for name in COSTS)
    return System(
        cells.names[s],
        len(asked),
        int(asked.sum()),
        outcomes,
        accuracy,
        share_interval(right, done, level),
        bounds,
        mean,
        tuple(parts),
        seconds,
        tokens,
        usd,
        times_of(rows),
    )
