"""Fit a law to a frame: parameters, intervals, and the reasons for doubt.

fit = rlaw.fit("saturating", rlaw.load("qwen2.5-math-base"), axis="compute")
print(fit)
fit.k(70e9)                              # efficiency of a size, with its interval
fit.predict("Qwen2.5-7B", [1e18, 1e19])  # fitted loss
"""

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from rlaw import laws
from rlaw.curves import Curves
from rlaw.diagnostics import NOT_IDENTIFIED, Caution, judge, of_draws
from rlaw.errors import NotFound, NotIdentifiable, UsageError
from rlaw.fit_text import text
from rlaw.intervals import Interval, percentile
from rlaw.intervals.bootstrap import Draws, bootstrap
from rlaw.intervals.profile import Profile, profile
from rlaw.laws import Law, Points
from rlaw.objectives import Noise, Space, evaluate, r_squared, rms, weights
from rlaw.screening import Screened, screen
from rlaw.selection import Window, curves_of, window_text
from rlaw.solver import Solution, levels, solve
from rlaw.trend import slopes

if TYPE_CHECKING:
    from rlaw.frame import Frame


@dataclass(frozen=True, slots=True)
class Rung:
    """What a fit tells of one size: its parameters by name, and how well the law follows its curve."""

    model: str
    params: float
    points: int
    values: dict[str, Interval]
    r2: float
    rmse: float

    def to_json(self) -> dict[str, Any]:
        """The size, its values with their intervals, R² and RMSE."""
        told = {name: value.to_json() for name, value in self.values.items()}
        head = {"model": self.model, "params": _number(self.params), "points": self.points}
        return head | told | {"r2": _number(self.r2), "rmse": _number(self.rmse)}


@dataclass(frozen=True, slots=True)
class HeldOut:
    """How the law does on a size that was left out of the fit.

    The slope is predicted; where the law leaves the level of a size free, the level is fitted on the curve that was
    held out, as in the paper's inter-model protocol, so that this is not a blind forecast.
    """

    model: str
    params: float
    points: int
    values: dict[str, Interval]
    level: Literal["fitted on the held-out curve", "predicted"]
    r2: float
    rmse: float

    def to_json(self) -> dict[str, Any]:
        """The size, its values with their intervals, R² and RMSE on its curve."""
        head = {"model": self.model, "params": _number(self.params), "points": self.points, "level": self.level}
        told = {name: value.to_json() for name, value in self.values.items()}
        return head | told | {"r2": _number(self.r2), "rmse": _number(self.rmse)}


