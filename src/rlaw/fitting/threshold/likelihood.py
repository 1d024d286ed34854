"""The censored likelihood of a line through logarithms of a resource, many studies at once.

    ln T = x beta + b_seed + e,  e normal (0, sigma^2),  b normal (0, (ratio sigma)^2)

ln T is known to lie in (low, high]; high is infinite where a run never got there, low -infinite where it was there at
its first evaluation. In delta = beta / sigma and theta = 1 / sigma the likelihood is log-concave for a given ratio, so
that Newton's method finds its one maximum; seeds are integrated out by adaptive Gauss-Hermite quadrature.

Source: Olsen 1978, Econometrica 46, 1211 (the concave parameters); Tobin 1958; Pinheiro and Bates 1995 (quadrature).

Axes: S studies, I runs, C seeds, K nodes, P columns.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import log_ndtr

_NODES, _WEIGHTS = np.polynomial.hermite.hermgauss(7)
_RATIOS = (0.4, 0.8, 1.6, 3.2, 5.0)
#: a scatter of less than 1 % of T, or than a quarter of an interval's width, cannot be told from none: what holds theta
_LEAST_SIGMA, _OF_WIDTH = 0.01, 0.25
_RIDGE = 1e-8  # what holds a slope that only censored runs speak of
_ITERATIONS, _TOLERANCE, _COARSE = 60, 1e-6, 0.01  # of the log-likelihood
_HALF_LOG_2PI = 0.5 * np.log(2 * np.pi)
_NARROWEST = 1e-4  # of an interval of ln T: a value known exactly


@dataclass(frozen=True, eq=False)
class Design:
    """What the runs of a study are of; the same for all studies of a batch.

    Attributes:
        X_IP: (runs, columns) of the line.
        seeds_I: (runs,) int, which seed a run has, from 0.
    """

    X_IP: np.ndarray
    seeds_I: np.ndarray

    @property
    def members_CI(self) -> np.ndarray:
        """(seeds, runs) 1 where a run has the seed."""
        return (np.arange(self.seeds_I.max() + 1)[:, None] == self.seeds_I).astype(float)

    @property
    def repeats(self) -> bool:
        """Whether some seed has several runs and there are several seeds: only then it can be told from the scatter."""
        return bool(0 < self.seeds_I.max() < len(self.seeds_I) - 1)

    def without(self, column: int) -> "Design":
        """The design without a column."""
        return Design(np.delete(self.X_IP, column, axis=1), self.seeds_I)


@dataclass(frozen=True, eq=False)
class Line:
    """The maximum of the likelihood of each study.

    Attributes:
        beta_SP: coefficients.
        sigma_S: scatter of a run, in ln T.
        ratio_S: standard deviation of a seed in units of sigma.
        log_likelihood_S: at the maximum.
        covariance_SPP: of the coefficients, by the curvature.
    """

    beta_SP: np.ndarray
    sigma_S: np.ndarray
    ratio_S: np.ndarray
    log_likelihood_S: np.ndarray
    covariance_SPP: np.ndarray

    def error_S(self, contrast_P: np.ndarray) -> np.ndarray:
        """Standard error of a linear combination of the coefficients."""
        return np.sqrt(np.einsum("p,spq,q->s", contrast_P, self.covariance_SPP, contrast_P))


def fit(low_SI: np.ndarray, high_SI: np.ndarray, design: Design, ratio_S: np.ndarray | None = None) -> Line:
    """The line of each study.

    Args:
        low_SI: (studies, runs) ln of the last place below the threshold, -inf where there is none.
        high_SI: ln of the first place at or above it, inf where there is none.
        design: the columns of the line, and the seeds.
        ratio_S: of the seeds' scatter; estimated when None.
    """
    low_SI, high_SI = _widened(low_SI, high_SI)
    start = _start(low_SI, high_SI, design.X_IP)
    if ratio_S is not None:
        return _line(*_maximum(low_SI, high_SI, design, ratio_S, start), ratio_S)
    none_S = np.zeros(len(low_SI))
    at, value, curve = _maximum(low_SI, high_SI, design, none_S, start)
    ratio_S = none_S
    if design.repeats:
        more_S = np.flatnonzero(_seeds_differ(low_SI, high_SI, design, at))
        if len(more_S):
            own = low_SI[more_S], high_SI[more_S], design
            ratio_S, at, value, curve = (a.copy() for a in (ratio_S, at, value, curve))
            best = _best_ratio(*own, at[more_S], value[more_S])
            at[more_S], value[more_S], curve[more_S] = _maximum(*own, best, at[more_S])
            ratio_S[more_S] = best
    return _line(at, value, curve, ratio_S)


def _widened(low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Intervals of at least the least width: one without has a probability of 0."""
    narrow = high - low < _NARROWEST
    middle = np.where(narrow, (high + low) / 2, 0.0)
    half = _NARROWEST / 2
    return np.where(narrow, middle - half, low), np.where(narrow, middle + half, high)


