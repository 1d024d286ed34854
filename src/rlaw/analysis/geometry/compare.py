"""How far checkpoints moved from their base, and whether their updates conflict: by layer, and whole.

    rlaw.geometry("base", ["skill-a", "skill-b"])

The matrices of the layers are read one by one, so that a checkpoint of any size is compared in little memory.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from rlaw.analysis.geometry.bures import Factor, conflict_of, factor, overlap
from rlaw.analysis.geometry.weights import Tensor, Weights
from rlaw.errors import DataError, UsageError
from rlaw.fitting.diagnostics import Caution
from rlaw.fitting.interval import Plain, finite, plain
from rlaw.text import Readable, listed, short_names, table

ENERGY, MOST = 0.95, 32


@dataclass(frozen=True, slots=True)
class Update(Plain):
    """How far a checkpoint's matrices moved, in a layer or in all of them.

    Attributes:
        layer: its number; None for all.
        norm: Frobenius norm of the update.
        relative: the same, as a share of the base's norm.
        effective_rank: mean over matrices of (sum s^2)^2 / sum s^4.
        kept: mean share of the energy in the directions that conflicts are computed with.
    """

    layer: int | None
    norm: float
    relative: float
    effective_rank: float
    kept: float


@dataclass(frozen=True, slots=True)
class Distance(Plain):
    """How far two checkpoints' updates are apart, in a layer or in all of them; means over matrices and layers.

    Attributes:
        layer: its number; None for all.
        bures: root of the sum of squared Bures distances of the matrices.
        conflict: d^2 / (tr A + tr B): 0 for equal updates, 1 for disjoint ones; size alone counts.
        conflict_normalised: the same with all traces 1: size does not count.
        overlap: share of one update that lies in the directions of the other.
        cosine: between the updates themselves.
    """

    layer: int | None
    bures: float
    conflict: float
    conflict_normalised: float
    overlap: float
    cosine: float


@dataclass(frozen=True, repr=False)
class Geometry(Readable):
    """Checkpoints by their distance from the base and from each other.

    Attributes:
        base: the folder of the checkpoint that all started from.
        checkpoints: the folders.
        matrices: how many were compared; embeddings, heads, norms and biases are left out.
        updates: of each checkpoint, whole and then by layer.
        pairs: (a, b, distances, whole and then by layer).
        warnings: what was left out, and what speaks against trusting it.
    """

    base: str
    checkpoints: tuple[str, ...]
    matrices: int
    updates: tuple[tuple[Update, ...], ...]
    pairs: tuple[tuple[str, str, tuple[Distance, ...]], ...]
    warnings: tuple[Caution, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The document of `rlaw geometry --json`, schema 1."""

        def nested(first: dict[str, Any], parts: Sequence[Update | Distance]) -> dict[str, Any]:
            whole, *layers = [_finite(part.to_json()) for part in parts]
            del whole["layer"]
            return {**first, **whole, "layers": layers}

        return {
            "schema": 1,
            "base": self.base,
            "matrices": self.matrices,
            "checkpoints": [
                nested({"checkpoint": name}, parts) for name, parts in zip(self.checkpoints, self.updates, strict=True)
            ],
            "pairs": [nested({"a": a, "b": b}, parts) for a, b, parts in self.pairs],
            "warnings": plain(self.warnings),
        }

    def documents(self) -> list[dict[str, Any]]:
        """A row for each checkpoint and layer."""
        return [
            {"checkpoint": name, **part.to_json()}
            for name, parts in zip(self.checkpoints, self.updates, strict=True)
            for part in parts
        ]

    def __str__(self) -> str:
        names = dict(zip(self.checkpoints, short_names(self.checkpoints), strict=True))
        rows = [
            [names[name], f"{u.norm:.4g}", f"{u.relative:.2e}", f"{u.effective_rank:.1f}", f"{u.kept:.0%}"]
            for name, (u, *_) in zip(self.checkpoints, self.updates, strict=True)
        ]
        heads = ["checkpoint", ">update norm", ">of the base's", ">effective rank", ">energy kept"]
        lines = [f"{self.matrices} matrices of {self.base}", "", table(heads, rows)]
        if self.pairs:
            rows = [
                [
                    f"{names[a]}, {names[b]}",
                    *(f"{x:.4g}" for x in (d.bures, d.conflict, d.conflict_normalised)),
                    *(f"{x:.3f}" for x in (d.overlap, d.cosine)),
                ]
                for a, b, (d, *_) in self.pairs
            ]
            heads = ["pair", ">Bures", ">conflict", ">normalised", ">overlap", ">cosine"]
            lines += ["", table(heads, rows)]
        return "\n".join([*lines, *(f"caution ({w.code}): {w.text}" for w in self.warnings)])


