"""Residuals of the law, size by size: a law that holds leaves noise without a trend."""

from typing import Any

import numpy as np

from rlaw.analysis.evidence import Evidence
from rlaw.errors import DataError
from rlaw.fitting.fit import Fit
from rlaw.reporting.figures import captions
from rlaw.reporting.figures.base import Figure, new_canvas
from rlaw.reporting.figures.marks import grid, shared_titles
from rlaw.reporting.figures.style import WIDTH_INCHES, Style, axis_title, ink, log_axis, styles

_COLUMNS = 4

_CAVEAT = (
    "R² of a panel is within that size; a bend or drift here says that the law's shape is not that curve's, however "
    "high the pooled R² is."
)


def draw(evidence: Evidence) -> Figure:
    """Measured minus fitted loss along the axis, one panel per size."""
    fit = evidence.law or evidence.power
    if fit is None:
        raise DataError("no law could be fitted, so nothing is left over")
    models = fit.curves.models
    lines = -(-len(models) // _COLUMNS)
    canvas = new_canvas(WIDTH_INCHES, 0.55 + 1.45 * lines)
    panels = grid(canvas, len(models), -(-len(models) // lines), sharey=True)
    left = np.where(fit.curves.present, fit.curves.loss - fit.fitted, 0.0)
    reach = max(float(np.abs(left).max()), 1e-4) * 1.1
    how = styles(evidence)
    x = fit.curves.at.x[0]
    for r, (axes, model) in enumerate(zip(panels, models, strict=True)):
        _panel(axes, fit, r, left[r], how[model])
        axes.set_ylim(-reach, reach)
        own = x[r, fit.curves.present[r]]
        log_axis(axes, own.min() / 1.3, own.max() * 1.3, "")
        axes.set_title(
            f"{how[model].name}   R² {fit.sizes[r].r2:.3f}", color=ink(how[model].color), fontsize=8, parse_math=False
        )
    shared_titles(canvas, axis_title(evidence, fit.axis), "measured - fitted loss")
    return Figure("residuals", "Residuals of the law", _caption(evidence, fit), _CAVEAT, canvas)


def _panel(axes: Any, fit: Fit, r: int, left: np.ndarray, style: Style) -> None:
    here = fit.curves.present[r]
    axes.axhline(0, color="#8a9299", linewidth=0.8, zorder=1)
    for run in range(int(fit.curves.runs[r])):
        own = here & (fit.curves.run[r] == run)
        order = np.argsort(fit.curves.at.x[0, r, own], kind="stable")
        x, y = fit.curves.at.x[0, r, own][order], left[own][order]
        axes.plot(
            x, y, color=style.color, linewidth=0.6, alpha=0.9, marker=style.marker, markersize=2.6,
            markerfacecolor=style.color if run == 0 else "white", zorder=2,
        )  # fmt: skip


def _caption(evidence: Evidence, fit: Fit) -> str:
    second = " A line per run." if any(size.runs > 1 for size in evidence.sizes) else ""
    drift = next((f" Caution: {w.text}." for w in fit.warnings if w.code == "residual-trend"), "")
    return (
        f"Measured minus fitted loss at every point of the fit; all panels share the vertical axis.{second} "
        f"{captions.how_fitted(fit)}{drift}"
    )
