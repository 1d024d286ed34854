"""The loss decomposition on what it had not seen: the paper's Figure 13."""

from functools import partial
from typing import Any

import numpy as np
import polars as pl

from rlaw.analysis.evidence import Evidence
from rlaw.analysis.protocols import score_later
from rlaw.errors import NotIdentifiable, RlawError
from rlaw.fitting.fit import fit
from rlaw.forecasting.forecast import Forecast, forecast
from rlaw.measurements.frame import AXES, Axis
from rlaw.reporting.figures.base import Figure, new_canvas
from rlaw.reporting.figures.marks import AHEAD, ladder, usable
from rlaw.reporting.figures.predictions import fitted_line
from rlaw.reporting.figures.style import WIDTH_INCHES, Style

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
    axis: Axis = "data" if "data" in evidence.axes else evidence.axis
    steps, count = evidence.early_steps(evidence.main, _SHARE, _LEAST)
    cut = int(steps[count - 1])
    window = f"{steps[0]}:{cut}"
    early = fit(_LAW, evidence.main, axis=axis, window=window, space=evidence.choice.space, intervals="none")
    late = _largest(evidence, axis, count)
    canvas = new_canvas(WIDTH_INCHES, 3.3)
    left, right = canvas.subplots(1, 2, sharey=True)
    rows, largest = usable(evidence.mean_curves, AXES[axis]), evidence.sizes[-1].model
    ladder(left, evidence, rows, axis, lambda _, steps: steps <= cut, partial(fitted_line, left, early))
    drawn = partial(_forecast_line, right, evidence, late)
    ladder(right, evidence, rows, axis, lambda model, steps: (steps <= cut) | (model != largest), drawn)
    left.set_title("early steps to the rest")
    right.set(title="small sizes to the largest", ylabel="")
    score, _ = score_later(evidence.main, early, cut, int(steps[-1]))
    errors = f"on {score.points} later points RMSE {score.rmse:.4f}, R² {score.r2:.3f}"
    caption = (
        f"{early.law.title}, {early.law.formula}, over {axis}. Left: fitted to all sizes up to step {cut} (the first "
        f"{_SHARE:.0%}), dashed beyond; {errors}. Right: {_right(evidence, late)}"
    )
    return Figure(_LAW, "The loss decomposition on held-out points (cf. Fig. 13)", caption, _CAVEAT, canvas)


def _largest(evidence: Evidence, axis: Axis, count: int) -> Forecast | RlawError:
    try:
        return forecast(
            evidence.main, evidence.sizes[-1].model, anchor=f"first:{count}", axis=axis, law=_LAW,
            window=evidence.choice.window, level=evidence.choice.level, **evidence.drawn(_DRAWS),
        )  # fmt: skip
    except NotIdentifiable as error:
        return error


def _forecast_line(
    axes: Any, evidence: Evidence, late: Forecast | RlawError, model: str, x: np.ndarray, used: np.ndarray, style: Style
) -> float:
    """The forecast of the largest size with its band; the loss that was measured last."""
    if model == evidence.sizes[-1].model and isinstance(late, Forecast):
        at, low, high, loss = (np.array([getattr(p, n) for p in late.points]) for n in ("x", "low", "high", "loss"))
        axes.fill_between(at, low, high, color=style.color, alpha=0.16, linewidth=0, zorder=1)
        axes.plot(at, loss, color=style.color, linewidth=1.0, linestyle=AHEAD, zorder=3)
    return float(evidence.mean_curves.filter(pl.col("model") == model)["test_loss"][-1])


def _right(evidence: Evidence, late: Forecast | RlawError) -> str:
    if not isinstance(late, Forecast):
        return f"refused, {str(late).splitlines()[0]}."
    held_out = late.held_out
    error = f"; RMSE {held_out.rmse:.4f}, {held_out.coverage:.0%} inside" if held_out else ""
    return (
        f"{evidence.sizes[-1].model} from the smaller sizes and its own filled points, a calibrated forecast with its "
        f"{evidence.choice.level:.0%} band{error}."
    )
