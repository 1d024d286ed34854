"""What is assumed of a ladder before its points are known: laws of the size, scatters about them, levels.

Axes: R sizes, H settings of the grid, J stretches of the shared walk.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np

_SATURATING = 20  # values of N_0 between the two limits of the saturating law
_POWERS = (0.25, 0.5)
_SCATTER = (0.12, 0.25, 0.5)  # of a size's k about the law, in units of the ladder's k
_SHARED = (0.0, 0.1, 0.25, 0.5)  # wander of the walk that sizes share, at the largest, in units of the ladder's k


@dataclass(frozen=True, slots=True)
class Prior:
    """What is assumed before the points are known: H laws of the size, scatters and shared walks.

    Attributes:
        shape: (H, R) k over the sizes, 1 at the largest measured: how the shared walk is scaled.
        root: (H, 2R, 2R) root of the covariance of levels and slopes.
        shared: (H,) variance of the shared walk over one e-fold.
    """

    shape: np.ndarray
    root: np.ndarray
    shared: np.ndarray


def laws_of(n: np.ndarray, measured: np.ndarray, k_scale: float, level: tuple[float, float], *, law: bool) -> Prior:
    """Every law of the size, scatter about it and shared walk, for one bend and scatter of the levels."""
    largest = np.exp(n[measured].max())
    shapes = _shapes(np.exp(n), largest) if law else [np.zeros(len(n))]
    rows = list(product(shapes, _SCATTER if law else (1.0,), _SHARED if law else (0.0,)))
    roots = np.stack([_root(n, k_scale, shape, scatter, *level) for shape, scatter, _ in rows])
    return Prior(np.stack([s for s, _, _ in rows]), roots, np.array([(v * k_scale) ** 2 for _, _, v in rows]))


def with_levels(n: np.ndarray, prior: Prior, h: int, may: list[tuple[float, float]]) -> list[Prior]:
    """One row of a prior, for everything that levels may do: bends in ln N, and scatter about them."""
    priors = []
    for bend, own in may:
        C = prior.root[h] @ prior.root[h].T
        C[::2, ::2] = _level(n, bend, own)
        priors.append(Prior(prior.shape[h : h + 1], np.linalg.cholesky(C)[None], prior.shared[h : h + 1]))
    return priors


def some_of(prior: Prior, rows: slice) -> Prior:
    """Some rows of a prior."""
    return Prior(prior.shape[rows], prior.root[rows], prior.shared[rows])


def together(priors: list[Prior]) -> Prior:
    """The rows of several priors as one."""
    rows = ((p.shape, p.root, p.shared) for p in priors)
    return Prior(*(np.concatenate(part) for part in zip(*rows, strict=True)))


def stretches(prior: Prior, edges: np.ndarray) -> np.ndarray:
    """(H, J) scatter of the shared walk over each stretch."""
    return np.sqrt(np.outer(prior.shared, np.diff(edges)))


def _root(n: np.ndarray, k_scale: float, shape: np.ndarray, scatter: float, bend: float, own: float) -> np.ndarray:
    C = np.zeros((2 * len(n), 2 * len(n)))
    C[::2, ::2] = _level(n, bend, own)
    C[1::2, 1::2] = k_scale**2 * (9 * np.outer(shape, shape) + scatter**2 * np.eye(len(n)))
    return np.linalg.cholesky(C)


def _level(n: np.ndarray, bend: float, own: float) -> np.ndarray:
    """(R, R) covariance of levels: any straight line in ln N, an integrated random walk about it, each size's own."""
    about, rise = n - n.mean(), n - n.min()
    near, far = np.minimum.outer(rise, rise), np.maximum.outer(rise, rise)
    return 100 + np.outer(about, about) + bend**2 * near**2 * (3 * far - near) / 6 + own**2 * np.eye(len(n))


def _shapes(params: np.ndarray, largest: float) -> list[np.ndarray]:
    """k over the sizes up to a factor, 1 at the largest measured: saturating from flat to proportional, and powers."""
    ends = np.log(params.min() / 3), np.log(params.max() * 10)
    shapes = [np.ones(len(params))]
    shapes += [(1 + N_0 / largest) / (1 + N_0 / params) for N_0 in np.exp(np.linspace(*ends, _SATURATING))]
    return shapes + [(params / largest) ** p for p in _POWERS]
