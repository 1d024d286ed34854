"""What every importer is: it knows its files by their content and reads them into a table."""

from pathlib import Path
from typing import Protocol, runtime_checkable

import polars as pl


@runtime_checkable
class Importer(Protocol):
    """Reads one kind of log. It renames and computes, and judges nothing: the frame drops and counts bad rows."""

    name: str

    def recognises(self, path: Path) -> bool:
        """Whether a file or folder is of this kind, by its content."""
        ...

    def read(self, path: Path) -> pl.DataFrame:
        """One row for each evaluation, columns as in `rlaw.measurements.cleaning.COLUMNS`; unknown ones are kept.

        Raises:
            DataError: it cannot be read.
        """
        ...
