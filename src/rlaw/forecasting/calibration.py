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

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from rlaw import laws
from rlaw.errors import NotIdentifiable
from rlaw.fitting.curves import Curves, first_steps
from rlaw.fitting.diagnostics import Caution
from rlaw.fitting.interval import Plain, finite
from rlaw.fitting.objective import weights
from rlaw.fitting.solver import solve
from rlaw.forecasting.bends import PRIOR, RATES, bend, fading, middle_of, weights_of
from rlaw.forecasting.predictors import PooledLadder, Samples, automatic, by_law, even, others_longer, pooled_ladder
from rlaw.forecasting.scores import covers

_BENT = "sigmoid"
_LEAST_TEST = 2
_FURTHER = 1.25  # times the target's steps: other curves that go on so far show how well such beginnings forecast
_LEAST_SIZES = 2  # that show how far errors exceed intervals
_WORTH = 2  # sizes that the intervals' own word is worth
_DRAWS = 200
_FEW = 12  # points of a curve that show whether it bends
_SMALLEST = 1e-9
_CHANCE_NORMAL = 1.6449  # 95 % point of the normal


@dataclass(frozen=True, slots=True)
class Backtest(Plain):
    """How "auto" did on the training points.

    Attributes:
        sizes: how many were forecast.
        coverage: share of the points cut off inside the intervals, before these were widened; nan without any.
        level: of these intervals.
        factor: their errors over what the intervals say; 1 at least.
        freedom: how many sizes the factor is worth, so that draws scatter as Student's t does; 0 when they do not.
        bent: whether a sigmoid for each size did better than the pooled ladder.
        bends: weights of the rates (`bends.RATES`) at which slopes fade past the last point; empty when none does.
    """

    sizes: int = 0
    coverage: float = math.nan
    level: float = 0.9
    factor: float = 1.0
    freedom: int = 0
    bent: bool = False
    bends: tuple[float, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """What it says of the forecast: `sizes`, `coverage`, `widened` and `sigmoids`."""
        return {
            "sizes": self.sizes,
            "coverage": finite(self.coverage),
            "widened": self.factor,
            "sigmoids": self.bent,
        }

    def cautions(self) -> Iterator[Caution]:
        """What was changed in the forecast because of it."""
        inside = (
            f"{self.coverage:.0%} of the points cut off from the {self.sizes} sizes seen lie inside their "
            f"{self.level:.0%} intervals"
        )
        if self.factor > 1:
            yield Caution("widened", f"{inside}: the intervals of this forecast are widened {self.factor:.2g} times")
        if not covers(self.coverage, self.level):
            yield Caution("low-coverage", f"{inside}: more may lie outside of this forecast's than they say")
        if self.bent:
            better = "cut short, the curves seen are forecast better by sigmoids than by lines"
            yield Caution("bent-curves", f"{better}: half of the draws are theirs")


def calibrated(
    train: Curves, r: int, sizes: PooledLadder, x: np.ndarray, check: Backtest, *, draws: int, level: float, seed: int
) -> Samples:
    """Draws of size r by "auto", widened, bent and mixed as the backtest says."""

    def ours(draws: int) -> Samples:
        drawn = _bend(train, r, sizes, x, check, draws=draws, level=level, seed=seed)
        return _widened(drawn, check.factor, check.freedom, seed)

    own = train.pick(np.array([r])).compact()
    if not check.bent or not _enough(own):
        return ours(draws)
    half = ours(draws - draws // 2)
    sigmoids = by_law(laws.get(_BENT), own, 0, x, draws=draws // 2, level=level, seed=seed)
    return even(half, replace(sigmoids, k=half.k[: draws // 2] if half.k is not None else None))


def _bend(
    train: Curves, r: int, sizes: PooledLadder, x: np.ndarray, check: Backtest, *, draws: int, level: float, seed: int
) -> Samples:
    """Draws of size r by "auto", of which some leave their slope past its last point."""
    if not check.bends:
        return automatic(train, r, sizes, x, draws=draws, level=level, seed=seed)
    last = train.at.x[0, r, train.present[r]].max()
    drawn = automatic(train, r, sizes, np.append(x, last), draws=draws, level=level, seed=seed)
    beyond = np.log(x / last)
    middle = middle_of(drawn.middle[:-1], drawn.middle[-1], beyond, check.bends)
    true = bend(drawn.true[:, :-1], drawn.true[:, -1], beyond, check.bends, seed)
    return Samples.of(middle, true, drawn.k, drawn.outcome, seed)


def backtest(train: Curves, r: int, sizes: PooledLadder, x: np.ndarray, *, level: float, seed: int) -> Backtest:
    """Judge "auto" on the training points, for a forecast of size r at (M,) axis values."""
    if others_longer(train, r, _FURTHER):
        return _calibrate_by_size(train, r, sizes, level, seed)
    own = train.at.x[0, r, train.present[r]]
    if not len(own):
        return Backtest()
    return calibrate_by_cut(train, float(np.log(max(x.max() / own.max(), 1.0))), level=level, seed=seed)


def calibrate_by_cut(train: Curves, horizon: float, *, level: float, seed: int) -> Backtest:
    """Cut all curves `horizon` before their ends in ln X, or in the middle, and forecast the rest of them."""
    cut, parts, sizes = _cut(train, horizon)
    if sizes is None:
        return Backtest(bends=PRIOR)
    judged, off, bends = [], {}, []
    for r, part in parts.items():
        drawn = sizes.draw(r, np.append(part.x, part.last), _DRAWS, seed)
        middle, measured = drawn.middle[:-1], drawn.measured[:, :-1]
        judged.append(_Judged.of(middle, measured, part.loss, level))
        bends.append(part.misses(middle, drawn.middle[-1:], measured.std(axis=0)))
        off[r] = float(np.mean(np.abs(middle - part.loss)))
    found, weights = _beyond_chance([j.miss for j in judged]), weights_of(np.array(bends))
    test = train.present & ~cut.present
    return Backtest(len(judged), _coverage(judged), level, found, bent=_bends(cut, train, test, off), bends=weights)


def bends_by_cut(train: Curves, horizon: float) -> tuple[float, ...]:
    """The weights of the rates (`bends.RATES`) alone, from a few points of what is cut off."""
    _, parts, sizes = _cut(train, horizon)
    if sizes is None:
        return PRIOR
    misses = []
    for r, whole in parts.items():
        few = np.linspace(0, len(whole.x) - 1, min(_FEW, len(whole.x))).round().astype(int)
        part = replace(whole, x=whole.x[few], loss=whole.loss[few])
        drawn = sizes.draw(r, np.append(part.x, part.last), _DRAWS, 0)
        misses.append(part.misses(drawn.middle[:-1], drawn.middle[-1:], drawn.measured[:, :-1].std(axis=0)))
    return weights_of(np.array(misses))


@dataclass(frozen=True, slots=True)
class _Part:
    """What is cut off from one curve: (M,) places and losses, and the last place that is left."""

    x: np.ndarray
    loss: np.ndarray
    last: float

    def misses(self, middle: np.ndarray, start: np.ndarray, spread: np.ndarray) -> np.ndarray:
        """(B,) root mean square errors for every rate, in standard deviations."""
        bent = fading(middle[None], start, np.log(self.x / self.last), np.array(RATES)[:, None])
        return np.sqrt(np.mean(((bent - self.loss) / np.maximum(spread, _SMALLEST)) ** 2, axis=1))


def _cut(train: Curves, horizon: float) -> tuple[Curves, dict[int, _Part], PooledLadder | None]:
    """The curves cut short, what is cut off from each size, and the ladder of the beginnings, if there is one."""
    cut = train.where(_beginnings(train, horizon))
    test = train.present & ~cut.present
    enough = np.flatnonzero((test.sum(axis=1) >= _LEAST_TEST) & (cut.counts >= _LEAST_TEST))
    parts = {
        r: _Part(train.at.x[0, r, test[r]], train.loss[r, test[r]], float(cut.at.x[0, r, cut.present[r]].max()))
        for r in enough.tolist()
    }
    try:
        return cut, parts, pooled_ladder(cut)
    except NotIdentifiable:
        return cut, parts, None


def _calibrate_by_size(train: Curves, target: int, sizes: PooledLadder, level: float, seed: int) -> Backtest:
    """Cut every other long curve in turn to as many steps as the target has."""
    steps = train.steps
    judged = []
    for r in range(len(train.models)):
        if r == target or steps[r] < max(_FURTHER * steps[target], steps[target] + _LEAST_TEST):
            continue
        others = np.arange(len(train.models))[:, None] != r
        cut = train.where(others | first_steps(train, int(steps[target])))
        test = train.present[r] & ~cut.present[r]
        fewer = sizes.hide(cut, r)
        drawn = automatic(cut, r, fewer, train.at.x[0, r, test], draws=_DRAWS // 2, level=level, seed=seed)
        judged.append(_Judged.of(drawn.middle, drawn.measured, train.loss[r, test], level))
    if len(judged) < _LEAST_SIZES:
        return Backtest(len(judged), _coverage(judged), level)
    squares = _WORTH + sum(j.miss**2 for j in judged)  # as if further sizes had been missed by what intervals say
    freedom = _WORTH + len(judged)
    return Backtest(len(judged), _coverage(judged), level, max(math.sqrt(squares / freedom), 1.0), freedom)


@dataclass(frozen=True, slots=True)
class _Judged:
    """One size forecast: its root mean square error in standard deviations of its draws, and its coverage."""

    miss: float
    coverage: float

    @staticmethod
    def of(middle: np.ndarray, drawn: np.ndarray, measured: np.ndarray, level: float) -> "_Judged":
        spread = np.maximum(drawn.std(axis=0), _SMALLEST)
        low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=0)
        miss = math.sqrt(np.mean(((middle - measured) / spread) ** 2))
        return _Judged(miss, float(np.mean((low <= measured) & (measured <= high))))


def _coverage(judged: list[_Judged]) -> float:
    return float(np.mean([j.coverage for j in judged])) if judged else math.nan


def _beginnings(train: Curves, horizon: float) -> np.ndarray:
    """(R, M) the points of each curve up to the cut."""
    log_x = np.where(train.present, np.log(train.at.x[0]), np.nan)
    begun = train.counts > 0
    first, last = np.zeros(len(begun)), np.zeros(len(begun))
    first[begun], last[begun] = np.nanmin(log_x[begun], axis=1), np.nanmax(log_x[begun], axis=1)
    cut = last - np.minimum(horizon, (last - first) / 2)
    return train.present & (np.nan_to_num(log_x, nan=np.inf) <= cut[:, None] + 1e-9)


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


def _widened(drawn: Samples, factor: float, freedom: int, seed: int) -> Samples:
    """The draws moved away from the forecast in the logarithm of the loss, and measured anew.

    Args:
        drawn: the draws.
        factor: by which they move; the noise of an evaluation does not widen.
        freedom: of the factor: draws scatter as Student's t does; as they are when 0.
        seed: of the random numbers.
    """
    if factor == 1 and not freedom:
        return drawn
    middle, logs = np.log(np.maximum(drawn.middle, _SMALLEST)), np.log(np.maximum(drawn.true, _SMALLEST))
    own, noise = logs.var(axis=0), drawn.outcome.dispersion.mean() * (1 - drawn.middle) / drawn.middle
    further = np.sqrt(factor**2 + (factor**2 - 1) * noise / np.maximum(own, _SMALLEST**2))
    if freedom:
        chi = np.random.default_rng([seed, 4]).chisquare(freedom, (len(logs), 1))
        further = further * np.sqrt(freedom / chi)
    return Samples.of(drawn.middle, np.exp(middle + further * (logs - middle)), drawn.k, drawn.outcome, seed)


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