@dataclass(frozen=True, eq=False)
class Fit:
    """A law fitted to a frame.

    Attributes:
        law: the law.
        axis: "compute", "data" or "step".
        parameters: the shared parameters by name.
        rungs: what it tells of each size, smallest first.
        r2_pooled: over all points, sizes together: mostly the difference between sizes.
        rmse: root mean square error of the loss over all points.
        identified: False when the data do not tell the law's parameters.
        warnings: every reason for doubt.
        settings: window, space, noise, items, intervals, draws, level and seed, as used.
        dropped: rows left out, by reason.
        source: what the frame was read from.
        frame: the measurements, as given.
        curves: the measured curves that were fitted.
        estimate: the fit itself (one draw), for `rlaw.solver`.
        drawn: its bootstrap draws, or None.
        held_out: how the law does on the size left out, or None.
    """

    law: Law
    axis: str
    parameters: dict[str, Interval]
    rungs: tuple[Rung, ...]
    r2_pooled: float
    rmse: float
    warnings: tuple[Caution, ...]
    settings: dict[str, Any]
    dropped: dict[str, int]
    source: str
    frame: "Frame" = field(repr=False)
    curves: Curves = field(repr=False)
    weights: np.ndarray = field(repr=False)
    estimate: Solution = field(repr=False)
    drawn: Draws | None = field(repr=False, default=None)
    held_out: HeldOut | None = None

    @property
    def identified(self) -> bool:
        """False when the data do not tell the law's parameters."""
        return not any(w.code in NOT_IDENTIFIED for w in self.warnings)

    @property
    def digest(self) -> str:
        """Of the frame's rows."""
        return self.frame.digest

    @property
    def points(self) -> int:
        """Points that were fitted."""
        return int(self.curves.present.sum())

    @property
    def level(self) -> float:
        """Level of the intervals."""
        return self.settings["level"]

    @property
    def fitted(self) -> np.ndarray:
        """(R, M) fitted loss at the measured points of `curves`."""
        return evaluate(self.law, self.estimate.theta, self.estimate.coefficients, self.curves)[0]

    def rung(self, model: str) -> Rung:
        """What the fit tells of one size, by its name.

        Raises:
            NotFound: the fit has no such size.
        """
        return self.rungs[self._index(model)]

    def k(self, params: float, base_loss: float = float("nan")) -> Interval:
        """Efficiency of a size, seen or not, with its interval.

        Raises:
            NotIdentifiable: the law does not tie the efficiency to the size.
            UsageError: the law needs the loss of the size's base.
        """
        drawn = None if self.drawn is None else self.k_draws(params, base_loss)
        return percentile(float(self._k(self.estimate, params, base_loss)[0]), drawn, self.level)

    def k_draws(self, params: float, base_loss: float = float("nan")) -> np.ndarray:
        """(draws,) bootstrap draws of the efficiency of a size."""
        return self._k(self._draws(), params, base_loss)

    def predict(self, model: str, x: Any) -> np.ndarray:
        """(points,) fitted loss of one size at axis values x > 0."""
        return self._loss(self.estimate, model, x)[0]

    def predict_draws(self, model: str, x: Any) -> np.ndarray:
        """(draws, points) bootstrap draws of the fitted loss of one size."""
        return self._loss(self._draws(), model, x)

    def band(self, model: str, x: Any) -> tuple[np.ndarray, np.ndarray]:
        """Low and high ends, (points,) each, of the fitted loss of one size."""
        tail = (1 - self.level) / 2
        low, high = np.quantile(self.predict_draws(model, x), [tail, 1 - tail], axis=0)
        return low, high

    def profile(self, name: str) -> Profile:
        """The profile of a shared parameter, with its interval; see `rlaw.intervals.profile`."""
        return profile(self, name)

    def to_json(self) -> dict[str, Any]:
        """The document of `rlaw fit --json`, schema 1."""
        document = {
            "schema": 1,
            "law": self.law.name,
            "axis": self.axis,
            "log_base": 10,
            "source": self.source,
            "digest": self.digest,
            **self.settings,
            "points": self.points,
            "dropped": self.dropped,
            "parameters": {name: value.to_json() for name, value in self.parameters.items()},
            "rungs": [rung.to_json() for rung in self.rungs],
            "r2_pooled": _number(self.r2_pooled),
            "rmse": _number(self.rmse),
            "identified": self.identified,
            "warnings": [w.to_json() for w in self.warnings],
        }
        if self.held_out is not None:
            document["held_out"] = self.held_out.to_json()
        return document

    def __str__(self) -> str:
        return text(self)

    def _index(self, model: str) -> int:
        try:
            return self.curves.models.index(model)
        except ValueError:
            known = ", ".join(self.curves.models)
            raise NotFound(f"{model!r} is not a size of this fit\n  next: choose one of {known}") from None

    def _draws(self) -> Solution:
        if self.drawn is None:
            raise UsageError("this fit has no bootstrap draws\n  next: fit with intervals='bootstrap'")
        return self.drawn.solution

    def _k(self, solution: Solution, params: float, base_loss: float) -> np.ndarray:
        k = self.law.efficiency(solution.theta, np.full((1, 1, 1), params), np.full((1, 1, 1), base_loss))
        if k is None:
            raise NotIdentifiable(
                f"{self.law.name} gives every size an efficiency of its own\n  next: a law of the ladder: saturating"
            )
        if np.isnan(k).any():
            raise UsageError(f"{self.law.name} needs the loss of the size's base\n  next: k({params:g}, base_loss=0.9)")
        return np.broadcast_to(k, (len(solution), 1))[:, 0]

    def _loss(self, solution: Solution, model: str, x: Any) -> np.ndarray:
        r = self._index(model)
        own = self.curves.at.rung(r)
        at = Points.of(np.asarray(x, float)[None, None], own.x_ref, own.params, own.base_loss)
        theta = tuple(t if t.shape[1] == 1 else t[:, r : r + 1] for t in solution.theta)
        loss = self.law.loss(theta, solution.coefficients[:, r : r + 1], at)
        return np.broadcast_to(loss, (len(solution), 1, at.x.shape[-1]))[:, 0]


