"""How sizes, axes and labels are drawn, the same in every figure: colour and marker by size, ticks that people read."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from typing import Any

import numpy as np

from rlaw import units
from rlaw.analysis.evidence import Evidence
from rlaw.errors import DataError
from rlaw.reporting.figures.base import lay_out
from rlaw.text import round_number, short_names, shortened

WIDTH_INCHES = 6.3  # of an A4 page between margins of 25 mm: in print nothing is scaled
_MARKERS = "osD^vph<>*"
_MANTISSAS = ((1.0, 2.0, 5.0), (1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0))  # of logarithmic ticks, few or more
_LINEAR_UP_TO = 3.5  # an axis that spans a smaller factor has evenly spaced ticks
_MOST_TICKS = 8
_LIGHTEST, _DARKEST = 0.8, 0.0  # of viridis: neighbours stay apart for colour-blind readers and in greyscale
_READABLE = 4.5  # least contrast of text with white paper (WCAG 2, AA)


@dataclass(frozen=True, slots=True)
class Style:
    """How one size is drawn."""

    color: Any
    marker: str
    name: str


def styles(evidence: Evidence) -> dict[str, Style]:
    """Size by size, from light (small) to dark (large), a marker each: legible without colour."""
    models = [size.model for size in evidence.sizes]
    return dict(zip(models, ordered(short_names(models)), strict=True))


def ordered(names: Sequence[str]) -> list[Style]:
    """A style for each of things in order, from light (first) to dark (last), a marker each."""
    from matplotlib import colormaps

    shades = np.linspace(_LIGHTEST, _DARKEST, len(names)) if len(names) > 1 else [0.3]
    return [
        Style(colormaps["viridis"](float(shade)), _MARKERS[i % len(_MARKERS)], plain(name))
        for i, (name, shade) in enumerate(zip(names, shades, strict=True))
    ]


def ink(color: Any) -> tuple[float, float, float]:
    """The colour, darkened until text in it can be read on white paper."""
    from matplotlib.colors import to_rgb

    rgb = np.array(to_rgb(color))
    while 1.05 / (_luminance(rgb) + 0.05) < _READABLE:
        rgb = rgb * 0.95
    red, green, blue = rgb.tolist()
    return red, green, blue


def _luminance(rgb: np.ndarray) -> float:
    """Relative luminance of an sRGB colour, 0 to 1 (WCAG 2)."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def plain(text: str) -> str:
    """The text as the figure's font can draw it, cut to a label's length."""
    drawable = _drawable()
    return "".join(c if ord(c) in drawable else "?" for c in shortened(text))


@cache
def _drawable() -> frozenset[int]:
    from matplotlib.font_manager import findfont
    from matplotlib.ft2font import FT2Font

    return frozenset(code for code in FT2Font(findfont("DejaVu Sans")).get_charmap() if code >= 32)


def axis_title(evidence: Evidence, axis: str) -> str:
    """The axis with its unit; compute with its accounting model."""
    if axis == "compute":
        return f"RL compute C (FLOPs, {accounting(evidence)})"
    return {"data": "data D (prompts consumed)", "step": "RL step"}[axis]


def accounting(evidence: Evidence) -> str:
    """How compute was counted, in words."""
    how = evidence.main.accounting
    return how if how == "as given" else f"{how} accounting"


def loss_axis(axes: Any, low: float, high: float, *, headroom: float = 0.06) -> None:
    """A logarithmic loss axis from low to high with a margin (above: `headroom` of its length), and round ticks."""
    span = max(high / low, 1.05)
    low, high = low / span**0.06, high * span**headroom
    axes.set_yscale("log")
    axes.set_ylim(low, high)
    _ticks(axes.yaxis, round_ticks(low, high), "{:.6g}".format)
    axes.set_ylabel("test loss L")