def geometry(base: str | Path, checkpoints: Sequence[str | Path]) -> Geometry:
    """Norms, ranks, Bures distances and conflicts of weight updates, from safetensors of any Hugging Face layout.

    Args:
        base: the folder of the checkpoint that all started from.
        checkpoints: folders of what became of it.

    Raises:
        NotFound: there is no such checkpoint.
        DataError: it cannot be read, or has no matrix in common with the base.
        UsageError: no checkpoint, or one twice.
    """
    names = [str(one) for one in checkpoints]
    if not names or len(set(names)) < len(names):
        raise UsageError("geometry takes a base and one or more different checkpoints")
    first, others = Weights.open(base), [Weights.open(one) for one in checkpoints]
    common, cautions = common_matrices(first, others)
    updates: list[dict[int, list[tuple[float, float, Factor]]]] = [{} for _ in others]
    pairs: dict[tuple[int, int], dict[int, list[tuple[float, float, float, float, float]]]]
    pairs = {pair: {} for pair in combinations(range(len(others)), 2)}
    for tensor in common:
        layer = int(tensor.layer or 0)
        start = tensor.read()
        moved = [other.tensors[tensor.name].read() - start for other in others]
        per_matrix = [first.out_by_in(tensor, one) for one in moved]
        for part, own in enumerate(first.out_by_in(tensor, start)):
            here = [parts[part] for parts in per_matrix]
            factors = [factor(update, ENERGY, MOST) for update in here]
            size = float(np.vdot(own, own))
            for n, one in enumerate(factors):
                updates[n].setdefault(layer, []).append((one.energy, size, one))
            for (i, j), found in pairs.items():
                apart = conflict_of(factors[i], factors[j])
                norm = np.sqrt(factors[i].energy * factors[j].energy)
                cosine = float(np.vdot(here[i], here[j])) / norm if norm else 0.0
                shared = overlap(here[i], here[j], factors[i], factors[j])
                found.setdefault(layer, []).append((apart.bures, apart.raw, apart.normalised, shared, cosine))
    if not any(one.energy for parts in updates for layer in parts.values() for _, _, one in layer):
        cautions.append(Caution("no-update", "no checkpoint differs from the base in any matrix"))
    cautions += _cut(names, updates)
    return Geometry(
        str(base),
        tuple(names),
        sum(len(parts) for parts in updates[0].values()),
        tuple(_updates(parts) for parts in updates),
        tuple((names[i], names[j], _distances(found)) for (i, j), found in pairs.items()),
        tuple(cautions),
    )


def common_matrices(base: Weights, others: Sequence[Weights]) -> tuple[list[Tensor], list[Caution]]:
    """The matrices that all have with one shape, and what is said about the rest.

    Raises:
        DataError: there is none.
    """
    matrices = [tensor for tensor in base.tensors.values() if tensor.is_matrix]
    common, lost = [], []
    for tensor in matrices:
        there = [other.tensors.get(tensor.name) for other in others]
        fits = all(one is not None and one.shape == tensor.shape and one.is_float for one in there)
        (common if fits else lost).append(tensor)
    if not common:
        why = "none has the name and shape of one" if matrices else "no matrix inside of a numbered layer"
        raise DataError(
            f"{listed([other.folder for other in others])}: no matrix in common with {base.folder}: {why}\n"
            "  next: checkpoints of one architecture, in safetensors"
        )
    if not lost:
        return common, []
    text = (
        f"{len(lost)} of {len(matrices)} matrices are missing or of another shape: {listed([t.name for t in lost], 3)}"
    )
    return common, [Caution("other-matrices", f"{text}; they are left out")]


def _updates(layers: dict[int, list[tuple[float, float, Factor]]]) -> tuple[Update, ...]:
    def over(layer: int | None, parts: list[tuple[float, float, Factor]]) -> Update:
        moved, size = sum(part[0] for part in parts), sum(part[1] for part in parts)
        rank, kept = (float(np.mean([getattr(part[2], name) for part in parts])) for name in ("rank", "kept"))
        return Update(layer, float(np.sqrt(moved)), float(np.sqrt(moved / size)) if size else np.nan, rank, kept)

    every = [part for parts in layers.values() for part in parts]
    return over(None, every), *(over(layer, layers[layer]) for layer in sorted(layers))


def _distances(layers: dict[int, list[tuple[float, float, float, float, float]]]) -> tuple[Distance, ...]:
    means = {layer: np.mean(np.array(parts)[:, 1:], axis=0) for layer, parts in layers.items()}
    bures = {layer: float(np.sqrt((np.array(parts)[:, 0] ** 2).sum())) for layer, parts in layers.items()}
    whole = np.mean(list(means.values()), axis=0)
    everywhere = float(np.sqrt(sum(value**2 for value in bures.values())))
    return (
        Distance(None, everywhere, *map(float, whole)),
        *(Distance(layer, bures[layer], *map(float, means[layer])) for layer in sorted(layers)),
    )


def _cut(names: list[str], updates: list[dict[int, list[tuple[float, float, Factor]]]]) -> list[Caution]:
    kept = [np.mean([part[2].kept for parts in layers.values() for part in parts]) for layers in updates]
    low = [f"{name} {share:.0%}" for name, share in zip(names, kept, strict=True) if share < 0.9]
    if not low:
        return []
    text = f"{MOST} directions hold less than 90 % of the energy of {listed(low, 5)}: conflicts are of these alone"
    return [Caution("cut-energy", text)]


def _finite(document: dict[str, Any]) -> dict[str, Any]:
    return {name: finite(value) if isinstance(value, float) else value for name, value in document.items()}
