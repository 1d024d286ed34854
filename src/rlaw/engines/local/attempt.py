"""One attempt at one run: from the newest checkpoint, or the base, to the last step."""

import time
from collections.abc import Iterator
from dataclasses import replace

from rlaw.engines import checkpoint, progress
from rlaw.engines.base import Workspace, started
from rlaw.engines.local import optimizer, pretrain, process, state
from rlaw.engines.local.evaluation import Evaluations
from rlaw.engines.local.grpo import GRPO
from rlaw.engines.local.state import Position
from rlaw.store.provenance import now
from rlaw.store.records import BaseTrained, Record, RunFinished
from rlaw.study.plan import Run

SECONDS_BETWEEN_CHECKPOINTS = 30.0


def train(run: Run, workspace: Workspace) -> Iterator[Record]:
    """The records of one attempt.

    A resumed attempt tells the checkpoint's step and its evaluation again: whatever became of the last record of the
    attempt before, nothing is lost. Closing the iterator, or Ctrl-C, keeps the last finished step.
    """
    checkpoints = workspace.folder / "checkpoints"
    found = checkpoint.newest(checkpoints)
    resumed_at = progress.step_of(found) if found else 0
    yield started(run, workspace.attempt, resumed_at, threads=process.threads(), hardware=process.hardware())
    base, facts = pretrain.base(run, workspace.cache)
    yield BaseTrained(run=run.id, attempt=workspace.attempt, **vars(facts))
    recipe, evaluations = GRPO(run, base, workspace.attempt), Evaluations(run, workspace.attempt)
    at = state.load(found, run) if found else Position(policy=optimizer.start(base, run.rl))
    saved_at = time.monotonic()
    try:
        yield from _tell(at, workspace.attempt, evaluations)
        while at.step < run.rl.steps and not at.diverged:
            at = recipe.step(at)
            yield from _tell(at, workspace.attempt, evaluations)
            if time.monotonic() - saved_at >= SECONDS_BETWEEN_CHECKPOINTS:
                state.save(at, run, checkpoints)
                saved_at = time.monotonic()
    except (GeneratorExit, KeyboardInterrupt):
        state.save(at, run, checkpoints)
        raise
    yield _finished(run, workspace.attempt, at, state.save(at, run, checkpoints))


def _tell(at: Position, attempt: int, evaluations: Evaluations) -> Iterator[Record]:
    """The record of the position's step, and its evaluations when the schedule has some."""
    if at.record is not None:
        yield replace(at.record, attempt=attempt)
    if not at.diverged:
        yield from evaluations.of(at)


def _finished(run: Run, attempt: int, at: Position, weights: str) -> RunFinished:
    return RunFinished(
        run=run.id,
        attempt=attempt,
        step=at.step,
        checkpoint=f"checkpoints/{at.name}",
        weights=weights,
        diverged=at.diverged,
        time=now(),
    )
