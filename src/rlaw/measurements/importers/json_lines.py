"""JSON lines, a record each, or one JSON list of records. NaN and Infinity stand for what was not measured, as Python
writes them; records inside of records are columns such as `eval/loss`.
"""

import json
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

import polars as pl

from rlaw.errors import DataError
from rlaw.measurements.columns import plain_name
from rlaw.measurements.importers import bounds
from rlaw.measurements.importers.base import Read
from rlaw.text import listed

_CHUNK = 20_000  # records that are Python objects at once
_LONGEST = 50_000_000  # bytes of a line, or of a list of records


def read(path: Path, wanted: Collection[str]) -> Read:
    """The table in a file of JSON.

    Raises:
        DataError: a line is no record, or the table is too large.
    """
    lines: list[int] = []
    parts, size = [], 0.0
    for chunk in _chunks(_records(path, lines)):
        part = _table(chunk, wanted)
        parts.append(part)
        size += part.estimated_size()
        if size > bounds.MEMORY_BYTES:
            raise bounds.too_large(path, size)
    if not parts:
        raise DataError(f"{path}: the file is empty\n  next: a record for each evaluation")
    return Read(_joined(parts), _places(lines))


def _places(lines: list[int]) -> Callable[[int], str]:
    return lambda index: f"line {lines[index]}" if index < len(lines) and lines[index] else f"record {index + 1}"


def _records(path: Path, lines: list[int]) -> Iterator[dict[str, Any]]:
    """Every record, the number of its line (0 in a list) kept in `lines`."""
    with path.open("rb") as file:
        encoding = "utf-16" if file.read(2) in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        with path.open(encoding=encoding) as file:
            for number, line in enumerate(iter(lambda: file.readline(_LONGEST), ""), 1):
                if not line.strip():
                    continue
                if number == 1 and (line.lstrip()[:1] == "[" or path.suffix.lower() == ".json"):
                    yield from _whole(path, line + file.read(_LONGEST), lines)
                    return
                lines.append(number)
                yield _record(path, line, number)
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is not UTF-8: {error.reason}\n  next: save it as UTF-8") from error


class _TwiceError(ValueError):
    """A record that has a key twice."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        names = [name for name, _ in pairs]
        raise _TwiceError(f"{listed(sorted({n for n in names if names.count(n) > 1}))} stands twice in a record")
    return record


def _record(path: Path, line: str, number: int) -> dict[str, Any]:
    try:
        value = json.loads(line, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        why, place = "nested too deeply, or a number of too many digits", ""
        if isinstance(error, json.JSONDecodeError):
            why, place = error.msg, f", character {error.pos + 1}"
        elif isinstance(error, _TwiceError):
            why = str(error)
        raise DataError(
            f"{path}: line {number}{place} is no JSON: {why}\n  next: correct or remove the line; a last one may be cut"
        ) from error
    if not isinstance(value, dict):
        raise DataError(f"{path}: line {number} is no record {{…}}\n  next: a record with the columns on each line")
    return value


def _whole(path: Path, text: str, lines: list[int]) -> Iterator[dict[str, Any]]:
    """The records of one JSON document, or of lines in a file called .json."""
    try:
        value = json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        if text.lstrip()[:1] == "{" and "\n" in text.strip():
            for number, line in enumerate(text.splitlines(), 1):
                if line.strip():
                    lines.append(number)
                    yield _record(path, line, number)
            return
        line = getattr(error, "lineno", 1)
        raise DataError(f"{path}: line {line} is no JSON: {error}\n  next: correct it; it may be cut short") from error
    if isinstance(value, dict):
        raise _document(path, value)
    if not isinstance(value, list) or not all(isinstance(record, dict) for record in value):
        raise DataError(f"{path}: is no list of records\n  next: a record with the columns for each evaluation")
    lines += [0] * len(value)
    yield from value


def _document(path: Path, value: dict[str, Any]) -> DataError:
    """The refusal of one JSON document that is no table."""
    what = "an evaluation log" if "eval" in value and "samples" in value else "one JSON document, no table"
    return DataError(
        f"{path}: {what} (it has {listed(list(value), at_most=6)}): rlaw does not read it yet\n"
        "  next: a table with a row for each evaluation: model or n_params, step, test_loss, or an importer of your "
        "own (`format=file.py:NAME`)"
    )


def _chunks(records: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    chunk = []
    for record in records:
        chunk.append(record)
        if len(chunk) == _CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _table(records: list[dict[str, Any]], wanted: Collection[str]) -> pl.DataFrame:
    """The records as columns; lists that are not needed are left out."""
    columns: dict[str, list[Any]] = {}
    for n, record in enumerate(records):
        for name, value in _flat(record):
            cells = columns.get(name)
            if cells is None:
                cells = columns[name] = []
            cells += [None] * (n - len(cells))
            cells[n:] = [value]
    n = len(records)
    padded = {name: cells + [None] * (n - len(cells)) for name, cells in columns.items()}
    made = {name: series_of(name, cells, lists=plain_name(name) in wanted) for name, cells in padded.items()}
    return pl.DataFrame([series for series in made.values() if series is not None])


def _flat(record: dict[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in record.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{name}/")
        else:
            yield f"{before}{name}", value


def series_of(name: str, cells: list[Any], *, lists: bool = True) -> pl.Series | None:
    """Cells of any kind as a column: numbers where all are, else text; None for lists that are not wanted."""
    kinds = {type(cell) for cell in cells} - {type(None)}
    if list in kinds:
        if not lists:
            return None
        return pl.Series(name, [cell if isinstance(cell, list) else None for cell in cells], strict=False)
    if kinds <= {int, float} and not (int in kinds and any(abs(c) >= 2**63 for c in cells if type(c) is int)):
        return pl.Series(name, cells, dtype=pl.Float64 if float in kinds else pl.Int64 if kinds else pl.Null)
    return pl.Series(name, [None if cell is None else _as_text(cell) for cell in cells], dtype=pl.String)


def _as_text(cell: Any) -> str:
    return str(cell).lower() if isinstance(cell, bool) else str(cell)


def _joined(parts: list[pl.DataFrame]) -> pl.DataFrame:
    """The parts as one table; a column that is text in one of them is text."""
    kinds: dict[str, set[pl.DataType]] = {}
    for part in parts:
        for name, kind in part.schema.items():
            kinds.setdefault(name, set()).add(kind)
    texts = [name for name, own in kinds.items() if pl.String in own and len(own - {pl.Null()}) > 1]
    cast = [part.with_columns(pl.col(n).cast(pl.String) for n in texts if n in part.columns) for part in parts]
    return pl.concat(cast, how="diagonal_relaxed")
