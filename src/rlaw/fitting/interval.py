"""A number with its interval, and results as plain data."""

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
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
            number: writes one number, such as `rlaw.units.count`; at most four digits (0.1, 1.2) when None.
        """
        number = number or (lambda value: f"{value:.4g}".replace("inf", "∞"))
        if math.isnan(self.low):
            return number(self.value)
        return f"{number(self.value)} [{number(self.low)}, {number(self.high)}]"

    def to_json(self) -> dict[str, Any]:
        """`value`, `low` and `high`; null where there is no number."""
        return {name: finite(getattr(self, name)) for name in ("value", "low", "high")}


@dataclass(frozen=True, slots=True)
class Plain:
    """A dataclass whose document for JSON has its fields."""

    def to_json(self) -> dict[str, Any]:
        """The fields by name."""
        return {field.name: plain(getattr(self, field.name)) for field in fields(self)}


def plain(value: Any) -> Any:
    """Plain data: what has a document of its own as that, also inside of lists and dicts."""
    if hasattr(value, "to_json"):
        return value.to_json()
    if isinstance(value, dict):
        return {name: plain(part) for name, part in value.items()}
    return [plain(part) for part in value] if isinstance(value, list | tuple) else value


def finite(number: float) -> float | None:
    """The number for JSON, which has neither nan nor infinity: None for those."""
    return float(number) if math.isfinite(number) else None


def percentile(value: float, draws: np.ndarray | None, level: float) -> Interval:
    """The percentile interval at `level` of (draws,) values, and the value; infinite draws make infinite ends."""
    if draws is None or not len(draws):
        return Interval(float(value))
    tail = (1 - level) / 2
    ordered = np.sort(draws)  # NaN last: a draw without a value must not pull the low end down
    last = len(ordered) - 1
    cut = math.floor(tail * last + 1e-9)
    low, high = min(ordered[cut], value), max(ordered[last - cut], value)
    return Interval(float(value), float(low), float(high))


def median(draws: np.ndarray, level: float) -> Interval:
    """The median of (draws,) values with the percentile interval at `level`."""
    return percentile(float(np.median(draws)), draws, level)


def three_digits(number: float) -> str:
    """A number with three digits, trailing zeros kept: 0.100, 1.20."""
    return f"{number:#.3g}".rstrip(".").replace("inf", "∞")
