"""What each size would give for a budget: steps, prompts, compute, loss, and how likely it is the best.

Axes: R choices, S draws, M budgets.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rlaw.decisions.budget import Budget
from rlaw.decisions.costs import SizeCost
from rlaw.decisions.frontier import best_of
from rlaw.fitting.curves import Curves
from rlaw.fitting.interval import Interval, Plain, median, percentile
from rlaw.measurements.frame import AXES
from rlaw.study.gpu_cost import GpuCost, Rates

if TYPE_CHECKING:
    from rlaw.measurements.frame import Frame

DOUBLINGS = np.arange(0, 10.01, 0.25)  # budgets looked at, doublings of the one given
ONE = int(np.searchsorted(DOUBLINGS, 1.0))
_ROUNDING = 1e-6


@dataclass(frozen=True, slots=True)
class Choice(Plain):
    """One size, or one reuse factor of a size, at the budget.

    Attributes:
        model: its name.
        params: its size.
        tau: how often each unique prompt is seen.
        steps: RL steps that the budget pays for.
        data: prompts that these steps consume; None when the data do not have it.
        compute_flops: compute of these steps, as the data count it; None when the data do not have it.
        loss: true loss at the end, without the noise of an evaluation.
        doubling: change of the loss when the budget is doubled.
        probability_best: share of draws in which no other choice has a lower loss.
        axis_factor: how many times farther than this size was run.
        executed_flops: what these steps and their evaluations execute; None where nobody knows.
        on_gpus: what they cost on each type of GPU, as in `rlaw plan`.
    """

    model: str
    params: float
    tau: float
    steps: float
    data: float | None
    compute_flops: float | None
    loss: Interval
    doubling: Interval
    probability_best: float
    axis_factor: float
    executed_flops: float | None
    on_gpus: dict[str, GpuCost]


@dataclass(frozen=True, slots=True)
class Spending:
    """What the budget comes to for each choice, (R,) each: reuse factor, steps, and what these cost."""

    tau: np.ndarray
    steps: np.ndarray
    costs: tuple[SizeCost, ...]
    rates: Rates

    def pick(self, rows: np.ndarray) -> "Spending":
        """Some of the choices."""
        return Spending(self.tau[rows], self.steps[rows], tuple(self.costs[r] for r in rows), self.rates)


def choices_of(
    frame: "Frame",
    curves: Curves,
    spent: Budget,
    spending: Spending,
    x: np.ndarray,
    loss: np.ndarray,
    doubtful: np.ndarray,
    level: float,
) -> tuple[Choice, ...]:
    """Every choice at the budget; `x` is (R, M), `loss` (S, R, M), `doubtful` the (S, R) losses of the intervals."""
    now = loss[:, :, 0]
    share = best_of(now)
    choices = []
    for r, model in enumerate(curves.models):
        amount = float(x[r, 0])
        steps, cost = float(spending.steps[r]), spending.costs[r]
        found = {axis: _at_step(frame, model, column, steps) for axis, column in AXES.items() if axis != "step"}
        found[spent.axis] = amount
        executed = cost.executed_flops(steps, found["compute"])
        choices.append(
            Choice(
                model=model,
                params=float(curves.params[r]),
                tau=float(spending.tau[r]),
                steps=steps,
                data=found["data"],
                compute_flops=found["compute"],
                loss=_around(float(np.median(now[:, r])), doubtful[:, r], level),
                doubling=median(loss[:, r, ONE] - now[:, r], level),
                probability_best=float(share[r]),
                axis_factor=float(max(amount / curves.at.x[0, r, curves.present[r]].max(), 1.0)),
                executed_flops=executed,
                on_gpus=spending.rates.costs(cost.place, executed),
            )
        )
    return tuple(choices)


def steps_at(curves: Curves, r: int, amount: float) -> float:
    """RL steps of size r that an amount on the axis pays for."""
    here = curves.present[r]
    return _along(curves.at.x[0, r, here], curves.step[r, here], amount)


def amount_at(curves: Curves, r: int, steps: float) -> float:
    """The amount on the axis that so many RL steps of size r take."""
    here = curves.present[r]
    return _along(curves.step[r, here], curves.at.x[0, r, here], steps)


def first_step(frame: "Frame", model: str) -> float:
    """The steps until a size is evaluated: its first one, or the fewest between two of them; 1 at least."""
    rows = frame.rows.filter((frame.rows["model"] == model) & (frame.rows["step"] > 0))
    steps = np.unique(rows["step"].to_numpy())
    return float(max(min(steps[:1].tolist() + np.diff(steps).tolist(), default=1), 1))


def started(frame: "Frame", curves: Curves, x: np.ndarray) -> np.ndarray:
    """(R, M) whether amounts on the axis pay for a step and reach the size's first evaluation."""
    first = [first_step(frame, model) * (1 - _ROUNDING) for model in curves.models]
    return np.array([[steps_at(curves, r, float(a)) >= first[r] for a in amounts] for r, amounts in enumerate(x)])


def _around(value: float, draws: np.ndarray, level: float) -> Interval:
    """A value with the interval of draws that may lie about another one."""
    found = percentile(value, draws, level)
    return Interval(value, min(found.low, value), max(found.high, value))


def _along(x: np.ndarray, y: np.ndarray, at: float) -> float:
    """y at x = `at`: between the measured points by straight lines from (0, 0), past them at the mean rate."""
    order = np.argsort(x, kind="stable")
    x, y = np.concatenate([[0.0], x[order]]), np.concatenate([[0.0], y[order]])
    return float(np.interp(at, x, y) if at <= x[-1] else at * y[-1] / x[-1])


def _at_step(frame: "Frame", model: str, column: str, steps: float) -> float | None:
    """What a size has used of a column after so many steps; None when the data do not have it."""
    own = (frame.rows["model"] == model) & (frame.rows["step"] > 0)
    rows = frame.rows.filter(own).select("step", column).drop_nulls()
    if rows.is_empty():
        return None
    rows = rows.group_by("step").mean().sort("step")
    return _along(rows["step"].to_numpy().astype(float), rows[column].to_numpy().astype(float), steps)
