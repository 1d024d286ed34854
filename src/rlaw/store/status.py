"""How far each run is, told from its records."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from rlaw.records import Evaluated, Record, RunFailed, RunFinished, RunInterrupted, RunStarted
from rlaw.store.journal import last_lineage

State = Literal["planned", "running", "interrupted", "finished", "failed", "diverged"]
#: states in which a run has nothing left to do
DONE = ("finished", "diverged")


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """One run of a store and how far it is.

    Attributes:
        params: non-embedding parameters.
        attempt: how many times it was started; 0 when it never was.
        step, steps: RL steps done and planned.
        test_loss: of the newest evaluation on the study's first benchmark.
        cause: of a failed run, what kind of failure; `text` tells more.
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


def status_of(spec: dict[str, Any], rows: Sequence[Record], alive: bool) -> Status:
    """The status of a run.

    Args:
        spec: the run's document, or its line in `study.json`.
        rows: all its records.
        alive: whether a living process is writing it.
    """
    view = last_lineage(rows)
    evaluated = [r for r in view if isinstance(r, Evaluated)]
    first = [r for r in evaluated if r.benchmark == evaluated[0].benchmark]
    failed = next((r for r in view if isinstance(r, RunFailed)), None)
    return Status(
        **{name: spec[name] for name in ("label", "id", "arm", "model", "params", "variant", "seed", "steps")},
        state=_state(view, alive),
        attempt=max((r.attempt for r in rows), default=0),
        step=max((getattr(r, "step", 0) for r in view), default=0),
        test_loss=first[-1].test_loss if first else None,
        cause=failed.cause if failed else "",
        text=failed.text if failed else "",
    )


def _state(view: Sequence[Record], alive: bool) -> State:
    """The newest attempt decides; a failure or interruption is over as soon as a next attempt is alive."""
    if any(isinstance(r, RunFinished) for r in view):
        return "diverged" if any(isinstance(r, RunFinished) and r.diverged for r in view) else "finished"
    if alive:
        return "running"
    if any(isinstance(r, RunFailed) for r in view):
        return "failed"
    started = any(isinstance(r, RunStarted | RunInterrupted) for r in view)
    return "interrupted" if started else "planned"
