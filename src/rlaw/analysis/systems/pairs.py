"""Differences of every pair of systems on the items that both were asked. Axes: S systems."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse, special

from rlaw.analysis.multiple import holm
from rlaw.analysis.systems.cells import Cells
from rlaw.analysis.systems.result import Pair
from rlaw.fitting.interval import Interval

_DENSE = 0.05  # a fuller table of systems and items is multiplied faster as it is


@dataclass(frozen=True)
class _Sums:
    """Sums over the common items of every pair of systems, (S, S) each: items, differences and their squares."""

    items: np.ndarray
    plus: np.ndarray
    squares: np.ndarray

    def __add__(self, other: "_Sums") -> "_Sums":
        return _Sums(self.items + other.items, self.plus + other.plus, self.squares + other.squares)


def _sums(cells: Cells, of: np.ndarray, b: int, order: Sequence[int]) -> _Sums:
    """Of a benchmark; `of` are the answers that count, asked or completed, and an item's mean over them is compared."""
    here = (cells.benchmark == b) & (of > 0)
    place = np.empty(len(cells.names), int)
    place[list(order)] = np.arange(len(order))
    columns, item = np.unique(cells.item[here], return_inverse=True)
    shape = (len(order), max(len(columns), 1))
    at = (place[cells.system[here]], item)
    x = sparse.csr_matrix((cells.right[here] / of[here], at), shape)
    mask = sparse.csr_matrix((np.ones(int(here.sum())), at), shape)
    square = x.multiply(x).tocsr()
    if here.sum() > _DENSE * shape[0] * shape[1]:
        x, mask, square = x.toarray(), mask.toarray(), square.toarray()

    def product(left: Any, right: Any) -> np.ndarray:
        made = left @ right.T
        return made if isinstance(made, np.ndarray) else made.toarray()

    own, squared = product(x, mask), product(square, mask)
    return _Sums(product(mask, mask), own - own.T, squared + squared.T - 2 * product(x, x))


def pairs_of(cells: Cells, order: list[int], share: list[float] | None, level: float) -> list[Pair]:
    """Every pair of systems.

    Args:
        cells: the answers.
        order: indices of systems in `cells.names`; of a pair the one that comes first is `a`.
        share: the weight of each benchmark; None where every answer weighs the same.
        level: of intervals; a pair is different where its corrected p is below 1 - level.
    """
    many = len(cells.benchmarks)
    asked = [_sums(cells, cells.asked, b, order) for b in range(many)]
    done = [_sums(cells, cells.done, b, order) for b in range(many)]
    whole, whole_done = (_compared(sums, share, level, single=bool((cells.asked <= 1).all())) for sums in (asked, done))
    first, second = np.triu_indices(len(order), 1)
    corrected = holm(whole.p_mid[first, second].tolist()) if len(first) else []
    names = [cells.names[s] for s in order]
    return [
        Pair(
            names[i],
            names[j],
            int(whole.items[i, j]),
            whole.interval(i, j),
            float(whole.p[i, j]),
            float(whole.p_mid[i, j]),
            p_holm,
            p_holm < 1 - level,
            int(whole_done.items[i, j]),
            whole_done.interval(i, j),
            float(whole_done.p[i, j]),
        )
        for i, j, p_holm in zip(first.tolist(), second.tolist(), corrected, strict=True)
    ]


@dataclass(frozen=True)
class _Compared:
    """Differences of every pair, (S, S) each."""

    items: np.ndarray
    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    p: np.ndarray
    p_mid: np.ndarray

    def interval(self, i: int, j: int) -> Interval:
        return Interval(float(self.value[i, j]), float(self.low[i, j]), float(self.high[i, j]))


def _compared(parts: list[_Sums], share: list[float] | None, level: float, *, single: bool) -> _Compared:
    """The differences with intervals and p-values.

    Intervals are those of a mean over items after two more of them, which half agree and half do not (a difference is
    never known without doubt); so are the t-tests where items have several samples.

    Source: Agresti and Min 2005, Simple improved confidence intervals for comparing matched proportions, Statist. Med.
    24, 729-740; Fagerland, Lydersen and Laake 2013, The McNemar test, BMC Med. Res. Methodol. 13, 91 (mid-p).
    """
    if share is None:
        parts, share = [sum(parts[1:], parts[0])], [1.0]
    used = [(part, w) for part, w in zip(parts, share, strict=True) if w > 0]
    items = np.minimum.reduce([part.items for part, _ in used])
    common = items > 0
    value, middle, variance = np.zeros(items.shape), np.zeros(items.shape), np.zeros(items.shape)
    for part, w in used:
        n = part.items + 2
        mean = part.plus / n
        value += w * part.plus / np.maximum(part.items, 1)
        middle += w * mean
        variance += w * w * np.maximum(part.squares + 1 - n * mean**2, 0) / (n * (n - 1))
    total = sum(part.items for part, _ in used)
    freedom = np.maximum(total - len(used), 1)
    half = special.stdtrit(freedom, (1 + level) / 2) * np.sqrt(variance)
    low, high = np.minimum(middle - half, value), np.maximum(middle + half, value)
    if single and len(used) == 1:
        wins, losses = (np.rint((used[0][0].squares + sign * used[0][0].plus) / 2) for sign in (1, -1))
        n, fewer = (wins + losses).astype(np.int64), np.minimum(wins, losses)
        tail = 2 * special.bdtr(fewer, n, 0.5)
        at = tail - 2 * special.bdtr(np.maximum(fewer - 1, 0), n, 0.5) * (fewer > 0)
        p, p_mid = np.minimum(1.0, tail), np.minimum(1.0, tail - at / 2)
    else:
        p = p_mid = 2 * special.stdtr(freedom, -np.abs(middle) / np.sqrt(variance))
    nothing = np.where(common, 0.0, math.nan)
    return _Compared(
        np.where(common, total, 0),
        value + nothing,
        np.maximum(low, -1) + nothing,
        np.minimum(high, 1) + nothing,
        np.where(common, p, math.nan),
        np.where(common, p_mid, math.nan),
    )
