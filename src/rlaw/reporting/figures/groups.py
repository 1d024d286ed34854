"""Loss for every group size G, at equal compute and at equal prompts: the paper's Figure 12."""

from typing import Any

import numpy as np

from rlaw.analysis.ablations import Ablation, ablations_of
from rlaw.analysis.evidence import Evidence
from rlaw.errors import DataError
from rlaw.measurements.frame import AXES
from rlaw.reporting.figures.base import Figure, new_canvas
from rlaw.reporting.figures.marks import SMOOTHED, smoothed_curve
from rlaw.reporting.figures.style import WIDTH_INCHES, axis_title, end_labels, log_axis, loss_axis, ordered

_CAVEAT = (
    "At equal prompts a larger group has cost more compute; at equal compute it has used fewer prompts. Often one run "
    "for each G: its seed is part of every difference."
)


def draw(evidence: Evidence) -> Figure:
    """Loss against compute and against data for every G, a row per size."""
    by_size = ablations_of(evidence, "group_size", "G")
    axis_names = [a for a in ("compute", "data") if a in evidence.axes]
    if not axis_names:
        raise DataError("no evaluation has compute or data")
    canvas = new_canvas(WIDTH_INCHES, 2.9 * len(by_size))
    panels = canvas.subplots(len(by_size), len(axis_names), squeeze=False)
    for line, (model, here) in zip(panels, by_size.items(), strict=True):
        for axes, axis in zip(line, axis_names, strict=True):
            _panel(axes, evidence, here, axis)
        if len(by_size) > 1:
            line[0].set_title(model, parse_math=False)
    runs = sorted({s.runs for here in by_size.values() for s in here})
    mean = "single runs" if runs == [1] else f"means of {runs[0]} to {runs[-1]} runs"
    smoothed = f" {SMOOTHED}" if max(len(s.curve) for here in by_size.values() for s in here) >= 40 else ""
    caption = f"G rollouts for each prompt, the rest of the recipe the same; {mean}.{smoothed}"
    return Figure("groups", "Loss by group size (cf. Fig. 12)", caption, _CAVEAT, canvas)


def _panel(axes: Any, evidence: Evidence, here: list[Ablation], axis: str) -> None:
    column = AXES[axis]
    curves = [s.curve.filter((s.curve[column] > 0) & (s.curve["test_loss"] > 0)) for s in here]
    x = np.concatenate([c[column].to_numpy() for c in curves])
    loss = np.concatenate([c["test_loss"].to_numpy() for c in curves])
    loss_axis(axes, loss.min(), loss.max())
    log_axis(axes, x.min() / 1.3, x.max() * 1.5, axis_title(evidence, axis))
    ends = [
        smoothed_curve(axes, c[column].to_numpy(), c["test_loss"].to_numpy(), style, markers=12, width=1.2)
        for c, style in zip(curves, ordered([s.name for s in here]), strict=True)
    ]
    end_labels(axes, ends)
