"""Variable projection: the least squares fit of a law, for many draws at once, without start values from the user.

Given the parameters, the coefficients of a law follow in closed form, rung by rung (non-negative, by trying the active
sets). The few parameters left are searched from a small fixed grid by Levenberg-Marquardt steps, with the Jacobian of
the projected residual (Kaufman's approximation). A law without shared parameters is solved rung by rung, rungs taking
the place of draws. Everything is deterministic.

Source: Golub and Pereyra 1973 (variable projection), Kaufman 1975 (the Jacobian), Levenberg 1944, Marquardt 1963.

Axes: B draws (or starts), R rungs, M points of a rung, C coefficients, P searched variables.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np

from rlaw.laws import Law, Parameter, Points, Theta
from rlaw.objectives import Space, slope_of_target, target

_ITERATIONS = 100
_STARTS = 2  # of the grid, the best ones are followed to the end
_SETTLING = 3
_GAIN = 1e-13  # a step that improves the objective by a smaller share ends the search
_SMALLEST_LOSS = 1e-12  # keeps logarithms of fitted losses finite
_CHUNK = 4_000_000  # numbers in the largest array of a batch


@dataclass(frozen=True, slots=True)
class Solution:
    """Fitted parameters of B draws.

    Attributes:
        theta: one array per parameter, (B, 1, 1) for shared and (B, R, 1) for local ones.
        coefficients: (B, R, C), >= 0.
        objective: (B,) weighted mean square of the residual, summed over rungs.
        bound: per parameter (B, 1 or R) int: -1 at its lower bound, 1 at its upper, 0 inside.
    """

    theta: Theta
    coefficients: np.ndarray
    objective: np.ndarray
    bound: tuple[np.ndarray, ...]

    def __len__(self) -> int:
        return len(self.objective)

    def take(self, index: np.ndarray) -> "Solution":
        """The solutions of some draws."""
        theta = tuple(t[index] for t in self.theta)
        bound = tuple(b[index] for b in self.bound)
        return Solution(theta, self.coefficients[index], self.objective[index], bound)


@dataclass(frozen=True, slots=True)
class _Task:
    """One least squares problem per draw, with its searched variables laid out as a vector."""

    law: Law
    at: Points
    y: np.ndarray  # (B, R, M) target
    w: np.ndarray  # (1 or B, R, M) weights
    space: Space
    reference: np.ndarray  # (B or 1, P) what a logarithmic variable is measured in
    low: np.ndarray  # (B or 1, P)
    high: np.ndarray  # (B or 1, P)

    def take(self, index: np.ndarray) -> "_Task":
        def of(a: np.ndarray) -> np.ndarray:
            return a if len(a) == 1 else a[index]

        return _Task(
            self.law,
            self.at.take(index),
            of(self.y),
            of(self.w),
            self.space,
            of(self.reference),
            of(self.low),
            of(self.high),
        )

    def theta(self, u: np.ndarray) -> Theta:
        """The parameters at (B, P) variables."""
        value = np.where(_logarithmic(self.law, u.shape[-1]), np.exp(u) * self.reference, u)
        S, rungs = len(self.law.shared), self.at.params.shape[1]
        shared = tuple(value[:, s, None, None] for s in range(S))
        local = value[:, S:].reshape(len(u), len(self.law.local), rungs, 1)
        return shared + tuple(local[:, p] for p in range(len(self.law.local)))


def solve(
    law: Law, at: Points, loss: np.ndarray, weights: np.ndarray, space: Space, start: Solution | None = None
) -> Solution:
    """Fit a law by weighted least squares.

    Args:
        law: the law to fit.
        at: points of (1, R, M).
        loss: (B, R, M) or (R, M) measured loss, one fit for each draw; > 0 when `space` is "log".
        weights: (R, M) or (B, R, M), 0 in the pads.
        space: residuals of the loss or of its base-10 logarithm.
        start: a fit of the same law to start from (one draw) instead of the grid.

    Returns:
        One solution per draw.
    """
    y = target(np.atleast_3d(loss) if loss.ndim == 3 else loss[None], space)
    w = law.weigh(weights if weights.ndim == 3 else weights[None], at)
    if len(w) > len(y):
        y = np.broadcast_to(y, w.shape)
    B, R, M = y.shape
    per_draw = R * M * (6 + len(law.parameters) * (1 if law.shared else 2) + (R * len(law.local) if law.shared else 0))
    step = max(1, _CHUNK // per_draw)
    pieces = [
        _solve_piece(law, at, y[i : i + step], w if len(w) == 1 else w[i : i + step], space, start)
        for i in range(0, B, step)
    ]
    return pieces[0] if len(pieces) == 1 else _concatenate(pieces)


def _solve_piece(law: Law, at: Points, y: np.ndarray, w: np.ndarray, space: Space, start: Solution | None) -> Solution:
    B, R, M = y.shape
    separate = not law.shared
    if separate:  # rungs take the place of draws
        w, at = np.broadcast_to(w, y.shape).reshape(B * R, 1, M), _spread(at, B)
        y = y.reshape(B * R, 1, M)
    task = _task(law, at, y, w, space)
    if not law.parameters:
        u = np.zeros((len(y), 0))
    elif start is None:
        u = _search(task)
    else:
        u = _descend(task, np.clip(_variables(law, task, start, B), task.low, task.high))[0]
    return _solution(task, u, (B, R))


def _spread(at: Points, B: int) -> Points:
    """Every rung of every draw on its own: (B·R, 1, M)."""

    def of(a: np.ndarray) -> np.ndarray:
        return np.broadcast_to(a, (B, *a.shape[1:])).reshape(B * a.shape[1], 1, a.shape[2])

    return Points(of(at.x), of(at.x_ref), of(at.log_x), of(at.params), of(at.base_loss))


def _task(law: Law, at: Points, y: np.ndarray, w: np.ndarray, space: Space) -> _Task:
    R = at.params.shape[1]
    seen = w.max(axis=0, keepdims=True) > 0 if len(at.x) == 1 else w > 0
    columns = [_range(p, at, seen, R, own=i >= len(law.shared)) for i, p in enumerate(law.parameters)]
    rows = max((len(a) for c in columns for a in c), default=1)
    reference, low, high = (
        np.concatenate([np.zeros((rows, 0)), *(np.broadcast_to(c[j], (rows, c[j].shape[1])) for c in columns)], axis=1)
        for j in range(3)
    )
    return _Task(law, at, y, w, space, reference, low, high)


def _range(p: Parameter, at: Points, seen: np.ndarray, R: int, own: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Reference, low and high of a parameter's variables, each (1 or B, 1 or R)."""
    copies = R if own else 1
    if p.unit == "":
        one = np.ones((1, copies))
        bounds = (np.log(p.low), np.log(p.high)) if p.log else (p.low, p.high)
        return one, one * bounds[0], one * bounds[1]
    if p.unit == "params":
        smallest, largest = at.params.min(axis=1), at.params.max(axis=1)
        reference = np.exp(np.log(at.params).mean(axis=1))
    else:
        smallest = np.where(seen, at.x, np.inf).min(axis=-1)
        largest = np.where(seen, at.x, 0.0).max(axis=-1)
        reference = at.x_ref[..., 0]
        if not own:
            smallest, largest = smallest.min(axis=1, keepdims=True), largest.max(axis=1, keepdims=True)
            reference = np.exp(np.log(reference).mean(axis=1, keepdims=True))
    reference = np.broadcast_to(reference, (len(reference), copies))
    return reference, np.log(p.low * smallest / reference), np.log(p.high * largest / reference)


