"""Fit a law to a frame: parameters, intervals, and warnings.

fit = rlaw.fit("saturating", rlaw.load("qwen2.5-math-base"), axis="compute")
print(fit)
fit.k(70e9)                              # efficiency of a size, with its interval
fit.predict("Qwen2.5-7B", [1e18, 1e19])  # fitted loss
"""

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from rlaw import laws
from rlaw.errors import UsageError
from rlaw.fitting.bootstrap import Draws, bootstrap
from rlaw.fitting.curves import Curves
from rlaw.fitting.diagnostics import cautions_of_draws, cautions_of_fit, cautions_of_frame
from rlaw.fitting.objective import NoiseModel, Space, r_squared, rms, weights
from rlaw.fitting.profile import profile
from rlaw.fitting.result import Fit
from rlaw.fitting.screening import screen
from rlaw.fitting.selection import Window, check_draws, curves_of, window_text
from rlaw.fitting.solver import Solution, solve
from rlaw.fitting.trend import slopes
from rlaw.fitting.values import HeldOut, SizeFit, held_out, shared_values, size_fits
from rlaw.laws import Law

if TYPE_CHECKING:
    from rlaw.measurements.frame import Frame

__all__ = ["Fit", "HeldOut", "SizeFit", "fit"]


def fit(
    law: str | Law,
    data: "Frame | Any",
    *,
    axis: Literal["compute", "data", "step"] = "compute",
    window: Window = None,
    space: Space = "loss",
    noise: NoiseModel = "equal",
    items: int | None = None,
    intervals: Literal["bootstrap", "profile", "none"] = "bootstrap",
    draws: int = 1000,
    level: float = 0.9,
    seed: int = 0,
    hold_out: str | float | None = None,
) -> Fit:
    """Fit a law by weighted least squares.

    Args:
        law: a name of `rlaw.laws.names()`, or a law of your own.
        data: the measurements (a frame, what `rlaw.load` reads, polars or pandas); one variant, benchmark, tau and
            group size.
        axis: what the loss is a function of.
        window: steps of the fit, "FIRST:LAST", inclusive, either end may be empty; step 0 is always left out. None: the
            window that the store's study declared, else all steps.
        space: squared errors of the loss, or of its base-10 logarithm.
        noise: "equal" gives every size the same total weight, as the paper does; "binomial" weighs by inverse variance.
        items: problems of an evaluation, where the frame does not say.
        intervals: "bootstrap"; "profile" for the same with profile intervals of the shared parameters; or "none".
        draws: bootstrap draws.
        level: of the intervals.
        seed: of the bootstrap.
        hold_out: a size to leave out of the fit and to judge it by: "largest", a model's name or a size such as "72B".

    Raises:
        NotIdentifiable: the frame cannot determine the law's parameters: too few sizes or points, or a constant loss.
        NotFound: no such law, or no such size to hold out.
        UsageError: an option that makes no sense, or a frame of several variants.
    """
    from rlaw.measurements.load import load

    law, frame = laws.get(law), load(data).one_law()
    window = window or frame.window
    _check(space, noise, intervals, draws, level)
    settings = {"window": window_text(window), "space": space, "noise": noise, "items": items, "level": level}
    measured = curves_of(
        frame, axis=axis, window=window, items=items, need_params=bool(law.shared), logs=space == "log"
    )
    screened = screen(law, *measured, hold_out, frame.source)
    curves = screened.curves
    w, estimate = _estimate(law, curves, space, noise, frame.source)
    drawn = None
    if intervals != "none":
        drawn = bootstrap(law, curves, w, space, estimate, draws=draws, level=level, seed=seed)
    settings["intervals"] = _method(intervals, drawn, seed)
    fitted = law.loss(estimate.theta, estimate.coefficients, curves.at)[0]
    found = cautions_of_fit(law, curves, fitted, estimate, slopes(curves), drawn.solution if drawn else None)
    of_draws = cautions_of_draws(curves, screened.copied, drawn.noise) if drawn else ()
    held = screened.held
    result = Fit(
        law=law,
        axis=axis,
        parameters=shared_values(law, estimate, drawn, level),
        sizes=size_fits(law, curves, fitted, estimate, drawn, level),
        r2_pooled=r_squared(curves.loss, fitted, curves.present),
        rmse=rms(curves.loss - fitted, curves.present),
        warnings=(*cautions_of_frame(frame, logs=space == "log"), *screened.cautions, *found, *of_draws),
        settings=settings,
        dropped=screened.dropped,
        source=frame.source,
        frame=frame,
        curves=curves,
        weights=w,
        estimate=estimate,
        drawn=drawn,
        held_out=None if held is None else held_out(law, held, estimate, drawn, space, level),
    )
    if intervals != "profile":
        return result
    return replace(result, parameters={name: profile(result, name).interval for name in result.parameters})


def _check(space: str, noise: str, intervals: str, draws: int, level: float) -> None:
    for name, value, known in (
        ("space", space, ("loss", "log")),
        ("noise", noise, ("equal", "binomial")),
        ("intervals", intervals, ("bootstrap", "profile", "none")),
    ):
        if value not in known:
            raise UsageError(f"{name} {value!r} is not one of {', '.join(known)}")
    check_draws(draws, level)


def _estimate(law: Law, curves: Curves, space: Space, noise: NoiseModel, source: str) -> tuple[np.ndarray, Solution]:
    """Weights and the fit; binomial weights need a fit with equal ones first."""
    w = weights(curves, space, "equal")
    estimate = solve(law, curves.at, curves.loss, w, space)
    if noise == "equal":
        return w, estimate
    if not np.isfinite(curves.items[curves.present]).all():
        raise UsageError(f"{source} does not say how many problems were asked\n  next: `items=500`, the true number")
    w = weights(curves, space, noise, law.loss(estimate.theta, estimate.coefficients, curves.at)[0])
    return w, solve(law, curves.at, curves.loss, w, space)


def _method(name: str, drawn: Draws | None, seed: int) -> dict[str, Any]:
    if drawn is None:
        return {"method": name}
    how = {"method": name, "draws": len(drawn), "seed": seed, "noise": list(drawn.noise)}
    return how | ({"freedom": drawn.freedom} if drawn.drift is None else asdict(drawn.drift))
