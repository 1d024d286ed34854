"""K_max against N_0: how the draws of the fit trade one for the other, and where each size pulls."""

from typing import Any

import numpy as np

from rlaw import units
from rlaw.analysis.evidence import Evidence
from rlaw.errors import DataError
from rlaw.fitting.fit import Fit
from rlaw.fitting.solver import Solution
from rlaw.reporting.figures import captions
from rlaw.reporting.figures.base import Figure, new_canvas
from rlaw.reporting.figures.style import WIDTH_INCHES, size_axis, styles

_LEAST_DRAWS = 20
_GRID = 90
_CAVEAT = (
    "Along a ridge K_max and N_0 make up for each other, so that neither is identified well alone; k at a size of the "
    "ladder is. The region is what noise allows, not what another window or another law would give."
)


def draw(evidence: Evidence) -> Figure:
    """Draws of K_max and N_0 with the region that holds most of them, and the fit without each size."""
    fit = evidence.law
    if fit is None or fit.drawn is None or not {"K_max", "N_0"} <= set(fit.parameters):
        raise DataError("no law with K_max and N_0 was fitted with draws")
    inside = _inside(fit, fit.drawn.solution)
    if len(inside) < max(_LEAST_DRAWS, len(fit.drawn) / 2):
        raise DataError(f"{len(inside)} of {len(fit.drawn)} draws of K_max and N_0 are within their bounds: too few")
    canvas = new_canvas(WIDTH_INCHES, 3.7)
    axes = canvas.subplots()
    size_axis(axes, [float(v) for v in inside[:, 0]])
    axes.set_xlabel("N₀, size with half the efficiency")
    axes.set_ylabel("K_max, efficiency in the limit", parse_math=False)
    axes.plot(*inside.T, ".", color="#8a9299", markersize=2.2, alpha=0.6, markeredgewidth=0, zorder=2)
    _region(axes, inside, fit.level)
    best = [fit.parameters[name].value for name in ("N_0", "K_max")]
    axes.plot(*best, "+", color="#1d2125", markersize=10, markeredgewidth=1.6, zorder=6)
    _without_sizes(axes, evidence)
    caption = _caption(fit, len(inside), len(fit.drawn))
    return Figure("ridge", "Joint uncertainty of K_max and N_0", caption, _CAVEAT, canvas)


def _inside(fit: Fit, drawn: Solution) -> np.ndarray:
    """(draws, 2) N_0 and K_max of the draws that are at no bound."""
    names = [p.name for p in fit.law.shared]
    which = [names.index("N_0"), names.index("K_max")]
    free = np.all([drawn.bound[i].ravel() == 0 for i in which], axis=0)
    return np.column_stack([drawn.theta[i].ravel()[free] for i in which])


def _region(axes: Any, inside: np.ndarray, level: float) -> None:
    """The contour of the draws' density in log N_0 and log K_max that holds `level` of them (a Gaussian kernel)."""
    from scipy.stats import gaussian_kde

    logs = np.log(inside).T
    try:
        density = gaussian_kde(logs)
    except np.linalg.LinAlgError:
        return  # all draws on one line: it is the region
    low, high = logs.min(axis=1), logs.max(axis=1)
    margin = 0.15 * (high - low)
    x, y = (np.linspace(a, b, _GRID) for a, b in zip(low - margin, high + margin, strict=True))
    height = density(np.stack(np.meshgrid(x, y)).reshape(2, -1)).reshape(_GRID, _GRID)
    cut = float(np.quantile(density(logs), 1 - level))
    axes.contourf(np.exp(x), np.exp(y), height, levels=[cut, np.inf], colors=["#5a636b"], alpha=0.14, zorder=1)
    axes.contour(np.exp(x), np.exp(y), height, levels=[cut], colors=["#5a636b"], linewidths=1.0, zorder=3)


def _without_sizes(axes: Any, evidence: Evidence) -> None:
    sensitivity, how = evidence.sensitivity, styles(evidence)
    for refit in sensitivity.sizes if sensitivity is not None else ():
        if not refit.values:
            continue
        style = how[refit.change]
        axes.plot(
            refit.values["N_0"].value, refit.values["K_max"].value, style.marker, color=style.color, markersize=6,
            markeredgecolor="white", markeredgewidth=0.7, linestyle="none", label=f"without {style.name}", zorder=5,
        )  # fmt: skip
    handles, _ = axes.get_legend_handles_labels()
    if handles:
        legend = axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=8)
        for text in legend.get_texts():
            text.set_parse_math(False)


def _caption(fit: Fit, shown: int, total: int) -> str:
    lost = f" {total - shown} of {total} draws are at a bound of the search and not shown." if shown < total else ""
    doubt = " The data do not identify K_max and N_0: the region is only where draws found an end."
    open_end = "" if fit.identified else doubt
    n0, k_max = units.count(fit.parameters["N_0"].value), fit.parameters["K_max"].value
    return (
        f"Cross: the fit, N_0 {n0} and K_max {k_max:.3g}. Points: its bootstrap draws; region: the densest "
        f"{fit.level:.0%} of those shown.{lost}{open_end} Markers: the fit without one size. {captions.how_fitted(fit)}"
    )