def _ticks(axis: Any, places: Sequence[float], text: Callable[[float], str]) -> None:
    """Ticks at these places and no others."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    axis.set_major_locator(FixedLocator(places))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: text(value)))


def round_ticks(low: float, high: float) -> list[float]:
    """At most eight round numbers from low to high: evenly spaced over a short axis, by decades over a long one."""
    decades = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 1)
    if high / low < _LINEAR_UP_TO:
        steps = [m * 10.0**d for d in range(decades.start - 4, decades.stop) for m in (1, 2, 5)]
        step = next(s for s in steps if math.floor(high / s) - math.ceil(low / s) < _MOST_TICKS)
        return [round(i * step, 12) for i in range(math.ceil(low / step), math.floor(high / step) + 1)]
    ticks: list[float] = []
    for mantissas in _MANTISSAS:
        ticks = [m * 10.0**d for d in decades for m in mantissas if low <= m * 10.0**d <= high]
        if len(ticks) >= _MOST_TICKS // 2:
            break
    return ticks


def size_axis(axes: Any, params: Sequence[float]) -> None:
    """A logarithmic axis of model sizes, written as 10k, 1M, 7B.

    Raises:
        DataError: no size is known.
    """
    known = [p for p in params if math.isfinite(p)]
    if not known:
        raise DataError("no model's size is known\n  next: a column n_params with each one's number of parameters")
    low, high = min(known) / 1.5, max(known) * 1.5
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    mantissas = (1, 3) if len(decades) <= _MOST_TICKS // 2 + 1 else (1,)
    _ticks(axes.xaxis, [m * 10.0**d for d in decades for m in mantissas], units.count)
    axes.set_xlabel("model size N (parameters)")


def log_axis(axes: Any, low: float, high: float, title: str) -> None:
    """A logarithmic x axis in powers of ten; round numbers where it spans less than a decade and a half."""
    from matplotlib.ticker import FuncFormatter, LogLocator

    axes.set_xscale("log")
    axes.set_xlim(low, high)
    axes.set_xlabel(title)
    if high < 1e6:
        places: list[float] = []
        for place in round_ticks(low, high):
            if not places or place >= places[-1] * (high / low) ** (1 / 6):
                places.append(place)
        _ticks(axes.xaxis, places, lambda value: f"{value:g}" if value < 1e4 else units.count(value))
    else:
        axes.xaxis.set_major_locator(LogLocator(10, numticks=9))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: round_number(value)))  # no small superscripts
        axes.xaxis.set_minor_locator(LogLocator(10, subs=tuple(range(2, 10)), numticks=9))
        axes.xaxis.set_minor_formatter(FuncFormatter(lambda *_: ""))


def end_labels(
    axes: Any, ends: Sequence[tuple[float, float, Style]], *, gap_points: float = 9.5, offset_points: float = 5
) -> None:
    """Write each size's name right of where its curve ends, moved apart vertically where names would overlap.

    Args:
        axes: with scale, limits and size settled.
        ends: x, y and style of each curve's end.
        gap_points: least distance of two names above each other.
        offset_points: how far right of the end a name begins.
    """
    from matplotlib.patheffects import withStroke

    figure = axes.figure
    lay_out(figure)
    low, high = axes.get_ylim()
    ends = [(x, min(max(y, low), high), style) for x, y, style in ends]
    places = [axes.transData.transform((x, y)) * 72 / figure.dpi for x, y, _ in ends]
    widths = [6 + 5.2 * len(style.name) for _, _, style in ends]
    heights = _spread([(p[0], p[0] + w, p[1]) for p, w in zip(places, widths, strict=True)], gap_points)
    for (x, y, style), place, height in zip(ends, places, heights, strict=True):
        how = {"fontsize": 8, "fontweight": "bold", "va": "center", "zorder": 6, "annotation_clip": False}
        halo = [withStroke(linewidth=2.2, foreground="white")]
        label(axes, style.name, (x, y), (offset_points, height - place[1]), style.color, path_effects=halo, **how)


def label(
    axes: Any, text: str, at: tuple[float, float], points: tuple[float, float], color: Any, **options: Any
) -> None:
    """Write a text in a readable shade of a colour, so many points right of a place and above it."""
    how = {"fontsize": 7.5, "parse_math": False} | options
    axes.annotate(text, at, xytext=points, textcoords="offset points", color=ink(color), **how)


def _spread(boxes: Sequence[tuple[float, float, float]], gap: float) -> list[float]:
    """Heights of labels (left, right, height), pushed apart in pairs that overlap until none does."""
    heights = [b[2] for b in boxes]
    for _ in range(200):
        moved = False
        order = sorted(range(len(boxes)), key=lambda i: (heights[i], i))
        for a, b in combinations(order, 2):
            overlap = boxes[a][0] < boxes[b][1] and boxes[b][0] < boxes[a][1]
            lack = gap - (heights[b] - heights[a])
            if overlap and lack > 0.01:
                heights[a] -= lack / 2
                heights[b] += lack / 2
                moved = True
        if not moved:
            break
    return heights
