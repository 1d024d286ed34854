"""Plans are run to the end through crashes, signals, failures and spent budgets, and nothing is run twice."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest

from rlaw.engines.local.engine import SECONDS_TO_COMPILE, LocalEngine
from rlaw.engines.synthetic import DELAY_VARIABLE
from rlaw.errors import BudgetExceeded, StoreError, UsageError
from rlaw.execution.base import Attempt, Event, Executor
from rlaw.execution.local import LocalExecutor
from rlaw.execution.runner import estimate, pending, run
from rlaw.store import Store
from rlaw.store.files import write_json
from rlaw.store.lock import owner_of
from rlaw.store.records import RunInterrupted
from rlaw.study.plan import Plan, base_key

LONGER = {"steps": 30, "prompts": 8, "num_generations": 4}

#: a parent that notes outside the store whatever it was told is kept
PARENT = """
import json, os, sys
from rlaw.execution.local import LocalExecutor
from rlaw.study.plan import plan
from rlaw.execution.runner import run
from rlaw.store import Store
store = Store.open(sys.argv[1])
ledger = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
def note(event):
    kept = [event.label, event.kind, event.step, event.benchmark, event.test_loss]
    os.write(ledger, json.dumps(kept).encode() + b"\\n")
print("go", flush=True)
outcome = run(plan(store.study), store, LocalExecutor(2), on_event=note)
sys.exit(0 if outcome.complete else 1)
"""


@contextmanager
def parent(store: Store, ledger: Path, delay_seconds: float) -> Iterator[subprocess.Popen[str]]:
    environment = {**os.environ, DELAY_VARIABLE: str(delay_seconds)}
    command = [sys.executable, "-c", PARENT, str(store.path), str(ledger)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "go\n"
        try:
            yield process
        finally:
            process.kill()


def writers(store: Store) -> list[int]:
    """Process ids of the living writers of a store."""
    owners = [owner_of(store.folder(label) / "lock") for label in store.labels()]
    return [owner.pid for owner in owners if owner is not None]


def check_ledger(store: Store, ledger: Path) -> int:
    """Every step and evaluation that was acknowledged stands in the default view exactly once; gives how many."""
    acknowledged = {tuple(json.loads(line)) for line in ledger.read_text().splitlines()}
    kept = [
        (label, r.kind, r.step, getattr(r, "benchmark", ""), getattr(r, "test_loss", None))
        for label in store.labels()
        for r in store.records(label)
        if r.kind in ("step", "evaluated")
    ]
    assert len(kept) == len(set(kept))
    wanted = {row for row in acknowledged if row[1] in ("step", "evaluated")}
    assert wanted <= set(kept)
    return len(wanted)


def all_rows(store: Store, timeless_rows):
    return {label: timeless_rows(store, label) for label in store.labels()}


@pytest.fixture
def longer_plan(make_plan) -> Plan:
    return make_plan(rl=LONGER)


def test_any_number_of_workers_gives_the_same_records(tmp_path, tiny_plan, train_here, timeless_rows):
    truth = train_here(tmp_path / "truth", tiny_plan)
    for workers in (1, 2):
        store = Store.create(tmp_path / str(workers), tiny_plan)
        assert run(tiny_plan, store, LocalExecutor(workers)).complete
        assert all_rows(store, timeless_rows) == all_rows(truth, timeless_rows)


def test_workers_killed_at_random_moments_lose_nothing(tmp_path, longer_plan, train_here, timeless_rows):
    truth = train_here(tmp_path / "truth", longer_plan)
    store, ledger = Store.create(tmp_path / "store", longer_plan), tmp_path / "ledger"
    draws, killed = np.random.default_rng(0), 0
    for _ in range(20):
        with parent(store, ledger, delay_seconds=0.01) as process:
            while process.poll() is None:
                time.sleep(draws.uniform(0.02, 0.25))
                victims = writers(store) if killed < 12 else []
                for pid in victims[:1]:
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                        killed += 1
            if process.returncode == 0:
                break
    assert killed >= 8
    assert check_ledger(store, ledger) >= 3 * 30
    assert all_rows(store, timeless_rows) == all_rows(truth, timeless_rows)


def test_parents_killed_at_random_moments_leave_no_orphans_and_lose_nothing(
    tmp_path, longer_plan, train_here, timeless_rows
):
    truth = train_here(tmp_path / "truth", longer_plan)
    store, ledger = Store.create(tmp_path / "store", longer_plan), tmp_path / "ledger"
    draws = np.random.default_rng(1)
    for _ in range(6):
        with parent(store, ledger, delay_seconds=0.1) as process:
            while not ledger.exists() or not ledger.stat().st_size:  # however busy the machine is
                time.sleep(0.02)
            time.sleep(draws.uniform(0.0, 0.6))
            process.kill()
            orphans = writers(store)
        deadline = time.monotonic() + 1.5  # left alone they would take 3 s
        while set(orphans) & set(writers(store)) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not set(orphans) & set(writers(store))
    assert run(longer_plan, store, LocalExecutor(2)).complete
    assert check_ledger(store, ledger) > 0
    assert all_rows(store, timeless_rows) == all_rows(truth, timeless_rows)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_within_five_seconds_and_the_same_call_goes_on(
    tmp_path, longer_plan, train_here, timeless_rows, number, code, monkeypatch
):
    store = Store.create(tmp_path / "store", longer_plan)
    monkeypatch.setenv(DELAY_VARIABLE, "0.05")
    began = []

    def interrupt(event: Event) -> None:
        if event.kind == "step" and event.step == 4 and not began:
            began.append(time.monotonic())
            os.kill(os.getpid(), number)

    with pytest.raises(Exception, match=f"stopped by {number.name}") as stopped:
        run(longer_plan, store, LocalExecutor(2), on_event=interrupt)
    assert time.monotonic() - began[0] < 5
    assert stopped.value.exit_code == code
    assert writers(store) == []
    assert [s.state for s in store.runs()] == ["planned", "interrupted", "interrupted"]
    assert isinstance(store.records(longer_plan.runs[-1].label)[-1], RunInterrupted)
    monkeypatch.delenv(DELAY_VARIABLE)
    assert run(longer_plan, store, LocalExecutor(2)).complete
    truth = train_here(tmp_path / "truth", longer_plan)
    assert all_rows(store, timeless_rows) == all_rows(truth, timeless_rows)


def test_a_second_signal_ends_at_once(tmp_path, longer_plan, monkeypatch):
    store = Store.create(tmp_path / "store", longer_plan)
    monkeypatch.setenv(DELAY_VARIABLE, "30")  # a step that does not end within the grace
    sent = []

    def interrupt(event: Event) -> None:
        if event.kind == "evaluated" and not sent:
            sent.append(time.monotonic() + 0.3)
            for seconds in (0.3, 0.6):  # the next step has begun by then
                threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGINT)).start()

    with pytest.raises(Exception, match="stopped by SIGINT"):
        run(longer_plan, store, LocalExecutor(1), on_event=interrupt)
    assert time.monotonic() - sent[0] < 2
    assert writers(store) == []


def test_an_engine_that_does_not_stop_is_ended_with_the_grace(tmp_path, longer_plan, monkeypatch):
    store = Store.create(tmp_path / "store", longer_plan)
    monkeypatch.setenv(DELAY_VARIABLE, "30")
    sent, ends = [], []

    def interrupt(event: Event) -> None:
        ends[:] = [event] if event.label else ends
        if event.kind == "evaluated" and not sent:
            sent.append(time.monotonic() + 0.3)
            threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGTERM)).start()  # the next step has begun by then

    with pytest.raises(Exception, match="stopped by SIGTERM"):
        run(longer_plan, store, LocalExecutor(1), on_event=interrupt)
    assert time.monotonic() - sent[0] < 5
    assert (ends[0].kind, "could save" in ends[0].text) == ("run_interrupted", True)
    assert writers(store) == []
    assert store.runs()[-1].state == "interrupted"


def test_a_failed_run_does_not_stop_the_study_and_is_tried_again_only_when_asked(tmp_path, tiny_plan):
    store = Store.create(tmp_path / "store", tiny_plan)
    broken = tiny_plan.runs[1].label
    checkpoint = store.folder(broken) / "checkpoints" / "state.json"
    checkpoint.parent.mkdir(parents=True)
    write_json(checkpoint, {"stage": 5})  # sealed, but not what the engine looks for
    outcome = run(tiny_plan, store, LocalExecutor(2))
    assert len(outcome.done) == 2
    assert list(outcome.failed) == [broken]
    assert outcome.failed[broken].startswith("KeyError")
    checkpoint.unlink()
    again = run(tiny_plan, store, LocalExecutor(2))
    assert (again.left, again.failed) == ((broken,), {})
    assert store.status(broken).state == "failed"
    assert run(tiny_plan, store, LocalExecutor(2), retry_failed=True).complete


def test_a_worker_that_dies_is_told_and_its_run_goes_on_later(tmp_path, longer_plan, monkeypatch):
    store = Store.create(tmp_path / "store", longer_plan)
    monkeypatch.setenv(DELAY_VARIABLE, "0.01")
    victim = longer_plan.runs[-1].label

    def kill(event: Event) -> None:
        if event.label == victim and event.step == 12 and (owner := owner_of(store.folder(victim) / "lock")):
            os.kill(owner.pid, signal.SIGKILL)

    outcome = run(longer_plan, store, LocalExecutor(2), on_event=kill)
    assert list(outcome.failed) == [victim]
    assert "SIGKILL" in outcome.failed[victim]
    assert len(outcome.done) == 2
    assert store.status(victim).state == "interrupted"
    assert store.status(victim).step >= 12
    last = run(longer_plan, store, LocalExecutor(2))
    assert last.complete
    assert set(last.skipped) == set(outcome.done)


def test_at_the_end_of_the_wall_time_running_runs_save_and_none_starts(tmp_path, make_plan, monkeypatch):
    plan = make_plan(rl=LONGER, budget={"wall": "1 s"})
    store = Store.create(tmp_path / "store", plan)
    monkeypatch.setenv(DELAY_VARIABLE, "0.06")
    with pytest.raises(BudgetExceeded, match=r"budget\.wall") as stopped:
        run(plan, store, LocalExecutor(1))
    assert stopped.value.exit_code == 4
    assert [s.state for s in store.runs()] == ["planned", "planned", "interrupted"]


def test_a_plan_above_its_compute_budget_is_not_started(tmp_path, make_plan):
    plan = make_plan(budget={"compute": "1 FLOPs"})
    store = Store.create(tmp_path / "store", plan)
    with pytest.raises(BudgetExceeded, match=r"budget\.compute"):
        run(plan, store, LocalExecutor(1))
    assert [s.state for s in store.runs()] == ["planned"] * 3


def test_a_second_command_on_the_same_store_is_refused(tmp_path, tiny_plan):
    store = Store.create(tmp_path / "store", tiny_plan)
    with store.lock(), pytest.raises(StoreError, match=f"process {os.getpid()} "):
        run(tiny_plan, store, LocalExecutor(1))
    assert [s.state for s in store.runs()] == ["planned"] * 3


def test_finished_runs_are_skipped(tmp_path, tiny_plan, train_here):
    store = train_here(tmp_path / "store", tiny_plan)
    began: list[Event] = []
    outcome = run(tiny_plan, store, LocalExecutor(2), on_event=began.append)
    assert began == []
    assert set(outcome.skipped) == set(store.labels())
    assert pending(tiny_plan, store) == []


def test_no_worker_is_no_executor():
    with pytest.raises(UsageError, match="`workers=`"):
        LocalExecutor(0)


class InstantExecutor(Executor):
    """Makes no attempt at all: says at each poll that the runs before have made their base, and at the next the end."""

    def __init__(self, workers: int = 3) -> None:
        self.workers = workers
        self.order: list[str] = []
        self.making: dict[str, str] = {}
        self.training: list[str] = []

    @property
    def running(self) -> tuple[str, ...]:
        return (*self.making, *self.training)

    def check(self, run) -> None:
        """Everything has room here."""

    def start(self, attempt: Attempt) -> None:
        assert base_key(attempt.run) not in self.making.values(), "two workers make the same base"
        self.order.append(attempt.run.label)
        self.making[attempt.run.label] = base_key(attempt.run)

    def poll(self, timeout_seconds: float) -> list[Event]:
        ended = [Event(label=label, kind="run_finished") for label in self.training]
        events = [Event(label=label, kind="base_trained") for label in self.making]
        self.training, self.making = list(self.making), {}
        return [*ended, *events]

    def stop(self) -> None: ...

    def kill(self) -> None: ...


def test_the_longest_runs_start_first_and_no_base_is_made_twice(tmp_path, make_plan):
    largest_size = make_plan().runs[-1].size.name
    arms = [{"name": f"reuse-{tau}", "rungs": [largest_size], "data": {"reuse": tau}} for tau in (2, 3, 6)]
    plan = make_plan(arms=arms, seeds=[0, 1])
    assert len(plan) == 3 * 2 + 3 * 2
    executor = InstantExecutor()
    run(plan, Store.create(tmp_path / "store", plan), executor)
    assert sorted(executor.order) == sorted(r.label for r in plan)
    assert executor.order[0] in {r.label for r in plan if r.size.name == largest_size}


def test_seeds_of_one_size_start_one_after_the_other_while_another_size_is_at_hand(tmp_path, make_plan):
    plan = make_plan(seeds=[0, 1])
    small, middle, large = ([r.label for r in plan if r.size.name == size.name] for size in plan.study.model.ladder)
    executor = InstantExecutor(workers=2)
    run(plan, Store.create(tmp_path / "store", plan), executor)
    assert executor.order == [large[0], middle[0], large[1], middle[1], *small]
    assert len({r.programs for r in plan}) == 3


def test_what_runs_share_is_estimated_once(make_plan):
    plan = make_plan(engine="local", seeds=[0, 1])
    whole = {r.label: LocalEngine().estimate_seconds(r) for r in plan}
    of_plan = estimate(plan)
    for size in plan.study.model.ladder:
        first, second = (r for r in plan if r.size.name == size.name)
        assert of_plan[first.label] == whole[first.label]  # its base, and the programs of this size
        assert of_plan[second.label] == pytest.approx(whole[second.label] - SECONDS_TO_COMPILE)  # a base of its own
