"""Backtests: how well each law predicts points it has not seen, beside the baselines it must beat.

    rlaw.compare(frame, cut=25, axis="data")              # the first 25 points of every curve -> the rest
    rlaw.compare(frame, hold_out="largest", axis="data")  # the other sizes -> the largest, its first points seen
    rlaw.compare(frame, rolling=True, axis="data")        # ever longer beginnings of every curve -> what comes next

Laws see the training points only, intervals included. Axes: S draws, R rungs, M points of a rung.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from rlaw import laws as family
from rlaw.calibration import at_once
from rlaw.curves import Curves
from rlaw.errors import NotIdentifiable, UsageError
from rlaw.forecasters import AUTO, law_or_auto
from rlaw.intervals.bootstrap import binomial_unit, bootstrap
from rlaw.laws import BASELINES, Law
from rlaw.objectives import Space, weights
from rlaw.screening import sound
from rlaw.selection import Window, curves_of, find_rung
from rlaw.solver import solve

if TYPE_CHECKING:
    from rlaw.frame import Frame

_FAINT = 1e-6  # weight of a held-out size: its first points set its own level and nothing else
_LEAST_ASKED = 3  # held-out points that make a score
_ORIGINS = (
    4  # of the rolling protocol, evenly spaced in log step from the first of these parts of the steps to the last
)
_FROM, _TO = 0.2, 0.8
_LEAST_ROLLED = 10  # steps of a curve that the first origin leaves two of


@dataclass(frozen=True, slots=True)
class RungScore:
    """How a law predicted one size: errors of the loss over its held-out points."""

    model: str
    params: float
    points: int
    mae: float
    rmse: float
    bias: float
    coverage: float

    def to_json(self) -> dict[str, Any]:
        """The fields by name."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class LawScore:
    """How a law predicted: means over sizes of the mean absolute error, the bias, coverage and log score.

    Attributes:
        law: its name.
        mae: mean over sizes of the mean absolute error of the loss.
        rmse: root of the mean over sizes of the mean square error.
        bias: mean over sizes of predicted minus measured loss.
        coverage: share of held-out points inside the intervals, mean over sizes.
        log_score: mean log density of the measured loss under the prediction, normal with its mean and spread.
        rungs: the same for each size.
    """

    law: str
    mae: float
    rmse: float
    bias: float
    coverage: float
    log_score: float
    rungs: tuple[RungScore, ...]

    def to_json(self) -> dict[str, Any]:
        """The fields by name."""
        told = {name: getattr(self, name) for name in ("law", "mae", "rmse", "bias", "coverage", "log_score")}
        return told | {"rungs": [r.to_json() for r in self.rungs]}


@dataclass(frozen=True)
class Comparison:
    """Laws ranked by their error on held-out points.

    Attributes:
        protocol: what was seen and what was asked, in words.
        axis: "compute", "data" or "step".
        level: of the intervals that `coverage` counts.
        laws: the scores, best first.
        skipped: laws that the data cannot tell, with the reason.
        best: the law with the smallest mean absolute error, baselines included.
        verdict: whether a law holds here, in words.
    """

    protocol: str
    axis: str
    level: float
    laws: tuple[LawScore, ...]
    skipped: dict[str, str]
    best: str
    verdict: str
    source: str
    digest: str

    def score(self, law: str) -> LawScore:
        """The score of one law, by name."""
        return next(s for s in self.laws if s.law == law)

    def to_json(self) -> dict[str, Any]:
        """The document of `rlaw compare --json`, schema 1."""
        head = {"schema": 1, "protocol": self.protocol, "axis": self.axis, "source": self.source, "digest": self.digest}
        scores = {"level": self.level, "laws": [s.to_json() for s in self.laws], "skipped": self.skipped}
        return head | scores | {"best": self.best, "verdict": self.verdict}

    def __str__(self) -> str:
        lines = [self.protocol, "", f"{'law':<16}{'MAE':>8}{'RMSE':>8}{'bias':>9}{'coverage':>10}{'log score':>11}"]
        lines += [
            f"{s.law:<16}{s.mae:>8.4f}{s.rmse:>8.4f}{s.bias:>+9.4f}{s.coverage:>10.0%}{s.log_score:>11.2f}"
            for s in self.laws
        ]
        lines += [f"{law} left out: {reason.splitlines()[0]}" for law, reason in self.skipped.items()]
        return "\n".join([*lines, "", self.verdict])


