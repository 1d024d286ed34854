"""Test loss against compute or data, log-log, with the law fitted to it: the paper's Figures 1, 2 and 4."""

from functools import partial
from typing import Any

import numpy as np
import polars as pl

from rlaw.analysis.evidence import Evidence
from rlaw.errors import DataError
from rlaw.fitting.fit import Fit
from rlaw.measurements.frame import AXES, Axis
from rlaw.reporting.figures import captions
from rlaw.reporting.figures.base import Figure, new_canvas
from rlaw.reporting.figures.marks import MOST_MARKERS, fitted_x, ladder, law_line, single_runs, usable
from rlaw.reporting.figures.style import WIDTH_INCHES, Style

_CAVEAT = "Each size has a level of its own (E), so the lines forecast no size that was not run."


def draw(evidence: Evidence, axis: Axis) -> Figure:
    """Test loss of every size against RL compute or prompts consumed."""
    column = AXES[axis]
    rows = usable(evidence.mean_curves, column)
    if rows.is_empty():
        raise DataError(f"no evaluation has {column}")
    fit = evidence.fits.get(axis)
    canvas = new_canvas(WIDTH_INCHES, 4.5)
    axes = canvas.subplots()
    every = usable(evidence.main.rows, column)

    def line(model: str, x: np.ndarray, _: np.ndarray, style: Style) -> float:
        single_runs(axes, every.filter(pl.col("model") == model), column, style, zorder=1)
        level = _law(axes, fit, model, x, style) if fit else None
        return level or float(rows.filter(pl.col("model") == model)["test_loss"][-1])

    ladder(axes, evidence, rows, axis, lambda *_: True, line)
    return Figure(f"loss-{axis}", f"Test loss against {axis}", _caption(evidence, axis, fit), _CAVEAT, canvas)


def _law(axes: Any, fit: Fit, model: str, measured: np.ndarray, style: Style) -> float | None:
    """The fitted line with its band: solid over the window, dashed over what else was measured. Its last level."""
    if model not in fit.curves.models:
        return None
    used, predict = fitted_x(fit, model), partial(fit.predict, model)
    law_line(axes, predict, used.min(), used.max(), style)
    if fit.drawn is not None:
        solid = np.geomspace(used.min(), used.max(), 60)
        axes.fill_between(solid, *fit.band(model, solid), color=style.color, alpha=0.13, linewidth=0, zorder=2)
    for end, other in ((used.min(), measured.min()), (used.max(), measured.max())):
        if other < end * 0.999 or other > end * 1.001:
            law_line(axes, predict, end, other, style, ahead=True)
    return float(fit.predict(model, [measured.max()])[0])


def _caption(evidence: Evidence, axis: str, fit: Fit | None) -> str:
    points = f"Points: {captions.runs(evidence)}; hollow: outside the window of the fit, where its line is dashed."
    if any(n > MOST_MARKERS for n in evidence.mean_curves["model"].value_counts()["count"]):
        points += f" At most {MOST_MARKERS} points of a curve are drawn; all are fitted."
    if any(size.runs > 1 for size in evidence.sizes):
        points += " Thin lines: single runs."
    if fit is None:
        return f"{points} No law is drawn: none could be fitted over {axis}."
    r2 = f"R² within sizes is {min(size.r2 for size in fit.sizes):.3f} at worst"
    pooled = f"pooled it is {fit.r2_pooled:.3f}, which is mostly the difference between sizes"
    return f"{points} {captions.how_fitted(fit)} {r2}; {pooled}."
