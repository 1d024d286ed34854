"""The size to forecast: its training points by the anchor, the places to predict, and how far these are from data.

Axes: R sizes, M points of a size.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from rlaw import units
from rlaw.errors import NotFound, RlawError, UsageError
from rlaw.fitting.curves import PADS, Curves, find_size
from rlaw.fitting.diagnostics import Caution
from rlaw.fitting.screening import collapsed, copies, names_of
from rlaw.forecasting.splits import first_steps
from rlaw.laws import Points

Kind = Literal["blind", "anchored", "calibrated"]
_FAR = 2.0  # beyond the data by more than this factor is cautioned
FARTHEST = 100.0  # and by more than this one is refused, unless it is asked for
_GRID = 25
_MOST_PLACES = 200


@dataclass(frozen=True, slots=True)
class Target:
    """The training points and the size to predict.

    Attributes:
        kind: how much of the target is used.
        anchor: the same in words.
        whole: everything measured, the target's size included (without points when it is not in the data).
        train: the training points.
        r: the target's size.
        from_base: whether levels come from the loss of each base at step 0.
        cautions: what was left out, and an anchor that had to be another one.
    """

    kind: Kind
    anchor: str
    whole: Curves
    train: Curves
    r: int
    from_base: bool
    cautions: tuple[Caution, ...]

    @property
    def model(self) -> str:
        """Its name, or the size as text."""
        return self.whole.models[self.r]

    @property
    def observed(self) -> np.ndarray:
        """(M,) rows of the target that make the forecast."""
        return self.train.present[self.r]

    @property
    def held_out(self) -> np.ndarray:
        """(M,) rows of the target that judge the forecast."""
        return self.whole.present[self.r] & ~self.observed

    def rows(self, here: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Axis values and losses of rows of the target."""
        return self.whole.at.x[0, self.r, here], self.whole.loss[self.r, here]

    def places(self, at: Sequence[float]) -> np.ndarray:
        """Axis values to draw at, rising: those given and the held-out rows; else a grid over the ladder's axis.

        Raises:
            UsageError: a place that is not a positive number.
        """
        given = np.asarray(at, float)
        if not (np.isfinite(given) & (given > 0)).all():
            raise UsageError(f"`at={', '.join(str(v) for v in at)}`: places on the axis are positive numbers")
        rows = np.unique(self.rows(self.held_out)[0])
        if len(rows) > _MOST_PLACES:
            rows = np.geomspace(rows[0], rows[-1], _MOST_PLACES)
        if len(rows) or len(given):
            return np.unique(np.concatenate([rows, given]))
        start, end = self._ladder_axis()
        return np.geomspace(start, end, _GRID)

    def reach(self, x: np.ndarray) -> tuple[float, float]:
        """How far beyond the data a forecast at these places goes: in size, and along the axis."""
        N, others = self.whole.params[self.r], np.delete(self.whole.params, self.r)
        size = max(N / others.max(), others.min() / N, 1.0) if len(others) else 1.0
        own = self.rows(self.observed)[0]
        end = own.max() if len(own) else self._ladder_axis()[1]
        return float(size), float(max(x.max() / end, 1.0))

    def refuse_far(self, at: Sequence[float]) -> None:
        """Refuse a size or a place more than 100 times outside of what was measured.

        Raises:
            UsageError: it is; `far=True` allows it.
        """
        others = np.delete(self.whole.params, self.r)
        size = float(self.whole.params[self.r])
        check_far("the size", size, others, units.count)
        x = self.whole.at.x[0][self.whole.present]
        for place in at:
            check_far("the place on the axis", place, x, "{:.4g}".format)

    def far(self, size_factor: float, axis_factor: float) -> Iterator[Caution]:
        """What is to be said of such a reach."""
        if size_factor > 1:
            side = "larger than the largest" if self.r else "smaller than the smallest"
            yield Caution("beyond-ladder", f"the target is {size_factor:.3g} times {side} other size")
        if axis_factor > _FAR:
            what = "the ladder" if self.kind == "blind" or self.from_base else "what was seen of the target"
            yield Caution("beyond-axis", f"the forecast goes {axis_factor:.3g} times beyond {what} along the axis")

    def _ladder_axis(self) -> tuple[float, float]:
        """First and last axis value of the other sizes, at the target's size: straight lines in log N."""
        ends, n = [], []
        for r in range(len(self.whole.models)):
            if r != self.r and self.train.counts[r]:
                x = self.train.at.x[0, r, self.train.present[r]]
                ends.append(np.log([x.min(), x.max()]))
                n.append(np.log(self.train.params[r]))
        if not ends:
            x = self.rows(self.observed)[0]
            return float(x.min()), float(x.max())
        ends = np.array(ends)
        slope = np.polyfit(n, ends[:, 1], 1)[0] if np.ptp(n) > 0 else 0.0
        first, last = np.exp(ends.mean(axis=0) + slope * (np.log(self.train.params[self.r]) - np.mean(n)))
        return float(first), float(last)


