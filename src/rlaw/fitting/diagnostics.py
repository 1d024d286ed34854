"""When a fit should not be believed: cautions with stable codes, each with what the data show and what to do."""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from rlaw import units
from rlaw.fitting.curves import Curves, each_run
from rlaw.fitting.interval import Plain
from rlaw.fitting.items import ASSUMED_DIFFICULTY
from rlaw.fitting.solver import Solution
from rlaw.fitting.trend import Slopes, Trend, trend
from rlaw.laws import BASELINES, Law

if TYPE_CHECKING:
    from rlaw.measurements.frame import Frame

#: with one of these the data do not determine the parameters of the law
NOT_IDENTIFIED = frozenset({"slopes-not-rising", "at-bound", "unbounded"})

_ROUNDING = 1e-12  # square of a loss difference that is none
_NEVER_CHANCE = 1e-3  # honest noise lets all curves fall all the way less often than this: a best so far


@dataclass(frozen=True, slots=True)
class Caution(Plain):
    """One warning about a result.

    Attributes:
        code: stable, for programs.
        text: for people: what the data show, and what to do.
    """

    code: str
    text: str


def cautions_of_frame(frame: "Frame", *, logs: bool) -> list[Caution]:
    """What was understood or repaired when the measurements were read; `logs` when logarithms of losses are taken."""
    found = [Caution(note.code, note.text) for note in frame.notes]
    zeros = int((frame.rows["test_loss"] == 0).sum())
    if logs and zeros:
        text = f"losses of 0: {zeros}; where logarithms are taken, one stands for half of one answer more, 1/2 of n + 1"
        found.append(Caution("zero-losses", text))
    return found


def cautions_of_fit(
    law: Law, curves: Curves, fitted: np.ndarray, estimate: Solution, alone: Slopes, drawn: Solution | None
) -> list[Caution]:
    """Every warning about a fit.

    Args:
        law: the law that was fitted.
        curves: what it was fitted to.
        fitted: (R, M) fitted loss.
        estimate: the fit, one draw.
        alone: the straight line through each curve, with the error of its slope.
        drawn: bootstrap draws; None without.
    """
    return [
        *_sizes(law, curves),
        *_slopes(law, curves, fitted, alone),
        *_bounds(law, curves, estimate),
        *(_unbounded(law, drawn) if drawn is not None else []),
        *(_correlated(law, drawn) if drawn is not None else []),
        *_ladder(law, curves, estimate),
        *_residuals(curves, fitted),
        *_baseline(law, curves, fitted),
        *_axis(curves),
        *_best_so_far(curves, alone),
    ]


def _sizes(law: Law, curves: Curves) -> Iterator[Caution]:
    n = len(np.unique(curves.params))
    if law.shared and n < 5:
        text = f"only {n} sizes: {' and '.join(p.name for p in law.shared)} rest on few slopes; add sizes to the ladder"
        if n < 4 and ties_efficiency_to_size(law):
            text += f" (slopes of {n} sizes rise in order by luck once in {math.factorial(n)} times)"
        yield Caution("few-sizes", text)


def _slopes(law: Law, curves: Curves, fitted: np.ndarray, alone: Slopes) -> Iterator[Caution]:
    if not ties_efficiency_to_size(law):
        return
    if len(alone.k) >= 3 and not (rise := trend(alone)).rises:
        yield not_rising(rise)
    left, least = (float(np.sum(((curves.loss - f) * curves.present) ** 2)) for f in (fitted, alone.loss))
    if left > 2 * least + _ROUNDING * curves.present.sum():
        times = f"{left / max(least, 1e-300):.3g}"
        text = f"the residuals are {times} times those of a line per size: k(N) is not of this form"
        yield Caution("slopes-off-law", text)


def not_rising(rise: Trend) -> Caution:
    """The caution that a ladder has no law of the size."""
    return Caution("slopes-not-rising", f"{rise}: no size dependence is found")


def ties_efficiency_to_size(law: Law) -> bool:
    """Whether the law gives the efficiency k of any size, or lets each have its own."""
    return type(law).efficiency is not Law.efficiency


def _bounds(law: Law, curves: Curves, estimate: Solution) -> Iterator[Caution]:
    for p, bound in zip(law.parameters, estimate.bound, strict=True):
        for side, word in ((-1, "lower"), (1, "upper")):
            if len(where := np.flatnonzero(bound[0] == side)):
                own = p in law.local
                whose = f" of {', '.join(curves.models[i] for i in where)}" if own else ""
                text = f"{p.name}{whose} is at the {word} bound of its search: the data do not determine it"
                yield Caution("rung-at-bound" if own else "at-bound", text)


def _unbounded(law: Law, drawn: Solution) -> Iterator[Caution]:
    for p, bound in zip(law.shared, drawn.bound, strict=False):
        for side, word in ((-1, "below"), (1, "above")):
            share = float(np.mean(bound == side))
            if share > 0.05:
                text = f"{p.name} is unbounded {word}: {share:.0%} of the bootstrap draws put it at its bound"
                yield Caution("unbounded", text)


def _correlated(law: Law, drawn: Solution) -> Iterator[Caution]:
    if len(law.shared) < 2 or len(drawn) < 20:
        return
    values = [
        np.log(np.maximum(t.ravel(), 1e-300)) if p.log else t.ravel()
        for p, t in zip(law.shared, drawn.theta, strict=False)
    ]
    for (i, a), (j, b) in itertools.combinations(enumerate(law.shared), 2):
        if np.std(values[i]) == 0 or np.std(values[j]) == 0:
            continue
        r = float(np.corrcoef(values[i], values[j])[0, 1])
        if abs(r) > 0.9:
            together = f"{a.name} and {b.name} move together (correlation {r:.2f})"
            yield Caution("correlated-parameters", f"{together}: read k at a size, not either of them alone")


