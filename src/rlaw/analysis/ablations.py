"""Runs that differ in one setting of the recipe alone, such as tau or the group size: their curves, and the loss
of each after the same data, steps or compute."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from rlaw.analysis.evidence import Evidence
from rlaw.errors import DataError
from rlaw.measurements.frame import AXES, SINGLE
from rlaw.text import shortened

_DRAWS = 4000


@dataclass(frozen=True, eq=False)
class Ablation:
    """One value of the setting for one size.

    Attributes:
        value: of the setting.
        name: what it is called in a legend: its value, and the arm where two arms have the same.
        curve: step, every axis and test_loss, means over runs.
        runs: how many.
        subsets: how the unique problems of several tau lie to each other: independent or nested; "" where not given.
        schedule: the order of later passes: repeated or reshuffled; "" where not given.
        order: of the problems in a pass: shuffled or curriculum; "" where not given.
    """

    model: str
    value: float
    name: str
    curve: pl.DataFrame
    runs: int
    subsets: str
    schedule: str
    order: str


def ablations_of(evidence: Evidence, column: str, symbol: str) -> dict[str, list[Ablation]]:
    """The settings of every size that has two of them or more, by size (and kind of reuse, where there are several).

    Raises:
        DataError: no size has two settings.
    """
    others = [name for name in SINGLE if name != column]
    rows = evidence.like_main(evidence.frame.rows, *others).drop_nulls(column)
    main = evidence.main.rows[column].drop_nulls()
    arms = evidence.main.rows["arm"].unique()
    other = (pl.col(column) != main[0]) | pl.col("arm").is_in(arms.implode()) if len(main) else pl.lit(True)
    found: dict[str, list[Ablation]] = {}
    for (model,), of_size in rows.group_by("model", maintain_order=True):
        for kind, of_kind in _by_kind(of_size, column, other).items():
            if of_kind[column].n_unique() > 1:
                name = shortened(str(model)) + (f": {kind}" if kind else "")
                found[name] = _of_size(str(model), of_kind, column, symbol)
    if not found:
        raise DataError(f"no size was run with two values of {symbol} and the rest of the recipe the same")
    return found


def _by_kind(rows: pl.DataFrame, column: str, other: pl.Expr) -> dict[str, pl.DataFrame]:
    """The rows of each kind of comparison, by its name; under no name, without arms that repeat the main study's
    setting (not `other`), where there is one kind."""
    if column == "tau":
        return _kinds_of_reuse(rows.filter(other))
    return _kinds_of_groups(rows) or {"": rows.filter(other)}


def _kinds_of_groups(rows: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Group sizes with as many prompts in each step, and those with as many rollouts; none where it is not both."""
    equal = {"equal prompts": pl.col("prompts"), "equal rollouts": pl.col("prompts") * pl.col("group_size")}
    found = {}
    for name, cost in equal.items():
        sizes = rows.drop_nulls("prompts").group_by(cost.alias("cost")).agg(pl.col("group_size").n_unique())
        several = sizes.filter(pl.col("group_size") > 1).sort("group_size", "cost")
        if len(several):
            found[name] = rows.filter(cost == several["cost"][-1])
    return found if len(found) == len(equal) else {}


def _kinds_of_reuse(rows: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Reuse by subsets and schedule; runs without reuse belong to every kind."""
    reused = rows.filter(pl.col("tau") > 1)
    kinds = reused.select("subsets", "schedule").unique(maintain_order=True).rows() if len(reused) else []
    if len(kinds) < 2:
        return {"": rows}
    once = pl.col("tau") == 1
    return {
        f"{shortened(str(subsets))}, {shortened(str(schedule))}": rows.filter(
            once | (pl.col("subsets").eq_missing(subsets) & pl.col("schedule").eq_missing(schedule))
        )
        for subsets, schedule in kinds
    }


def _of_size(model: str, rows: pl.DataFrame, column: str, symbol: str) -> list[Ablation]:
    several = rows.select(column, "arm").unique().group_by(column).len().filter(pl.col("len") > 1)[column].to_list()
    found = []
    for (value, arm), own in rows.sort(column, "arm").group_by(column, "arm", maintain_order=True):
        name = f"{symbol} {value:g}" + (f", {shortened(str(arm))}" if value in several else "")
        means = [pl.col(c).mean() for c in (*AXES.values(), "test_loss") if c != "step"]
        curve = own.group_by("step").agg(means).sort("step")
        runs = own.select("run", "seed").unique().height
        how = [str(own[name][0] or "") for name in ("subsets", "schedule", "order")]
        found.append(Ablation(model, float(value), name, curve, runs, *how))  # pyright: ignore[reportArgumentType]
    return found


@dataclass(frozen=True, slots=True)
class End:
    """Losses of the runs of one setting.

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


def comparable(evidence: Evidence) -> pl.DataFrame:
    """Evaluations of every arm, of the main arm's variant and benchmark, for the size that most arms have."""
    rows = evidence.like_main(evidence.frame.rows, "variant", "benchmark")
    arms = rows.group_by("model", maintain_order=True).agg(pl.col("arm").n_unique()).sort("arm", descending=True)
    return rows if arms.is_empty() else rows.filter(pl.col("model") == arms["model"][0])


def as_main(evidence: Evidence, rows: pl.DataFrame, *columns: str) -> pl.DataFrame:
    """The rows that have the main arm's values in these columns, where it has one."""
    for column in columns:
        values = evidence.main.rows[column].drop_nulls().unique()
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


def drawn(evidence: Evidence, found: Sequence[End], seed: int) -> np.ndarray:
    """(draws, ends) mean losses drawn about the measured ones."""
    losses, runs = np.array([end.loss for end in found]), np.array([end.runs for end in found])
    return evidence.noise_of_arms.draws(losses, runs, _DRAWS, seed=seed)
