"""Where a noisy curve of right answers reaches a threshold: between two evaluations, or not at all."""

import math
from dataclasses import dataclass

import numpy as np

_ROUNDING = 1e-9
_CLEARLY = 2.0  # standard errors below the threshold, from where a later evaluation counts as fallen back


@dataclass(frozen=True, slots=True)
class Crossing:
    """The resource that a run needed: more than `low`, at most `high`.

    Attributes:
        low: the last place below the threshold; 0 where the first evaluation is at it.
        high: the first place at or above it; infinite where the run never got there.
        falls_back: a later evaluation is clearly below it.
    """

    low: float
    high: float
    falls_back: bool = False


def crossing(x: np.ndarray, score: np.ndarray, answers: np.ndarray, reach: float) -> Crossing | None:
    """The crossing of the rising curve that fits best: a single lucky evaluation is no crossing.

    Args:
        x: (n,) the resource at each evaluation, >= 0, rising.
        score: (n,) share of right answers.
        answers: (n,) answers that a score is the mean of: its weight; nan where unknown.
        reach: the threshold.

    Returns:
        The crossing; None where the base is at the threshold before anything was spent.

    Source: Barlow et al. 1972, isotonic regression by pooling adjacent violators.
    """
    from scipy.optimize import isotonic_regression

    known = np.isfinite(answers).all()
    fitted = isotonic_regression(score, weights=answers if known else None).x
    above = np.flatnonzero(fitted >= reach - _ROUNDING)
    if not len(above):
        return Crossing(float(x[-1]), math.inf)
    first = int(above[0])
    if x[first] <= 0:
        return None
    before = x[:first][x[:first] < x[first]]
    slack = _CLEARLY * np.sqrt(reach * (1 - reach) / answers[first:]) if known else 0.0
    falls_back = bool((score[first:] < reach - _ROUNDING - slack).any())
    return Crossing(float(before[-1]) if len(before) else 0.0, float(x[first]), falls_back)
