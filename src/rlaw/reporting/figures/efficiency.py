"""Learning efficiency k: against model size and the loss of the base, and k(N) by each protocol (Figures 3 and 5)."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from rlaw.analysis.base_quality import Explained, explain
from rlaw.analysis.evidence import Evidence
from rlaw.analysis.protocols import Fitted, Protocol, protocols
from rlaw.errors import DataError, NotIdentifiable, RlawError
from rlaw.fitting.fit import Fit
from rlaw.fitting.interval import Interval
from rlaw.reporting.figures import captions
from rlaw.reporting.figures.base import Figure, new_canvas
from rlaw.reporting.figures.marks import AHEAD, grid
from rlaw.reporting.figures.style import WIDTH_INCHES, Style, end_labels, plain, size_axis, styles

_CAVEAT = "Along one ladder size and base quality rise together; a smooth curve in N is no proof that N is the cause."
_CURVES = {
    "all": ("#33383d", "-", "all sizes, all steps"),
    "inter": ("#c2571a", AHEAD, "without the largest (inter)"),
    "intra": ("#2f6fb0", (0, (1, 1.4)), "first steps (intra)"),
}
_DRAWS = 300
_REACH = 2.5  # beyond the ladder's ends, that the curves are drawn
_CAVEAT_OF_PROTOCOLS = (
    "The three curves rest on parts of the same measurements. Where their bands part, the protocol decides the number, "
    "and the bands, which hold noise alone, do not include that."
)


def by_size_and_base(evidence: Evidence) -> Figure:
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
    tops = [_top(v) for v in k.values()] + [s.k for s in evidence.run_slopes]
    lows = [v.low if np.isfinite(v.low) else v.value for v in k.values()] + [s.k for s in evidence.run_slopes]
    by_size.set_ylim(min(0.0, *lows) * 1.08, max(tops) * 1.08)
    by_size.set_ylabel("learning efficiency k")
    base = {size.model: size.base_loss for size in evidence.sizes}
    end_labels(by_base, [(base[model], value.value, how[model]) for model, value in k.items()])
    title = "Learning efficiency: by model size, and by the base's loss"
    return Figure("efficiency", title, _caption(evidence, evidence.power), _CAVEAT, canvas)


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
    _curve(axes, law, inside, "#33383d", "-", band=0.16, width=1.2, band_color="#5a636b")
    if not law.identified:
        axes.text(0.04, 0.96, "K_max and N₀ are not identified", transform=axes.transAxes, va="top", fontsize=8)
        return
    text = f"$K_{{\\max}}$ {captions.parameter(law, 'K_max')}\n$N_0$ {captions.parameter(law, 'N_0')}"
    axes.text(0.04, 0.96, text, transform=axes.transAxes, va="top", fontsize=8, linespacing=1.5)


def _curve(
    axes: Any, fit: Fit, params: np.ndarray, color: str, line: Any, *, band: float, width: float, band_color: str = ""
) -> float:
    """k(N) with its band of opacity `band`; the highest value drawn."""
    drawn = np.array([fit.k_draws(n) for n in params])
    tail = (1 - fit.level) / 2
    low, high = np.nanquantile(drawn, [tail, 1 - tail], axis=1)
    middle = np.array([fit.k(n).value for n in params])
    axes.fill_between(params, low, high, color=band_color or color, alpha=band, linewidth=0, zorder=1)
    axes.plot(params, middle, color=color, linestyle=line, linewidth=width, zorder=2)
    return float(middle.max())


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


def _single_run(axes: Any, x: float, k: float, style: Style) -> None:
    how = {"marker": "o", "markersize": 2.6, "markerfacecolor": "white", "markeredgewidth": 0.7}
    axes.plot(x, k, **how, color=style.color, zorder=3)


def _with_intervals(axes: Any, k: dict[str, Interval], x: dict[str, float], how: dict[str, Style]) -> None:
    for model, value in k.items():
        _point(axes, x[model], value, how[model], size=5.5, zorder=5)


def _point(axes: Any, x: float, k: Interval, style: Style, *, size: float, zorder: int) -> None:
    """k of one size over its interval."""
    if np.isfinite(k.low) and np.isfinite(k.high):
        axes.plot([x] * 2, [k.low, k.high], color=style.color, linewidth=1.1, zorder=zorder - 1)
    how = {"marker": style.marker, "color": style.color, "markersize": size, "markeredgecolor": "white"}
    axes.plot(x, k.value, **how, zorder=zorder)


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


def by_protocol(evidence: Evidence) -> Figure:
    """k of each size by its own line, and the ladder law's k(N) by all, inter and intra."""
    from matplotlib.lines import Line2D

    every = protocols(evidence)
    fitted = [p for p in every if isinstance(p, Fitted) and "K_max" in p.fit.parameters]
    if not fitted:
        raise NotIdentifiable(f"no ladder law could be fitted: {every[0].refused}")
    places = list(dict.fromkeys((p.variant, p.axis) for p in fitted))
    canvas = new_canvas(WIDTH_INCHES, 2.9 * -(-len(places) // 2) + 0.35)
    variants = {variant for variant, _ in places}
    for axes, (variant, axis) in zip(grid(canvas, len(places), 2), places, strict=True):
        here = [p for p in fitted if (p.variant, p.axis) == (variant, axis)]
        _protocols_panel(axes, evidence, here)
        axes.set_title(f"{plain(variant)}, {axis}" if len(variants) > 1 else f"over {axis}", parse_math=False)
    names = list(dict.fromkeys(p.name for p in reversed(fitted)))
    handles = [
        Line2D([], [], color=color, linestyle=line, label=text) for color, line, text in (_CURVES[n] for n in names)
    ]
    canvas.legend(handles=handles, loc="outside lower center", ncols=len(names), frameon=False, fontsize=8)
    title = "Learning efficiency by model size and protocol (cf. Fig. 3, 5)"
    return Figure("efficiency-fits", title, _protocols_caption(fitted), _CAVEAT_OF_PROTOCOLS, canvas)


def _protocols_panel(axes: Any, evidence: Evidence, here: list[Fitted]) -> None:
    first = here[0]
    params = first.frame.rows["params"].unique().sort().drop_nulls().to_numpy()
    reach = np.geomspace(params.min() / _REACH, params.max() * _REACH, 80)
    size_axis(axes, reach.tolist())
    axes.set_ylabel("learning efficiency k")
    top = 0.0
    for protocol in here:
        top = max(top, _curve(axes, protocol.fit, reach, *_CURVES[protocol.name][:2], band=0.12, width=1.3))
    own = _own_lines(evidence, first)
    for model, style in styles(evidence).items():
        if own is not None and model in own.curves.models:
            size = own.size(model)
            k = size.values["k"]
            _point(axes, size.params, k, style, size=5, zorder=4)
            top = max(top, _top(k))
    axes.set_ylim(min(0.0, axes.get_ylim()[0]), top * 1.12)


def _own_lines(evidence: Evidence, protocol: Protocol) -> Fit | None:
    """Each size's own straight line over the whole window."""
    if protocol.frame is evidence.main and evidence.power is not None and evidence.power.axis == protocol.axis:
        return evidence.power
    try:
        return evidence.fit("power", protocol.frame, protocol.axis, _DRAWS)
    except RlawError:
        return None


def _top(k: Interval) -> float:
    return float(k.high) if np.isfinite(k.high) else k.value


def _protocols_caption(fitted: list[Fitted]) -> str:
    doubtful = [f"{p.variant} {p.axis} {p.name}".strip() for p in fitted if not p.fit.identified]
    doubt = f" K_max and N_0 are not identified by: {', '.join(doubtful)}." if doubtful else ""
    cuts = " and ".join(dict.fromkeys(str(p.cut) for p in fitted if p.cut))
    early = f"up to step {cuts}" if cuts else "their first quarter"
    return (
        "Points: slope of -log L against the log of the axis, each size's own straight line over the whole window. "
        "Curves: k(N) = K_max / (1 + N₀/N) of the saturating law fitted to the losses of all sizes (solid), of all but "
        f"the largest (dashed), and of all sizes {early} (dotted). Bars and bands: {fitted[0].fit.level:.0%} bootstrap "
        f"intervals.{doubt}"
    )
