"""The study's other arms (longer runs, reuse, group sizes) beside the main one, with what the main law forecast."""

from typing import Any

import numpy as np
import polars as pl

from rlaw.analysis.evidence import Evidence
from rlaw.errors import DataError
from rlaw.measurements.frame import AXES
from rlaw.reporting.figures import captions
from rlaw.reporting.figures.base import Figure, new_canvas
from rlaw.reporting.figures.marks import fitted_x, grid, law_lines, usable
from rlaw.reporting.figures.style import WIDTH_INCHES, Style, axis_title, end_labels, log_axis, loss_axis, plain

_COLUMNS = 2
_SHADES = ("#b5452c", "#2f6fb0", "#5f8f2e", "#8a4fa3", "#b8860b", "#15808a", "#6b4f3a", "#c0417d")

_CAVEAT = "An arm often has one seed; its distance from the line includes the difference between seeds."


def draw(evidence: Evidence) -> Figure:
    """Loss of every other arm along the axis, a panel per size, over the main arm's curve and its fitted line."""
    rows = _others(evidence)
    if rows.is_empty():
        raise DataError("every run belongs to the main arm")
    models = rows["model"].unique(maintain_order=True).to_list()
    canvas = new_canvas(WIDTH_INCHES, 3.3 * -(-len(models) // _COLUMNS) + 0.3)
    for axes, model in zip(grid(canvas, len(models), _COLUMNS), models, strict=True):
        _panel(axes, evidence, rows.filter(pl.col("model") == model), model)
    return Figure("arms", "Other arms, and what the main law forecast", _caption(evidence), _CAVEAT, canvas)


def _others(evidence: Evidence) -> pl.DataFrame:
    rows, column = evidence.frame.rows, AXES[evidence.axis]
    rows = rows.filter(pl.col("arm") != "main") if "main" in rows["arm"] else rows.clear()
    return usable(evidence.like_main(rows, "variant", "benchmark"), column)


def _panel(axes: Any, evidence: Evidence, rows: pl.DataFrame, model: str) -> None:
    column = AXES[evidence.axis]
    main = evidence.mean_curves.filter((pl.col("model") == model) & (pl.col(column) > 0))
    arms = rows.group_by("arm", "step").agg(pl.col(column, "test_loss").mean()).sort("arm", "step")
    loss = np.r_[arms["test_loss"].to_numpy(), main["test_loss"].to_numpy()]
    x = np.r_[arms[column].to_numpy(), main[column].to_numpy()]
    loss_axis(axes, loss.min(), loss.max())
    log_axis(axes, x.min() / 1.3, x.max() * 1.6, axis_title(evidence, evidence.axis))
    axes.set_title(plain(model), parse_math=False)
    ends = []
    if len(main):
        axes.plot(main[column], main["test_loss"], color="#5a636b", linestyle="", marker="o", markersize=3.2, zorder=3)
        ends.append((main[column][-1], main["test_loss"][-1], Style("#5a636b", "o", "main")))
    _forecast(axes, evidence, model, x.max())
    for arm, shade in zip(arms["arm"].unique(maintain_order=True), _SHADES * len(arms), strict=False):
        own = arms.filter(pl.col("arm") == arm)
        how = {"linewidth": 0.9, "marker": "o", "markersize": 3.2, "markerfacecolor": "white"}
        axes.plot(own[column], own["test_loss"], color=shade, **how, zorder=4)
        ends.append((own[column][-1], own["test_loss"][-1], Style(shade, "o", plain(arm))))
    end_labels(axes, ends)


def _forecast(axes: Any, evidence: Evidence, model: str, end: float) -> None:
    """The main arm's own line of this size: solid where it was fitted, dashed where it is a forecast."""
    power = evidence.power
    if power is None or model not in power.curves.models:
        return
    used = fitted_x(power, model)
    x = np.append(used, end)
    law_lines(axes, power, model, x, x <= used.max(), Style("#33383d", "", ""))
    if end > used.max() * 1.001:
        dashed = np.geomspace(used.max(), end, 50)
        axes.fill_between(dashed, *power.band(model, dashed), color="#33383d", alpha=0.12, linewidth=0, zorder=1)


def _caption(evidence: Evidence) -> str:
    arms = ", ".join(evidence.frame.rows["arm"].unique().sort().to_list())
    window = captions.window(evidence.choice.window)
    return (
        f"Grey: main arm, with the straight line of that size fitted to it ({window}); "
        "dashed: the same line beyond the main arm, a calibrated forecast (fitted to the early part of this size); "
        "band: its interval, without the noise of one measurement. Hollow: the other arms, never fitted. "
        f"Arms of this store: {arms}."
    )
