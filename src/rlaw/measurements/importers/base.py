"""What every importer is: it knows its files by their content and reads them into a table."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import polars as pl

from rlaw.measurements.importers.log import Log
from rlaw.measurements.raw import Note


@dataclass(frozen=True, slots=True)
class Read:
    """A table as it stands in a file.

    Attributes:
        rows: its columns as they are called there.
        place: where a row stands, in words, by its number from 0.
        notes: what was understood.
        blank_rows: whether rows without any cell are no rows.
    """

    rows: pl.DataFrame
    place: Callable[[int], str]
    notes: tuple[Note, ...] = ()
    blank_rows: bool = False


@runtime_checkable
class LogFormat(Protocol):
    """Reads one kind of log as its trainer wrote it: attempts, names and sizes are what rlaw makes of it."""

    @property
    def name(self) -> str:
        """What `--format` calls it."""
        ...

    def recognises(self, path: Path) -> bool:
        """Whether a file or folder is of this kind, by its content."""
        ...

    def log(self, path: Path) -> Log:
        """Its entries, in the trainer's names.

        Raises:
            DataError: it cannot be read.
        """
        ...


@runtime_checkable
class Importer(Protocol):
    """Reads evaluations. It renames and computes, and judges nothing: the frame drops and counts bad rows."""

    name: str

    def recognises(self, path: Path) -> bool:
        """Whether a file or folder is of this kind, by its content."""
        ...

    def read(self, path: Path) -> pl.DataFrame:
        """One row for each evaluation, columns as in `rlaw.measurements.columns.COLUMNS`; unknown ones are kept.

        Raises:
            DataError: it cannot be read.
        """
        ...
