"""The least squares fit of a law, for many draws at once, without start values from the user.

Given the parameters, the coefficients of a law follow in closed form (`projection.py`). The few parameters left are
searched from a small fixed grid by Levenberg-Marquardt steps. A law without shared parameters is solved size by size,
sizes taking the place of draws. Everything is deterministic.

Source: Levenberg 1944, Marquardt 1963.

Axes: B draws (or starts), R sizes, M points of a size, C coefficients, P searched variables.
"""

from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from rlaw.fitting.objective import Space, target
from rlaw.fitting.projection import Problem, normal_equations, objective, project
from rlaw.laws import Law, Parameter, Points, Theta

_ITERATIONS = 100
_STARTS = 2  # of the grid, the best ones are followed to the end
_SETTLING = 3
_GAIN = 1e-13  # a step that improves the objective by a smaller share ends the search
_GAIN_OF_DRAWS = 1e-7  # of a draw: a hundredth of its standard error
_CHUNK = 400_000  # numbers in the largest array of a batch, so that what is used again is still in the cache


@dataclass(frozen=True, slots=True)
class Solution:
    """Fitted parameters of B draws.

    Attributes:
        theta: one array per parameter, (B, 1, 1) for shared and (B, R, 1) for local ones.
        coefficients: (B, R, C), >= 0.
        objective: (B,) weighted mean square of the residual, summed over sizes.
        bound: per parameter (B, 1 or R) int: -1 at its lower bound, 1 at its upper, 0 inside.
    """

    theta: Theta
    coefficients: np.ndarray
    objective: np.ndarray
    bound: tuple[np.ndarray, ...]

    def __len__(self) -> int:
        return len(self.objective)


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
    y = target(loss if loss.ndim == 3 else loss[None], space)
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


def solve_held(
    law: Law,
    at: Points,
    loss: np.ndarray,
    weights: np.ndarray,
    space: Space,
    start: Solution,
    which: int,
    values: np.ndarray,
) -> np.ndarray:
    """The best objective when one shared parameter is held, for each of (B,) values.

    Args:
        law, at, loss, weights, space: as in `solve`, for one draw.
        start: the fit to start from.
        which: index of the shared parameter.
        values: what it is held at.
    """
    y = np.broadcast_to(target(loss[None], space), (len(values), *loss.shape))
    problem = _problem(law, at, y, law.weigh(weights[None], at), space)
    held = np.log(values / problem.reference[:, which]) if law.shared[which].log else values
    low, high = (np.broadcast_to(b, (len(values), b.shape[1])).copy() for b in (problem.low, problem.high))
    low[:, which] = high[:, which] = held
    problem = replace(problem, low=low, high=high)
    u = np.clip(_variables(law, problem, start, len(values)), low, high)
    return _descend(problem, u)[1]


def _solve_piece(law: Law, at: Points, y: np.ndarray, w: np.ndarray, space: Space, start: Solution | None) -> Solution:
    B, R, M = y.shape
    separate = not law.shared
    if separate:  # sizes take the place of draws
        w, y = np.broadcast_to(w, y.shape).reshape(B * R, 1, M), y.reshape(B * R, 1, M)
        at = at.each(lambda a: np.broadcast_to(a, (B, *a.shape[1:])).reshape(B * R, 1, -1))
    problem = _problem(law, at, y, w, space)
    if not law.parameters:
        u = np.zeros((len(y), 0))
    elif start is None:
        u = _search(problem)
    else:
        problem = replace(problem, drawn=B > 1)
        u = _descend(problem, np.clip(_variables(law, problem, start, B), problem.low, problem.high))[0]
    return _solution(problem, u, (B, R))


def _problem(law: Law, at: Points, y: np.ndarray, w: np.ndarray, space: Space) -> Problem:
    S, R = len(law.shared), at.params.shape[1]
    used = w.max(axis=0, keepdims=True) > 0 if len(at.x) == 1 else w > 0
    columns = [_range(p, at, used, R, own=i >= S) for i, p in enumerate(law.parameters)]
    rows = max((len(a) for c in columns for a in c), default=1)
    reference, low, high = (
        np.concatenate([np.zeros((rows, 0)), *(np.broadcast_to(c[j], (rows, c[j].shape[1])) for c in columns)], axis=1)
        for j in range(3)
    )
    logs = [p.log for p in law.shared] + [p.log for p in law.local for _ in range(R)]
    return Problem(law, at, y, w, space, reference, low, high, np.array(logs, bool))


