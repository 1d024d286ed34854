"""What every reward is: it judges responses against reference answers, and says why."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, runtime_checkable

#: of the rules by which answers are judged: to be raised whenever any pair of answer and reference gets another verdict
VERIFIER = 2  # 1: rlaw 0.1.0, whose runs name none


class Verdict(StrEnum):
    """What became of one response. Only RIGHT is worth a reward; a timeout is counted apart from wrong answers."""

    RIGHT = "right"
    WRONG = "wrong"
    UNPARSED = "unparsed"  # no answer was found in the response, or it is not mathematics
    TIMEOUT = "timeout"  # checking it reached a limit of work, time or memory


@dataclass(frozen=True, slots=True)
class Grade:
    """A verdict and what led to it: `exact`, `algebra`, `time`, `memory`, `no answer` and so on."""

    verdict: Verdict
    reason: str

    @property
    def score(self) -> float:
        """1 for a right response, else 0."""
        return float(self.verdict is Verdict.RIGHT)


@runtime_checkable
class Reward(Protocol):
    """Judges responses. Safe to call from any thread, from asyncio (in a thread) and from Ray workers."""

    @property
    def name(self) -> str:
        """What records and counts call it."""
        ...

    def grade(self, responses: Sequence[str], references: Sequence[str]) -> list[Grade]:
        """One grade for each response, in order; never raises on what a response or a reference holds."""
        ...


def counts(grades: Sequence[Grade]) -> dict[str, int]:
    """How many responses got each verdict; every verdict is named."""
    found = Counter(grade.verdict for grade in grades)
    return {verdict.value: found[verdict] for verdict in Verdict}