def _logarithmic(law: Law, P: int) -> np.ndarray:
    """(P,) which variables are logarithms."""
    S, L = len(law.shared), len(law.local)
    rungs = (P - S) // L if L else 0
    return np.array([p.log for p in law.shared] + [p.log for p in law.local for _ in range(rungs)], bool)


def _variables(law: Law, task: _Task, start: Solution, B: int) -> np.ndarray:
    """(B or B·R, P) variables of a solution of one draw."""
    flat = [t[0, :, 0] for t in start.theta]
    if law.shared:
        value = np.broadcast_to(np.concatenate(flat), (B, sum(len(f) for f in flat)))
    else:
        value = np.tile(np.stack(flat, axis=1), (B, 1))
    logs = _logarithmic(law, value.shape[1])
    return np.where(logs, np.log(np.where(logs, value, 1.0) / task.reference), value)


def _grid(task: _Task) -> np.ndarray:
    """(G, P) starting variables: the product of every parameter's starts, the same for all rungs."""
    law, P = task.law, task.low.shape[1]
    own = (P - len(law.shared)) // max(len(law.local), 1)
    rows = []
    for choice in product(*(p.starts for p in law.parameters)):
        values = [np.log(v) if p.log else v for v, p in zip(choice, law.parameters, strict=True)]
        S = len(law.shared)
        rows.append([*values[:S], *(v for v in values[S:] for _ in range(own))])
    return np.array(rows, float)


