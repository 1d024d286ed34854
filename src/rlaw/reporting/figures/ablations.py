"""Loss for every value of one setting of the recipe: reuse factors (the paper's Figure 7), group sizes (Figure 12)."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from rlaw.analysis.ablations import Ablation, ablations_of
from rlaw.analysis.evidence import Evidence
from rlaw.errors import DataError
from rlaw.measurements.frame import AXES
from rlaw.reporting.figures.base import Figure, new_canvas
from rlaw.reporting.figures.captions import how_many
from rlaw.reporting.figures.marks import smoothed_curve, smoothing, usable
from rlaw.reporting.figures.style import WIDTH_INCHES, axis_title, end_labels, log_axis, loss_axis, ordered

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
        _against(left, evidence, here, "step")
        _ends(right, evidence, here)
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
            _against(axes, evidence, here, axis, markers=12, width=1.2)
        if len(by_size) > 1:
            line[0].set_title(model, parse_math=False)
    settings = [s for here in by_size.values() for s in here]
    caption = f"G rollouts for each prompt, the rest of the recipe the same; {_how_many(settings)}"
    return Figure("groups", "Loss by group size (cf. Fig. 12)", caption, _GROUPS, canvas)


def _ends(axes: Any, evidence: Evidence, here: list[Ablation]) -> None:
    """Loss at the last shared step with one standard error of a measurement."""
    last = min(int(s.curve["step"].to_numpy().max()) for s in here)
    ends = [float(s.curve.filter(s.curve["step"] <= last)["test_loss"][-1]) for s in here]
    errors = [evidence.noise_of_arms.error(loss, s.runs) for loss, s in zip(ends, here, strict=True)]
    values, line_styles = [s.value for s in here], ordered([s.name for s in here])
    axes.plot(values, ends, color="#8a9299", linewidth=0.8, zorder=1)
    for value, loss, error, style in zip(values, ends, errors, line_styles, strict=True):
        axes.plot([value, value], [loss - error, loss + error], color=style.color, linewidth=1.1, zorder=2)
        how = {"marker": style.marker, "color": style.color, "markersize": 5.5, "markeredgecolor": "white"}
        axes.plot(value, loss, **how, zorder=3)
    log_axis(axes, min(values) / 1.4, max(values) * 1.4, "reuse factor τ")
    loss_axis(axes, min(np.subtract(ends, errors)), max(np.add(ends, errors)))
    axes.set_ylabel(f"test loss L at step {last}")


def _against(axes: Any, evidence: Evidence, here: list[Ablation], axis: str, **look: Any) -> None:
    """A curve for each setting, over steps from the base on."""
    column = AXES[axis]
    curves = [s.curve if axis == "step" else usable(s.curve, column) for s in here]
    x, loss = (np.concatenate([c[name].to_numpy() for c in curves]) for name in (column, "test_loss"))
    loss_axis(axes, max(loss.min(), 1e-4), loss.max())
    if axis == "step":
        axes.set_xlabel("RL step")
    else:
        log_axis(axes, x.min() / 1.3, x.max() * 1.5, axis_title(evidence, axis))
    ends = [
        smoothed_curve(axes, c[column].to_numpy(), c["test_loss"].to_numpy(), style, **look)
        for c, style in zip(curves, ordered([s.name for s in here]), strict=True)
    ]
    end_labels(axes, ends)


def _how_many(settings: Sequence[Ablation]) -> str:
    """What a point is, and that long curves are smoothed."""
    several = any(s.runs > 1 for s in settings)
    mean = f"means of {how_many(s.runs for s in settings)}" if several else "single runs"
    return f"{mean}.{smoothing(max(len(s.curve) for s in settings))}"
