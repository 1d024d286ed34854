"""Where the files of one attempt are. Every node must have them under the same path."""

from dataclasses import dataclass
from pathlib import Path

from rlaw.engines.base import Workspace


@dataclass(frozen=True, slots=True)
class Paths:
    """Files of a run (data, checkpoints) and of one attempt at it (log, dumps): veRL truncates a log it finds."""

    run: Path
    attempt: Path

    @classmethod
    def of(cls, workspace: Workspace) -> "Paths":
        """The files under the workspace's folder."""
        folder = workspace.folder.absolute()
        return cls(folder / "verl", folder / "verl" / f"attempt-{workspace.attempt}")

    @classmethod
    def of_nothing(cls) -> "Paths":
        """Names that no file has, to list the settings."""
        return cls(Path(), Path())

    @property
    def train(self) -> Path:
        """Training problems, in the order they are met."""
        return self.run / "train.parquet"

    @property
    def validation(self) -> Path:
        """All benchmarks' problems."""
        return self.run / "validation.parquet"

    @property
    def task(self) -> Path:
        """The task's settings, for the reward function."""
        return self.run / "task.json"

    @property
    def checkpoints(self) -> Path:
        """veRL's global_step_N folders."""
        return self.run.parent / "checkpoints"

    @property
    def log(self) -> Path:
        """veRL's metrics, a line of JSON for each step."""
        return self.attempt / "metrics.jsonl"

    @property
    def output(self) -> Path:
        """What the trainer prints."""
        return self.attempt / "output.log"

    @property
    def answers(self) -> Path:
        """Every answer of every evaluation, a file for each step."""
        return self.attempt / "validation"

    @property
    def rollouts(self) -> Path:
        """Every rollout of a step, until it is read."""
        return self.attempt / "rollouts"
