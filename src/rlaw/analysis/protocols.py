"""The paper's three protocols for every variant and axis of a study: all sizes, a size held out, an early part.

*all* fits every size over the whole window; *inter* leaves the largest size out and judges the law on it; *intra* fits
the first quarter of the steps and judges the law on the rest. The paper's Figures 1-5 and Table 6 come from the latter
two. Where the law leaves the level of a size free, *inter* predicts the slope of the size alone: its level is fitted
on the curve that was held out, so that this is no blind forecast.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from rlaw import laws
from rlaw.analysis.evidence import Evidence
from rlaw.errors import NotIdentifiable, RlawError
from rlaw.fitting.fit import Fit
from rlaw.forecasting.scores import Score
from rlaw.measurements.frame import AXES, SINGLE, Axis, Frame

PROTOCOLS = ("intra", "inter", "all")
_DRAWS = 300


@dataclass(frozen=True, eq=False)
class Protocol:
    """One law for one variant over one axis in one way.

    Attributes:
        variant: the model's variant; "" where the source has none.
        axis: "compute" or "data".
        name: all, inter or intra.
        frame: the variant's measurements.
        refused: why there is no fit.
    """

    variant: str
    axis: Axis
    name: str
    frame: Frame
    refused: str = ""


@dataclass(frozen=True, eq=False, kw_only=True)
class Fitted(Protocol):
    """A protocol whose law could be fitted.

    Attributes:
        fit: with bootstrap draws.
        cut: last step that intra fits; 0 for the others.
        score: on its held-out points; None where it was fitted to all.
        r2_worst: lowest R² of a size on its held-out points.
    """

    fit: Fit
    cut: int = 0
    score: Score | None = None
    r2_worst: float = math.nan


def variants(evidence: Evidence) -> dict[str, Frame]:
    """The main arm of every variant, on the benchmark, tau and group size that the laws are fitted to; ours first."""
    rows = evidence.like_main(evidence.frame.main().rows, *(name for name in SINGLE if name != "variant"))
    first = evidence.main.rows["variant"][0]
    names = [first, *(v for v in rows["variant"].unique().sort() if v != first)]
    return {
        name: evidence.main if name == first else replace(evidence.main, rows=rows.filter(pl.col("variant") == name))
        for name in names
    }


def protocols(evidence: Evidence, law: str = "saturating") -> tuple[Protocol, ...]:
    """Every variant, axis and protocol, in that order; what was refused says why."""
    axes: list[Axis] = [axis for axis in ("compute", "data") if axis in evidence.axes] or ["step"]
    return evidence.once(
        ("protocols", law),
        lambda: tuple(
            _protocol(evidence, law, variant, frame, axis, name)
            for variant, frame in variants(evidence).items()
            for axis in axes
            for name in PROTOCOLS
        ),
    )


def _protocol(evidence: Evidence, law: str, variant: str, frame: Frame, axis: Axis, name: str) -> Protocol:
    bare = Protocol(variant, axis, name, frame)
    known = evidence.fits.get(axis)
    if name == "all" and frame is evidence.main and known is not None and known.law.name == law:
        return Fitted(**vars(bare), fit=known)
    try:
        return _intra(evidence, law, bare) if name == "intra" else _over_sizes(evidence, law, bare)
    except RlawError as error:
        return replace(bare, refused=str(error).partition("\n")[0])


def _over_sizes(evidence: Evidence, law: str, bare: Protocol) -> Fitted:
    """All sizes, or all but the largest."""
    held = bare.name == "inter"
    if held and len(bare.frame.models) <= laws.get(law).needs_sizes:
        raise NotIdentifiable(f"{len(bare.frame.models)} sizes are too few to hold one out")
    done = evidence.fit(law, bare.frame, bare.axis, _DRAWS, hold_out="largest" if held else None)
    held_out = done.held_out
    if held_out is None:
        return Fitted(**vars(bare), fit=done)
    score = Score(points=held_out.points, rmse=held_out.rmse, r2=held_out.r2)
    return Fitted(**vars(bare), fit=done, score=score, r2_worst=held_out.r2)


def _intra(evidence: Evidence, law: str, bare: Protocol) -> Fitted:
    """The first quarter of the steps, judged on the rest of every curve."""
    steps, count = evidence.early_steps(bare.frame)
    cut = int(steps[count - 1])
    done = evidence.fit(law, bare.frame, bare.axis, _DRAWS, window=f"{steps[0]}:{cut}")
    score, worst = score_later(bare.frame, done, cut, int(steps[-1]))
    return Fitted(**vars(bare), fit=done, cut=cut, score=score, r2_worst=worst)


def score_later(frame: Frame, done: Fit, after: int, last: int) -> tuple[Score, float]:
    """A fit on the points of its sizes between two steps, the first left out; and the lowest R² of a size."""
    column = AXES[done.axis]
    usable = (pl.col("step") > after) & (pl.col("step") <= last) & (pl.col(column) > 0)
    measured, fitted = [], []
    for model in done.curves.models:
        rows = frame.rows.filter(usable & (pl.col("model") == model))
        if not rows.is_empty():
            measured.append(rows["test_loss"].to_numpy())
            fitted.append(done.predict(model, rows[column].to_numpy()))
    worst = min(Score.of(y, f).r2 for y, f in zip(measured, fitted, strict=True))
    return Score.of(np.concatenate(measured), np.concatenate(fitted)), worst
