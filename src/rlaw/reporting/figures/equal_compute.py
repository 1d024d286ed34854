"""Which size is best at equal compute: loss against size, one line per budget, the best marked."""

import math
from typing import Any

import numpy as np

from rlaw.analysis.evidence import Evidence
from rlaw.analysis.ranking import Placing, rank
from rlaw.errors import DataError
from rlaw.measurements.frame import AXES
from rlaw.reporting.figures import captions
from rlaw.reporting.figures.base import Figure, new_canvas
from rlaw.reporting.figures.style import WIDTH_INCHES, Style, accounting, end_labels, loss_axis, size_axis
from rlaw.text import round_number

_CAVEAT = (
    "A line that stops says that nothing was measured there, not that the next size is worse; at small budgets a size "
    "can lead by its base alone."
)


def draw(evidence: Evidence) -> Figure:
    """Measured loss of each size at several budgets of RL compute."""
    if evidence.main.rows[AXES["compute"]].null_count() == len(evidence.main):
        raise DataError("no evaluation has its compute")
    ranking = rank(evidence, "compute")
    places = [p for row in ranking.rows for p in row if math.isfinite(p.params)]
    measured = [p.loss for p in places if p.state == "measured"]
    if not measured:
        raise DataError("no two sizes were measured at the same compute")
    from matplotlib import colormaps

    canvas = new_canvas(WIDTH_INCHES, 4.0)
    axes = canvas.subplots()
    loss_axis(axes, min(measured), max(measured))
    size_axis(axes, [p.params for p in places])
    shades = np.linspace(0.85, 0.1, len(ranking.budgets))
    ends = []
    for row, budget, shade in zip(ranking.rows, ranking.budgets, shades, strict=True):
        style = Style(colormaps["plasma"](float(shade)), "o", f"{round_number(budget)} FLOPs")
        here = [p for p in row if p.state == "measured" and math.isfinite(p.params)]
        if not here:
            continue
        _line(axes, here, style)
        ends.append((here[-1].params, here[-1].loss, style))
    end_labels(axes, ends, offset_points=9)
    return Figure("equal-compute", "Loss of each size at equal compute", _caption(evidence), _CAVEAT, canvas)


def _line(axes: Any, here: list[Placing], style: Style) -> None:
    axes.plot([p.params for p in here], [p.loss for p in here], color=style.color, linewidth=1.1, zorder=2)
    for p in here:
        face = style.color if p.rank == "best" else "white" if p.rank == "behind" else (*style.color[:3], 0.4)
        size = 13 if p.rank == "best" else 5
        marker = "*" if p.rank == "best" else "o"
        axes.plot(
            p.params, p.loss, marker=marker, markersize=size, markerfacecolor=face, markeredgecolor=style.color,
            markeredgewidth=0.9, zorder=4 if p.rank == "best" else 3,
        )  # fmt: skip


def _caption(evidence: Evidence) -> str:
    return (
        f"Each line is one budget of RL compute ({accounting(evidence)}; the compute that made the base is not "
        "counted); star: the size with the lowest loss; tinted: no significant difference from it at "
        f"{evidence.choice.level:.0%}; hollow: behind. Losses are read off the measured curves "
        f"({captions.runs(evidence)}) by a straight line through the "
        "evaluations nearby; a size without a point at a budget had not begun or did not reach it. "
        f"Noise of a loss: {evidence.noise.how}."
    )
