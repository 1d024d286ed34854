"""A size's points turned so that what scatters them is independent: its noise, its drift and its own walk.

Axes: n points of a size, M asked points, J stretches of the walk that sizes share.
"""

from dataclasses import dataclass

import numpy as np

from rlaw.forecasting.pooling.size import PooledSize

DRIFTS = ((0.0, 0.0), (0.3, 0.8), (0.6, 0.8), (0.3, 0.95), (0.6, 0.95))  # share of the variance that lasts, memory


@dataclass(frozen=True, slots=True)
class Whitened:
    """A size's points turned so that their noise and their own wandering are independent, for one kind of drift.

    Attributes:
        walk: (n,) variance of the size's own walk along each direction, for unit wander and unit noise.
        X: (n, 2 + J) design: the level, -ln X, and the stretches of the walk that sizes share.
        y: (n,) log loss.
        turn: (n, n) from points to directions.
        logs: log determinant of the noise, for unit noise.
    """

    walk: np.ndarray
    X: np.ndarray
    y: np.ndarray
    turn: np.ndarray
    logs: float


def whiten(size: PooledSize, turn: float, edges: np.ndarray, drift: tuple[float, float]) -> Whitened:
    """The points of a size about `turn`, the ln X where its line turns, for one share and memory of the drift."""
    z, y = size.log_x - turn, np.log(size.loss) - size.level
    X = design(z, edges)
    if not len(z):
        return Whitened(np.zeros(0), X, y, np.zeros((0, 0)), 0.0)
    share, memory = drift
    order = np.concatenate([np.arange(c) for c in np.unique(size.run, return_counts=True)[1]])
    same = size.run[:, None] == size.run[None]
    lasting = same * memory ** np.abs(np.subtract.outer(order, order)) if share else 0.0
    expected = _smooth(size)
    root = np.linalg.cholesky(((1 - share) * np.eye(len(z)) + share * lasting) / np.outer(expected, expected))
    inverse = np.linalg.inv(root)
    walk, basis = np.linalg.eigh(inverse @ walk_of(z, z) @ inverse.T)
    turned = basis.T @ inverse
    logs = 2 * float(np.log(np.diag(root)).sum())
    return Whitened(np.maximum(walk, 0), turned @ X, turned @ y, turned.T, logs)


def design(z: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """(M, 2 + J): the level, the way from the middle against the fall, and the way within each stretch."""
    way = np.clip(z[:, None], edges[:-1], edges[1:]) - np.clip(0.0, edges[:-1], edges[1:])
    return np.concatenate([np.ones((len(z), 1)), -z[:, None], -way], axis=1)


def walk_of(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Covariance of a random walk that starts at 0 and goes both ways, unit variance over a unit."""
    same_side = np.multiply.outer(a, b) > 0
    return np.where(same_side, np.minimum.outer(np.abs(a), np.abs(b)), 0.0)


def _smooth(size: PooledSize) -> np.ndarray:
    """(n,) loss along the size's own parabola in log-log, to turn errors of the loss into those of its logarithm."""
    z, y = size.log_x - size.log_x.mean(), np.log(size.loss)
    degree = min(2, len(np.unique(z)) - 1)
    return np.clip(np.exp(np.polyval(np.polyfit(z, y, degree), z)), 0.005, 1.0)
