"""The numbers of a fit, each with its interval: shared parameters, values of every size, of one held out.

Axes: R sizes, M points of a size.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from rlaw.fitting.bootstrap import Draws
from rlaw.fitting.curves import Curves
from rlaw.fitting.interval import Interval, finite, percentile
from rlaw.fitting.objective import Space, r_squared, rms, weights
from rlaw.fitting.solver import Solution, levels
from rlaw.laws import Law, Points


@dataclass(frozen=True, slots=True)
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
        values_json = {name: value.to_json() for name, value in self.values.items()}
        head = {"model": self.model, "params": finite(self.params), "points": self.points}
        return head | values_json | {"r2": finite(self.r2), "rmse": finite(self.rmse)}


@dataclass(frozen=True, slots=True)
class HeldOut:
    """How the law does on a size that was left out of the fit.

    The slope is predicted; where the law leaves the level of a size free, the level is fitted on the curve that was
    held out, as in the paper's inter-model protocol, so that this is not a blind forecast.
    """

    model: str
    params: float
    points: int
    values: dict[str, Interval]
    level: Literal["fitted on the held-out curve", "predicted"]
    r2: float
    rmse: float

    def to_json(self) -> dict[str, Any]:
        """The size, its values with their intervals, R² and RMSE on its curve."""
        head = {"model": self.model, "params": finite(self.params), "points": self.points, "level": self.level}
        values_json = {name: value.to_json() for name, value in self.values.items()}
        return head | values_json | {"r2": finite(self.r2), "rmse": finite(self.rmse)}


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
    return tuple(
        SizeFit(
            model=model,
            params=float(curves.params[r]),
            points=int(curves.counts[r]),
            values={name: value[r] for name, value in values.items()},
            r2=r_squared(curves.loss[r], fitted[r], curves.present[r]),
            rmse=rms(curves.loss[r] - fitted[r], curves.present[r]),
        )
        for r, model in enumerate(curves.models)
    )


def held_out(
    law: Law, held: Curves, estimate: Solution, drawn: Draws | None, space: Space, level: float
) -> HeldOut | None:
    """How the law does on the curve left out; None for a law that carries nothing from one size to another."""
    if law.local or not law.shared:
        return None
    w = weights(held, space, "equal")
    solved = []
    for s in (estimate, drawn.solution if drawn else None):
        if s is not None:
            free = levels(law, s.theta, held.at, held.loss, w, space)
            solved.append(Solution(s.theta, np.broadcast_to(free, (len(s), *free.shape[1:])), s.objective, s.bound))
    values = _values(law, held.at, solved[0], solved[1] if len(solved) > 1 else None, level)
    fitted = law.loss(solved[0].theta, solved[0].coefficients, held.at)[0]
    return HeldOut(
        model=held.models[0],
        params=float(held.params[0]),
        points=int(held.present.sum()),
        values={name: value[0] for name, value in values.items()},
        level="fitted on the held-out curve" if law.coefficients else "predicted",
        r2=r_squared(held.loss, fitted, held.present),
        rmse=rms(held.loss - fitted, held.present),
    )


def _values(
    law: Law, at: Points, estimate: Solution, drawn: Solution | None, level: float
) -> dict[str, list[Interval]]:
    """The values of every size by name, from the fit and its draws."""
    found = law.values_of_size(estimate.theta, estimate.coefficients, at)
    draws = law.values_of_size(drawn.theta, drawn.coefficients, at) if drawn is not None else {}
    return {
        name: [percentile(v, draws[name][:, r] if draws else None, level) for r, v in enumerate(value[0])]
        for name, value in found.items()
    }