def _start(low_SI: np.ndarray, high_SI: np.ndarray, X_IP: np.ndarray) -> np.ndarray:
    """(S, P + 1) delta and theta by least squares through the middles of the intervals, the one end where open."""
    middle = (np.where(np.isfinite(low_SI), low_SI, high_SI) + np.where(np.isfinite(high_SI), high_SI, low_SI)) / 2
    middle = np.where(np.isfinite(middle), middle, 0.0)
    beta_SP = middle @ np.linalg.pinv(X_IP).T
    sigma = np.maximum(np.sqrt(np.mean((middle - beta_SP @ X_IP.T) ** 2, axis=1)), 0.05)
    return np.concatenate([beta_SP, np.ones((len(sigma), 1))], axis=1) / sigma[:, None]


def _best_ratio(
    low_SI: np.ndarray, high_SI: np.ndarray, design: Design, at: np.ndarray, none_S: np.ndarray
) -> np.ndarray:
    """(S,) the ratio with the largest likelihood: the best of a grid, refined by a parabola through its neighbours."""
    grid, values = np.array([0.0, *_RATIOS]), [none_S]
    for ratio in _RATIOS:
        at, value, _ = _maximum(low_SI, high_SI, design, np.full(len(at), ratio), at, _COARSE)
        values.append(value)
    v = np.stack(values, axis=1)
    best = np.clip(v.argmax(axis=1), 1, len(grid) - 2)
    (x0, x1, x2), rows = (grid[best + d] for d in (-1, 0, 1)), np.arange(len(v))
    y0, y1, y2 = (v[rows, best + d] for d in (-1, 0, 1))
    left, right = (y1 - y0) / (x1 - x0), (y2 - y1) / (x2 - x1)
    bend = (right - left) / (x2 - x0)
    peak = (x0 + x1) / 2 - left / (2 * np.where(bend < 0, bend, -np.inf))
    return np.where(bend < 0, np.clip(peak, x0, x2), grid[v.argmax(axis=1)])


