"""The text of a drawn figure as a reader sees it: what lies outside the paper, what overlaps, how large it is."""

from itertools import combinations
from typing import Any

from matplotlib.axis import Tick
from matplotlib.text import Text

_SLACK = 1.0  # pixels


def texts(canvas: Any) -> list[Text]:
    """Every text that is drawn; of ticks those within their axis."""
    canvas.draw_without_rendering()
    of_ticks = {text for tick in canvas.findobj(Tick) for text in (tick.label1, tick.label2)}
    drawn = [t for t in canvas.findobj(Text) if t not in of_ticks and (t.axes is None or t.axes.get_visible())]
    for axes in (a for a in canvas.axes if a.get_visible()):
        for axis, limits, i in ((axes.xaxis, axes.get_xlim(), 0), (axes.yaxis, axes.get_ylim(), 1)):
            drawn += [t for t in axis.get_ticklabels() if min(limits) <= t.get_position()[i] <= max(limits)]
    return [t for t in drawn if t.get_visible() and t.get_text().strip()]


def faults(canvas: Any, least_points: float = 7) -> list[str]:
    """What is wrong with the text: small, outside the paper, or over other text."""
    drawn = texts(canvas)
    paper, renderer = canvas.bbox, canvas.canvas.get_renderer()
    boxes = [(t.get_text(), t.get_window_extent(renderer)) for t in drawn]
    small = [f"{t.get_text()!r} has {t.get_fontsize()} points" for t in drawn if t.get_fontsize() < least_points]
    outside = [
        f"{text!r} is cut off"
        for text, box in boxes
        if box.x0 < -_SLACK or box.y0 < -_SLACK or box.x1 > paper.width + _SLACK or box.y1 > paper.height + _SLACK
    ]
    over = [
        f"{a!r} is written over {b!r}"
        for (a, box), (b, other) in combinations(boxes, 2)
        if min(box.x1, other.x1) - max(box.x0, other.x0) > _SLACK
        and min(box.y1, other.y1) - max(box.y0, other.y0) > 2 * _SLACK
    ]
    return small + outside + over
