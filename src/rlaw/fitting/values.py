"""The numbers of a fit, each with its interval: shared parameters, values of every size, of one held out.

Axes: R sizes, M points of a size.
"""

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from rlaw.fitting.bootstrap import Draws
from rlaw.fitting.curves import Curves
from rlaw.fitting.interval import Interval, finite, percentile, plain
from rlaw.fitting.objective import Space, r_squared, rms, weights
from rlaw.fitting.solver import Solution, levels
from rlaw.laws import Law, Points


@dataclass(frozen=True, kw_only=True)
class SizeFit:
    """One size in a fit: its parameters by name, and how well the law follows its curve."""

    model: str
    params: float
    points: int
    values: dict[str, Interval]
    r2: float
    rmse: float

    def to_json(self) -> dict[str, Any]:
        """The size, its values with their intervals, R² and RMSE."""
        head = {"model": self.model, "params": finite(self.params), **self._how(), **plain(self.values)}
        return head | {"r2": finite(self.r2), "rmse": finite(self.rmse)}

    def _how(self) -> dict[str, Any]:
        return {"points": self.points}


@dataclass(frozen=True, kw_only=True)
class HeldOut(SizeFit):
    """How the law does on a size that was left out of the fit.

    The slope is predicted; where the law leaves the level of a size free, the level is fitted on the curve that was
    held out, as in the paper's inter-model protocol, so that this is not a blind forecast.
    """

    level: Literal["fitted on the held-out curve", "predicted"]

    def _how(self) -> dict[str, Any]:
        return {"points": self.points, "level": self.level}


def shared_values(law: Law, estimate: Solution, drawn: Draws | None, level: float) -> dict[str, Interval]:
    """The shared parameters by name; a draw at its upper bound is taken for infinite."""
    found = {}
    for i, p in enumerate(law.shared):
        values = None
        if drawn is not None:
            bound = drawn.solution.bound[i].ravel()
            values = np.where(bound == 1, np.inf, drawn.solution.theta[i].ravel())
        found[p.name] = percentile(float(estimate.theta[i].ravel()[0]), values, level)
    return found


def size_fits(
    law: Law, curves: Curves, fitted: np.ndarray, estimate: Solution, drawn: Draws | None, level: float
) -> tuple[SizeFit, ...]:
    """Every size in a fit, from the (R, M) fitted loss, the fit and its draws."""
    values = _values(law, curves.at, estimate, drawn.solution if drawn else None, level)
    return tuple(SizeFit(**_followed(curves, r, fitted[r], values)) for r in range(len(curves.models)))


def held_out(
    law: Law, held: Curves, estimate: Solution, drawn: Draws | None, space: Space, level: float
) -> HeldOut | None:
    """How the law does on the curve left out; None for a law that carries nothing from one size to another."""
    if law.local or not law.shared:
        return None
    w = weights(held, space, "equal")

    def with_levels(solution: Solution) -> Solution:
        free = levels(law, solution.theta, held.at, held.loss, w, space)
        return replace(solution, coefficients=np.broadcast_to(free, (len(solution), *free.shape[1:])))

    solved = with_levels(estimate)
    new = drawn.beside.new if drawn and drawn.beside else None
    values = _values(law, held.at, solved, with_levels(drawn.solution) if drawn else None, level, new)
    fitted = law.loss(solved.theta, solved.coefficients, held.at)[0, 0]
    level_from = "fitted on the held-out curve" if law.coefficients else "predicted"
    return HeldOut(level=level_from, **_followed(held, 0, fitted, values))


def _followed(curves: Curves, r: int, fitted: np.ndarray, values: dict[str, list[Interval]]) -> dict[str, Any]:
    """Size r, its values, and how well its (M,) fitted loss follows its curve."""
    return {
        "model": curves.models[r],
        "params": float(curves.params[r]),
        "points": int(curves.counts[r]),
        "values": {name: value[r] for name, value in values.items()},
        "r2": r_squared(curves.loss[r], fitted, curves.present[r]),
        "rmse": rms(curves.loss[r] - fitted, curves.present[r]),
    }


def _values(
    law: Law, at: Points, estimate: Solution, drawn: Solution | None, level: float, new: np.ndarray | None = None
) -> dict[str, list[Interval]]:
    """The values of every size by name, from the fit and its draws; `new` multiplies the slopes of sizes not fitted."""
    found = law.values_of_size(estimate.theta, estimate.coefficients, at)
    draws = law.values_of_size(drawn.theta, drawn.coefficients, at) if drawn is not None else {}
    if new is not None and "k" in draws:
        added = draws["k"] * (new[:, None] - 1)
        draws["k"] = draws["k"] + added
        if "E" in draws:
            draws["E"] = draws["E"] + added * np.log10(at.x_ref[..., 0])
    return {
        name: [percentile(v, draws[name][:, r] if draws else None, level) for r, v in enumerate(value[0])]
        for name, value in found.items()
    }
