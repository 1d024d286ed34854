"""How problems repeat for every reuse factor tau: the schema of the paper's Figure 9."""

from typing import Any

import numpy as np

from rlaw.errors import DataError
from rlaw.evidence import Evidence
from rlaw.figures.base import Figure, new_canvas
from rlaw.figures.looks import WIDTH_INCHES, Look, ink, ordered
from rlaw.figures.settings import Setting, settings

_MOST_TEETH = 120
_BEWARE = "A schema, worked out from τ and the steps of the runs, not a measurement of which problems were drawn."


def draw(seen: Evidence) -> Figure:
    """A row for each tau: how far through its unique problems training is, at every step."""
    here = max(settings(seen, "tau", "τ").values(), key=len)
    by_value = list({s.value: s for s in here}.values())
    if max(s.value for s in by_value) > _MOST_TEETH:
        raise DataError(f"more than {_MOST_TEETH} repeats cannot be drawn apart")
    steps = max(int(s.curve["step"].to_numpy().max()) for s in by_value)
    canvas = new_canvas(WIDTH_INCHES, 0.42 * len(by_value) + 0.75)
    axes = canvas.subplots()
    for row, (setting, look) in enumerate(zip(by_value, ordered([s.name for s in by_value]), strict=True)):
        _teeth(axes, -1.3 * row, setting, steps, look)
    axes.set_xlim(0, steps)
    axes.set_yticks([-1.3 * row + 0.5 for row in range(len(by_value))], [f"τ {s.value:g}" for s in by_value])
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("RL step")
    return Figure(
        "reuse-schedule", "How problems repeat under reuse (cf. Fig. 9)", _caption(seen, by_value), _BEWARE, canvas
    )


def _teeth(axes: Any, bottom: float, setting: Setting, steps: int, look: Look) -> None:
    """One tooth per pass: it rises from the first unique problem to the last."""
    passes = int(setting.value)
    edges = np.linspace(0, steps, passes + 1)
    x = np.repeat(edges, 2)[1:-1]
    y = bottom + np.tile([0.0, 1.0], passes)
    axes.fill_between(x, bottom, y, color=look.color, alpha=0.35, linewidth=0)
    axes.plot(x, y, color=ink(look.color), linewidth=0.7)


def _caption(seen: Evidence, here: list[Setting]) -> str:
    shares = ", ".join(f"τ {s.value:g}: 1/{s.value:g}" for s in here if s.value > 1)
    how = _how(seen)
    return (
        "Height: how far through its unique problems a run is; a new tooth begins each time they start again. "
        f"Unique problems as a share of all prompts consumed: {shares}. All rows consume equally many prompts.{how}"
    )


def _how(seen: Evidence) -> str:
    """Order, schedule and subsets as the study declares them; nothing where the source is a table."""
    if seen.store is None:
        return ""
    study = seen.store.study
    told = [study.section("data", arm) for arm in (None, *study.arms)]
    repeated = [data for data in told if data.reuse > 1]
    kinds = {
        "order": [data.order for data in told],
        "passes": [data.schedule for data in repeated],
        "subsets": [data.subsets for data in repeated],
    }
    parts = (f"{name} {' and '.join(dict.fromkeys(values))}" for name, values in kinds.items() if values)
    return f" As the study declares: {'; '.join(parts)}."