def _maximum(
    low_SI: np.ndarray,
    high_SI: np.ndarray,
    design: Design,
    ratio_S: np.ndarray,
    start: np.ndarray,
    tolerance: float = _TOLERANCE,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Newton's method with halved steps: (S, P + 1) delta and theta, (S,) the likelihood, the curvature there."""
    at, step = start.copy(), np.zeros_like(start)
    value = np.full(len(at), -np.inf)
    curve = np.zeros((*at.shape, at.shape[1]))
    left = np.arange(len(at))
    for _ in range(_ITERATIONS):
        candidate = at[left] + step[left]
        new, gradient, bend = _objective(low_SI[left], high_SI[left], design, ratio_S[left], candidate)
        worse = ~(new >= value[left] - 1e-9)
        step[left[worse]] *= 0.5
        good = left[~worse]
        at[good], value[good], curve[good] = candidate[~worse], new[~worse], bend[~worse]
        newton = np.linalg.solve(bend[~worse], gradient[~worse][..., None])[..., 0]
        short = _stay_positive(at[good, -1], newton[:, -1])
        step[good] = newton * short[:, None]
        gain = np.einsum("sp,sp->s", newton, gradient[~worse])
        done = np.zeros(len(left), bool)
        done[~worse] = gain < tolerance
        done |= np.abs(step[left]).max(axis=1) < 1e-12
        left = left[~done]
        if not len(left):
            break
    return at, value, curve


def _stay_positive(theta: np.ndarray, step: np.ndarray) -> np.ndarray:
    """(S,) the part of a step that leaves at least a fifth of theta."""
    return np.where(step < -0.8 * theta, -0.8 * theta / np.where(step < 0, step, -1.0), 1.0)


def _objective(
    low_SI: np.ndarray, high_SI: np.ndarray, design: Design, ratio_S: np.ndarray, at: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(S,) log-likelihood with its weak penalties, (S, P + 1) gradient, (S, P + 1, P + 1) minus the curvature."""
    X, C, theta = design.X_IP, design.members_CI, at[:, -1]
    eta = at[:, :-1] @ X.T
    if (ratio_S > 0).any():
        z_SCK, log_weight_SCK = _nodes(low_SI, high_SI, design, ratio_S, eta, theta)
    else:
        z_SCK, log_weight_SCK = np.zeros((len(at), len(C), 1)), np.zeros((len(at), len(C), 1))
    shift = (ratio_S[:, None, None] * z_SCK)[:, design.seeds_I]
    p = _parts(low_SI[..., None], high_SI[..., None], theta[:, None, None], eta[..., None] + shift)
    log_SCK = log_weight_SCK + np.einsum("ci,sik->sck", C, p.value)
    top = log_SCK.max(axis=-1, keepdims=True)
    weight_SCK = np.exp(log_SCK - top)
    total = weight_SCK.sum(axis=-1, keepdims=True)
    value = (top + np.log(total)).sum(axis=(1, 2))
    weight_SCK /= total
    w = weight_SCK[:, design.seeds_I]

    G = np.concatenate(  # of each seed at each node
        [np.einsum("ci,sik,ip->sckp", C, p.eta, X), np.einsum("ci,sik->sck", C, p.theta)[..., None]], axis=-1
    )
    mean_SCP = np.einsum("sck,sckp->scp", weight_SCK, G)
    curve = np.einsum("scp,scq->spq", mean_SCP, mean_SCP)
    if G.shape[2] > 1:
        curve -= np.einsum("sck,sckp,sckq->spq", weight_SCK, G, G)
    else:
        curve -= np.einsum("scp,scq->spq", G[:, :, 0], G[:, :, 0])
    ee, et, tt = ((w * part).sum(axis=-1) for part in (p.eta_eta, p.eta_theta, p.theta_theta))
    curve[:, :-1, :-1] -= np.einsum("ip,si,iq->spq", X, ee, X)
    cross = -et @ X
    curve[:, -1, :-1] += cross
    curve[:, :-1, -1] += cross
    curve[:, -1, -1] -= tt.sum(axis=1)
    gradient = mean_SCP.sum(axis=1)

    held_SP = np.full(at.shape, _RIDGE)
    held_SP[:, -1] = _least_sigma(low_SI, high_SI) ** 2
    value -= 0.5 * (held_SP * at**2).sum(axis=1)
    gradient -= held_SP * at
    curve += held_SP[:, None] * np.eye(at.shape[1])
    return value, gradient, _positive(curve)


def _least_sigma(low_SI: np.ndarray, high_SI: np.ndarray) -> np.ndarray:
    """(S,) the scatter that the widths of the intervals can resolve."""
    width = np.where(np.isfinite(low_SI) & np.isfinite(high_SI), high_SI, np.nan) - low_SI
    known = np.isfinite(width)
    mean = np.where(known, width, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    return np.maximum(_OF_WIDTH * mean, _LEAST_SIGMA)


def _positive(curve: np.ndarray) -> np.ndarray:
    """The curvature with positive eigenvalues: at walls of an interval the quadrature can give it others."""
    try:
        np.linalg.cholesky(curve)
    except np.linalg.LinAlgError:
        values, vectors = np.linalg.eigh(curve)
        values = np.maximum(np.abs(values), 1e-9 * np.abs(values).max(axis=1, keepdims=True))
        return (vectors * values[:, None]) @ np.swapaxes(vectors, 1, 2)
    return curve


@dataclass(frozen=True, eq=False, slots=True)
class _Parts:
    """ln (Phi(theta high - eta) - Phi(theta low - eta)) with its derivatives."""

    value: np.ndarray
    eta: np.ndarray
    theta: np.ndarray
    eta_eta: np.ndarray
    eta_theta: np.ndarray
    theta_theta: np.ndarray


def _parts(low: np.ndarray, high: np.ndarray, theta: np.ndarray, eta: np.ndarray) -> _Parts:
    a, b = theta * low - eta, theta * high - eta
    flip = a + b > 0  # the tail on the left is the exact one
    c, d = np.where(flip, -b, a), np.where(flip, -a, b)
    log_c, log_d = log_ndtr(c), log_ndtr(d)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = log_d + np.log(-np.expm1(np.minimum(log_c - log_d, -1e-300)))
        r_a = np.where(np.isfinite(a), np.exp(-0.5 * a * a - _HALF_LOG_2PI - value), 0.0)
        r_b = np.where(np.isfinite(b), np.exp(-0.5 * b * b - _HALF_LOG_2PI - value), 0.0)
    a, b = np.where(np.isfinite(a), a, 0.0), np.where(np.isfinite(b), b, 0.0)
    low, high = np.where(np.isfinite(low), low, 0.0), np.where(np.isfinite(high), high, 0.0)
    bb, aa, ab = -r_b * (b + r_b), r_a * (a - r_a), r_a * r_b
    return _Parts(
        value=value,
        eta=r_a - r_b,
        theta=high * r_b - low * r_a,
        eta_eta=bb + 2 * ab + aa,
        eta_theta=-(high * bb + (low + high) * ab + low * aa),
        theta_theta=high * high * bb + 2 * high * low * ab + low * low * aa,
    )


def _nodes(
    low_SI: np.ndarray, high_SI: np.ndarray, design: Design, ratio_S: np.ndarray, eta: np.ndarray, theta: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(S, C, K) places of the seeds' effects about their likeliest one, and the logarithms of their weights."""
    C, ratio, z = design.members_CI, ratio_S[:, None], np.zeros((len(eta), len(design.members_CI)))
    bend = np.ones_like(z)
    for _ in range(4):
        p = _parts(low_SI, high_SI, theta[:, None], eta + (ratio * z)[:, design.seeds_I])
        slope = ratio * (p.eta @ C.T) - z
        bend = 1 - ratio**2 * (p.eta_eta @ C.T)
        z = z + slope / bend
    spread = np.sqrt(2 / bend)[..., None]
    z_SCK = z[..., None] + spread * _NODES
    return z_SCK, np.log(_WEIGHTS) + _NODES**2 + np.log(spread) - 0.5 * z_SCK**2 - _HALF_LOG_2PI


def _seeds_differ(low_SI: np.ndarray, high_SI: np.ndarray, design: Design, at: np.ndarray) -> np.ndarray:
    """(S,) whether the likelihood rises where the seeds begin to differ: its derivative by ratio^2 at 0."""
    p = _parts(low_SI, high_SI, at[:, -1:], at[:, :-1] @ design.X_IP.T)
    C = design.members_CI.T
    return ((p.eta @ C) ** 2 + p.eta_eta @ C).sum(axis=1) > 0


def _line(at: np.ndarray, value: np.ndarray, curve: np.ndarray, ratio_S: np.ndarray) -> Line:
    sigma = 1 / at[:, -1]
    beta = at[:, :-1] * sigma[:, None]
    to_beta = np.concatenate(
        [np.broadcast_to(np.eye(beta.shape[1]), (*beta.shape, beta.shape[1])), -beta[..., None]], axis=-1
    )
    covariance = sigma[:, None, None] ** 2 * (to_beta @ np.linalg.inv(curve) @ np.swapaxes(to_beta, 1, 2))
    return Line(beta, sigma, ratio_S, value, covariance)
