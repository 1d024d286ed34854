"""Draws of a size's loss: by the pooled ladder ("auto"), or by one law fitted to the ladder.

A predictor uses the training points and no others. Axes: R sizes, M points to predict, S draws.
"""

from dataclasses import dataclass, replace

import numpy as np

from rlaw import laws
from rlaw.errors import NotIdentifiable
from rlaw.fitting.bootstrap import binomial_unit, bootstrap
from rlaw.fitting.curves import Curves
from rlaw.fitting.diagnostics import Caution, not_rising
from rlaw.fitting.objective import Space, weights
from rlaw.fitting.solver import Solution, solve
from rlaw.fitting.trend import slopes, trend
from rlaw.forecasting.pooling import Pooled, pool, sizes_of
from rlaw.laws import Law, Points

AUTO = "auto"
LAW = "saturating"
_LONGER = 2  # other curves are longer when they have this many times the points of the target
_FAINT = 1e-6  # weight of the target: its first points set its own level and nothing else
_LEAST_SIZES = 3
_LEAST_POINTS = 3  # of a curve that has a slope


@dataclass(frozen=True, slots=True)
class Samples:
    """Draws of one size at some points.

    Attributes:
        middle: (M,) the forecast.
        true: (S, M) loss without the noise of an evaluation.
        measured: (S, M) loss as a run would measure it.
        k: (S,) slope of -log L against log X; None when the law has none.
    """

    middle: np.ndarray
    true: np.ndarray
    measured: np.ndarray
    k: np.ndarray | None


@dataclass(frozen=True, slots=True)
class PooledLadder:
    """A pooled ladder and whether its slopes follow the size.

    Attributes:
        pooled: the posterior.
        caution: why there is no law of the size; None when there is one.
    """

    pooled: Pooled
    caution: Caution | None

    def hide(self, curves: Curves, r: int) -> "PooledLadder":
        """The same ladder with only these points of size r."""
        train = replace(sizes_of(curves.pick(np.array([r])))[0], level=self.pooled.sizes[r].level)
        return PooledLadder(self.pooled.hide(r, train), self.caution)

    def draw(self, r: int, x: np.ndarray, draws: int, seed: int) -> Samples:
        """Draws of size r at (M,) axis values."""
        log_x = np.log(x)
        true, measured, k = self.pooled.draw(r, log_x, draws, seed)
        return Samples(self.pooled.expected(r, log_x), true, measured, k)


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
    return PooledLadder(pool(sizes, law=law and caution is None), caution)


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
    return even(pooled, by_law(laws.get(LAW), train, r, x, draws=draws // 2, level=level, seed=seed))


def others_longer(train: Curves, r: int) -> bool:
    """Whether the curves of the other sizes go on at least twice as far as that of size r."""
    others = np.delete(train.counts, r)
    return len(others) > 0 and bool(np.median(others) >= _LONGER * train.counts[r])


def even(one: Samples, other: Samples) -> Samples:
    """Both sets of draws together, the forecast in their middle."""
    true, measured = np.concatenate([one.true, other.true]), np.concatenate([one.measured, other.measured])
    k = None if one.k is None or other.k is None else np.concatenate([one.k, other.k])
    return Samples((one.middle + other.middle) / 2, true, measured, k)


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


def by_law(law: Law, train: Curves, r: int, x: np.ndarray, *, draws: int, level: float, seed: int) -> Samples:
    """Draws of size r of the ladder by one law, fitted to all sizes with its own points counting for itself alone.

    Args:
        law: any law.
        train: the training points of every size.
        r: the target.
        x: (M,) axis values, > 0.
        draws, level, seed: of the bootstrap.

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
    squares, spare = fit.squares, np.maximum(fit.spare, 0)
    if own is not None and spare[own] >= 5:
        spread = np.sqrt(np.sum(squares[own]) / spare[own])
    else:  # the target's points are too few to show its own scatter
        spread = np.sqrt(np.sum(squares) / max(int(spare.sum()), 1))
    middle, true, measured = fit.predict(at, slice(0, 0) if own is None else slice(own, own + 1), spread, seed)
    return Samples(middle[0], true[:, 0], np.maximum(measured[:, 0], 0.0), _k(law, fit.drawn, own, size))


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
    spread = np.sqrt(np.sum(fit.squares, axis=1) / np.maximum(fit.spare, 1))[:, None]
    middle, _, measured = fit.predict(at, slice(None), spread, seed)
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

    def predict(
        self, at: Points, sizes: slice, spread: np.ndarray, seed: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(R, M) loss of some sizes, (S, R, M) draws of it, and these with noise of a spread in binomial units."""
        shape = at.x.shape[1:]
        middle = np.broadcast_to(_loss(self.law, self.estimate, sizes, at), (1, *shape))[0]
        true = np.broadcast_to(_loss(self.law, self.drawn, sizes, at), (len(self.drawn), *shape))
        fresh = np.random.default_rng(seed).standard_normal(true.shape)
        return middle, true, true + fresh * spread * binomial_unit(true)


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


def law_or_auto(name: str | Law) -> Law | None:
    """The law of that name; None for "auto"."""
    return None if name == AUTO else laws.get(name)
