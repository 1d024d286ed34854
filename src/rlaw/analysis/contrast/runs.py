"""One number for each run: its loss at a place of the axis, its slope, and the share of wrong answers to each problem.

A loss at a place is read off a straight line through the run's evaluations nearby (within a factor of two of the place,
four at least), the nearer ones with more weight.

Axes: M points of a run, I items.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from rlaw.fitting.nearby import line_at_zero
from rlaw.fitting.selection import Window, window_of
from rlaw.measurements.frame import Frame

_REACH = math.log(2)
_LEAST_NEAR = 4
_LEAST_PLACES = 3  # of a slope
_OWN_SHARE = 0.25  # of the binomial variance that runs which answer the same problems do not share, at least


@dataclass(frozen=True, eq=False)
class Run:
    """The measured curve of one run.

    Attributes:
        seed: as it was given.
        x: (M,) rising places of the axis, > 0.
        loss: (M,) measured there.
        compute: FLOPs at its end; nan where unknown.
        answers: (M,) how many each loss is a mean of; inf where unknown.
        wrong: (M, I) share of wrong answers to each item; None without answers to each item.
    """

    seed: Any
    x: np.ndarray
    loss: np.ndarray
    compute: float
    answers: np.ndarray
    wrong: np.ndarray | None

    def share(self, place: float) -> np.ndarray:
        """(M,) what each measurement counts for in the loss at a place."""
        away = np.log(self.x / place)
        reach = max(_REACH, float(np.sort(np.abs(away))[:_LEAST_NEAR][-1])) * 1.001
        return line_at_zero(away, np.clip(1 - (np.abs(away) / reach) ** 3, 0.0, None) ** 3)

    def at(self, place: float) -> float:
        """The loss at a place."""
        return float(self.share(place) @ self.loss)

    def error(self, place: float) -> float:
        """Variance of the loss at a place by its answers, beside what runs that answer the same problems share."""
        loss = float(np.clip(self.at(place), 0.0, 1.0))
        return _OWN_SHARE * loss * (1 - loss) * float(np.sum(self.share(place) ** 2 / self.answers))

    def slope(self, low: float, high: float) -> float:
        """k of log L = level - k log X between two places; nan with fewer than three."""
        here = (self.x >= low * (1 - 1e-9)) & (self.x <= high * (1 + 1e-9))
        z = np.log(self.x[here])
        if len(np.unique(z)) < _LEAST_PLACES:
            return math.nan
        z = z - z.mean()
        return -float(z @ np.log(positive(self.loss[here])) / (z @ z))


def positive(loss: np.ndarray) -> np.ndarray:
    """The losses, where logarithms are taken: 0 as half of the smallest other one."""
    above = loss[loss > 0]
    return np.where(loss > 0, loss, 0.5 * float(above.min()) if len(above) else 0.5)


def runs_of(frame: Frame, axis: str, window: Window) -> dict[str, list[Run]]:
    """The runs of every size that have a point in the window, by size; copies of a run are one."""
    first, last = window_of(window)
    column = frame.x(axis)
    kept = frame.rows.filter(
        (pl.col("step") >= first) & (pl.col("step") <= last) & (pl.col(column) > 0) & pl.col(column).is_finite()
    )
    found: dict[str, list[Run]] = {}
    for rows in kept.partition_by("model", "run", "seed", maintain_order=True):
        run = _run(rows.sort(column, "step"), column)
        others = found.setdefault(str(rows["model"][0]), [])
        if not any(np.array_equal(run.x, o.x) and np.array_equal(run.loss, o.loss) for o in others):
            others.append(run)
    return found


def _run(rows: pl.DataFrame, column: str) -> Run:
    compute = rows["compute_flops"].max()
    return Run(
        seed=rows["seed"][0],
        x=rows[column].cast(float).to_numpy(),
        loss=rows["test_loss"].to_numpy(),
        compute=math.nan if compute is None else float(compute),  # pyright: ignore[reportArgumentType]
        answers=(rows["items"] * rows["samples"].fill_null(1)).cast(float).fill_null(math.inf).to_numpy(),
        wrong=_wrong(rows),
    )


def _wrong(rows: pl.DataFrame) -> np.ndarray | None:
    lengths = rows["correct"].list.len().unique()
    if rows["correct"].null_count() or len(lengths) != 1 or not lengths[0]:
        return None
    correct = rows["correct"].list.to_array(int(lengths[0])).to_numpy().astype(float)
    samples = rows["samples"].cast(float).fill_null(1.0).to_numpy()
    return 1 - correct / samples[:, None]


def common_range(runs: Sequence[Run]) -> tuple[float, float] | None:
    """The places that every run reached; None without any."""
    low, high = max(run.x[0] for run in runs), min(run.x[-1] for run in runs)
    return (float(low), float(high)) if low <= high else None


def by_seed(a: list[Run], b: list[Run]) -> tuple[list[Run], list[Run]]:
    """The runs of A and B that have a partner of the same seed in the other, in the order of the seeds."""
    of_a, of_b = ({run.seed: run for run in own} for own in (a, b))
    if len(of_a) < len(a) or len(of_b) < len(b):  # several runs of one seed
        return [], []
    seeds = [seed for seed in of_a if seed in of_b]
    return [of_a[s] for s in seeds], [of_b[s] for s in seeds]


def shared_variance(a: Sequence[Run], b: Sequence[Run], place: float, *, paired: bool) -> float:
    """Variance of the mean difference that all runs share because they answer the same problems.

    Recipes that are better at some problems than at others would differ by another amount on other problems: what
    differences of single problems scatter beyond the noise of the answers. 0 where the runs cannot show it.
    """
    answers = [[run.share(place) @ run.wrong for run in own if run.wrong is not None] for own in (a, b)]
    if any(len(own) < max(len(runs), 2) for own, runs in zip(answers, (a, b), strict=True)):
        return 0.0
    if len({len(one) for own in answers for one in own}) > 1:
        return 0.0
    of_a, of_b = (np.array(own) for own in answers)
    groups = [of_a - of_b] if paired else [of_a, of_b]
    items = of_a.shape[1]
    if items < 2:
        return 0.0
    total = float(np.var(of_a.mean(axis=0) - of_b.mean(axis=0), ddof=1)) / items
    noise = 0.0
    for group in groups:
        n = len(group)
        left = group - group.mean(axis=0) - group.mean(axis=1, keepdims=True) + group.mean()
        noise += float(np.sum(left**2)) / ((n - 1) * (items - 1)) / (n * items)
    return max(total - noise, 0.0)
