"""Response length against data, per size: the paper's Figures 6b and 14."""

from typing import Any

import numpy as np
import polars as pl

from rlaw.analysis.evidence import Evidence
from rlaw.analysis.protocols import variants
from rlaw.errors import DataError
from rlaw.reporting.figures.base import Figure, new_canvas
from rlaw.reporting.figures.marks import grid, smoothed_curve, smoothing
from rlaw.reporting.figures.style import WIDTH_INCHES, end_labels, ordered, plain
from rlaw.text import short_names

_CAVEAT = (
    "Longer responses make a step dearer, so compute and data rank runs differently; a length that nears the limit of "
    "a response is cut off there."
)


def draw(evidence: Evidence) -> Figure:
    """Mean response length of the held-out evaluations, a panel per variant."""
    rows = pl.concat([frame.rows for frame in variants(evidence).values()])
    if rows["response_length"].drop_nulls().is_empty():
        raise DataError("no evaluation has a response length")
    return of_table(rows, "held-out evaluations")


def of_table(rows: pl.DataFrame, source: str = "the table") -> Figure:
    """The same of a table with model, params, step and response_length; variant and data_size where it has them."""
    rows = rows.drop_nulls("response_length")
    x = "data_size" if "data_size" in rows.columns and rows["data_size"].null_count() == 0 else "step"
    names = rows["variant"].unique(maintain_order=True).to_list() if "variant" in rows.columns else [""]
    canvas = new_canvas(WIDTH_INCHES if len(names) > 1 else WIDTH_INCHES * 0.8, 3.3 * -(-len(names) // 2))
    for axes, name in zip(grid(canvas, len(names), 2, sharey=True), names, strict=True):
        _panel(axes, rows.filter(pl.col("variant") == name) if "variant" in rows.columns else rows, x)
        if len(names) > 1:
            axes.set_title(plain(name), parse_math=False)
    longest = max(own["step"].n_unique() for own in rows.partition_by("model"))
    caption = f"Mean response length, from {source}; means over runs.{smoothing(longest)}{_hidden(rows)}"
    return Figure("response-length", "Response length along training (cf. Fig. 6b, 14)", caption, _CAVEAT, canvas)


def _hidden(rows: pl.DataFrame) -> str:
    """How many points the source itself doubts, where it has a column `quality`."""
    if "quality" not in rows.columns:
        return ""
    doubted = rows.filter(pl.col("quality") != "ok").height
    sentence = f" {doubted} of {len(rows)} points lie hidden behind others in the source and are less sure."
    return sentence if doubted else ""


def _panel(axes: Any, rows: pl.DataFrame, x: str) -> None:
    means = rows.group_by("params", "model", "step").agg(pl.col("response_length").mean(), x=pl.col(x).mean())
    means = means.sort("params", "model", "step", nulls_last=True)
    models = means["model"].unique(maintain_order=True).to_list()
    ends = []
    for model, style in zip(models, ordered(short_names(models)), strict=True):
        own = means.filter(pl.col("model") == model)
        ends.append(smoothed_curve(axes, own["x"].to_numpy(), own["response_length"].to_numpy(), style))
    axes.set_ylim(0, 1.08 * float(np.max(means["response_length"].to_numpy())))
    axes.set_xlabel("data D (prompts consumed)" if x == "data_size" else "RL step")
    axes.set_ylabel("response length (tokens)")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    end_labels(axes, ends)
