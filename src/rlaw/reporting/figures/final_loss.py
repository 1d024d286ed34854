"""Loss before and after RL against model size: the paper's Figure 6a."""

from typing import Any

import numpy as np

from rlaw.analysis.evidence import Evidence
from rlaw.errors import DataError
from rlaw.reporting.figures import captions
from rlaw.reporting.figures.base import Figure, new_canvas
from rlaw.reporting.figures.marks import AHEAD
from rlaw.reporting.figures.style import WIDTH_INCHES, Style, end_labels, label, loss_axis, size_axis, styles

_LETTERS_ABREAST = 85  # of labels side by side that the axis has room for
_CAVEAT = "All sizes are compared at equal steps, so the larger ones have spent more compute."


def draw(evidence: Evidence) -> Figure:
    """Final loss of each size with its runs, the base's loss above it, and the best power law in N for comparison."""
    sizes = [size for size in evidence.sizes if np.isfinite(size.params) and size.final_loss > 0]
    if len({size.params for size in sizes}) < 2:
        raise DataError("the final loss against size needs two sizes with a known number of parameters")
    canvas = new_canvas(WIDTH_INCHES, 3.6)
    axes = canvas.subplots()
    params, base, final = np.array([(r.params, r.base_loss, r.final_loss) for r in sizes]).T
    errors = np.array([evidence.noise.error(r.final_loss, r.runs) for r in sizes])
    singles = [loss for r in sizes for loss in r.run_losses if loss > 0]
    loss_axis(axes, min([*singles, *np.maximum(final - errors, final / 2)]), base.max(), headroom=0.1)
    size_axis(axes, params.tolist())
    axes.plot(params, base, color="#8a9299", linewidth=0.9, linestyle=AHEAD, zorder=1)
    axes.plot(params, final, color="#33383d", linewidth=1.1, zorder=2)
    how_drawn = styles(evidence)
    crowded = sum(len(how_drawn[size.model].name) + 2 for size in sizes) > _LETTERS_ABREAST
    straight = _power_law(axes, params, final)
    for size, error in zip(sizes, errors, strict=True):
        style = how_drawn[size.model]
        how = {"marker": style.marker, "color": style.color, "markersize": 6, "zorder": 4}
        axes.plot(size.params, size.base_loss, **how, markerfacecolor="white")
        bar = [max(size.final_loss - error, 1e-9), size.final_loss + error]
        axes.plot([size.params] * 2, bar, color=style.color, zorder=3)
        axes.plot(size.params, size.final_loss, **how, markeredgecolor="white")
        for loss in size.run_losses if size.runs > 1 else ():
            axes.plot(size.params, loss, marker="_", color=style.color, markersize=8, zorder=3)
        turned = 35 if crowded else 0
        label(axes, style.name, (size.params, size.base_loss), (0, 7), style.color, ha="center", rotation=turned)
    ends = [
        ("before RL", base[-1], "#5a636b"),
        ("after RL", final[-1], "#33383d"),
        ("power law in N", straight, "#c2571a"),
    ]
    end_labels(axes, [(params[-1], loss, Style(color, "", name)) for name, loss, color in ends], offset_points=8)
    return Figure("final-loss", "Loss before and after RL, by model size", _caption(evidence), _CAVEAT, canvas)


def _power_law(axes: Any, params: np.ndarray, final: np.ndarray) -> float:
    """Draw the straight line through the final losses; the loss where it ends."""
    slope, level = np.polyfit(np.log(params), np.log(final), 1)
    grid = np.geomspace(params.min(), params.max(), 50)
    axes.plot(grid, np.exp(level) * grid**slope, color="#c2571a", linewidth=0.9, linestyle=(0, (1, 1.5)), zorder=1)
    return float(np.exp(level) * params[-1] ** slope)


def _caption(evidence: Evidence) -> str:
    steps = sorted({size.last_step for size in evidence.sizes})
    last = "the last step that all runs of a size reached"
    after = f"step {steps[0]}" if len(steps) == 1 else f"{last} ({steps[0]} to {steps[-1]})"
    before = "step 0" if evidence.base_is_step_0 else "the first evaluation (step 0 was not measured)"
    runs = "; dashes: single runs" if any(size.runs > 1 for size in evidence.sizes) else ""
    return (
        f"Hollow: {before}; filled: {after}, the last measurement, not the best one; {captions.runs(evidence)}{runs}. "
        f"Bars: one standard error from {evidence.noise.how}. Dotted: the straight line through the final losses, a "
        "power law in N, for comparison."
    )
