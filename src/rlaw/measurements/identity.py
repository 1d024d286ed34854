"""Which rows are one curve. A step that a curve has twice with other values is never settled by picking a row: a column
that tells the rows apart is named, and has to be chosen or declared to hold replicates.
"""

from collections.abc import Sequence

import polars as pl

from rlaw.errors import DataError, UsageError
from rlaw.measurements.columns import ATTEMPT, COLUMNS, CURVE, plain_name, theirs
from rlaw.measurements.raw import ROW
from rlaw.text import listed

#: what an evaluation measured, as opposed to what it was of
MEASURED = (
    *(
        "test_loss",
        "correct",
        "items",
        "samples",
        "data_size",
        "compute_flops",
        "response_length",
        "base_loss",
        "domain",
    ),
)
_KEY = (*CURVE, "step")
_MOST_VALUES = 200  # of a column that names something
_FEWEST_STEPS = 3  # that an attempt has on average
#: names of columns that make runs different from one another on purpose
_RECIPES = frozenset(
    [
        "recipe",
        "algorithm",
        "algo",
        "method",
        "optimizer",
        "loss_type",
        "config",
        "task",
        "dataset",
        "data",
        "mix",
        "mixture",
        "benchmark",
        "eval",
        "metric",
        "split",
        "template",
        "arm",
        "variant",
    ]
)


def is_recipe(column: str) -> bool:
    """Whether a column, by its name, makes runs different from one another on purpose."""
    return plain_name(column) in _RECIPES


def without_copies(rows: pl.DataFrame, *, measured: bool = False) -> pl.DataFrame:
    """The rows without those that repeat another in every column, or (`measured`) in all that was measured."""
    if not contradict(rows):
        return rows
    columns = [c for c in rows.columns if c != ROW and (not measured or c in MEASURED or c in _KEY)]
    return rows.unique(columns, keep="first", maintain_order=True)


def contradict(rows: pl.DataFrame) -> bool:
    """Whether a curve has a step twice."""
    return bool(rows.select(pl.struct(_KEY).is_duplicated().any()).item()) if len(rows) else False


