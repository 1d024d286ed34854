"""Distances between the covariances of weight updates, and their barycenter.

The covariance of an update D (out, in) is D'D: which inputs it reacts to, and how strongly. It is kept as its largest
eigenvectors V (in, r) and the singular values s (r,) of D: D'D is about V diag(s^2) V'.
Source: Bhatia, Jain and Lim 2019, On the Bures-Wasserstein distance between positive definite matrices, Expo. Math. 37.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh

_STEPS, _TOLERANCE = 50, 1e-5
_ALIKE = 1e-8  # a column of a basis that the others nearly span
#: what is left of the largest eigenvalue where a covariance has none: whitening by less would be noise
FLOOR = 1e-6


@dataclass(frozen=True, eq=False)
class Factor:
    """An update's covariance, cut after its largest directions.

    Attributes:
        V: (in, r) right singular vectors.
        s: (r,) singular values, falling.
        energy: of the whole update, the sum of all squared singular values.
        rank: effective rank, (sum s^2)^2 / sum s^4 over all singular values.
    """

    V: np.ndarray
    s: np.ndarray
    energy: float
    rank: float

    @property
    def kept(self) -> float:
        """The share of the energy that the cut leaves."""
        return float((self.s.astype(float) ** 2).sum()) / self.energy if self.energy else 1.0


def factor(update: np.ndarray, energy: float = 0.95, most: int = 32) -> Factor:
    """The smallest number of right singular vectors that hold a share of an update's energy, at most so many.

    Args:
        update: (out, in).
        energy: the share.
        most: of them.
    """
    total = float(np.vdot(update, update))
    if not total:
        return Factor(np.zeros((update.shape[1], 0), np.float32), np.zeros(0, np.float32), 0.0, 0.0)
    scaled = update / np.sqrt(total)  # RL moves weights by little: squares of squares would vanish
    wide = scaled.shape[0] < scaled.shape[1]
    gram = scaled @ scaled.T if wide else scaled.T @ scaled
    n = len(gram)
    values, vectors = eigh(gram, subset_by_index=[max(n - most, 0), n - 1], check_finite=False)
    values, vectors = np.maximum(values[::-1], 0), vectors[:, ::-1]
    r = int(np.searchsorted(np.cumsum(values.astype(float)), energy - 1e-6) + 1)
    r = min(r, int((values > values[0] * 1e-7).sum()))
    values, vectors = values[:r], vectors[:, :r]
    V = scaled.T @ (vectors / np.sqrt(values)) if wide else vectors
    return Factor(V, np.sqrt(values * total), total, 1 / float(np.vdot(gram, gram)))


def distance(a: np.ndarray, b: np.ndarray) -> float:
    """The Bures distance of two covariances (n, n): d^2 = tr A + tr B - 2 tr (A^1/2 B A^1/2)^1/2."""
    fidelity = float(np.linalg.svd(root(a) @ root(b), compute_uv=False).sum())
    return float(np.sqrt(max(np.trace(a) + np.trace(b) - 2 * fidelity, 0.0)))


def conflict(a: np.ndarray, b: np.ndarray) -> float:
    """d^2 / (tr A + tr B) of two covariances (n, n): 0 for equal ones, 1 for disjoint ones."""
    total = float(np.trace(a) + np.trace(b))
    return distance(a, b) ** 2 / total if total else 0.0


@dataclass(frozen=True, slots=True)
class Conflict:
    """How far two updates are apart.

    Attributes:
        bures: the distance of their covariances.
        raw: conflict; of A and k A it is (1 - sqrt k)^2 / (1 + k), so that size alone counts.
        normalised: the same with both traces 1: of A and k A it is 0.
    """

    bures: float
    raw: float
    normalised: float


def conflict_of(a: Factor, b: Factor) -> Conflict:
    """Distance and conflict of two updates by their factors: the fidelity is the nuclear norm of s_a V_a'V_b s_b."""
    trace_a, trace_b = (float((one.s.astype(float) ** 2).sum()) for one in (a, b))
    if not trace_a or not trace_b:
        return Conflict(float(np.sqrt(trace_a + trace_b)), float(trace_a + trace_b > 0), float(trace_a != trace_b))
    between = (a.V * a.s).T.astype(float) @ (b.V * b.s).astype(float)
    fidelity = float(np.linalg.svd(between, compute_uv=False).sum())
    squared = max(trace_a + trace_b - 2 * fidelity, 0.0)
    cosine = min(fidelity / float(np.sqrt(trace_a * trace_b)), 1.0)
    return Conflict(float(np.sqrt(squared)), squared / (trace_a + trace_b), 1 - cosine)


def overlap(a: np.ndarray, b: np.ndarray, of_a: Factor, of_b: Factor) -> float:
    """|D_a V_b| / |D_a|, and the same the other way round, their mean: 1 where both react to the same inputs."""
    if not of_a.energy or not of_b.energy:
        return 0.0
    there = np.linalg.norm(a @ of_b.V) / np.sqrt(of_a.energy)
    back = np.linalg.norm(b @ of_a.V) / np.sqrt(of_b.energy)
    return float(there + back) / 2


def basis(factors: Sequence[Factor]) -> np.ndarray:
    """Q (in, q): orthonormal, and what all right singular vectors span."""
    Q, R = np.linalg.qr(np.concatenate([one.V for one in factors], axis=1).astype(float))
    return Q[:, np.abs(np.diag(R)) >= _ALIKE]


def root(a: np.ndarray, power: float = 0.5) -> np.ndarray:
    """A power of a symmetric matrix without negative eigenvalues."""
    values, vectors = np.linalg.eigh(a)
    values = np.maximum(values, 0 if power > 0 else np.finfo(float).tiny)
    return (vectors * values**power) @ vectors.T


def barycenter(covariances: Sequence[np.ndarray], weights: Sequence[float] | None = None) -> np.ndarray:
    """The covariance with the least weighted sum of squared Bures distances to these, (n, n) each.

    Source: Alvarez-Esteban et al. 2016, A fixed-point approach to barycenters in Wasserstein space, JMAA 441, 744-762.
    """
    w = np.full(len(covariances), 1 / len(covariances)) if weights is None else np.asarray(weights) / np.sum(weights)
    middle = np.tensordot(w, np.stack(covariances), 1)
    for _ in range(_STEPS):
        half, inverse = root(middle), root(middle, -0.5)
        inner = np.tensordot(w, np.stack([root(half @ one @ half) for one in covariances]), 1)
        following = inverse @ inner @ inner @ inverse
        moved = np.linalg.norm(following - middle) / np.linalg.norm(middle)
        middle = (following + following.T) / 2
        if moved < _TOLERANCE:
            break
    return middle
