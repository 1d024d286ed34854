"""How far each run is, from its records."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Literal

from rlaw.store.journal import last_lineage
from rlaw.store.records import Evaluated, Record, RunFailed, RunFinished, RunInterrupted, RunStarted, Step

State = Literal["planned", "running", "interrupted", "finished", "failed", "diverged"]
#: states in which a run has nothing left to do
DONE = ("finished", "diverged")
#: a reward has collapsed when the mean of the last steps is below this share of the best such mean of the run
COLLAPSE_SHARE = 0.1
#: and the best was a reward worth the name
COLLAPSE_FROM = 0.05
#: the steps of such a mean: this share of the run, or so many
COLLAPSE_WINDOW, COLLAPSE_STEPS = 0.05, 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """One run of a store and how far it is.

    Attributes:
        params: non-embedding parameters.
        attempt: how many times it was started; 0 when it never was.
        step, steps: RL steps done and planned.
        test_loss: of the newest evaluation on the study's first benchmark.
        cause: of a failed run, what kind of failure; `text` says more.
    """

    label: str
    id: str
    arm: str
    model: str
    params: int
    variant: str
    seed: int
    steps: int
    state: State = "planned"
    attempt: int = 0
    step: int = 0
    test_loss: float | None = None
    cause: str = ""
    text: str = ""

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return {name: getattr(self, name) for name in self.__slots__}  # asdict copies, which counts for 10,000 runs


def status_of(spec: dict[str, Any], rows: Sequence[Record], alive: bool) -> Status:
    """The status of a run.

    Args:
        spec: the run's document, or its line in `study.json`.
        rows: all its records.
        alive: whether a living process is writing it.
    """
    view = last_lineage(rows)
    why = divergence(view)
    evaluated = [r for r in view if isinstance(r, Evaluated)]
    first = [r for r in evaluated if r.benchmark == evaluated[0].benchmark]
    failed = next((r for r in view if isinstance(r, RunFailed)), None)
    return Status(
        **{name: spec[name] for name in ("label", "id", "arm", "model", "params", "variant", "seed", "steps")},
        state=_state(view, alive, diverged=bool(why)),
        attempt=max((r.attempt for r in rows), default=0),
        step=max((getattr(r, "step", 0) for r in view), default=0),
        test_loss=first[-1].test_loss if first else None,
        cause=failed.cause if failed else "diverged" if why else "",
        text=failed.text if failed else why,
    )


def divergence(view: Sequence[Record]) -> str:
    """Why a run's measurements are no evidence for a law; empty when they are. Judged from records, for all engines.

    Either its loss or reward was no number, or its reward collapsed. A curriculum's reward falls as its problems get
    harder and is not judged.
    """
    steps = [r for r in view if isinstance(r, Step)]
    for name in ("loss", "reward_mean"):
        broken = next((r for r in steps if not math.isfinite(getattr(r, name))), None)
        if broken:
            return f"{name} is {getattr(broken, name)} at step {broken.step}"
    if any(isinstance(r, RunFinished) and r.diverged for r in view):
        return "its engine found weights or gradients that are no numbers"
    by_level = any(isinstance(r, RunStarted) and r.order == "curriculum" for r in view)
    return "" if by_level else _collapse([r.reward_mean for r in steps])


def _collapse(rewards: Sequence[float]) -> str:
    n = max(COLLAPSE_STEPS, round(COLLAPSE_WINDOW * len(rewards)))
    if len(rewards) < 2 * n:
        return ""
    total = [0.0, *accumulate(rewards)]
    means = [(b - a) / n for a, b in zip(total, total[n:], strict=False)]
    best, last = max(means), means[-1]
    if best < COLLAPSE_FROM or last >= COLLAPSE_SHARE * best:
        return ""
    return f"its reward collapsed from {best:.3g} to {last:.3g}, means of {n} steps"


def _state(view: Sequence[Record], alive: bool, *, diverged: bool) -> State:
    """The newest attempt decides; a failure or interruption is over as soon as a next attempt is alive."""
    if any(isinstance(r, RunFinished) for r in view):
        return "diverged" if diverged else "finished"
    if alive:
        return "running"
    if any(isinstance(r, RunFailed) for r in view):
        return "failed"
    started = any(isinstance(r, RunStarted | RunInterrupted) for r in view)
    return "interrupted" if started else "planned"
