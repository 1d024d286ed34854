"""What a rule is, and how it reads a column: the beginning of a run beside its end, in medians.

Axes: n entries.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rlaw.fitting.interval import Plain
from rlaw.measurements.courses import Course

_LEAST = 10  # entries of a column that is judged
_SHARE, _FEWEST = 0.1, 5  # of the entries, in a beginning or an end


@dataclass(frozen=True, slots=True)
class Found:
    """What a rule found.

    Attributes:
        step: where it set in.
        value: what was measured.
        threshold: what it is beyond.
        evidence: the same in words.
    """

    step: int
    value: float | None
    threshold: float
    evidence: str


class NotMeasured(Exception):
    """A rule cannot judge this run; the text says why."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One fault and how it is found.

    Attributes:
        name: of the fault.
        check: what it finds in a run: None when the run does not have the fault; raises NotMeasured.
        threshold: in words, with its units.
        source: of the fault and, where it has one, of the threshold.
        next: what to do.
    """

    name: str
    check: Callable[[Course], Found | None]
    threshold: str
    source: str
    next: str


@dataclass(frozen=True, slots=True)
class Alarm(Plain):
    """A rule that a run broke; attributes as of `Found` and `Rule`."""

    rule: str
    step: int
    value: float | None
    threshold: float
    evidence: str
    source: str
    next: str


@dataclass(frozen=True, slots=True)
class Series:
    """A column's numbers.

    Attributes:
        step: (n,) rising.
        y: (n,) finite.
    """

    step: np.ndarray
    y: np.ndarray

    @property
    def width(self) -> int:
        """Entries of a beginning or an end."""
        return max(_FEWEST, round(_SHARE * len(self.y)))

    @property
    def first(self) -> float:
        """Median of the beginning."""
        return float(np.median(self.y[: self.width]))

    @property
    def last(self) -> float:
        """Median of the end."""
        return float(np.median(self.y[-self.width :]))

    @property
    def first_half(self) -> float:
        """Median of the first half."""
        return float(np.median(self.y[: len(self.y) // 2]))

    @property
    def noise(self) -> float:
        """Standard deviation of one entry about a smooth course, from second differences."""
        return float(np.sqrt(np.mean(np.diff(self.y, n=2) ** 2) / 6)) if len(self.y) > 2 else float("nan")

    def means(self) -> np.ndarray:
        """(n - width + 1,) means of `width` neighbours."""
        total = np.concatenate([[0.0], np.cumsum(self.y)])
        return (total[self.width :] - total[: -self.width]) / self.width

    def since(self, beyond: np.ndarray) -> int:
        """The step from which on (n,) entries are beyond a threshold, most of any `width` of them to the end."""
        within = np.flatnonzero(Series(self.step, beyond.astype(float)).means() < 0.5)
        start = int(within[-1]) + 1 if len(within) else 0
        return int(self.step[min(start, len(self.step) - 1)])


def series(course: Course, name: str, *, least: int = _LEAST, zero: bool = True) -> Series:
    """The finite numbers of a column.

    Args:
        course: the run.
        name: of the column.
        least: entries that are needed.
        zero: whether a column that is 0 throughout was measured.

    Raises:
        NotMeasured: it is not there, or has too few entries.
    """
    rows = course.steps.select("step", name).drop_nulls()
    y = rows[name].to_numpy()
    good = np.isfinite(y)
    if not good.any():
        raise NotMeasured(f"no {name}")
    if not zero and not np.any(y[good] != 0):
        raise NotMeasured(f"{name} is 0 throughout")
    if good.sum() < least:
        raise NotMeasured(f"{name} has {good.sum()} entries, and {least} are needed")
    return Series(rows["step"].to_numpy()[good], y[good])


def scale_of(reward: Series) -> float:
    """What rewards range over: 1 where they are shares, else what they did."""
    low, high = float(reward.y.min()), float(reward.y.max())
    return 1.0 if low >= 0 and high <= 1 else max(high - low, 1e-12)
