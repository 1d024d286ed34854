"""The first sheet of an Excel workbook as a table."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import polars as pl

from rlaw.errors import DataError


def is_readable() -> bool:
    """Whether the package that reads workbooks is here."""
    return find_spec("fastexcel") is not None


def read(path: Path) -> pl.DataFrame:
    """The first sheet, its first row the names of the columns.

    Raises:
        DataError: the package that reads workbooks is missing, or it is none.
    """
    if not is_readable():
        raise DataError(
            f"{path}: a workbook is read by the package fastexcel, which is not here\n"
            "  next: pip install 'rlaw[excel]', or save the sheet as CSV"
        )
    import fastexcel  # pyright: ignore[reportMissingImports]

    try:
        table: Any = fastexcel.read_excel(path).load_sheet(0).to_polars()
    except Exception as error:  # fastexcel's own error class is of every kind of damage
        raise DataError(f"{path}: cannot be read as a workbook: {str(error).splitlines()[0]}") from error
    return table
