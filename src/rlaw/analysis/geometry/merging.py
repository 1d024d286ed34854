"""Merging checkpoints of one base into one, tensor by tensor.

    rlaw.merge("base", ["skill-a", "skill-b"], "merged", method="gcwm")

Every method sees the updates, checkpoint - base, of one tensor. `mean`, `task-arithmetic`, `ties` and `dare` treat
every number alike; `wudi` and `gcwm` are of matrices inside of layers, and take the mean elsewhere.
"""

import math
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rlaw.analysis.geometry.bures import FLOOR, barycenter, basis, conflict_of, factor, root
from rlaw.analysis.geometry.weights import INDEX, Tensor, Weights, write_header
from rlaw.engines import checkpoint
from rlaw.errors import DataError, StoreError, UsageError
from rlaw.text import listed

ENERGY, MOST = 0.9, 16  # of an update's directions, in merging
_GATE_LOW, _GATE_HIGH = 0.05, 0.95  # beyond which a merge is all of one kind
_WEIGHTS = (".safetensors", ".bin", ".pt", ".pth", ".gguf", ".onnx", ".msgpack", ".h5")


def mean(updates: Sequence[np.ndarray]) -> np.ndarray:
    """The mean of the updates."""
    return sum(updates[1:], updates[0]) / len(updates)


def task_arithmetic(updates: Sequence[np.ndarray], scale: float = 1.0) -> np.ndarray:
    """`scale` times the sum of the updates.

    Source: Ilharco et al. 2023, Editing models with task arithmetic, arXiv:2212.04089.
    """
    return scale * sum(updates[1:], updates[0])


def ties(updates: Sequence[np.ndarray], density: float = 0.2, scale: float = 1.0) -> np.ndarray:
    """Each update's largest numbers; the sign that weighs more; the mean of those that have it, times `scale`.

    Args:
        updates: of one tensor: what is largest is so within it.
        density: the share of numbers that is kept of each.
        scale: of the result.

    Source: Yadav et al. 2023, TIES-merging, arXiv:2306.01708.
    """
    kept = []
    for update in updates:
        count = max(round(density * update.size), 1)
        least = np.partition(np.abs(update), update.size - count, axis=None)[update.size - count]
        kept.append(np.where(np.abs(update) >= least, update, 0))
    sign = np.sign(sum(kept[1:], kept[0]))
    agree = [np.where(np.sign(update) == sign, update, 0) for update in kept]
    count = sum((update != 0).astype(np.float32) for update in agree)
    return scale * sum(agree[1:], agree[0]) / np.maximum(count, 1)


def dare(updates: Sequence[np.ndarray], density: float, rng: np.random.Generator, scale: float = 1.0) -> np.ndarray:
    """Numbers dropped at random, the rest enlarged so that means stay; their sum, times `scale`.

    Source: Yu et al. 2024, Language models are super Mario, arXiv:2311.03099.
    """
    drawn = [np.where(rng.random(update.shape, np.float32) < density, update / density, 0) for update in updates]
    return scale * sum(drawn[1:], drawn[0])


def wudi(updates: Sequence[np.ndarray], weights: Sequence[float] | None = None) -> np.ndarray:
    """The matrix that interferes least with every update: it minimises sum_t w_t |(m - D_t) D_t'|^2 / |D_t|^2.

    The stationary point itself, m = (sum a D D'D)(sum a D'D)^+ with a = w / |D|^2. The published method stops after
    some hundred small steps from the sum of the updates, and stays near that: results differ.

    Args:
        updates: (out, in) each.
        weights: of each; equal when None.

    Source: Cheng et al. 2025, Whoever started the interference should end it (WUDI-merging), arXiv:2503.08099.
    """
    w = [1.0] * len(updates) if weights is None else weights
    norms = [float(np.linalg.norm(update)) for update in updates]
    moved = [(update / norm, norm, share) for update, norm, share in zip(updates, norms, w, strict=True) if norm]
    if not moved:
        return np.zeros_like(updates[0])
    stacked = np.concatenate([math.sqrt(share) * unit for unit, _, share in moved])  # S, (T out, in): sum a D'D = S'S
    pulled = [math.sqrt(share) * norm * (unit @ unit.T) for unit, norm, share in moved]
    if len(stacked) <= stacked.shape[1]:  # M S (S'S)^+ = M (S S')^+ S, whichever is smaller
        return np.concatenate(pulled, axis=1) @ _pseudo_inverse(stacked @ stacked.T) @ stacked
    return np.concatenate(pulled, axis=1) @ stacked @ _pseudo_inverse(stacked.T @ stacked)