def with_attempts(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with a column `attempt` where steps that come twice began again in the order of the source."""
    if ATTEMPT in rows.columns or ROW not in rows.columns:
        return rows
    ordered = rows.sort(ROW)
    again = (pl.col("step") <= pl.col("step").shift(1)).fill_null(value=False).over(CURVE)
    numbered = ordered.with_columns((1 + again.cast(pl.Int64).cum_sum().over(CURVE)).alias(ATTEMPT))
    curves = numbered.group_by(CURVE).agg(n=pl.len(), attempts=pl.col(ATTEMPT).max(), times=pl.col("step").n_unique())
    several = curves.filter(pl.col("attempts") > 1)
    shuffled = several.filter(pl.col("n") < _FEWEST_STEPS * pl.col("attempts"))
    if several.is_empty() or len(shuffled) or contradict_with(numbered, ATTEMPT):
        return rows
    return numbered


def with_runs_of_attempts(rows: pl.DataFrame, source: str) -> pl.DataFrame:
    """The rows with every attempt as a run of its own.

    Raises:
        UsageError: no steps began again in the order of the source.
    """
    numbered = with_attempts(rows)
    if ATTEMPT not in numbered.columns:
        raise UsageError(
            f"`mapping={{'run': '{ATTEMPT}'}}`: {source} has no column {ATTEMPT}, and in the order of its rows no "
            "steps of a curve began again\n  next: add a column that tells the attempts apart"
        )
    return numbered.with_columns(run=pl.col(ATTEMPT).cast(pl.String)).drop(ATTEMPT)


def contradict_with(rows: pl.DataFrame, *columns: str) -> int:
    """How many rows give a step of a curve again, when these columns tell curves apart, too."""
    return len(rows) - rows.select(*_KEY, *columns).n_unique()


def refusal(rows: pl.DataFrame, source: str) -> DataError:
    """Why rows that contradict each other cannot be used, and what tells them apart."""
    count, distinguishing = contradict_with(rows), _distinguishing(rows)
    repeated = rows.filter(pl.struct(_KEY).is_duplicated()).sort(*_KEY, "test_loss", nulls_last=True)
    same = repeated.filter(pl.struct(_KEY) == pl.struct(_KEY).first())
    losses = " and ".join(f"{loss:.6g}" for loss in same["test_loss"].unique().sort().head(3))
    where = f"{repeated['model'][0]}, step {repeated['step'][0]}"
    what = f"{source}: {count} rows give a step of a curve again with other values ({where}: loss {losses})"
    if not distinguishing:
        return DataError(
            f"{what}, and no column tells them apart\n  next: add a column that does (seed, run, task, arm, attempt, "
            "…), or keep the rows of one curve"
        )
    values = {column: _values(rows, column) for column in distinguishing}
    if distinguishing == [ATTEMPT]:
        what += ": the step counter began again, which is another attempt"
    each = "; ".join(f"{_called(column)}: {listed(values[column], at_most=8)}" for column in distinguishing)
    return DataError(f"{what}; told apart by {each}\n  next: {_choose(distinguishing, values, rows)}")


def ask_recipes(rows: pl.DataFrame, source: str) -> None:
    """Ask which of several recipes is meant, where a column that is not ours tells runs of one size apart.

    Raises:
        UsageError: a column has several values within a size, each of which several sizes or runs share.
    """
    others = [c for c in _candidates(rows) if c != ATTEMPT]
    if not others:
        return
    curves = rows.group_by(CURVE).agg(
        *(pl.col(c).n_unique().alias(f"n {c}") for c in others), *(pl.col(c).first() for c in others)
    )
    found = [c for c in others if (curves[f"n {c}"] == 1).all() and _is_recipe(curves, c)]
    if not found:
        return
    column = min(found, key=lambda c: (plain_name(c) not in _RECIPES, c))
    values = {column: _values(rows, column)}
    raise UsageError(
        f"{source}: column {column} tells runs of one size apart ({listed(values[column], at_most=8)}), and one fit "
        f"takes one of them\n  next: {_choose([column], values, rows)}"
    )


def _is_recipe(curves: pl.DataFrame, column: str) -> bool:
    """Whether values of a column, one for each curve, are shared by sizes or runs, and differ within a size."""
    size = [c for c in CURVE if c not in ("run", "seed")]
    within = curves.group_by(size).agg(pl.col(column).n_unique())
    if (within[column] < 2).all():
        return False
    if plain_name(column) in _RECIPES:
        return True
    for own in ("seed", "run"):  # another name of the same thing
        pairs = curves.select(own, column).n_unique()
        if pairs == curves[own].n_unique() == curves[column].n_unique():
            return False
    sizes = curves["model"].n_unique()
    shared = curves.group_by(column).agg(pl.col("model").n_unique(), n=pl.len())
    return int((shared["model"] > 1).sum() if sizes > 1 else (shared["n"] > 1).sum()) > 1


def _candidates(rows: pl.DataFrame) -> list[str]:
    """Columns that may name what a row is of: not a measured value, and few different values."""
    apart = {*_KEY, *MEASURED, ROW}
    kinds = {c: kind for c, kind in rows.schema.items() if c not in apart and not kind.is_nested()}
    return [c for c in kinds if 1 < rows[c].n_unique() <= _MOST_VALUES]


def _distinguishing(rows: pl.DataFrame) -> list[str]:
    """The fewest columns that tell contradicting rows apart, attempts last; empty when none do."""
    rows = rows.filter(pl.struct(CURVE).is_in(_curves_that_contradict(rows).implode()))
    candidates = sorted((c for c in _candidates(rows) if _lasts(rows, c)), key=lambda c: _rank(rows, c))
    given = [c for c in candidates if c != ATTEMPT]
    return _fewest(rows, given) or _fewest(rows, candidates)


def _fewest(rows: pl.DataFrame, candidates: list[str]) -> list[str]:
    """The first column that tells the rows apart alone, else those that do together; empty when none do."""
    chosen, left = list[str](), contradict_with(rows)
    alone = next((c for c in candidates if not contradict_with(rows, c)), None)
    if alone is not None:
        return [alone]
    while left:
        counts = {c: contradict_with(rows, *chosen, c) for c in candidates if c not in chosen}
        best = min(counts, key=lambda c: counts[c], default=None)
        if best is None or counts[best] == left:
            return []
        chosen, left = [*chosen, best], counts[best]
    return chosen


def _curves_that_contradict(rows: pl.DataFrame) -> pl.Series:
    return rows.filter(pl.struct(_KEY).is_duplicated()).select(pl.struct(CURVE)).to_series().unique()


def _lasts(rows: pl.DataFrame, column: str) -> bool:
    """Whether a value of a column goes along with a curve, and is no reading of a single row."""
    steps = rows.group_by(CURVE).agg(pl.col("step").n_unique())["step"].mean() or 0
    own = rows.group_by(*CURVE, column).agg(pl.col("step").n_unique())["step"].mean() or 0
    repeated = len(rows) / max(rows[column].n_unique(), 1)
    return bool(own >= min(2, steps)) and repeated >= 2  # pyright: ignore[reportOperatorIssue, reportArgumentType]


def _rank(rows: pl.DataFrame, column: str) -> tuple[bool, bool, int, str]:
    """Known names first, then text, then the column with the fewest values."""
    known = column in COLUMNS or plain_name(column) in _RECIPES or column == ATTEMPT
    return (not known, rows.schema[column].is_numeric(), rows[column].n_unique(), column)


def _values(rows: pl.DataFrame, column: str) -> list[object]:
    values = rows[column].drop_nulls().unique().sort().to_list()
    return [*values, *([""] if rows[column].null_count() else [])]


def _choose(columns: Sequence[str], values: dict[str, list[object]], rows: pl.DataFrame) -> str:
    """The options to type."""
    picks = " and ".join(f"`where({column}='{values[column][0]}')`" for column in columns)
    free = next((own for own in ("run", "seed") if rows[own].n_unique() == 1), None)
    if free is None or len(columns) > 1:
        return picks
    return f"{picks}, or another of them; or `mapping={{'{free}': '{columns[0]}'}}` where they are replicates"


def _called(column: str) -> str:
    return f"column {theirs([column])[0]}"