def _search(task: _Task) -> np.ndarray:
    """Best variables from the grid: every start is judged, the best few are followed to the end."""
    grid = _grid(task)
    B, G = len(task.y), len(grid)
    u = np.clip(np.broadcast_to(grid, (B, G, grid.shape[1])), task.low[:, None], task.high[:, None])
    values = np.stack([_objective(task, u[:, g]) for g in range(G)], axis=1)
    best = np.argsort(values, axis=1, kind="stable")[:, :_STARTS]
    draws = np.repeat(np.arange(B), best.shape[1])
    many = task.take(draws) if B > 1 else task
    followed, values = _descend(many, u[draws, best.ravel()])
    winner = values.reshape(B, -1).argmin(axis=1)
    return _settle(task, followed.reshape(B, -1, u.shape[-1])[np.arange(B), winner])


def _settle(task: _Task, u: np.ndarray) -> np.ndarray:
    """A few full steps past the point where the objective can tell, so that the last digits hold in any unit."""
    value = _objective(task, u)
    for _ in range(_SETTLING):
        A, g = _normal_equations(task, u)
        step = _damped_step(A, g, u, task, np.zeros(len(u)))
        trial = np.clip(u + step, task.low, task.high)
        calm = (np.abs(step).max(axis=1) < 1e-3) & (_objective(task, trial) <= value * (1 + 1e-10))
        u = np.where(calm[:, None], trial, u)
    return u