@dataclass(frozen=True, slots=True)
class _Split:
    """One backtest: what the laws see, and what they are asked."""

    whole: Curves
    seen: Curves
    asked: np.ndarray  # (R, M)
    held: int | None  # the rung that is held out, when one is


def compare(
    data: "Frame | Any",
    laws: tuple[str | Law, ...] | list[str] | None = None,
    *,
    axis: str = "data",
    cut: int | None = None,
    hold_out: str | float | None = None,
    rolling: bool = False,
    anchor: int = 10,
    window: Window = "1:",
    space: Space = "loss",
    draws: int = 200,
    level: float = 0.9,
    seed: int = 0,
) -> Comparison:
    """Judge laws by points they have not seen.

    Args:
        data: the measurements (a frame, what `rlaw.load` reads, polars or pandas); one variant, benchmark, tau and
            group size.
        laws: names or laws, "auto" for the pooled ladder of `rlaw.forecast`; all when None. The baselines are always
            judged too.
        axis: "compute", "data" or "step".
        cut: the first `cut` steps of every curve are seen, the rest is asked (the paper's intra-model protocol).
        hold_out: instead of `cut`, a size, "largest" or "each": all other sizes are seen and its first `anchor` steps,
            which set its level (and slope, for a law per size), the rest of it is asked.
        rolling: instead of both, four origins evenly spaced in log step, from a fifth to four fifths of the steps; each
            curve is seen up to each in turn and asked up to the next, after the last to its end.
        anchor: steps of a held-out size that are seen.
        window, space: as in `rlaw.fit`; every size has the same weight.
        draws: bootstrap draws of each fit.
        level: of the intervals.
        seed: of the random numbers.

    Raises:
        UsageError: not exactly one of `cut`, `hold_out` and `rolling`.
        NotIdentifiable: no curve has points past the cut, curves too short to roll along, or no law can be fitted.
    """
    from rlaw.frame import load

    frame = load(data)
    if (cut is not None) + (hold_out is not None) + rolling != 1:
        raise UsageError(
            "compare takes either cut (first K steps -> rest), hold_out (other sizes -> this one) or rolling (each "
            "origin -> the next)"
        )
    curves = sound(*curves_of(frame, axis=axis, window=window)).curves
    if not curves.models:
        raise NotIdentifiable(
            f"no run can be judged: all of them broke down\n  where: {frame.source}\n"
            "  next: look at the curves; a loss that ends above where it began follows no law"
        )
    if rolling:
        splits, protocol = _by_origins(curves)
    else:
        splits, protocol = _by_cut(curves, cut) if cut is not None else _by_size(curves, hold_out, anchor)
    wanted = [law_or_auto(law) for law in (laws if laws is not None else (AUTO, *family.names()))]
    wanted += [family.get(name) for name in BASELINES if name not in {law.name for law in wanted if law}]
    scores, skipped = [], {}
    for law in wanted:
        try:
            scores.append(_score(law, splits, space, draws=draws, level=level, seed=seed))
        except NotIdentifiable as error:
            skipped[law.name if law else AUTO] = str(error)
    scores.sort(key=lambda s: (s.mae, s.law))
    best, verdict = _verdict(scores)
    return Comparison(protocol, axis, level, tuple(scores), skipped, best, verdict, frame.source, frame.digest)


def _by_cut(curves: Curves, cut: int) -> tuple[list[_Split], str]:
    early = first_steps(curves, cut)
    asked = curves.present & ~early
    if cut < 2 or not asked.any():
        longest = _longest(curves)
        raise NotIdentifiable(
            f"nothing to predict after the first {cut} steps: the longest curve has {longest}\n"
            f"  next: a cut from 2 to {longest - _LEAST_ASKED}"
        )
    return [_Split(curves, curves.where(early), asked, None)], f"the first {cut} points of each curve -> the rest of it"


