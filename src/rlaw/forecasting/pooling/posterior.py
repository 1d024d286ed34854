"""The grid that a ladder is averaged over: each setting with its weight and its posterior, Gaussian, in closed form.

Source: Rasmussen and Williams 2006, section 2.7 (marginal likelihood with a basis of unknown weight).

Axes: R sizes, H laws of a prior, J stretches of the shared walk, P = 2R + J levels, slopes and stretches.
"""

from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from rlaw.forecasting.pooling.prior import Prior, laws_of, some_of, stretches, together, with_levels
from rlaw.forecasting.pooling.size import PooledSize, Whitened, scales_of

_WANDER = (0.03, 0.06, 0.12, 0.25, 0.5)  # over one e-fold of X, in units of the ladder's k
_NOISE = (0.6, 0.75, 0.9, 1.1)  # in units of the scatter about a parabola for each size
_BEND = (0.02, 0.07, 0.2)  # of the level in log N
_OWN = (0.01, 0.04, 0.12)  # scatter of a size's level about the curve
_FREE = 10.0  # scatter of levels that owe nothing to a law
_MOST_SETTINGS = 200
_PILOT = 7  # every so many rows of a prior are looked at first,
_HOPELESS = 9.0  # and settings this far behind in log likelihood are not looked at again


@dataclass(frozen=True, slots=True)
class GridPoint:
    """One setting of the grid with its weight and the (2R + J,) normal posterior of levels, slopes and shared walk."""

    drift: int
    noise: float
    wander: float
    prior: Prior  # one row
    weight: float
    mean: np.ndarray
    root: np.ndarray

    @property
    def shape(self) -> np.ndarray:
        """(R,) k over the sizes, 1 at the largest measured."""
        return self.prior.shape[0]

    @property
    def shared(self) -> float:
        """Variance of the shared walk over one e-fold."""
        return float(self.prior.shared[0])


def averaged(
    sizes: list[PooledSize], whitened: tuple[tuple[Whitened, ...], ...], edges: np.ndarray, *, law: bool
) -> tuple[GridPoint, ...]:
    """The settings that carry the weight: first with the usual levels, then, for sizes without one, with others.

    Args:
        sizes: the points of each.
        whitened: the same turned, for each kind of drift.
        edges: ends of the stretches of the shared walk.
        law: False when a slope rests on its own size alone.
    """
    n = np.log([s.params for s in sizes])
    k_scale, noise_scale = scales_of(sizes)
    grid = [(d, s * noise_scale, w * k_scale) for d, s, w in product(range(len(whitened)), _NOISE, _WANDER)]
    usual = (_BEND[1], _OWN[1]) if law else (0.0, _FREE)
    prior = laws_of(n, np.array([len(s.loss) > 0 for s in sizes]), k_scale, usual, law=law)
    few = some_of(prior, slice(None, None, _PILOT))
    best = np.array([likelihood_of(whitened[d], s, w, few, edges)[0].max() for d, s, w in grid])
    likely = np.flatnonzero(best > best.max() - _HOPELESS)
    evidence = np.full((len(grid), len(prior.shape)), -np.inf)
    for i in likely.tolist():
        evidence[i] = likelihood_of(whitened[grid[i][0]], *grid[i][1:], prior, edges)[0]
    lacking = law and any(len(s.loss) < 2 for s in sizes)
    may = list(product(_BEND, _OWN)) if lacking else [usual]
    heavy = _heaviest(evidence, _MOST_SETTINGS)
    kept = [(*grid[i], level) for i, h in heavy for level in with_levels(n, prior, h, may)]
    return weighed(settings_of(whitened, kept, edges))


def settings_of(
    whitened: tuple[tuple[Whitened, ...], ...], wanted: list[tuple[int, float, float, Prior]], edges: np.ndarray
) -> list[GridPoint]:
    """Settings of drift, noise, wander and one row of a prior, their weights log likelihoods; alike ones at once."""
    alike: dict[tuple[int, float, float], list[int]] = {}
    for i, (drift, noise, wander, _) in enumerate(wanted):
        alike.setdefault((drift, noise, wander), []).append(i)
    points: dict[int, GridPoint] = {}
    for (drift, noise, wander), places in alike.items():
        priors = [wanted[i][3] for i in places]
        found = posterior(whitened[drift], noise, wander, together(priors), edges)
        for i, prior, likelihood, mean, root in zip(places, priors, *found, strict=True):
            points[i] = GridPoint(drift, noise, wander, prior, float(likelihood), mean, root)
    return [points[i] for i in range(len(wanted))]


