"""What is seen of the sizes of a ladder, and what their points tell before any model."""

from dataclasses import dataclass

import numpy as np

from rlaw.fitting.curves import Curves

_MOST_POINTS = 200  # of a run; more are averaged in groups
_SMALLEST = 1e-5


@dataclass(frozen=True, slots=True)
class PooledSize:
    """What is seen of one size; empty arrays for a size of which nothing is.

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

    @staticmethod
    def unseen(model: str, params: float, level: float = 0.0) -> "PooledSize":
        """A size without points."""
        return PooledSize(model, params, np.zeros(0), np.zeros(0), np.zeros(0, int), level)


def sizes_of(curves: Curves) -> list[PooledSize]:
    """What curves tell of every size; long runs averaged in groups of neighbouring evaluations."""
    found = []
    for r, model in enumerate(curves.models):
        parts = []
        for i in range(curves.runs[r]):
            here = np.flatnonzero(curves.present[r] & (curves.run[r] == i))
            here = here[np.argsort(curves.step[r, here], kind="stable")]
            group = np.arange(len(here)) * min(len(here), _MOST_POINTS) // max(len(here), 1)
            count = np.maximum(np.bincount(group), 1)
            log_x, loss = (np.bincount(group, a[r, here]) / count for a in (np.log(curves.at.x[0]), curves.loss))
            parts.append((log_x, loss, np.full(len(loss), i)))
        log_x, loss, run = (np.concatenate(p) for p in zip(*parts, strict=True)) if parts else (np.zeros(0),) * 3
        found.append(PooledSize(model, float(curves.params[r]), log_x, loss, run.astype(int)))
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
    """Ends of what was seen of any size, ln X from the middle."""
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
