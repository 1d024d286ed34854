"""How large a table may be as it is read, and which of its columns are worth the memory."""

from collections.abc import Collection, Sequence
from pathlib import Path

import polars as pl

from rlaw import units
from rlaw.errors import DataError
from rlaw.measurements.columns import plain_name

#: a table takes no more memory than this as it is read
MEMORY_BYTES = 500_000_000
#: every column of a smaller table is read
SMALL_BYTES = 100_000_000
SAMPLE_ROWS = 1_000
_LONG_TEXT = 200  # characters of a cell that names nothing


def too_large(path: Path, n_bytes: float) -> DataError:
    """The refusal of a table that is larger than tables may be."""
    return DataError(
        f"{path}: as a table it takes {units.size(n_bytes)} of memory, and rlaw reads up to "
        f"{units.size(MEMORY_BYTES)}\n  next: keep the rows of evaluations, and the columns that rlaw needs: model, "
        "n_params, step, test_loss, an axis"
    )


def needed(columns: Sequence[str], wanted: Collection[str]) -> list[str]:
    """The columns that rlaw knows or that were asked for, in their order."""
    return [column for column in columns if plain_name(column) in wanted]


def worth_reading(sample: pl.DataFrame, wanted: Collection[str]) -> list[str]:
    """The columns of a large table that are needed, or that may tell its rows apart: names, seeds, settings.

    Args:
        sample: its first rows.
        wanted: plain names of the columns that are needed.
    """
    there = set(needed(sample.columns, wanted))
    return [column for column in sample.columns if column in there or _may_distinguish(sample[column])]


def _may_distinguish(cells: pl.Series) -> bool:
    if cells.dtype.is_nested() or cells.dtype == pl.Binary:
        return False
    text = cells.cast(pl.String)
    if (text.str.len_bytes().mean() or 0) > _LONG_TEXT:  # pyright: ignore[reportOperatorIssue]
        return False
    return text.n_unique() <= max(len(text) // 10, 1)
