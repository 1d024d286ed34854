"""The futures of one run: draws of its loss at steps that it has not reached, from itself or from a ladder.

Axes: S draws, M steps.
"""

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from rlaw import laws
from rlaw.errors import DataError, UsageError
from rlaw.fitting.curves import Curves
from rlaw.fitting.objective import weights
from rlaw.fitting.selection import curves_of
from rlaw.fitting.solver import solve
from rlaw.forecasting.bends import faded, fading
from rlaw.forecasting.forecast import draw_target
from rlaw.forecasting.predictors import AUTO, Samples, by_law
from rlaw.forecasting.target import target_of
from rlaw.measurements.courses import Course
from rlaw.measurements.frame import Frame

if TYPE_CHECKING:
    from collections.abc import Sequence

OF_TRAINING = "training reward"
_BLOCK = 5  # steps whose training rewards are one evaluation, where nothing is held out
_LEAST = 3  # evaluations that have a slope
#: by how much the slope of a run alone fades over one e-fold of steps, and how likely that is
_RATES, _WEIGHTS = (0.0, 0.5, 1.0, 2.0), (0.7, 0.15, 0.1, 0.05)
#: shapes of a run's course, and how likely each is before it is fitted
_SHAPES, _ASSUMED = ("power", "exponential", "sigmoid"), (0.5, 0.3, 0.2)
_LEAST_SHAPED = 8  # evaluations that show a shape
_WORTH = 3  # evaluations that those at the end are worth: neighbours hang together
_SMALLEST = 1e-8
_ANY_SIZE = 1e9  # parameters of a run that is forecast from itself, which plays no part


@dataclass(frozen=True)
class Scores:
    """One benchmark of a run, as losses.

    Attributes:
        benchmark: its name, or OF_TRAINING.
        step: (n,) rising, 1 or more.
        loss: (n,) 1 - score, between 0 and 1.
        items: problems of an evaluation; None when unknown.
    """

    benchmark: str
    step: np.ndarray
    loss: np.ndarray
    items: int | None

    def first(self, count: int) -> "Scores":
        """The first evaluations."""
        return Scores(self.benchmark, self.step[:count], self.loss[:count], self.items)


