"""Staged spending: cheap sizes first; each next one is forecast from them, and run only while it promises enough.

    stage: {start: 3, gain_per_doubling: 0.01}

The rule is declared in the study before the first run. Every decision is kept in the store with the numbers it was made
on. Decisions follow from the records alone, so that an interrupted study comes to the same ones again.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

from rlaw import units
from rlaw.errors import NotFound, RlawError, UsageError
from rlaw.execution import runner
from rlaw.execution.base import Event, Executor
from rlaw.execution.meter import Meter, run_flops
from rlaw.forecasting.forecast import forecast
from rlaw.measurements.load import load
from rlaw.store import DONE, Store
from rlaw.store.files import read_json, write_json
from rlaw.study.plan import MAIN, Plan, Run
from rlaw.study.study import Stage

if TYPE_CHECKING:
    from rlaw.execution.runner import Outcome
    from rlaw.measurements.frame import Frame


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Whether the next size was run, and on what numbers.

    Attributes:
        model: the next size.
        go: run it, or stop here.
        rule: gain-per-doubling, interval-width, budget or start.
        value: what the rule compares; None where there is nothing to compare.
        threshold: what it was compared with.
        reason: in words.
        loss, low, high: the forecast of the size's final test loss, and its interval.
        best: lowest final test loss so far.
        spent_flops, next_flops: before the size, and for it.
        digest: of the measurements that the decision was made on.
    """

    model: str
    go: bool
    rule: str
    value: float | None = None
    threshold: float | None = None
    reason: str
    loss: float | None = None
    low: float | None = None
    high: float | None = None
    best: float | None = None
    spent_flops: float = 0.0
    next_flops: float = 0.0
    digest: str = ""

    def __str__(self) -> str:
        return f"{'go on to' if self.go else 'stop before'} {self.model}: {self.reason}"


def run(
    plan: Plan,
    store: Store,
    executor: Executor,
    *,
    retry_failed: bool = False,
    argv: Sequence[str] = (),
    on_event: Callable[[Event], Any] = lambda event: None,
) -> tuple["Outcome", tuple[Decision, ...]]:
    """Run the sizes of a plan from the cheapest on, for as long as the study's rule says go.

    Raises:
        UsageError: the study declares no `stage`.
        BudgetExceeded, EngineError, Interrupted, StoreError: as `rlaw.execution.runner.run`.
    """
    stage = rule(plan)
    runner.check(plan, store, executor, retry_failed=retry_failed)  # all sizes, before the first is trained
    before = {status.label for status in store.runs() if status.state in DONE}
    stages, outcome = _stages(plan), runner.Outcome(done=(), skipped=(), failed={}, left=())
    earlier, made = {decision.model: decision for decision in decisions(store)}, list[Decision]()
    for index, runs in enumerate(stages):
        begun = any(store.status(run.label).attempt for run in runs)  # then the decision stands
        kept = earlier.get(runs[0].size.name) if begun else None
        made.append(kept or _decide(plan, store, stages[:index], runs, stages[-1][0]))
        write_json(store.stages, {"schema": 1, "decisions": [asdict(decision) for decision in made]})
        go = made[-1].go
        if go and index + 1 < min(stage.start, len(stages)):
            continue  # the first sizes are run together
        part = replace(plan, runs=tuple(run for size in stages[: index + go] for run in size))
        outcome = runner.run(part, store, executor, retry_failed=retry_failed, argv=argv, on_event=on_event)
        if not (go and outcome.complete):
            break
    return replace(outcome, skipped=tuple(label for label in outcome.skipped if label in before)), tuple(made)


def decisions(store: Store) -> tuple[Decision, ...]:
    """What a staged study of the store decided; empty when it was not staged."""
    try:
        kept = read_json(store.stages)
    except NotFound:
        return ()
    return tuple(Decision(**prediction) for prediction in kept["decisions"])


def _stages(plan: Plan) -> list[list[Run]]:
    """The runs of each size, smallest size first."""
    ordered = sorted(plan, key=lambda run: run.params)
    return [list(runs) for _, runs in groupby(ordered, key=lambda run: run.params)]


