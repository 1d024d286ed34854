"""The measured curves that a law is fitted to: one row of points per rung, made from the rows of a frame.

Axes: R rungs, M points of a rung, padded with points that are not `present`; I items.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from rlaw import units
from rlaw.errors import NotFound, NotIdentifiable, RlawError, UsageError
from rlaw.laws import Points

if TYPE_CHECKING:
    from rlaw.frame import Frame

Window = str | tuple[int | None, int | None] | None


@dataclass(frozen=True, slots=True)
class Curves:
    """Measured test loss of every rung of a ladder, smallest first.

    Attributes:
        models: name of each rung.
        at: where it was measured, arrays of (1, R, M).
        loss: (R, M) test loss; 1 in the pads.
        present: (R, M) False in the pads.
        step: (R, M) int, RL steps done; -1 in the pads.
        run: (R, M) int, which run of the rung a point belongs to (0, 1, …); -1 in the pads.
        items: (R, M) problems asked in each evaluation; nan where unknown.
        right: (R, M, I) share of right answers to each item, the same items in every evaluation; None when unknown.
    """

    models: tuple[str, ...]
    at: Points
    loss: np.ndarray
    present: np.ndarray
    step: np.ndarray
    run: np.ndarray
    items: np.ndarray
    right: np.ndarray | None = None

    @property
    def params(self) -> np.ndarray:
        """(R,) model sizes."""
        return self.at.params[0, :, 0]

    @property
    def counts(self) -> np.ndarray:
        """(R,) points of each rung."""
        return self.present.sum(axis=-1)

    @property
    def runs(self) -> np.ndarray:
        """(R,) runs of each rung."""
        return self.run.max(axis=-1) + 1

    def where(self, keep: np.ndarray) -> "Curves":
        """The same ladder with only the points where the (R, M) mask holds; pads are where the others were."""
        keep = keep & self.present
        at = self.at
        x = np.where(keep, at.x, at.x_ref)
        return Curves(
            models=self.models,
            at=Points.of(x, at.x_ref, at.params, at.base_loss),
            loss=np.where(keep, self.loss, 1.0),
            present=keep,
            step=np.where(keep, self.step, -1),
            run=np.where(keep, self.run, -1),
            items=np.where(keep, self.items, np.nan),
            right=self.right,
        )

    def rungs(self, index: np.ndarray) -> "Curves":
        """The curves of some rungs."""
        at = self.at
        picked = Points(*(a[:, index] for a in (at.x, at.x_ref, at.log_x, at.params, at.base_loss)))
        return Curves(
            models=tuple(self.models[i] for i in index),
            at=picked,
            loss=self.loss[index],
            present=self.present[index],
            step=self.step[index],
            run=self.run[index],
            items=self.items[index],
            right=None if self.right is None else self.right[index],
        )

    @staticmethod
    def of(
        model: np.ndarray,
        params: np.ndarray,
        x: np.ndarray,
        loss: np.ndarray,
        *,
        step: np.ndarray,
        seed: np.ndarray,
        items: np.ndarray,
        base_loss: np.ndarray,
        right: np.ndarray | None = None,
    ) -> "Curves":
        """Curves from columns of equal length, in any order; `seed` tells the runs of a rung apart.

        `right` is (rows, items) where the rows tell the share of right answers to each item.
        """
        order = np.lexsort((loss, x, step, seed, model, params))
        model, params, x, loss, step, seed, items, base_loss = (
            np.asarray(a)[order] for a in (model, params, x, loss, step, seed, items, base_loss)
        )
        new = np.r_[True, (params[1:] != params[:-1]) | (model[1:] != model[:-1])]
        rung = np.cumsum(new) - 1
        place = np.arange(len(x)) - np.flatnonzero(new)[rung]
        shape = (rung[-1] + 1, place.max() + 1)

        def grid(values: np.ndarray, pad: float | int | bool) -> np.ndarray:
            out = np.full(shape, pad)
            out[rung, place] = values
            return out

        starts = np.flatnonzero(new)
        present = grid(np.ones(len(x), bool), False)
        x_ref = np.exp(np.add.reduceat(np.log(x), starts) / np.bincount(rung))[:, None]
        base = np.array([_mean(base_loss[rung == r]) for r in range(shape[0])])[:, None]
        x_grid = np.where(present, grid(x, 1.0), x_ref)
        return Curves(
            models=tuple(str(m) for m in model[starts]),
            at=Points.of(x_grid[None], x_ref[None], params[starts][None, :, None].astype(float), base[None]),
            loss=grid(loss, 1.0),
            present=present,
            step=grid(step, -1),
            run=grid(_run_numbers(rung, seed), -1),
            items=grid(items, np.nan),
            right=None if right is None else _item_grid(right[order], rung, place, shape),
        )


def _item_grid(right: np.ndarray, rung: np.ndarray, place: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    out = np.zeros((*shape, right.shape[1]))
    out[rung, place] = right
    return out


def _mean(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")


def _run_numbers(rung: np.ndarray, seed: np.ndarray) -> np.ndarray:
    """Number the seeds of each rung from 0; rows are sorted by rung, then seed."""
    new_rung = np.r_[True, rung[1:] != rung[:-1]]
    new_run = new_rung | np.r_[True, seed[1:] != seed[:-1]]
    number = np.cumsum(new_run) - 1
    return number - number[np.flatnonzero(new_rung)][rung]


def curves_of(
    frame: "Frame", *, axis: str, window: Window = "1:", items: int | None = None
) -> tuple[Curves, dict[str, int]]:
    """The curves of a frame on one axis, and the rows left out by reason (the frame's own reasons included).

    Args:
        frame: the measurements; one variant, benchmark, tau and group size.
        axis: "compute", "data" or "step".
        window: steps kept, "FIRST:LAST" inclusive, either end may be empty. Rows whose axis value is not positive, such
            as step 0, have no place on a logarithmic axis and are left out.
        items: problems of an evaluation, where the frame does not tell.

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
        "no_params": ~np.isfinite(_numbers(rows["params"])),
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
        told = ", ".join(f"{n} {reason}" for reason, n in dropped.items()) or "it has no rows"
        raise NotIdentifiable(
            f"no point to fit: every row of {frame.source} was left out ({told})\n"
            f"  next: check column {column} and the window {window_text(window)}"
        )
    return _curves(rows, keep, x, step, items), dropped


def _curves(rows: Any, keep: np.ndarray, x: np.ndarray, step: np.ndarray, items: int | None) -> Curves:
    asked = _numbers(rows["items"])
    asked = np.where(np.isfinite(asked), asked, np.nan if items is None else items)
    return Curves.of(
        rows["model"].to_numpy()[keep],
        _numbers(rows["params"])[keep],
        x[keep],
        _numbers(rows["test_loss"])[keep],
        step=step[keep].astype(int),
        seed=_run_codes(rows)[keep],
        items=asked[keep],
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
    """(rows, items) share of right answers to each item; None unless all rows tell it of equally many items."""
    lists = [c for c, kept in zip(rows["correct"].to_list(), keep, strict=True) if kept]
    if any(c is None for c in lists) or len({len(c) for c in lists}) != 1:
        return None
    samples = _numbers(rows["samples"])[keep]
    return np.array(lists, float) / np.where(np.isfinite(samples), samples, 1.0)[:, None]


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


def window_text(window: Window) -> str:
    """The window as it is written on the command line."""
    if isinstance(window, tuple):
        return ":".join("" if end is None else str(end) for end in window)
    return window or ":"


def find_rung(curves: Curves, which: str | float) -> int:
    """The rung that "largest", a model's name or a size such as "72B" names.

    Raises:
        NotFound: there is no such rung.
    """
    if which == "largest":
        return len(curves.models) - 1
    if which in curves.models:
        return curves.models.index(str(which))
    matches = [r for r, params in enumerate(curves.params) if _is_size(which, params)]
    if len(matches) == 1:
        return matches[0]
    listed = ", ".join(f"{m} ({units.count(p)})" for m, p in zip(curves.models, curves.params, strict=True))
    raise NotFound(f"no size of this ladder is {which!r}\n  next: choose one of {listed}")


def _is_size(which: str | float, params: float) -> bool:
    try:
        return abs(units.parse(which, "count") / params - 1) < 0.01
    except RlawError:
        return False
