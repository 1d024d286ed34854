"""From raw rows to the table's rows: declared types, missing columns filled in, unusable rows dropped and counted."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from rlaw import units
from rlaw.errors import DataError
from rlaw.text import listed

#: name -> (type, value where the source has no such column). Params are non-embedding, or as the source gives them.
COLUMNS: dict[str, tuple[Any, Any]] = {
    "model": (pl.String, None),
    "params": (pl.Float64, None),
    "variant": (pl.String, ""),
    "benchmark": (pl.String, ""),
    "domain": (pl.String, ""),
    "arm": (pl.String, "main"),
    "run": (pl.String, ""),
    "seed": (pl.Int64, 0),
    "tau": (pl.Float64, 1.0),
    "group_size": (pl.Int64, None),
    "prompts": (pl.Int64, None),
    "order": (pl.String, ""),
    "subsets": (pl.String, ""),
    "schedule": (pl.String, ""),
    "step": (pl.Int64, None),
    "data_size": (pl.Float64, None),
    "compute_flops": (pl.Float64, None),
    "test_loss": (pl.Float64, None),
    "items": (pl.Int64, None),
    "samples": (pl.Int64, 1),
    "correct": (pl.List(pl.Int64), None),
    "response_length": (pl.Float64, None),
}
#: the columns that identify a curve
CURVE = ("params", "model", "variant", "benchmark", "tau", "group_size", "arm", "run", "seed")
#: what a table calls a column, and what it is here
OURS = {"n_params": "params"}


def clean(raw: pl.DataFrame, source: str) -> tuple[pl.DataFrame, dict[str, int]]:
    """Raw rows as rows of the table, and how many were dropped, by reason.

    Raises:
        DataError: a needed column is missing or empty, or no row is left.
    """
    kept, dropped = _usable(_typed(_complete(raw, source), source))
    if kept.is_empty():
        reasons = ", ".join(f"{n} {reason}" for reason, n in dropped.items()) or "it has no rows"
        raise DataError(f"{source}: no row can be used: {reasons}{_hint(dropped)}")
    return _with_base_loss(kept), dropped


def _complete(raw: pl.DataFrame, source: str) -> pl.DataFrame:
    """Columns that follow from others: test_loss from correct and items, model from n_params."""
    raw = raw.rename({theirs: ours for theirs, ours in OURS.items() if ours not in raw.columns}, strict=False)
    if "model" not in raw.columns and "params" not in raw.columns:
        raise _missing(source, "model or n_params", raw)
    if "step" not in raw.columns:
        raise _missing(source, "step", raw)
    counted = {"correct", "items"} <= set(raw.columns) and not raw.schema["correct"].is_nested()
    if "test_loss" not in raw.columns and not counted:
        raise _missing(source, "test_loss, or correct and items", raw)
    if counted:
        answers = pl.col("items").cast(pl.Float64) * (pl.col("samples") if "samples" in raw.columns else 1)
        from_counts = 1 - pl.col("correct").cast(pl.Float64) / answers
        given = [pl.col("test_loss").cast(pl.Float64, strict=False)] if "test_loss" in raw.columns else []
        raw = raw.with_columns(test_loss=pl.coalesce(*given, from_counts)).drop("correct")
    return raw


def _missing(source: str, what: str, raw: pl.DataFrame) -> DataError:
    return DataError(
        f"{source}: no column {what}; it has {listed(raw.columns)}\n  next: name it with `mapping={{'ours': 'theirs'}}`"
    )


def _typed(raw: pl.DataFrame, source: str) -> pl.DataFrame:
    """Every declared column in its declared type; unreadable cells become null and are judged with the rest."""
    columns = []
    for name, (kind, default) in COLUMNS.items():
        if name not in raw.columns:
            columns.append(pl.lit(default, dtype=kind).alias(name))
            continue
        column = pl.col(name).cast(kind, strict=False)
        columns.append(column.fill_null(default) if default is not None else column)
    rows = raw.with_columns(columns)
    named = [units.count(value) if value is not None else "" for value in rows["params"]]
    rows = rows.with_columns(pl.col("model").fill_null(pl.Series("model", named, dtype=pl.String)))
    for name in ("test_loss", "step"):
        if len(rows) and rows[name].null_count() == len(rows):
            raise DataError(
                f"{source}: column {name} is empty in all {len(rows)} rows\n  next: fill it, or another with `mapping=`"
            )
    return rows


def _usable(rows: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, int]]:
    """The rows that can be used, and how many fell out, by reason."""
    reasons = {
        "nan_loss": pl.col("test_loss").is_null() | ~pl.col("test_loss").is_finite(),
        "negative_loss": pl.col("test_loss") < 0,
        "loss_above_one": pl.col("test_loss") > 1,
        "no_step": pl.col("step").is_null() | (pl.col("step") < 0),
        "no_model": pl.col("model") == "",
        "bad_params": (pl.col("params") <= 0) | ~pl.col("params").is_finite(),
    }
    dropped = {}
    for reason, is_bad in reasons.items():
        kept = rows.filter(~is_bad.fill_null(value=reason == "nan_loss"))
        if len(kept) < len(rows):
            dropped[reason] = len(rows) - len(kept)
        rows = kept
    unique = rows.unique([*CURVE, "step"], keep="last", maintain_order=True)
    if len(unique) < len(rows):
        dropped["duplicate_step"] = len(rows) - len(unique)
    return unique, dropped


def _hint(dropped: Mapping[str, int]) -> str:
    if not dropped:
        return "\n  next: a row per evaluation is needed, below the header"
    if dropped.get("no_model"):
        return "\n  next: give each row's size in column model or n_params"
    if dropped.get("bad_params") == max(dropped.values()):
        return "\n  next: column n_params holds numbers of parameters, above 0"
    if dropped.get("loss_above_one"):
        return "\n  next: test_loss is a share between 0 and 1; divide percent by 100"
    return "\n  next: test_loss must be a number between 0 and 1"


def _with_base_loss(rows: pl.DataFrame) -> pl.DataFrame:
    """Adds `base_loss`: the loss of the same curve at step 0."""
    if "base_loss" in rows.columns:
        rows = rows.drop("base_loss")
    base = rows.filter(pl.col("step") == 0).select(*CURVE, base_loss="test_loss")
    return rows.join(base, on=list(CURVE), how="left", nulls_equal=True)
