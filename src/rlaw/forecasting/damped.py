"""Holt's damped trend, a baseline: a curve goes on as it went last, its slope fading from one evaluation to the next.

Level and slope are smoothed along the evaluations of a curve. How fast is found by the errors one evaluation ahead, of
all curves of the ladder together: the few points of one curve do not show it.

Source: Gardner and McKenzie 1985 (the damped trend); Hyndman et al. 2008, table 6.1 (its variance).

Axes: R sizes, n evaluations of a size, G ways of smoothing, M points to predict, S draws.
"""

from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from rlaw.errors import NotIdentifiable
from rlaw.fitting.bootstrap import binomial_unit
from rlaw.fitting.curves import Curves
from rlaw.forecasting.outcomes import Outcome, answers_of, bounded, dispersion_of, top_of
from rlaw.forecasting.predictors import TREND, Samples

_WAYS = np.array(list(product((0.1, 0.2, 0.35, 0.6, 1.0), (0.05, 0.15, 0.4), (0.8, 0.9, 0.95, 0.98))))
_FIRST = 4  # evaluations from which the slope starts
_FARTHEST = 1000  # evaluations ahead, where the slope has long faded


@dataclass(frozen=True, slots=True)
class _Smoothed:
    """Level and slope at the end of one curve, for every way of smoothing.

    Attributes:
        level, slope: (G,) at the last evaluation.
        squares: (G,) of the errors one evaluation ahead, in units of L (1 - L).
        errors: how many.
    """

    level: np.ndarray
    slope: np.ndarray
    squares: np.ndarray
    errors: int


def damped_trend(train: Curves, r: int, x: np.ndarray, *, draws: int, seed: int) -> Samples:
    """Draws of size r at (M,) axis values, from its own curve.

    Raises:
        NotIdentifiable: no point of it is known.
    """
    if not train.counts[r]:
        raise NotIdentifiable(
            f"{TREND} goes on along a curve, and no point of {train.models[r]} is known\n  next: `anchor=first:K`"
        )
    curves = {q: _mean_curve(train, q) for q in np.flatnonzero(train.counts).tolist()}
    smoothed = {q: _smoothed(loss) for q, (_, loss) in curves.items()}
    squares = np.sum([s.squares for s in smoothed.values()], axis=0)
    errors, answers = sum(s.errors for s in smoothed.values()), answers_of(train, r)
    g = int(np.argmin(squares))
    own, (alpha, beta, phi) = smoothed[r], _WAYS[g]
    places = np.clip(_ahead(curves[r][0], x), 0.0, _FARTHEST)
    lowest = top_of(replace(train, loss=1 - train.loss))
    middle = 1 - bounded(1 - bounded(own.level[g] + own.slope[g] * _faded(phi, places), top_of(train)), lowest)
    later = np.arange(_FARTHEST + 1)
    grows = np.cumsum((alpha * (1 + beta * _faded(phi, later))) ** 2)
    dispersion = dispersion_of(float(squares[g]), errors, answers)
    sd = np.sqrt(dispersion * np.interp(places, later, grows - grows[0] + alpha**2)) / binomial_unit(middle)
    z = np.random.default_rng([seed, r]).standard_normal((draws, 1))
    likely = np.clip(middle, 1e-9, 1 - 1e-9)
    true = 1 / (1 + np.exp(-np.log(likely / (1 - likely)) - z * sd))  # in logits, so that it stays in range
    outcome = Outcome(np.full((draws, 1), dispersion), answers, top_of(train))
    return Samples(middle, true, outcome.draw(true, seed), None, outcome)


def _mean_curve(train: Curves, r: int) -> tuple[np.ndarray, np.ndarray]:
    """(n,) axis values and losses of a size by rising step, means over its runs."""
    here = train.present[r]
    _, which = np.unique(train.step[r, here], return_inverse=True)
    count = np.bincount(which)
    x, loss = (np.bincount(which, a[r, here]) / count for a in (train.at.x[0], train.loss))
    return x, loss


def _smoothed(loss: np.ndarray) -> _Smoothed:
    alpha, beta, phi = _WAYS.T
    first = min(_FIRST, len(loss) - 1)
    level = np.full(len(_WAYS), loss[0])
    slope = (loss[first] - loss[0]) / _faded(phi, first) if first else np.zeros(len(_WAYS))
    squares = np.zeros(len(_WAYS))
    for t in range(1, len(loss)):
        expected = level + phi * slope
        error = loss[t] - expected
        squares += (error / binomial_unit(loss[t])) ** 2
        level, slope = expected + alpha * error, phi * slope + alpha * beta * error
    return _Smoothed(level, slope, squares, len(loss) - 1)


def _faded(phi: np.ndarray, ahead: np.ndarray | int) -> np.ndarray:
    """How many times the last slope is added until so many evaluations ahead: phi + phi^2 + …"""
    return phi * (1 - phi**ahead) / (1 - phi)


def _ahead(own: np.ndarray, x: np.ndarray) -> np.ndarray:
    """How many evaluations after the last of (n,) axis values are, by even steps of x or of its logarithm."""
    if len(own) < 2:
        return np.maximum(x / own[-1] - 1, 0.0)
    turned = ((own, x), (np.log(own), np.log(x)))
    gaps = [np.diff(known) for known, _ in turned]
    even = int(np.argmin([gap.std() / abs(gap.mean()) for gap in gaps])) if len(own) > 2 else 0
    known, wanted = turned[even]
    return np.maximum((wanted - known[-1]) / gaps[even].mean(), 0.0)


def ladder_by_trend(
    train: Curves, whole: Curves, test: np.ndarray, *, draws: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """(R, M) forecast and (S, R, M) loss as measured at the (R, M) test points of every size; nan elsewhere."""
    middle, many = np.full(test.shape, np.nan), np.full((draws, *test.shape), np.nan)
    for r in np.flatnonzero(test.any(axis=1)).tolist():
        drawn = damped_trend(train, r, whole.at.x[0, r, test[r]], draws=draws, seed=seed)
        middle[r, test[r]], many[:, r, test[r]] = drawn.middle, drawn.measured
    return middle, many
