"""One attempt at one run: every record kept before it is told, every ending told and kept."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from rlaw.engines.base import Workspace
from rlaw.engines.synthetic import SyntheticEngine
from rlaw.errors import EngineError, StoreError
from rlaw.execution.base import REFUSED, Event
from rlaw.execution.worker import attempt
from rlaw.store import Store
from rlaw.store.records import Record, RunFailed, RunFinished, RunInterrupted, RunStarted, Step
from rlaw.study import spec
from rlaw.study.plan import Run


@pytest.fixture
def store(tmp_path, tiny_plan) -> Store:
    return Store.create(tmp_path / "store", tiny_plan)


@pytest.fixture
def run(tiny_plan) -> Run:
    return tiny_plan.runs[0]


def make_attempt(run, store, engine=None, stop_at=None) -> list[Event]:
    """The events of an attempt; `stop_at` a step, the wish to stop comes when that step is told."""
    events: list[Event] = []
    stop = threading.Event()

    def tell(event: Event) -> None:
        events.append(event)
        if event.kind == "step" and event.step == stop_at:
            stop.set()

    attempt(run, store, engine or SyntheticEngine(), stop, tell)
    return events


class FailingEngine(SyntheticEngine):
    """Fails in its third step."""

    def train(self, run: Run, workspace: Workspace) -> Iterator[Record]:
        for record in super().train(run, workspace):
            if isinstance(record, Step) and record.step == 3:
                raise MemoryError("no room for step 3")
            yield record


class QuittingEngine(SyntheticEngine):
    """Ends without a last record."""

    def train(self, run: Run, workspace: Workspace) -> Iterator[Record]:
        yield next(super().train(run, workspace))


def test_everything_that_is_told_was_kept_before(store, run):
    kept_when_told = []

    def tell(event: Event) -> None:
        kept_when_told.append(event.kind == store.records(run.label)[-1].kind)

    attempt(run, store, SyntheticEngine(), threading.Event(), tell)
    assert len(kept_when_told) == len(store.records(run.label))
    assert all(kept_when_told)


def test_a_finished_run_has_its_tables(store, run):
    assert make_attempt(run, store)[-1] == Event(label=run.label, kind="run_finished", step=6)
    assert {"evaluations.parquet", "steps.parquet", "tables.json"} < {p.name for p in store.folder(run.label).iterdir()}


def test_a_worker_that_waited_while_another_finished_the_run_writes_nothing(store, run):
    make_attempt(run, store)
    before = {path.name: path.read_bytes() for path in store.folder(run.label).iterdir() if path.is_file()}
    assert make_attempt(run, store) == [Event(label=run.label, kind="run_finished", step=6)]
    assert before == {path.name: path.read_bytes() for path in store.folder(run.label).iterdir() if path.is_file()}


@pytest.mark.parametrize("stop_at", [1, 2, 3, 4, 5, 6])
def test_a_stopped_run_goes_on_to_what_it_would_have_been(tmp_path, tiny_plan, run, store, stop_at, timeless_rows):
    make_attempt(run, store)
    other = Store.create(tmp_path / "other", tiny_plan)
    assert make_attempt(run, other, stop_at=stop_at)[-1].kind == "run_interrupted"
    assert isinstance(other.records(run.label)[-1], RunInterrupted)
    assert other.status(run.label).state == "interrupted"
    make_attempt(run, other)
    assert timeless_rows(other, run.label) == timeless_rows(store, run.label)


def test_an_engine_that_fails_is_a_record_with_its_cause(store, run):
    events = make_attempt(run, store, FailingEngine())
    assert events[-1] == Event(label=run.label, kind="run_failed", step=2, text="MemoryError: no room for step 3")
    last = store.records(run.label)[-1]
    assert isinstance(last, RunFailed)
    assert (last.step, last.cause, last.text) == (2, "MemoryError", "no room for step 3")
    assert make_attempt(run, store)[-1].kind == "run_finished"
    assert store.status(run.label).state == "finished"


def test_an_engine_that_just_ends_has_failed(store, run):
    assert EngineError.__name__ in make_attempt(run, store, QuittingEngine())[-1].text


def test_a_run_that_another_process_writes_is_refused(store, run, monkeypatch):
    monkeypatch.setattr("rlaw.execution.worker.GRACE_SECONDS", -0.9)  # how long to wait for a dying worker
    with store.writer(run):
        (event,) = make_attempt(run, store)
    assert event.kind == REFUSED
    assert "is being written by process" in event.text


def test_a_record_that_could_not_be_kept_is_taken_back_and_the_engine_is_told(store, run, no_file_beyond):
    endings = []

    class NotingEngine(SyntheticEngine):
        def train(self, run: Run, workspace: Workspace) -> Iterator[Record]:
            try:
                yield from super().train(run, workspace)
            except BaseException as error:
                endings.append(type(error))
                raise

    with no_file_beyond(3000):
        events = make_attempt(run, store, NotingEngine())
    assert events[-1].kind == REFUSED
    assert "records.jsonl" in events[-1].text
    assert endings == [StoreError]  # and not GeneratorExit, at which engines save what was told last
    assert [e.kind for e in events[:-1]] == [r.kind for r in store.records(run.label)]


def test_attempts_are_numbered_and_the_newest_is_the_default_view(store, run):
    make_attempt(run, store, stop_at=3)
    make_attempt(run, store)
    raw = [r.attempt for r in store.records(run.label, raw=True) if isinstance(r, RunStarted)]
    assert raw == [1, 2]
    view = store.records(run.label)
    assert [r.attempt for r in view if isinstance(r, RunStarted)] == [2]
    assert [r.step for r in view if isinstance(r, Step)] == [1, 2, 3, 4, 5, 6]
    assert isinstance(view[-1], RunFinished)


LOUD = """
import os
from rlaw import engines
from rlaw.engines.synthetic import SyntheticEngine
from rlaw.execution import worker

class LoudEngine(SyntheticEngine):
    def train(self, run, workspace):
        print("a library's greeting", flush=True)
        os.system("echo greeting of a program")
        yield from super().train(run, workspace)

engines.get = lambda name: LoudEngine()
worker.main()
"""


def test_what_an_engine_prints_is_not_taken_for_events(store, run):
    request = json.dumps({"run": spec.document(run), "store": str(store.path), "argv": []})
    command = [sys.executable, "-c", LOUD]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(request.encode() + b"\n")
        process.stdin.flush()
        events = [Event(**json.loads(line)) for line in process.stdout]
        said = process.stderr.read().decode()
    assert events[-1].kind == "run_finished"
    assert said.splitlines() == ["a library's greeting", "greeting of a program"]
