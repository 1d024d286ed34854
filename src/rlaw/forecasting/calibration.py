"""The forecasts of "auto", with intervals as wide as its errors in a backtest on the training points.

The training points are themselves cut, and forecast from their beginning:

* where the other sizes go on well past the target, each of them in turn is cut to as few steps as the target has;
* else all curves are cut, as far before their end as the forecast goes beyond it, or at the middle of their log axis.

Intervals are widened by how much the errors are larger than the intervals say. Curves that are cut together wander
together, so that their errors are hardly more than one: then only what chance does not explain widens. If a sigmoid for
each size forecasts them better on average and on most sizes, they bend in a way that lines miss, and half of the draws
come from it.

Source: Gneiting, Balabdaoui and Raftery 2007 (calibration); Lei et al. 2018 (split-conformal scaling), here of sizes,
whose errors along a curve hang together and count as one.

Axes: R sizes, M points to predict, S draws.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from rlaw import laws
from rlaw.errors import NotIdentifiable
from rlaw.fitting.curves import Curves, first_steps
from rlaw.fitting.diagnostics import Caution
from rlaw.fitting.objective import weights
from rlaw.fitting.solver import solve
from rlaw.forecasting.predictors import PooledLadder, Samples, automatic, by_law, even, others_longer, pooled_ladder

_BENT = "sigmoid"
_LEAST_TEST = 2
_DRAWS = 200
_CHANCE_NORMAL = 1.6449  # 95 % point of the normal


@dataclass(frozen=True, slots=True)
class Backtest:
    """How "auto" did on the training points.

    Attributes:
        sizes: how many were forecast.
        factor: their errors over what the intervals say; 1 at least.
        bent: whether a sigmoid for each size did better than the pooled ladder.
    """

    sizes: int = 0
    factor: float = 1.0
    bent: bool = False

    def cautions(self) -> Iterator[Caution]:
        """What was changed in the forecast because of it."""
        if self.factor > 1:
            text = (
                f"cut short and forecast, the {self.sizes} sizes seen miss by more than their intervals say: these are "
                f"widened {self.factor:.2g} times"
            )
            yield Caution("widened", text)
        if self.bent:
            better = "cut short, the curves seen are forecast better by sigmoids than by lines"
            yield Caution("bent-curves", f"{better}: half of the draws are theirs")


def calibrated(
    train: Curves, r: int, sizes: PooledLadder, x: np.ndarray, check: Backtest, *, draws: int, level: float, seed: int
) -> Samples:
    """Draws of size r by "auto", widened and mixed as the backtest says."""
    drawn = _widened(automatic(train, r, sizes, x, draws=draws, level=level, seed=seed), check.factor)
    own = train.pick(np.array([r])).compact()
    if not check.bent or not _enough(own):
        return drawn
    half = automatic(train, r, sizes, x, draws=draws - draws // 2, level=level, seed=seed)
    bent = by_law(laws.get(_BENT), own, 0, x, draws=draws // 2, level=level, seed=seed)
    return even(_widened(half, check.factor), replace(bent, k=half.k[: draws // 2] if half.k is not None else None))


def backtest(train: Curves, r: int, sizes: PooledLadder, x: np.ndarray, *, level: float, seed: int) -> Backtest:
    """Judge "auto" on the training points, for a forecast of size r at (M,) axis values."""
    if others_longer(train, r):
        return _calibrate_by_size(train, r, sizes, level, seed)
    own = train.at.x[0, r, train.present[r]]
    return calibrate_by_cut(train, float(np.log(max(x.max() / own.max(), 1.0))), seed=seed) if len(own) else Backtest()


def calibrate_by_cut(train: Curves, horizon: float, *, seed: int) -> Backtest:
    """Cut all curves `horizon` before their ends in ln X, or in the middle, and forecast the rest of them."""
    cut = train.where(_beginnings(train, horizon))
    test = train.present & ~cut.present
    try:
        sizes = pooled_ladder(cut)
    except NotIdentifiable:
        return Backtest()
    misses, off = [], {}
    for r in np.flatnonzero((test.sum(axis=1) >= _LEAST_TEST) & (cut.counts >= _LEAST_TEST)).tolist():
        drawn = sizes.draw(r, train.at.x[0, r, test[r]], _DRAWS, seed)
        misses.append(_miss(drawn, train.loss[r, test[r]]))
        off[r] = float(np.mean(np.abs(drawn.middle - train.loss[r, test[r]])))
    return Backtest(len(misses), _beyond_chance(misses), _bends(cut, train, test, off))


def _calibrate_by_size(train: Curves, target: int, sizes: PooledLadder, level: float, seed: int) -> Backtest:
    """Cut every other long curve in turn to as many steps as the target has."""
    count, misses = int(train.steps[target]), []
    first = first_steps(train, count)
    for r in range(len(train.models)):
        early = train.present.copy()
        early[r] = first[r]
        test = train.present[r] & ~early[r]
        if r == target or train.steps[r] - count < max(count, _LEAST_TEST):
            continue
        cut = train.where(early)
        fewer = sizes.hide(cut, r)
        drawn = automatic(cut, r, fewer, train.at.x[0, r, test], draws=_DRAWS // 2, level=level, seed=seed)
        misses.append(_miss(drawn, train.loss[r, test]))
    return Backtest(len(misses), _scale(misses))


def _beginnings(train: Curves, horizon: float) -> np.ndarray:
    """(R, M) the points of each curve up to the cut."""
    log_x = np.where(train.present, np.log(train.at.x[0]), np.nan)
    begun = train.counts > 0
    first, last = np.zeros(len(begun)), np.zeros(len(begun))
    first[begun], last[begun] = np.nanmin(log_x[begun], axis=1), np.nanmax(log_x[begun], axis=1)
    cut = last - np.minimum(horizon, (last - first) / 2)
    return train.present & (np.nan_to_num(log_x, nan=np.inf) <= cut[:, None] + 1e-9)


def _miss(drawn: Samples, measured: np.ndarray) -> float:
    """Root mean square error over one size, in standard deviations of its draws."""
    spread = np.maximum(drawn.measured.std(axis=0), 1e-6)
    return float(np.sqrt(np.mean(((drawn.middle - measured) / spread) ** 2)))


def _scale(misses: list[float]) -> float:
    """Root mean square over sizes; 1 at least."""
    return max(float(np.sqrt(np.mean(np.square(misses)))), 1.0) if len(misses) > 1 else 1.0


def _beyond_chance(misses: list[float]) -> float:
    """Lower 95 % limit of the scale of errors that each are one normal number; 1 at least.

    Source: Wilson and Hilferty 1931 (the point of chi square).
    """
    n = max(len(misses), 1)
    most = (1 - 2 / (9 * n) + _CHANCE_NORMAL * np.sqrt(2 / (9 * n))) ** 3
    return max(_scale(misses) / float(np.sqrt(most)), 1.0)


def _bends(cut: Curves, train: Curves, test: np.ndarray, off: dict[int, float]) -> bool:
    """Whether sigmoids forecast the rest better than the pooled ladder, on average and on most sizes."""
    law = laws.get(_BENT)
    known = [r for r in off if _enough(cut.pick(np.array([r])))]
    if not known or len(known) < len(off):
        return False
    own = cut.pick(np.array(known))
    found = solve(law, own.at, own.loss, weights(own, "loss", "equal"), "loss")
    loss = law.loss(found.theta, found.coefficients, train.pick(np.array(known)).at)[0]
    theirs = [float(np.mean(np.abs(loss[i] - train.loss[r])[test[r]])) for i, r in enumerate(known)]
    ours = [off[r] for r in known]
    wins = sum(a < b for a, b in zip(theirs, ours, strict=True))
    return bool(np.mean(theirs) < np.mean(ours)) and wins > len(known) / 2


def _enough(own: Curves) -> bool:
    """Whether one curve has points to spare for a sigmoid."""
    law = laws.get(_BENT)
    needed = len(law.local) + len(law.coefficients) + 1
    return len(np.unique(own.at.x[0][own.present])) >= needed


def _widened(drawn: Samples, factor: float) -> Samples:
    """The draws moved away from the forecast by a factor, in the logarithm of the loss."""
    if factor == 1:
        return drawn
    middle = np.log(np.maximum(drawn.middle, 1e-6))
    true, measured = (
        np.exp(middle + factor * (np.log(np.maximum(draws, 1e-6)) - middle)) for draws in (drawn.true, drawn.measured)
    )
    return replace(drawn, true=true, measured=np.minimum(measured, np.maximum(drawn.measured, 1.0)))


def ladder_by_auto(
    train: Curves, whole: Curves, test: np.ndarray, *, draws: int, level: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """(R, M) forecast and (S, R, M) loss as measured at the test points of every size, by "auto"; nan elsewhere.

    Args:
        train: the training points.
        whole: where the test points are.
        test: (R, M) which points are to be forecast.
        draws, level, seed: of the draws.
    """
    held = np.flatnonzero(test.any(axis=1))
    sizes = pooled_ladder(train, int(held[0]) if len(held) == 1 else None)
    check = None
    middle, many = np.full(test.shape, np.nan), np.full((draws, *test.shape), np.nan)
    for r in held.tolist():
        x = whole.at.x[0, r, test[r]]
        if check is None:  # curves that are cut together share one
            check = backtest(train, r, sizes, x, level=level, seed=seed)
        drawn = calibrated(train, r, sizes, x, check, draws=draws, level=level, seed=seed)
        middle[r, test[r]], many[:, r, test[r]] = drawn.middle, drawn.measured
    return middle, many
