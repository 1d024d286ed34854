"""A run whose numbers are no evidence is marked diverged; its records are kept, and fits leave it out and say so."""

import math
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

import rlaw
from rlaw.engines.base import Workspace
from rlaw.engines.synthetic import SyntheticEngine
from rlaw.execution.worker import attempt
from rlaw.store import Store
from rlaw.store.records import Evaluated, Record, RunStarted, Step
from rlaw.study.plan import Run

STEPS = 40


class BreakingEngine(SyntheticEngine):
    """Tells other numbers from a step on, until another."""

    def __init__(self, first: int, last: int, **numbers: float) -> None:
        self.first, self.last, self.numbers = first, last, numbers

    def train(self, run: Run, workspace: Workspace) -> Iterator[Record]:
        for record in super().train(run, workspace):
            broken = isinstance(record, Step) and self.first <= record.step <= self.last
            yield replace(record, **self.numbers) if broken else record


@pytest.fixture
def store(tmp_path, make_plan) -> Store:
    return Store.create(tmp_path / "store", make_plan(rl={"steps": STEPS, "prompts": 8, "num_generations": 4}))


def train(store: Store, engines: list[SyntheticEngine]) -> list[Run]:
    from rlaw.study.plan import plan

    runs = list(plan(store.study))
    for run, engine in zip(runs, engines, strict=True):
        attempt(run, store, engine, threading.Event(), lambda event: None)
    return runs


@pytest.mark.parametrize(("first", "last"), [(1, 1), (20, 20), (STEPS, STEPS), (1, STEPS)])
@pytest.mark.parametrize("numbers", [{"loss": math.nan}, {"loss": math.inf}, {"reward_mean": -math.inf}])
def test_a_number_that_is_none_marks_the_run_and_the_frame_leaves_it_out_and_counts(store, first, last, numbers):
    runs = train(store, [BreakingEngine(first, last, **numbers), SyntheticEngine(), SyntheticEngine()])
    broken = store.status(runs[0].label)
    (name,) = numbers
    assert (broken.state, broken.cause) == ("diverged", "diverged")
    assert broken.text == f"{name} is {numbers[name]} at step {first}"
    records = store.records(runs[0].label)
    assert len([r for r in records if isinstance(r, Step)]) == STEPS
    frame = rlaw.load(store.path)
    assert frame.dropped == {"diverged": len([r for r in records if isinstance(r, Evaluated)])}
    assert "rows of runs that diverged" in str(frame)
    assert set(frame.models) == {run.size.name for run in runs[1:]}


def test_a_collapsed_reward_marks_the_run_also_where_only_the_journal_is_left(store):
    runs = train(store, [SyntheticEngine(), SyntheticEngine(), BreakingEngine(31, STEPS, reward_mean=0.001)])
    states = [store.status(run.label).state for run in runs]
    assert states == ["finished", "finished", "diverged"]
    assert "reward collapsed from" in store.status(runs[2].label).text
    told = rlaw.load(store.path)
    for name in ("tables.json", "evaluations.parquet", "steps.parquet"):
        for run in runs:
            (store.folder(run.label) / name).unlink()
    assert rlaw.load(store.path).rows.equals(told.rows)
    assert rlaw.load(store.path).dropped == told.dropped != {}


def test_a_reward_that_falls_for_a_while_or_under_a_curriculum_has_not_collapsed(store):
    from rlaw.store.status import divergence

    runs = train(store, [SyntheticEngine(), BreakingEngine(15, 28, reward_mean=0.001), SyntheticEngine()])
    assert [store.status(run.label).state for run in runs] == ["finished"] * 3
    collapsed = [
        replace(r, reward_mean=0.001) if isinstance(r, Step) and r.step > 30 else r
        for r in store.records(runs[0].label)
    ]
    assert divergence(collapsed)
    assert not divergence([replace(r, order="curriculum") if isinstance(r, RunStarted) else r for r in collapsed])
