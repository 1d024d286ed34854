"""Where a run stands after a step, and how that is kept and found again, bit for bit."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax
import numpy as np
from safetensors.numpy import load_file, save_file

from rlaw.engines import checkpoint, progress
from rlaw.engines.local import hugging_face, optimizer
from rlaw.engines.local.optimizer import Policy
from rlaw.engines.progress import Progress
from rlaw.study.plan import Run

MOMENTS = "optimizer.safetensors"


@dataclass(frozen=True)
class Position(Progress):
    """Everything that the next step depends on: `policy` is weights and optimizer moments."""

    policy: Policy = field(kw_only=True)


def save(position: Position, run: Run, checkpoints: Path) -> str:
    """Keep a position in a folder of its own; returns the SHA-256 of the weights.

    Before the first step there is nothing to keep that the base does not: nothing is written, the hash is empty.

    Raises:
        StoreError: it cannot be written; older checkpoints are as they were.
    """
    if position.record is None:
        return ""
    moments = {path: np.asarray(x) for path, x in _leaves(position.policy.moments)}

    def fill(aside: Path) -> None:
        hugging_face.save(aside, run, position.policy.params)
        save_file(moments, aside / MOMENTS)
        position.write(aside)

    hashes = checkpoint.write(checkpoints / position.name, fill)
    checkpoint.prune(checkpoints)
    return hashes[hugging_face.WEIGHTS]


def load(folder: Path, run: Run) -> Position:
    """The position that `save` kept."""
    params = hugging_face.load(folder, run.architecture)
    fresh, saved = optimizer.start(params, run.rl).moments, load_file(folder / MOMENTS)
    moments = jax.tree.unflatten(jax.tree.structure(fresh), [saved[path] for path, _ in _leaves(fresh)])
    return Position(**vars(progress.read(folder)), policy=Policy(params, moments))


def _leaves(tree: Any) -> list[tuple[str, Any]]:
    return [(jax.tree_util.keystr(path), x) for path, x in jax.tree_util.tree_leaves_with_path(tree)]