def scores_of(course: Course, benchmark: str | None = None) -> Scores:
    """The scores to follow: of one benchmark, else of that with most evaluations, else training rewards in blocks.

    Raises:
        UsageError: no such benchmark.
        DataError: neither scores nor rewards between 0 and 1.
    """
    table = course.evaluations.filter((pl.col("step") > 0) & pl.col("score").is_finite())
    names = table["benchmark"].unique(maintain_order=True).to_list()
    if benchmark is not None and benchmark not in (*names, OF_TRAINING):
        raise UsageError(f"{course.run} has no benchmark {benchmark!r}; it has {', '.join(names) or 'none'}")
    if names and benchmark != OF_TRAINING:
        counts = [int((table["benchmark"] == name).sum()) for name in names]
        name = benchmark or names[int(np.argmax(counts))]
        own = table.filter(pl.col("benchmark") == name).group_by("step", maintain_order=True).last()
        score = own["score"].to_numpy()
        items = own["items"].drop_nulls()
        return _shares(course, name, own["step"].to_numpy(), score, int(items[-1]) if len(items) else None)
    rows = course.steps.select("step", "reward_mean").drop_nulls().filter(pl.col("reward_mean").is_finite())
    blocks = rows.group_by(((pl.col("step") - 1) // _BLOCK).alias("block"), maintain_order=True).agg(
        pl.col("step").max(), pl.col("reward_mean").mean(), pl.len().alias("n")
    )
    whole = blocks.filter((pl.col("step") % _BLOCK == 0) | (pl.col("n") == pl.col("n").max()))
    whole = whole.filter(pl.col("step") > 0)
    return _shares(course, OF_TRAINING, whole["step"].to_numpy(), whole["reward_mean"].to_numpy(), None)


def _shares(course: Course, name: str, step: np.ndarray, score: np.ndarray, items: int | None) -> Scores:
    if not len(score):
        raise DataError(f"{course.run}: no evaluation and no training reward yet")
    if score.max() > 1 and score.min() >= 0 and score.max() <= 100 and np.median(score) > 1:
        score = score / 100
    if score.min() < 0 or score.max() > 1:
        raise DataError(
            f"{course.run}: scores of {name} go from {score.min():.3g} to {score.max():.3g}, and a forecast is of "
            "shares of right answers\n  next: a held-out score between 0 and 1, or its name: `benchmark=NAME`"
        )
    return Scores(name, step.astype(np.int64), 1 - score, items)


def futures(
    scores: Scores,
    steps: "Sequence[float] | np.ndarray",
    *,
    course: Course,
    against: Frame | None = None,
    draws: int = 400,
    seed: int = 0,
) -> tuple[Samples, str]:
    """Draws of the loss at (M,) rising steps, and what they were drawn by.

    Args:
        scores: of the run, as far as they may be used.
        steps: > 0.
        course: the run, for its size and its prompts a step.
        against: a ladder whose law forecasts the run; None: from the run alone.
        draws: how many futures.
        seed: of the random numbers.

    Raises:
        DataError: fewer than three evaluations.
        NotIdentifiable: the ladder cannot forecast the run.
    """
    if len(scores.step) < _LEAST:
        raise DataError(f"{course.run}: {len(scores.step)} evaluations of {scores.benchmark}, and {_LEAST} are needed")
    return _alone(scores, steps, draws, seed) if against is None else _by_ladder(
        scores, steps, course, against, draws, seed
    )  # fmt: skip


def _alone(scores: Scores, steps: "Sequence[float] | np.ndarray", draws: int, seed: int) -> tuple[Samples, str]:
    """The run's own line in log loss and log step, which bends past its last point, and curves with an asymptote."""
    x = np.asarray(steps, float)
    frame = Frame.of(_table(scores, "run", _ANY_SIZE), "the run")
    aim = target_of(curves_of(frame, axis="step")[0], "run", f"first:{len(scores.step)}")
    last = float(scores.step[-1])
    drawn = draw_target(AUTO, aim, np.append(x, last), draws=draws, level=0.9, seed=seed)[0]
    beyond = np.log(x / last)
    left = np.array(_WEIGHTS) @ faded(beyond[None], np.array(_RATES)[:, None])
    start = float(drawn.middle[-1])
    middle = np.where(beyond > 0, start * np.exp(np.log(drawn.middle[:-1] / start) * left), drawn.middle[:-1])
    rate = np.random.default_rng([seed, 7]).choice(_RATES, size=(draws, 1), p=_WEIGHTS)
    true = fading(drawn.true[:, :-1], drawn.true[:, -1], beyond, rate)
    line = Samples.of(middle, true, None, drawn.outcome, seed)
    own = aim.train.pick(np.array([aim.r])).compact()
    shares = _shapes(own)
    counts = np.floor(np.array(shares) * draws).astype(int)
    parts = [_some(line, draws - int(counts[1:].sum()))]
    for name, count in zip(_SHAPES[1:], counts[1:].tolist(), strict=True):
        if count:
            parts.append(by_law(laws.get(name), own, 0, x, draws=max(count, 20), level=0.9, seed=seed))
    true, measured, spread = (
        np.concatenate([of(part) for part in parts])
        for of in (lambda p: p.true, lambda p: p.measured, lambda p: p.outcome.dispersion)
    )
    return Samples(np.median(true, axis=0), true, measured, None, replace(line.outcome, dispersion=spread)), "own-curve"


def _some(drawn: Samples, count: int) -> Samples:
    """The first draws."""
    outcome = replace(drawn.outcome, dispersion=drawn.outcome.dispersion[:count])
    return replace(drawn, true=drawn.true[:count], measured=drawn.measured[:count], outcome=outcome)


def _shapes(own: Curves) -> tuple[float, ...]:
    """The shares of `_SHAPES` among the futures of one curve: how well each, fitted to its beginning, meets its end.

    Half of a share is as assumed beforehand: a curve may turn later than where it was looked at.
    """
    order = np.sort(own.step[0, own.present[0]])
    if len(order) < _LEAST_SHAPED:
        return (1.0, *(0.0 for _ in _SHAPES[1:]))
    first = own.where(own.step <= order[2 * len(order) // 3 - 1])
    last = own.present[0] & ~first.present[0]
    misses, within = [], []
    for law in map(laws.get, _SHAPES):
        early, whole = (solve(law, c.at, c.loss, weights(c, "loss", "equal"), "loss") for c in (first, own))
        missed, off = (
            law.loss(found.theta, found.coefficients, own.at)[0, 0] - own.loss[0] for found in (early, whole)
        )
        misses.append(float(np.mean(missed[last] ** 2)))
        within.append(float(np.mean(off[own.present[0]] ** 2)))
    noise = max(min(within), _SMALLEST)
    likely = np.array(_ASSUMED) * np.exp(-0.5 * _WORTH * (np.array(misses) - min(misses)) / noise)
    return tuple(((np.array(_ASSUMED) + likely / likely.sum()) / 2).tolist())


def _by_ladder(
    scores: Scores, steps: "Sequence[float] | np.ndarray", course: Course, against: Frame, draws: int, seed: int
) -> tuple[Samples, str]:
    """The ladder's law, calibrated by the run's evaluations, over prompts where both have them, else over steps."""
    if course.params is None:
        raise UsageError(f"{course.run}: its size is not known, and a ladder forecasts by size\n  next: `model=7B`")
    ladder = against.one_law()
    prompts = course.prompts if ladder.rows["data_size"].null_count() < len(ladder) else None
    one = {c: ladder.rows[c][0] for c in ("variant", "benchmark", "tau", "group_size", "arm")}
    name = f"{course.run} (watched)"
    own = _table(scores, name, course.params, prompts).with_columns(
        pl.lit(v, ladder.rows.schema[c]).alias(c) for c, v in one.items()
    )
    columns = ["model", "params", "seed", "step", "data_size", "test_loss", "items", *one]
    both = pl.concat([ladder.rows.select(columns), own.select(c for c in columns if c in own.columns)],
                     how="diagonal_relaxed")  # fmt: skip
    axis, factor = ("data", float(prompts)) if prompts else ("step", 1.0)
    aim = target_of(curves_of(Frame.of(both, against.source), axis=axis)[0], name, f"first:{len(scores.step)}")
    x = np.asarray(steps, float) * factor
    drawn, law, *_ = draw_target(AUTO, aim, x, draws=draws, level=0.9, seed=seed)
    return drawn, law


def _table(scores: Scores, model: str, params: float, prompts: int | None = None) -> pl.DataFrame:
    n, each = len(scores.step), math.nan if prompts is None else prompts
    return pl.DataFrame({
        "model": [model] * n, "params": [params] * n, "seed": [0] * n, "step": scores.step, "test_loss": scores.loss,
        "items": pl.Series([scores.items] * n, dtype=pl.Int64),
        "data_size": pl.Series(scores.step * float(each)).fill_nan(None),
    })  # fmt: skip
