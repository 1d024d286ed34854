"""The reward of mathematics: 1 when what a response answers is the reference answer. Rules: docs/data.md.

In order:

1. no \\boxed{} outside of the thoughts (or an empty one, or one cut short, or one longer than `LONGEST`): unparsed;
2. the same characters but for spacing, or the same number: right; two different integers: wrong (`answer.compare`);
3. otherwise both are read, and compared kind by kind (`algebra.check`), in a worker with limits;
4. an answer beyond its share of work, or a worker at a limit of time or memory, which is killed: timeout.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock

from rlaw.rewards import answer
from rlaw.rewards.base import Grade, Verdict
from rlaw.rewards.pool import Pool


@dataclass(frozen=True, slots=True)
class MathReward:
    """Judges responses in LaTeX. Rewards with the same limits in one process share their workers.

    Args:
        seconds: wall seconds for one answer, and for a batch beyond a tenth of a second for each of its answers.
        memory_mb: address space of one worker, MiB.
        workers: answers checked at once; one per core of this process, at most eight, when left out.
    """

    seconds: float = 5.0
    memory_mb: int = 1024
    workers: int | None = None
    name: str = "mathematics"

    def grade(self, responses: Sequence[str], references: Sequence[str]) -> list[Grade]:
        """One grade for each response, in order."""
        return self.compare([answer.boxed(response) for response in responses], references)

    def compare(self, answers: Sequence[str | None], references: Sequence[str]) -> list[Grade]:
        """One grade for each answer that was found in a response, without its box; None where none was found."""
        grades: list[Grade | None] = []
        pairs: list[tuple[str, str]] = []
        for found, reference in zip(answers, references, strict=True):
            wanted = answer.reference(reference)
            grades.append(quick := _without_algebra(found, wanted))
            if quick is None:
                pairs.append((found or "", wanted))
        checked = iter(self.pool.check(pairs) if pairs else ())
        return [quick or next(checked) for quick in grades]

    @property
    def pool(self) -> Pool:
        """This process's workers with these limits, started at first use."""
        return _pool(os.getpid(), self.seconds, self.memory_mb, self.workers or min(8, len(os.sched_getaffinity(0))))


def _without_algebra(found: str | None, wanted: str) -> Grade | None:
    """The grade where none of the workers is needed."""
    if found is None:
        return Grade(Verdict.UNPARSED, "no answer")
    if max(len(found), len(wanted)) > answer.LONGEST:
        same = found == wanted
        return Grade(Verdict.RIGHT, "exact") if same else Grade(Verdict.UNPARSED, "too long")
    same = answer.compare(found, wanted)
    return None if same is None else Grade(Verdict.RIGHT if same else Verdict.WRONG, "exact")


_POOLS: dict[tuple[int, float, int, int], Pool] = {}
_STARTING = Lock()


def _pool(*limits: *tuple[int, float, int, int]) -> Pool:
    """The pool of a process with these limits; a forked process has none of its parent's."""
    with _STARTING:
        if limits not in _POOLS:
            _POOLS[limits] = Pool(*limits[1:])
        return _POOLS[limits]
