"""What a lower loss costs in doublings of the budget, in hardware, and in years while efficiency doubles.

The formulas are those of `rlaw.fitting.efficiency`; slopes and floors are drawn.

Axes: S draws.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from rlaw import units
from rlaw.errors import RlawError, UsageError
from rlaw.fitting.efficiency import Physical, doublings, years, years_of
from rlaw.fitting.fit import fit
from rlaw.fitting.interval import Interval, finite, median, percentile, three_digits
from rlaw.fitting.selection import Window

if TYPE_CHECKING:
    from rlaw.measurements.frame import Frame

_LATER = 3  # doublings after which the gain of one more is given, too
_FLOOR_LAW, _FLOOR_DRAWS = "sigmoid", 200


@dataclass(frozen=True, slots=True)
class Doublings:
    """What a target loss costs from here.

    Attributes:
        target_loss: the loss to reach.
        flops: logical compute spent so far; None where the axis is no compute.
        accounting: how it is counted.
        physical: its hardware side; None like `flops`.
        needed: doublings of the budget; an infinite end where the floor may lie above the target.
        without_floor: the same with a floor of 0.
        within: share of draws in which a finite number reaches it.
        floor: below which no budget brings the loss; None where none could be estimated.
        gain, later_gain: how much the next doubling lowers the loss, and one after three more.
        years: of fixed spending, and of one that doubles every year; None without a rate of efficiency.
        efficiency_doubling_years: the assumed time in which efficiency doubles.
        assumptions: what all of it rests on.
    """

    target_loss: float
    flops: float | None
    accounting: str
    physical: Physical | None
    needed: Interval
    without_floor: Interval
    within: float
    floor: Interval | None
    gain: Interval
    later_gain: Interval
    years: tuple[Interval, Interval] | None
    efficiency_doubling_years: float | None
    assumptions: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """An end without a number is null, with its reason in `within` and `floor`."""
        both = None if self.years is None else dict(zip(("fixed", "growing"), self.years, strict=True))
        return {
            "target_loss": self.target_loss,
            "logical": {"compute_flops": self.flops, "accounting": self.accounting},
            "physical": None if self.physical is None else self.physical.to_json(),
            "needed": self.needed.to_json(),
            "without_floor": self.without_floor.to_json(),
            "finite_share": self.within,
            "floor": None if self.floor is None else self.floor.to_json(),
            "gain_per_doubling": {"now": self.gain.to_json(), "after_three_more": self.later_gain.to_json()},
            "years": None if both is None else {name: value.to_json() for name, value in both.items()},
            "efficiency_doubling_years": self.efficiency_doubling_years,
            "assumptions": list(self.assumptions),
        }

    def lines(self) -> list[str]:
        """The lines of a command's text."""
        lines = []
        if self.flops is not None and self.physical is not None:
            lines.append(f"logical: {units.flops(self.flops)}, counted {self.accounting}")
            lines.append(f"physical: {self.physical}")
        lines.append(f"doublings from here to a loss of {self.target_loss:g}: {self._needed()}")
        lines.append(f"the next doubling lowers the loss by {self.gain}, one after three more by {self.later_gain}")
        if self.years is not None:
            fixed, growing = map(_text, self.years)
            lines.append(
                f"years, efficiency doubling every {12 * (self.efficiency_doubling_years or 0):.3g} months (assumed): "
                f"{fixed} at fixed spending, {growing} with spending that doubles every year"
            )
        return [*lines, *(f"assumed: {text}" for text in self.assumptions)]

    def _needed(self) -> str:
        text = _text(self.needed)
        if finite(self.needed.high) is not None or self.floor is None:
            return text
        why = f"in {1 - self.within:.0%} of the draws the floor, {self.floor}, is not below it"
        return f"{text}: {why} (without a floor: {_text(self.without_floor)})"


def _text(value: Interval) -> str:
    """A number with its interval; the words alone where there is none at either end."""
    return _many(value.value) if np.isinf(value.low) else value.text(_many)


def _many(value: float) -> str:
    return three_digits(value) if np.isfinite(value) else "no finite number"


