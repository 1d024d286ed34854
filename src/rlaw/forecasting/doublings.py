"""What a lower loss costs in doublings of the budget, in hardware, and in years while efficiency doubles.

Logical compute is what a law has on its axis; physical resource times efficiency gives it. With the reducible loss a
power of logical compute, L - F ~ C^-kappa, a cut by r takes r^(1 / kappa) times the compute. Efficiency that doubles g
times a year makes the logical compute of a fixed spending grow; a year of it is taken to pay what was spent so far.

Source: Lu 2026, arXiv:2603.28507, and its predecessor arXiv:2501.02156 (loss under doublings of efficiency).

Axes: S draws.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from rlaw import units
from rlaw.errors import RlawError, UsageError
from rlaw.fitting.fit import fit
from rlaw.fitting.interval import Interval, Plain, finite, median, percentile, three_digits
from rlaw.fitting.selection import Window
from rlaw.study.compute import FACTORS
from rlaw.study.gpus import AS_OF, DEFAULT_MFU, DEFAULT_USD_PER_GPU_HOUR, PEAK_FLOPS, WATTS

if TYPE_CHECKING:
    from rlaw.measurements.frame import Frame

_GPU = "H100"
_LATER = 3  # doublings after which the gain of one more is given, too
_FLOOR_LAW, _FLOOR_DRAWS = "sigmoid", 200
_YEAR_SECONDS = 365.25 * 86400


def doublings(cut: float | np.ndarray, kappa: float | np.ndarray) -> Any:
    """Doublings of logical compute that divide the reducible loss by `cut`: log2(cut) / kappa."""
    return np.log2(cut) / kappa


def relative_loss(years: float | np.ndarray, rate: float, kappa: float) -> Any:
    """Reducible loss after years of a fixed spending, as a share of that after what was spent so far.

    Args:
        years: from now, of a spending that pays in one year what was spent so far.
        rate: doublings of efficiency a year, >= 0.
        kappa: exponent of the reducible loss in logical compute.
    """
    t = np.asarray(years, float)
    grown = np.expm1(rate * np.log(2) * t) / (rate * np.log(2)) if rate > 0 else t
    return (1 + grown) ** -kappa


def years(needed: float | np.ndarray, rate: float) -> Any:
    """Years of a fixed spending until the logical compute has doubled so often; the inverse of `relative_loss`.

    Args:
        needed: doublings of the logical compute spent so far, in one year of the spending.
        rate: doublings of efficiency (times spending, where that grows) a year, >= 0.
    """
    with np.errstate(over="ignore"):
        more = np.expm1(np.asarray(needed, float) * np.log(2))
        large = np.asarray(needed, float) + np.log2(max(rate, 1e-300) * np.log(2))  # where `more` overflows
        grown = np.where(np.isfinite(more), np.log1p(rate * np.log(2) * more) / np.log(2), large)
    return more if rate == 0 else grown / rate


@dataclass(frozen=True, slots=True)
class Physical(Plain):
    """What a logical compute takes, by the assumptions beside it.

    Attributes:
        executed_flops: all that GPUs execute, of which the data count a part.
        gpu_hours, kwh, usd: of the GPUs alone.
        gpu, mfu, watts, usd_per_gpu_hour, as_of: the assumptions, and of when prices and data sheets are.
    """

    executed_flops: float
    gpu_hours: float
    kwh: float
    usd: float
    gpu: str
    mfu: float
    watts: float
    usd_per_gpu_hour: float
    as_of: str

    def __str__(self) -> str:
        return (
            f"{self.gpu_hours:,.4g} {self.gpu} hours, {self.kwh:,.4g} kWh, ${self.usd:,.4g} (assumed: {self.mfu:.0%} "
            f"of the peak, {self.watts:g} W, ${self.usd_per_gpu_hour:g} an hour; {self.as_of})"
        )


def physical(flops: float, accounting: str, executed_factor: float, **given: Any) -> Physical:
    """The hardware side of a logical compute.

    Args:
        flops: as the data count them.
        accounting: how: 6N, 8N, 12N, exact, or "as given", which is taken for 6N.
        executed_factor: FLOPs executed for each parameter and token.
        **given: gpu, mfu and usd_per_gpu_hour, where they were given.
    """
    counted = executed_factor if accounting == "exact" else FACTORS.get(accounting, FACTORS["6N"])
    gpu = str(given.get("gpu") or _GPU)
    mfu, price = given.get("mfu", DEFAULT_MFU), given.get("usd_per_gpu_hour", DEFAULT_USD_PER_GPU_HOUR)
    executed = flops * executed_factor / counted
    hours = executed / (PEAK_FLOPS[gpu] * mfu * 3600)
    watts = WATTS[gpu]
    return Physical(executed, hours, hours * watts / 1000, hours * price, gpu, mfu, watts, price, AS_OF)


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


def years_of(time: float | str) -> float:
    """A doubling time in years.

    Raises:
        UsageError: no time.
    """
    return units.parse(time, "duration") / _YEAR_SECONDS if isinstance(time, str) else float(time)


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
