"""Which size a budget should be spent on: loss of every size, and how probably each is best."""

from typing import Any

import numpy as np

from rlaw.analysis.evidence import Evidence
from rlaw.errors import DataError
from rlaw.reporting.figures.base import Figure, new_canvas
from rlaw.reporting.figures.marks import AHEAD, curve
from rlaw.reporting.figures.style import WIDTH_INCHES, Style, axis_title, end_labels, label, log_axis, loss_axis, styles

_DRAWS = 300
_BUDGETS = 41
_REACH = 3.0  # times the most compute that any size was run for
_CAVEAT = (
    "Only sizes of this ladder are choices, and RL compute alone is counted. A probability near one half says that the "
    "data do not separate the two; beyond a size's own runs (dashed) it depends on the law."
)


def draw(evidence: Evidence) -> Figure:
    """Left: expected loss of every size with its band against the budget. Right: probability of being the best."""
    if "compute" not in evidence.axes or len(evidence.sizes) < 2:
        raise DataError("a budget takes two sizes whose evaluations have compute")
    curves, sizes = evidence.over_compute
    used = [curves.at.x[0, r, curves.present[r]] for r in range(len(curves.models))]
    budgets = np.geomspace(min(u.max() for u in used) / 2, max(u.max() for u in used) * _REACH, _BUDGETS)
    drawn = evidence.drawn(_DRAWS)
    loss = np.stack([sizes.true(r, budgets, **drawn) for r in range(len(used))], axis=1)
    canvas = new_canvas(WIDTH_INCHES, 3.3)
    left, right = canvas.subplots(1, 2)
    how = [styles(evidence)[model] for model in curves.models]
    reach = [(float(u.min()), float(u.max())) for u in used]
    for r, (begun, _) in enumerate(reach):
        loss[:, r, budgets < begun] = np.inf  # not one evaluation's worth of steps is paid for
    _losses(left, evidence, budgets, loss, how, reach)
    _chances(right, evidence, budgets, loss, how)
    doubt = "" if sizes.caution is None else f" Sizes are fitted separately: {sizes.caution.text}."
    caption = (
        f"By the pooled ladder of `rlaw allocate`, {drawn['draws']} draws. Left: expected true loss when the whole "
        f"budget goes to one size, with its {evidence.choice.level:.0%} band; dashed: beyond the compute that size was "
        "run for. Right: share of draws in which no other size has a lower loss; a size is no choice below the compute "
        f"of its first evaluation.{doubt}"
    )
    return Figure("allocation", "Which size for a budget", caption, _CAVEAT, canvas)


def _losses(
    axes: Any, evidence: Evidence, x: np.ndarray, loss: np.ndarray, how: list[Style], reach: list[tuple[float, float]]
) -> None:
    tail = (1 - evidence.choice.level) / 2
    low, high = np.quantile(loss, [tail, 1 - tail], axis=0, method="nearest")
    middle = loss.mean(axis=0)
    top = float(high[np.isfinite(high)].max())
    loss_axis(axes, max(float(low.min()), float(middle.min()) / 2), min(1.0, top))
    log_axis(axes, x.min(), x.max() * (x.max() / x.min()) ** 0.14, axis_title(evidence, "compute"))
    ends = []
    for r, style in enumerate(how):
        begun = x >= reach[r][0]
        run = begun & (x <= reach[r][1])
        beyond = x >= (x[run].max() if run.any() else reach[r][0])
        axes.fill_between(x[begun], low[r][begun], high[r][begun], color=style.color, alpha=0.12, linewidth=0, zorder=1)
        axes.plot(x[run], middle[r][run], color=style.color, linewidth=1.3, zorder=3)
        axes.plot(x[beyond], middle[r][beyond], color=style.color, linewidth=1.0, linestyle=AHEAD, zorder=3)
        ends.append((float(x[-1]), float(middle[r][-1]), style))
    axes.set_title("expected loss")
    end_labels(axes, ends)


def _chances(axes: Any, evidence: Evidence, x: np.ndarray, loss: np.ndarray, how: list[Style]) -> None:
    best = loss.argmin(axis=1)
    chances = np.array([(best == r).mean(axis=0) for r in range(loss.shape[1])])
    peaks = []
    for r, style in enumerate(how):
        curve(axes, x, chances[r], style, linewidth=1.3, markevery=5)
        top = int(chances[r].argmax())
        if chances[r][top] > 0.15:
            peaks.append((float(x[top]), float(chances[r][top]), style))
    axes.set_ylim(0, 1.12)
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1.0])
    axes.set_ylabel("probability of the lowest loss")
    log_axis(axes, x.min(), x.max(), axis_title(evidence, "compute"))
    axes.set_title("which is best")
    for at, level, style in peaks:
        label(axes, style.name, (at, level), (0, 5), style.color, ha="center", fontsize=8, fontweight="bold")
