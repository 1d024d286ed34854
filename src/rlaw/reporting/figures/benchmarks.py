"""Every benchmark against compute or data, per size, and before and after RL: the paper's Figures 8, 10 and 11."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import polars as pl

from rlaw.analysis.evidence import Evidence
from rlaw.errors import DataError
from rlaw.measurements.frame import AXES, Axis
from rlaw.reporting.figures.base import Figure, new_canvas
from rlaw.reporting.figures.marks import AHEAD, curve, grid, key, shared_titles, usable
from rlaw.reporting.figures.style import (
    WIDTH_INCHES,
    Style,
    axis_title,
    log_axis,
    loss_axis,
    ordered,
    plain,
    size_axis,
    styles,
)
from rlaw.text import short_names

_COLUMNS = 3
_CURVES = (
    "A benchmark of few problems moves in coarse steps, and all its evaluations ask the same problems: a whole curve "
    "can lie too high or too low."
)
_BEFORE_AFTER = (
    "Each panel has a scale of its own. A benchmark of 30 problems has a standard error of up to 0.09: a change within "
    "the bars is no transfer."
)


def before_after(evidence: Evidence) -> Figure:
    """Loss on every benchmark at the first and at the last evaluation, against model size."""
    rows = _rows(evidence)
    answers = (pl.col("items") * pl.col("samples")).cast(float)
    ends = rows.sort("step").group_by("params", "model", "benchmark", "run", "seed", maintain_order=True)
    both = ends.agg(
        loss_before=pl.col("test_loss").first(), loss_after=pl.col("test_loss").last(), answers=answers.last(),
        first=pl.col("step").first(), last=pl.col("step").last(),
    ).filter(pl.col("last") > pl.col("first"))  # fmt: skip
    means = [pl.col("loss_before", "loss_after").mean(), pl.col("answers").sum(), pl.col("first").max()]
    table = both.group_by("params", "model", "benchmark", maintain_order=True).agg(*means)
    before = "step 0" if (table["first"] == 0).all() else "the first evaluation (step 0 was not measured)"
    return of_table(table, f"Hollow: {before}; filled: the last evaluation, not the best one.")


def of_table(rows: pl.DataFrame, how: str = "Hollow: before RL; filled: after RL, as the source gives it.") -> Figure:
    """The same of a table with model, params, benchmark, loss_before and loss_after."""
    names = rows["benchmark"].unique(maintain_order=True).to_list()
    if len(names) < 2:
        raise DataError("one benchmark was measured")
    models = rows.sort("params", "model")["model"].unique(maintain_order=True).to_list()
    style_of = dict(zip(models, ordered(short_names(models)), strict=True))
    rows = rows.sort("params", maintain_order=True)
    canvas = _panels(names, 0.4, "model size N (parameters)", rows, partial(_change, style_of=style_of))
    bars = " Bars: one standard error of the finite number of answers." if "answers" in rows.columns else ""
    return Figure("transfer", "Every benchmark before and after RL (cf. Fig. 8)", f"{how}{bars}", _BEFORE_AFTER, canvas)


def _rows(evidence: Evidence) -> pl.DataFrame:
    """The main arm on every benchmark, the one that the laws are fitted to first.

    Raises:
        DataError: one benchmark was measured.
    """
    rows = evidence.like_main(evidence.frame.main().rows, "variant", "tau", "group_size")
    if rows["benchmark"].n_unique() < 2:
        raise DataError("one benchmark was measured")
    first = evidence.main.rows["benchmark"][0]
    return rows.sort(pl.col("benchmark") != first, "benchmark", "params", "model", "step", maintain_order=True)


def against(evidence: Evidence, axis: Axis) -> Figure:
    """Loss on every benchmark against RL compute or prompts consumed."""
    rows, column = _rows(evidence), AXES[axis]
    rows = usable(rows, column)
    if rows.is_empty():
        raise DataError(f"no evaluation has {column}")
    means = rows.group_by("benchmark", "params", "model", "step", maintain_order=True)
    means = means.agg(pl.col(column, "test_loss").mean())
    style_of = styles(evidence)
    names = means["benchmark"].unique(maintain_order=True).to_list()
    each = partial(_curves, column=column, style_of=style_of)
    canvas = _panels(names, 0.7, axis_title(evidence, axis), means, each)
    key(canvas, list(style_of.values()), loc="outside upper center", ncols=min(7, len(style_of)))
    items = rows.drop_nulls("items").group_by("benchmark", maintain_order=True).agg(pl.col("items").max())
    counts = ", ".join(f"{name} {n}" for name, n in items.iter_rows())
    problems = f"Problems: {counts}." if counts else "The source does not record how many problems each has."
    title = f"Every benchmark against {axis} (cf. Fig. {'8, 10' if axis == 'compute' else '11'})"
    return Figure(f"benchmarks-{axis}", title, f"Means over runs. {problems}", _CURVES, canvas)


def _curves(axes: Any, means: pl.DataFrame, column: str, style_of: dict[str, Style]) -> None:
    x, loss = means[column].to_numpy(), means["test_loss"].to_numpy()
    loss_axis(axes, loss.min(), loss.max())
    log_axis(axes, x.min() / 1.3, x.max() * 1.3, "")
    for model, style in style_of.items():
        own = means.filter(pl.col("model") == model).sort("step")
        curve(axes, own[column], own["test_loss"], style, linewidth=1.0, markersize=3, markevery=max(1, len(own) // 8))


def _change(axes: Any, table: pl.DataFrame, style_of: dict[str, Style]) -> None:
    params = table["params"].to_numpy()
    before, after = table["loss_before"].to_numpy(), table["loss_after"].to_numpy()
    answers = table["answers"].to_numpy() if "answers" in table.columns else np.full(len(table), np.nan)
    size_axis(axes, params.tolist())
    axes.set_xlabel("")
    axes.plot(params, before, color="#8a9299", linewidth=0.8, linestyle=AHEAD, zorder=1)
    axes.plot(params, after, color="#33383d", linewidth=1.0, zorder=1)
    for model, n, first, last, n_answers in zip(table["model"], params, before, after, answers, strict=True):
        style = style_of[model]
        for loss, face, shift in ((first, "white", 1 / 1.06), (last, style.color, 1.06)):
            if np.isfinite(n_answers):
                error = np.sqrt(max(loss * (1 - loss), 0) / n_answers)
                axes.plot([n * shift] * 2, [loss - error, loss + error], color=style.color, linewidth=0.9, zorder=2)
            how = {"marker": style.marker, "color": style.color, "markersize": 4.4, "markerfacecolor": face}
            axes.plot(n * shift, loss, **how, zorder=3)
    every = np.concatenate([before, after])
    margin = 0.12 * max(float(np.ptp(every)), 0.02)
    axes.set_ylim(every.min() - margin, every.max() + margin)


def _panels(names: list[str], margin: float, x: str, rows: pl.DataFrame, draw: Callable[..., None]) -> Any:
    """A canvas with a small panel for each benchmark, which `draw` fills, and one title for all axes."""
    canvas = new_canvas(WIDTH_INCHES, 1.9 * -(-len(names) // _COLUMNS) + margin)
    for axes, name in zip(grid(canvas, len(names), _COLUMNS), names, strict=True):
        draw(axes, rows.filter(pl.col("benchmark") == name))
        axes.set_title(plain(name), fontsize=8.5, parse_math=False)
        axes.set_ylabel("")
        axes.tick_params(labelsize=7)
    shared_titles(canvas, x, "test loss L")
    return canvas
