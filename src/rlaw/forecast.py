"""Forecast the loss of a size, from the other sizes and as much of its own curve as the anchor lets in.

    rlaw.forecast(frame, target="72B", anchor="first:10", axis="data").plot()
    rlaw.forecast(fit, target="72B", anchor="step0")        # the data, axis, window and level of a fit
    rlaw.forecast(frame, target="30B", anchor="none", axis="compute", at=[1e20])

A forecast is *blind* (nothing of the target is seen), *anchored* (its base at step 0, or its first evaluation) or
*calibrated* (its first K evaluations). The rest of the target's rows judges the forecast, and does nothing else.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from rlaw import units
from rlaw.calibration import backtest, calibrated
from rlaw.compare import first_steps
from rlaw.curves import Curves
from rlaw.diagnostics import Caution, collapsed, copies
from rlaw.errors import NotFound, NotIdentifiable, RlawError, UsageError
from rlaw.forecasters import AUTO, Drawn, by_law, ladder, law_or_auto, no_law
from rlaw.intervals import Interval, percentile
from rlaw.laws import Law, Points
from rlaw.outlook import Outlook, drawn_from, question
from rlaw.selection import Window, curves_of, find_rung

if TYPE_CHECKING:
    from rlaw.fit import Fit
    from rlaw.frame import Frame

Kind = Literal["blind", "anchored", "calibrated"]
_FAR = 2.0  # beyond the data by more than this factor is cautioned
_GRID = 25
_MOST_PLACES = 200


@dataclass(frozen=True, slots=True)
class Point:
    """The forecast at one place: median and interval of the loss that a run would measure there."""

    x: float
    loss: float
    low: float
    high: float

    def to_json(self) -> dict[str, float]:
        """The fields by name."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Verdict:
    """How the forecast did on the target's rows past the anchor.

    Attributes:
        points: rows.
        mae: mean absolute error of the loss.
        rmse: root mean square error of the loss.
        bias: mean of predicted minus measured.
        coverage: share of rows inside the interval.
    """

    points: int
    mae: float
    rmse: float
    bias: float
    coverage: float

    def to_json(self) -> dict[str, float]:
        """The fields by name."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, kw_only=True)
class Forecast(Outlook):
    """The loss that a size will have.

    Attributes:
        kind: "blind", "anchored" or "calibrated": what of the target was seen.
        law: what predicts: "auto", a law's name, or, where the ladder tells no law, "last-value" or "own-curve".
        axis: "compute", "data" or "step".
        target: name of the size, or the size as text.
        params: its size.
        anchor: what was seen of it, in words.
        k: slope of -log L against log X; None when the law has none.
        points: the forecast, by rising x.
        held_out: how it did on the rows of the target that were not seen; None without any.
        size_factor: how many times larger than the largest other size (or smaller than the smallest); 1 inside.
        axis_factor: how many times farther than what was seen of the target, or of the ladder when it is blind.
        seen: (x, loss) of the target that made the forecast.
        unseen: (x, loss) of the target that judge it.
    """

    kind: Kind
    law: str
    axis: str
    target: str
    params: float
    anchor: str
    k: Interval | None
    points: tuple[Point, ...]
    held_out: Verdict | None
    size_factor: float
    axis_factor: float
    seen: tuple[tuple[float, float], ...]
    unseen: tuple[tuple[float, float], ...]

    def plot(self) -> Any:
        """The forecast as an `rlaw.figures.Figure`: `save(folder)` or `picture("svg")`; needs matplotlib."""
        draw = import_module("rlaw.figures.one_forecast")  # figures stand on forecasts, not the other way round
        return draw.plot(self)

    def to_json(self) -> dict[str, Any]:
        """The document of `rlaw forecast --json`, schema 1."""
        return {
            "schema": 1,
            "kind": self.kind,
            "law": self.law,
            "axis": self.axis,
            "target": {"model": self.target, "params": self.params},
            "anchor": self.anchor,
            "k": None if self.k is None else self.k.to_json(),
            "points": [p.to_json() for p in self.points],
            "held_out": None if self.held_out is None else self.held_out.to_json(),
            "extrapolation": {"size_factor": self.size_factor, "axis_factor": self.axis_factor},
            **self.standing(),
        }

    def __str__(self) -> str:
        return _told(self)


@dataclass(frozen=True, slots=True)
class _Task:
    """What a forecaster may see, and where it is asked.

    Attributes:
        kind: how much of the target is seen.
        anchor: the same in words.
        whole: everything measured, the target's rung included (without points when it is not in the data).
        seen: what may be seen of it.
        r: the target's rung.
        from_base: whether levels are told from the loss of each base at step 0.
        cautions: what was left out, and an anchor that had to be another one.
    """

    kind: Kind
    anchor: str
    whole: Curves
    seen: Curves
    r: int
    from_base: bool
    cautions: tuple[Caution, ...]

    @property
    def asked(self) -> np.ndarray:
        """(M,) rows of the target that judge the forecast."""
        return self.whole.present[self.r] & ~self.seen.present[self.r]


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
) -> Forecast:
    """Forecast the loss of one size.

    Args:
        data: the measurements (a frame, what `rlaw.load` reads, polars or pandas); one variant, benchmark, tau and
            group size; or a fit, whose frame, axis, window and level are taken where they are not given.
        target: "largest", a model's name, or a size such as "72B", in the data or not.
        anchor: "none", "step0" or "first:K": what of the target may be seen.
        axis: what the loss is a function of; the fit's, or "data".
        law: "auto" pools the ladder, averaging over the laws of the size; or a law's name.
        at: axis values to forecast, > 0; the target's unseen rows (or a grid over the ladder's axis) when empty.
        window: steps seen and asked, as in `rlaw.fit`.
        draws: how many futures to draw.
        level: of the intervals.
        seed: of the random numbers.

    Raises:
        NotFound: the target is neither a model's name nor a size.
        NotIdentifiable: a blind forecast without a law of the size, or a law that cannot speak of the target.
        UsageError: an anchor or place that makes no sense.
    """
    frame, along, window, level = question(data, axis, window, level)
    origin = drawn_from(frame, window=window, draws=draws, level=level, seed=seed)
    chosen = law_or_auto(law)
    task = _prepare(curves_of(frame, axis=along, window=window)[0], target, anchor)
    places = _places(task, at)
    drawn, told, cautions = _draw(chosen, task, places, draws=draws, level=level, seed=seed)
    low, high = np.quantile(drawn.measured, [(1 - level) / 2, (1 + level) / 2], axis=0)
    wanted = np.isin(places, np.asarray(at, float)) if len(at) else np.ones(len(places), bool)
    size_factor, axis_factor = _reach(task, places[wanted])
    return Forecast(
        kind=task.kind,
        law=told,
        axis=along,
        target=task.whole.models[task.r],
        params=float(task.whole.params[task.r]),
        anchor=task.anchor,
        k=None if drawn.k is None else percentile(float(np.median(drawn.k)), drawn.k, level),
        points=tuple(Point(*p) for p in np.stack([places, drawn.middle, low, high], axis=1)[wanted].tolist()),
        held_out=_judge(task, places, drawn.middle, low, high),
        size_factor=size_factor,
        axis_factor=axis_factor,
        seen=_rows(task, task.seen.present[task.r]),
        unseen=_rows(task, task.asked),
        warnings=(*task.cautions, *cautions, *_far(task, size_factor, axis_factor)),
        **origin,
    )


def _prepare(curves: Curves, target: str | float, anchor: str) -> _Task:
    """Set apart what may be seen; runs of other sizes that broke down or repeat another are kept out."""
    whole, r, there = _with_target(curves, target)
    kind, count = _anchor(anchor)
    if kind != "blind" and not there:
        raise UsageError(
            f"{whole.models[r]} is not in the data, so that there is nothing of it to anchor on\n  next: --anchor none"
        )
    cautions = []
    from_base = kind == "anchored" and count == 0
    if from_base and not np.isfinite(whole.at.base_loss).all():
        from_base, count = False, 1
        text = "not every size was evaluated at step 0: anchored on the first evaluation of the target instead"
        cautions.append(Caution("no-step0", text))
    other = np.arange(len(whole.models))[:, None] != r
    bad = (collapsed(whole) | copies(whole)) & other
    if bad.any():
        text = f"{int(bad.sum())} points of runs that broke down or repeat another are left out"
        cautions.append(Caution("left-out", text))
    seen = whole.where((other & ~bad) | (first_steps(whole, count) & ~other))
    words = {"blind": "nothing of it", "anchored": "its loss at step 0"}
    told = words.get(kind, "") if not count else f"its first {'evaluation' if count == 1 else f'{count} evaluations'}"
    return _Task(kind, told, whole, seen, r, from_base, tuple(cautions))


def _anchor(anchor: str) -> tuple[Kind, int]:
    """Kind of the forecast and how many evaluations of the target are seen."""
    if anchor == "none":
        return "blind", 0
    if anchor == "step0":
        return "anchored", 0
    first, _, count = anchor.partition(":")
    if first == "first" and count.isdecimal() and int(count) > 0:
        return ("calibrated" if int(count) > 1 else "anchored"), int(count)
    raise UsageError(f"anchor {anchor!r} is not none, step0 or first:K (its first K evaluations)")


def _with_target(curves: Curves, target: str | float) -> tuple[Curves, int, bool]:
    """The curves, the target's rung, and whether it is in the data; a size that is not gets a rung without points."""
    try:
        return curves, find_rung(curves, target), True
    except NotFound:
        try:
            params = units.parse(target, "count")
        except RlawError:
            raise NotFound(
                f"{target!r} is neither a model of this ladder nor a size\n"
                f"  next: one of {', '.join(curves.models)}, or a size such as 30B"
            ) from None
    at, r = curves.at, int(np.searchsorted(curves.params, params))

    def grown(values: np.ndarray, value: float | bool, axis: int = 0) -> np.ndarray:
        return np.insert(values, r, value, axis=axis)

    values = ((at.x, 1.0), (at.x_ref, 1.0), (at.params, params), (at.base_loss, np.nan))
    points = Points.of(*(grown(array, value, 1) for array, value in values))
    models = (*curves.models[:r], str(target), *curves.models[r:])
    added = Curves(
        models, points, grown(curves.loss, 1.0), grown(curves.present, False), grown(curves.step, -1),
        grown(curves.run, -1), grown(curves.items, np.nan), None,
    )  # fmt: skip
    return added, r, False


