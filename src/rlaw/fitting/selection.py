"""Which rows of a frame a fit sees: an axis, a window of steps, a size by its name. What is left out is counted."""

from typing import TYPE_CHECKING, Any

import numpy as np

from rlaw.errors import NotIdentifiable, UsageError
from rlaw.fitting.curves import Curves
from rlaw.measurements.axes import restarts
from rlaw.measurements.columns import CURVE
from rlaw.text import excluded_rows

if TYPE_CHECKING:
    from rlaw.measurements.frame import Frame

Window = str | tuple[int | None, int | None] | None


def curves_of(
    frame: "Frame",
    *,
    axis: str,
    window: Window = "1:",
    items: int | None = None,
    need_params: bool = True,
    logs: bool = True,
) -> tuple[Curves, dict[str, int]]:
    """The curves of a frame on one axis, and the rows left out by reason (the frame's own reasons included).

    Args:
        frame: the measurements; one variant, benchmark, tau and group size.
        axis: "compute", "data" or "step".
        window: steps kept, "FIRST:LAST" inclusive, either end may be empty. Rows whose axis value is not positive, such
            as step 0, have no place on a logarithmic axis and are left out.
        items: problems of an evaluation, where the frame does not say.
        need_params: leave out rows without a size; laws of single sizes can do without.
        logs: the logarithm of the loss will be taken: a loss of 0 stands for half of one answer more, 1/2 out of n + 1.

    Raises:
        NotIdentifiable: no row is left, the axis began to count again, or a loss of 0 is of unknown many answers.
        UsageError: a window that makes no sense, or a frame of several variants.
    """
    frame = frame.one_law(recipes=False)
    first, last = window_of(window)
    rows, column = frame.rows, frame.x(axis)
    x, step = _numbers(rows[column]), _numbers(rows["step"])
    reasons = {
        "no_axis_value": ~np.isfinite(x),
        "no_params": ~np.isfinite(_numbers(rows["params"])) & need_params,
        "axis_negative": x < 0,
        "axis_not_positive": ~(x > 0),
        "outside_window": (step < first) | (step > last),
    }
    keep, dropped = np.ones(len(x), bool), dict(frame.dropped)
    for reason, bad in reasons.items():
        if (n := int(np.sum(keep & bad))) > 0:
            dropped[reason] = dropped.get(reason, 0) + n
        keep &= ~bad
    if not keep.any():
        counts = excluded_rows(dropped) or "it has no rows"
        raise NotIdentifiable(
            f"no point to fit: every row of {frame.source} was left out ({counts})\n"
            f"  next: {_next(dropped, column, window)}"
        )
    _refuse_restarts(frame, keep, x, axis)
    return _curves(frame, keep, x, step, items, logs), dropped


def _next(dropped: dict[str, int], column: str, window: Window) -> str:
    if dropped.get("no_params", 0) == max(dropped.values(), default=0) > 0:
        return "give each size's number of parameters in column n_params, or fit each size alone with power"
    return f"check column {column} and the window {window_text(window)}"


def _refuse_restarts(frame: "Frame", keep: np.ndarray, x: np.ndarray, axis: str) -> None:
    """Refuse an axis that falls back along a run for good: it began to count again, and is no place on an axis."""
    rows = frame.rows
    run = rows.select(rows.select(CURVE).to_struct().rle_id()).to_series().to_numpy()[keep]
    along, index = x[keep], np.flatnonzero(keep)
    suspects = np.unique(run[1:][(run[1:] == run[:-1]) & (along[1:] < along[:-1])])
    found = [here[at] for r in suspects for here in [np.flatnonzero(run == r)] for at in restarts(along[here])]
    if not found:
        return
    first, column = int(found[0]), frame.x(axis)
    where = f"{rows['model'][int(index[first])]}, step {rows['step'][int(index[first])]}"
    curves = f"{len(np.unique(run[found]))} of {len(np.unique(run))} curves"
    raise NotIdentifiable(
        f"{frame.source}: {column} falls back from {along[first - 1]:.4g} to {along[first]:.4g} ({where}) and is not "
        f"made up, in {curves}: the counter began again\n"
        "  next: add up what was counted before; a column attempt, with another value from there on, does it; or "
        "another `axis=`"
    )


def _curves(frame: "Frame", keep: np.ndarray, x: np.ndarray, step: np.ndarray, items: int | None, logs: bool) -> Curves:
    rows = frame.rows
    problems = _numbers(rows["items"])
    problems = np.where(np.isfinite(problems), problems, np.nan if items is None else items)
    loss, base = _numbers(rows["test_loss"]), _numbers(rows["base_loss"])
    if logs:
        answers = problems * np.nan_to_num(_numbers(rows["samples"]), nan=1.0)
        _refuse_zeros(frame, int(np.sum(keep & (loss == 0) & ~np.isfinite(answers))))
        loss, base = (np.where(values == 0, 0.5 / (answers + 1), values) for values in (loss, base))
    return Curves.of(
        rows["model"].to_numpy()[keep],
        _numbers(rows["params"])[keep],
        x[keep],
        loss[keep],
        step=step[keep].astype(int),
        seed=_run_codes(rows)[keep],
        items=problems[keep],
        base_loss=base[keep],
        right=_right(rows, keep),
    )


def _refuse_zeros(frame: "Frame", count: int) -> None:
    if count:
        raise NotIdentifiable(
            f"{frame.source}: {count} losses are 0, which has no logarithm, and how many problems were asked is not "
            "known\n  next: give it in column items (`items=` for a fit), or fit in `space=loss`"
        )


def _numbers(column: Any) -> np.ndarray:
    """A column as float64, null as nan."""
    return column.cast(float).fill_null(float("nan")).to_numpy()


def _run_codes(rows: Any) -> np.ndarray:
    """A number per run: runs differ in seed, or in name where a seed was run twice."""
    return (rows["seed"].rank("dense").cast(int) * 100_000_000 + rows["run"].rank("dense").cast(int)).to_numpy()


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
