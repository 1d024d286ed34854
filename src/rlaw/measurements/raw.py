"""A table as it was read, before anything is judged: its rows, where each came from, and what was to be said."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl

from rlaw.errors import DataError

#: number of a row in the source, from 0
ROW = "row of the source"


@dataclass(frozen=True, slots=True)
class Note:
    """Something a person should know about the measurements: `code` for programs, `text` for people."""

    code: str
    text: str


def _row(index: int) -> str:
    return f"row {index + 1}"


@dataclass(frozen=True)
class Raw:
    """Rows of a source, with a column `ROW` of their numbers.

    Attributes:
        rows: the table.
        source: what it was read from.
        place: where a row stands in the source, in words, by its number from 0.
        names: what the source calls a column, ours -> theirs; those it calls as we do are left out.
        notes: what was understood or repaired.
        recorded: written by rlaw itself, so that there is nothing to ask about sizes and measures.
        measure: what the losses are, as the user said: "loss", "accuracy" or "percent"; "" when not said.
    """

    rows: pl.DataFrame
    source: str
    place: Callable[[int], str] = _row
    names: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()
    recorded: bool = False
    measure: str = ""

    def with_rows(self, rows: pl.DataFrame, *notes: Note) -> "Raw":
        """The same source with other rows, and more to say."""
        return replace(self, rows=rows, notes=(*self.notes, *notes))

    def name(self, column: str) -> str:
        """A column as the source calls it."""
        return self.names.get(column, column)

    def at(self, column: str, row: dict[str, Any] | int) -> str:
        """The place of a cell, in words: `test_loss, line 17`."""
        number = row if isinstance(row, int) else row[ROW]
        return f"column {self.name(column)}, {self.place(number)}"

    def refuse(self, column: str, row: dict[str, Any] | int, what: str, then: str) -> DataError:
        """The refusal of a cell: what it is, and what to do."""
        return DataError(f"{self.source}: {self.at(column, row)}: {what}\n  next: {then}")
