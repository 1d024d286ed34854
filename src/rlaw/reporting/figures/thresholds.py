"""What it takes to reach a threshold, against the task's variable: every run, and the law of every group."""

from typing import Any

import numpy as np

from rlaw.fitting.interval import three_digits
from rlaw.fitting.threshold.result import UNITS, RunReach, Threshold
from rlaw.reporting.figures.base import Figure, new_canvas
from rlaw.reporting.figures.style import WIDTH_INCHES, Style, ordered, plain

_ARROW = 1.3  # where an arrow ends, in multiples of its start
_SIDE_STEP = 0.012  # groups stand beside each other, in decades of the variable


def of_threshold(result: Threshold) -> Figure:
    """Runs as the intervals in which they crossed, with arrows where they never did; laws as lines."""
    names = [group.group for group in result.groups]
    canvas = new_canvas(WIDTH_INCHES, 3.6)
    axes = canvas.subplots()
    for place, (group, style) in enumerate(zip(result.groups, ordered([n or "all runs" for n in names]), strict=True)):
        shift = 10 ** (_SIDE_STEP * (place - (len(names) - 1) / 2))
        own = [run for run in result.runs if run.group == group.group]
        _runs(axes, own, style, shift)
        label = style.name
        if np.isfinite(group.gamma.value):
            D = np.geomspace(min(run.value for run in own), max(run.value for run in own), 50)
            axes.plot(D, group.a.value * D**group.gamma.value, color=style.color, linewidth=1.2)
            label += f": γ {group.gamma.text(three_digits)}"
        axes.plot([], [], color=style.color, marker=style.marker, linewidth=1.2, label=label)
    axes.set_xscale("log")
    axes.set_yscale("log")
    values = sorted({run.value for run in result.runs})
    axes.set_xticks(values if len(values) < 10 else values[:: len(values) // 8 + 1])
    tops = [run.low * _ARROW**2 if run.censored else run.high for run in result.runs]
    axes.set_ylim(top=max(axes.get_ylim()[1], *tops))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.xaxis.set_minor_formatter(lambda *_: "")
    axes.set_xlabel(plain(result.of))
    unit = UNITS.get(result.along, plain(result.along))
    axes.set_ylabel(f"{unit} to reach {result.reach:g}")
    axes.set_title(f"What it takes to reach {result.reach:g}")
    axes.legend(frameon=False, fontsize=8)
    level, never = result.settings["level"], sum(run.censored for run in result.runs)
    caption = (
        f"{len(result.runs)} runs from {result.source}. Bars: between the evaluations before and after the crossing of "
        f"the isotonic curve; arrows: the {never} runs that ended below. Lines: T = a {result.of}^γ by the "
        f"interval-censored likelihood, seeds as random effects; {level:.0%} profile intervals."
    )
    caveat = (
        "A line beyond the last run that crossed is an extrapolation; the variable's mixture is part of the result."
    )
    return Figure("threshold", "What it takes to reach a threshold", caption, caveat, canvas)


def _runs(axes: Any, runs: list[RunReach], style: Style, shift: float) -> None:
    for run in runs:
        x = run.value * shift
        if run.censored:
            arrow = {"arrowstyle": "->", "color": style.color, "linewidth": 1.0, "shrinkA": 0, "shrinkB": 0}
            axes.plot(x, run.low, marker="_", color=style.color, markersize=5)
            axes.annotate("", (x, run.low * _ARROW), (x, run.low), arrowprops=arrow)
        else:
            low = run.low or run.high / 2
            middle = (low * run.high) ** 0.5
            axes.plot([x, x], [low, run.high], color=style.color, linewidth=1.0)
            axes.plot(x, middle, marker=style.marker, color=style.color, markersize=3.6, markeredgecolor="white")
