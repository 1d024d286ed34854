"""Variable projection: given a law's parameters, its coefficients and the slope of what is left, in closed form.

Source: Golub and Pereyra 1973 (variable projection), Kaufman 1975 (the Jacobian of the projected residual).

Axes: B draws (or starts), R sizes, M points of a size, C coefficients, P searched variables.
"""

from dataclasses import dataclass, replace

import numpy as np

from rlaw.fitting.objective import Space, slope_of_target, target
from rlaw.laws import Law, Points, Theta

_SMALLEST_LOSS = 1e-12  # keeps logarithms of fitted losses finite
_CENTRAL, _NEARBY = 1e-5, 1e-7  # of a variable: central differences, and the half as dear one-sided ones of draws


@dataclass(frozen=True, slots=True)
class Problem:
    """One least squares problem per draw, with its searched variables laid out as a vector."""

    law: Law
    at: Points
    y: np.ndarray  # (B, R, M) target
    w: np.ndarray  # (1 or B, R, M) weights
    space: Space
    reference: np.ndarray  # (B or 1, P) what a logarithmic variable is measured in
    low: np.ndarray  # (B or 1, P)
    high: np.ndarray  # (B or 1, P)
    logs: np.ndarray  # (P,) which variables are logarithms
    drawn: bool = False  # a bootstrap draw, wanted to a small share of its error and not to the last digits

    def take(self, index: np.ndarray) -> "Problem":
        """The problems of some draws."""

        def of(a: np.ndarray) -> np.ndarray:
            return a if len(a) == 1 else a[index]

        arrays = {name: of(getattr(self, name)) for name in ("y", "w", "reference", "low", "high")}
        return replace(self, at=self.at.each(of), **arrays)

    def theta(self, u: np.ndarray) -> Theta:
        """The parameters at (B, P) variables."""
        value = np.where(self.logs, np.exp(u) * self.reference, u)
        S, sizes = len(self.law.shared), self.at.params.shape[1]
        shared = tuple(value[:, s, None, None] for s in range(S))
        local = value[:, S:].reshape(len(u), len(self.law.local), sizes, 1)
        return shared + tuple(local[:, p] for p in range(len(self.law.local)))


def objective(problem: Problem, u: np.ndarray) -> np.ndarray:
    """(B,) weighted sum of squares at (B, P) variables, coefficients projected out."""
    theta = problem.theta(u)
    fit = project(problem, theta)
    residual = problem.y - target(fit.loss, problem.space)
    value = np.sum(problem.w * residual**2, axis=(1, 2))
    return np.where(np.isfinite(value), value, np.inf)


@dataclass(frozen=True, slots=True)
class Projection:
    """The best coefficients for given parameters."""

    coefficients: np.ndarray  # (B, R, C)
    loss: np.ndarray  # (B, R, M) fitted
    #: (B, R, M) derivative of the target with respect to each coefficient; 0 where it is held at 0
    columns: tuple[np.ndarray, ...]


def project(problem: Problem, theta: Theta) -> Projection:
    """Coefficients by non-negative least squares, size by size, and what they make of the curves."""
    parts, fixed = problem.law.parts(theta, problem.at), problem.law.fixed(theta, problem.at)
    base = np.zeros((1, 1, 1)) if fixed is None else fixed
    if problem.space == "loss" or not parts:
        c = _non_negative(parts, problem.y - base if problem.space == "loss" else problem.y, problem.w)
    elif len(parts) == 1 and fixed is None:
        total = problem.w.sum(axis=-1)
        logs = np.log10(np.maximum(parts[0], 1e-300))
        mean = np.sum(problem.w * (problem.y - logs), axis=-1) / np.where(total > 0, total, 1.0)
        c = 10 ** mean[..., None]
    else:
        c = _in_logarithms(parts, base, problem)
    loss = base + sum((c[..., j, None] * part for j, part in enumerate(parts)), np.zeros((1, 1, 1)))
    loss = np.maximum(np.broadcast_to(loss, np.broadcast_shapes(loss.shape, problem.y.shape)), _SMALLEST_LOSS)
    slope = slope_of_target(loss, problem.space)
    columns = tuple(slope * part * (c[..., j, None] > 0) for j, part in enumerate(parts))
    return Projection(c, loss, columns)


def _in_logarithms(parts: tuple[np.ndarray, ...], base: np.ndarray, problem: Problem) -> np.ndarray:
    """Coefficients for residuals of log loss: Gauss-Newton steps, each a non-negative least squares problem."""
    c = _non_negative(parts, 10**problem.y - base, problem.w * 10 ** (-2 * problem.y))
    for _ in range(6):
        loss = np.maximum(base + sum(c[..., j, None] * part for j, part in enumerate(parts)), _SMALLEST_LOSS)
        slope = slope_of_target(loss, "log")
        columns = tuple(slope * part for part in parts)
        wanted = problem.y - np.log10(loss) + slope * (loss - base)
        c = _non_negative(columns, wanted, problem.w)
    return c


