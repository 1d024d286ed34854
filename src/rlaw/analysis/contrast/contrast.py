"""Contrast recipes: which has the lower loss at equal compute, data or steps, at every size and over sizes.

    rlaw.contrast("runs/mine", between="recipe=grpo,dapo", margin=0.01, target="32B")

Every run gives one number for each question; runs of the same size and seed are paired. `pooling.py` says how sure a
difference is.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from rlaw import units
from rlaw.analysis.contrast.asymptote import asymptotes, level_off
from rlaw.analysis.contrast.levels import Levels, alike, levels_of, pairs
from rlaw.analysis.contrast.pooling import Belief, Difference, Pooled, difference, stated
from rlaw.analysis.contrast.result import (
    NONE,
    AtTarget,
    Contrast,
    Course,
    DecisionAccuracy,
    Pair,
    Place,
    SizeContrast,
    Verdict,
)
from rlaw.analysis.contrast.runs import Run, by_seed, common_range, runs_of, shared_variance
from rlaw.analysis.multiple import groups, holm
from rlaw.errors import DataError, NotIdentifiable, UsageError
from rlaw.fitting.bootstrap import binomial_unit
from rlaw.fitting.diagnostics import Caution, cautions_of_frame
from rlaw.fitting.interval import Interval
from rlaw.fitting.noise import noise_of
from rlaw.fitting.selection import Window
from rlaw.measurements.frame import AXES, Axis, Frame
from rlaw.measurements.load import load
from rlaw.text import listed

SIGNIFICANT = 0.05
_SURE = 0.95
_MOST_PAIRED_AWAY = 1 / 3  # of the runs may be left without a partner, and seeds still pair the others
_STEEP = 2.0  # standard errors of a slope that a ratio of compute may be divided by
_SHORT = 0.5  # of the range of the longest run, in log


@dataclass(frozen=True, slots=True)
class Spread:
    """The standard deviation of a run's loss about its recipe's mean, as it was stated.

    Attributes:
        value: of the loss, or in binomial units.
        freedom: degrees of freedom it comes from.
        binomial: whether it is in multiples of √(L (1 - L)).
        how: where it comes from.
    """

    value: float
    freedom: float
    binomial: bool
    how: str


@dataclass(frozen=True, eq=False)
class SizeRuns:
    """The runs of A and B at one size, partners at one place where they are paired.

    Attributes:
        low, high: ends of what all of them reached, on the axis.
    """

    model: str
    params: float
    a: list[Run]
    b: list[Run]
    low: float
    high: float
    paired: bool


def contrast(
    data: Any,
    between: str | None = None,
    *,
    where: Mapping[str, Any] | None = None,
    axis: Axis | None = None,
    at: Sequence[float] = (),
    margin: float = 0.0,
    target: str | float | None = None,
    spread: float | str | None = None,
    window: Window = None,
    level: float = 0.9,
) -> Contrast:
    """Say which of several recipes is better, and how sure that is.

    Args:
        data: the measurements (a frame, what `rlaw.load` reads, polars or pandas), or a list of several of them.
        between: what distinguishes the recipes: "recipe=grpo,dapo" or, for all values, "recipe". A column of the table
            or a setting of a store's runs, such as rl.learning_rate; not needed for a list.
        where: column or setting -> value or values of the rows that count.
        axis: "compute", "data" or "step": what is equal where losses are compared; the study's, or the first that the
            data have, when None.
        at: places on the axis; the end of what all runs of a size reached when none is given. The last one decides.
        margin: difference of the loss within which two recipes are as good as equal; 0 when none is.
        target: a size, such as "32B", at which the difference is forecast.
        spread: standard deviation of the loss from run to run, for data without replicates: a number, or data with
            replicates.
        window: steps that count, as in `rlaw.fit`; those that the store's study declared when None.
        level: of the intervals.

    Returns:
        Every pair of recipes, with a verdict: different at the 5 % level (after Holm's correction over pairs),
        equivalent (the interval lies within the margin), or not to be told apart.

    Raises:
        UsageError: an argument that makes no sense, or more that tells the runs apart than the factor.
        DataError: the data lack the axis, or no size was run with both recipes.
        NotIdentifiable: the runs of no size have a place of the axis in common.
    """
    _check(at, margin, level)
    params = None if target is None else units.parse(target, "count")
    levels = levels_of(data, between, where or {})
    axis = axis or _axis(levels, data)
    known = _spread(spread)
    found, cautions = list[tuple[Pair, list[SizeRuns]]](), _of_frames(levels)
    for a, b in pairs(levels):
        first, second, more = alike(levels, a, b)
        sizes, of_sizes = _sizes(first, second, axis, window or first.window, levels, (a, b))
        pair, of_pair = pair_of((a, b), sizes, known, sorted(at), margin, params, level)
        found.append((pair, sizes))
        cautions += [*more, *of_sizes, *of_pair]
    judged = _corrected([pair for pair, _ in found], margin)
    if not margin and any(pair.verdict == "cannot_tell" for pair in judged):
        text = "nothing can be called equivalent without `margin=`, the least difference of the loss that matters"
        cautions.append(Caution("no-margin", text))
    return Contrast(
        factor=levels.factor,
        axis=axis,
        margin=margin,
        level=level,
        source=levels.source,
        pairs=judged,
        groups=_groups(list(levels.frames), judged),
        decision_accuracy=_decisions(found),
        warnings=tuple(dict.fromkeys(cautions)),
    )


def _check(at: Sequence[float], margin: float, level: float) -> None:
    if not (math.isfinite(margin) and margin >= 0):
        raise UsageError(f"margin = {margin}: a difference of the loss, 0 or more")
    if not 0 < level < 1:
        raise UsageError(f"level = {level}: between 0 and 1")
    if not all(math.isfinite(x) and x > 0 for x in at):
        raise UsageError(f"`at={', '.join(map(str, at))}`: places on the axis are positive numbers")


def _axis(levels: Levels, data: Any) -> Axis:
    """The axis that the study declared, else the first that all values have."""
    from pathlib import Path

    from rlaw.store import Store

    there = [
        a for a, column in AXES.items() if all(f.rows[column].null_count() < len(f) for f in levels.frames.values())
    ]
    if isinstance(data, str | Path) and (Path(data) / "study.json").is_file():
        declared = Store.open(data).study.fit.axis
        return declared if declared in there else there[0]  # pyright: ignore[reportReturnType]
    return there[0]  # pyright: ignore[reportReturnType]


def _spread(given: float | str | None) -> Spread | None:
    """The stated spread: a number, or the replicates of other data."""
    if given is None:
        return None
    try:
        number = float(given)
    except (TypeError, ValueError):
        noise = noise_of(load(given).one_law())
        if not noise.freedom:
            raise DataError(
                f"{given} has no replicates that would show how far runs of one recipe are apart\n"
                "  next: `spread=0.01`, a standard deviation of the loss"
            ) from None
        return Spread(noise.unit, noise.freedom, True, f"{given}: {noise.how}")
    if not (math.isfinite(number) and number > 0):
        raise UsageError(f"spread = {given}: a standard deviation of the loss above 0, or data with replicates")
    return Spread(number, math.inf, False, "as stated")


def _of_frames(levels: Levels) -> list[Caution]:
    found = []
    for name, frame in levels.frames.items():
        found += cautions_of_frame(frame, logs=False)
        if frame.dropped.get("diverged"):
            text = f"{frame.dropped['diverged']} evaluations of runs that diverged are left out, of whatever recipe"
            found.append(Caution("diverged-runs", text if levels.factor != "data" else f"{name}: {text}"))
    return found


def _sizes(
    first: Frame, second: Frame, axis: str, window: Window, levels: Levels, names: tuple[str, str]
) -> tuple[list[SizeRuns], list[Caution]]:
    """The sizes that both recipes were run at, smallest first, each with its runs and their common range."""
    of_a, of_b = runs_of(first, axis, window), runs_of(second, axis, window)
    params = {**_params(second), **_params(first)}
    of_b = _by_params(of_a, of_b, params)
    both = [model for model in of_a if model in of_b]
    if not both and len(of_a) == len(of_b) == 1:  # two models, contrasted as they are
        both = list(of_a)
        of_b = {both[0]: next(iter(of_b.values()))}
    if not both:
        raise DataError(
            f"{levels.source}: no size was run with both {names[0]} and {names[1]} of {levels.factor} "
            f"({listed(list(of_a), 6)}; {listed(list(of_b), 6)})\n  next: run one size with both"
        )
    paired = levels.factor not in ("run", "seed") and _paired(of_a, of_b, both)
    found, cautions, apart = [], [], []
    for model in sorted(both, key=lambda m: (params.get(m, math.inf), m)):
        a, b = by_seed(of_a[model], of_b[model]) if paired else (of_a[model], of_b[model])
        if not a:
            continue
        place = common_range([*a, *b])
        if place is None:
            apart.append(model)
            continue
        found.append(SizeRuns(model, params.get(model, math.nan), a, b, *place, paired))
    left = sum(len(of[m]) for of in (of_a, of_b) for m in both) - sum(len(s.a) + len(s.b) for s in found)
    if not found:
        raise NotIdentifiable(
            f"{levels.source}: the runs of {names[0]} and {names[1]} have no {axis} in common at any size\n"
            "  next: another `axis=`, or evaluate both at the same places"
        )
    if left:
        text = (
            f"{left} runs of {names[0]} or {names[1]} are left out: they have no partner of the same seed, or no "
            f"{axis} in common"
        )
        cautions.append(Caution("runs-left-out", text))
    return found, [*cautions, *_short(found, names, axis)]


def _short(sizes: list[SizeRuns], names: tuple[str, str], axis: str) -> list[Caution]:
    """Sizes whose runs end at very different places, so that most of the longest one is not compared."""
    short = []
    for size in sizes:
        end, begin = max(run.x[-1] for run in (*size.a, *size.b)), min(run.x[0] for run in (*size.a, *size.b))
        if end > begin and math.log(size.high / begin) < _SHORT * math.log(end / begin):
            short.append(size.model)
    if not short:
        return []
    text = (
        f"{names[0]} and {names[1]} at {listed(short, 6)}: a run ends so early that less than half of "
        f"the longest one's range, in log {axis}, is compared"
    )
    return [Caution("short-range", text)]


def _params(frame: Frame) -> dict[str, float]:
    known = frame.rows.drop_nulls("params").group_by("model").agg(pl.col("params").median())
    return {str(model): float(params) for model, params in known.iter_rows()}


def _by_params(
    of_a: dict[str, list[Run]], of_b: dict[str, list[Run]], params: dict[str, float]
) -> dict[str, list[Run]]:
    """The runs of B under A's names of the sizes, where the names differ and the numbers of parameters do not."""
    if set(of_a) & set(of_b):
        return of_b
    names = {params[model]: model for model in of_a if model in params}
    return {names.get(params.get(model, math.nan), model): runs for model, runs in of_b.items()}


def _paired(of_a: dict[str, list[Run]], of_b: dict[str, list[Run]], models: list[str]) -> bool:
    """Whether runs have partners of the same seed, all but a third of them."""
    partners = sum(len(by_seed(of_a[m], of_b[m])[0]) for m in models)
    most = sum(max(len(of_a[m]), len(of_b[m])) for m in models)
    return partners >= (1 - _MOST_PAIRED_AWAY) * most


def pair_of(
    names: tuple[str, str],
    sizes: list[SizeRuns],
    spread: Spread | None = None,
    at: Sequence[float] = (),
    margin: float = 0.0,
    target: float | None = None,
    level: float = 0.9,
) -> tuple[Pair, list[Caution]]:
    """One pair before its p-value is corrected, and what speaks against trusting it.

    Args:
        names: of A and B.
        sizes: their runs, smallest size first.
        spread: as it was stated.
        at: places on the axis, rising.
        margin, level: as in `contrast`.
        target: parameters of the size that the difference is forecast at.
    """
    log_n = np.log([size.params for size in sizes])
    reached = [[x for x in at if size.low * (1 - 1e-9) <= x <= size.high * (1 + 1e-9)] or [size.high] for size in sizes]
    cautions = _not_reached(names, sizes, at)
    differences = [[_of_loss(size, x, spread) for x in places] for size, places in zip(sizes, reached, strict=True)]
    loss = Pooled(tuple(own[-1] for own in differences), log_n)
    k = _pooled_slopes(sizes, log_n)
    of_sizes = []
    for s, (size, places) in enumerate(zip(sizes, reached, strict=True)):
        beliefs = [_replaced(loss, s, d).of_size(s) for d in differences[s]]
        of_sizes.append(
            SizeContrast(
                size.model,
                size.params,
                (len(size.a), len(size.b)),
                tuple(
                    Place(x, belief.interval(level), belief.below(0.0))
                    for x, belief in zip(places, beliefs, strict=True)
                ),
                NONE if k is None else k.of_size(s).interval(level),
                _ratio(size, level, loss.freedom, spread),
            )
        )
    overall, slope = loss.over_sizes(), loss.interaction()
    replicated = loss.freedom > 0
    if not replicated:
        cautions.append(_no_replicates(names))
    ranking = _course(loss, slope) if replicated else "cannot_tell"
    if ranking == "crosses":
        text = (
            f"{names[0]} and {names[1]}: the better one at small sizes is the worse one at large sizes, "
            "which the mean over sizes hides"
        )
        cautions.append(Caution("ranking-crosses", text))
    forecast, of_target = _at_target(loss, target, level, names)
    pair = Pair(
        a=names[0],
        b=names[1],
        paired_by=_paired_by(sizes),
        runs=(sum(len(size.a) for size in sizes), sum(len(size.b) for size in sizes)),
        sizes=tuple(of_sizes),
        delta_loss=overall.interval(level),
        delta_k=NONE if k is None else k.over_sizes().interval(level),
        delta_asymptote=_delta_asymptote(sizes, log_n, level),
        probability=overall.below(0.0) if replicated else math.nan,
        p=overall.p if replicated else math.nan,
        p_holm=math.nan,
        interaction=NONE if slope is None else slope.interval(level),
        ranking=ranking,
        at_target=forecast,
        verdict=_verdict(overall, margin) if replicated else "cannot_tell",
    )
    return pair, cautions + of_target


def _replaced(pooled: Pooled, s: int, found: Difference) -> Pooled:
    return Pooled((*pooled.sizes[:s], found, *pooled.sizes[s + 1 :]), pooled.log_n)


def _of_loss(size: SizeRuns, place: float, spread: Spread | None) -> Difference:
    """The difference of the loss at a place."""
    a, b = (np.array([run.at(place) for run in own]) for own in (size.a, size.b))
    unit = float(binomial_unit(np.array(np.r_[a, b].mean())))
    shared = shared_variance(size.a, size.b, place, paired=size.paired)
    floor = float(np.mean([run.error(place) for run in (*size.a, *size.b)]))
    found = difference(a, b, paired=size.paired, unit=unit, shared=shared, floor=floor)
    if spread is None:
        return found
    return stated(found, spread.value * (unit if spread.binomial else 1.0), spread.freedom, (len(a), len(b)))


def _pooled_slopes(sizes: list[SizeRuns], log_n: np.ndarray) -> Pooled | None:
    """The differences of k; None where a run has too few points for a slope."""
    found = []
    for size in sizes:
        a, b = (np.array([run.slope(size.low, size.high) for run in own]) for own in (size.a, size.b))
        if not np.isfinite(np.r_[a, b]).all():
            return None
        found.append(difference(a, b, paired=size.paired))
    return Pooled(tuple(found), log_n)


def _delta_asymptote(sizes: list[SizeRuns], log_n: np.ndarray, level: float) -> Interval:
    """The difference of the losses that sigmoids level off at, over the sizes whose runs all show one."""
    which = [i for i, size in enumerate(sizes) if level_off([*size.a, *size.b])]
    if not which:
        return NONE
    sizes, log_n = [sizes[i] for i in which], log_n[which]
    each = asymptotes([run for size in sizes for run in (*size.a, *size.b)])
    of_sizes = np.split(each, np.cumsum([len(size.a) + len(size.b) for size in sizes])[:-1])
    found = []
    for i, (size, values) in enumerate(zip(sizes, of_sizes, strict=True)):
        if np.isfinite(values).all():
            a, b = np.split(values, [len(size.a)])
            found.append((i, difference(a, b, paired=size.paired)))
    if not found:
        return NONE
    return Pooled(tuple(d for _, d in found), log_n[[i for i, _ in found]]).over_sizes().interval(level)


def _ratio(size: SizeRuns, level: float, freedom: float, spread: Spread | None) -> Interval:
    """What A takes of the axis to reach equal loss over what B takes: e to the difference of log loss over the slope.

    The slope is that of both at the end of their common range. Without a slope that is clearly above 0 there is no
    ratio; without replicates there is no interval.
    """
    a, b = (np.log(np.maximum([run.at(size.high) for run in own], 1e-6)) for own in (size.a, size.b))
    middle = math.sqrt(size.low * size.high)
    slopes = np.array([run.slope(middle, size.high) for run in (*size.a, *size.b)])
    if not np.isfinite(slopes).all():
        return NONE
    k, error = float(slopes.mean()), float(slopes.std(ddof=1)) / math.sqrt(len(slopes))
    gain = float(a.mean() - b.mean())
    if k <= _STEEP * error or k <= 0 or abs(gain / k) > math.log(size.high / size.low):
        return NONE  # equal loss lies outside of what was measured
    floor = float(np.mean([run.error(size.high) for run in (*size.a, *size.b)])) / math.exp(2 * np.r_[a, b].mean())
    found = difference(a, b, paired=size.paired, floor=floor)
    if spread is not None:
        loss = math.exp(float(np.r_[a, b].mean()))
        own = spread.value * (float(binomial_unit(np.array(loss))) if spread.binomial else 1.0)
        found = stated(found, own / loss, spread.freedom, (len(a), len(b)))
    belief = Pooled((found,), np.array([math.nan])).over_sizes()
    if not belief.known or not freedom:
        return Interval(math.exp(gain / k))
    ends = belief.times(1 / k).wider((gain / k * error / k) ** 2).interval(level)
    return Interval(*(math.exp(min(max(x, -700.0), 700.0)) for x in (ends.value, ends.low, ends.high)))


def _not_reached(names: tuple[str, str], sizes: list[SizeRuns], at: Sequence[float]) -> list[Caution]:
    """Sizes at which no place that was asked for is in the common range, so that their end stands in."""
    outside = [s.model for s in sizes if at and not any(s.low * (1 - 1e-9) <= x <= s.high * (1 + 1e-9) for x in at)]
    if not outside:
        return []
    text = (
        f"{names[0]} and {names[1]} at {listed(outside, 6)}: no place of `at` is where all runs were "
        "measured; the end of their common range is taken"
    )
    return [Caution("place-not-reached", text)]


def _no_replicates(names: tuple[str, str]) -> Caution:
    text = (
        f"neither {names[0]} nor {names[1]} was run twice at any size: runs of one recipe may differ as much, so that "
        "nothing is called different; intervals over sizes come from the scatter between sizes. Run a second seed of "
        "one size of each, or state the spread of runs (`spread=0.01`, or data with replicates)"
    )
    return Caution("no-replicates", text)


def _paired_by(sizes: list[SizeRuns]) -> tuple[str, ...]:
    seeds = ("seed",) if sizes[0].paired else ()
    items = {None if run.wrong is None else run.wrong.shape[1] for s in sizes for run in (*s.a, *s.b)}
    return ("size", *seeds, *(("item",) if len(items) == 1 and None not in items else ()))


def _course(pooled: Pooled, slope: Belief | None) -> Course:
    """What becomes of the better recipe from the smallest size to the largest."""
    if slope is None:
        return "cannot_tell"
    small, large = (pooled.at(float(x)) for x in (pooled.log_n.min(), pooled.log_n.max()))
    assert small is not None and large is not None  # noqa: S101, PT018 - as the slope is not
    sure = [b.below(0.0) >= _SURE or b.below(0.0) <= 1 - _SURE for b in (small, large)]
    if all(sure) and small.value * large.value < 0:
        return "crosses"
    if sure[0] and slope.p < SIGNIFICANT and abs(large.value) < abs(small.value):
        return "fades"
    return "holds" if all(sure) else "cannot_tell"


def _at_target(
    pooled: Pooled, target: float | None, level: float, names: tuple[str, str]
) -> tuple[AtTarget | None, list[Caution]]:
    """The difference at the target size, and how far that lies beyond the others."""
    if target is None:
        return None, []
    belief = pooled.at(math.log(target), new=True)
    if belief is None:
        text = f"{names[0]} and {names[1]}: a forecast takes three sizes with known numbers of parameters"
        return AtTarget(target, NONE, math.nan, math.nan), [Caution("no-forecast", text)]
    low, high = math.exp(pooled.log_n.min()), math.exp(pooled.log_n.max())
    factor = max(target / high, low / target, 1.0)
    cautions = []
    if factor > 1 + 1e-9:
        text = (
            f"{names[0]} and {names[1]}: the target lies {factor:.3g} times beyond the sizes that were run, "
            "on a straight line in ln N"
        )
        cautions.append(Caution("beyond-ladder", text))
    return AtTarget(target, belief.interval(level), belief.below(0.0), factor), cautions


def _verdict(overall: Belief, margin: float) -> Verdict:
    """The verdict by a single pair; whether it stands among several is decided by `_corrected`."""
    ends = overall.interval(1 - 2 * SIGNIFICANT)
    if margin and -margin < ends.low <= ends.high < margin:
        return "equivalent"
    if overall.p < SIGNIFICANT:
        return "a_better" if overall.value < 0 else "b_better"
    return "cannot_tell"


def _corrected(found: list[Pair], margin: float) -> tuple[Pair, ...]:
    """The pairs with p-values corrected for their number; what is no longer different cannot be told apart."""
    p = holm([pair.p for pair in found])
    pairs = [replace(pair, p_holm=own) for pair, own in zip(found, p, strict=True)]
    return tuple(
        replace(pair, verdict="cannot_tell")
        if pair.verdict in ("a_better", "b_better") and not pair.p_holm < SIGNIFICANT
        else pair
        for pair in pairs
    )


def _groups(names: list[str], found: Sequence[Pair]) -> tuple[tuple[str, ...], ...]:
    """Recipes by their mean difference from the others, in groups that cannot be told apart."""
    total = dict.fromkeys(names, 0.0)
    for pair in found:
        total[pair.a] += pair.delta_loss.value
        total[pair.b] -= pair.delta_loss.value
    different = {frozenset((pair.a, pair.b)) for pair in found if pair.verdict in ("a_better", "b_better")}
    return tuple(map(tuple, groups(sorted(names, key=lambda name: total[name]), different)))


def _decisions(found: list[tuple[Pair, list[SizeRuns]]]) -> tuple[DecisionAccuracy, ...]:
    """How often each size but the largest picks the winner at the largest, over the pairs that have both."""
    largest = max((s for _, sizes in found for s in sizes), key=lambda s: s.params if s.params == s.params else -1)
    right, compute = dict[str, list[float]](), dict[str, dict[int, float]]()
    params = {s.model: s.params for _, sizes in found for s in sizes}
    for _, sizes in found:
        of = {size.model: size for size in sizes}
        for size in sizes:
            spent = compute.setdefault(size.model, {})
            spent.update({id(run.x): run.compute for run in (*size.a, *size.b)})
        if largest.model not in of or not math.isfinite(largest.params):
            continue
        winner = np.sign(_gaps(of[largest.model]).mean())
        for model, size in of.items():
            if model != largest.model:
                right.setdefault(model, []).append(float(np.mean(np.sign(_gaps(size)) == winner)))
    total = sum(compute[largest.model].values())
    return tuple(
        DecisionAccuracy(model, float(np.mean(right[model])), spent, spent / total if total > 0 else math.nan)
        for model in sorted(right, key=lambda m: (params[m], m))
        for spent in (sum(compute[model].values()),)
    )


def _gaps(size: SizeRuns) -> np.ndarray:
    """The differences that single runs of A and B show at the end of their common range."""
    a, b = (np.array([run.at(size.high) for run in own]) for own in (size.a, size.b))
    return a - b if size.paired else (a[:, None] - b[None, :]).ravel()
