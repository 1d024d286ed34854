"""Where the files of one attempt are. Every node must have them under the same path."""

from dataclasses import dataclass
from pathlib import Path

from rlaw.engines.base import Workspace


@dataclass(frozen=True, slots=True)
class Paths:
    """Files of a run (data, checkpoints) and of one attempt at it (log, dumps): veRL truncates a log it finds.

    Attributes:
        run, attempt: their folders.
        train: training problems, in the order they are met.
        validation: all benchmarks' problems.
        task: the task's settings, for the reward function.
        checkpoints: veRL's global_step_N folders.
        log: veRL's metrics, a line of JSON for each step.
        output: what the trainer prints.
        answers: every answer of every evaluation, a file for each step.
        rollouts: every rollout of a step, until it is read.
    """

    run: Path
    attempt: Path
    train: Path
    validation: Path
    task: Path
    checkpoints: Path
    log: Path
    output: Path
    answers: Path
    rollouts: Path

    @classmethod
    def of_nothing(cls) -> "Paths":
        """Names that no file has, to list the settings."""
        return cls.of(Workspace(Path(), Path()))

    @classmethod
    def of(cls, workspace: Workspace) -> "Paths":
        """The files under the workspace's folder."""
        folder = workspace.folder.absolute()
        run = folder / "verl"
        attempt = run / f"attempt-{workspace.attempt}"
        return cls(
            run=run,
            attempt=attempt,
            train=run / "train.parquet",
            validation=run / "validation.parquet",
            task=run / "task.json",
            checkpoints=folder / "checkpoints",
            log=attempt / "metrics.jsonl",
            output=attempt / "output.log",
            answers=attempt / "validation",
            rollouts=attempt / "rollouts",
        )
