"""Curves may bend past their last point: a mixture of futures that keep their slope and futures whose slope fades.

A straight line in log-log has no end, and a pass rate has: an asymptote lies ahead that early points do not show. So a
part of the draws goes on with a slope that fades by a rate for each e-fold of the axis, or, less often, grows. How many
draws, and how fast, is weighed by how well each rate would have forecast the curves of the ladder when they are cut
short. The forecast itself follows the fading ones by their weight, and not the growing ones: that a slope grows is what
a few curves that begin late suggest, and it does not last.

Axes: S draws, M points, B rates, R sizes.
"""

import numpy as np

#: by how much the slope fades over one e-fold of the axis, and how likely that is before any curve is cut short
RATES = (-0.5, 0.0, 0.5, 1.0, 2.0, 4.0)
PRIOR = (0.1, 0.4, 0.15, 0.15, 0.1, 0.1)
_INDEPENDENT = 2  # sizes that a ladder cut at once is worth: its curves bend together


def faded(beyond: np.ndarray, rate: np.ndarray | float) -> np.ndarray:
    """What is left of a change of log loss over `beyond` e-folds when its slope fades at a rate; 1 within the data."""
    way = np.maximum(beyond, 1e-9) * rate
    return np.where(np.abs(way) > 1e-6, -np.expm1(-way) / np.where(way == 0, 1.0, way), 1.0)


def weights_of(misses: np.ndarray) -> tuple[float, ...]:
    """(B,) weights of the rates from (R, B) misses, in standard deviations, of the sizes cut short."""
    if not len(misses):
        return PRIOR
    squares = np.mean(np.square(misses), axis=0) * min(len(misses), _INDEPENDENT)
    weight = np.array(PRIOR) * np.exp(-0.5 * (squares - squares.min()))
    return tuple((weight / weight.sum()).tolist())


def fading(loss: np.ndarray, start: np.ndarray, beyond: np.ndarray, rate: np.ndarray) -> np.ndarray:
    """(S, M) losses whose slope fades past the last point.

    Args:
        loss: (S, M) losses that keep their slopes.
        start: (S,) losses at the last point of the curve.
        beyond: (M,) e-folds from there; not positive within the data.
        rate: (S, 1) by which the slope fades over one e-fold.
    """
    first = start[:, None]
    return np.where(beyond > 0, first * np.exp(np.log(loss / first) * faded(beyond, rate)), loss)


def bend(true: np.ndarray, start: np.ndarray, beyond: np.ndarray, weights: tuple[float, ...], seed: int) -> np.ndarray:
    """(S, M) draws of which some bend, with weights of the rates; arguments as of `fading`.

    Half of them bend as likely as before any curve was cut short: a bend may come later than any that was looked for.
    With the same seed, draw s bends at the same rate for every size.
    """
    likely = (np.array(weights) + np.array(PRIOR)) / 2
    rates = np.random.default_rng([seed, 3]).choice(RATES, size=(len(true), 1), p=likely)
    return fading(true, start, beyond, rates)


def middle_of(middle: np.ndarray, start: float, beyond: np.ndarray, weights: tuple[float, ...]) -> np.ndarray:
    """(M,) forecast between keeping its slope and fading, by the weights of the rates; arguments as of `fading`."""
    left = np.minimum(faded(beyond[None], np.array(RATES)[:, None]), 1.0)
    return np.where(beyond > 0, start * np.exp(np.log(middle / start) * (np.array(weights) @ left)), middle)
