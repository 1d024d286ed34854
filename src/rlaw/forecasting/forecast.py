"""Forecast the loss of a size, from the other sizes and as much of its own curve as the anchor lets in.

    rlaw.forecast(frame, target="72B", anchor="first:10", axis="data")
    rlaw.forecast(fit, target="72B", anchor="step0")        # the data, axis, window and level of a fit
    rlaw.forecast(frame, target="30B", anchor="none", axis="compute", at=[1e20])

A forecast is *blind* (without the target's own data), *anchored* (its base at step 0, or its first evaluation) or
*calibrated* (its first K evaluations). The rest of the target's rows judges the forecast, and does nothing else.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from rlaw import units
from rlaw.errors import NotIdentifiable, UsageError
from rlaw.fitting.diagnostics import Caution, cautions_of_frame
from rlaw.fitting.efficiency import physical
from rlaw.fitting.interval import Interval, Plain, median, plain
from rlaw.fitting.selection import Window, curves_of
from rlaw.forecasting.calibration import Backtest, backtest, calibrated
from rlaw.forecasting.damped import damped_trend
from rlaw.forecasting.doublings import Doublings, doublings_to, floor_draws
from rlaw.forecasting.predictors import (
    AUTO,
    TREND,
    Samples,
    by_law,
    no_law,
    pooled_ladder,
    predictor_of,
)
from rlaw.forecasting.result import Prediction, origin_of, resolved
from rlaw.forecasting.scores import Score, covers
from rlaw.forecasting.target import Kind, Target, target_of
from rlaw.laws import Law
from rlaw.text import table

if TYPE_CHECKING:
    from rlaw.fitting.fit import Fit
    from rlaw.measurements.frame import Frame


@dataclass(frozen=True, slots=True)
class Point(Plain):
    """The forecast at one place: median and interval of the loss that a run would measure there."""

    x: float
    loss: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True, repr=False)
class Forecast(Prediction):
    """The loss that a size will have.

    Attributes:
        kind: "blind", "anchored" or "calibrated": what of the target was used.
        law: what predicts: "auto", a law's name, or, where the ladder has no law, "last-value" or "own-curve".
        axis: "compute", "data" or "step".
        target: name of the size, or the size as text.
        params: its size.
        anchor: what of it was used, in words.
        k: slope of -log L against log X; None when the law has none.
        points: the forecast, by rising x.
        backtest: how such forecasts did on the training points, cut short; None without one.
        held_out: how it did on the held-out rows of the target; None without any.
        size_factor: how many times larger than the largest other size (or smaller than the smallest); 1 inside.
        axis_factor: how many times farther than the points used of the target, or of the ladder when it is blind.
        observed: (x, loss) of the target that made the forecast.
        unobserved: (x, loss) of the target that judge it.
        doublings: what a target loss costs from the last place; None without one.
    """

    kind: Kind
    law: str
    axis: str
    target: str
    params: float
    anchor: str
    k: Interval | None
    points: tuple[Point, ...]
    backtest: Backtest | None
    held_out: Score | None
    size_factor: float
    axis_factor: float
    observed: tuple[tuple[float, float], ...]
    unobserved: tuple[tuple[float, float], ...]
    doublings: Doublings | None = None

    def to_json(self) -> dict[str, Any]:
        """The document of `rlaw forecast --json`, schema 1."""
        return {
            "schema": 1,
            "kind": self.kind,
            "law": self.law,
            "axis": self.axis,
            "target": {"model": self.target, "params": self.params},
            "anchor": self.anchor,
            "k": plain(self.k),
            "points": plain(self.points),
            "backtest": plain(self.backtest),
            "held_out": plain(self.held_out),
            "extrapolation": {"size_factor": self.size_factor, "axis_factor": self.axis_factor},
            **({} if self.doublings is None else {"doublings": plain(self.doublings)}),
            **self.common_json(),
        }

    def documents(self) -> list[dict[str, Any]]:
        """A row for each place of the axis."""
        return plain(self.points)

    def __str__(self) -> str:
        reach = f"{self.size_factor:.3g} times in size, {self.axis_factor:.3g} times along the axis"
        step = max(1, (len(self.points) - 1) // 11)
        printed = [*self.points[::step], *([self.points[-1]] if (len(self.points) - 1) % step else [])]
        rows = [[f"{p.x:.4g}", p.loss, f"{p.low:.4f} to {p.high:.4f}"] for p in printed]
        lines = [
            f"{self.kind} forecast of {self.target} ({units.count(self.params)}) over {self.axis} by {self.law}: "
            f"using {self.anchor}",
            *([] if self.k is None else [f"  k {self.k}"]),
            f"  reach: {reach}",
            "",
            table([f">{self.axis}", ">loss", f"{self.settings['level']:.0%} interval"], rows),
        ]
        if self.backtest is not None and self.backtest.sizes:
            b = self.backtest
            lines += ["", f"backtest on the {b.sizes} sizes seen, cut short: {b.coverage:.0%} inside the interval"]
        if self.held_out is not None:
            h = self.held_out
            score = f"MAE {h.mae:.4f}, RMSE {h.rmse:.4f}, bias {h.bias:+.4f}, {h.coverage:.0%} inside the interval"
            lines += ["", f"on the {h.points} held-out rows: {score}"]
        if self.doublings is not None:
            lines += ["", *self.doublings.lines()]
        return "\n".join([*lines, *self.warning_lines()])


def forecast(
    data: "Frame | Fit | Any",
    target: str | float,
    *,
    anchor: str = "none",
    axis: Literal["compute", "data", "step"] | None = None,
    law: str | Law = AUTO,
    at: Sequence[float] = (),
    window: Window = None,
    draws: int = 1000,
    level: float | None = None,
    seed: int = 0,
    far: bool = False,
    target_loss: float | None = None,
    efficiency_doubling: float | str | None = None,
) -> Forecast:
    """Forecast the loss of one size.

    Args:
        data: the measurements (a frame, what `rlaw.load` reads, polars or pandas); one variant, benchmark, tau and
            group size; or a fit, whose frame, axis, window and level are taken where they are not given.
        target: "largest", a model's name, or a size such as "72B", in the data or not.
        anchor: "none", "step0" or "first:K": what of the target may be used.
        axis: what the loss is a function of; the fit's, or "compute".
        law: "auto" pools the ladder, averaging over the laws of the size; or a law's name.
        at: axis values to forecast, > 0; the target's held-out rows (or a grid over the ladder's axis) when empty.
        window: steps to use and to predict, as in `rlaw.fit`.
        draws: how many futures to draw.
        level: of the intervals.
        seed: of the random numbers.
        far: allow sizes and places more than 100 times beyond the data.
        target_loss: a loss to reach: how many doublings past the last place it takes, and what that means.
        efficiency_doubling: time in which efficiency is assumed to double, such as "12 months": how long it takes.

    Raises:
        NotFound: the target is neither a model's name nor a size.
        NotIdentifiable: a blind forecast without a law of the size, or a law that cannot predict the target.
        UsageError: an anchor or place that makes no sense, or a size or place far outside the data.
    """
    if efficiency_doubling is not None and target_loss is None:
        raise UsageError("years to a loss need the loss\n  next: `target_loss=L`")
    frame, along, window, level = resolved(data, axis, window, level)
    frame = frame.one_law()
    origin = origin_of(frame, window=window, draws=draws, level=level, seed=seed)
    chosen = predictor_of(law)
    aim = target_of(curves_of(frame, axis=along, window=window)[0], target, anchor)
    if not far:
        aim.refuse_far(at)
    places = aim.places(at)
    drawn, name, cautions, check = draw_target(chosen, aim, places, draws=draws, level=level, seed=seed)
    low, high = drawn.interval(level)
    wanted = np.isin(places, np.asarray(at, float)) if len(at) else np.ones(len(places), bool)
    size_factor, axis_factor = aim.reach(places[wanted])
    held_out = _score_of(aim, places, drawn.middle, low, high)
    return Forecast(
        kind=aim.kind,
        law=name,
        axis=along,
        target=aim.model,
        params=float(aim.whole.params[aim.r]),
        anchor=aim.anchor,
        k=None if drawn.k is None else median(drawn.k, level),
        points=tuple(Point(*p) for p in np.stack([places, drawn.middle, low, high], axis=1)[wanted].tolist()),
        backtest=check,
        held_out=held_out,
        size_factor=size_factor,
        axis_factor=axis_factor,
        observed=_pairs(aim, aim.observed),
        unobserved=_pairs(aim, aim.held_out),
        doublings=None
        if target_loss is None
        else _doublings(
            frame,
            along,
            aim,
            chosen,
            float(places[wanted][-1]),
            window,
            draws,
            target_loss,
            efficiency_doubling,
            level,
            seed,
        ),
        warnings=(
            *cautions_of_frame(frame, logs=True),
            *aim.cautions,
            *cautions,
            *aim.far(size_factor, axis_factor),
            *_out_of_range(drawn),
            *_missed(held_out, level),
        ),
        **origin,
    )


def draw_target(
    law: Law | str, aim: Target, x: np.ndarray, *, draws: int, level: float, seed: int
) -> tuple[Samples, str, Iterable[Caution], Backtest | None]:
    """Draws at the places, the law that made them, warnings, and the backtest that set the intervals, if any."""
    if law == TREND:
        return damped_trend(aim.train, aim.r, x, draws=draws, seed=seed), TREND, [], None
    if isinstance(law, Law):
        drawn = by_law(law, aim.train, aim.r, x, draws=draws, level=level, seed=seed)
        caution = no_law(aim.train, aim.r) if law.shared else None
        if caution is not None and aim.kind != "calibrated":
            raise NotIdentifiable(f"no law of the size to forecast by: {caution.text}")
        return drawn, law.name, [caution] if caution else [], None
    base = np.log(aim.whole.at.base_loss[0, :, 0]) if aim.from_base else None
    sizes = pooled_ladder(aim.train, aim.r, base)
    if sizes.caution is None:
        check = backtest(aim.train, aim.r, sizes, x, level=level, seed=seed)
        drawn = calibrated(aim.train, aim.r, sizes, x, check, draws=draws, level=level, seed=seed)
        return drawn, AUTO, check.cautions(), check
    if aim.kind == "blind":
        raise NotIdentifiable(
            f"no blind forecast of {aim.model}: {sizes.caution.text}\n"
            "  next: `anchor=first:K`, once it has a few evaluations"
        )
    text = "the forecast stays at the level seen, as far as the target's own points do not say otherwise"
    name = "last-value" if aim.kind == "anchored" else "own-curve"
    return sizes.draw(aim.r, x, draws, seed), name, [sizes.caution, Caution("baseline", text)], None


def _out_of_range(drawn: Samples) -> Iterable[Caution]:
    """That the law puts the loss above every loss measured, where it does not know how close to 1 curves come."""
    if np.mean(drawn.middle > drawn.outcome.top) > 0.5:
        text = (
            f"the law leaves its range: it puts the loss above {drawn.outcome.top:.3g}, the largest one measured, and "
            "the interval says no more than that; measure a smaller size, or a few points of this one"
        )
        yield Caution("out-of-range", text)


def _doublings(
    frame: "Frame", along: str, aim: Target, law: Law | str, x: float, window: Window, draws: int, target: float,
    efficiency_doubling: float | str | None, level: float, seed: int,
) -> Doublings:  # fmt: skip
    """What a loss costs past a place, with the floor that the observed points of the target show."""
    drawn, *_ = draw_target(law, aim, np.array([x, 2 * x]), draws=draws, level=level, seed=seed)
    used, _ = aim.rows(aim.observed) if aim.observed.any() else (np.zeros(1), None)
    how: dict[str, Any] = {"window": window, "level": level, "seed": seed, "last": float(used.max())}
    floors, source = floor_draws(frame, aim.model, along, **how)
    flops = x if along == "compute" else None
    hardware = None if flops is None else physical(flops, frame.accounting, frame.executed_factor)
    return doublings_to(
        drawn.true[:, 0], drawn.true[:, 1], target, floors=floors, level=level, seed=seed, flops=flops,
        accounting=frame.accounting, hardware=hardware, efficiency_doubling=efficiency_doubling, assumptions=(source,),
    )  # fmt: skip


def _missed(held_out: Score | None, level: float) -> Iterable[Caution]:
    """That held-out rows lie outside of the intervals far more often than these say."""
    if held_out is not None and not covers(held_out.coverage, level):
        text = (
            f"{held_out.coverage:.0%} of the {held_out.points} held-out rows lie inside the {level:.0%} intervals: "
            "do not rely on their width here"
        )
        yield Caution("held-out-missed", text)


def _score_of(aim: Target, places: np.ndarray, middle: np.ndarray, low: np.ndarray, high: np.ndarray) -> Score | None:
    """How the forecast did on the held-out rows."""
    if not aim.held_out.any():
        return None
    x, measured = aim.rows(aim.held_out)
    at_rows = (np.interp(np.log(x), np.log(places), v) for v in (middle, low, high))
    return Score.of(measured, *at_rows)


def _pairs(aim: Target, here: np.ndarray) -> tuple[tuple[float, float], ...]:
    """(x, loss) of rows of the target."""
    x, loss = aim.rows(here)
    return tuple(zip(x.tolist(), loss.tolist(), strict=True))
