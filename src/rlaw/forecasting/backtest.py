"""Backtests: how well each law predicts held-out points, beside the baselines it must beat.

    rlaw.compare(frame, cut=25, axis="data")              # the first 25 points of every curve -> the rest
    rlaw.compare(frame, hold_out="largest", axis="data")  # the other sizes and its first points -> the largest
    rlaw.compare(frame, rolling=True, axis="data")        # ever longer beginnings of every curve -> what comes next

Laws are fitted to the training points alone, intervals included. Axes: S draws, R sizes, M points of a size.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from rlaw import laws as family
from rlaw.errors import NotIdentifiable, UsageError
from rlaw.fitting.diagnostics import Caution, cautions_of_frame
from rlaw.fitting.interval import plain
from rlaw.fitting.objective import Space
from rlaw.fitting.screening import drop_broken
from rlaw.fitting.selection import Window, curves_of
from rlaw.forecasting.calibration import ladder_by_auto
from rlaw.forecasting.predictors import AUTO, ladder_by_law, law_or_auto
from rlaw.forecasting.scores import LawScore, SizeScore, log_score
from rlaw.forecasting.splits import Split, by_cut, by_origins, by_size
from rlaw.laws import BASELINES, Law
from rlaw.text import Readable

if TYPE_CHECKING:
    from rlaw.measurements.frame import Axis, Frame


@dataclass(frozen=True, repr=False)
class Comparison(Readable):
    """Laws ranked by their error on held-out points.

    Attributes:
        protocol: the training and the test points, in words.
        axis: "compute", "data" or "step".
        level: of the intervals that `coverage` counts.
        laws: the scores, best first.
        skipped: laws that the data cannot determine, with the reason.
        best: the law with the smallest mean absolute error, baselines included.
        verdict: whether a law holds here, in words.
        warnings: what is to be said of the measurements.
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
    warnings: tuple[Caution, ...] = ()

    def score(self, law: str) -> LawScore:
        """The score of one law, by name."""
        return next(s for s in self.laws if s.law == law)

    def to_json(self) -> dict[str, Any]:
        """The document of `rlaw compare --json`, schema 1."""
        names = ("protocol", "axis", "source", "digest", "level", "laws", "skipped", "best", "verdict")
        names += ("warnings",)
        return {"schema": 1, **{name: plain(getattr(self, name)) for name in names}}

    def documents(self) -> list[dict[str, Any]]:
        """A row for each law."""
        return plain(self.laws)

    def __str__(self) -> str:
        lines = [self.protocol, "", f"{'law':<16}{'MAE':>8}{'RMSE':>8}{'bias':>9}{'coverage':>10}{'log score':>11}"]
        lines += [
            f"{s.law:<16}{s.mae:>8.4f}{s.rmse:>8.4f}{s.bias:>+9.4f}{s.coverage:>10.0%}{s.log_score:>11.2f}"
            for s in self.laws
        ]
        lines += [f"{law} left out: {reason.splitlines()[0]}" for law, reason in self.skipped.items()]
        return "\n".join([*lines, "", self.verdict, *(f"caution ({w.code}): {w.text}" for w in self.warnings)])


