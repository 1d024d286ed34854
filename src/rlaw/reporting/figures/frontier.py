"""Which size to choose: where the larger of two neighbours overtakes, and what a loss costs at each size."""

from typing import Any

import numpy as np

from rlaw.analysis.evidence import Evidence
from rlaw.decisions.frontier import Crossover, frontier
from rlaw.errors import DataError
from rlaw.fitting.fit import Fit
from rlaw.reporting.figures.base import Figure, new_canvas
from rlaw.reporting.figures.marks import fitted_x, points
from rlaw.reporting.figures.style import (
    WIDTH_INCHES,
    Style,
    axis_title,
    label,
    log_axis,
    loss_axis,
    round_ticks,
    size_axis,
    styles,
)

_DRAWS = 200
_REACH = 3.0  # beyond the compute that a size was run for, that the law is followed
_GRID = 400
_CAVEAT = (
    "Compute is that of RL alone: what the base cost is not counted. Hollow points follow the law beyond what was run, "
    "and an interval that leaves the picture was not settled by the data."
)


def draw(evidence: Evidence) -> Figure:
    """Left: fitted losses with the crossovers of neighbours. Right: compute to reach a loss, by size."""
    fit = evidence.fits.get("compute")
    if fit is None or len(fit.curves.models) < 3:
        raise DataError("a frontier takes three sizes with a law over compute")
    canvas = new_canvas(WIDTH_INCHES, 3.6)
    left, right = canvas.subplots(1, 2)
    crossovers = frontier(*evidence.over_compute, level=evidence.choice.level, **evidence.drawn(_DRAWS)).crossovers
    _crossovers(left, evidence, fit, crossovers)
    _iso_loss(right, evidence, fit)
    caption = _caption(evidence, fit, crossovers)
    return Figure("frontier", "Crossovers, and the compute of a loss", caption, _CAVEAT, canvas)


def _crossovers(axes: Any, evidence: Evidence, fit: Fit, crossovers: tuple[Crossover, ...]) -> None:
    used = fit.curves.at.x[0][fit.curves.present]
    loss = fit.curves.loss[fit.curves.present]
    lowest = [float(fit.predict(c.larger, [c.compute_flops.value])[0]) for c in crossovers if _is_near(c, fit)]
    loss_axis(axes, min(loss.min(), *lowest, 1.0), loss.max())
    log_axis(axes, used.min() / 1.3, used.max() * _REACH, axis_title(evidence, "compute"))
    axes.set_title("who leads")
    how = styles(evidence)
    for model in fit.curves.models:
        own = fitted_x(fit, model)
        x = np.geomspace(own.min(), own.max(), 60)
        axes.plot(x, fit.predict(model, x), color=how[model].color, linewidth=1.1)
    for crossing in crossovers:
        if not _is_near(crossing, fit):
            continue
        at = crossing.compute_flops
        level = float(fit.predict(crossing.larger, [at.value])[0])
        color = how[crossing.larger].color
        ends = max(at.low, used.min()), min(at.high, used.max() * _REACH)
        axes.plot(ends, [level, level], color=color, linewidth=0.9, zorder=4)
        reached = at.value <= min(_run_to(fit, crossing.smaller), _run_to(fit, crossing.larger))
        filling = {"markeredgecolor": "white"} if reached else {"markerfacecolor": "white"}
        axes.plot(at.value, level, marker="D", color=color, markersize=5.5, zorder=5, **filling)
        label(axes, how[crossing.larger].name, (at.value, level), (4, 4), color)


def _is_near(crossing: Crossover, fit: Fit) -> bool:
    """Whether the larger size overtakes within the data, or up to `_REACH` times beyond what it was run for."""
    return 0 < crossing.compute_flops.value <= _REACH * _run_to(fit, crossing.larger)


def _run_to(fit: Fit, model: str) -> float:
    """The most compute that a size was run for; 0 when it is not in the fit."""
    return float(fitted_x(fit, model).max()) if model in fit.curves.models else 0.0


def _iso_loss(axes: Any, evidence: Evidence, fit: Fit) -> None:
    """A line per loss: compute against size; filled where it was measured, a star at the least compute."""
    from matplotlib import colormaps

    params, loss = fit.curves.params, fit.curves.loss[fit.curves.present]
    levels = round_ticks(float(loss.min()) * 1.02, float(loss.max()) * 0.95)[:6]
    size_axis(axes, params.tolist())
    axes.set_yscale("log")
    axes.set_ylabel(axis_title(evidence, "compute"))
    axes.set_title("compute to reach a loss")
    for level, shade in zip(levels, np.linspace(0.1, 0.8, len(levels)), strict=True):
        needed, measured = _needed(fit, level)
        if not np.isfinite(needed).any():
            continue
        color = colormaps["plasma"](shade)
        axes.plot(params, needed, color=color, linewidth=1, zorder=2)
        points(axes, params, needed, measured, Style(color, "o", ""), size=4.5)
        least = int(np.nanargmin(needed))
        axes.plot(params[least], needed[least], marker="*", color=color, markersize=11, zorder=4)
        last = int(np.flatnonzero(np.isfinite(needed))[-1])
        label(axes, f"L {level:g}", (params[last], needed[last]), (6, -2), color)
    axes.set_xlim(right=params.max() * (params.max() / params.min()) ** 0.2)


def _needed(fit: Fit, level: float) -> tuple[np.ndarray, np.ndarray]:
    """(R,) compute at which each size's fitted loss reaches the level, nan out of reach; whether it was measured."""
    needed, measured = [], []
    for model in fit.curves.models:
        own = fitted_x(fit, model)
        x = np.geomspace(own.min(), own.max() * _REACH, _GRID)
        below = np.flatnonzero(fit.predict(model, x) <= level)
        needed.append(x[below[0]] if len(below) and below[0] else np.nan)
        measured.append(bool(len(below) and x[below[0]] <= own.max()))
    return np.array(needed), np.array(measured)


def _caption(evidence: Evidence, fit: Fit, crossovers: tuple[Crossover, ...]) -> str:
    ahead = "; ".join(
        f"{c.larger} over {c.smaller} {c.text.removeprefix('the larger size is ahead ')}"
        for c in crossovers
        if not _is_near(c, fit)
    )
    rest = f" Not drawn: {ahead}." if ahead else ""
    left = (
        "Left: fitted losses; diamonds: from there on the larger of two neighbours has the lower loss (hollow: beyond "
        f"what was run), bars: {evidence.choice.level:.0%} intervals, by the pooled ladder of `rlaw allocate`.{rest}"
    )
    right = (
        "Right: compute at which the fitted loss reaches a level; star: the size that takes least; hollow: beyond what "
        f"that size was run for, at most {_REACH:g} times."
    )
    return f"{left} {right}"
