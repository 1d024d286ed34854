"""The points of the sizes of a ladder: as measured, and turned so that what scatters them is independent.

What scatters the points of a size is the noise of evaluations, the drift of its runs and its own walk.

Axes: n points of a size, M points to predict, J stretches of the walk that sizes share.
"""

from dataclasses import dataclass

import numpy as np

from rlaw.fitting.curves import Curves, each_run

_MOST_POINTS = 200  # of a run; more are averaged in groups
_SMALLEST = 1e-5
DRIFTS = ((0.0, 0.0), (0.3, 0.8), (0.6, 0.8), (0.3, 0.95), (0.6, 0.95))  # share of the variance that lasts, memory


@dataclass(frozen=True, slots=True)
class PooledSize:
    """The measured points of one size; empty arrays for a size without any.

    Attributes:
        model: its name.
        params: N.
        log_x: (n,) ln X.
        loss: (n,) test loss, > 0.
        run: (n,) which run a point belongs to; points of a run follow each other in order.
        level: what its level is measured from, ln; 0, or the log loss of its base.
    """

    model: str
    params: float
    log_x: np.ndarray
    loss: np.ndarray
    run: np.ndarray
    level: float = 0.0


def sizes_of(curves: Curves) -> list[PooledSize]:
    """The points of every size; long runs averaged in groups of neighbouring evaluations."""
    found = []
    for r, model in enumerate(curves.models):
        parts = [(np.zeros(0), np.zeros(0), np.zeros(0, int))]
        for _, points in each_run(curves.pick(np.array([r]))):
            here = points[np.argsort(curves.step[r, points], kind="stable")]
            group = np.arange(len(here)) * min(len(here), _MOST_POINTS) // len(here)
            count = np.maximum(np.bincount(group), 1)
            log_x, loss = (np.bincount(group, a[r, here]) / count for a in (np.log(curves.at.x[0]), curves.loss))
            parts.append((log_x, loss, np.full(len(loss), curves.run[r, here[0]])))
        log_x, loss, run = (np.concatenate(p) for p in zip(*parts, strict=True))
        found.append(PooledSize(model, float(curves.params[r]), log_x, loss, run))
    return found


def middle_of(sizes: list[PooledSize]) -> tuple[float, float]:
    """Intercept and slope, in ln N, of the middle of the curves; short ones are left out where there are long ones."""
    longest = max(len(np.unique(s.log_x)) for s in sizes)
    long = [s for s in sizes if len(np.unique(s.log_x)) >= max(longest / 2, 1)]
    n = np.log([s.params for s in long])
    middles = np.array([(s.log_x.min() + s.log_x.max()) / 2 for s in long])
    if np.ptp(n) == 0:
        return float(middles.mean()), 0.0
    slope, intercept = np.polyfit(n, middles, 1)
    return float(intercept), float(slope)


def span_of(sizes: list[PooledSize], turns: np.ndarray) -> tuple[float, float]:
    """Ends of the points of all sizes, ln X from the middle."""
    observed = [s.log_x - t for s, t in zip(sizes, turns, strict=True) if len(s.log_x)]
    return float(min(z.min() for z in observed)), float(max(z.max() for z in observed))


def scales_of(sizes: list[PooledSize]) -> tuple[float, float]:
    """The ladder's k and the noise of a loss, root mean squares over sizes with three places: units of the grid."""
    found = [p for p in map(_pilot, sizes) if p is not None]
    k, noise = (max(float(np.sqrt(np.mean(np.square(v)))), _SMALLEST) for v in zip(*found, strict=True))
    return k, noise


def _pilot(size: PooledSize) -> tuple[float, float] | None:
    """Slope of the straight line, and scatter of the loss about a parabola; None with fewer than three places."""
    if len(np.unique(size.log_x)) < 3:
        return None
    z, y = size.log_x - size.log_x.mean(), np.log(size.loss)
    degree = min(2, len(np.unique(z)) - 2)
    left = size.loss * (y - np.polyval(np.polyfit(z, y, degree), z))
    return -float(np.polyfit(z, y, 1)[0]), float(np.sqrt(np.sum(left**2) / max(len(z) - degree - 1, 1)))


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