def _pseudo_inverse(gram: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(gram)
    sound = values > values[-1] * len(gram) * np.finfo(gram.dtype).eps
    return (vectors[:, sound] / values[sound]) @ vectors[:, sound].T


def gate(conflict: float) -> float:
    """The share of the geometric merge: none below a conflict of about 0, all of it well above .12."""
    alpha = 0.15 + 0.80 / (1 + math.exp(-12 * (conflict - 0.12)))
    return 0.0 if alpha <= _GATE_LOW else 1.0 if alpha >= _GATE_HIGH else alpha


def gcwm(
    updates: Sequence[np.ndarray],
    base: Callable[[Sequence[np.ndarray]], np.ndarray] = wudi,
    alpha: float | None = None,
) -> np.ndarray:
    """Gated Wasserstein merge: each update whitened, merged, and coloured as the barycenter of their covariances.

    Args:
        updates: (out, in) each.
        base: merges matrices.
        alpha: the share of the geometric merge, the rest is the plain one; by the mean conflict when None.

    Source: Geometry Conflict, arXiv:2605.09608. The floor of eigenvalues is 1e-6 of the largest one, not 1e-6, so that
    small updates are treated as large ones are.
    """
    moved = [update for update in updates if np.any(update)]
    if len(moved) < 2:
        return base(updates)
    factors = [factor(update, ENERGY, MOST) for update in moved]
    pairs = [conflict_of(a, b).raw for n, a in enumerate(factors) for b in factors[n + 1 :]]
    share = gate(float(np.mean(pairs))) if alpha is None else alpha
    plain = base(updates)
    if not share:
        return plain
    Q = basis(factors)
    inside = [Q.T @ (one.V * one.s) for one in factors]
    floor = FLOOR * max(float(one.s[0]) ** 2 for one in factors)
    covariances = [one @ one.T + floor * np.eye(Q.shape[1]) for one in inside]
    white = [
        _filtered(update, Q, root(one, -0.5), 1 / math.sqrt(floor))
        for update, one in zip(moved, covariances, strict=True)
    ]
    coloured = _filtered(base(white), Q, root(barycenter(covariances)), math.sqrt(floor))
    return share * coloured + (1 - share) * plain


def _filtered(update: np.ndarray, Q: np.ndarray, inner: np.ndarray, outer: float) -> np.ndarray:
    """An update times `inner` within the span of Q, and times the number `outer` outside of it."""
    within = update @ Q
    return outer * update + within @ (inner - outer * np.eye(len(inner))) @ Q.T


METHODS = ("mean", "task-arithmetic", "ties", "dare", "wudi", "gcwm")


def merge(
    base: str | Path,
    checkpoints: Sequence[str | Path],
    output: str | Path,
    *,
    method: str = "mean",
    scale: float = 1.0,
    density: float = 0.2,
    seed: int = 0,
) -> dict[str, Any]:
    """Merge checkpoints of one base into a checkpoint that loads as the base does.

    Args:
        base: the folder of the checkpoint that all started from; names, types, configuration and tokenizer are its.
        checkpoints: folders of what became of it.
        output: the folder to write; it must not be there.
        method: one of `METHODS`.
        scale: of the merged update, for task-arithmetic, ties and dare; choose it on validation problems.
        density: the share of numbers that ties and dare keep of each update.
        seed: of what dare drops.

    Returns:
        The method, its settings, where it was written, how many tensors were merged, and the SHA-256 of each file.

    Raises:
        NotFound: there is no such checkpoint.
        DataError: a tensor is missing from a checkpoint, or has another shape.
        UsageError: no such method, a density outside of 0 to 1, fewer than two checkpoints.
        StoreError: the folder is there, or cannot be written.
    """
    if method not in METHODS:
        raise UsageError(f"no method is called {method!r}; it is one of {', '.join(METHODS)}")
    if not 0 < density <= 1 or not math.isfinite(scale):
        raise UsageError(f"density is above 0 and at most 1, and scale a number: {density:g}, {scale:g}")
    if len({str(one) for one in checkpoints}) < 2 or len({str(one) for one in checkpoints}) < len(checkpoints):
        raise UsageError("merge takes a base and two or more different checkpoints")
    folder = Path(output)
    if folder.exists():
        raise StoreError(f"{folder} is there already\n  next: another folder, or remove it")
    if not folder.absolute().parent.is_dir():
        raise StoreError(f"there is no folder {folder.absolute().parent}\n  next: make it first")
    first, others = Weights.open(base), [Weights.open(one) for one in checkpoints]
    _check_same(first, others)
    rng = np.random.default_rng(seed)

    def merged(tensor: Tensor) -> np.ndarray:
        start = tensor.read()
        updates = [other.tensors[tensor.name].read() - start for other in others]
        return start + _merged(first, tensor, updates, method, scale, density, rng)

    hashes = checkpoint.write(folder, lambda part: _fill(part, first, merged))
    count = sum(tensor.is_float for tensor in first.tensors.values())
    settings = {"scale": scale} if method in ("task-arithmetic", "ties", "dare") else {}
    settings |= {"density": density} if method in ("ties", "dare") else {}
    settings |= {"seed": seed} if method == "dare" else {}
    where = {"output": str(folder), "base": str(base), "checkpoints": [str(one) for one in checkpoints]}
    return {"schema": 1, "method": method, **settings, **where, "tensors": count, "sha256": hashes}


def _merged(
    first: Weights,
    tensor: Tensor,
    updates: list[np.ndarray],
    method: str,
    scale: float,
    density: float,
    rng: np.random.Generator,
) -> np.ndarray:
    if method == "task-arithmetic":
        return task_arithmetic(updates, scale)
    if method == "ties":
        return ties(updates, density, scale)
    if method == "dare":
        return dare(updates, density, rng, scale)
    if method == "mean" or not tensor.is_matrix:
        return mean(updates)
    made = np.empty_like(updates[0])
    parts = [first.out_by_in(tensor, update) for update in updates]
    for n, into in enumerate(first.out_by_in(tensor, made)):
        here = [part[n] for part in parts]
        into[...] = wudi(here) if method == "wudi" else gcwm(here)
    return made


def _check_same(first: Weights, others: Sequence[Weights]) -> None:
    for other in others:
        lost = [
            name
            for name, tensor in first.tensors.items()
            if name not in other.tensors or other.tensors[name].shape != tensor.shape
        ]
        more = [name for name in other.tensors if name not in first.tensors]
        if lost or more:
            what = f"{len(lost)} tensors are missing or of another shape" if lost else f"{len(more)} tensors are more"
            raise DataError(
                f"{other.folder}: {what} than in {first.folder}: {listed(lost or more, 3)}\n"
                "  next: checkpoints of one base, with its vocabulary, saved whole"
            )
    types = {tensor.dtype for one in (first, *others) for tensor in one.tensors.values() if not tensor.is_float}
    if quantised := sorted(kind for kind in types if kind.startswith("F8")):
        raise DataError(
            f"{first.folder}: tensors of type {listed(quantised)} cannot be merged\n  next: a bf16 checkpoint"
        )


def _fill(part: Path, first: Weights, merged: Callable[[Tensor], np.ndarray]) -> None:
    """The merged checkpoint's files: weights in the base's files and order, and what stands beside them there."""
    for file in first.files:
        own = [tensor for tensor in first.tensors.values() if tensor.file == file]
        with (part / file.name).open("wb") as opened:
            write_header(opened, own)
            for tensor in own:
                opened.write(tensor.written(merged(tensor)) if tensor.is_float else tensor.stored())
    if first.folder.is_dir():
        for path in sorted(first.folder.iterdir()):
            is_weights = path.suffix in _WEIGHTS or (path.name.endswith(".index.json") and path.name != INDEX)
            if path.is_file() and not is_weights and path.name != checkpoint.MANIFEST and path.name[:1] != ".":
                shutil.copyfile(path, part / path.name)
