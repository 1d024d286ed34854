"""From raw rows to the table's rows, one step after another: names, types, sizes, the measure, what can be used, and
which rows are one curve. What is left out is counted by reason; what was understood or repaired is noted.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from rlaw.errors import DataError
from rlaw.measurements import axes, identity, measure, sizes
from rlaw.measurements.casting import typed
from rlaw.measurements.columns import ATTEMPT, CURVE
from rlaw.measurements.raw import ROW, Note, Raw

_LIKELY_STEP = re.compile(r"(?i).*(?:step|iter|update)")
_LIKELY_SIZE = re.compile(r"(?i)(?:.*[/_ .])?(?:model(?:_name|_size|_id)?|params|num_params|parameters)$|size$")


@dataclass(frozen=True, slots=True)
class Clean:
    """Rows of the table, how many were left out by reason, and what is to be said of them.

    Attributes:
        contradicts: whether a curve has a step twice with other values.
    """

    rows: pl.DataFrame
    dropped: dict[str, int]
    notes: tuple[Note, ...]
    contradicts: bool


def clean(raw: Raw) -> Clean:
    """Raw rows as rows of the table.

    Raises:
        DataError: a column is missing or empty, a cell cannot be read or is out of its range, or no row is left.
    """
    try:
        return _clean(raw)
    except (pl.exceptions.PolarsError, OverflowError) as error:
        first = str(error).partition("\n")[0]
        raise DataError(f"{raw.source}: cannot be read as measurements: {first}") from error


def _clean(raw: Raw) -> Clean:
    raw = counted(_named(raw))
    _refuse_empty(raw, "step")
    raw = measure.measured(sizes.sized(raw))
    _refuse_empty(raw, "test_loss")
    rows, dropped = _usable(raw.rows)
    if rows.is_empty():
        reasons = ", ".join(f"{n} {reason}" for reason, n in dropped.items()) or "it has no rows"
        raise DataError(f"{raw.source}: no row can be used: {reasons}{_hint(dropped)}")
    if raw.names.get("run") == ATTEMPT and ATTEMPT not in rows.columns:
        rows = identity.with_runs_of_attempts(rows, raw.source)
    contradicts = identity.contradict(rows)
    if contradicts:
        rows = identity.with_attempts(rows)
    raw = axes.added_up(raw.with_rows(rows))
    rows = with_base_loss(raw.rows.drop(ROW))
    notes = [*raw.notes, *([] if raw.recorded else _of_sizes(rows))]
    return Clean(rows, dropped, tuple(notes), contradicts)


def counted(raw: Raw, *, scored: bool = True) -> Raw:
    """The source in the declared types, right answers in one number a row apart from those to each item.

    Args:
        raw: as it was read.
        scored: it has a measure, which gets its own name.

    Raises:
        DataError: a cell cannot be read; or it is to have a measure, and has none, or several may be meant.
    """
    return typed(_counts_apart(measure.named(raw)) if scored else raw)


def _of_sizes(rows: pl.DataFrame) -> list[Note]:
    note = sizes.same_size(rows)
    return [] if note is None else [note]


def _named(raw: Raw) -> Raw:
    """The source, refused where a column is missing that nothing can stand for."""
    columns = raw.rows.columns
    if "model" not in columns and "params" not in columns:
        raise measure.missing(raw, "model or n_params", "model", _LIKELY_SIZE)
    if "step" not in columns:
        raise measure.missing(raw, "step", "step", _LIKELY_STEP)
    return raw


def _counts_apart(raw: Raw) -> Raw:
    """Right answers in one number a row under a name of their own; `correct` has one for each item."""
    columns = raw.rows.columns
    if not {"correct", "items"} <= set(columns) or raw.rows.schema["correct"].is_nested():
        return raw
    renamed = raw.with_rows(raw.rows.rename({"correct": "right_answers"}))
    return replace(renamed, names={**raw.names, "right_answers": raw.name("correct")})


def _refuse_empty(raw: Raw, name: str) -> None:
    rows = raw.rows
    if len(rows) and rows[name].null_count() == len(rows):
        raise DataError(
            f"{raw.source}: column {raw.name(name)} is empty in all {len(rows)} rows\n"
            "  next: fill it, or another with `mapping=`"
        )


def _usable(rows: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, int]]:
    """The rows that can be used, and how many fell out, by reason."""
    counter = {name: pl.col(name) for name in axes.COUNTERS}
    reasons = {
        "nan_loss": pl.col("test_loss").is_null(),
        "no_step": pl.col("step").is_null() | (pl.col("step") < 0),
        "no_model": pl.col("model") == "",
        "bad_params": (pl.col("params") <= 0) | ~pl.col("params").is_finite() | (pl.col("params") >= axes.LARGEST),
        "axis_not_finite": pl.any_horizontal(*(c.abs() >= axes.LARGEST for c in counter.values())),
    }
    dropped = {}
    for reason, is_bad in reasons.items():
        kept = rows.filter(~is_bad.fill_null(value=False))
        if len(kept) < len(rows):
            dropped[reason] = len(rows) - len(kept)
        rows = kept
    unique = identity.without_copies(rows)
    if len(unique) < len(rows):
        dropped["repeated_row"] = len(rows) - len(unique)
    return unique, dropped


def _hint(dropped: Mapping[str, int]) -> str:
    if not dropped:
        return "\n  next: a row per evaluation is needed, below the header"
    if dropped.get("no_model"):
        return "\n  next: give each row's size in column model or n_params"
    if dropped.get("bad_params") == max(dropped.values()):
        return "\n  next: column n_params holds numbers of parameters, above 0"
    return "\n  next: each row needs a step, and a test_loss between 0 and 1"


def with_base_loss(rows: pl.DataFrame) -> pl.DataFrame:
    """Adds `base_loss`: the loss of the same curve at step 0; null where there is none, or several that differ."""
    if "base_loss" in rows.columns:
        rows = rows.drop("base_loss")
    one: Any = pl.when(pl.col("test_loss").n_unique() == 1).then(pl.col("test_loss").first())
    base = rows.filter(pl.col("step") == 0).group_by(CURVE).agg(base_loss=one)
    return rows.join(base, on=list(CURVE), how="left", nulls_equal=True, maintain_order="left")