def check_far(what: str, value: float, measured: np.ndarray, write: Callable[[float], str]) -> None:
    """Refuse a value more than 100 times above or below all that was measured.

    Raises:
        UsageError: it is; `far=True` allows it.
    """
    measured = measured[np.isfinite(measured) & (measured > 0)]
    if not len(measured) or not value > 0:
        return
    low, high = float(measured.min()), float(measured.max())
    times = max(value / high, low / value)
    if times > FARTHEST:
        raise UsageError(
            f"{what}, {write(value)}, is {times:.3g} times outside of the data, which go from {write(low)} to "
            f"{write(high)}\n  next: check the number; `far=True` if it is meant"
        )


def target_of(curves: Curves, which: str | float, anchor: str) -> Target:
    """Set the training points apart; runs of other sizes that broke down or repeat another are kept out.

    Args:
        curves: everything measured.
        which: "largest", a model's name or a size, in the data or not.
        anchor: "none", "step0" or "first:K".

    Raises:
        NotFound: neither a model's name nor a size.
        UsageError: an anchor that makes no sense, or one on a size that is not in the data.
    """
    whole, r, there = _with_target(curves, which)
    kind, count = _anchor(anchor)
    if kind != "blind" and not there:
        raise UsageError(
            f"{whole.models[r]} is not in the data, so that there is nothing of it to anchor on\n  next: `anchor=none`"
        )
    cautions = []
    from_base = kind == "anchored" and count == 0
    if from_base and not np.isfinite(whole.at.base_loss).all():
        from_base, count = False, 1
        text = "not every size was evaluated at step 0: anchored on the first evaluation of the target instead"
        cautions.append(Caution("no-step0", text))
    other = np.arange(len(whole.models))[:, None] != r
    broken, copied = collapsed(whole) & other, copies(whole) & other
    bad = broken | copied
    for mask, why in ((broken, "broke down"), (copied & ~broken, "repeat another to the last digit")):
        if mask.any():
            cautions.append(Caution("left-out", f"runs that {why} are left out: {names_of(whole, mask)}"))
    train = whole.where((other & ~bad) | (first_steps(whole, count) & ~other))
    words = {"blind": "nothing of it", "anchored": "its loss at step 0"}.get(kind, "")
    if count:
        words = f"its first {'evaluation' if count == 1 else f'{count} evaluations'}"
    return Target(kind, words, whole, train, r, from_base, tuple(cautions))


def _anchor(anchor: str) -> tuple[Kind, int]:
    """Kind of the forecast and how many evaluations of the target are used."""
    if anchor == "none":
        return "blind", 0
    if anchor == "step0":
        return "anchored", 0
    first, _, count = anchor.partition(":")
    if first == "first" and count.isdecimal() and int(count) > 0:
        return ("calibrated" if int(count) > 1 else "anchored"), int(count)
    raise UsageError(f"anchor {anchor!r} is not none, step0 or first:K (its first K evaluations)")


def _with_target(curves: Curves, target: str | float) -> tuple[Curves, int, bool]:
    """The curves, the target's size, and whether it is in the data; a size that is not gets a size without points."""
    try:
        return curves, find_size(curves, target), True
    except NotFound:
        try:
            params = units.parse(target, "count")
        except RlawError:
            raise NotFound(
                f"{target!r} is neither a model of this ladder nor a size\n"
                f"  next: one of {', '.join(curves.models)}, or a size such as 30B"
            ) from None
    at, r = curves.at, int(np.searchsorted(curves.params, params))

    def grown(values: np.ndarray, value: float | bool, axis: int = 0) -> np.ndarray:
        return np.insert(values, r, value, axis=axis)

    values = ((at.x, 1.0), (at.x_ref, 1.0), (at.params, params), (at.base_loss, np.nan))
    points = Points.of(*(grown(array, value, 1) for array, value in values))
    models = (*curves.models[:r], str(target), *curves.models[r:])
    arrays = {name: grown(getattr(curves, name), pad) for name, pad in PADS.items()}
    return Curves(models=models, at=points, **arrays), r, False
