"""The ledger as numbers, and the weights of its benchmarks."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from rlaw.errors import UsageError
from rlaw.measurements.ledger import Ledger
from rlaw.text import listed

_MOST = 300  # systems: 44,850 pairs
_COMPLETED = ("right", "wrong")


@dataclass(frozen=True)
class Cells:
    """The ledger as numbers: a row for each system and item that it was asked.

    Attributes:
        names, benchmarks: in alphabetical order.
        system, item, benchmark: indices, (n,).
        asked, done, right: answers, completed and right ones, (n,).
        benchmark_I: the benchmark of each item.
    """

    names: list[str]
    benchmarks: list[str]
    system: np.ndarray
    item: np.ndarray
    benchmark: np.ndarray
    asked: np.ndarray
    done: np.ndarray
    right: np.ndarray
    benchmark_I: np.ndarray

    def answer_shares(self) -> np.ndarray:
        """The share of all answers that each benchmark has."""
        counts = np.bincount(self.benchmark, self.asked, len(self.benchmarks))
        return counts / max(counts.sum(), 1)


def cells_of(ledger: Ledger) -> Cells:
    """The answers of a ledger, counted for each system and item.

    Raises:
        UsageError: more than 300 systems.
    """
    rows = ledger.rows
    names, benchmarks = (_categories(rows[name]) for name in ("system", "benchmark"))
    if len(names) > _MOST:
        raise UsageError(
            f"{ledger.source}: {len(names):,} systems, and at most {_MOST} are compared\n"
            "  next: `where(system='NAME')` for those to compare, or another column as system"
        )
    items = rows.select("benchmark", "item").unique().sort("benchmark", "item").with_row_index("i")
    outcome = pl.col("outcome")
    grouped = (
        rows.group_by("system", "benchmark", "item")
        .agg(
            asked=(outcome != "not_attempted").sum(),
            done=outcome.is_in(_COMPLETED).sum(),
            right=(outcome == "right").sum(),
        )
        .join(items, on=["benchmark", "item"])
        .sort("system", "i")
        .filter(pl.col("asked") > 0)
    )
    asked, done, right = (grouped[name].to_numpy().astype(float) for name in ("asked", "done", "right"))
    system, item, benchmark = (
        grouped[name].to_physical().to_numpy().astype(np.int64) for name in ("system", "i", "benchmark")
    )
    of_items = items["benchmark"].to_physical().to_numpy().astype(np.int64)
    return Cells(names, benchmarks, system, item, benchmark, asked, done, right, of_items)


def _categories(names: pl.Series) -> list[str]:
    return names.dtype.categories.to_list()  # pyright: ignore[reportAttributeAccessIssue]


def weights_of(weights: str | Mapping[str, float] | None, benchmarks: list[str], source: str) -> list[float] | None:
    """The weight of each benchmark, their sum 1; None where every answer weighs the same because nothing was named."""
    if weights is None or weights == "items":
        return None
    if weights == "equal":
        return [1 / len(benchmarks)] * len(benchmarks)
    if isinstance(weights, str):
        raise UsageError(f"no weights are called {weights!r}: they are items, equal, or a number for each benchmark")
    unknown, lacking = sorted(set(weights) - set(benchmarks)), sorted(set(benchmarks) - set(weights))
    values = [float(weights[name]) for name in benchmarks if name in weights]
    if unknown or lacking or not all(math.isfinite(v) and v >= 0 for v in values) or not sum(values):
        what = (
            f"no benchmark is called {listed(unknown)}" if unknown else f"none for {listed(lacking)}" if lacking else ""
        )
        raise UsageError(
            f"`weights=`: {what or 'they are numbers of 0 or more, not all 0'}\n"
            f"  where: {source}, benchmarks {listed(benchmarks)}\n  next: name a weight for each of them"
        )
    return [value / sum(values) for value in values]
