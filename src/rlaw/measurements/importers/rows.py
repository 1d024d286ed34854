"""Rows of JSON or of numbers as one table: fast where all is well, line by line where it is not."""

import io
import json
import math
import re
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import polars.selectors as cs

from rlaw.errors import DataError
from rlaw.measurements.importers import text
from rlaw.measurements.importers.names import BARE_STEPS, STEPS, is_known, names_of_flat

_SMALL = 1 << 15  # bytes; a block with a bad line is read line by line from here on
_LARGE = 200_000_000  # bytes of a table; of a larger one the columns that have a meaning are kept
_MOST_CELLS = 5_000_000  # of a block, by its names and lines
_DEEPEST = 20  # records inside of records; what is nested more deeply is no metric
_NAME = re.compile(rb'"([^"\\]*)"\s*:')
#: numbers of Python's JSON that are none, and the numbers that stand for them where only JSON's own are read
_STAND_INS = re.compile(rb"(?<=[:\[,\s])(?:NaN|-?Infinity)(?=[\s,}\]])")
_NUMBERS = {
    b"NaN": b"1.2648903217648193e308",
    b"-Infinity": b"-1.3879210456172631e308",
    b"Infinity": b"1.3879210456172631e308",
}


class JsonLines(NamedTuple):
    """What a file of JSON lines holds: its table, lines that are none by reason, names that were let go."""

    table: pl.DataFrame
    dropped: dict[str, int]
    left: tuple[str, ...]


def table_of(rows: list[dict[str, Any]]) -> pl.DataFrame:
    """The rows as a table with a column `step`: numbers as such, a column that mixes them with words as text."""
    return stepped(_columns(rows))


def _columns(rows: list[dict[str, Any]]) -> pl.DataFrame:
    first = list(rows[0]) if rows else []
    if all(list(row) == first for row in rows):  # the usual case, ten times as fast
        columns = dict(zip(first, zip(*(row.values() for row in rows), strict=True), strict=True))
    else:
        columns = {
            name: [row.get(name) for row in rows] for name in dict.fromkeys(name for row in rows for name in row)
        }
    return pl.DataFrame([_series(name, values) for name, values in columns.items()])


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


def json_lines(path: Path, wanted: Collection[str] = ()) -> JsonLines:
    """The objects of a file of JSON lines, nested ones joined by slashes; and lines that are none, by reason.

    Args:
        path: the file.
        wanted: names that are kept whatever the size of the file; of a large one those that no trainer's table knows
            are let go.

    Raises:
        DataError: a line, or what it unpacks to, is larger than a log's.
    """
    parts, dropped, size, reader = [], Counter[str](), 0, _Reader(path)
    left: dict[str, None] = {}
    for block in text.blocks(path):
        part, lost = reader.table(block)
        dropped.update(lost)
        if size > _LARGE:
            flat = names_of_flat(part.columns)
            kept = [c for c in part.columns if c in wanted or is_known(flat.get(c, c))]
            left |= dict.fromkeys(c for c in part.columns if c not in kept)
            part = part.select(kept)
        size += part.estimated_size()
        parts.append(part)
    if left:
        parts = [part.drop(left, strict=False) for part in parts]
    table = pl.concat(parts, how="diagonal_relaxed") if parts else pl.DataFrame()
    words = [c for c in table.columns if table.schema[c] == pl.String and c not in STEPS]
    table = stepped(table.with_columns(_series(c, table[c].to_list()) for c in words))
    return JsonLines(table, dict(dropped), tuple(left))


