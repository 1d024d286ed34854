"""A number with its interval."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True)
class Interval:
    """A value with the ends of its interval: nan without an interval, infinite where the data set no end."""

    value: float
    low: float = math.nan
    high: float = math.nan

    def __str__(self) -> str:
        return self.text()

    def text(self, number: Callable[[float], str] | None = None) -> str:
        """The value and its interval, as in `1.2 [1, 1.5]`; the value alone where there is no interval.

        Args:
            number: writes one number, such as `rlaw.units.count`; four digits when None.
        """
        number = number or four_digits
        if math.isnan(self.low):
            return number(self.value)
        return f"{number(self.value)} [{number(self.low)}, {number(self.high)}]"

    def to_json(self) -> dict[str, Any]:
        """`value`, `low` and `high`; null where there is no number."""
        return {name: finite(getattr(self, name)) for name in ("value", "low", "high")}


def finite(number: float) -> float | None:
    """The number for JSON, which has neither nan nor infinity: None for those."""
    return float(number) if math.isfinite(number) else None


def percentile(value: float, draws: np.ndarray | None, level: float) -> Interval:
    """The percentile interval at `level` of (draws,) values; infinite draws make infinite ends."""
    if draws is None or not len(draws):
        return Interval(float(value))
    tail = (1 - level) / 2
    ordered = np.sort(draws)  # NaN last: a draw without a value must not pull the low end down
    last = len(ordered) - 1
    cut = math.floor(tail * last + 1e-9)
    low, high = ordered[cut], ordered[last - cut]
    return Interval(float(value), float(low), float(high))


def median(draws: np.ndarray, level: float) -> Interval:
    """The median of (draws,) values with the percentile interval at `level`."""
    return percentile(float(np.median(draws)), draws, level)


def four_digits(number: float) -> str:
    """A number with at most four digits: 0.1, 1.2."""
    return f"{number:.4g}".replace("inf", "∞")


def three_digits(number: float) -> str:
    """A number with three digits, trailing zeros kept: 0.100, 1.20."""
    return f"{number:#.3g}".rstrip(".").replace("inf", "∞")
