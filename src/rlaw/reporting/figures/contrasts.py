"""Recipes side by side: the difference of the loss at every size and over sizes, with the margin."""

import math
from typing import Any

import numpy as np

from rlaw import units
from rlaw.analysis.contrast.declared import declared_contrasts
from rlaw.analysis.contrast.result import Contrast, Pair, sentence
from rlaw.analysis.evidence import Evidence
from rlaw.errors import DataError
from rlaw.fitting.interval import Interval
from rlaw.reporting.figures.base import Figure, new_canvas
from rlaw.reporting.figures.style import WIDTH_INCHES, plain
from rlaw.text import short_names

_MOST = 12  # pairs in one picture
_OF_SIZES, _OVER, _AHEAD = "#2f6fb0", "#33383d", "#c2571a"
_CAVEAT = (
    "A difference belongs to these runs' recipes, data and problems; where one recipe was run once at each size, no "
    "interval of a single size can be drawn."
)


def draw(evidence: Evidence) -> Figure:
    """A panel for each pair of recipes of a declared contrast."""
    declared = declared_contrasts(evidence)
    if not declared:
        raise DataError("the study declares no contrasts")
    found = [d.found for d in declared if d.found is not None]
    if not found:
        raise DataError(f"no contrast could be made: {declared[0].refused}")
    return of_contrasts(found)


def of_contrast(found: Contrast) -> Figure:
    """The picture of one contrast."""
    return of_contrasts([found])


def of_contrasts(found: list[Contrast]) -> Figure:
    """A panel for each pair, the sizes from top to bottom, smallest first, then what holds over sizes."""
    pairs = [(one, pair) for one in found for pair in one.pairs][:_MOST]
    heights = [len(pair.sizes) + 3 for _, pair in pairs]
    canvas = new_canvas(WIDTH_INCHES, 0.23 * sum(heights) + 0.75 * len(pairs) + 0.4)
    panels = canvas.subplots(len(pairs), 1, squeeze=False, height_ratios=heights)[:, 0]
    for axes, (one, pair) in zip(panels, pairs, strict=True):
        _panel(axes, one, pair)
    left_out = sum(len(one.pairs) for one in found) - len(pairs)
    more = f" {left_out} further pairs are in the table." if left_out else ""
    caption = (
        "Difference of the test loss at equal "
        + _axes(found)
        + ", where the runs of a size end; left of 0 the first recipe is lower. "
        f"Bars: {found[0].level:.0%} intervals, from how runs of one recipe scatter. Band: the declared margin.{more}"
    )
    return Figure("contrasts", "Recipes side by side", caption, _CAVEAT, canvas)


def _axes(found: list[Contrast]) -> str:
    return " or ".join(dict.fromkeys(one.axis for one in found))


def _panel(axes: Any, found: Contrast, pair: Pair) -> None:
    names = [plain(name) for name in short_names([size.model for size in pair.sizes])]
    marks = [(name, size.places[-1].delta_loss, _OF_SIZES, "o") for name, size in zip(names, pair.sizes, strict=True)]
    marks.append(("mean over sizes", pair.delta_loss, _OVER, "D"))
    if pair.at_target is not None and not math.isnan(pair.at_target.delta_loss.value):
        marks.append((f"{units.count(pair.at_target.params)}, forecast", pair.at_target.delta_loss, _AHEAD, "s"))
    for y, (_, value, color, marker) in enumerate(marks):
        if not math.isnan(value.low):
            axes.plot([value.low, value.high], [y, y], color=color, linewidth=1.3)
        axes.plot(value.value, y, marker=marker, color=color, markersize=4.5, markeredgecolor="white")
    if found.margin:
        axes.axvspan(-found.margin, found.margin, color="#33383d", alpha=0.08, linewidth=0)
    axes.axvline(0, color="#8a9299", linewidth=0.8)
    axes.set_yticks(range(len(marks)), [name for name, *_ in marks], parse_math=False)
    axes.set_ylim(len(marks) - 0.4, -0.6)
    reach = _reach([value for _, value, *_ in marks], found.margin)
    axes.set_xlim(-reach, reach)
    axes.locator_params(axis="x", nbins=6)
    axes.set_xlabel(f"loss of {plain(pair.a)} less that of {plain(pair.b)}", parse_math=False)
    axes.set_title(plain(sentence(pair, found.margin)), parse_math=False)


def _reach(values: list[Interval], margin: float) -> float:
    ends = [abs(end) for value in values for end in (value.value, value.low, value.high) if not math.isnan(end)]
    return 1.1 * float(np.max([*ends, margin, 1e-6]))