def _by_origins(curves: Curves) -> tuple[list[_Split], str]:
    longest = _longest(curves)
    if longest < _LEAST_ROLLED:
        raise NotIdentifiable(
            f"the longest curve has {longest} steps, too few to roll along it\n"
            f"  next: evaluate at least {_LEAST_ROLLED} steps, or judge with --hold-out each"
        )
    origins = [round(n) for n in np.geomspace(_FROM * longest, _TO * longest, _ORIGINS)]
    splits = []
    for origin, until in zip(origins, [*origins[1:], longest], strict=True):
        early = first_steps(curves, origin)
        splits.append(_Split(curves, curves.where(early), first_steps(curves, until) & ~early, None))
    told = ", ".join(str(n) for n in origins)
    return (
        splits,
        f"rolling origin: the first {told} points of each curve in turn -> its points up to the next of these",
    )


def _longest(curves: Curves) -> int:
    """Steps of the longest curve."""
    return max(len(np.unique(s[p])) for s, p in zip(curves.step, curves.present, strict=True))


def _by_size(curves: Curves, hold_out: str | float | None, anchor: int) -> tuple[list[_Split], str]:
    if len(curves.models) == 1:
        longest = _longest(curves)
        raise NotIdentifiable(
            f"there is one size, {curves.models[0]}, so that none can be held out and told by others\n"
            f"  next: --cut K, its first K of {longest} evaluated steps -> the rest; or --rolling"
        )
    held = range(len(curves.models)) if hold_out == "each" else [find_rung(curves, hold_out or "largest")]
    early, splits = first_steps(curves, anchor), []
    for r in held:
        others = np.arange(len(curves.models))[:, None] != r
        asked = curves.present & ~early & ~others
        if asked.sum() >= _LEAST_ASKED:
            splits.append(_Split(curves, curves.where(others | early), asked, r))
    if not splits:
        raise NotIdentifiable(f"no held-out size has points after its first {anchor}\n  next: a smaller anchor")
    who = "each size in turn" if hold_out == "each" else curves.models[held[0]]
    return splits, f"all other sizes and the first {anchor} points of it -> the rest of {who}"


def first_steps(curves: Curves, count: int) -> np.ndarray:
    """(R, M) the points of each rung's first `count` steps."""
    early = np.zeros_like(curves.present)
    for r in range(len(curves.models)):
        steps = np.unique(curves.step[r, curves.present[r]])[:count]
        early[r] = curves.present[r] & np.isin(curves.step[r], steps)
    return early


def _score(law: Law | None, splits: list[_Split], space: Space, *, draws: int, level: float, seed: int) -> LawScore:
    whole = splits[0].whole  # splits ask different points of the same curves
    asked, predicted, drawn = (
        np.zeros_like(whole.present),
        np.zeros(whole.loss.shape),
        np.zeros((draws, *whole.loss.shape)),
    )
    for split in splits:
        if law is None:
            middle, many = at_once(split.seen, split.whole, split.asked, draws=draws, level=level, seed=seed)
        else:
            middle, many = _predict(law, split, space, draws=draws, level=level, seed=seed)
        asked[split.asked], predicted[split.asked] = True, middle[split.asked]
        drawn[:, split.asked] = many[:, split.asked]
    rungs, log_scores = [], []
    for r in np.flatnonzero(asked.any(axis=1)).tolist():
        here = asked[r]
        rung, log_score = _judge(whole, r, here, predicted[r, here], drawn[:, r, here], level)
        rungs.append(rung)
        log_scores.append(log_score)
    return LawScore(
        law=law.name if law else AUTO,
        mae=float(np.mean([r.mae for r in rungs])),
        rmse=float(np.sqrt(np.mean([r.rmse**2 for r in rungs]))),
        bias=float(np.mean([r.bias for r in rungs])),
        coverage=float(np.mean([r.coverage for r in rungs])),
        log_score=float(np.mean(log_scores)),
        rungs=tuple(rungs),
    )


