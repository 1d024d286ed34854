"""The law on held-out points, a panel per variant and axis: the paper's Figures 1 and 2 (sizes) and 4 (steps)."""

from functools import partial
from typing import Any

import numpy as np
import polars as pl

from rlaw.analysis.evidence import Evidence
from rlaw.analysis.protocols import Fitted, protocols
from rlaw.errors import NotIdentifiable
from rlaw.fitting.fit import Fit
from rlaw.measurements.frame import AXES
from rlaw.reporting.figures.base import Figure, new_canvas
from rlaw.reporting.figures.captions import parameter
from rlaw.reporting.figures.marks import grid, ladder, law_line, law_lines, usable
from rlaw.reporting.figures.style import WIDTH_INCHES, Style, plain

_INTER = (
    "The dashed line has the slope that the smaller sizes predict and a level fitted on the held-out curve, as in the "
    "paper: it forecasts a slope, not a loss. The figure `forecasts` shows losses forecast blind."
)
_INTRA = (
    "Every curve was fitted in its first part, so this says how far a line carries on, nothing of a size that was not "
    "run. A small RMSE over all sizes can hide a bent curve: look at the dashes of each."
)


def inter_model(evidence: Evidence) -> Figure:
    """Points, and the law fitted to all sizes but the largest, which it is judged on."""
    fitted = _fitted(evidence, "inter")
    canvas = _panels(evidence, fitted)
    text = (
        "Solid: the saturating law fitted to all sizes but the largest; dashed: on the largest, whose points are "
        f"hollow. {_numbers(fitted)}"
    )
    title = "The law fitted to smaller sizes, on the largest (cf. Fig. 1, 2)"
    return Figure("inter-model", title, text, _INTER, canvas)


def intra_model(evidence: Evidence) -> Figure:
    """Points, and the law fitted to the first quarter of the steps: solid to the cut, dashed after."""
    fitted = _fitted(evidence, "intra")
    canvas = _panels(evidence, fitted)
    cuts = " and ".join(dict.fromkeys(f"step {p.cut}" for p in fitted))
    text = (
        f"Solid: the saturating law fitted to all sizes up to {cuts}; dashed: beyond, where points are hollow. "
        f"{_numbers(fitted)}"
    )
    return Figure("intra-model", "The law fitted to the first steps, on the rest (cf. Fig. 4)", text, _INTRA, canvas)


def _fitted(evidence: Evidence, name: str) -> list[Fitted]:
    every = [p for p in protocols(evidence) if p.name == name]
    fitted = [p for p in every if isinstance(p, Fitted)]
    if not fitted:
        raise NotIdentifiable(every[0].refused)
    return fitted


def _panels(evidence: Evidence, fitted: list[Fitted]) -> Any:
    lines = -(-len(fitted) // 2)
    canvas = new_canvas(WIDTH_INCHES if len(fitted) > 1 else WIDTH_INCHES * 0.7, 3.2 * lines)
    variants = {p.variant for p in fitted}
    for axes, protocol in zip(grid(canvas, len(fitted), 2), fitted, strict=True):
        _panel(axes, evidence, protocol)
        if len(variants) > 1:
            axes.set_title(plain(protocol.variant), parse_math=False)
    return canvas


def _panel(axes: Any, evidence: Evidence, protocol: Fitted) -> None:
    fit, column, held = protocol.fit, AXES[protocol.axis], protocol.fit.held_out
    means = usable(protocol.frame.rows, column).group_by("model", "params", "step", maintain_order=True)

    def filled(model: str, steps: np.ndarray) -> Any:
        return (steps <= (protocol.cut or np.inf)) & (held is None or held.model != model)

    means = means.agg(pl.col(c).mean() for c in dict.fromkeys((column, "test_loss")) if c != "step")
    ladder(axes, evidence, means, protocol.axis, filled, partial(fitted_line, axes, fit))


def fitted_line(axes: Any, fit: Fit, model: str, x: np.ndarray, used: np.ndarray, style: Style) -> float:
    """The law along one size: solid where it was fitted, dashed where it was not; the loss where it ends."""
    held = fit.held_out
    if held is not None and held.model == model:
        k, level = held.values["k"].value, held.values["E"].value
        return law_line(axes, lambda at: 10**level * at**-k, x.min(), x.max(), style, ahead=True)
    if model not in fit.curves.models or not used.any():
        return float("nan")
    return law_lines(axes, fit, model, x, used, style)


def _numbers(fitted: list[Fitted]) -> str:
    """Parameters with intervals, and the held-out error, panel by panel."""
    several = len({p.variant for p in fitted}) > 1
    return " ".join(f"{f'{p.variant}, ' if several else ''}{p.axis}: {_parameters(p.fit)}{_error(p)}." for p in fitted)


def _parameters(fit: Fit) -> str:
    if not fit.identified:
        return "K_max and N_0 are not identified"
    return f"K_max {parameter(fit, 'K_max')}, N_0 {parameter(fit, 'N_0')} ({fit.level:.0%} intervals)"


def _error(protocol: Fitted) -> str:
    score = protocol.score
    if score is None:
        return ""
    worst = f" (within a size {protocol.r2_worst:.2f} at worst)" if protocol.cut else ""
    return f"; on {score.points} held-out points RMSE {score.rmse:.4f}, R² {score.r2:.3f}{worst}"
