"""The resource that reaches a threshold, as a law of the task: T = a D^gamma.

    rlaw.threshold("runs.csv", reach=0.9, along="step", of="depth", by="logic")

The place where a run crosses is known only between two evaluations; that of a run that never got there lies past its
end. Both enter the likelihood as they are: no run is left out, and none is taken as crossing at its end.

Source: ScaleLogic, arXiv:2605.06638 (the law); Tobin 1958 (the likelihood).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from rlaw.errors import NotIdentifiable, UsageError
from rlaw.fitting.diagnostics import Caution
from rlaw.fitting.efficiency import physical, years, years_of
from rlaw.fitting.interval import Interval
from rlaw.fitting.selection import check_draws
from rlaw.fitting.threshold.crossing import crossing
from rlaw.fitting.threshold.draws import Evaluations
from rlaw.fitting.threshold.laws import EXPONENTIAL, POWER
from rlaw.fitting.threshold.model import Model, Runs, deep_enough
from rlaw.fitting.threshold.result import Efficiency, GroupLaw, Later, Pair, Reached, RunReach, Threshold
from rlaw.measurements.scores import Scores, read
from rlaw.study.compute import executed_factor
from rlaw.text import listed

LEAST = 4  # distinct D with a run that crossed
OTHERS = (0.8, 0.9, 0.95)  # thresholds at which gamma is given, too
_FEW_FREE = 4
_OFTEN = 0.5
_UNDECIDED = 2.0  # of AIC


def threshold(
    data: Any,
    *,
    reach: float = 0.9,
    along: str = "compute",
    of: str = "depth",
    by: str | None = None,
    budget: float | None = None,
    efficiency_doubling: float | str | None = None,
    where: Mapping[str, Any] | None = None,
    mapping: Mapping[str, str] | None = None,
    format: str = "auto",
    measure: str | None = None,
    draws: int = 1000,
    level: float = 0.9,
    seed: int = 0,
) -> Threshold:
    """Fit laws of the resource that reaches a threshold.

    Args:
        data: what `rlaw.load` takes; or a table without models, with the columns of `of` and `by`, `seed`, `step` and
            `score` (or `correct` and `items`), or with a row for each run and its interval `low`, `high` (empty:
            never).
        reach: the threshold, a share of right answers.
        along: the resource: "compute", "data", "step", "tokens", "gpu-hours", or a column that counts from the start
            of a run.
        of: the task's variable D, a column of numbers above 0; or what benchmarks such as depth-3 begin with.
        by: the column that groups runs, each group with a gamma of its own.
        budget: resource of one run, to say which D it takes to the threshold; the most that a run spent when None.
        efficiency_doubling: time in which efficiency is assumed to double, years or such as "12 months": how long
            twice the D takes.
        where: column -> value or values of the rows that count.
        mapping, format, measure: as in `rlaw.load`.
        draws: studies drawn for the bootstrap and the test of equal gammas.
        level: of the intervals.
        seed: of the random numbers.

    Raises:
        NotFound, DataError: there is nothing to read, or it lacks a column.
        UsageError: a threshold outside (0, 1), or another argument that makes no sense.
        NotIdentifiable: no group has runs that crossed at four distinct D.
    """
    if not 0 < reach < 1:
        raise UsageError(f"reach {reach:g}: a share of right answers between 0 and 1")
    if budget is not None and not 0 < budget < np.inf:
        raise UsageError(f"budget {budget:g}: a number above 0")
    check_draws(draws, level)
    scores = read(data, of=of, along=along, by=by, where=where, mapping=mapping, format=format, measure=measure)
    reached, at_once = _reached(scores, reach)
    names = list(dict.fromkeys(run.group for run in scores.runs))
    runs, fitted = _runs(scores, reached, names)
    if not fitted:
        raise _refusal(scores.source, reach, of, reached, names)
    model = Model(runs, level, draws, seed)
    spent = budget or max(run.high if not run.censored else run.low for run in reached)
    pairs = [
        Pair(fitted[d.first], fitted[d.second], d.gamma, _verdict(d.gamma)) for d in model.differences
    ]  # of groups in their order
    others = _sensitivity(scores, reach, names, level)
    groups = tuple(_law(model, name, fitted, reached) for name in names)
    line = model.line
    sigma = float(line.sigma_S[0]) * np.sqrt((model.freedom + 2 * len(fitted)) / model.freedom)
    result = Threshold(
        reach=reach,
        along=along,
        of=of,
        by=by,
        runs=tuple(reached),
        groups=groups,
        equal_p=model.equal_p,
        pairs=tuple(pairs),
        delta_aic=model.delta_aic,
        held_out={law.name: model.held_out(law) for law in (POWER, EXPONENTIAL)},
        scatter={"runs": float(sigma), "seeds": float(sigma * line.ratio_S[0])},
        budget=float(spent),
        reached=tuple(Reached(name, model.depth(g, spent)) for g, name in enumerate(fitted)),
        sensitivity=others,
        efficiency=None if efficiency_doubling is None else _efficiency(groups, efficiency_doubling, along, spent),
        warnings=(*(Caution(note.code, note.text) for note in scores.notes), *at_once),
        settings={"level": level, "draws": draws, "seed": seed},
        source=scores.source,
        digest=scores.digest,
    )
    return replace(result, warnings=(*result.warnings, *_cautions(result, model)))


def _reached(scores: Scores, reach: float) -> tuple[list[RunReach], list[Caution]]:
    """The crossing of every run, and a caution about those that had it before they began."""
    found, at_once = [], []
    for run in scores.runs:
        about = run.name, run.group, run.value, run.seed
        if run.ends is not None:
            found.append(RunReach(*about, *run.ends))
            continue
        at = crossing(run.x, run.score, run.answers, reach)
        if at is None or (np.isinf(at.high) and at.low <= 0):
            at_once.append(run.name)
        else:
            found.append(RunReach(*about, at.low, at.high, at.falls_back))
    if not at_once:
        return found, []
    text = f"runs that are at {reach:g} before anything is spent, or were never trained, are left out: "
    return found, [Caution("runs-left-out", text + listed(at_once, 5))]


def _runs(scores: Scores, reached: list[RunReach], names: list[str]) -> tuple[Runs, list[str]]:
    """The runs of the groups that a law can be fitted to, and the names of these groups."""
    low, high, D = (np.array([getattr(run, name) for run in reached]) for name in ("low", "high", "value"))
    group = np.array([names.index(run.group) for run in reached], int)
    own = [group == g for g in range(len(names))]
    enough = [len(deep_enough(low[g], high[g], D[g])) >= LEAST for g in own]
    keep = np.array([enough[g] for g in group], bool)
    seeds = {pair: n for n, pair in enumerate(dict.fromkeys((run.group, run.seed) for run in reached))}
    seed = np.array([seeds[run.group, run.seed] for run in reached], int)
    evaluations = Evaluations(_places(scores, reached), _limits(low, high, D, group))
    runs = Runs(low, high, D, group, seed, evaluations)
    fitted = [name for name, is_enough in zip(names, enough, strict=True) if is_enough]
    return (runs.where(keep) if fitted else runs), fitted


def _places(scores: Scores, reached: list[RunReach]) -> tuple[np.ndarray, ...]:
    """Where each run is evaluated; of one whose interval was given, the interval's ends, or as wide a one."""
    curves = {(run.group, run.value, run.seed, run.name): run.x for run in scores.runs}
    widths = [run.high - run.low for run in reached if not run.censored and run.low > 0]
    usual = float(np.median(widths)) if widths else 0.0
    places = []
    for run in reached:
        x = curves[run.group, run.value, run.seed, run.run]
        ends = np.array([run.low - usual, run.low] if run.censored else [run.low, run.high])
        at = np.unique(x[x > 0] if len(x) else ends)
        places.append(at[at > 0])
    return tuple(places)


