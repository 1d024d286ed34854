"""Marks that several figures share: measured points, filled where a law was fitted to them, else hollow."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from rlaw.fitting.fit import Fit
from rlaw.measurements.frame import AXES
from rlaw.reporting.figures.style import Style, axis_title, end_labels, log_axis, loss_axis, styles

if TYPE_CHECKING:
    import polars as pl

    from rlaw.analysis.evidence import Evidence
    from rlaw.measurements.frame import Axis

SPAN = 9  # evaluations, or steps, of the centred mean
_LEAST_SMOOTHED = 40  # evaluations of a curve from which on it is smoothed
MOST_MARKERS = 30  # of one curve, so that the fitted line stays visible below them
AHEAD = (0, (3, 2))  # dashes of a line beyond what it was fitted to
_LINE_POINTS = 60


def usable(rows: "pl.DataFrame", column: str) -> "pl.DataFrame":
    """The rows that have a place on logarithmic axes of this column and of the loss."""
    return rows.filter((rows[column] > 0) & (rows["test_loss"] > 0))


def points(axes: Any, x: Any, y: Any, filled: Any, style: Style, *, size: float = 4.4) -> None:
    """At most `MOST_MARKERS` points of a curve, hollow where `filled` is false."""
    shown = _shown(len(x))
    x, y, used = np.asarray(x)[shown], np.asarray(y)[shown], np.asarray(filled, bool)[shown]
    how = {"marker": style.marker, "linestyle": "", "color": style.color, "markersize": size, "zorder": 4}
    axes.plot(x[used], y[used], **how, markeredgecolor="white", markeredgewidth=0.5)
    axes.plot(x[~used], y[~used], **how, markerfacecolor="white", markeredgecolor=style.color, markeredgewidth=0.7)


def _shown(n: int) -> np.ndarray:
    """Which of n points are drawn: a third evenly by their logarithm, so that the start of a log axis is not bare."""
    if n <= MOST_MARKERS:
        return np.arange(n)
    early = np.geomspace(1, n, MOST_MARKERS // 3) - 1
    evenly = np.linspace(0, n - 1, MOST_MARKERS - len(early))
    return np.unique(np.r_[early, evenly].round().astype(int))


def ladder(
    axes: Any,
    evidence: "Evidence",
    rows: "pl.DataFrame",
    axis: "Axis",
    filled: Callable[[str, np.ndarray], Any],
    line: Callable[[str, np.ndarray, np.ndarray, Style], float],
) -> None:
    """The curve of every size with its name at its end.

    Args:
        rows: usable ones, a row per size and step.
        filled: which of a size's steps a fit used, inside the window; the other points are hollow.
        line: draws through a size's x, of which some are filled, and returns the loss where its name stands.
    """
    x, loss = rows[AXES[axis]].to_numpy(), rows["test_loss"].to_numpy()
    loss_axis(axes, loss.min(), loss.max())
    log_axis(axes, x.min() / 1.3, x.max() * (x.max() / x.min()) ** 0.14, axis_title(evidence, axis))
    ends = []
    for model, style in styles(evidence).items():
        own = rows.filter(rows["model"] == model).sort("step")
        if len(own):
            steps, x = own["step"].to_numpy(), own[AXES[axis]].to_numpy()
            used = evidence.in_window(steps) & filled(model, steps)
            points(axes, x, own["test_loss"], used, style, size=3.4)
            ends.append((float(x[-1]), line(model, x, used, style), style))
    end_labels(axes, ends, gap_points=8.5)


def law_line(axes: Any, predict: Any, low: float, high: float, style: Style, *, ahead: bool = False) -> float:
    """A fitted line between two places, dashed where it lies ahead of what it was fitted to; the loss at its end."""
    x = np.geomspace(low, high, _LINE_POINTS)
    y = predict(x)
    how = {"linewidth": 1.0, "linestyle": AHEAD} if ahead else {"linewidth": 1.3}
    axes.plot(x, y, color=style.color, zorder=3, **how)
    return float(y[-1])


def fitted_x(fit: Fit, model: str) -> np.ndarray:
    """(points,) places on the axis at which one size was fitted."""
    r = fit.curves.models.index(model)
    return fit.curves.at.x[0, r, fit.curves.present[r]]


def law_lines(axes: Any, fit: Fit, model: str, x: np.ndarray, used: np.ndarray, style: Style) -> float:
    """The law along one size: solid where it was fitted, dashed from there on to the last point; the loss there."""
    predict = partial(fit.predict, model)
    start, end = x[used].min(), x[used].max()
    last = law_line(axes, predict, start, end, style)
    return law_line(axes, predict, end, x.max(), style, ahead=True) if x.max() > end * 1.001 else last


def grid(canvas: Any, count: int, columns: int, **options: Any) -> list[Any]:
    """So many panels in rows of `columns`; places left over stay empty."""
    columns = min(columns, count)
    lines = -(-count // columns)
    panels = canvas.subplots(lines, columns, squeeze=False, **options).ravel()
    for axes in panels[count:]:
        axes.set_visible(False)
    return list(panels[:count])


def shared_titles(canvas: Any, x: str, y: str = "") -> None:
    """One title for the axes of all panels."""
    if y:
        canvas.supylabel(y, fontsize=8.5, color="#33383d")
    canvas.supxlabel(x, fontsize=8.5, color="#33383d")


def key(axes: Any, entries: Sequence[Style], **options: Any) -> None:
    """A legend of names with their marker and colour."""
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=style.color, marker=style.marker, linewidth=1.2, markersize=4, label=style.name)
        for style in entries
    ]
    legend = axes.legend(handles=handles, frameon=False, fontsize=7.5, handlelength=1.6, **options)
    for text in legend.get_texts():
        text.set_parse_math(False)


def centred_mean(values: np.ndarray) -> np.ndarray:
    """The mean of up to nine values around each; fewer towards the ends, so that nothing is shifted."""
    half = SPAN // 2
    return np.array([values[max(0, i - half) : i + half + 1].mean() for i in range(len(values))])


def curve(axes: Any, x: Any, y: Any, style: Style, **options: Any) -> None:
    """A line in a size's colour with its marker."""
    how = {"marker": style.marker, "markersize": 3.6, "markeredgecolor": "white", "markeredgewidth": 0.3}
    axes.plot(x, y, color=style.color, **how | options)


def single_runs(axes: Any, rows: "pl.DataFrame", x: str, style: Style, **options: Any) -> None:
    """A thin line for each run of a size, where it has several."""
    runs = rows.partition_by("run", "seed", maintain_order=True)
    for run in runs if len(runs) > 1 else ():
        axes.plot(run[x], run["test_loss"], color=style.color, linewidth=0.5, alpha=0.45, **options)


def smoothed_curve(
    axes: Any, x: np.ndarray, y: np.ndarray, style: Style, *, markers: int = 8, width: float = 1.3
) -> tuple[float, float, Style]:
    """A curve with so many markers; a long one smoothed, thin as measured. Where it ends, for its label."""
    middle = y
    if len(y) >= _LEAST_SMOOTHED:
        middle = centred_mean(y)
        axes.plot(x, y, color=style.color, linewidth=0.4, alpha=0.45, zorder=1)
    curve(axes, x, middle, style, linewidth=width, markevery=max(1, len(x) // markers), zorder=2)
    return float(x[-1]), float(middle[-1]), style


def smoothing(longest: int) -> str:
    """The sentence of a caption on smoothed curves, the longest of which has so many evaluations."""
    return f" Thick: the centred mean of {SPAN} evaluations; thin: as measured." if longest >= _LEAST_SMOOTHED else ""