def _decide(plan: Plan, store: Store, done: list[list[Run]], runs: list[Run], largest: Run) -> Decision:
    """Whether to go on to `runs`, the next size after those `done`."""
    chosen = _cost(plan, [run for size in done for run in size])  # of the first sizes, not spent yet
    spent, cost = max(Meter.of(plan, store).compute_flops, chosen), _cost(plan, runs)
    decision = Decision(model=runs[0].size.name, go=True, rule="start", reason="", spent_flops=spent, next_flops=cost)
    cap, start = plan.study.budget.compute, rule(plan).start
    if cap is not None and spent + cost > cap:
        reason = f"{units.flops(spent)} are spent, it takes {units.flops(cost)}, budget.compute is {units.flops(cap)}"
        return replace(decision, go=False, rule="budget", value=spent + cost, threshold=cap, reason=reason)
    if len(done) < start:
        return replace(decision, reason=f"one of the first {start} sizes")
    frame = _frame(plan, store, done)
    return _by_rule(plan, replace(decision, digest=frame.digest, best=_best(frame)), frame, runs[0], largest)


def rule(plan: Plan) -> Stage:
    """The rule that a plan's study declares.

    Raises:
        UsageError: it declares none.
    """
    if plan.study.stage is None:
        raise UsageError(
            "the study declares no rule for its stages\n  next: add `stage: {start: 3, gain_per_doubling: 0.01}` to it"
        )
    return plan.study.stage


def _by_rule(plan: Plan, decision: Decision, frame: "Frame", candidate: Run, largest: Run) -> Decision:
    """What the study's rule says of the next size."""
    stage = rule(plan)
    by_gain = stage.gain_per_doubling is not None
    target = candidate if by_gain else largest
    decision = replace(decision, rule="gain-per-doubling" if by_gain else "interval-width")
    try:
        prediction = forecast(
            frame, target.params, axis=plan.study.fit.axis, at=[_end(plan, target)], window=plan.study.fit.window,
            far=True,
        )  # fmt: skip
        if not prediction.identified:
            raise UsageError("; ".join(warning.text for warning in prediction.warnings))
    except RlawError as error:
        why = str(error).partition("\n")[0]
        return replace(decision, go=stage.without_a_law == "go", reason=f"the sizes so far show no law: {why}")
    point = prediction.points[0]
    decision = replace(decision, loss=point.loss, low=point.low, high=point.high)
    forecasted = f"{target.size.name} is forecast to end at {point.loss:.3f} [{point.low:.3f}, {point.high:.3f}]"
    if stage.gain_per_doubling is not None and decision.best is not None:
        spent = decision.spent_flops
        value = (decision.best - point.loss) / math.log2((spent + decision.next_flops) / spent)
        go, threshold = value >= stage.gain_per_doubling, stage.gain_per_doubling
        reason = (
            f"{forecasted}, the best so far is {decision.best:.3f}: {value:.4f} less test loss for each doubling "
            f"of the compute, and the rule asks for {threshold:g}"
        )
    else:
        value, threshold = point.high - point.low, stage.interval_width or 0.0
        go, reason = value > threshold, f"{forecasted}, {value:.3f} wide, and {threshold:g} is enough"
    return replace(decision, go=go, value=value, threshold=threshold, reason=reason)


def _frame(plan: Plan, store: Store, done: list[list[Run]]) -> "Frame":
    """The main study's measurements of the sizes done, of its first variant and benchmark."""
    first = {"benchmark": plan.study.evaluation.benchmarks[0], "variant": next(iter(plan.study.model.variants))}
    return load(store.path).where(arm=MAIN, model=tuple(runs[0].size.name for runs in done), **first)


def _best(frame: "Frame") -> float:
    """The lowest mean over seeds of a size's final test loss."""
    import polars as pl

    last = frame.rows.filter(pl.col("step") == pl.col("step").max().over("run"))
    return float(last.group_by("params").agg(pl.col("test_loss").mean())["test_loss"].min())  # pyright: ignore


def _end(plan: Plan, run: Run) -> float:
    """Where on the fit's axis a run ends."""
    axis = plan.study.fit.axis
    if axis == "compute":
        return run.rl_flops(plan.study.fit.accounting)
    return float(run.rl.steps * run.rl.prompts) if axis == "data" else float(run.rl.steps)


def _cost(plan: Plan, runs: list[Run]) -> float:
    part = replace(plan, runs=tuple(runs))
    return part.base_flops + sum(run_flops(plan, run) for run in runs)
