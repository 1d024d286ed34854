"""The usual picture of a result: `rlaw.plot(x).save("x.pdf")`."""

from collections.abc import Callable
from typing import Any

from rlaw.analysis.contrast.result import Contrast
from rlaw.analysis.evidence import Evidence
from rlaw.decisions.allocation import Allocation
from rlaw.errors import UsageError
from rlaw.fitting.result import Fit
from rlaw.fitting.threshold.result import Threshold
from rlaw.forecasting.backtest import Comparison
from rlaw.forecasting.forecast import Forecast
from rlaw.measurements.load import load
from rlaw.reporting.figures import FIGURES, choices, contrasts, drawing_style, forecasts, thresholds
from rlaw.reporting.figures.base import Figure
from rlaw.store import Store
from rlaw.study.study import FitChoice

_OF_AXIS = {"compute": "loss-compute", "data": "loss-data"}
_PICTURES: dict[type, Callable[[Any], Figure]] = {
    Forecast: forecasts.of_one,
    Allocation: choices.of_allocation,
    Comparison: choices.of_comparison,
    Threshold: thresholds.of_threshold,
    Contrast: contrasts.of_contrast,
}


def plot(result: Any) -> Figure:
    """Draw a result.

    Args:
        result: a forecast, a fit over compute or data, an allocation, a comparison, a contrast, threshold laws, a
            store, a frame, or whatever `rlaw.load` reads. Figures by name are drawn by `rlaw.figure`.

    Returns:
        The figure: `save("x.pdf")` writes it, `caption` explains it, a notebook shows it.

    Raises:
        UsageError: the result has no picture.
        RlawError: matplotlib is not installed.
    """
    for kind, draw in _PICTURES.items():
        if isinstance(result, kind):
            with drawing_style():
                return draw(result).settle()
    if isinstance(result, Fit):
        return _of_fit(result)
    frame = load(result.path if isinstance(result, Store) else result)
    axis = "compute" if frame.rows["compute_flops"].null_count() < len(frame) else "data"
    return FIGURES[_OF_AXIS[axis]](Evidence(frame, frame.one_law(), FitChoice(axis=axis, window=frame.window)))


def _of_fit(fit: Fit) -> Figure:
    """The curves that were fitted, with the law."""
    if fit.axis not in _OF_AXIS:
        raise UsageError(f"a fit over {fit.axis} has no picture\n  next: fit with axis='compute' or 'data'")
    settings = {name: fit.settings[name] for name in ("window", "space", "noise", "level")}
    choice = FitChoice(axis=fit.axis, **settings)  # pyright: ignore[reportArgumentType]
    return FIGURES[_OF_AXIS[fit.axis]](Evidence(fit.frame, fit.frame, choice, fits={fit.axis: fit}))
