"""Which rows of a frame a fit sees: an axis, a window of steps, a size by its name. What is left out is counted."""

from typing import TYPE_CHECKING, Any

import numpy as np

from rlaw.errors import NotIdentifiable, UsageError
from rlaw.fitting.curves import Curves

if TYPE_CHECKING:
    from rlaw.measurements.frame import Frame

Window = str | tuple[int | None, int | None] | None


def curves_of(
    frame: "Frame", *, axis: str, window: Window = "1:", items: int | None = None, need_params: bool = True
) -> tuple[Curves, dict[str, int]]:
    """The curves of a frame on one axis, and the rows left out by reason (the frame's own reasons included).

    Args:
        frame: the measurements; one variant, benchmark, tau and group size.
        axis: "compute", "data" or "step".
        window: steps kept, "FIRST:LAST" inclusive, either end may be empty. Rows whose axis value is not positive, such
            as step 0, have no place on a logarithmic axis and are left out.
        items: problems of an evaluation, where the frame does not say.
        need_params: leave out rows without a size; laws of single sizes can do without.

    Raises:
        NotIdentifiable: no row is left.
        UsageError: a window that makes no sense, or a frame of several variants.
    """
    frame = frame.one_law()
    first, last = window_of(window)
    rows, column = frame.rows, frame.x(axis)
    x, step = _numbers(rows[column]), _numbers(rows["step"])
    reasons = {
        "no_axis_value": ~np.isfinite(x),
        "no_params": ~np.isfinite(_numbers(rows["params"])) & need_params,
        "axis_not_positive": ~(x > 0),
        "outside_window": (step < first) | (step > last),
        "zero_loss": ~(_numbers(rows["test_loss"]) > 0),
    }
    keep, dropped = np.ones(len(x), bool), dict(frame.dropped)
    for reason, bad in reasons.items():
        if (n := int(np.sum(keep & bad))) > 0:
            dropped[reason] = dropped.get(reason, 0) + n
        keep &= ~bad
    if not keep.any():
        counts = ", ".join(f"{n} {reason}" for reason, n in dropped.items()) or "it has no rows"
        raise NotIdentifiable(
            f"no point to fit: every row of {frame.source} was left out ({counts})\n"
            f"  next: {_next(dropped, column, window)}"
        )
    return _curves(rows, keep, x, step, items), dropped


def _next(dropped: dict[str, int], column: str, window: Window) -> str:
    if dropped.get("no_params", 0) == max(dropped.values(), default=0) > 0:
        return "give each size's number of parameters in column n_params, or fit each size alone with power"
    return f"check column {column} and the window {window_text(window)}"


def _curves(rows: Any, keep: np.ndarray, x: np.ndarray, step: np.ndarray, items: int | None) -> Curves:
    problems = _numbers(rows["items"])
    problems = np.where(np.isfinite(problems), problems, np.nan if items is None else items)
    return Curves.of(
        rows["model"].to_numpy()[keep],
        _numbers(rows["params"])[keep],
        x[keep],
        _numbers(rows["test_loss"])[keep],
        step=step[keep].astype(int),
        seed=_run_codes(rows)[keep],
        items=problems[keep],
        base_loss=_numbers(rows["base_loss"])[keep],
        right=_right(rows, keep),
    )


def _numbers(column: Any) -> np.ndarray:
    """A column as float64, null as nan."""
    return column.cast(float).fill_null(float("nan")).to_numpy()


def _run_codes(rows: Any) -> np.ndarray:
    """A number per run: runs differ in seed, or in name where a seed was run twice."""
    return (rows["seed"].rank("dense").cast(int) * 1_000_000 + rows["run"].rank("dense").cast(int)).to_numpy()


def _right(rows: Any, keep: np.ndarray) -> np.ndarray | None:
    """(rows, items) share of right answers to each item; None unless all rows have it for equally many items."""
    answers = rows["correct"].gather(np.flatnonzero(keep))
    lengths = answers.list.len().unique()
    if answers.null_count() or len(lengths) != 1:
        return None
    correct = answers.list.to_array(int(lengths[0])).to_numpy().astype(float)
    samples = _numbers(rows["samples"])[keep]
    return correct / np.where(np.isfinite(samples), samples, 1.0)[:, None]


def window_of(window: Window) -> tuple[float, float]:
    """First and last step of a window, inclusive.

    Raises:
        UsageError: not FIRST:LAST.
    """
    try:
        parts = window if isinstance(window, tuple) else (window or ":").split(":")
        first, last = (None if p in ("", None) else int(p) for p in parts)
    except ValueError:
        raise UsageError(f"window {window!r} is not FIRST:LAST: write it like 5:, :100 or 5:100 (steps)") from None
    low, high = 1.0 if first is None else float(first), np.inf if last is None else float(last)
    if low > high:
        raise UsageError(f"window {window!r} ends before it begins")
    return low, high


def check_draws(draws: int, level: float) -> None:
    """Raise UsageError for too few draws, or a level outside (0, 1)."""
    if draws < 20 or not 0 < level < 1:
        raise UsageError(f"draws = {draws} and level = {level}: at least 20 draws and a level between 0 and 1")


def window_text(window: Window) -> str:
    """The window as it is written on the command line."""
    if isinstance(window, tuple):
        return ":".join("" if end is None else str(end) for end in window)
    return window or ":"