def _non_negative(parts: tuple[np.ndarray, ...], y: np.ndarray, w: np.ndarray) -> np.ndarray:
    """(B, R, C) weighted least squares coefficients >= 0 of at most two parts, by trying the active sets."""
    if not parts:
        return np.zeros((*y.shape[:2], 0))
    alone = [_ratio(np.sum(w * p * y, axis=-1), np.sum(w * p * p, axis=-1)) for p in parts]
    if len(parts) == 1:
        return np.maximum(alone[0], 0.0)[..., None]
    p, q = parts
    pp, pq, qq = (np.sum(w * a * b, axis=-1) for a, b in ((p, p), (p, q), (q, q)))
    py, qy = np.sum(w * p * y, axis=-1), np.sum(w * q * y, axis=-1)
    determinant = pp * qq - pq**2
    sound = determinant > 1e-12 * pp * qq
    safe = np.where(sound, determinant, 1.0)
    both = np.stack([(qq * py - pq * qy) / safe, (pp * qy - pq * py) / safe], axis=-1)
    first, second = (np.maximum(a, 0.0) for a in alone)
    p_wins = first * py >= second * qy  # the share of y'wy that one part alone explains
    single = np.stack([np.where(p_wins, first, 0.0), np.where(p_wins, 0.0, second)], axis=-1)
    return np.where((sound & (both >= 0).all(axis=-1))[..., None], both, single)


def _ratio(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a / np.where(b > 0, b, 1.0)


def normal_equations(problem: Problem, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """J'WJ (B, P, P) and J'Wr (B, P) of the projected residual."""
    fit = project(problem, problem.theta(u))
    directions = _orthonormal(fit.columns, problem.w)
    B, P = u.shape
    R, M = fit.loss.shape[1:]
    J = np.zeros((B, P, R, M))
    S = len(problem.law.shared)
    for s in range(S):
        J[:, s] = _off(_derivative(problem, u, slice(s, s + 1), fit), directions, problem.w)
    for i in range(len(problem.law.local)):
        block = slice(S + i * R, S + (i + 1) * R)  # every size's own parameter at once: sizes do not touch each other
        moved = _off(_derivative(problem, u, block, fit), directions, problem.w)
        J[:, np.arange(block.start, block.stop), np.arange(R)] = np.moveaxis(moved, 1, 0).swapaxes(0, 1)
    residual = problem.y - target(fit.loss, problem.space)
    flat, weighted = J.reshape(B, P, R * M), (J * problem.w[:, None]).reshape(B, P, R * M)
    rhs = np.broadcast_to(residual, (B, R, M)).reshape(B, R * M, 1)
    return weighted @ flat.swapaxes(1, 2), (weighted @ rhs)[..., 0]


def _derivative(problem: Problem, u: np.ndarray, which: slice, fit: Projection) -> np.ndarray:
    """(B, R, M) difference of the fitted target along some variables, coefficients held."""

    def moved(h: np.ndarray) -> np.ndarray:
        there = u.copy()
        there[:, which] += h
        loss = np.maximum(problem.law.loss(problem.theta(there), fit.coefficients, problem.at), _SMALLEST_LOSS)
        return target(loss, problem.space)

    size = np.maximum(np.abs(u[:, which]), 0.1)
    if problem.drawn:
        return (moved(_NEARBY * size) - target(fit.loss, problem.space)) / (_NEARBY * size)[:, :, None]
    return (moved(_CENTRAL * size) - moved(-_CENTRAL * size)) / (2 * _CENTRAL * size)[:, :, None]


def _orthonormal(columns: tuple[np.ndarray, ...], w: np.ndarray) -> list[np.ndarray]:
    """The columns made orthonormal under the weights, size by size; a column of zeros stays zero."""
    done: list[np.ndarray] = []
    for column in columns:
        rest = _off(column, done, w)
        norm = np.sqrt(np.sum(w * rest**2, axis=-1, keepdims=True))
        size = np.sqrt(np.sum(w * column**2, axis=-1, keepdims=True))
        done.append(np.where(norm > 1e-9 * size, rest / np.where(norm > 0, norm, 1.0), 0.0))
    return done


def _off(v: np.ndarray, directions: list[np.ndarray], w: np.ndarray) -> np.ndarray:
    """What is left of v without its share along orthonormal directions."""
    for q in directions:
        v = v - q * np.sum(w * q * v, axis=-1, keepdims=True)
    return v
