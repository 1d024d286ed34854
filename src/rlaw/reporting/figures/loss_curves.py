"""Test loss against compute or data, log-log, with the law fitted to it: the paper's Figures 1, 2 and 4."""

from typing import Any

import numpy as np
import polars as pl

from rlaw.analysis.evidence import Evidence
from rlaw.errors import DataError
from rlaw.fitting.fit import Fit
from rlaw.measurements.frame import AXES, Axis
from rlaw.reporting.figures import captions
from rlaw.reporting.figures.base import Figure, new_canvas
from rlaw.reporting.figures.marks import AHEAD, MOST_MARKERS, fitted_x, points, single_runs, usable
from rlaw.reporting.figures.style import WIDTH_INCHES, Style, axis_title, end_labels, log_axis, loss_axis, styles

_POINTS_OF_A_LINE = 60

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
    x, loss = rows[column].to_numpy(), rows["test_loss"].to_numpy()
    loss_axis(axes, loss.min(), loss.max())
    log_axis(axes, x.min() / 1.3, x.max() * 1.3, axis_title(evidence, axis))
    ends = []
    for model, style in styles(evidence).items():
        curve = rows.filter(pl.col("model") == model)
        if len(curve):
            every = usable(evidence.main.rows, column).filter(pl.col("model") == model)
            single_runs(axes, every, column, style, zorder=1)
            level = _law(axes, fit, model, curve[column].to_numpy(), style) if fit else None
            points(axes, curve[column], curve["test_loss"], evidence.in_window(curve["step"].to_numpy()), style)
            ends.append((curve[column][-1], level or curve["test_loss"][-1], style))
    end_labels(axes, ends)
    return Figure(f"loss-{axis}", f"Test loss against {axis}", _caption(evidence, axis, fit), _CAVEAT, canvas)


def _law(axes: Any, fit: Fit, model: str, measured: np.ndarray, style: Style) -> float | None:
    """The fitted line with its band: solid over the window, dashed over what else was measured. Its last level."""
    if model not in fit.curves.models:
        return None
    used = fitted_x(fit, model)
    solid = np.geomspace(used.min(), used.max(), _POINTS_OF_A_LINE)
    axes.plot(solid, fit.predict(model, solid), color=style.color, zorder=3)
    if fit.drawn is not None:
        axes.fill_between(solid, *fit.band(model, solid), color=style.color, alpha=0.13, linewidth=0, zorder=2)
    for end, other in ((used.min(), measured.min()), (used.max(), measured.max())):
        if other < end * 0.999 or other > end * 1.001:
            dashed = np.geomspace(end, other, _POINTS_OF_A_LINE)
            axes.plot(dashed, fit.predict(model, dashed), color=style.color, linewidth=0.9, linestyle=AHEAD, zorder=2)
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
