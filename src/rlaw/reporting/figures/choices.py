"""Alternatives side by side, each a value with its interval: sizes at a budget, laws in a backtest."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from rlaw.decisions.allocation import Allocation
from rlaw.forecasting.backtest import Comparison
from rlaw.reporting.figures.base import Figure, new_canvas
from rlaw.reporting.figures.style import WIDTH_INCHES, ordered, plain


def of_allocation(allocation: Allocation) -> Figure:
    """The expected loss of every choice at the budget, and how probably it is the best."""
    names = [f"{c.model}, tau {c.tau:g}" if allocation.budget.reused else c.model for c in allocation.choices]
    losses = np.array([(c.loss.value, c.loss.low, c.loss.high) for c in allocation.choices])
    notes = [f"P(best) {c.probability_best:.0%}" for c in allocation.choices]
    level = allocation.settings["level"]
    caption = (
        f"{allocation.budget}, compute counted {allocation.accounting}, from {allocation.source}. Points: expected "
        f"loss of each size at the budget; bars: {level:.0%} intervals. Best: {allocation.best}."
    )
    caveat = (
        "Only the sizes in the data are choices. With a probability near one half the data do not separate two of them."
    )
    title = f"Which size for {allocation.budget}"
    return Figure("allocation", title, caption, caveat, _rows(title, names, losses, notes, "test loss L"))


def of_comparison(comparison: Comparison) -> Figure:
    """The error of every law on held-out points, from its best to its worst size."""
    of_sizes = [[size.mae for size in score.sizes] for score in comparison.laws]
    errors = np.array([(s.mae, min(own), max(own)) for s, own in zip(comparison.laws, of_sizes, strict=True)])
    notes = [f"{s.coverage:.0%} inside" for s in comparison.laws]
    caption = (
        f"{comparison.protocol}, over {comparison.axis}, from {comparison.source}. Points: mean over sizes of the mean "
        f"absolute error of the loss; bars: from the best size to the worst. {comparison.verdict}."
    )
    caveat = "One split of one study: small differences between laws may turn on another."
    title = "Laws on held-out points"
    canvas = _rows(title, [s.law for s in comparison.laws], errors, notes, "mean absolute error")
    return Figure("comparison", title, caption, caveat, canvas)


def _rows(title: str, names: Sequence[str], values: np.ndarray, notes: Sequence[str], axis: str) -> Any:
    """A row for each alternative, from top to bottom: (value, low, high), and a note at its end."""
    canvas = new_canvas(WIDTH_INCHES, 0.9 + 0.3 * len(names))
    axes = canvas.subplots()
    places = np.arange(len(names))[::-1]
    for place, (value, low, high), note, style in zip(places, values, notes, ordered(list(names)), strict=True):
        axes.plot([low, high], [place, place], color=style.color, linewidth=1.4)
        axes.plot(value, place, marker=style.marker, color=style.color, markersize=5.5, markeredgecolor="white")
        axes.annotate(note, (high, place), xytext=(6, 0), textcoords="offset points", va="center", fontsize=7.5)
    axes.set_yticks(places, [plain(text) for text in names])
    axes.set_xlabel(axis)
    low, high = float(values.min()), float(values.max())
    axes.set_xlim(low - 0.05 * (high - low), high + 0.2 * (high - low))  # room for the notes
    axes.margins(y=0.08)
    axes.set_title(plain(title) if len(title) < 22 else title, parse_math=False)
    return canvas
