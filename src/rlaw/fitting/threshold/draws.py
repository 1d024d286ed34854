"""Studies drawn from a fitted line: with its scatter, the evaluations of its runs, and where these would have ended.

Axes: S draws, I runs.
"""

from dataclasses import dataclass

import numpy as np

from rlaw.fitting.threshold.likelihood import Design, Line


@dataclass(frozen=True, eq=False)
class Evaluations:
    """Where each run is evaluated, and where it would have ended.

    Attributes:
        places: of each run, the places of its evaluations, > 0 and rising.
        limits_I: (runs,) the place after which a run is not followed; infinite where nothing ended one.
    """

    places: tuple[np.ndarray, ...]
    limits_I: np.ndarray

    def around(self, T_SI: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(S, I) ln of the evaluations before and after a crossing; past the last one they go on at its distance."""
        low, high = np.empty_like(T_SI), np.empty_like(T_SI)
        for i, places in enumerate(self.places):
            T, last = T_SI[:, i], places[-1]
            distance = last - places[-2] if len(places) > 1 else last
            after = np.searchsorted(places, T)
            ends = np.concatenate([[0.0], places])
            beyond = last + distance * np.floor(np.maximum(T - last, 0.0) / distance)
            inside = after < len(places)
            low[:, i] = np.where(inside, ends[after], beyond)
            high[:, i] = np.where(inside, ends[np.minimum(after + 1, len(places))], beyond + distance)
        over = self.limits_I < T_SI
        with np.errstate(divide="ignore"):
            return np.log(np.where(over, self.limits_I, low)), np.where(over, np.inf, np.log(high))


def draw(
    line: Line, freedom: float, design: Design, evaluations: Evaluations, draws: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """(S, I) ln of the places between which the runs of drawn studies reach the threshold.

    Args:
        line: of one study; its scatter is made unbiased first.
        freedom: degrees of freedom of that scatter.
        design: columns and seeds of the runs.
        evaluations: of the runs.
        draws: how many studies.
        rng: random numbers.
    """
    runs, columns = design.X_IP.shape
    sigma = float(line.sigma_S[0]) * np.sqrt((freedom + columns) / freedom)
    seeds = rng.standard_normal((draws, int(design.seeds_I.max()) + 1))[:, design.seeds_I]
    noise = rng.standard_normal((draws, runs)) + float(line.ratio_S[0]) * seeds
    middle = design.X_IP @ line.beta_SP[0]
    return evaluations.around(np.exp(np.clip(middle + sigma * noise, -700, 700)))