def _descend(task: _Task, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Levenberg-Marquardt from (B, P) variables, each draw until it stops improving: variables and objectives."""
    u = np.array(u)
    value = _objective(task, u)
    damping = np.full(len(u), 1e-3)
    alive = np.arange(len(u))
    part = task
    for _ in range(_ITERATIONS):
        v = u[alive]
        A, g = _normal_equations(part, v)
        trial = np.clip(v + _damped_step(A, g, v, part, damping[alive]), part.low, part.high)
        new = _objective(part, trial)
        better = new < value[alive]
        small = value[alive] - new <= _GAIN * value[alive]
        stuck = small & (better | (damping[alive] > 1e6))
        u[alive[better]] = trial[better]
        value[alive[better]] = new[better]
        damping[alive] = np.where(better, damping[alive] * 0.1, np.maximum(damping[alive] * 10, 1e-6))
        keep = ~stuck & np.isfinite(g).all(axis=1)
        if not keep.all():
            alive = alive[keep]
            if not len(alive):
                break
            part = task.take(alive) if len(task.y) > 1 or len(task.w) > 1 else task
    return u, value


def _damped_step(A: np.ndarray, g: np.ndarray, u: np.ndarray, task: _Task, damping: np.ndarray) -> np.ndarray:
    """(B, P) step; variables held at a bound that the gradient pushes against stay there."""
    held = ((u <= task.low) & (g < 0)) | ((u >= task.high) & (g > 0))
    free = ~held
    A = A * (free[:, :, None] & free[:, None, :])
    diagonal = np.einsum("bpp->bp", A)
    scale = np.sqrt(np.maximum(diagonal, 1e-14 * diagonal.max(axis=1, keepdims=True)))
    scale = np.where(scale > 0, scale, 1.0)
    P = A.shape[1]
    lhs = A / (scale[:, :, None] * scale[:, None, :])
    lhs[:, np.arange(P), np.arange(P)] += damping[:, None] + held + 1e-14
    step = np.linalg.solve(lhs, (np.where(free, g, 0.0) / scale)[..., None])[..., 0]
    return step / scale


def _objective(task: _Task, u: np.ndarray) -> np.ndarray:
    """(B,) weighted sum of squares at (B, P) variables, coefficients projected out."""
    theta = task.theta(u)
    fit = _project(task, theta)
    residual = task.y - target(fit.loss, task.space)
    value = np.sum(task.w * residual**2, axis=(1, 2))
    return np.where(np.isfinite(value), value, np.inf)


@dataclass(frozen=True, slots=True)
class _Projection:
    """The best coefficients for given parameters."""

    coefficients: np.ndarray  # (B, R, C)
    loss: np.ndarray  # (B, R, M) fitted
    columns: tuple[
        np.ndarray, ...
    ]  # (B, R, M) derivative of the target with respect to each coefficient; 0 where it is held at 0


def _project(task: _Task, theta: Theta) -> _Projection:
    parts, fixed = task.law.parts(theta, task.at), task.law.fixed(theta, task.at)
    base = np.zeros((1, 1, 1)) if fixed is None else fixed
    if task.space == "loss" or not parts:
        c = _non_negative(parts, task.y - base if task.space == "loss" else task.y, task.w)
    elif len(parts) == 1 and fixed is None:
        total = task.w.sum(axis=-1)
        logs = np.log10(np.maximum(parts[0], 1e-300))
        mean = np.sum(task.w * (task.y - logs), axis=-1) / np.where(total > 0, total, 1.0)
        c = 10 ** mean[..., None]
    else:
        c = _in_logarithms(parts, base, task)
    loss = base + sum((c[..., j, None] * part for j, part in enumerate(parts)), np.zeros((1, 1, 1)))
    loss = np.maximum(np.broadcast_to(loss, np.broadcast_shapes(loss.shape, task.y.shape)), _SMALLEST_LOSS)
    slope = slope_of_target(loss, task.space)
    columns = tuple(slope * part * (c[..., j, None] > 0) for j, part in enumerate(parts))
    return _Projection(c, loss, columns)


def _in_logarithms(parts: tuple[np.ndarray, ...], base: np.ndarray, task: _Task) -> np.ndarray:
    """Coefficients for residuals of log loss: Gauss-Newton steps, each a non-negative least squares problem."""
    c = _non_negative(parts, 10**task.y - base, task.w * 10 ** (-2 * task.y))
    for _ in range(6):
        loss = np.maximum(base + sum(c[..., j, None] * part for j, part in enumerate(parts)), _SMALLEST_LOSS)
        slope = slope_of_target(loss, "log")
        columns = tuple(slope * part for part in parts)
        wanted = task.y - np.log10(loss) + slope * (loss - base)
        c = _non_negative(columns, wanted, task.w)
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


def _normal_equations(task: _Task, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """J'WJ (B, P, P) and J'Wr (B, P) of the projected residual."""
    fit = _project(task, task.theta(u))
    directions = _orthonormal(fit.columns, task.w)
    B, P = u.shape
    R, M = fit.loss.shape[1:]
    J = np.zeros((B, P, R, M))
    S = len(task.law.shared)
    for s in range(S):
        J[:, s] = _off(_derivative(task, u, slice(s, s + 1), fit.coefficients), directions, task.w)
    for i in range(len(task.law.local)):
        block = slice(
            S + i * R, S + (i + 1) * R
        )  # moving every rung's own parameter at once: rungs do not touch each other
        moved = _off(_derivative(task, u, block, fit.coefficients), directions, task.w)
        J[:, np.arange(block.start, block.stop), np.arange(R)] = np.moveaxis(moved, 1, 0).swapaxes(0, 1)
    residual = task.y - target(fit.loss, task.space)
    flat, weighted = J.reshape(B, P, R * M), (J * task.w[:, None]).reshape(B, P, R * M)
    rhs = np.broadcast_to(residual, (B, R, M)).reshape(B, R * M, 1)
    return weighted @ flat.swapaxes(1, 2), (weighted @ rhs)[..., 0]


def _derivative(task: _Task, u: np.ndarray, which: slice, c: np.ndarray) -> np.ndarray:
    """(B, R, M) central difference of the fitted target along some variables, coefficients held."""
    h = 1e-5 * np.maximum(np.abs(u[:, which]), 0.1)
    ends = []
    for sign in (1, -1):
        moved = u.copy()
        moved[:, which] += sign * h
        loss = np.maximum(task.law.loss(task.theta(moved), c, task.at), _SMALLEST_LOSS)
        ends.append(target(loss, task.space))
    width = 2 * h[:, :, None]
    return (ends[0] - ends[1]) / width


def _orthonormal(columns: tuple[np.ndarray, ...], w: np.ndarray) -> list[np.ndarray]:
    """The columns made orthonormal under the weights, rung by rung; a column of zeros stays zero."""
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


def _solution(task: _Task, u: np.ndarray, shape: tuple[int, int]) -> Solution:
    B, R = shape
    theta = task.theta(u)
    fit = _project(task, theta)
    residual = task.y - target(fit.loss, task.space)
    objective = np.sum(task.w * residual**2, axis=(1, 2)).reshape(B, -1).sum(axis=1)
    at_low, at_high = u - task.low < 1e-6, task.high - u < 1e-6
    bound = at_high.astype(int) - at_low.astype(int)
    coefficients = fit.coefficients
    S, L = len(task.law.shared), len(task.law.local)
    if task.law.shared:
        bounds = tuple(bound[:, s, None] for s in range(S))
        bounds += tuple(bound[:, S + i * R : S + (i + 1) * R] for i in range(L))
    else:
        theta = tuple(t.reshape(B, R, 1) for t in theta)
        coefficients = coefficients.reshape(B, R, -1)
        bounds = tuple(bound[:, i].reshape(B, R) for i in range(L))
    return Solution(theta, coefficients, objective, bounds)


def _concatenate(pieces: list[Solution]) -> Solution:
    theta = tuple(np.concatenate(t) for t in zip(*(p.theta for p in pieces), strict=True))
    bound = tuple(np.concatenate(b) for b in zip(*(p.bound for p in pieces), strict=True))
    coefficients = np.concatenate([p.coefficients for p in pieces])
    return Solution(theta, coefficients, np.concatenate([p.objective for p in pieces]), bound)


def levels(law: Law, theta: Theta, at: Points, loss: np.ndarray, weights: np.ndarray, space: Space) -> np.ndarray:
    """Coefficients (B, R, C) of rungs whose parameters are known: what is left to fit on a size that was held out.

    Args:
        law: the law.
        theta: its parameters, (B, 1, 1) or (B, R, 1).
        at: points of (1, R, M).
        loss: (R, M) or (B, R, M) measured loss.
        weights: (R, M).
        space: residuals of the loss or of its base-10 logarithm.
    """
    y = target(loss if loss.ndim == 3 else loss[None], space)
    nothing = np.zeros((1, 0))
    task = _Task(law, at, y, law.weigh(weights[None], at), space, nothing, nothing, nothing)
    return _project(task, theta).coefficients
