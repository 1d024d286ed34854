"""Where a run stands after a step, and the verified folder that it goes on from.

The folder is transformers' own checkpoint (weights, optimizer, schedule, random numbers, trainer state: what
`resume_from_checkpoint` reads), moved under a name of ours with a manifest of hashes and the record of its step.
"""

import hashlib
import json
import math
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlaw.engines.local import checkpoint
from rlaw.records import Step, of_row, to_row

STATE = "state.json"
LEFT_OUT = ("training_args.bin", "README.md")  # a pickle, and a card for a hub: neither is read again


@dataclass(frozen=True)
class Position:
    """What is told of a run after a step.

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
        """Loss, gradient or reward are no numbers any more."""
        told = self.record
        return told is not None and not all(map(math.isfinite, (told.loss, told.grad_norm, told.reward_mean)))

    @property
    def name(self) -> str:
        """Of its checkpoint."""
        return f"step-{self.step:06d}"


def save(at: Position, trainer: Any, checkpoints: Path) -> None:
    """Keep a position after a step in a folder of its own.

    Raises:
        StoreError: it cannot be written; older checkpoints are as they were.
    """
    assert at.record is not None, "before the first step there is nothing to keep that the base does not"  # noqa: S101
    state = {"step": at.step, "tokens": at.tokens, "flops": at.flops, "record": to_row(at.record)}

    def fill(aside: Path) -> None:
        try:
            trainer._save_checkpoint(trainer.model, trial=None)
        except RuntimeError as error:  # torch's way to tell a full disk
            raise OSError(str(error)) from error
        written = Path(trainer.args.output_dir) / f"checkpoint-{trainer.state.global_step}"
        for path in written.iterdir():
            if path.name not in LEFT_OUT:
                shutil.move(path, aside / path.name)
        shutil.rmtree(written)
        (aside / STATE).write_text(json.dumps(state) + "\n")

    checkpoint.write(checkpoints / at.name, fill)
    checkpoint.prune(checkpoints)


def load(folder: Path) -> Position:
    """The position that `save` kept."""
    state = json.loads((folder / STATE).read_text())
    record = of_row(state["record"])
    assert isinstance(record, Step), "a checkpoint holds the record of its step"  # noqa: S101
    return Position(state["step"], state["tokens"], state["flops"], record)


def weights(folder: Path) -> str:
    """The SHA-256 of the weights of a checkpoint; of all their hashes where they are in several files."""
    hashes = [told for name, told in sorted(checkpoint.verify(folder).items()) if name.endswith(".safetensors")]
    return hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest()
