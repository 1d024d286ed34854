"""One forecast: its interval, what was seen of the target, and, hollow, what was not. `Forecast.plot()` draws it."""

import numpy as np

from rlaw.forecasting.forecast import Forecast
from rlaw.reporting.figures.base import Figure, drawing_style, new_canvas
from rlaw.reporting.figures.style import log_axis, loss_axis, plain

_COLOR = "#2a6f97"
_TITLES = {"compute": "RL compute C (FLOPs)", "data": "data D (prompts consumed)", "step": "RL step"}
_CAVEAT = (
    "The interval is that of a loss as a run would measure it. Hollow points judge the forecast and did not make it."
)


def plot(told: Forecast) -> Figure:
    """Draw a forecast.

    Raises:
        RlawError: matplotlib is not installed.
    """
    with drawing_style():
        canvas = new_canvas(5.2, 3.4)
        axes = canvas.subplots()
        x, loss, low, high = np.array([(p.x, p.loss, p.low, p.high) for p in told.points]).T
        seen, rest = (np.array(points).reshape(-1, 2).T for points in (told.seen, told.unseen))
        every_x, every_loss = np.concatenate([x, seen[0], rest[0]]), np.concatenate([low, high, seen[1], rest[1]])
        loss_axis(axes, max(float(every_loss.min()), 1e-3), float(every_loss.max()))
        log_axis(axes, float(every_x.min()) / 1.1, float(every_x.max()) * 1.1, _TITLES[told.axis])
        axes.fill_between(x, np.maximum(low, 1e-6), high, color=_COLOR, alpha=0.18, linewidth=0)
        axes.plot(x, loss, color=_COLOR)
        points = {"linestyle": "", "marker": "o", "color": _COLOR, "markersize": 3.2}
        axes.plot(*rest, **points, markerfacecolor="white", zorder=3)
        axes.plot(*seen, **points, zorder=4)
        axes.set_title(plain(f"{told.target}, {told.kind}"))
        caption = (
            f"{told.kind.capitalize()} forecast of {told.target} by {told.law}; seen is {told.anchor} (filled points). "
            f"Band: {told.settings['level']:.0%} interval. Reach: {told.size_factor:.3g} times in size, "
            f"{told.axis_factor:.3g} times along the axis, from {told.source}."
        )
        return Figure("forecast", f"Forecast of {told.target}", caption, _CAVEAT, canvas).settle()
