"""Profile intervals of shared parameters: how much worse the fit becomes when one parameter is held elsewhere.

The shape of the profile comes from the objective: skewed where the law is, flat where the data do not determine the
parameter, and then the interval has no end on that side. The objective does not know how the noise hangs together; the
draws of the bootstrap do. So the profile is cut where a parabola with its curvature and the draws' spread would be.

Source: Cox and Hinkley 1974 (profile likelihood); Kent 1982 (its scale when the noise is not the assumed one).
"""

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from rlaw.errors import NotFound, UsageError
from rlaw.fitting.interval import Interval
from rlaw.fitting.solver import solve_held

if TYPE_CHECKING:
    from rlaw.fitting.result import Fit

_POINTS = 61
_REACH = 6.0  # the search goes this many spreads to either side, or to the bounds


@dataclass(frozen=True, eq=False)
class Profile:
    """The profile of one shared parameter.

    Attributes:
        name: of the parameter.
        values: (points,) where it was held, rising.
        rise: (points,) how much the objective rises above the fit's, in units of its cut: 1 at the interval's ends.
        interval: the value with its ends; infinite where the profile never reaches its cut.
    """

    name: str
    values: np.ndarray
    rise: np.ndarray
    interval: Interval

    def __str__(self) -> str:
        ends = [f"{end:.4g}" if math.isfinite(end) else "unbounded" for end in (self.interval.low, self.interval.high)]
        return f"{self.name} {self.interval.value:.4g} [{ends[0]}, {ends[1]}]"


def profile(fit: "Fit", name: str) -> Profile:
    """The profile of a shared parameter of a fit with bootstrap draws.

    Raises:
        NotFound: the law has no shared parameter of that name.
        UsageError: the fit has no draws to set the scale by.
    """
    names = [p.name for p in fit.law.shared]
    if name not in names:
        raise NotFound(f"{fit.law.name} has no shared parameter {name!r}; it has {', '.join(names) or 'none'}")
    if fit.drawn is None:
        raise UsageError("a profile takes its scale from bootstrap draws\n  next: fit with intervals='bootstrap'")
    which = names.index(name)
    log = fit.law.shared[which].log
    scale = np.log if log else np.asarray
    best = float(fit.estimate.theta[which].item())
    middle, spread = float(scale(best)), _spread(scale(fit.drawn.solution.theta[which].ravel()))
    away = np.linspace(-1, 1, _POINTS)  # denser near the fit, where the curvature is read
    held = np.unique(np.r_[middle + _REACH * spread * away * np.abs(away), middle])
    if not log:
        held = np.unique(np.maximum(held, fit.law.shared[which].low))
    values = np.exp(held) if log else held
    curves = fit.curves
    objective = solve_held(
        fit.law, curves.at, curves.loss, fit.weights, fit.settings["space"], fit.estimate, which, values
    )
    rise = np.maximum(objective - fit.estimate.objective[0], 0.0)
    z = NormalDist().inv_cdf((1 + fit.level) / 2)
    rise = rise / (_curvature(held - middle, rise) * (z * spread) ** 2)
    low, high = _crossing(held, rise, middle, -1), _crossing(held, rise, middle, 1)
    bounds = [float(np.exp(end)) if log else end for end in (low, high)]
    return Profile(name, values, rise, Interval(best, bounds[0], bounds[1]))


def _spread(draws: np.ndarray) -> float:
    """Standard deviation from the middle half of the draws, so that a long tail does not set the scale."""
    low, high = np.quantile(draws, [0.25, 0.75])
    return max(float(high - low) / (2 * NormalDist().inv_cdf(0.75)), 1e-12)


def _curvature(apart: np.ndarray, rise: np.ndarray) -> float:
    """Half the second derivative of the rise at the fit, from the points nearest to it."""
    near = np.argsort(np.abs(apart), kind="stable")[:9]
    return max(float(np.sum(apart[near] ** 2 * rise[near]) / np.sum(apart[near] ** 4)), 1e-300)


def _crossing(held: np.ndarray, rise: np.ndarray, middle: float, side: int) -> float:
    """Where the rise first reaches 1 on one side of the fit; infinite when it never does."""
    beyond = held >= middle if side > 0 else held <= middle
    x, y = held[beyond][::side], rise[beyond][::side]
    over = np.flatnonzero(y >= 1)
    if not len(over):
        return side * math.inf
    i = int(over[0])
    return float(x[i - 1] + (1 - y[i - 1]) / (y[i] - y[i - 1]) * (x[i] - x[i - 1])) if i else float(x[0])
