"""Runs that differ in one setting of the recipe: where each setting stands after the same data, steps or compute."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from rlaw.evidence import Evidence
from rlaw.noise import Noise

_DRAWS = 4000


@dataclass(frozen=True, slots=True)
class End:
    """Where the runs of one setting stand.

    Attributes:
        setting: its value.
        base: mean loss of the first evaluation.
        loss: mean loss at the last place that all settings reached.
        runs: how many runs the means are over.
    """

    setting: float
    base: float
    loss: float
    runs: int


def comparable(seen: Evidence) -> pl.DataFrame:
    """Evaluations of every arm, of the main arm's variant and benchmark, for the size that most arms have."""
    same = seen.main.rows.select("variant", "benchmark").unique()
    rows = seen.frame.rows.join(same, on=["variant", "benchmark"])
    arms = rows.group_by("model", maintain_order=True).agg(pl.col("arm").n_unique()).sort("arm", descending=True)
    return rows if arms.is_empty() else rows.filter(pl.col("model") == arms["model"][0])


def as_main(seen: Evidence, rows: pl.DataFrame, *columns: str) -> pl.DataFrame:
    """The rows that have the main arm's values in these columns, where it tells one."""
    for column in columns:
        values = seen.main.rows[column].drop_nulls().unique()
        if len(values) == 1:
            rows = rows.filter((pl.col(column) == values[0]).fill_null(value=True))
    return rows


def with_most(rows: pl.DataFrame, what: pl.Expr, of: str) -> pl.DataFrame:
    """The rows of that value of an expression for which a column has most values; all where it is null."""
    counts = rows.select(what.alias("what"), of).drop_nulls().group_by("what").agg(pl.col(of).n_unique())
    if counts.is_empty():
        return rows
    return rows.filter(what == counts.sort(of, "what", descending=[True, False])["what"][0])


def ends(rows: pl.DataFrame, setting: str, *, at: str) -> list[End]:
    """Every value of a setting at the last place that all its runs reached, smallest value first."""
    rows = rows.drop_nulls([setting, at])
    if rows[setting].n_unique() < 2:
        return []
    keys = [setting, "arm", "run", "seed"]
    last = rows.group_by(keys).agg(end=pl.col(at).max())["end"].min()
    reached = rows.filter(pl.col(at) <= last).sort(at)
    each = reached.group_by(keys, maintain_order=True).agg(
        base=pl.col("test_loss").first(), loss=pl.col("test_loss").last()
    )
    means = each.group_by(setting).agg(pl.col("base", "loss").mean(), runs=pl.len()).sort(setting)
    return [End(*row) for row in means.iter_rows()]


def drawn(noise: Noise, losses: list[float], runs: list[int], seed: int) -> np.ndarray:
    """(draws, settings) mean losses drawn about the measured ones."""
    return noise.draws(np.array(losses), np.array(runs), _DRAWS, seed=seed)
