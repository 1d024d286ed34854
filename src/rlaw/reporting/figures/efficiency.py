"""k against model size (the paper's Figures 3 and 5) beside k against the loss of the base: which does it follow?"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from rlaw import units
from rlaw.analysis.base_quality import Explained, explain
from rlaw.analysis.evidence import Evidence
from rlaw.errors import DataError
from rlaw.fitting.fit import Fit
from rlaw.fitting.interval import Interval, three_digits
from rlaw.reporting.figures import captions
from rlaw.reporting.figures.base import Figure, new_canvas
from rlaw.reporting.figures.style import WIDTH_INCHES, Style, end_labels, size_axis, styles

_CAVEAT = "Along one ladder size and base quality rise together; a smooth curve in N is no proof that N is the cause."


def draw(evidence: Evidence) -> Figure:
    """k of each size with its interval, against N and against L0."""
    if evidence.power is None:
        raise DataError(f"no size has a slope: {evidence.refused.get('power', 'the power law could not be fitted')}")
    canvas = new_canvas(WIDTH_INCHES, 3.5)
    by_size, by_base = canvas.subplots(1, 2, sharey=True)
    how = styles(evidence)
    k = {size.model: size.values["k"] for size in evidence.power.sizes}
    explained = explain(evidence)
    _against_size(by_size, evidence, k, how)
    _against_base(by_base, evidence, k, how)
    if explained is not None:
        _shares(by_size, by_base, evidence, explained)
    tops = [v.high if np.isfinite(v.high) else v.value for v in k.values()] + [s.k for s in evidence.run_slopes]
    lows = [v.low if np.isfinite(v.low) else v.value for v in k.values()] + [s.k for s in evidence.run_slopes]
    by_size.set_ylim(min(0.0, *lows) * 1.08, max(tops) * 1.08)
    by_size.set_ylabel("learning efficiency k")
    base = {size.model: size.base_loss for size in evidence.sizes}
    end_labels(by_base, [(base[model], value.value, how[model]) for model, value in k.items()])
    return Figure(
        "efficiency",
        "Learning efficiency: by model size, and by the base's loss",
        _caption(evidence, evidence.power),
        _CAVEAT,
        canvas,
    )


def _against_size(axes: Any, evidence: Evidence, k: dict[str, Interval], how: dict[str, Style]) -> None:
    params = {size.model: size.params for size in evidence.sizes}
    size_axis(axes, [params[m] for m in k])
    axes.set_title("against model size N")
    if evidence.law is not None and "K_max" in evidence.law.parameters:
        _saturating_curve(axes, evidence.law, [params[m] for m in k])
    for slope in evidence.run_slopes:
        _single_run(axes, slope.params, slope.k, how[slope.model])
    _with_intervals(axes, k, params, how)


def _saturating_curve(axes: Any, law: Fit, params: Sequence[float]) -> None:
    """The law's k(N) and its band; dotted where no size was run."""
    inside = np.geomspace(min(params), max(params), 60)
    drawn = np.array([law.k_draws(n) for n in inside])
    tail = (1 - law.level) / 2
    low, high = np.nanquantile(drawn, [tail, 1 - tail], axis=1)
    axes.fill_between(inside, low, high, color="#5a636b", alpha=0.16, linewidth=0, zorder=1)
    axes.plot(inside, [law.k(n).value for n in inside], color="#33383d", linewidth=1.2, zorder=2)
    if not law.identified:
        axes.text(0.04, 0.96, "K_max and N₀ are not identified", transform=axes.transAxes, va="top", fontsize=8)
        return
    K_max, N_0 = law.parameters["K_max"], law.parameters["N_0"]
    text = f"$K_{{\\max}}$ {K_max.text(three_digits)}\n$N_0$ {N_0.text(units.count)}"
    axes.text(0.04, 0.96, text, transform=axes.transAxes, va="top", fontsize=8, linespacing=1.5)


def _against_base(axes: Any, evidence: Evidence, k: dict[str, Interval], how: dict[str, Style]) -> None:
    base = {size.model: size.base_loss for size in evidence.sizes}
    at = "step 0" if evidence.base_is_step_0 else "first evaluation"
    axes.set_xlabel(f"base loss L₀ ({at})")
    axes.set_title("against base quality L₀")
    axes.invert_xaxis()
    if evidence.base_is_step_0:
        for s in evidence.run_slopes:
            _single_run(axes, s.base_loss, s.k, how[s.model])
    _with_intervals(axes, k, base, how)
    axes.margins(x=0.2)


def _shares(by_size: Any, by_base: Any, evidence: Evidence, explained: Explained) -> None:
    """R² of both descriptions, and the line in the base's loss."""
    base = [size.base_loss for size in evidence.sizes]
    grid = np.linspace(min(base), max(base), 50)
    intercept, slope = explained.line
    by_base.plot(grid, np.exp(intercept + slope * grid), color="#33383d", linewidth=1.2, zorder=2)
    for axes, name, share in ((by_size, "ln N", explained.by_size), (by_base, "$L_0$", explained.by_base)):
        text = f"ln k on {name}: R² {share:.2f}"
        axes.text(0.97, 0.03, text, transform=axes.transAxes, ha="right", fontsize=7.5, color="#33383d")


def _single_run(axes: Any, x: float, k: float, look: Style) -> None:
    how = {"marker": "o", "markersize": 2.6, "markerfacecolor": "white", "markeredgewidth": 0.7}
    axes.plot(x, k, **how, color=look.color, zorder=3)


def _with_intervals(axes: Any, k: dict[str, Interval], x: dict[str, float], how: dict[str, Style]) -> None:
    for model, value in k.items():
        look = how[model]
        if np.isfinite(value.low) and np.isfinite(value.high):
            axes.plot([x[model]] * 2, [value.low, value.high], color=look.color, linewidth=1.1, zorder=4)
        axes.plot(
            x[model],
            value.value,
            marker=look.marker,
            color=look.color,
            markersize=5.5,
            markeredgecolor="white",
            zorder=5,
        )


def _caption(evidence: Evidence, power: Fit) -> str:
    x = "C" if evidence.axis == "compute" else evidence.axis
    parts = [
        f"k: slope of -log L against log {x}, each size's own straight line, fitted to "
        f"{captions.window(power.settings['window'])}; vertical lines: its interval."
    ]
    if any(size.runs > 1 for size in evidence.sizes):
        parts.append("Small rings: single runs.")
    if evidence.law is not None and "K_max" in evidence.law.parameters:
        parts.append("Left, curve: K_max / (1 + N₀/N) of the ladder law, fitted to the losses, not to these points.")
    parts.append(
        "Right, the worse base to the left; curve: ln k as a straight line in L₀. R²: share of the variance of ln k "
        "over the sizes."
    )
    if not evidence.base_is_step_0:
        parts.append("Step 0 was not measured: L₀ is the first evaluation, after RL had begun.")
    return " ".join([*parts, captions.how_sure(power)])
