"""Which size is best at equal compute, or at equal data: measured losses side by side, nothing extrapolated.

A size's loss at a budget is read off its mean curve by a straight line through the evaluations nearby (log-log, within
a quarter more or less of the budget, three at least). Before its first evaluation a size has "not begun", past its last
one the budget is "not reached"; neither gives a number.
"""

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import polars as pl

from rlaw.analysis.evidence import Evidence
from rlaw.fitting.nearby import line_at_zero
from rlaw.measurements.frame import AXES

Availability = Literal["measured", "not begun", "not reached"]
_MOST_BUDGETS = 9
_NEARBY = math.log(1.25)
_LEAST_POINTS = 3


@dataclass(frozen=True, slots=True)
class Placing:
    """One size at one budget.

    Attributes:
        loss: nan unless measured.
        weight: how many measurements the loss is worth; runs where whole runs scatter.
        rank: "best", "level" with the best (no significant difference), "behind", or "" when not measured.
    """

    model: str
    params: float
    state: Availability
    loss: float = math.nan
    weight: float = 0.0
    rank: Literal["best", "level", "behind", ""] = ""


@dataclass(frozen=True, slots=True)
class Ranking:
    """All sizes at several budgets; `rows[k][r]` is size r at `budgets[k]`."""

    axis: str
    budgets: tuple[float, ...]
    rows: tuple[tuple[Placing, ...], ...]

    def best(self, k: int) -> Placing:
        """The size with the lowest measured loss at budget k."""
        return min((p for p in self.rows[k] if p.state == "measured"), key=lambda p: p.loss)

    def level_with_best(self, k: int) -> tuple[Placing, ...]:
        """The sizes without a significant difference from the best."""
        return tuple(p for p in self.rows[k] if p.rank == "level")


def rank(evidence: Evidence, axis: str) -> Ranking:
    """Rank the sizes at round budgets between the first and last that two sizes share."""
    curves = _curves(evidence, axis)
    if len(curves) < 2:
        return Ranking(axis, (), ())
    budgets = tuple(b for b in _round_budgets(curves) if sum(c.state(b) == "measured" for c in curves) > 1)
    return Ranking(axis, budgets, tuple(_judge(evidence, [c.place(b) for c in curves]) for b in budgets))


def shared_end(
    evidence: Evidence, axis: str, smaller: str, larger: str, *, first: bool = False
) -> tuple[float, Placing, Placing] | None:
    """The largest (or first) budget that two sizes, by name, both reached, and their places there; None without one."""
    curves = {curve.model: curve for curve in _curves(evidence, axis)}
    a, b = curves.get(smaller), curves.get(larger)
    if a is None or b is None:
        return None
    end = max(a.x[0], b.x[0]) if first else min(a.x[-1], b.x[-1])
    if a.state(end) != "measured" or b.state(end) != "measured":
        return None
    return float(end), a.place(end), b.place(end)


@dataclass(frozen=True, slots=True)
class _Curve:
    model: str
    params: float
    x: np.ndarray
    loss: np.ndarray
    runs: np.ndarray
    replicated: bool

    def state(self, budget: float) -> Availability:
        if budget < self.x[0]:
            return "not begun"
        return "not reached" if budget > self.x[-1] * (1 + 1e-9) else "measured"

    def place(self, budget: float) -> Placing:
        state = self.state(budget)
        if state != "measured":
            return Placing(self.model, self.params, state)
        away = np.log(self.x / budget)
        reach = max(_NEARBY, np.sort(np.abs(away))[:_LEAST_POINTS][-1] * 1.001)
        near = np.abs(away) <= reach
        share = line_at_zero(away[near], (1 - (np.abs(away[near]) / (reach * 1.05)) ** 3) ** 3)
        loss = math.exp(share @ np.log(self.loss[near]))
        runs = float(self.runs[near].mean())
        return Placing(self.model, self.params, state, loss, runs if self.replicated else runs / float(share @ share))


def _curves(evidence: Evidence, axis: str) -> list[_Curve]:
    column = AXES[axis]
    replicated = evidence.noise.freedom > 0
    kept = evidence.mean_curves.filter((pl.col(column) > 0) & (pl.col("test_loss") > 0)).sort(
        "params", "model", column, nulls_last=True
    )
    curves = []
    for rows in kept.partition_by("model", maintain_order=True):
        x, loss, runs = (rows[name].to_numpy() for name in (column, "test_loss", "runs"))
        curves.append(_Curve(rows["model"][0], rows["params"][0] or math.nan, x.astype(float), loss, runs, replicated))
    return curves


def _round_budgets(curves: list[_Curve]) -> list[float]:
    """1 and 3 times powers of ten; powers of ten alone when these would be many, 1, 2 and 5 when they would be few."""
    low, high = min(c.x[0] for c in curves), max(c.x[-1] for c in curves)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for mantissas in ((1.0, 2.0, 3.0, 5.0, 7.0), (1.0, 2.0, 5.0), (1.0, 3.0), (1.0,)):
        budgets = [m * 10.0**p for p in powers for m in mantissas if low <= m * 10.0**p <= high]
        if len(budgets) <= _MOST_BUDGETS:
            return budgets
    return budgets


def _judge(evidence: Evidence, places: list[Placing]) -> tuple[Placing, ...]:
    """The places with their rank."""
    best = min((p for p in places if p.state == "measured"), key=lambda p: p.loss)

    def ranked(p: Placing) -> Placing:
        if p.state != "measured":
            return p
        worse = evidence.noise.probability_lower((best.loss, best.weight), (p.loss, p.weight))
        return replace(p, rank="best" if p is best else "behind" if worse >= evidence.choice.level else "level")

    return tuple(map(ranked, places))
