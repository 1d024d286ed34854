"""The steps of entries that a console prints without them: from the bar of progress beside which they stand.

transformers writes an entry between two drawings of its bar. Where the output was kept as it came, both bars show the
entry's step; where overwritten lines are gone, the one after it; where standard output was buffered, the entries stand
together after the bars, and can only be counted.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

_BAR = re.compile(r"^\s*\d+%(?:\|[^|]*\|)? *(\d+)/(\d+) \[")
_BANNER = re.compile(r"Total (?:optimization )?steps = ([\d,]+)")
_USUAL = (100, 50, 25, 20, 10, 5, 2, 1)  # steps between two entries
_FEW_ALIKE = 0.1  # share of entries at the step of the one before, above which output was buffered


class Stage(NamedTuple):
    """Entries of one training that a console holds.

    Attributes:
        trained: for each entry, whether it is of training; an evaluation has the step of the entry before.
        before: the last count of each bar before an entry, by the bar's total.
        after: the first count after it.
        planned: steps in all, where they are printed.
        seconds: how long training took, and its steps a second as printed, once it has ended.
    """

    trained: list[bool]
    before: list[dict[int, int]]
    after: list[dict[int, int]]
    planned: int | None
    seconds: tuple[float, float] | None


class Bars:
    """The bars of a console and the entries among them, as they are read."""

    def __init__(self) -> None:
        self.stages: list[Stage] = []
        self.planned: int | None = None
        self._last: dict[int, int] = {}
        self._open = Stage([], [], [], None, None)

    def take(self, line: str) -> None:
        """Note the counter of a bar or of a banner."""
        if "%" in line and (found := _BAR.match(line)):
            count, total = int(found[1]), int(found[2])
            self._last[total] = count
            if self._open.after:
                self._open.after[-1].setdefault(total, count)
        elif "steps = " in line and (found := _BANNER.search(line)):
            self.planned = int(found[1].replace(",", ""))

    def entry(self, *, trained: bool) -> None:
        """Note an entry."""
        self._open.trained.append(trained)
        self._open.before.append(dict(self._last))
        self._open.after.append({})

    def finished(self, seconds: float | None, per_second: float | None) -> None:
        """A training ended: what follows is another."""
        self.close((seconds, per_second) if seconds and per_second else None)
        self._last = {}

    def close(self, seconds: tuple[float, float] | None = None) -> None:
        """No entry follows."""
        if self._open.trained:
            self.stages.append(self._open._replace(planned=self.planned, seconds=seconds))
            self._open = Stage([], [], [], None, None)


def steps_of(stage: Stage) -> tuple[list[int], int | None, str]:
    """The step of each entry of a stage, the steps that were planned, and how the steps were counted: "" by bars."""
    places = [i for i, trained in enumerate(stage.trained) if trained]
    total = _main_total(stage, places)
    read = _by_bars(stage, places, total) if total is not None and places else None
    how = ""
    if read is None:
        every, how = _between(stage, len(places), total)
        read = [every * (number + 1) for number in range(len(places))]
    steps, last = [], 0
    of_place = dict(zip(places, read, strict=True))
    for i in range(len(stage.trained)):
        last = of_place.get(i, last)
        steps.append(last)
    return steps, stage.planned or total, how


def _main_total(stage: Stage, places: Sequence[int]) -> int | None:
    """The total of the bar of training: beside most entries, the largest of those."""
    seen = Counter(total for i in places for total in stage.before[i].keys() | stage.after[i].keys())
    if stage.planned in seen:
        return stage.planned
    return max(seen, key=lambda total: (seen[total], total), default=stage.planned)


def _by_bars(stage: Stage, places: Sequence[int], total: int) -> list[int] | None:
    """The step that the bar before each entry shows, or the one after it; None where neither tells entries apart."""
    before = [stage.before[i].get(total) for i in places]
    after = [stage.after[i].get(total, b) for i, b in zip(places, before, strict=True)]
    choices = [_rising(before), _rising(after)]
    if choices[0] is None or choices[1] is None or _gap_hits(choices[1]) > _gap_hits(choices[0]):
        choices.reverse()
    return next((steps for steps in choices if steps is not None), None)


def _rising(counts: Iterable[int | None]) -> list[int] | None:
    """The counts, unless one is missing or zero, or many are alike."""
    steps = [count for count in counts if count]
    given = list(counts)
    alike = sum(a == b for a, b in pairwise(steps))
    return steps if len(steps) == len(given) and alike <= _FEW_ALIKE * len(steps) else None


def _gap_hits(steps: Sequence[int]) -> int:
    """How many steps are a multiple of the usual distance between two."""
    gap = Counter(b - a for a, b in pairwise(steps)).most_common(1)
    return sum(step % gap[0][0] == 0 for step in steps) if gap and gap[0][0] > 0 else 0


def _between(stage: Stage, entries: int, total: int | None) -> tuple[int, str]:
    """How many steps lie between two entries, and where that is from."""
    if entries and total is not None:
        reached = max((counts[total] for counts in stage.before if total in counts), default=total)
        if stage.seconds is not None and total % entries == 0:
            return total // entries, f"every {total // entries} of {total} steps"
        return next(k for k in _USUAL if k == 1 or k * entries <= reached), f"up to step {reached} of the bar"
    if entries and stage.seconds is not None:
        seconds, rate = stage.seconds
        low, high = (rate - 0.0005) * seconds / entries, (rate + 0.0005) * seconds / entries
        whole = [k for k in range(max(1, round(low) - 1), round(high) + 2) if low <= k <= high]
        if len(whole) == 1:
            return whole[0], f"every {whole[0]}, by train_runtime and train_steps_per_second"
    return 1, "from 1"


def noted(row: dict[str, Any]) -> bool:
    """Whether an entry is one of training: an evaluation's names begin with eval_."""
    return not all(name.startswith("eval_") or name == "epoch" for name in row)
