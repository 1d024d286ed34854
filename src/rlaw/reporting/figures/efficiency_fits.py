"""k(N) as the protocols tell it, a panel per variant and axis: the paper's Figures 3 and 5, with their bands."""

from typing import Any

import numpy as np

from rlaw.analysis.evidence import Evidence
from rlaw.analysis.protocols import Protocol, protocols
from rlaw.errors import NotIdentifiable, RlawError
from rlaw.fitting.fit import Fit, fit
from rlaw.reporting.figures.base import Figure, new_canvas
from rlaw.reporting.figures.marks import AHEAD, grid
from rlaw.reporting.figures.style import WIDTH_INCHES, Style, plain, size_axis, styles

_CURVES = {
    "all": ("#33383d", "-", "all sizes, all steps"),
    "inter": ("#c2571a", AHEAD, "without the largest (inter)"),
    "intra": ("#2f6fb0", (0, (1, 1.4)), "first steps (intra)"),
}
_DRAWS = 300
_REACH = 2.5  # beyond the ladder's ends, that the curves are drawn
_CAVEAT = (
    "The three curves rest on parts of the same measurements. Where their bands part, the protocol decides the number, "
    "and the bands, which hold noise alone, do not tell that."
)


def draw(evidence: Evidence) -> Figure:
    """k of each size by its own line, and the ladder law's k(N) by all, inter and intra."""
    told = [p for p in protocols(evidence) if p.fit is not None and "K_max" in p.fit.parameters]
    if not told:
        raise NotIdentifiable(f"no ladder law could be fitted: {protocols(evidence)[0].refused}")
    places = list(dict.fromkeys((p.variant, p.axis) for p in told))
    canvas = new_canvas(WIDTH_INCHES, 2.9 * -(-len(places) // 2) + 0.35)
    variants = {variant for variant, _ in places}
    for axes, (variant, axis) in zip(grid(canvas, len(places), 2), places, strict=True):
        here = [p for p in told if (p.variant, p.axis) == (variant, axis)]
        _panel(axes, evidence, here)
        axes.set_title(f"{plain(variant)}, {axis}" if len(variants) > 1 else f"over {axis}", parse_math=False)
    names = list(dict.fromkeys(p.name for p in reversed(told)))
    canvas.legend(
        handles=[_handle(*_CURVES[name]) for name in names], loc="outside lower center", ncols=len(names),
        frameon=False, fontsize=8,
    )  # fmt: skip
    title = "Learning efficiency by model size, as each protocol tells it (cf. Fig. 3, 5)"
    return Figure("efficiency-fits", title, _caption(told), _CAVEAT, canvas)


def _handle(color: str, style: Any, text: str) -> Any:
    from matplotlib.lines import Line2D

    return Line2D([], [], color=color, linestyle=style, label=text)


def _panel(axes: Any, evidence: Evidence, here: list[Protocol]) -> None:
    first = here[0]
    params = first.frame.rows["params"].unique().sort().drop_nulls().to_numpy()
    reach = np.geomspace(params.min() / _REACH, params.max() * _REACH, 80)
    size_axis(axes, reach.tolist())
    axes.set_ylabel("learning efficiency k")
    top = 0.0
    for protocol in here:
        assert protocol.fit is not None  # noqa: S101 - those without were left out
        top = max(top, _curve(axes, protocol.fit, reach, *_CURVES[protocol.name][:2]))
    own = _own_lines(evidence, first)
    for model, look in styles(evidence).items():
        if own is not None and model in own.curves.models:
            top = max(top, _point(axes, own, model, look))
    axes.set_ylim(min(0.0, axes.get_ylim()[0]), top * 1.12)


def _curve(axes: Any, fit: Fit, sizes: np.ndarray, color: str, style: Any) -> float:
    """k(N) with its band; the highest value drawn."""
    drawn = np.array([fit.k_draws(n) for n in sizes])
    tail = (1 - fit.level) / 2
    low, high = np.nanquantile(drawn, [tail, 1 - tail], axis=1)
    middle = np.array([fit.k(n).value for n in sizes])
    axes.fill_between(sizes, low, high, color=color, alpha=0.12, linewidth=0, zorder=1)
    axes.plot(sizes, middle, color=color, linestyle=style, linewidth=1.3, zorder=2)
    return float(middle.max())


def _own_lines(evidence: Evidence, protocol: Protocol) -> Fit | None:
    """Each size's own straight line over the whole window."""
    if protocol.frame is evidence.main and evidence.power is not None and evidence.power.axis == protocol.axis:
        return evidence.power
    choice = evidence.choice
    try:
        return fit(
            "power", protocol.frame, axis=protocol.axis, window=choice.window, space=choice.space, level=choice.level,
            **evidence.drawn(_DRAWS),
        )  # fmt: skip
    except RlawError:
        return None


def _point(axes: Any, own: Fit, model: str, look: Style) -> float:
    size = own.size(model)
    k = size.values["k"]
    axes.plot([size.params] * 2, [k.low, k.high], color=look.color, linewidth=1.1, zorder=3)
    how = {"marker": look.marker, "color": look.color, "markersize": 5, "markeredgecolor": "white", "zorder": 4}
    axes.plot(size.params, k.value, **how)
    return float(k.high) if np.isfinite(k.high) else k.value


def _caption(told: list[Protocol]) -> str:
    level = told[0].fit.level if told[0].fit is not None else 0.9
    doubtful = [f"{p.variant} {p.axis} {p.name}".strip() for p in told if p.fit is not None and not p.fit.identified]
    doubt = f" K_max and N_0 are not identified by: {', '.join(doubtful)}." if doubtful else ""
    cuts = " and ".join(dict.fromkeys(str(p.cut) for p in told if p.cut))
    early = f"up to step {cuts}" if cuts else "their first quarter"
    return (
        "Points: slope of -log L against the log of the axis, each size's own straight line over the whole window. "
        "Curves: k(N) = K_max / (1 + N₀/N) of the saturating law fitted to the losses of all sizes (solid), of all but "
        f"the largest (dashed), and of all sizes {early} (dotted). Bars and bands: {level:.0%} bootstrap intervals."
        f"{doubt}"
    )
