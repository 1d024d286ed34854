"""A small table of evaluations that tests change: three sizes, a line a row, with every column that a fit reads."""

import io
from collections.abc import Callable

import polars as pl

HEADER = ("model", "n_params", "seed", "step", "data_size", "compute_flops", "test_loss")
SIZES = {"S-1B": 1_000_000_000, "S-3B": 3_000_000_000, "S-7B": 7_000_000_000}
STEPS = range(0, 12)


def rows(scale: float = 1.0, steps: range = STEPS) -> list[list[str]]:
    """Cells of each row; losses times a scale."""
    return [
        [
            name,
            str(n),
            "0",
            str(t),
            str(128 * t),
            repr(6e3 * n * t),
            f"{scale * 0.8 * (t + 1) ** -(0.1 + n / 7e10):.6f}",
        ]
        for name, n in SIZES.items()
        for t in steps
    ]


def text(cells: list[list[str]], header: tuple[str, ...] | list[str] = HEADER, separator: str = ",") -> str:
    """The table as text."""
    return "\n".join(separator.join(row) for row in [list(header), *cells]) + "\n"


def changed(column: str, change: Callable[[str], str], cells: list[list[str]] | None = None) -> list[list[str]]:
    """The rows with every cell of one column changed."""
    at = HEADER.index(column)
    return [[change(c) if i == at else c for i, c in enumerate(row)] for row in (cells or rows())]


def table(cells: list[list[str]], header: tuple[str, ...] | list[str] = HEADER) -> pl.DataFrame:
    """The table as polars reads it."""
    return pl.read_csv(io.StringIO(text(cells, header)))
