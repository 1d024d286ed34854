"""Where a run stands after a step, and how that is kept and found again, bit for bit."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
from safetensors.numpy import load_file, save_file

from rlaw.engines.local import checkpoint, hugging_face, optimizer
from rlaw.engines.local.optimizer import Policy
from rlaw.plan import Run
from rlaw.records import Step, of_row, to_row

STATE, MOMENTS = "state.json", "optimizer.safetensors"


@dataclass(frozen=True)
class Position:
    """Everything that the next step depends on, and the record of the last one.

    Attributes:
        step: RL steps done.
        policy: weights and optimizer moments.
        tokens: processed since the start of RL.
        flops: spent since the start of RL, as executed.
        record: of the last step; None before the first.
    """

    step: int
    policy: Policy
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


def save(position: Position, run: Run, checkpoints: Path) -> str:
    """Keep a position in a folder of its own; returns the SHA-256 of the weights.

    Before the first step there is nothing to keep that the base does not: nothing is written, the hash is empty.

    Raises:
        StoreError: it cannot be written; older checkpoints are as they were.
    """
    record = position.record
    if record is None:
        return ""
    state = {"step": position.step, "tokens": position.tokens, "flops": position.flops, "record": to_row(record)}
    moments = {path: np.asarray(x) for path, x in _leaves(position.policy.moments)}

    def fill(aside: Path) -> None:
        hugging_face.save(aside, run, position.policy.params)
        save_file(moments, aside / MOMENTS)
        (aside / STATE).write_text(json.dumps(state) + "\n")

    hashes = checkpoint.write(checkpoints / position.name, fill)
    checkpoint.prune(checkpoints)
    return hashes[hugging_face.WEIGHTS]


def load(folder: Path, run: Run) -> Position:
    """The position that `save` kept."""
    state = json.loads((folder / STATE).read_text())
    params = hugging_face.load(folder, run.architecture)
    fresh, saved = optimizer.start(params, run.rl).moments, load_file(folder / MOMENTS)
    moments = jax.tree.unflatten(jax.tree.structure(fresh), [saved[path] for path, _ in _leaves(fresh)])
    record = of_row(state["record"])
    assert isinstance(record, Step), "a checkpoint holds the record of its step"  # noqa: S101
    return Position(state["step"], Policy(params, moments), state["tokens"], state["flops"], record)


def step_of(folder: Path) -> int:
    """The step of a checkpoint, without reading its weights."""
    return json.loads((folder / STATE).read_text())["step"]


def _leaves(tree: Any) -> list[tuple[str, Any]]:
    return [(jax.tree_util.keystr(path), x) for path, x in jax.tree_util.tree_leaves_with_path(tree)]