def weighed(settings: list[GridPoint]) -> tuple[GridPoint, ...]:
    """The settings that carry the weight, their log likelihoods turned into shares."""
    likelihood = np.array([s.weight for s in settings])
    kept = [settings[i] for i, _ in _heaviest(likelihood[:, None], _MOST_SETTINGS)]
    total = np.logaddexp.reduce([s.weight for s in kept])
    return tuple(replace(s, weight=float(np.exp(s.weight - total))) for s in kept)


def _heaviest(evidence: np.ndarray, most: int) -> list[tuple[int, int]]:
    """The entries that carry 99 % of the weight, at most so many, heaviest first."""
    weight = np.exp(evidence - evidence.max()).ravel()
    order = np.argsort(-weight, kind="stable")
    total = np.cumsum(weight[order]) / weight.sum()
    kept = order[: min(int(np.searchsorted(total, 0.99)) + 1, most)]
    return [(int(i), int(h)) for i, h in zip(*np.unravel_index(kept, evidence.shape), strict=True)]


def posterior(
    whitened: tuple[Whitened, ...], noise: float, wander: float, prior: Prior, edges: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(H,) log marginal likelihoods, (H, P) posterior means and (H, P, P) roots of the covariance; P = 2R + J."""
    likelihood, inner, half = likelihood_of(whitened, noise, wander, prior, edges)
    lines = prior.root.shape[1]
    root = np.zeros_like(inner)
    root[:, :lines, :lines] = prior.root
    np.einsum("hii->hi", root)[:, lines:] = stretches(prior, edges)
    back = root @ np.linalg.inv(inner).swapaxes(1, 2)
    return likelihood, (back @ half[..., None])[..., 0], back


def likelihood_of(
    whitened: tuple[Whitened, ...], noise: float, wander: float, prior: Prior, edges: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(H,) log marginal likelihoods, and what the posterior follows from: (H, P, P) `inner` and (H, P) `half`.

    With the precision G and the pull g of the points, and the root S of the prior covariance, `inner` is the Cholesky
    root of 1 + S' G S, and `half` solves inner half = S' g. The pull stands below the matrix as one more row of it, so
    that the one decomposition gives both.
    """
    (H, R), J = prior.shape.shape, len(edges) - 1
    A, b, rest = _gathered(whitened, noise, wander)
    G_lines = np.zeros((R, 2, R, 2))
    G_lines[np.arange(R), :, np.arange(R)] = A[:, :2, :2]
    root, stretch, P = prior.root, stretches(prior, edges), 2 * R + J
    M = np.zeros((H, P + 1, P + 1))
    M[:, : 2 * R, : 2 * R] = root.swapaxes(1, 2) @ (G_lines.reshape(2 * R, 2 * R) @ root)
    across = np.einsum("hr,rij->hjri", prior.shape, A[:, :2, 2:]).reshape(H, J, 2 * R)
    M[:, 2 * R : P, : 2 * R] = stretch[:, :, None] * (across @ root)
    walk = (prior.shape**2 @ A[:, 2:, 2:].reshape(R, J * J)).reshape(H, J, J)
    M[:, 2 * R : P, 2 * R : P] = stretch[:, :, None] * walk * stretch[:, None]
    M[:, P, : 2 * R] = b[:, :2].ravel() @ root
    M[:, P, 2 * R : P] = stretch * (prior.shape @ b[:, 2:])
    np.einsum("hii->hi", M)[:] += 1
    M[:, P, P] = 1 + np.sum(M[:, P, :P] ** 2, axis=1)  # whatever keeps it positive
    whole = np.linalg.cholesky(M)
    inner, half = whole[:, :P, :P], whole[:, P, :P]
    logs = 2 * np.log(np.einsum("hii->hi", inner)).sum(axis=1)
    return -0.5 * (rest + logs - np.sum(half**2, axis=1)), inner, half


def _gathered(whitened: tuple[Whitened, ...], noise: float, wander: float) -> tuple[np.ndarray, np.ndarray, float]:
    """What each size's points imply: (R, 2 + J, 2 + J) precisions, (R, 2 + J) pulls, and what no prior changes."""
    variances = [noise**2 + wander**2 * observed.walk for observed in whitened]
    turned = [observed.X.T / v for observed, v in zip(whitened, variances, strict=True)]
    A = np.stack([t @ observed.X for t, observed in zip(turned, whitened, strict=True)])
    b = np.stack([t @ observed.y for t, observed in zip(turned, whitened, strict=True)])
    parts = [np.sum(s.y**2 / v) + np.log(v).sum() + s.logs for s, v in zip(whitened, variances, strict=True)]
    return A, b, float(np.sum(parts))
