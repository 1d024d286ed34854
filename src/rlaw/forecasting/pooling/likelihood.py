"""How well settings of a ladder predict its points, and what the points then tell: Gaussian, in closed form.

Axes: R sizes, H laws of a prior, J stretches of the shared walk, P = 2R + J levels, slopes and stretches.

Source: Rasmussen and Williams 2006, section 2.7 (marginal likelihood with a basis of unknown weight).
"""

import numpy as np

from rlaw.forecasting.pooling.prior import Prior, stretches
from rlaw.forecasting.pooling.whitened import Whitened


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
    """What the points of each size tell: (R, 2 + J, 2 + J) precisions, (R, 2 + J) pulls, and what no prior changes."""
    variances = [noise**2 + wander**2 * observed.walk for observed in whitened]
    turned = [observed.X.T / v for observed, v in zip(whitened, variances, strict=True)]
    A = np.stack([t @ observed.X for t, observed in zip(turned, whitened, strict=True)])
    b = np.stack([t @ observed.y for t, observed in zip(turned, whitened, strict=True)])
    parts = [np.sum(s.y**2 / v) + np.log(v).sum() + s.logs for s, v in zip(whitened, variances, strict=True)]
    return A, b, float(np.sum(parts))
