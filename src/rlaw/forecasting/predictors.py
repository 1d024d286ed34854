"""Draws of a size's loss: by the pooled ladder ("auto"), or by one law fitted to the ladder.

A predictor uses the training points and no others. Axes: R sizes, M points to predict, S draws.
"""

from dataclasses import dataclass, replace

import numpy as np

from rlaw import laws
from rlaw.errors import NotIdentifiable
from rlaw.fitting.bootstrap import binomial_unit, bootstrap
from rlaw.fitting.curves import Curves, first_steps
from rlaw.fitting.diagnostics import Caution, not_rising
from rlaw.fitting.objective import Space, weights
from rlaw.fitting.solver import Solution, solve
from rlaw.fitting.trend import slopes, trend
from rlaw.forecasting.outcomes import Outcome, answers_of, bounded, ceilings, dispersion_of, top_of
from rlaw.forecasting.pooling import Pooled, pool, sizes_of
from rlaw.laws import Law, Points

AUTO = "auto"
TREND = "damped-trend"
#: what a law must beat on held-out points to be believed
BASELINES = (*laws.BASELINES, TREND)
LAW = "saturating"
_LONGER = 2  # other curves are longer when they have this many times the steps of the target
_FAINT = 1e-6  # weight of the target: its first points set its own level and nothing else
_LEAST_SIZES = 3
_LEAST_POINTS = 3  # of a curve that has a slope
_LEAST_SPARE = 5  # points of the target that show its own scatter


@dataclass(frozen=True, slots=True)
class Samples:
    """Draws of one size at some points.

    Attributes:
        middle: (M,) the forecast.
        true: (S, M) loss without the noise of an evaluation.
        measured: (S, M) loss as a run would measure it.
        k: (S,) slope of -log L against log X; None when the law has none.
        outcome: what a measured loss is drawn from.
    """

    middle: np.ndarray
    true: np.ndarray
    measured: np.ndarray
    k: np.ndarray | None
    outcome: Outcome

    @staticmethod
    def of(middle: np.ndarray, true: np.ndarray, k: np.ndarray | None, outcome: Outcome, seed: int) -> "Samples":
        """Samples of (M,) forecasts and (S, M) losses that may lie beyond 1; what is measured is drawn."""
        true = bounded(true, outcome.top, ceilings(outcome.top, len(true), seed))
        middle = bounded(middle, outcome.top, (1 + outcome.top) / 2)
        return Samples(middle, true, outcome.draw(true, seed), k, outcome)

    def interval(self, level: float) -> tuple[np.ndarray, np.ndarray]:
        """(M,) ends of the interval of a measured loss; it holds the forecast."""
        low, high = np.quantile(self.measured, [(1 - level) / 2, (1 + level) / 2], axis=0)
        return np.minimum(low, self.middle), np.maximum(high, self.middle)


@dataclass(frozen=True, slots=True)
class PooledLadder:
    """A pooled ladder and whether its slopes follow the size.

    Attributes:
        pooled: the posterior.
        caution: why there is no law of the size; None when there is one.
        answers: of an evaluation of each size; None where they are not known.
        top: the largest loss measured.
    """

    pooled: Pooled
    caution: Caution | None
    answers: tuple[int | None, ...]
    top: float

    def hide(self, curves: Curves, r: int) -> "PooledLadder":
        """The same ladder with only these points of size r."""
        train = replace(sizes_of(curves.pick(np.array([r])))[0], level=self.pooled.sizes[r].level)
        return replace(self, pooled=self.pooled.hide(r, train))

    def true(self, r: int, x: np.ndarray, draws: int, seed: int) -> np.ndarray:
        """(S, M) true loss of size r at (M,) axis values, as in `draw`."""
        return bounded(self.pooled.draw(r, np.log(x), draws, seed)[0], self.top, ceilings(self.top, draws, seed))

    def draw(self, r: int, x: np.ndarray, draws: int, seed: int) -> Samples:
        """Draws of size r at (M,) axis values."""
        log_x = np.log(x)
        true, dispersion, k = self.pooled.draw(r, log_x, draws, seed)
        spare = sum(max(len(s.loss) - 2, 0) for s in self.pooled.sizes)  # beside a line for each
        outcome = Outcome(dispersion_of(dispersion * spare, spare, self.answers[r]), self.answers[r], self.top)
        return Samples.of(self.pooled.expected(r, log_x), true, k, outcome, seed)


