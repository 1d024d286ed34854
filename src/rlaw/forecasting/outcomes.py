"""From a true loss to a measured one: a share of wrong answers, so that neither leaves [0, 1].

A loss that a straight line or a walk carries past what was measured is bent towards a ceiling below 1. The law has left
its range there and does not say how far the loss is from 1, so each draw has a ceiling of its own. What
an evaluation makes of a true loss is a count of wrong answers (binomial, with a beta for what scatters beyond the
count), or the beta alone where the number of answers is not known. Nothing is clipped.

Source: Griffiths 1973 (the beta-binomial).

Axes: S draws, M points.
"""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from rlaw.fitting.curves import Curves

Number = TypeVar("Number", float, np.ndarray)

_LOWEST_TOP, _HIGHEST_TOP = 0.5, 0.995
_LEAST_DISPERSION, _MOST_DISPERSION = 1e-10, 0.9
_STREAM = 1_000_003  # of the random numbers, apart from those of the true losses
_WORTH = 5  # degrees of freedom that the number of answers is worth
_SAMPLING = 0.5  # of p (1 - p) that an answer scatters by, when problems differ in difficulty as they usually do


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an evaluation makes of a true loss.

    Attributes:
        dispersion: (S, 1) variance of a measured loss in units of L (1 - L).
        answers: of an evaluation; None where it is not known.
        top: the largest loss measured.
    """

    dispersion: np.ndarray
    answers: int | None
    top: float

    def draw(self, true: np.ndarray, seed: int) -> np.ndarray:
        """(S, M) measured losses for (S, M) true ones."""
        return measured(np.random.default_rng([seed, _STREAM]), true, self.dispersion, self.answers)


def top_of(curves: Curves) -> float:
    """The largest loss measured: draws up to it are left as they are."""
    return float(np.clip(np.max(curves.loss, where=curves.present, initial=0.0), _LOWEST_TOP, _HIGHEST_TOP))


def bounded(loss: np.ndarray, top: float, ceiling: np.ndarray | float = 1.0) -> np.ndarray:
    """Losses as they are up to `top`, and on a smooth curve from there that stays below the ceiling."""
    room = ceiling - top
    return np.where(loss > top, ceiling - room * np.exp(-np.maximum(loss - top, 0.0) / room), loss)


def ceilings(top: float, draws: int, seed: int) -> np.ndarray:
    """(S, 1) where draws end that a law carries past every loss measured: anywhere from there to 1, for all it says."""
    return np.random.default_rng([seed, 5]).uniform(top, 1.0, (draws, 1))


def answers_of(curves: Curves, r: int) -> int | None:
    """Problems of an evaluation of size r, of its own points or else of the ladder's; None where they are not known."""
    own = curves.items[r, curves.present[r]]
    known = own if len(own) else curves.items[curves.present]
    return max(int(np.median(known)), 1) if len(known) and np.isfinite(known).all() else None


def dispersion_of(squares: Number, spare: int, answers: int | None) -> Number:
    """Variance of a measured loss in units of L (1 - L).

    Args:
        squares: sum of squares of what scatters, in these units.
        spare: degrees of freedom of the sum. Where they are few, the number of answers says what scatter there must be.
        answers: of an evaluation; None where it is not known.
    """
    prior = 0 if answers is None else _WORTH
    return (squares + prior * _SAMPLING / (answers or 1)) / max(max(spare, 0) + prior, 1)


def measured(rng: np.random.Generator, true: np.ndarray, dispersion: np.ndarray, answers: int | None) -> np.ndarray:
    """(S, M) losses as an evaluation gives them, of variance `dispersion` L (1 - L).

    Args:
        rng: random numbers.
        true: (S, M) losses in [0, 1].
        dispersion: (S, 1), of `dispersion_of`.
        answers: of an evaluation; None where it is not known. Fewer than the dispersion implies are not believed.
    """
    spread = np.clip(dispersion, _LEAST_DISPERSION, _MOST_DISPERSION)
    likely = (true + spread / 2) / (1 + spread)  # a measured 0 or 1 does not make the next one certain (Jeffreys 1946)
    if answers is None:
        return _beta(rng, likely, spread)
    count = np.maximum(answers, np.ceil(1 / spread)).astype(np.int64)
    beyond = np.maximum((spread - 1 / count) / (1 - 1 / np.maximum(count, 2)), 1e-12)
    return rng.binomial(count, _beta(rng, likely, beyond)) / count


def _beta(rng: np.random.Generator, mean: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Beta draws of this mean and variance `spread` p (1 - p)."""
    weight = 1 / spread - 1
    return rng.beta(mean * weight, (1 - mean) * weight)
