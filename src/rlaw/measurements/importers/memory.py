"""Tables in memory: polars and pandas frames, whatever their columns and index are of."""

from collections.abc import Hashable
from typing import Any

import polars as pl

from rlaw.errors import DataError, UsageError
from rlaw.measurements.importers.base import Read
from rlaw.measurements.importers.json_lines import series_of
from rlaw.text import listed


def read(data: Any) -> Read:
    """The table of a polars or pandas frame; pandas' index is columns where it has names or is no count of the rows.

    Raises:
        UsageError: neither of both.
        DataError: two columns of one name.
    """
    if isinstance(data, pl.LazyFrame):
        data = data.collect()
    if not isinstance(data, pl.DataFrame):
        data = _of_pandas(data)
    made = [_plain(data[name]) for name in data.columns]
    return Read(pl.DataFrame(made), lambda index: f"row {index + 1}")


def _plain(column: pl.Series) -> pl.Series:
    """Objects as numbers or text."""
    if column.dtype != pl.Object:
        return column
    made = series_of(column.name, [_cell(value) for value in column.to_list()])
    return column if made is None else made


def _of_pandas(frame: Any) -> pl.DataFrame:
    if not hasattr(frame, "reset_index") or not hasattr(frame, "columns"):
        raise UsageError(
            f"measurements were expected, and this is a {type(frame).__name__}\n"
            "  next: a store, a file, a dataset's name, or a polars or pandas frame"
        )
    index = frame.index
    counts = type(index).__name__ == "RangeIndex" and index.name is None
    unnamed = index.nlevels == 1 and index.name is None
    if not counts and not unnamed:
        frame = frame.reset_index(allow_duplicates=True)
    elif not counts and not _is_whole(index):
        frame = frame.rename_axis("index").reset_index()
    names = [_name(name) for name in frame.columns]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise DataError(f"the table has two columns called {listed(twice)}\n  next: give each column a name of its own")
    made = (_series(name, frame.iloc[:, place]) for place, name in enumerate(names))
    return pl.DataFrame([series for series in made if series is not None])


def _is_whole(index: Any) -> bool:
    """Whether an unnamed index only numbers rows, as after a filter."""
    return str(index.dtype).startswith(("int", "uint"))


def _name(name: Hashable) -> str:
    return "/".join(str(part) for part in name if str(part)) if isinstance(name, tuple) else str(name)


def _series(name: str, column: Any) -> pl.Series | None:
    kind = str(column.dtype)
    if kind in ("float64", "float32", "int64", "int32", "int16", "int8", "uint8", "uint16", "uint32", "uint64", "bool"):
        return pl.Series(name, column.to_numpy())
    return series_of(name, [_cell(value) for value in column.astype(object).tolist()])


def _cell(value: Any) -> Any:
    """A cell of Python's own types; None where nothing is."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return None
    if hasattr(value, "tolist"):  # numpy's scalars and arrays
        value = value.tolist()
    if isinstance(value, bool | int | float | str):
        return value
    return [_cell(one) for one in value] if isinstance(value, list | tuple) else str(value)