def _places(task: _Task, at: Sequence[float]) -> np.ndarray:
    """(M,) axis values to draw at, rising: those asked for and the unseen rows; else a grid over the ladder's axis."""
    given = np.asarray(at, float)
    if not (np.isfinite(given) & (given > 0)).all():
        raise UsageError(f"--at {', '.join(str(v) for v in at)}: places on the axis are positive numbers")
    rows = np.unique(task.whole.at.x[0, task.r, task.asked])
    if len(rows) > _MOST_PLACES:
        rows = np.geomspace(rows[0], rows[-1], _MOST_PLACES)
    if len(rows) or len(given):
        return np.unique(np.concatenate([rows, given]))
    start, end = _ladder_axis(task)
    return np.geomspace(start, end, _GRID)


def _ladder_axis(task: _Task) -> tuple[float, float]:
    """First and last axis value of the other sizes, at the target's size: straight lines in log N."""
    ends, n = [], []
    for r in range(len(task.whole.models)):
        if r != task.r and task.seen.counts[r]:
            x = task.seen.at.x[0, r, task.seen.present[r]]
            ends.append(np.log([x.min(), x.max()]))
            n.append(np.log(task.seen.params[r]))
    if not ends:
        x = task.seen.at.x[0, task.r, task.seen.present[task.r]]
        return float(x.min()), float(x.max())
    ends = np.array(ends)
    slope = np.polyfit(n, ends[:, 1], 1)[0] if np.ptp(n) > 0 else 0.0
    first, last = np.exp(ends.mean(axis=0) + slope * (np.log(task.seen.params[task.r]) - np.mean(n)))
    return float(first), float(last)


