"""One attempt at one run: from the newest checkpoint, or the base, to the last step."""

import time
from collections.abc import Iterator
from typing import Any

from rlaw.engines import base, checkpoint, progress
from rlaw.engines.base import Measured, Workspace, ended, started
from rlaw.engines.local import optimizer, pretrain, process, state
from rlaw.engines.local.grpo import GRPO
from rlaw.engines.local.rollout import answer, grade
from rlaw.engines.local.state import TrainState
from rlaw.store.files import make_folder
from rlaw.store.records import BaseTrained, Record
from rlaw.study.plan import Run
from rlaw.tasks import of_tokens

SECONDS_BETWEEN_CHECKPOINTS = 30.0


class Evaluations(base.Evaluations):
    """Those of our own policy."""

    def measure(self, step: int, model: Any, benchmark: str, problems: Any) -> Measured:
        """Answer by the weights `model`."""
        run, settings, purpose = self.run, self.run.evaluation, f"evaluation {benchmark}"
        rollout = answer(run, model, problems, settings.samples, settings.temperature, purpose, step)
        correct_I = grade(of_tokens(run.task), problems, rollout).sum(axis=1)
        return Measured(correct_I, rollout.response_length, rollout.truncated_share)


def train(run: Run, workspace: Workspace) -> Iterator[Record]:
    """The records of one attempt.

    A resumed attempt repeats the records of the checkpoint's step: nothing is lost when the last record of the attempt
    before was. Closing the iterator, or Ctrl-C, keeps the last finished step.
    """
    checkpoints = workspace.checkpoints
    make_folder(checkpoints)
    found = checkpoint.newest(checkpoints, workspace.steps)
    resumed_at = progress.read(found, run.id).step if found else 0
    yield started(run, workspace.attempt, resumed_at, threads=process.threads(), hardware=process.hardware())
    params, facts = pretrain.base(run, workspace.cache)
    yield BaseTrained(run=run.id, attempt=workspace.attempt, **vars(facts))
    recipe, evaluations = GRPO(run, params, workspace.attempt), Evaluations(run, workspace.attempt)
    at = state.load(found, run) if found else TrainState(policy=optimizer.start(params, run.rl))
    saved_at = time.monotonic()
    try:
        yield from evaluations.records(at, at.policy.params)
        while at.step < run.rl.steps and not at.diverged:
            at = recipe.step(at)
            yield from evaluations.records(at, at.policy.params)
            if time.monotonic() - saved_at >= SECONDS_BETWEEN_CHECKPOINTS:
                state.save(at, run, checkpoints)
                saved_at = time.monotonic()
    except (GeneratorExit, KeyboardInterrupt):
        state.save(at, run, checkpoints)
        raise
    weights = state.save(at, run, checkpoints)
    yield ended(run, workspace.attempt, at.step, f"checkpoints/{at.name}", weights, diverged=at.diverged)
