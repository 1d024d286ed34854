"""Logical compute and its hardware side, and the years of a spending while efficiency doubles.

Logical compute is what a law has on its axis; physical resource times efficiency gives it. With the reducible loss a
power of logical compute, L - F ~ C^-kappa, a cut by r takes r^(1 / kappa) times the compute. Efficiency that doubles g
times a year makes the logical compute of a fixed spending grow; a year of it is taken to pay what was spent so far.

Source: Lu 2026, arXiv:2603.28507, and its predecessor arXiv:2501.02156 (loss under doublings of efficiency).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from rlaw import units
from rlaw.errors import UsageError
from rlaw.fitting.interval import Plain
from rlaw.study.compute import FACTORS
from rlaw.study.gpus import AS_OF, DEFAULT_MFU, DEFAULT_USD_PER_GPU_HOUR, PEAK_FLOPS, WATTS

_GPU = "H100"
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


def years_of(time: float | str) -> float:
    """A doubling time in years.

    Raises:
        UsageError: no time, or none above 0.
    """
    if not isinstance(time, str) and not time > 0:
        raise UsageError(f"a doubling time of {time} years: a time above 0, such as '12 months'")
    return units.parse(time, "duration") / _YEAR_SECONDS if isinstance(time, str) else float(time)
