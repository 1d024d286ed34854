"""The callback that turns what TRL's trainer does into our records, in step order, and asks for checkpoints."""

# pyright: reportMissingImports=false, reportMissingModuleSource=false

import time
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from transformers import TrainerCallback

from rlaw.engines.base import reward_statistics, stepped
from rlaw.engines.progress import Progress
from rlaw.engines.trl import state
from rlaw.engines.trl.evaluation import Evaluations, seed_of
from rlaw.engines.trl.rollouts import Grader, step_flops
from rlaw.engines.trl.settings import updates
from rlaw.engines.trl.stream import Stream
from rlaw.engines.trl.trainer import Trainer

SECONDS_BETWEEN_CHECKPOINTS = 30.0


class Recorder(TrainerCallback):
    """Sends the records of one attempt. `at` is the progress so far."""

    trainer: Trainer

    def __init__(self, at: Progress, attempt: int, grader: Grader, evaluations: Evaluations, checkpoints: Path) -> None:
        self.at, self.kept, self.attempt, self.run = at, at, attempt, grader.run
        self.grader, self.evaluations, self.checkpoints = grader, evaluations, checkpoints
        self.logs: list[dict[str, Any]] = []
        self.saved_at = time.monotonic()
        self.stream: Stream | None = None

    def listen(self, trainer: Trainer, stream: Stream) -> None:
        """Send that trainer's records to that stream."""
        self.trainer, self.stream = trainer, stream
        trainer.add_callback(self)

    def save(self) -> None:
        """Write a checkpoint of the last step, unless there is one."""
        if self.at is not self.kept:
            state.save(self.at, self.trainer, self.checkpoints)
            self.kept, self.saved_at = self.at, time.monotonic()

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """The step that is resumed at, or the evaluation before the first step."""
        self._send_records()

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """An RL step begins with its first update: its random numbers depend on seed and step alone."""
        if state.global_step % updates(self.run) == 0:
            torch.manual_seed(seed_of(self.run, "rollout", self.at.step + 1))
            self.trainer.start_timer()

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any], **_: Any) -> None:
        """TRL logged an update; the last one of a step ends it."""
        if "loss" not in logs:
            return
        self.logs.append(logs)
        if state.global_step % updates(self.run):
            return
        self._advance()
        self._send_records()
        control.should_training_stop = self.at.diverged or control.should_training_stop
        if time.monotonic() - self.saved_at >= SECONDS_BETWEEN_CHECKPOINTS:
            self.save()

    def _send_records(self) -> None:
        assert self.stream is not None, "listen comes first"  # noqa: S101
        for record in self.evaluations.records(self.at, self.trainer.model):
            self.stream.send(record, self.save)

    def _advance(self) -> None:
        """Make the record of a step from TRL's logs of its updates."""
        run, step, rollouts, seconds = self.run, self.at.step + 1, self.grader.last, self.trainer.seconds()
        assert rollouts is not None, "TRL grades before it updates"  # noqa: S101
        flops, prompt, response = step_flops(run, rollouts), rollouts.prompt_tokens, rollouts.response_tokens
        record = stepped(
            run,
            self.attempt,
            step,
            flops,
            unique_prompts=self.grader.distinct_I[step * run.rl.prompts - 1].item(),
            prompt_tokens=prompt,
            response_tokens=response,
            loss=self._mean("loss"),
            kl=self._mean("kl") if run.rl.beta else None,
            entropy=self._mean("entropy"),
            clip_share=self._mean("clip_ratio/region_mean"),
            grad_norm=self._mean("grad_norm"),
            learning_rate=self.logs[-1]["learning_rate"],
            response_length=response / rollouts.rewards_PG.size,
            truncated_share=rollouts.truncated_share,
            seconds=seconds,
            **reward_statistics(rollouts.rewards_PG),
        )
        self.at = Progress(step, self.at.tokens + prompt + response, self.at.flops + flops.total, record)
        self.logs.clear()

    def _mean(self, name: str) -> float:
        """The mean of a logged metric over the updates of a step."""
        return fmean(float(logs[name]) for logs in self.logs)