def _ladder(law: Law, curves: Curves, estimate: Solution) -> Iterator[Caution]:
    names = [p.name for p in law.shared]
    if "N_0" not in names or not ties_efficiency_to_size(law):
        return
    n0 = float(estimate.theta[names.index("N_0")].ravel()[0])
    low, high = curves.params.min(), curves.params.max()
    if not low <= n0 <= high:
        ladder = f"{units.count(low)} to {units.count(high)}"
        text = f"N_0 = {units.count(n0)} lies outside the ladder ({ladder}): the bend was not seen"
        yield Caution("n0-outside-ladder", text)


def _residuals(curves: Curves, fitted: np.ndarray) -> Iterator[Caution]:
    trending = []
    for r, model in enumerate(curves.models):
        here = curves.present[r]
        order = np.argsort(curves.at.x[0, r, here], kind="stable")
        residual = (curves.loss[r, here] - fitted[r, here])[order]
        spread = float(np.sum(residual**2))
        if len(residual) >= 10 and spread > 0 and float(np.sum(residual[1:] * residual[:-1])) / spread > 0.5:
            trending.append(model)
    if trending:
        text = f"residuals drift along the curve for {', '.join(trending)}: the law does not fit these curves"
        yield Caution("residual-trend", text)


def _baseline(law: Law, curves: Curves, fitted: np.ndarray) -> Iterator[Caution]:
    here = curves.present
    mean = np.sum(curves.loss * here, axis=1, keepdims=True) / np.maximum(here.sum(axis=1, keepdims=True), 1)
    left = float(np.sum(((curves.loss - fitted) * here) ** 2))
    spread = float(np.sum(((curves.loss - mean) * here) ** 2))
    if law.name in BASELINES or left < 0.9 * spread:
        return
    text = "the loss of every size is constant: there is nothing to explain"
    if spread > _ROUNDING * here.sum():
        text = f"{law.name} leaves {left / spread:.0%} of what a constant per size leaves: it explains next to nothing"
    yield Caution("worse-than-baseline", text)


def _axis(curves: Curves) -> Iterator[Caution]:
    falling = sum(int(np.sum(np.diff(curves.at.x[0, r, here]) < 0)) for r, here in each_run(curves))
    if falling:
        text = f"the axis falls from one step to the next at {falling} points: check how compute was counted"
        yield Caution("non-monotone-compute", text)


def _best_so_far(curves: Curves, alone: Slopes) -> Iterator[Caution]:
    """A loss that stands still but never rises, although it is noisy: a running best, not the value at the step.

    The noise is that of fourth differences of the residuals from a line per size: neither a law nor a slow departure
    from it shows in them. Honest noise lets a loss fall from one step to the next with the chance that the curve's own
    fall thereabouts outdoes it; neighbouring differences are negatively correlated, so the product is on the safe side.
    """
    falls, rough, stood = [], [], 0
    for r, here in each_run(curves):
        loss, line = curves.loss[r, here], alone.loss[r, here]
        change = np.diff(loss)
        if np.any(change > 0):
            return
        stood += int(np.sum(change == 0))
        falls.append(_running_mean(-change))
        rough.append(np.diff(loss - line, n=4))
    fall = np.concatenate(falls)
    spread = math.sqrt(float(np.mean(np.concatenate(rough) ** 2)) / 70) if any(map(len, rough)) else 0.0
    if not stood or spread <= _ROUNDING:
        return
    chance = math.exp(sum(math.log(max(NormalDist().cdf(f), 1e-300)) for f in fall / (spread * math.sqrt(2))))
    if chance < _NEVER_CHANCE:
        text = (
            f"the loss never rises along any curve and stands still at {stood} points, which noise of its size would "
            f"do with a chance of {chance:.0e}: it is probably a best so far; give the loss measured at each step"
        )
        yield Caution("best-on-test", text)


def _running_mean(values: np.ndarray) -> np.ndarray:
    """Mean of each value and its neighbours, up to three on either side."""
    if not len(values):
        return values
    near = np.ones(min(7, len(values)))
    return np.convolve(values, near, "same") / np.convolve(np.ones(len(values)), near, "same")


def cautions_of_draws(curves: Curves, copied: int, noise: tuple[str, ...]) -> Iterator[Caution]:
    """Cautions about what the intervals rest on, for `copied` runs left out and the kinds of noise drawn."""
    if copied:
        text = f"runs that repeat another to the last digit: {copied}; they are no new evidence and are left out"
        yield Caution("copied-runs", text)
    if "runs" not in noise:
        alone = int(np.sum(curves.runs == 1))
        text = (
            f"{alone} of {len(curves.models)} sizes have one run: how another seed would differ is judged by how the "
            "runs drift about the law; run more seeds"
        )
        yield Caution("replicates-missing", text)
    if "items assumed" in noise:
        text = (
            "per-item answers are not in the data: the error that all evaluations share is that of problems whose "
            f"difficulty spreads by {ASSUMED_DIFFICULTY:g} logits, an assumption"
        )
        yield Caution("items-assumed", text)
    elif "items" not in noise:
        text = (
            "neither per-item answers nor the number of problems are in the data: intervals leave out the error that "
            "all evaluations share; give the number with --items"
        )
        yield Caution("items-missing", text)
