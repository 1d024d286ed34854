"""How far a run is after a step: what every engine keeps beside weights and optimizer."""

import json
import math
from dataclasses import dataclass
from pathlib import Path

from rlaw.errors import StoreError
from rlaw.store.records import Step, of_row, to_row

STATE = "state.json"


@dataclass(frozen=True)
class Progress:
    """How far a run is after a step.

    Attributes:
        step: RL steps done.
        tokens: processed since the start of RL.
        flops: spent since the start of RL, as executed.
        record: of the last step; None before the first.
    """

    step: int = 0
    tokens: int = 0
    flops: int = 0
    record: Step | None = None

    @property
    def diverged(self) -> bool:
        """Loss, gradient or reward is not finite."""
        record = self.record
        return record is not None and not all(map(math.isfinite, (record.loss, record.grad_norm, record.reward_mean)))

    @property
    def name(self) -> str:
        """Of its checkpoint."""
        return f"step-{self.step:06d}"

    def write(self, folder: Path) -> None:
        """Into a checkpoint's folder; only after the first step: before it there is the base."""
        assert self.record is not None, "a checkpoint holds the record of its step"  # noqa: S101
        state = {"step": self.step, "tokens": self.tokens, "flops": self.flops, "record": to_row(self.record)}
        (folder / STATE).write_text(json.dumps(state) + "\n")


def read(folder: Path, run: str) -> Progress:
    """The one that was written into a checkpoint's folder.

    Args:
        folder: of the checkpoint.
        run: the id of the run that resumes from it.

    Raises:
        StoreError: it is another run's.
    """
    state = json.loads((folder / STATE).read_text())
    record = of_row(state["record"])
    assert isinstance(record, Step), "a checkpoint holds the record of its step"  # noqa: S101
    check_run(folder, record.run, run)
    return Progress(state["step"], state["tokens"], state["flops"], record)


def check_run(checkpoint: Path, found: str, run: str) -> None:
    """Refuse a checkpoint of another run.

    Args:
        checkpoint: where it is.
        found: the id of the run that it says it is of.
        run: the id of the run that would resume from it.

    Raises:
        StoreError: they differ.
    """
    if found != run:
        raise StoreError(
            f"{checkpoint} is a checkpoint of run {found}, not of {run}\n"
            f"  next: give the run its own checkpoints back, from a copy of the store, or remove them to start over"
        )
