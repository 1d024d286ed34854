"""The state of a run after a step, written and read again bit for bit."""

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
class TrainState(Progress):
    """Everything that the next step depends on: `policy` is weights and optimizer moments."""

    policy: Policy = field(kw_only=True)


def save(state: TrainState, run: Run, checkpoints: Path) -> str:
    """Write a state into a folder of its own; returns the SHA-256 of the weights.

    Before the first step nothing is written, and the hash is empty: the base is the state.

    Raises:
        StoreError: it cannot be written; older checkpoints are as they were.
    """
    if state.record is None:
        return ""
    moments = {path: np.asarray(x) for path, x in _leaves(state.policy.moments)}

    def fill(aside: Path) -> None:
        hugging_face.save(aside, run, state.policy.params)
        save_file(moments, aside / MOMENTS)
        state.write(aside)

    hashes = checkpoint.write(checkpoints / state.name, fill)
    checkpoint.prune(checkpoints)
    return hashes[hugging_face.WEIGHTS]


def load(folder: Path, run: Run) -> TrainState:
    """The state that `save` wrote."""
    params = hugging_face.load(folder, run.architecture)
    fresh, saved = optimizer.start(params, run.rl).moments, load_file(folder / MOMENTS)
    moments = jax.tree.unflatten(jax.tree.structure(fresh), [saved[path] for path, _ in _leaves(fresh)])
    return TrainState(**vars(progress.read(folder, run.id)), policy=Policy(params, moments))


def _leaves(tree: Any) -> list[tuple[str, Any]]:
    return [(jax.tree_util.keystr(path), x) for path, x in jax.tree_util.tree_leaves_with_path(tree)]