def fit(
    law: str | Law,
    data: "Frame | Any",
    *,
    axis: Literal["compute", "data", "step"] = "compute",
    window: Window = "1:",
    space: Space = "loss",
    noise: Noise = "equal",
    items: int | None = None,
    intervals: Literal["bootstrap", "none"] = "bootstrap",
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
        window: steps of the fit, "FIRST:LAST", inclusive, either end may be empty; step 0 is always left out.
        space: squared errors of the loss, or of its base-10 logarithm.
        noise: "equal" gives every size the same total weight, as the paper does; "binomial" weighs by inverse variance.
        items: problems of an evaluation, where the frame does not tell.
        intervals: "bootstrap", or "none" for the fit alone.
        draws: bootstrap draws.
        level: of the intervals.
        seed: of the bootstrap.
        hold_out: a size to leave out of the fit and to judge it by: "largest", a model's name or a size such as "72B".

    Raises:
        NotIdentifiable: the frame cannot tell the law's parameters: too few sizes or points, or a constant loss.
        NotFound: no such law, or no such size to hold out.
        UsageError: an option that makes no sense, or a frame of several variants.
    """
    from rlaw.frame import load

    law, frame = laws.get(law), load(data)
    _check(space, noise, intervals, draws, level)
    settings = {"window": window_text(window), "space": space, "noise": noise, "items": items, "level": level}
    screened = screen(
        law,
        *curves_of(frame, axis=axis, window=window, items=items, need_params=bool(law.shared)),
        hold_out,
        frame.source,
    )
    w, estimate = _estimate(law, screened.curves, space, noise, frame.source)
    drawn = None
    if intervals == "bootstrap":
        drawn = bootstrap(law, screened.curves, w, space, estimate, draws=draws, level=level, seed=seed)
    settings["intervals"] = _method(drawn, seed)
    return _told(law, axis, frame, screened, w, estimate, drawn, settings)


def _check(space: str, noise: str, intervals: str, draws: int, level: float) -> None:
    for name, value, known in (
        ("space", space, ("loss", "log")),
        ("noise", noise, ("equal", "binomial")),
        ("intervals", intervals, ("bootstrap", "none")),
    ):
        if value not in known:
            raise UsageError(f"{name} {value!r} is not one of {', '.join(known)}")
    if draws < 20 or not 0 < level < 1:
        raise UsageError(f"draws = {draws} and level = {level}: at least 20 draws and a level between 0 and 1")


def _estimate(law: Law, curves: Curves, space: Space, noise: Noise, source: str) -> tuple[np.ndarray, Solution]:
    """Weights and the fit; binomial weights need a fit with equal ones first."""
    w = weights(curves, space, "equal")
    estimate = solve(law, curves.at, curves.loss, w, space)
    if noise == "equal":
        return w, estimate
    if not np.isfinite(curves.items[curves.present]).all():
        raise UsageError(f"{source} does not tell how many problems were asked\n  next: --items 500, the true number")
    w = weights(curves, space, noise, evaluate(law, estimate.theta, estimate.coefficients, curves)[0])
    return w, solve(law, curves.at, curves.loss, w, space)


def _method(drawn: Draws | None, seed: int) -> dict[str, Any]:
    if drawn is None:
        return {"method": "none"}
    how = {"method": "bootstrap", "draws": len(drawn), "seed": seed, "noise": list(drawn.noise)}
    return how | ({"freedom": drawn.freedom} if drawn.drift is None else asdict(drawn.drift))


def _told(
    law: Law,
    axis: str,
    frame: "Frame",
    screened: Screened,
    w: np.ndarray,
    estimate: Solution,
    drawn: Draws | None,
    settings: dict[str, Any],
) -> Fit:
    """Everything a fit tells, from its solution and draws."""
    curves, level = screened.curves, settings["level"]
    fitted = evaluate(law, estimate.theta, estimate.coefficients, curves)[0]
    told = judge(law, curves, fitted, estimate, slopes(curves), drawn.solution if drawn else None)
    cautions = [*screened.cautions, *told]
    if drawn is not None:
        cautions += of_draws(curves, screened.copied, drawn.noise)
    return Fit(
        law=law,
        axis=axis,
        parameters=_shared(law, estimate, drawn, level),
        rungs=_rungs(law, curves, estimate, drawn, level, fitted),
        r2_pooled=r_squared(curves.loss, fitted, curves.present),
        rmse=rms(curves.loss - fitted, curves.present),
        warnings=tuple(cautions),
        settings=settings,
        dropped=screened.dropped,
        source=frame.source,
        frame=frame,
        curves=curves,
        weights=w,
        estimate=estimate,
        drawn=drawn,
        held_out=None if screened.held is None else _judge_held_out(law, screened.held, estimate, drawn, settings),
    )


def _shared(law: Law, estimate: Solution, drawn: Draws | None, level: float) -> dict[str, Interval]:
    told = {}
    for i, p in enumerate(law.shared):
        values = None
        if drawn is not None:
            bound = drawn.solution.bound[i].ravel()
            values = np.where(bound == 1, np.inf, drawn.solution.theta[i].ravel())
        told[p.name] = percentile(float(estimate.theta[i].ravel()[0]), values, level)
    return told


def _values(
    law: Law, at: Points, estimate: Solution, drawn: Solution | None, level: float
) -> dict[str, list[Interval]]:
    """The values of every rung by name, from the fit and its draws."""
    found = law.of_rung(estimate.theta, estimate.coefficients, at)
    draws = law.of_rung(drawn.theta, drawn.coefficients, at) if drawn is not None else {}
    return {
        name: [percentile(v, draws[name][:, r] if draws else None, level) for r, v in enumerate(value[0])]
        for name, value in found.items()
    }


def _rungs(
    law: Law, curves: Curves, estimate: Solution, drawn: Draws | None, level: float, fitted: np.ndarray
) -> tuple[Rung, ...]:
    values = _values(law, curves.at, estimate, drawn.solution if drawn else None, level)
    return tuple(
        Rung(
            model=model,
            params=float(curves.params[r]),
            points=int(curves.counts[r]),
            values={name: value[r] for name, value in values.items()},
            r2=r_squared(curves.loss[r], fitted[r], curves.present[r]),
            rmse=rms(curves.loss[r] - fitted[r], curves.present[r]),
        )
        for r, model in enumerate(curves.models)
    )


def _judge_held_out(
    law: Law, held: Curves, estimate: Solution, drawn: Draws | None, settings: dict[str, Any]
) -> HeldOut | None:
    """How the law does on the curve left out; None for a law that carries nothing from one size to another."""
    if law.local or not law.shared:
        return None
    space = settings["space"]
    w = weights(held, space, "equal")
    solved = []
    for s in (estimate, drawn.solution if drawn else None):
        if s is not None:
            free = levels(law, s.theta, held.at, held.loss, w, space)
            solved.append(Solution(s.theta, np.broadcast_to(free, (len(s), *free.shape[1:])), s.objective, s.bound))
    values = _values(law, held.at, solved[0], solved[1] if len(solved) > 1 else None, settings["level"])
    fitted = evaluate(law, solved[0].theta, solved[0].coefficients, held)[0]
    return HeldOut(
        model=held.models[0],
        params=float(held.params[0]),
        points=int(held.present.sum()),
        values={name: value[0] for name, value in values.items()},
        level="fitted on the held-out curve" if law.coefficients else "predicted",
        r2=r_squared(held.loss, fitted, held.present),
        rmse=rms(held.loss - fitted, held.present),
    )


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
