"""The loss decomposition on what it had not seen: the paper's Figure 13."""

from typing import Any

import numpy as np
import polars as pl

from rlaw.analysis.evidence import Evidence
from rlaw.analysis.protocols import early_steps, score_later
from rlaw.errors import NotIdentifiable, RlawError
from rlaw.fitting.fit import Fit, fit
from rlaw.forecasting.forecast import Forecast, forecast
from rlaw.measurements.frame import AXES
from rlaw.reporting.figures.base import Figure, new_canvas
from rlaw.reporting.figures.marks import AHEAD, law_lines, points, usable
from rlaw.reporting.figures.style import WIDTH_INCHES, axis_title, end_labels, log_axis, loss_axis, styles

_LAW = "decomposition"
_SHARE = 0.3  # of the steps that are fitted, as in the paper
_LEAST = 6
_DRAWS = 200
_CAVEAT = (
    "λ and X₀ are free for each size, so that the floor and the exponent alone go from one size to another: the "
    "largest size has to show its own first steps, and its floor rests on how (N₀/N)^α carries on."
)


def draw(evidence: Evidence) -> Figure:
    """Left: fitted to the early steps of all sizes. Right: the largest, from the others and its own early steps."""
    axis = "data" if "data" in evidence.axes else evidence.axis
    steps, count = early_steps(evidence, evidence.main, _SHARE, _LEAST)
    cut = int(steps[count - 1])
    window = f"{steps[0]}:{cut}"
    early = fit(_LAW, evidence.main, axis=axis, window=window, space=evidence.choice.space, intervals="none")
    late = _largest(evidence, axis, count)
    canvas = new_canvas(WIDTH_INCHES, 3.3)
    left, right = canvas.subplots(1, 2, sharey=True)
    _steps_panel(left, evidence, early, cut)
    _sizes_panel(right, evidence, late, axis, cut)
    score, _ = score_later(evidence.main, early, cut, int(steps[-1]))
    errors = f"on {score.points} later points RMSE {score.rmse:.4f}, R² {score.r2:.3f}"
    caption = (
        f"{early.law.title}, {early.law.formula}, over {axis}. Left: fitted to all sizes up to step {cut} (the first "
        f"{_SHARE:.0%}), dashed beyond; {errors}. Right: {_right(evidence, late)}"
    )
    return Figure(_LAW, "The loss decomposition on held-out points (cf. Fig. 13)", caption, _CAVEAT, canvas)


def _largest(evidence: Evidence, axis: Any, count: int) -> Forecast | RlawError:
    try:
        return forecast(
            evidence.main, evidence.sizes[-1].model, anchor=f"first:{count}", axis=axis, law=_LAW,
            window=evidence.choice.window, level=evidence.choice.level, **evidence.drawn(_DRAWS),
        )  # fmt: skip
    except NotIdentifiable as error:
        return error


def _steps_panel(axes: Any, evidence: Evidence, early: Fit, cut: int) -> None:
    column = AXES[early.axis]
    rows = usable(evidence.mean_curves, column)
    _frame(axes, evidence, rows, early.axis, "early steps to the rest")
    ends = []
    for model, style in styles(evidence).items():
        own = rows.filter(pl.col("model") == model)
        if own.is_empty() or model not in early.curves.models:
            continue
        steps, x = own["step"].to_numpy(), own[column].to_numpy()
        inside = evidence.in_window(steps) & (steps <= cut)
        points(axes, x, own["test_loss"], inside, style, size=3.2)
        ends.append((float(x[-1]), law_lines(axes, early, model, x, inside, style), style))
    end_labels(axes, ends, gap_points=8.5)


def _sizes_panel(axes: Any, evidence: Evidence, late: Forecast | RlawError, axis: str, cut: int) -> None:
    column = AXES[axis]
    rows = usable(evidence.mean_curves, column)
    _frame(axes, evidence, rows, axis, "small sizes to the largest")
    axes.set_ylabel("")
    target = evidence.sizes[-1].model
    ends = []
    for model, style in styles(evidence).items():
        own = rows.filter(pl.col("model") == model)
        if own.is_empty():
            continue
        steps, x = own["step"].to_numpy(), own[column].to_numpy()
        inside = evidence.in_window(steps) & ((steps <= cut) | (model != target))
        points(axes, x, own["test_loss"], inside, style, size=3.2)
        ends.append((float(x[-1]), float(own["test_loss"][-1]), style))
        if model == target and isinstance(late, Forecast):
            at, low, high, loss = (np.array([getattr(p, n) for p in late.points]) for n in ("x", "low", "high", "loss"))
            axes.fill_between(at, low, high, color=style.color, alpha=0.16, linewidth=0, zorder=1)
            axes.plot(at, loss, color=style.color, linewidth=1.0, linestyle=AHEAD, zorder=3)
    end_labels(axes, ends, gap_points=8.5)


def _frame(axes: Any, evidence: Evidence, rows: pl.DataFrame, axis: str, title: str) -> None:
    x, loss = rows[AXES[axis]].to_numpy(), rows["test_loss"].to_numpy()
    loss_axis(axes, loss.min(), loss.max())
    log_axis(axes, x.min() / 1.3, x.max() * (x.max() / x.min()) ** 0.14, axis_title(evidence, axis))
    axes.set_title(title)


def _right(evidence: Evidence, late: Forecast | RlawError) -> str:
    if not isinstance(late, Forecast):
        return f"refused, {str(late).splitlines()[0]}."
    held_out = late.held_out
    error = f"; RMSE {held_out.rmse:.4f}, {held_out.coverage:.0%} inside" if held_out else ""
    return (
        f"{evidence.sizes[-1].model} from the smaller sizes and its own filled points, a calibrated forecast with its "
        f"{evidence.choice.level:.0%} band{error}."
    )
