"""Parquet files: the columns that are needed, within the memory that a table may take."""

from collections.abc import Collection
from pathlib import Path

import polars as pl

from rlaw.measurements.columns import plain_name
from rlaw.measurements.importers import bounds
from rlaw.measurements.importers.base import Read

_SLICE = 50_000  # rows of a column of lists that are read at once
_VIEW_BYTES = 16  # of a cell of text, beside the text


def read(path: Path, wanted: Collection[str]) -> Read:
    """The table in a Parquet file; columns of lists and records that are not needed are left out.

    Raises:
        DataError: too large.
    """
    schema, table = pl.read_parquet_schema(path), pl.scan_parquet(path)
    count = int(table.select(pl.len()).collect().item())
    flat = [name for name, kind in schema.items() if not kind.is_nested() and kind != pl.Binary]
    nested = [name for name, kind in schema.items() if kind.is_nested() and plain_name(name) in wanted]
    if count * _VIEW_BYTES * (len(flat) + len(nested)) > bounds.SMALL_BYTES:
        sample = table.select(flat).head(bounds.SAMPLE_ROWS).collect()
        flat = bounds.worth_reading(sample, wanted)
    size = count * _VIEW_BYTES / 2 * (len(flat) + len(nested))
    if size > bounds.MEMORY_BYTES:
        raise bounds.too_large(path, size)
    lengths = table.select(pl.col(n).str.len_bytes().sum() for n in flat if schema[n] == pl.String).collect()
    size += sum(int(lengths[name][0] or 0) for name in lengths.columns)
    if size > bounds.MEMORY_BYTES:
        raise bounds.too_large(path, size)
    rows = table.select(flat).collect()
    for name in nested:
        rows = rows.with_columns(_lists(path, table, name, count, size))
    order = [name for name in schema if name in rows.columns]
    return Read(rows.select(order), lambda index: f"row {index + 1}")


def _lists(path: Path, table: pl.LazyFrame, name: str, count: int, size: float) -> pl.Series:
    """A column of lists, read in parts, so that its size is known before all of it is there."""
    parts = []
    for start in range(0, max(count, 1), _SLICE):
        parts.append(table.select(name).slice(start, _SLICE).collect()[name])
        size += parts[-1].estimated_size()
        if size > bounds.MEMORY_BYTES:
            raise bounds.too_large(path, size * count / (start + len(parts[-1])))
    return pl.concat(parts)
