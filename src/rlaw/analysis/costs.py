"""What an answer takes: seconds, tokens and money, of each answer and of each right one; times of timeouts censored."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from scipy import special

from rlaw.fitting.interval import Interval, finite


@dataclass(frozen=True, slots=True)
class Cost:
    """What answers took of one kind.

    Attributes:
        known: answers whose cost is known.
        per_answer: mean of those; nan without any.
        per_right: all that answers took, failures too, for each right one; the interval clustered by item.
    """

    known: int
    per_answer: float
    per_right: Interval


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds of an answer, by Kaplan and Meier: a timeout took at least its time.

    Attributes:
        median, p90: nan where the times of too many answers are only known to be longer.
        at_least: the longest time known, which the nan ones are above; nan where times are unknown.
        capped: timeouts.
    """

    median: float
    p90: float
    at_least: float
    capped: int

    def to_json(self) -> dict[str, Any]:
        """The fields by name, null where unknown."""
        numbers = {name: finite(getattr(self, name)) for name in ("median", "p90", "at_least")}
        return {**numbers, "capped": self.capped}


def cost_of(rows: pl.DataFrame, name: str, level: float) -> Cost:
    """The cost of one system's answers.

    Args:
        rows: of a ledger.
        name: the column of the cost.
        level: of the interval: that of a ratio of two sums over items, in logarithms.
    """
    asked = rows.filter(pl.col("outcome") != "not_attempted")
    known = asked.filter(pl.col(name).is_not_null())
    if known.is_empty():
        return Cost(0, math.nan, Interval(math.nan))
    per_answer = float(known[name].mean())  # pyright: ignore[reportArgumentType]
    items = (
        asked.group_by("benchmark", "item", maintain_order=True)
        .agg(cost=pl.col(name).fill_null(per_answer).sum(), right=(pl.col("outcome") == "right").sum())
        .select("cost", "right")
        .to_numpy()
        .astype(float)
    )
    cost, right = items.sum(axis=0)
    if not right or not cost:
        return Cost(len(known), per_answer, Interval(cost / right if right else math.nan))
    ratio, n = cost / right, len(items)
    left = items[:, 0] - ratio * items[:, 1]
    spread = math.sqrt(float(left @ left) * n / max(n - 1, 1)) / cost
    reach = math.exp(float(special.stdtrit(max(n - 1, 1), (1 + level) / 2)) * spread) if n > 1 else math.inf
    return Cost(len(known), per_answer, Interval(ratio, ratio / reach, ratio * reach))


def times_of(rows: pl.DataFrame) -> Times:
    """The seconds of one system's answers.

    Source: Kaplan and Meier 1958, Nonparametric estimation from incomplete observations, JASA 53, 457-481.
    """
    known = rows.filter((pl.col("outcome") != "not_attempted") & pl.col("seconds").is_not_null())
    capped = int((rows["outcome"] == "timeout").sum())
    if known.is_empty():
        return Times(math.nan, math.nan, math.nan, capped)
    ended = known.select("seconds", done=pl.col("outcome") != "timeout").sort(
        "seconds", "done", descending=[False, True]
    )
    seconds, done = ended["seconds"].to_numpy(), ended["done"].to_numpy()
    left = np.cumprod(1 - done / np.arange(len(done), 0, -1))

    def quantile(q: float) -> float:
        reached = np.flatnonzero(left <= 1 - q + 1e-12)
        return float(seconds[reached[0]]) if len(reached) else math.nan

    return Times(quantile(0.5), quantile(0.9), float(seconds[-1]), capped)
