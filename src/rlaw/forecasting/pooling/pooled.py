"""A ladder pooled: the loss of every size, measured or not, in draws and in their middle.

Axes: R sizes, n points of a size, J stretches of the shared walk, S draws, M points to predict.
"""

from dataclasses import dataclass, replace

import numpy as np

from rlaw.fitting.bootstrap import binomial_unit
from rlaw.forecasting.pooling.posterior import GridPoint, averaged, settings_of, weighed
from rlaw.forecasting.pooling.size import DRIFTS, PooledSize, Whitened, design, middle_of, span_of, walk_of, whiten

_STRETCH = 0.5  # of the shared walk, e-folds
_SLOPE_POINTS = 9


@dataclass(frozen=True)
class Pooled:
    """The posterior of a ladder.

    Attributes:
        sizes: the measured points, smallest first.
        middle: intercept and slope, in ln N, of the ln X about which the lines turn: the middle of the curves.
        edges: ends of the stretches of the shared walk, ln X from the middle; one of them is 0.
        span: ends of the points of all sizes, ln X from the middle.
        settings: the settings of the grid that carry the weight.
        typical_unit: root mean square of √(L (1 - L)) over the points, to which the noise refers.
    """

    sizes: tuple[PooledSize, ...]
    middle: tuple[float, float]
    edges: np.ndarray
    span: tuple[float, float]
    settings: tuple[GridPoint, ...]
    whitened: tuple[tuple[Whitened, ...], ...]
    typical_unit: float

    def draw(self, r: int, log_x: np.ndarray, draws: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Draws of one size: (S, M) true loss, (S, 1) variance of a measured one in units of L (1 - L), (S,) k.

        A loss is what the line and the walks make of it, which may be more than 1. k is the slope of the straight line
        through the size's curve, walks included, over the axis of the ladder.
        With the same seed, draw s of one size and draw s of another share everything that the ladder shares.
        """
        rng, own_rng = np.random.default_rng(seed), np.random.default_rng([seed, r + 1])
        M, about = len(log_x), np.linspace(*self.span, _SLOPE_POINTS) - np.mean(self.span)
        middle = self.middle[0] + self.middle[1] * np.log(self.sizes[r].params)
        places = np.concatenate([log_x, middle + np.mean(self.span) + about])
        weights = np.array([s.weight for s in self.settings])
        counts = rng.multinomial(draws, weights / weights.sum())
        true, dispersion, slopes = [], [], []
        for setting, count in zip(self.settings, counts, strict=True):
            if not count:
                continue
            many = setting.mean + rng.standard_normal((count, len(setting.mean))) @ setting.root.T
            beta, kriged = self._own(r, many, setting), self._krige(r, places, setting)
            logs = kriged.at(beta) + own_rng.standard_normal((count, len(places))) @ kriged.root().T
            true.append(np.exp(logs[:, :M]))
            dispersion.append(np.full((count, 1), (setting.noise / self.typical_unit) ** 2))
            slopes.append(-logs[:, M:] @ about / (about @ about))
        return np.concatenate(true), np.concatenate(dispersion), np.concatenate(slopes)

    def expected(self, r: int, log_x: np.ndarray) -> np.ndarray:
        """(M,) loss of one size along the mean of its log loss: the middle of `draw`, without its scatter."""
        total = np.zeros(len(log_x))
        for setting in self.settings:
            kriged = self._krige(r, np.asarray(log_x, float), setting)
            total += setting.weight * kriged.at(self._own(r, setting.mean[None], setting))[0]
        return np.exp(total)

    def hide(self, r: int, observed: PooledSize) -> "Pooled":
        """The same ladder and the same settings with fewer points of size r."""
        turn = self.middle[0] + self.middle[1] * np.log(observed.params)
        whitened = tuple(
            (*kind[:r], whiten(observed, turn, self.edges, drift), *kind[r + 1 :])
            for kind, drift in zip(self.whitened, DRIFTS, strict=False)
        )
        settings = settings_of(whitened, [(s.drift, s.noise, s.wander, s.prior) for s in self.settings], self.edges)
        sizes = (*self.sizes[:r], observed, *self.sizes[r + 1 :])
        return replace(self, sizes=sizes, settings=weighed(settings), whitened=whitened)

    def _own(self, r: int, many: np.ndarray, setting: GridPoint) -> np.ndarray:
        """(S, 2 + J) level, slope and shared walk of one size, from the ladder's."""
        R = len(self.sizes)
        return np.concatenate([many[:, 2 * r : 2 * r + 2], many[:, 2 * R :] * setting.shape[r]], axis=1)

    def _krige(self, r: int, log_x: np.ndarray, setting: GridPoint) -> "_Kriged":
        """The walk of one size at some points, given how its measured points leave its line."""
        size, observed = self.sizes[r], self.whitened[setting.drift][r]
        middle = self.middle[0] + self.middle[1] * np.log(size.params)
        z = log_x - middle
        across = setting.wander**2 * walk_of(z, size.log_x - middle) @ observed.turn
        beyond = z - np.clip(z, self.edges[0], self.edges[-1])
        free = setting.wander**2 * walk_of(z, z) + setting.shared * setting.shape[r] ** 2 * walk_of(beyond, beyond)
        pull = across / (setting.noise**2 + setting.wander**2 * observed.walk)
        return _Kriged(size.level, design(z, self.edges), pull, free - pull @ across.T, observed, float(free.max()))


@dataclass(frozen=True, slots=True)
class _Kriged:
    """Log loss at some points: a line, a pull of the measured points, and what is left free."""

    level: float
    design: np.ndarray  # (M, 2 + J)
    pull: np.ndarray  # (M, n)
    left: np.ndarray  # (M, M)
    observed: Whitened
    scale: float

    def at(self, beta: np.ndarray) -> np.ndarray:
        """(S, M) expected log loss for (S, 2 + J) lines."""
        return self.level + beta @ self.design.T + (self.observed.y - beta @ self.observed.X.T) @ self.pull.T

    def root(self) -> np.ndarray:
        """(M, M) root of the covariance that is left."""
        return np.linalg.cholesky(self.left + (1e-7 * self.scale + 1e-14) * np.eye(len(self.left)))


def pool(sizes: list[PooledSize], *, law: bool = True) -> Pooled:
    """Fit a ladder.

    Args:
        sizes: the points of each; at least one with three points.
        law: False when a slope rests on its own size alone, with a spread about zero.
    """
    middle = middle_of(sizes)
    turns = middle[0] + middle[1] * np.log([s.params for s in sizes])
    span = span_of(sizes, turns)
    edges = np.arange(min(np.floor(span[0] / _STRETCH), -1), max(np.ceil(span[1] / _STRETCH), 1) + 1) * _STRETCH
    kinds = DRIFTS if max(len(s.loss) for s in sizes) > 5 else DRIFTS[:1]
    whitened = tuple(tuple(whiten(s, t, edges, d) for s, t in zip(sizes, turns, strict=True)) for d in kinds)
    settings = averaged(sizes, whitened, edges, law=law)
    unit = float(np.sqrt(np.mean(binomial_unit(np.concatenate([s.loss for s in sizes])) ** 2)))
    return Pooled(tuple(sizes), middle, edges, span, settings, whitened, unit)