def compare(
    data: "Frame | Any",
    *,
    laws: Sequence[str | Law] | None = None,
    axis: "Axis" = "compute",
    cut: int | None = None,
    hold_out: str | float | None = None,
    rolling: bool = False,
    anchor: int = 10,
    window: Window = None,
    space: Space = "loss",
    draws: int = 200,
    level: float = 0.9,
    seed: int = 0,
) -> Comparison:
    """Judge laws by held-out points.

    Args:
        data: the measurements (a frame, what `rlaw.load` reads, polars or pandas); one variant, benchmark, tau and
            group size.
        laws: names or laws, "auto" for the pooled ladder of `rlaw.forecast`; all when None. The baselines are always
            judged too.
        axis: "compute", "data" or "step".
        cut: the first `cut` steps of every curve train, the rest tests (the paper's intra-model protocol).
        hold_out: instead of `cut`, a size, "largest" or "each" (the protocol when none is named): all other sizes
            train, and its first `anchor` steps, which set its level (and slope, for a law per size); the rest tests.
        rolling: instead of both, four origins evenly spaced in log step, from a fifth to four fifths of the steps; each
            curve trains up to each in turn and tests up to the next, after the last to its end.
        anchor: training steps of a held-out size.
        window, space: as in `rlaw.fit`; every size has the same weight.
        draws: bootstrap draws of each fit.
        level: of the intervals.
        seed: of the random numbers.

    Raises:
        UsageError: more than one of `cut`, `hold_out` and `rolling`.
        NotIdentifiable: no curve has points past the cut, curves too short to roll along, or no law can be fitted.
    """
    from rlaw.measurements.load import load

    frame = load(data).one_law()
    window = window or frame.window
    if (cut is not None) + (hold_out is not None) + rolling > 1:
        ways = "cut (first K steps -> rest), hold_out (other sizes -> this one) or rolling (each origin -> the next)"
        raise UsageError(f"compare takes either {ways}")
    screened = drop_broken(*curves_of(frame, axis=axis, window=window))
    curves = screened.curves
    if not curves.models:
        raise NotIdentifiable(
            f"no run can be judged: {'; '.join(caution.text for caution in screened.cautions)}\n"
            f"  where: {frame.source}\n"
            "  next: look at the curves; a loss that ends above where it began follows no law"
        )
    if rolling:
        splits, protocol = by_origins(curves)
    else:
        splits, protocol = by_cut(curves, cut) if cut is not None else by_size(curves, hold_out or "each", anchor)
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
    return Comparison(
        protocol, axis, level, tuple(scores), skipped, best, verdict, frame.source, frame.digest,
        (*cautions_of_frame(frame, logs=True), *screened.cautions),
    )  # fmt: skip


def _score(law: Law | None, splits: list[Split], space: Space, *, draws: int, level: float, seed: int) -> LawScore:
    """How a law, or "auto" when None, predicts the test points of the splits."""
    whole = splits[0].whole  # splits test different points of the same curves
    test, predicted = np.zeros_like(whole.present), np.zeros(whole.loss.shape)
    drawn = np.zeros((draws, *whole.loss.shape))
    how: dict[str, Any] = {"draws": draws, "level": level, "seed": seed}
    for split in splits:
        if law is None:
            middle, many = ladder_by_auto(split.train, split.whole, split.test, **how)
        else:
            middle, many = ladder_by_law(law, split.train, split.whole.at, split.held, space, **how)
        test[split.test], predicted[split.test] = True, middle[split.test]
        drawn[:, split.test] = many[:, split.test]
    sizes, log_scores, tail = [], [], (1 - level) / 2
    for r in np.flatnonzero(test.any(axis=1)).tolist():
        here = test[r]
        measured, many = whole.loss[r, here], drawn[:, r, here]
        low, high = np.quantile(many, [tail, 1 - tail], axis=0)
        size = {"model": whole.models[r], "params": float(whole.params[r])}
        sizes.append(SizeScore.of(measured, predicted[r, here], low, high, **size))
        log_scores.append(log_score(measured, many))
    return LawScore.over(law.name if law else AUTO, sizes, log_scores)


def _verdict(scores: list[LawScore]) -> tuple[str, str]:
    """The best law, and whether it beats the best baseline on average and on most sizes."""
    baseline = next(s for s in scores if s.law in BASELINES)
    rival = next((s for s in scores if s.law not in BASELINES), None)
    if rival is None:
        return baseline.law, "only baselines were judged"
    ratio = rival.mae / baseline.mae if baseline.mae > 0 else math.inf
    wins = sum(a.mae < b.mae for a, b in zip(rival.sizes, baseline.sizes, strict=True))
    both = f"{rival.law} is off by {rival.mae:.4f} on average, {baseline.law} by {baseline.mae:.4f}"
    count = f"{rival.law} wins on {wins} of {len(rival.sizes)} sizes"
    if ratio < 1 and 2 * wins > len(rival.sizes):
        return rival.law, f"{both}; {count}"
    return scores[0].law, f"no law holds here: {both}, and {count} only"