def _draw(
    law: Law | None, task: _Task, x: np.ndarray, *, draws: int, level: float, seed: int
) -> tuple[Drawn, str, list[Caution]]:
    """Draws at the places, the law that made them, and reasons for doubt."""
    if law is not None:
        drawn = by_law(law, task.seen, task.r, x, draws=draws, level=level, seed=seed)
        caution = no_law(task.seen, task.r) if law.shared else None
        if caution is not None and task.kind != "calibrated":
            raise NotIdentifiable(f"no law of the size to forecast by: {caution.text}")
        return drawn, law.name, [caution] if caution else []
    base = np.log(task.whole.at.base_loss[0, :, 0]) if task.from_base else None
    sizes = ladder(task.seen, task.r, base)
    if sizes.caution is None:
        test = backtest(task.seen, task.r, sizes, x, level=level, seed=seed)
        drawn = calibrated(task.seen, task.r, sizes, x, test, draws=draws, level=level, seed=seed)
        return drawn, AUTO, test.cautions()
    if task.kind == "blind":
        raise NotIdentifiable(
            f"no blind forecast of {task.whole.models[task.r]}: {sizes.caution.text}\n"
            "  next: --anchor first:K, once it has a few evaluations"
        )
    text = "the forecast stays at the level seen, as far as the target's own points do not say otherwise"
    told = "last-value" if task.kind == "anchored" else "own-curve"
    return sizes.draw(task.r, x, draws, seed), told, [sizes.caution, Caution("baseline", text)]


