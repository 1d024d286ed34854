"""Loss for every value of one setting of the recipe: reuse factors (the paper's Figure 7), group sizes (Figure 12)."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from rlaw.analysis.ablations import Ablation, ablations_of
from rlaw.analysis.evidence import Evidence
from rlaw.errors import DataError
from rlaw.measurements.frame import AXES
from rlaw.reporting.figures.base import Figure, new_canvas
from rlaw.reporting.figures.marks import smoothed_curve, smoothing, usable
from rlaw.reporting.figures.style import WIDTH_INCHES, Style, axis_title, end_labels, log_axis, loss_axis, ordered

_REUSE = (
    "Often one run for each τ: a difference within the bars may be another seed's luck, and neighbouring evaluations "
    "of a run share that luck."
)
_GROUPS = (
    "At equal prompts a larger group has cost more compute; at equal compute it has used fewer prompts. Often one run "
    "for each G: its seed is part of every difference."
)


def reuse(evidence: Evidence) -> Figure:
    """Left: loss against step. Right: loss at the last step that all reached, against tau. A row per size and kind."""
    by_size = ablations_of(evidence, "tau", "τ")
    canvas = new_canvas(WIDTH_INCHES, 2.9 * len(by_size))
    panels = canvas.subplots(len(by_size), 2, squeeze=False, width_ratios=(1.6, 1))
    for (left, right), (model, here) in zip(panels, by_size.items(), strict=True):
        line_styles = ordered([s.name for s in here])
        _against_step(left, here, line_styles)
        _ends(right, evidence, here, line_styles)
        if len(by_size) > 1:
            left.set_title(model, parse_math=False)
    caption = (
        "Each unique problem is used τ times, so that all consume equally many prompts per step; "
        f"{_how_many(next(iter(by_size.values())))} "
        f"Right: bars are one standard error of a measured loss, from {evidence.noise_of_arms.how}."
    )
    return Figure("reuse", "Loss when every problem is used τ times (cf. Fig. 7)", caption, _REUSE, canvas)


def groups(evidence: Evidence) -> Figure:
    """Loss against compute and against data for every group size G, a row per size."""
    by_size = ablations_of(evidence, "group_size", "G")
    axis_names = [a for a in ("compute", "data") if a in evidence.axes]
    if not axis_names:
        raise DataError("no evaluation has compute or data")
    canvas = new_canvas(WIDTH_INCHES, 2.9 * len(by_size))
    panels = canvas.subplots(len(by_size), len(axis_names), squeeze=False)
    for line, (model, here) in zip(panels, by_size.items(), strict=True):
        for axes, axis in zip(line, axis_names, strict=True):
            _against_axis(axes, evidence, here, axis)
        if len(by_size) > 1:
            line[0].set_title(model, parse_math=False)
    settings = [s for here in by_size.values() for s in here]
    caption = f"G rollouts for each prompt, the rest of the recipe the same; {_how_many(settings)}"
    return Figure("groups", "Loss by group size (cf. Fig. 12)", caption, _GROUPS, canvas)


def _against_step(axes: Any, here: list[Ablation], line_styles: list[Style]) -> None:
    every = np.concatenate([s.curve.filter(s.curve["step"] > 0)["test_loss"].to_numpy() for s in here])
    loss_axis(axes, max(every.min(), 1e-4), every.max())
    ends = [
        smoothed_curve(axes, s.curve["step"].to_numpy(), s.curve["test_loss"].to_numpy(), style)
        for s, style in zip(here, line_styles, strict=True)
    ]
    axes.set_xlabel("RL step")
    end_labels(axes, ends, gap_points=9)


def _ends(axes: Any, evidence: Evidence, here: list[Ablation], line_styles: list[Style]) -> None:
    """Loss at the last shared step with one standard error of a measurement."""
    last = min(int(s.curve["step"].to_numpy().max()) for s in here)
    ends = [float(s.curve.filter(s.curve["step"] <= last)["test_loss"][-1]) for s in here]
    errors = [evidence.noise_of_arms.error(loss, s.runs) for loss, s in zip(ends, here, strict=True)]
    values = [s.value for s in here]
    axes.plot(values, ends, color="#8a9299", linewidth=0.8, zorder=1)
    for value, loss, error, style in zip(values, ends, errors, line_styles, strict=True):
        axes.plot([value, value], [loss - error, loss + error], color=style.color, linewidth=1.1, zorder=2)
        how = {"marker": style.marker, "color": style.color, "markersize": 5.5, "markeredgecolor": "white"}
        axes.plot(value, loss, **how, zorder=3)
    log_axis(axes, min(values) / 1.4, max(values) * 1.4, "reuse factor τ")
    loss_axis(axes, min(np.subtract(ends, errors)), max(np.add(ends, errors)))
    axes.set_ylabel(f"test loss L at step {last}")


def _against_axis(axes: Any, evidence: Evidence, here: list[Ablation], axis: str) -> None:
    column = AXES[axis]
    curves = [usable(s.curve, column) for s in here]
    x = np.concatenate([c[column].to_numpy() for c in curves])
    loss = np.concatenate([c["test_loss"].to_numpy() for c in curves])
    loss_axis(axes, loss.min(), loss.max())
    log_axis(axes, x.min() / 1.3, x.max() * 1.5, axis_title(evidence, axis))
    ends = [
        smoothed_curve(axes, c[column].to_numpy(), c["test_loss"].to_numpy(), style, markers=12, width=1.2)
        for c, style in zip(curves, ordered([s.name for s in here]), strict=True)
    ]
    end_labels(axes, ends)


def _how_many(settings: Sequence[Ablation]) -> str:
    """What a point is, and that long curves are smoothed."""
    runs = sorted({s.runs for s in settings})
    mean = "single runs" if runs == [1] else f"means of {runs[0]} to {runs[-1]} runs"
    return f"{mean}.{smoothing(max(len(s.curve) for s in settings))}"