def pooled_ladder(
    curves: Curves, target: int | None = None, levels: np.ndarray | None = None, *, law: bool = True
) -> PooledLadder:
    """Pool sizes; where the slopes of the sizes other than the target do not rise with size, without a law of the size.

    Args:
        curves: the training points.
        target: the size to predict.
        levels: (R,) what the log losses are measured from; 0 when None.
        law: False when no law of the size is wanted.

    Raises:
        NotIdentifiable: no size has three points.
    """
    caution = no_law(curves, target) if law else None
    sizes = sizes_of(curves)
    if levels is not None:
        sizes = [replace(s, level=float(v)) for s, v in zip(sizes, levels, strict=True)]
    answers = tuple(answers_of(curves, r) for r in range(len(sizes)))
    return PooledLadder(pool(sizes, law=law and caution is None), caution, answers, top_of(curves))


def automatic(
    train: Curves, r: int, sizes: PooledLadder, x: np.ndarray, *, draws: int, level: float, seed: int
) -> Samples:
    """Draws of size r by the pooled ladder, and as many by the saturating law where the law knows more.

    The law knows more where other curves go on well past the target's own points: it holds that a size departs
    from the law only by chance, the pooled ladder that the target's own slope is also its own. Both err, in opposite
    directions often enough that their even mixture beats either: weights estimated from a handful of sizes do worse
    than even ones (the forecast combination puzzle: Stock and Watson 2004; Smith and Wallis 2009).
    """
    if sizes.caution is not None or train.counts[r] == 0 or not others_longer(train, r):
        return sizes.draw(r, x, draws, seed)
    pooled = sizes.draw(r, x, draws - draws // 2, seed)
    return even(pooled, by_law(laws.get(LAW), train, r, x, draws=draws // 2, level=level, seed=seed, early=True))


def others_longer(train: Curves, r: int, times: float = _LONGER) -> bool:
    """Whether the curves of most other sizes go on at least so many times, twice, as far as that of size r."""
    others = np.delete(train.steps, r)
    return len(others) > 0 and bool(np.median(others) >= times * train.steps[r])


def even(one: Samples, other: Samples) -> Samples:
    """Both sets of draws together, the forecast in their middle."""
    pairs = ((one.true, other.true), (one.measured, other.measured))
    true, measured = (np.concatenate(pair) for pair in pairs)
    k = None if one.k is None or other.k is None else np.concatenate([one.k, other.k])
    dispersion = np.concatenate([one.outcome.dispersion, other.outcome.dispersion])
    outcome = replace(one.outcome, dispersion=dispersion)
    return Samples((one.middle + other.middle) / 2, true, measured, k, outcome)


def no_law(curves: Curves, target: int | None = None) -> Caution | None:
    """Why sizes other than the target give no law of the size: too few, or slopes not rising; None when they do.

    Raises:
        NotIdentifiable: no size has three points.
    """
    others = [r for r, n in enumerate(curves.counts) if n and r != target]
    if target is not None and not others:
        return _alone(curves, target)
    rise = trend(slopes(curves.pick(np.array(others, int)))) if others else None
    if rise is None or not len(rise.k):
        raise NotIdentifiable(
            "no size has three evaluations at different places of the axis\n"
            "  next: evaluate more often, or a wider `window=`"
        )
    if len(np.unique(rise.params)) < _LEAST_SIZES:
        names = ", ".join(curves.models[r] for r in others if np.isfinite(curves.params[r])) or "none with n_params"
        text = f"sizes with a curve of their own: {names}: no law of the size can be fitted; run at least three"
        return Caution("too-few-sizes", text)
    return None if rise.rises else not_rising(rise)


def _alone(curves: Curves, target: int) -> Caution:
    """That there is no other size than the target, whose own points are all there is."""
    rest = [model for r, model in enumerate(curves.models) if r != target]
    whom = f"no points are known of {', '.join(rest)}" if rest else f"there is one size, {curves.models[target]}"
    if len(np.unique(curves.at.x[0, target, curves.present[target]])) < _LEAST_POINTS:
        raise NotIdentifiable(
            f"{whom}, so there is no size trend, and fewer than {_LEAST_POINTS} of its own points are known\n"
            f"  next: `anchor=first:K`, its first K evaluations, {_LEAST_POINTS} or more; or run other sizes"
        )
    return Caution("too-few-sizes", f"{whom}: no law of the size can be fitted; run at least three")


def by_law(
    law: Law, train: Curves, r: int, x: np.ndarray, *, draws: int, level: float, seed: int, early: bool = False
) -> Samples:
    """Draws of size r of the ladder by one law, fitted to all sizes with its own points counting for itself alone.

    Args:
        law: any law.
        train: the training points of every size.
        r: the target.
        x: (M,) axis values, > 0.
        draws, level, seed: of the bootstrap.
        early: whether the target's level allows for how the first points of the other sizes lie about the law.

    Raises:
        NotIdentifiable: the law cannot predict a size of which so few points are known.
    """
    _refuse(law, train, r, "\n  next: `anchor=step0` on data that have it, or `law=auto`")
    needed, points = len(law.local) + len(law.coefficients), int(train.counts[r])
    if points < needed:
        raise NotIdentifiable(
            f"{law.name} leaves {needed} number(s) of every size free, and {points} point(s) of {train.models[r]} are "
            f"known\n  next: `anchor=first:{max(needed, 3)}`, or `law=auto`"
        )
    known = np.flatnonzero(train.counts > 0)
    own = int(np.searchsorted(known, r)) if r in known else None
    fit = _fit(law, train.pick(known).compact(), own if law.shared else None, "loss", draws, level, seed)
    size = train.at.size(r) if own is None else fit.curves.at.size(own)
    at = Points.of(x[None, None], size.x_ref, size.params, size.base_loss)
    middle, true = fit.predict(at, slice(0, 0) if own is None else slice(own, own + 1))
    middle, true = middle[0], true[:, 0]
    answers = answers_of(train, r)
    outcome = Outcome(np.full((len(true), 1), fit.dispersion(own, answers)), answers, top_of(train))
    if early and own is not None:
        off, scatter = fit.early(own, outcome.dispersion[0, 0])
        middle, true = middle * np.exp(-off), true * np.exp(-off - _student(scatter, len(true), seed)[:, None])
    return Samples.of(middle, true, _k(law, fit.drawn, own, size), outcome, seed)


def _student(scatter: "_Scatter", draws: int, seed: int) -> np.ndarray:
    return scatter.sd * np.random.default_rng([seed, 2]).standard_t(scatter.freedom, draws)


def ladder_by_law(
    law: Law, train: Curves, at: Points, held: int | None, space: Space, *, draws: int, level: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """The forecast of every size of a ladder by one law.

    Args:
        law: any law.
        train: the training points of every size.
        at: points to predict, (1, R, M).
        held: the size whose own points count for itself alone; None without.
        space: residuals of the loss or of its base-10 logarithm.
        draws, level, seed: of the bootstrap.

    Returns:
        (R, M) predicted loss and (S, R, M) draws of the loss as a run would measure it.

    Raises:
        NotIdentifiable: too few sizes for the law, or a base without a loss that the law needs.
    """
    _refuse(law, train, held)
    fit = _fit(law, train, held, space, draws, level, seed)
    middle, true = fit.predict(at, slice(None))
    top = top_of(train)
    measured = np.empty(true.shape)
    for r in range(len(middle)):
        answers = answers_of(train, r)
        dispersion = dispersion_of(float(np.sum(fit.squares[r])), int(fit.spare[r]), answers)
        outcome = Outcome(np.full((len(true), 1), dispersion), answers, top)
        samples = Samples.of(middle[r], true[:, r], None, outcome, seed + r)
        middle[r], measured[:, r] = samples.middle, samples.measured
    return middle, measured


@dataclass(frozen=True, slots=True)
class _LawFit:
    """A law fitted to the curves of a ladder, with bootstrap draws.

    Attributes:
        squares: (R, M) squared residuals in binomial units.
        spare: (R,) points of each size less the numbers that are fitted to it alone.
    """

    law: Law
    curves: Curves
    estimate: Solution
    drawn: Solution
    squares: np.ndarray
    spare: np.ndarray

    def predict(self, at: Points, sizes: slice) -> tuple[np.ndarray, np.ndarray]:
        """(R, M) loss of some sizes, and (S, R, M) draws of it."""
        shape = at.x.shape[1:]
        middle = np.broadcast_to(_loss(self.law, self.estimate, sizes, at), (1, *shape))[0]
        return middle.copy(), np.broadcast_to(_loss(self.law, self.drawn, sizes, at), (len(self.drawn), *shape))

    def dispersion(self, own: int | None, answers: int | None) -> float:
        """How a measured loss scatters: about the target's own curve, or all curves where its points are too few."""
        if own is not None and self.spare[own] >= _LEAST_SPARE:
            return dispersion_of(float(np.sum(self.squares[own])), int(self.spare[own]), answers)
        return dispersion_of(float(np.sum(self.squares)), int(np.maximum(self.spare, 0).sum()), answers)

    def early(self, own: int, dispersion: float) -> tuple[float, "_Scatter"]:
        """How far the target's first points should lie above its law in log loss, from those of the other sizes.

        Curves leave the law where they begin, the more the more they learn: a straight line in k, where there are
        sizes enough for one.
        """
        curves, steps = self.curves, int(self.curves.steps[own])
        first = first_steps(curves, steps) & (np.arange(len(curves.models))[:, None] != own)
        there = first.any(axis=1)
        theta, coefficients = self.estimate.theta, self.estimate.coefficients
        fitted = self.law.loss(theta, coefficients, curves.at)[0]
        count = np.maximum(first.sum(axis=1), 1)
        above = np.sum(np.log(curves.loss / fitted), axis=1, where=first) / count
        noise = np.sum(dispersion * (1 - fitted) / fitted, axis=1, where=first) / count**2
        k = self.law.efficiency(theta, curves.at.params, curves.at.base_loss)
        sloped = k is not None and there.sum() > _LEAST_POINTS + 1
        columns = np.vander(np.ravel(k) if k is not None else np.ones(len(there)), 2 if sloped else 1)
        X, y = columns[there], above[there]
        inverse = np.linalg.pinv(X.T @ X)
        line = inverse @ X.T @ y
        freedom = max(len(y) - X.shape[1], 1)
        variance = max(float(np.sum((y - X @ line) ** 2)) / freedom - float(np.mean(noise[there])), 0.0)
        leverage = float(columns[own] @ inverse @ columns[own])
        return float(columns[own] @ line), _Scatter(np.sqrt(variance * (1 + leverage)), freedom)


@dataclass(frozen=True, slots=True)
class _Scatter:
    """Student's t, scaled."""

    sd: float
    freedom: int


def _fit(law: Law, curves: Curves, faint: int | None, space: Space, draws: int, level: float, seed: int) -> _LawFit:
    """The law fitted to all sizes with the same weight, next to none for a size whose points only set its own level."""
    w = weights(curves, space, "equal")
    if faint is not None:
        w[faint] *= _FAINT
    estimate = solve(law, curves.at, curves.loss, w, space)
    drawn = bootstrap(law, curves, w, space, estimate, draws=draws, level=level, seed=seed).solution
    fitted = law.loss(estimate.theta, estimate.coefficients, curves.at)[0]
    squares = np.where(curves.present, (curves.loss - fitted) / binomial_unit(fitted), 0.0) ** 2
    return _LawFit(law, curves, estimate, drawn, squares, curves.counts - len(law.local) - len(law.coefficients))


def _refuse(law: Law, train: Curves, target: int | None, hint: str = "") -> None:
    """Raise NotIdentifiable when sizes (other than the target, where sizes share parameters) or bases are too few."""
    params = train.params if target is None or not law.shared else np.delete(train.params, target)
    sizes = len(np.unique(params))
    if sizes < law.needs_sizes:
        beside = f" beside the target, and there are {sizes}" if len(params) < len(train.params) else ""
        raise NotIdentifiable(f"{law.name} needs {law.needs_sizes} sizes{beside}")
    if law.needs_base_loss and not np.isfinite(train.at.base_loss).all():
        raise NotIdentifiable(f"{law.name} needs the loss of the base at step 0{hint}")


def _loss(law: Law, solution: Solution, sizes: slice, at: Points) -> np.ndarray:
    """(S, R, M) loss of some sizes; an empty slice is a size that the fit does not hold."""
    theta = tuple(t if t.shape[1] == 1 and i < len(law.shared) else t[:, sizes] for i, t in enumerate(solution.theta))
    coefficients = np.zeros((len(solution), 1, 0)) if sizes == slice(0, 0) else solution.coefficients[:, sizes]
    return law.loss(theta, coefficients, at)


def _k(law: Law, solution: Solution, own: int | None, size: Points) -> np.ndarray | None:
    k = law.efficiency(solution.theta, size.params, size.base_loss)
    if k is not None:
        return np.broadcast_to(k, (len(solution), 1))[:, 0]
    names = [p.name for p in law.local]
    return solution.theta[len(law.shared) + names.index("k")][:, own or 0, 0] if "k" in names else None


def predictor_of(name: str | Law) -> Law | str:
    """The law of that name, or "auto" or "damped-trend", which are no laws."""
    return name if isinstance(name, str) and name in (AUTO, TREND) else laws.get(name)


def name_of(predictor: Law | str) -> str:
    """The name of a law, "auto" or "damped-trend"."""
    return predictor if isinstance(predictor, str) else predictor.name
