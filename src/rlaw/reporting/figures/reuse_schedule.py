"""How problems repeat for every reuse factor tau: the schema of the paper's Figure 9."""

from typing import Any

import numpy as np

from rlaw.analysis.ablations import Ablation, ablations_of
from rlaw.analysis.evidence import Evidence
from rlaw.errors import DataError
from rlaw.reporting.figures.base import Figure, new_canvas
from rlaw.reporting.figures.style import WIDTH_INCHES, Style, ink, ordered

_MOST_TEETH = 120
_DOTS = 900  # of a row whose passes are reshuffled
_SUBSETS = {
    "independent": "every τ has unique problems drawn anew",
    "nested": "the unique problems of a larger τ are among those of every smaller one",
}
_CAVEAT = (
    "A schema, worked out from the settings of the runs and their steps: it does not measure which problems were drawn."
)


def draw(evidence: Evidence) -> Figure:
    """A row for each tau and schedule: which of its unique problems training meets, at every step."""
    every = [s for here in ablations_of(evidence, "tau", "τ").values() for s in here]
    rows = _rows(every)
    if max(s.value for s in rows) > _MOST_TEETH:
        raise DataError(f"more than {_MOST_TEETH} repeats cannot be drawn apart")
    steps = max(int(s.curve["step"].to_numpy().max()) for s in rows)
    several = len({s.schedule for s in rows if s.value > 1}) > 1
    names = [f"τ {s.value:g}" + (f", {s.schedule}" if several and s.value > 1 else "") for s in rows]
    values = sorted({s.value for s in rows})
    style_of = dict(zip(values, ordered([f"{value:g}" for value in values]), strict=True))
    canvas = new_canvas(WIDTH_INCHES, 0.42 * len(rows) + 0.75)
    axes = canvas.subplots()
    for row, setting in enumerate(rows):
        paint = _reshuffled if setting.schedule == "reshuffled" and setting.value > 1 else _teeth
        paint(axes, -1.3 * row, int(setting.value), steps, style_of[setting.value])
    axes.set_xlim(0, steps)
    axes.set_yticks([-1.3 * row + 0.5 for row in range(len(rows))], names)
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("RL step")
    title = "How problems repeat under reuse (cf. Fig. 9)"
    return Figure("reuse-schedule", title, _caption(every, rows), _CAVEAT, canvas)


def _rows(found: list[Ablation]) -> list[Ablation]:
    """One setting for each tau and schedule, of the size that has most of them."""
    by_size: dict[str, dict[tuple[float, str], Ablation]] = {}
    for s in found:
        by_size.setdefault(s.model, {}).setdefault((s.value, s.schedule if s.value > 1 else ""), s)
    most = max(by_size.values(), key=len)
    return [most[key] for key in sorted(most)]


def _teeth(axes: Any, bottom: float, passes: int, steps: float, style: Style) -> None:
    """One tooth per pass: it rises from the first unique problem to the last."""
    edges = np.linspace(0, steps, passes + 1)
    x = np.repeat(edges, 2)[1:-1]
    y = bottom + np.tile([0.0, 1.0], passes)
    axes.fill_between(x, bottom, y, color=style.color, alpha=0.35, linewidth=0)
    axes.plot(x, y, color=ink(style.color), linewidth=0.7)


def _reshuffled(axes: Any, bottom: float, passes: int, steps: int, style: Style) -> None:
    """The tooth of the first pass, and dots all over the later ones, which meet the same problems in another order."""
    first = steps / passes
    _teeth(axes, bottom, 1, first, style)
    x = np.linspace(first, steps, _DOTS)
    y = bottom + np.random.default_rng(0).permutation(np.linspace(0.0, 1.0, _DOTS))
    axes.plot(x, y, ".", color=style.color, markersize=1.6, markeredgewidth=0)
    for start in np.linspace(first, steps, passes)[:-1]:
        axes.plot([start, start], [bottom, bottom + 1], color=ink(style.color), linewidth=0.4)


def _caption(every: list[Ablation], rows: list[Ablation]) -> str:
    repeated = [s for s in every if s.value > 1]
    shares = ", ".join(f"τ {v:g}: 1/{v:g}" for v in sorted({s.value for s in repeated}))
    texts = [
        "Height: place of a problem in the order of the first pass; a new tooth begins when all were used once more."
    ]
    if _of(repeated, "reshuffled"):
        texts.append("Dots: passes that meet them in an order of their own.")
    texts.append(
        f"Unique problems as a share of all prompts consumed: {shares}. All rows consume equally many prompts."
    )
    if orders := sorted({s.order for s in rows} - {""}):
        texts.append(f"Order within a pass: {' and '.join(orders)}.")
    texts += [f"Subsets {k} ({taus}): {text}." for k, text in _SUBSETS.items() if (taus := _of(repeated, k))]
    return " ".join(texts)


def _of(repeated: list[Ablation], kind: str) -> str:
    """The tau that runs of this kind of subsets, or with this schedule, have."""
    values = sorted({s.value for s in repeated if kind in (s.subsets, s.schedule)})
    return "τ " + ", ".join(f"{v:g}" for v in values) if values else ""