def _limits(low: np.ndarray, high: np.ndarray, D: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Where each run would have ended: as those of its group and D that never got there, else as any, else nowhere."""
    never = np.isinf(high)
    limits = np.where(never, low, np.inf)
    for i in np.flatnonzero(~never):
        alike = never & (D[i] == D) & (group == group[i])
        ends = low[alike] if alike.any() else low[never]
        limits[i] = max(ends.max(), high[i]) if len(ends) else np.inf
    return limits


def _refusal(source: str, reach: float, of: str, reached: list[RunReach], names: list[str]) -> NotIdentifiable:
    parts = []
    for name in names:
        at = sorted({run.value for run in reached if run.group == name and not run.censored})
        parts.append(f"{name}{': ' * bool(name)}{', '.join(f'{v:g}' for v in at) or 'none'}")
    return NotIdentifiable(
        f"a law of {of} takes runs that reach {reach:g} at {LEAST} distinct values of {of}, three of them between two "
        f"evaluations; runs reached it at {'; '.join(parts)}\n"
        f"  where: {source}, {len(reached)} runs\n"
        "  next: longer runs, a lower `reach=`, more values, or more evaluations"
    )


def _law(model: Model, name: str, fitted: list[str], reached: list[RunReach]) -> GroupLaw:
    own = [run for run in reached if run.group == name]
    counts = {
        "runs": len(own),
        "censored": sum(run.censored for run in own),
        "crossed": len({run.value for run in own if not run.censored}),
    }
    if name not in fitted:
        none = Interval(float("nan"))
        return GroupLaw(name, none, none, none, none, **counts)
    g = fitted.index(name)
    gamma, a = model.interval(model.groups + g), model.interval(g)
    drawn = model.bootstrap(model.groups + g)
    return GroupLaw(name, gamma, drawn, _each(np.exp, a), _each(np.exp2, gamma), **counts)


def _each(change: Any, interval: Interval) -> Interval:
    with np.errstate(over="ignore"):
        return Interval(*(float(change(end)) for end in (interval.value, interval.low, interval.high)))


def _efficiency(groups: Sequence[GroupLaw], doubling: float | str, along: str, spent: float) -> Efficiency:
    """Years to twice the D: gamma doublings of what a run takes today."""
    every = years_of(doubling)
    known = [group for group in groups if not np.isnan(group.gamma.value)]
    later = tuple(
        Later(g.group, g.gamma, *(_each(partial(years, rate=rate), g.gamma) for rate in (1 / every, 1 / every + 1)))
        for g in known
    )
    side = physical(spent, "as given", executed_factor()) if along == "compute" else None
    return Efficiency(every, side, later)


def _verdict(difference: Interval) -> str:
    apart = difference.low > 0 or difference.high < 0
    return ("larger" if difference.low > 0 else "smaller") if apart else "cannot tell"


def _sensitivity(scores: Scores, reach: float, names: list[str], level: float) -> dict[float, dict[str, Interval]]:
    """Gamma of every group at the other thresholds; nothing where intervals were given."""
    if all(run.ends is not None for run in scores.runs):
        return {}
    found = {}
    for other in OTHERS:
        if abs(other - reach) < 1e-9:
            continue
        reached, _ = _reached(scores, other)
        runs, fitted = _runs(scores, reached, names) if reached else (None, [])
        laws = {name: Interval(float("nan")) for name in names}
        if runs is not None and fitted:
            model = Model(runs, level)
            laws |= {name: model.interval(len(fitted) + g) for g, name in enumerate(fitted)}
        found[other] = laws
    return found


def _cautions(result: Threshold, model: Model) -> Iterator[Caution]:
    """What speaks against trusting the laws."""
    runs, of = result.runs, result.of
    few = [g for g in result.groups if np.isnan(g.gamma.value)]
    if few:
        names = ", ".join(f"{g.group} ({g.crossed})" for g in few)
        text = f"too few values of {of} with a run that crossed, and no law: {names}; {LEAST} are needed"
        yield Caution("few-depths", text)
    if back := [run.run for run in runs if run.falls_back]:
        text = f"{len(back)} runs are clearly below {result.reach:g} again later: {'; '.join(back[:3])}"
        yield Caution("falls-back", text)
    share = sum(run.censored for run in runs) / len(runs)
    if share > _OFTEN:
        text = f"{share:.0%} of the runs never got there: the law rests on the others and on how long these went on"
        yield Caution("mostly-censored", text)
    if model.freedom < _FEW_FREE:
        text = f"the scatter of runs has {model.freedom:g} degrees of freedom: intervals are wide, and rest on it"
        yield Caution("few-runs", text)
    widths = [np.log(run.high / run.low) for run in runs if not run.censored and run.low > 0]
    if widths and np.median(widths) > 2 * np.hypot(result.scatter["runs"], result.scatter["seeds"]):
        text = "evaluations are farther apart than runs scatter: evaluate more often for a sharper law"
        yield Caution("coarse-evaluations", text)
    if abs(result.delta_aic) < _UNDECIDED:
        yield Caution("power-or-exponential", "the runs cannot tell a power law from an exponential in " + of)
    elif result.delta_aic < 0:
        text = f"an exponential fits better: do not extend the power law to larger {of}"
        yield Caution("exponential-fits-better", text)
    for reach, laws in result.sensitivity.items():
        moved = [
            g.group or "all"
            for g in result.groups
            if g not in few and not np.isnan(other := laws[g.group].value) and not g.gamma.low <= other <= g.gamma.high
        ]
        if moved:
            text = f"at {reach:g} gamma leaves the interval that it has at {result.reach:g}: {', '.join(moved)}"
            yield Caution("threshold-decides", text)
