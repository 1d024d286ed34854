"""Forecasts against what was measured: of the largest size in three ways, or one of any target."""

from typing import Any

import numpy as np
import polars as pl

from rlaw.analysis.evidence import Evidence
from rlaw.errors import DataError, NotIdentifiable, RlawError
from rlaw.forecasting.forecast import Forecast, forecast
from rlaw.measurements.frame import AXES
from rlaw.reporting.figures.base import Figure, new_canvas
from rlaw.reporting.figures.marks import shared_titles, usable
from rlaw.reporting.figures.style import WIDTH_INCHES, Style, axis_title, log_axis, loss_axis, plain, styles

_OBSERVED_SHARE = 0.25  # of the target's steps, that the calibrated forecast uses
_LEAST_OBSERVED = 5
_DRAWS = 300
_CAVEAT = (
    "One size is one test: `rlaw compare --hold-out each` asks every size in turn. A blind forecast rests on the sizes "
    "below it alone, and the law may bend where nothing was measured."
)
_COLOR = "#2a6f97"
_TITLES = {"compute": "RL compute C (FLOPs)", "data": "data D (prompts consumed)", "step": "RL step"}
_CAVEAT_OF_ONE = (
    "The interval is that of a loss as a run would measure it. Hollow points are held out, not used by the forecast."
)


def draw(evidence: Evidence) -> Figure:
    """Blind, anchored and calibrated forecasts of the largest size, with what it then measured."""
    if len(evidence.sizes) < 3:
        raise DataError("a forecast of the largest size takes two smaller ones")
    target, column = evidence.sizes[-1].model, AXES[evidence.axis]
    rows = usable(evidence.mean_curves, column).filter(pl.col("model") == target)
    inside = evidence.in_window(rows["step"].to_numpy())
    count = max(_LEAST_OBSERVED, round(_OBSERVED_SHARE * int(inside.sum())))
    anchors = {"blind": "none", "anchored": "step0", "calibrated": f"first:{count}"}
    found = {kind: _forecast(evidence, target, anchor) for kind, anchor in anchors.items()}
    if not any(isinstance(one, Forecast) for one in found.values()):
        raise NotIdentifiable(str(found["blind"]))
    x, loss = rows[column].to_numpy(), rows["test_loss"].to_numpy()
    lowest = min(point.low for one in found.values() if isinstance(one, Forecast) for point in one.points)
    canvas = new_canvas(WIDTH_INCHES, 3.2)
    panels = canvas.subplots(1, 3, sharey=True)
    for panel, (kind, one) in zip(panels, found.items(), strict=True):
        loss_axis(panel, max(lowest, loss.min() / 2), loss.max())
        log_axis(panel, x.min() / 1.3, x.max() * 1.3, "")
        panel.set_title(kind)
        on_first = isinstance(one, Forecast) and one.anchor == "its first evaluation"  # step 0 was not evaluated
        points = count if kind == "calibrated" else int(on_first)
        _panel(panel, one, x, loss, ~(inside & (np.cumsum(inside) <= points)), styles(evidence)[target])
    shared_titles(canvas, axis_title(evidence, evidence.axis))
    for panel in panels[1:]:
        panel.set_ylabel("")
    return Figure("forecasts", f"{target}, forecast and measured", _caption(found, target), _CAVEAT, canvas)


def _forecast(evidence: Evidence, target: str, anchor: str) -> Forecast | RlawError:
    try:
        return forecast(
            evidence.main, target=target, anchor=anchor, axis=evidence.axis, window=evidence.choice.window,
            level=evidence.choice.level, **evidence.drawn(_DRAWS),
        )  # fmt: skip
    except RlawError as error:
        return error


def _panel(
    panel: Any, one: Forecast | RlawError, x: np.ndarray, loss: np.ndarray, hidden: np.ndarray, style: Style
) -> None:
    """Band and median of the forecast; the target's points, hollow where held out."""
    if isinstance(one, Forecast):
        at, middle, low, high = np.array([(p.x, p.loss, p.low, p.high) for p in one.points]).T
        panel.fill_between(at, low, high, color=style.color, alpha=0.15, linewidth=0, zorder=1)
        panel.plot(at, middle, color=style.color, zorder=2)
        text = f"RMSE {one.held_out.rmse:.3f}, {one.held_out.coverage:.0%} inside" if one.held_out else ""
    else:
        text = "refused: see the caption"
    panel.text(0.03, 0.04, text, transform=panel.transAxes, fontsize=7.5)
    how = {"marker": style.marker, "linestyle": "", "color": style.color, "markersize": 4, "zorder": 3}
    panel.plot(x[~hidden], loss[~hidden], **how, markeredgecolor="white", markeredgewidth=0.5)
    panel.plot(x[hidden], loss[hidden], **how, markerfacecolor="white", markeredgewidth=0.6)


def _caption(found: dict[str, Forecast | RlawError], target: str) -> str:
    parts = [f"Filled points of {target} were used by the forecast, hollow ones are held out."]
    for kind, one in found.items():
        if isinstance(one, Forecast):
            k = f", k {one.k.value:.3g} [{one.k.low:.3g}, {one.k.high:.3g}]" if one.k else ""
            parts.append(f"{kind.capitalize()}: {one.anchor}{k}.")
        else:
            parts.append(f"{kind.capitalize()}: refused, {str(one).splitlines()[0]}.")
    first = next(one for one in found.values() if isinstance(one, Forecast))
    reach = f"the target is {first.size_factor:.3g} times larger than the sizes that the law was fitted to"
    return " ".join([*parts, f"Bands: {first.settings['level']:.0%}, of a measured loss; {reach}."])


def of_one(one: Forecast) -> Figure:
    """One forecast with its band and what was measured of the target, filled where the forecast used it."""
    canvas = new_canvas(5.2, 3.4)
    axes = canvas.subplots()
    x, loss, low, high = np.array([(p.x, p.loss, p.low, p.high) for p in one.points]).T
    used, held_out = (np.array(points).reshape(-1, 2).T for points in (one.observed, one.unobserved))
    every_x = np.concatenate([x, used[0], held_out[0]])
    every_loss = np.concatenate([low, high, used[1], held_out[1]])
    loss_axis(axes, max(float(every_loss.min()), 1e-3), float(every_loss.max()))
    log_axis(axes, float(every_x.min()) / 1.1, float(every_x.max()) * 1.1, _TITLES[one.axis])
    axes.fill_between(x, np.maximum(low, 1e-6), high, color=_COLOR, alpha=0.18, linewidth=0)
    axes.plot(x, loss, color=_COLOR)
    points = {"linestyle": "", "marker": "o", "color": _COLOR, "markersize": 3.2}
    axes.plot(*held_out, **points, markerfacecolor="white", zorder=3)
    axes.plot(*used, **points, zorder=4)
    axes.set_title(f"{plain(one.target)}, {one.kind}", parse_math=False)
    caption = (
        f"{one.kind.capitalize()} forecast of {one.target} by {one.law}, which uses {one.anchor} "
        f"(filled points). Band: {one.settings['level']:.0%} interval. Reach: {one.size_factor:.3g} times in size, "
        f"{one.axis_factor:.3g} times along the axis, from {one.source}."
    )
    return Figure("forecast", f"Forecast of {one.target}", caption, _CAVEAT_OF_ONE, canvas)