def _range(p: Parameter, at: Points, used: np.ndarray, R: int, own: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
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
        smallest = np.where(used, at.x, np.inf).min(axis=-1)
        largest = np.where(used, at.x, 0.0).max(axis=-1)
        reference = at.x_ref[..., 0]
        if not own:
            smallest, largest = smallest.min(axis=1, keepdims=True), largest.max(axis=1, keepdims=True)
            reference = np.exp(np.log(reference).mean(axis=1, keepdims=True))
    reference = np.broadcast_to(reference, (len(reference), copies))
    return reference, np.log(p.low * smallest / reference), np.log(p.high * largest / reference)


def _variables(law: Law, problem: Problem, start: Solution, B: int) -> np.ndarray:
    """(B or B·R, P) variables of a solution of one draw."""
    flat = [t[0, :, 0] for t in start.theta]
    if law.shared:
        value = np.broadcast_to(np.concatenate(flat), (B, sum(len(f) for f in flat)))
    else:
        value = np.tile(np.stack(flat, axis=1), (B, 1))
    return np.where(problem.logs, np.log(np.where(problem.logs, value, 1.0) / problem.reference), value)


def _grid(problem: Problem) -> np.ndarray:
    """(G, P) starting variables: the product of every parameter's starts, the same for all sizes."""
    law, rows, sizes = problem.law, [], problem.at.params.shape[1]
    for choice in product(*(p.starts for p in law.parameters)):
        values = [np.log(v) if p.log else v for v, p in zip(choice, law.parameters, strict=True)]
        rows.append(np.repeat(values, [1] * len(law.shared) + [sizes] * len(law.local)))
    return np.array(rows)


def _search(problem: Problem) -> np.ndarray:
    """Best variables from the grid: every start is judged, the best few are followed to the end."""
    grid = _grid(problem)
    B, G = len(problem.y), len(grid)
    u = np.clip(np.broadcast_to(grid, (B, G, grid.shape[1])), problem.low[:, None], problem.high[:, None])
    values = np.stack([objective(problem, u[:, g]) for g in range(G)], axis=1)
    best = np.argsort(values, axis=1, kind="stable")[:, :_STARTS]
    draws = np.repeat(np.arange(B), best.shape[1])
    many = problem.take(draws) if B > 1 else problem
    followed, values = _descend(many, u[draws, best.ravel()])
    winner = values.reshape(B, -1).argmin(axis=1)
    return _settle(problem, followed.reshape(B, -1, u.shape[-1])[np.arange(B), winner])


def _settle(problem: Problem, u: np.ndarray) -> np.ndarray:
    """A few full steps past where the objective changes, so that the last digits hold in any unit."""
    value = objective(problem, u)
    for _ in range(_SETTLING):
        A, g = normal_equations(problem, u)
        step = _damped_step(A, g, u, problem, np.zeros(len(u)))
        trial = np.clip(u + step, problem.low, problem.high)
        calm = (np.abs(step).max(axis=1) < 1e-3) & (objective(problem, trial) <= value * (1 + 1e-10))
        u = np.where(calm[:, None], trial, u)
    return u


def _descend(problem: Problem, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Levenberg-Marquardt from (B, P) variables, each draw until it stops improving: variables and objectives."""
    gain = _GAIN_OF_DRAWS if problem.drawn else _GAIN
    u = np.array(u)
    value = objective(problem, u)
    damping = np.full(len(u), 1e-3)
    alive = np.arange(len(u))
    part = problem
    for _ in range(_ITERATIONS):
        v = u[alive]
        A, g = normal_equations(part, v)
        trial = np.clip(v + _damped_step(A, g, v, part, damping[alive]), part.low, part.high)
        new = objective(part, trial)
        better = new < value[alive]
        small = value[alive] - new <= gain * value[alive]
        stuck = small & (better | (damping[alive] > 1e6))
        u[alive[better]] = trial[better]
        value[alive[better]] = new[better]
        damping[alive] = np.where(better, damping[alive] * 0.1, np.maximum(damping[alive] * 10, 1e-6))
        keep = ~stuck & np.isfinite(g).all(axis=1)
        if not keep.all():
            alive = alive[keep]
            if not len(alive):
                break
            part = problem.take(alive) if len(problem.y) > 1 or len(problem.w) > 1 else problem
    return u, value


def _damped_step(A: np.ndarray, g: np.ndarray, u: np.ndarray, problem: Problem, damping: np.ndarray) -> np.ndarray:
    """(B, P) step; variables held at a bound that the gradient pushes against stay there."""
    held = ((u <= problem.low) & (g < 0)) | ((u >= problem.high) & (g > 0))
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


def _solution(problem: Problem, u: np.ndarray, shape: tuple[int, int]) -> Solution:
    B, R = shape
    theta = problem.theta(u)
    fit = project(problem, theta)
    residual = problem.y - target(fit.loss, problem.space)
    objective = np.sum(problem.w * residual**2, axis=(1, 2)).reshape(B, -1).sum(axis=1)
    at_low, at_high = u - problem.low < 1e-6, problem.high - u < 1e-6
    bound = at_high.astype(int) - at_low.astype(int)
    coefficients = fit.coefficients
    S, L = len(problem.law.shared), len(problem.law.local)
    if problem.law.shared:
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
    """Coefficients (B, R, C) of sizes whose parameters are known: what is left to fit on a size that was held out.

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
    problem = Problem(law, at, y, law.weigh(weights[None], at), space, nothing, nothing, nothing, nothing[0] > 0)
    return project(problem, theta).coefficients