def _predict(
    law: Law, split: _Split, space: Space, *, draws: int, level: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """(R, M) predicted loss and (S, R, M) draws of the loss to be measured, noise included."""
    seen = split.seen
    if len(np.unique(seen.params)) - (split.held is not None and bool(law.shared)) < law.needs_rungs:
        raise NotIdentifiable(f"{law.name} needs {law.needs_rungs} sizes")
    if law.needs_base_loss and not np.isfinite(seen.at.base_loss).all():
        raise NotIdentifiable(f"{law.name} needs the loss of the base at step 0")
    w = weights(seen, space, "equal")
    if split.held is not None:
        w[split.held] *= _FAINT
    estimate = solve(law, seen.at, seen.loss, w, space)
    fitted = law.loss(estimate.theta, estimate.coefficients, seen.at)[0]
    drawn = bootstrap(law, seen, w, space, estimate, draws=draws, level=level, seed=seed).solution
    at, shape = split.whole.at, split.asked.shape
    predicted = np.broadcast_to(law.loss(estimate.theta, estimate.coefficients, at), (1, *shape))[0]
    many = np.broadcast_to(law.loss(drawn.theta, drawn.coefficients, at), (draws, *shape))
    fresh = np.random.default_rng(seed).standard_normal(many.shape)
    return predicted, many + fresh * _spread(law, seen, fitted)[:, None] * binomial_unit(many)


def _spread(law: Law, seen: Curves, fitted: np.ndarray) -> np.ndarray:
    """(R,) root mean square residual of each rung in binomial units, for the degrees of freedom left."""
    residual = np.where(seen.present, (seen.loss - fitted) / binomial_unit(fitted), 0.0)
    used = len(law.local) + len(law.coefficients)
    return np.sqrt(np.sum(residual**2, axis=1) / np.maximum(seen.counts - used, 1))


def _judge(
    curves: Curves, r: int, here: np.ndarray, predicted: np.ndarray, drawn: np.ndarray, level: float
) -> tuple[RungScore, float]:
    """Score of one rung and its mean log score, over the points in question."""
    measured = curves.loss[r, here]
    error = predicted - measured
    tail = (1 - level) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail], axis=0)
    spread = np.maximum(drawn.std(axis=0), 1e-6)
    density = -0.5 * ((measured - drawn.mean(axis=0)) / spread) ** 2 - np.log(spread) - 0.5 * math.log(2 * math.pi)
    score = RungScore(
        model=curves.models[r],
        params=float(curves.params[r]),
        points=int(here.sum()),
        mae=float(np.mean(np.abs(error))),
        rmse=float(np.sqrt(np.mean(error**2))),
        bias=float(np.mean(error)),
        coverage=float(np.mean((low <= measured) & (measured <= high))),
    )
    return score, float(np.mean(density))


def _verdict(scores: list[LawScore]) -> tuple[str, str]:
    """The best law, and whether it beats the best baseline on average and on most sizes."""
    baseline = next(s for s in scores if s.law in BASELINES)
    rival = next((s for s in scores if s.law not in BASELINES), None)
    if rival is None:
        return baseline.law, "only baselines were judged"
    ratio = rival.mae / baseline.mae if baseline.mae > 0 else math.inf
    wins = sum(a.mae < b.mae for a, b in zip(rival.rungs, baseline.rungs, strict=True))
    told = f"{rival.law} is off by {rival.mae:.4f} on average, {baseline.law} by {baseline.mae:.4f}"
    if ratio < 1 and 2 * wins > len(rival.rungs):
        return rival.law, f"{told}; {rival.law} wins on {wins} of {len(rival.rungs)} sizes"
    return scores[0].law, f"no law holds here: {told}, and {rival.law} wins on {wins} of {len(rival.rungs)} sizes only"
