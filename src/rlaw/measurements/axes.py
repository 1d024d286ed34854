"""The axes along a run: compute and data only grow. One that falls back began to count again."""

import numpy as np
import polars as pl

from rlaw.measurements.columns import ATTEMPT, CURVE
from rlaw.measurements.raw import Note, Raw

COUNTERS = ("data_size", "compute_flops")
LARGEST = 1e300  # no counter, but a sign that something overflowed
_BACK = 0.5  # a fall below this share of the value before is no dip of an average
_LEAST_AFTER = 3  # points that stay below the value before the fall
_ROUNDING = 1e-9


def restarts(x: np.ndarray) -> np.ndarray:
    """Where a counter began again: (k,) indices of the first values after a fall that is none of an average.

    Args:
        x: (n,) finite values of one run, in the order of its steps.
    """
    if len(x) < 2:
        return np.zeros(0, int)
    before = np.maximum.accumulate(x)[:-1]
    after = np.maximum.accumulate(x[::-1])[::-1][1:]  # the largest from each point on
    left = len(x) - 1 - np.arange(len(x) - 1)
    falls = x[1:] < x[:-1] * (1 - _ROUNDING)
    for_ever = (after < before * (1 - _ROUNDING)) & (left >= _LEAST_AFTER)
    return np.flatnonzero(falls & ((x[1:] < _BACK * before) | for_ever)) + 1


def added_up(raw: Raw) -> Raw:
    """The source with counters added up where they begin again with another attempt of the same run."""
    rows = raw.rows
    if ATTEMPT not in rows.columns or rows[ATTEMPT].n_unique() < 2:
        return raw
    repaired, notes = {}, []
    for column in COUNTERS:
        sums, count = _sums(rows, column)
        if count:
            repaired[column] = sums
            text = f"column {raw.name(column)} begins again with an attempt in {count} place(s), and is added up"
            notes.append(Note("added-up", text))
    return raw.with_rows(rows.with_columns(**repaired), *notes)


def _sums(rows: pl.DataFrame, column: str) -> tuple[pl.Series, int]:
    """A counter that goes on where an attempt begins again, and in how many places it did."""
    values, count = rows[column].to_numpy().astype(float).copy(), 0
    numbered = rows.select(*CURVE, ATTEMPT, "step").with_row_index("index")
    for curve in numbered.partition_by(CURVE):
        ordered = curve.sort("step")
        if ordered[ATTEMPT].n_unique() < 2 or ordered["step"].is_duplicated().any():
            continue
        index, attempt = ordered["index"].to_numpy(), ordered[ATTEMPT].to_numpy()
        own = values[index]
        for at in restarts(own) if np.isfinite(own).all() else ():
            if attempt[at] != attempt[at - 1]:
                own[at:] += own[at - 1]
                count += 1
        values[index] = own
    return pl.Series(column, values).fill_nan(None), count
