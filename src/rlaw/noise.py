"""How far apart two measurements of the same thing are, and how sure a difference is.

Losses of different sizes lend each other their scatter in units of the binomial standard deviation √(L (1 - L)), as in
the bootstrap of the fits. Replicates tell it where there are any; else the scatter about each size's own line, which
leaves out how another seed would differ.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from rlaw.intervals.bootstrap import binomial_unit, student_factor

if TYPE_CHECKING:
    from rlaw.fit import Fit
    from rlaw.frame import Frame


@dataclass(frozen=True, slots=True)
class Noise:
    """The standard deviation of one measured loss.

    Attributes:
        unit: in multiples of √(L (1 - L)).
        freedom: degrees of freedom of the replicates it comes from; 0 when there were none.
        how: where it comes from, in words.
    """

    unit: float
    freedom: int
    how: str

    def error(self, loss: float, runs: float = 1) -> float:
        """Standard error of the mean loss of that many runs."""
        return self.unit * float(binomial_unit(np.array(loss))) / math.sqrt(runs)

    def probability_lower(self, a: tuple[float, float], b: tuple[float, float], level: float = 0.9) -> float:
        """Probability that the true loss behind `a` is below that behind `b`; each is (mean loss, runs).

        Few replicates widen it as Student's t does at `level`.
        """
        error = math.hypot(self.error(*a), self.error(*b)) * (
            student_factor(self.freedom, level) if self.freedom else 1
        )
        if error == 0:
            return 0.5 if a[0] == b[0] else float(a[0] < b[0])
        return NormalDist().cdf((b[0] - a[0]) / error)

    def draws(self, loss: np.ndarray, runs: np.ndarray, draws: int, seed: int) -> np.ndarray:
        """(draws, …) mean losses drawn about the measured ones, (…) each the mean of so many runs."""
        error = self.unit * binomial_unit(loss) / np.sqrt(runs)
        wide = student_factor(self.freedom, 0.9) if self.freedom else 1.0
        return loss + np.random.default_rng(seed).normal(size=(draws, *loss.shape)) * error * wide


def noise_of(frame: "Frame", power: "Fit | None") -> Noise:
    """The noise of a frame's losses; `power` gives the scatter about each size's line where nothing is repeated."""
    replicated = _of_replicates(frame)
    if replicated is not None:
        return replicated
    sampling = _of_sampling(frame)
    if power is None:
        return Noise(sampling, 0, "answers to a finite number of problems; no replicates")
    curves, fitted = power.curves, power.fitted
    here = curves.present
    residual = ((curves.loss - fitted) / binomial_unit(fitted))[here]
    spare = max(len(residual) - 2 * len(curves.models), 1)
    about_lines = math.sqrt(float(np.sum(residual**2)) / spare)
    return Noise(max(sampling, about_lines), 0, "the scatter about each size's own line; no replicates")


def _of_replicates(frame: "Frame") -> Noise | None:
    """Scatter of the runs of a size about their mean, at the steps they share."""
    squares = spare = freedom = 0.0
    for rows in frame.rows.partition_by("model"):
        runs = rows.select("run", "seed").unique().height
        if runs < 2:
            continue
        freedom += runs - 1
        for same in rows.filter(rows["step"] > 0).partition_by("step"):
            loss = same["test_loss"].to_numpy()
            if len(loss) > 1:
                unit = float(binomial_unit(np.array(loss.mean())))
                squares += float(np.sum((loss - loss.mean()) ** 2)) / unit**2
                spare += len(loss) - 1
    if not freedom or not spare:
        return None
    return Noise(
        math.sqrt(squares / spare), int(freedom), f"replicates, {int(freedom)} degrees of freedom, sizes pooled"
    )


def _of_sampling(frame: "Frame") -> float:
    """1 / √(answers) of the smallest evaluation, its error in binomial units; 0 when the source does not tell."""
    rows = frame.rows.drop_nulls("items")
    answers = (rows["items"] * rows["samples"]).min() if len(rows) else None
    return 1 / math.sqrt(float(answers)) if isinstance(answers, int | float) and answers else 0.0
