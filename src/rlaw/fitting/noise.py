"""How far apart two measurements of the same thing are, and how sure a difference is.

The scatter of different sizes is pooled in units of the binomial standard deviation √(L (1 - L)), as in the bootstrap
of the fits. It comes from replicates where there are any; else from the scatter of each evaluation about the line
between its neighbours, which leaves out how another seed would differ.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from rlaw.fitting.bootstrap import binomial_unit, student_factor
from rlaw.measurements.columns import CURVE

if TYPE_CHECKING:
    from rlaw.measurements.frame import Frame


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
        wide = student_factor(self.freedom, level) if self.freedom else 1
        error = math.hypot(self.error(*a), self.error(*b)) * wide
        if error == 0:
            return 0.5 if a[0] == b[0] else float(a[0] < b[0])
        return NormalDist().cdf((b[0] - a[0]) / error)

    def draws(self, loss: np.ndarray, runs: np.ndarray, draws: int, seed: int) -> np.ndarray:
        """(draws, …) mean losses drawn about the measured ones, (…) each the mean of so many runs."""
        error = self.unit * binomial_unit(loss) / np.sqrt(runs)
        wide = student_factor(self.freedom, 0.9) if self.freedom else 1.0
        return loss + np.random.default_rng(seed).normal(size=(draws, *loss.shape)) * error * wide


def noise_of(frame: "Frame") -> Noise:
    """The noise of a frame's losses: from replicates, else from neighbouring evaluations, at least that of sampling."""
    replicated = _of_replicates(frame)
    if replicated is not None:
        return replicated
    sampling, between = _of_sampling(frame), _of_neighbours(frame)
    if between > sampling:
        return Noise(between, 0, "the scatter about the line between neighbouring evaluations; no replicates")
    return Noise(sampling, 0, "the finite number of answers; no replicates")


def _of_replicates(frame: "Frame") -> Noise | None:
    """Scatter of the runs of a size and an arm about their mean, at the steps they share."""
    squares = spare = freedom = 0.0
    for rows in frame.rows.partition_by("model", "arm"):
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
    how = f"replicates, {int(freedom)} degrees of freedom, sizes pooled"
    return Noise(math.sqrt(squares / spare), int(freedom), how)


def _of_neighbours(frame: "Frame") -> float:
    """Scatter of each evaluation about the line between the one before and the one after it, in log step."""
    squares, count = 0.0, 0
    for rows in frame.rows.filter(frame.rows["step"] > 0).partition_by(*CURVE):
        curve = rows.sort("step")
        x, y = np.log(curve["step"].to_numpy()), curve["test_loss"].to_numpy()
        if len(x) < 3:
            continue
        share = (x[1:-1] - x[:-2]) / (x[2:] - x[:-2])
        off = y[1:-1] - (1 - share) * y[:-2] - share * y[2:]
        scaled = off / binomial_unit(y[1:-1]) / np.sqrt(1 + share**2 + (1 - share) ** 2)
        squares, count = squares + float(scaled @ scaled), count + len(scaled)
    return math.sqrt(squares / count) if count else 0.0


def _of_sampling(frame: "Frame") -> float:
    """1 / √(answers) of the smallest evaluation, its error in binomial units; 0 when the source has none."""
    rows = frame.rows.drop_nulls("items")
    answers = (rows["items"] * rows["samples"]).min() if len(rows) else None
    return 1 / math.sqrt(float(answers)) if isinstance(answers, int | float) and answers else 0.0