def doublings_to(
    loss_S: np.ndarray,
    next_S: np.ndarray,
    target: float,
    *,
    floors: np.ndarray | None,
    level: float,
    seed: int,
    flops: float | None = None,
    accounting: str = "",
    hardware: Physical | None = None,
    efficiency_doubling: float | str | None = None,
    assumptions: tuple[str, ...] = (),
) -> Doublings:
    """What a target loss costs, from draws of the loss here and one doubling later.

    Args:
        loss_S, next_S: true losses.
        target: to reach.
        floors: draws of the loss that no budget goes below; None where none could be estimated, then 0.
        level: of the intervals.
        seed: of how floors are paired with losses.
        flops, accounting, hardware: of what was spent.
        efficiency_doubling: time in which efficiency doubles, years or such as "12 months".
        assumptions: more of them.

    Raises:
        UsageError: a target outside (0, 1), or a time that is none.
    """
    if not 0 < target < 1:
        raise UsageError(f"target loss {target}: a loss between 0 and 1")
    rng = np.random.default_rng(seed)
    F = np.zeros(len(loss_S)) if floors is None else rng.permutation(np.resize(floors, len(loss_S)))
    kappa, need = _needed(loss_S, next_S, F, target)
    _, bare = _needed(loss_S, next_S, np.zeros(len(F)), target)
    falls = np.where((kappa > 0) & (loss_S > F), (loss_S - F) * (1 - 2.0**-kappa), 0.0)
    later = falls * 2.0 ** (-_LATER * kappa)
    every = None if efficiency_doubling is None else years_of(efficiency_doubling)
    needed = _nearest(need, level)
    spans = None if every is None else tuple(_nearest(years(need, rate), level) for rate in (1 / every, 1 / every + 1))
    by_floor = "the reducible loss is a power of compute, with the slope here"
    more = () if spans is None else ("a year of the spending pays what was spent so far",)
    return Doublings(
        target_loss=target,
        flops=flops,
        accounting=accounting,
        physical=hardware,
        needed=needed,
        without_floor=_nearest(bare, level),
        within=float(np.isfinite(need).mean()),
        floor=None if floors is None else median(floors, level),
        gain=median(falls, level),
        later_gain=median(later, level),
        years=spans,  # pyright: ignore[reportArgumentType]
        efficiency_doubling_years=every,
        assumptions=(by_floor, *assumptions, *more),
    )


def _needed(
    loss_S: np.ndarray, next_S: np.ndarray, floor_S: np.ndarray, target: float
) -> tuple[np.ndarray, np.ndarray]:
    """(S,) exponents of the reducible loss, and doublings to the target; infinite where none reach it."""
    reducible = loss_S - floor_S
    with np.errstate(divide="ignore", invalid="ignore"):
        kappa = np.nan_to_num(np.log2(reducible / np.maximum(next_S - floor_S, 0)), nan=0.0, posinf=0.0, neginf=0.0)
        need = np.where((floor_S < target) & (kappa > 0), doublings(reducible / (target - floor_S), kappa), np.inf)
    return kappa, np.where(loss_S <= target, 0.0, need)


def _nearest(values: np.ndarray, level: float) -> Interval:
    """The median, one of the values, with the percentile interval; infinite values make infinite ends."""
    return percentile(float(np.quantile(values, 0.5, method="nearest")), values, level)


def floor_draws(
    frame: "Frame", model: str, axis: Any, *, window: Window, level: float, seed: int, last: float = np.inf
) -> tuple[np.ndarray | None, str]:
    """Draws of the floor of a size's own curve, and where they come from in words; None where none can be estimated.

    Args:
        frame: the measurements.
        model: the size.
        axis: what its loss is a function of.
        window, level, seed: as in `rlaw.fit`.
        last: place up to which it is used.
    """
    try:
        rows = frame.where(model=model).rows
        own_frame = replace(frame, rows=rows.filter((rows[frame.x(axis)] <= last).fill_null(value=False)))
        own = fit(_FLOOR_LAW, own_frame, axis=axis, window=window, draws=_FLOOR_DRAWS, level=level, seed=seed)
    except RlawError:
        return None, f"no floor, as {model} has no curve that shows one: a lower bound"
    if own.drawn is None or not own.drawn.known:
        return None, f"no floor, as the noise of {model} is not known: a lower bound"
    index = own.law.coefficients.index("L_inf")
    return own.drawn.solution.coefficients[:, 0, index], f"the floor is that of the {_FLOOR_LAW} curve of {model}"
