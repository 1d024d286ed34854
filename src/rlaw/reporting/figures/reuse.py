"""Loss against step for every reuse factor tau at a fixed total: the paper's Figure 7."""

from typing import Any

import numpy as np

from rlaw.analysis.ablations import Ablation, ablations_of
from rlaw.analysis.evidence import Evidence
from rlaw.reporting.figures.base import Figure, new_canvas
from rlaw.reporting.figures.marks import SMOOTHED, smoothed_curve
from rlaw.reporting.figures.style import WIDTH_INCHES, Style, end_labels, log_axis, loss_axis, ordered

_CAVEAT = (
    "Often one run for each τ: a difference within the bars may be another seed's luck, and neighbouring evaluations "
    "of a run share that luck."
)


def draw(evidence: Evidence) -> Figure:
    """Left: loss against step. Right: loss at the last step that all reached, against tau. A row per size and kind."""
    by_size = ablations_of(evidence, "tau", "τ")
    canvas = new_canvas(WIDTH_INCHES, 2.9 * len(by_size))
    panels = canvas.subplots(len(by_size), 2, squeeze=False, width_ratios=(1.6, 1))
    for (left, right), (model, here) in zip(panels, by_size.items(), strict=True):
        line_styles = ordered([s.name for s in here])
        _curves(left, here, line_styles)
        _ends(right, evidence, here, line_styles)
        if len(by_size) > 1:
            left.set_title(model, parse_math=False)
    return Figure(
        "reuse", "Loss when every problem is used τ times (cf. Fig. 7)", _caption(evidence, by_size), _CAVEAT, canvas
    )


def _curves(axes: Any, here: list[Ablation], line_styles: list[Style]) -> None:
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
        axes.plot(
            value, loss, marker=style.marker, color=style.color, markersize=5.5, markeredgecolor="white", zorder=3
        )
    log_axis(axes, min(values) / 1.4, max(values) * 1.4, "reuse factor τ")
    loss_axis(axes, min(np.subtract(ends, errors)), max(np.add(ends, errors)))
    axes.set_ylabel(f"test loss L at step {last}")


def _caption(evidence: Evidence, by_size: dict[str, list[Ablation]]) -> str:
    first = next(iter(by_size.values()))
    runs = sorted({s.runs for s in first})
    mean = "single runs" if runs == [1] else f"means of {runs[0]} to {runs[-1]} runs"
    smoothed = f" {SMOOTHED}" if max(len(s.curve) for s in first) >= 40 else ""
    return (
        f"Each unique problem is used τ times, so that all consume equally many prompts per step; {mean}.{smoothed} "
        f"Right: bars are one standard error of a measured loss, from {evidence.noise_of_arms.how}."
    )
