"""Plain tables: columns as wide as their widest cell, numbers to the right."""

from collections.abc import Sequence

Cell = str | int | float | None


def table(headings: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    """The rows under their headings; a heading that starts with ">" belongs to a column of numbers."""
    right = [heading.startswith(">") for heading in headings]
    lines = [[heading.lstrip(">") for heading in headings], *([_cell(cell) for cell in row] for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(headings))]
    laid = (
        "  ".join(
            cell.rjust(width) if r else cell.ljust(width) for cell, width, r in zip(line, widths, right, strict=True)
        )
        for line in lines
    )
    return "\n".join(line.rstrip() for line in laid)


def _cell(value: Cell) -> str:
    return "" if value is None else f"{value:.4f}" if isinstance(value, float) else str(value)