class _Reader:
    """Reads blocks of lines by the columns of the block before, as long as these are all that is there."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._schema: pl.Schema | None = None

    def table(self, block: bytes) -> tuple[pl.DataFrame, dict[str, int]]:
        """The rows of whole lines, and lines that are none, by reason."""
        table = self._parsed(block)
        if table is not None:
            return table, {}
        middle = block.find(b"\n", len(block) // 2) + 1
        if len(block) > _SMALL and 0 < middle < len(block):  # a bad line: all but its surroundings are read fast
            first, lost = self.table(block[:middle])
            second, more = self.table(block[middle:])
            return pl.concat([first, second], how="diagonal_relaxed"), dict(Counter(lost) + Counter(more))
        rows, dropped = _line_by_line(block.decode("utf-8", "replace"))
        return _columns(rows), dropped

    def _parsed(self, block: bytes) -> pl.DataFrame | None:
        """The rows of a block without a bad line; None of any other."""
        try:
            table = self._by_schema(block)
            if table is not None:
                return _flat(table)
            odd = b"NaN" in block or b"Infinity" in block
            found = _STAND_INS.sub(_stand_in, block) if odd else block
            table = self._by_schema(found) if odd else None
            if table is None:
                _check_names(self._path, found)
                table = pl.read_ndjson(io.BytesIO(found), infer_schema_length=None)
                self._schema = table.schema
            return _without_stand_ins(_flat(table)) if odd else _flat(table)
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException, RecursionError):
            return None

    def _by_schema(self, block: bytes) -> pl.DataFrame | None:
        """The rows of a block by the columns of the one before; None where these are not all that stands there."""
        if self._schema is None:
            return None
        try:
            table = pl.read_ndjson(io.BytesIO(block), schema=self._schema)
        except pl.exceptions.PolarsError:
            return None
        return table if _is_whole(table, block) else None


def _is_whole(table: pl.DataFrame, block: bytes) -> bool:
    """Whether a table that was read by given columns has all that stands in the block.

    Names that are not among the columns are passed over in reading; each would leave two more quotes.
    """
    if b"\\" in block:
        return False
    cells, words = _cells(table)
    left = block.count(b'"') - 2 * (cells + words)
    return left == 0 or (words == 0 and left == 2 * block.count(b"null"))


def _cells(table: pl.DataFrame) -> tuple[int, int]:
    """How many cells are there, those in records and the records themselves included, and how many of them are text."""
    cells = words = 0
    for column in table.iter_columns():
        there = len(column) - column.null_count()
        cells += there
        words += there if column.dtype == pl.String else 0
        if isinstance(column.dtype, pl.Struct):
            inner = _cells(column.struct.unnest())
            cells, words = cells + inner[0], words + inner[1]
    return cells, words


def _check_names(path: Path, block: bytes) -> None:
    """Refuse lines of which each has other names: they are data, and no table has room for them."""
    lines, names = block.count(b"\n"), len(set(_NAME.findall(block)))
    if lines * names > _MOST_CELLS:
        raise DataError(f"{path}: {names:,} names in {lines:,} lines: these are no metrics by step")


def _stand_in(found: re.Match[bytes]) -> bytes:
    return _NUMBERS[found[0]]


def _without_stand_ins(table: pl.DataFrame) -> pl.DataFrame:
    """The table with what is no number as such again."""
    floats, words = cs.float(), cs.string()
    for word, stand_in in _NUMBERS.items():
        floats = pl.when(floats == float(stand_in)).then(float(word)).otherwise(floats)
        words = words.str.replace_all(stand_in.decode(), word.decode(), literal=True)
    return table.with_columns(floats, words)


def _line_by_line(whole: str) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """Objects read one by one: NaN and infinities are numbers here, a torn line is counted."""
    rows, dropped = [], {"torn_line": 0, "no_object": 0}
    for line in whole.split("\n"):
        if not line.strip("\0 \t\r"):
            continue
        try:
            row = json.loads(line.strip("\0"))
        except (ValueError, RecursionError):
            dropped["torn_line"] += 1
            continue
        if isinstance(row, dict):
            rows.append(flat_row(row))
        else:
            dropped["no_object"] += 1
    return rows, {reason: n for reason, n in dropped.items() if n}


def flat_row(row: dict[str, Any], prefix: str = "", depth: int = 0) -> dict[str, Any]:
    """The row with nested objects joined by slashes; the `data` of a row is the row itself, as veRL nests it."""
    found: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, dict):
            inner = "" if name == "data" and not prefix else f"{prefix}{name}/"
            found |= flat_row(value, inner, depth + 1) if depth < _DEEPEST else {}
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
