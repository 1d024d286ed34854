"""What a table is: rows and columns of text and numbers, written as HTML, LaTeX or CSV."""

import csv
import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from rlaw import units
from rlaw.analysis.evidence import Evidence
from rlaw.fitting.interval import Interval, three_digits
from rlaw.reporting.tables.latex import latex
from rlaw.text import one_line

FORMATS = ("tex", "csv")


@dataclass(frozen=True, slots=True)
class Number:
    """A number with its interval; `count` writes it as 7B."""

    interval: Interval
    count: bool = False

    def __str__(self) -> str:
        return self.interval.text(units.count if self.count else three_digits)


Cell = str | Number


@dataclass(frozen=True, slots=True)
class Table:
    """A table with its caption. The first column names the row; cells in `strong` (row, column) are the best ones."""

    name: str
    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    strong: frozenset[tuple[int, int]] = frozenset()
    faint: frozenset[tuple[int, int]] = frozenset()

    def render(self, format: str) -> bytes:
        """The table as tex or csv: the same bytes every time."""
        return (self.latex() if format == "tex" else self.csv()).encode()

    def csv(self) -> str:
        """The table as CSV; a column of intervals becomes three: its value and the ends of the interval.

        A cell that a spreadsheet would take for a formula is led by an apostrophe.
        """
        ranged = [any(isinstance(row[i], Number) for row in self.rows) for i in range(len(self.columns))]
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(_spread(self.columns, ranged, lambda name: (name, f"{name} low", f"{name} high")))
        for row in self.rows:
            writer.writerow(_spread(row, ranged, _numbers))
        return out.getvalue()

    def latex(self) -> str:
        """The table for LaTeX with booktabs: a `table` or `longtable` environment with caption and label."""
        rows = [[str(cell) for cell in row] for row in self.rows]
        return latex(self.name, self.caption, self.columns, rows, self.strong)


class TableFn(Protocol):
    """A member of the family: one function, one table."""

    def __call__(self, evidence: Evidence) -> Table:
        """Make the table.

        Raises:
            RlawError: the evidence lacks what it would show; the message says what.
        """
        ...


def _spread(row: Sequence[Cell], ranged: list[bool], cells: Callable[[Any], tuple[str, ...]]) -> list[str]:
    spread: list[str] = []
    for cell, wide in zip(row, ranged, strict=True):
        spread += [_safe(text) for text in cells(cell)] if wide else [_safe(str(cell))]
    return spread


def _numbers(cell: Cell) -> tuple[str, str, str]:
    if not isinstance(cell, Number):
        return str(cell), "", ""
    value, low, high = cell.interval.value, cell.interval.low, cell.interval.high
    return _digits(value), _digits(low), _digits(high)


def _digits(number: float) -> str:
    return "" if math.isnan(number) else f"{number:.6g}"


def _safe(text: str) -> str:
    """The text, so that no spreadsheet runs it: a leading =, @ or sign is a formula's unless a number follows."""
    text = one_line(text)
    try:
        float(text)
    except ValueError:
        return f"'{text}" if text.lstrip()[:1] in tuple("=@+-") else text
    return text