def _rows(task: _Task, here: np.ndarray) -> tuple[tuple[float, float], ...]:
    """(x, loss) of rows of the target."""
    x, loss = task.whole.at.x[0, task.r, here], task.whole.loss[task.r, here]
    return tuple(zip(x.tolist(), loss.tolist(), strict=True))


def _judge(task: _Task, places: np.ndarray, middle: np.ndarray, low: np.ndarray, high: np.ndarray) -> Verdict | None:
    """How the forecast did on the rows that were not seen."""
    if not task.asked.any():
        return None
    x = np.log(task.whole.at.x[0, task.r, task.asked])
    measured = task.whole.loss[task.r, task.asked]
    middle, low, high = (np.interp(x, np.log(places), v) for v in (middle, low, high))
    error = middle - measured
    return Verdict(
        points=len(error),
        mae=float(np.mean(np.abs(error))),
        rmse=float(np.sqrt(np.mean(error**2))),
        bias=float(np.mean(error)),
        coverage=float(np.mean((low <= measured) & (measured <= high))),
    )


def _reach(task: _Task, x: np.ndarray) -> tuple[float, float]:
    """How far beyond the data the forecast goes: in size, and along the axis."""
    N, others = task.whole.params[task.r], np.delete(task.whole.params, task.r)
    size = max(N / others.max(), others.min() / N, 1.0) if len(others) else 1.0
    own = task.seen.at.x[0, task.r, task.seen.present[task.r]]
    end = own.max() if len(own) else _ladder_axis(task)[1]
    return float(size), float(max(x.max() / end, 1.0))


def _far(task: _Task, size_factor: float, axis_factor: float) -> list[Caution]:
    told = []
    if size_factor > 1:
        side = "larger than the largest" if task.r else "smaller than the smallest"
        told.append(Caution("beyond-ladder", f"the target is {size_factor:.3g} times {side} other size"))
    if axis_factor > _FAR:
        what = "the ladder" if task.kind == "blind" or task.from_base else "what was seen of the target"
        told.append(Caution("beyond-axis", f"the forecast goes {axis_factor:.3g} times beyond {what} along the axis"))
    return told


def _told(f: Forecast) -> str:
    """The forecast as text."""
    lines = [f"{f.kind} forecast of {f.target} ({units.count(f.params)}) over {f.axis} by {f.law}: seen is {f.anchor}"]
    if f.k is not None:
        lines.append(f"  k {f.k}")
    lines.append(f"  reach: {f.size_factor:.3g} times in size, {f.axis_factor:.3g} times along the axis")
    step = max(1, (len(f.points) - 1) // 11)
    shown = [*f.points[::step], *([f.points[-1]] if (len(f.points) - 1) % step else [])]
    lines += ["", f"{f.axis:>12}  {'loss':>7}  {f.settings['level']:.0%} interval"]
    lines += [f"{p.x:>12.4g}  {p.loss:>7.4f}  {p.low:.4f} to {p.high:.4f}" for p in shown]
    if f.held_out is not None:
        h = f.held_out
        told = f"MAE {h.mae:.4f}, RMSE {h.rmse:.4f}, bias {h.bias:+.4f}, {h.coverage:.0%} inside the interval"
        lines += ["", f"on the {h.points} rows that were not seen: {told}"]
    return "\n".join([*lines, *f.doubts()])
