"""Rows of JSON or of numbers as one table: fast where all is well, line by line where it is not."""

import io
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from rlaw.measurements.importers import text
from rlaw.measurements.importers.names import BARE_STEPS, STEPS, names_of_flat


def table_of(rows: list[dict[str, Any]]) -> pl.DataFrame:
    """The rows as a table with a column `step`: numbers as such, a column that mixes them with words as text."""
    first = list(rows[0]) if rows else []
    if all(list(row) == first for row in rows):  # the usual case, ten times as fast
        columns = dict(zip(first, zip(*(row.values() for row in rows), strict=True), strict=True))
    else:
        columns = {
            name: [row.get(name) for row in rows] for name in dict.fromkeys(name for row in rows for name in row)
        }
    return stepped(pl.DataFrame([_series(name, values) for name, values in columns.items()]))


def _series(name: str, values: Sequence[Any]) -> pl.Series:
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {int, bool} and all(value is None or abs(value) < 1 << 62 for value in values):
        return pl.Series(name, values, dtype=pl.Int64, strict=False)
    if kinds <= {int, float, bool}:
        return pl.Series(name, values, dtype=pl.Float64, strict=False)
    read = [v if isinstance(v, int | float) else text.number(v) if isinstance(v, str) else None for v in values]
    if all(r is not None for r, v in zip(read, values, strict=True) if v is not None):
        return pl.Series(name, [None if r is None else float(r) for r in read], dtype=pl.Float64)
    return pl.Series(name, [None if v is None else v if isinstance(v, str) else json.dumps(v) for v in values])


def stepped(table: pl.DataFrame) -> pl.DataFrame:
    """The table with its counter of steps, whatever it is called, as whole numbers in the first column `step`.

    Rows that lack the counter have that of another axis, where the two contradict each other nowhere: veRL logs no
    `training/global_step` before its first step, slime has an axis for rollouts, training and evaluations each.
    """
    table = canonical(table)
    counters = {name: _counter(table[name]) for name in STEPS if name in table.columns}
    counters = {name: counter for name, counter in counters.items() if counter.null_count() < len(table)}
    if not counters:
        return table.drop("step", strict=False).select(pl.Series("step", [None] * len(table), dtype=pl.Int64), pl.all())
    first, *others = counters
    step = counters[first]
    for name in others:
        if first == "rollout/step" and name == "train/step":
            continue
        both = step.is_not_null() & counters[name].is_not_null()
        agree = bool((step == counters[name]).filter(both).all())
        if step.null_count() and agree and (both.any() or name not in BARE_STEPS):
            step = pl.select(pl.coalesce(step, counters[name])).to_series()
    if first == "rollout/step":  # updates have a counter of their own: several follow a rollout
        step = step.forward_fill()
    return table.drop("step", strict=False).select(step.alias("step"), pl.all())


def _counter(counter: pl.Series) -> pl.Series:
    if counter.dtype == pl.String:  # "12/500", as ms-swift counts
        counter = counter.str.extract(r"^\s*(\d+)").cast(pl.Int64, strict=False)
    elif not counter.dtype.is_numeric():
        counter = counter.cast(pl.Int64, strict=False)
    counter = counter.cast(pl.Float64).round(0)
    return pl.select(pl.when(counter.is_finite() & (counter.abs() < 1e15)).then(counter)).to_series().cast(pl.Int64)


def canonical(table: pl.DataFrame) -> pl.DataFrame:
    """The table with veRL's and Tinker's own names where someone wrote them with underscores for slashes."""
    return table.rename(names_of_flat(table.columns))


def json_lines(path: Path) -> tuple[pl.DataFrame, dict[str, int]]:
    """The objects of a file of JSON lines, nested ones joined by slashes; and lines that are none, by reason."""
    try:
        whole = text.data(path)
        table, dropped = pl.read_ndjson(io.BytesIO(whole), infer_schema_length=None), {}
    except pl.exceptions.PolarsError:
        with text.opened(path) as file:
            rows, dropped = _line_by_line(file.read())
        return table_of(rows), dropped
    table = _flat(table)
    words = [c for c in table.columns if table.schema[c] == pl.String and c not in STEPS]
    return stepped(table.with_columns(_series(c, table[c].to_list()) for c in words)), dropped


def _line_by_line(whole: str) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """Objects read one by one: NaN and infinities are numbers here, a torn line is counted."""
    rows, dropped = [], {"torn_line": 0, "no_object": 0}
    for line in whole.splitlines():
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            dropped["torn_line"] += 1
            continue
        if isinstance(row, dict):
            rows.append(flat_row(row))
        else:
            dropped["no_object"] += 1
    return rows, {reason: n for reason, n in dropped.items() if n}


def flat_row(row: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """The row with nested objects joined by slashes; the `data` of a row is the row itself, as veRL nests it."""
    found: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, dict):
            found |= flat_row(value, "" if name == "data" and not prefix else f"{prefix}{name}/")
        elif (isinstance(value, float) and not math.isfinite(value)) or not isinstance(value, list):
            found[prefix + name] = value
    return found


def _flat(table: pl.DataFrame) -> pl.DataFrame:
    """The table without nested columns: objects joined by slashes, lists left out."""
    while nested := [name for name, kind in table.schema.items() if isinstance(kind, pl.Struct)]:
        for name in nested:
            inner = table[name].struct.unnest()
            names = inner.columns if name == "data" else [f"{name}/{column}" for column in inner.columns]
            inner.columns = names
            table = table.drop(name).hstack([inner[c] for c in names if c not in table.columns])
    return table.select(name for name, kind in table.schema.items() if not isinstance(kind, pl.List | pl.Array))
