"""Workers that hang, stores that go away, and what is said of those who died."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rlaw.cli import main
from rlaw.engines.synthetic import DELAY_VARIABLE
from rlaw.errors import StoreError
from rlaw.execution.base import LOST, MOVED, Event, last_error
from rlaw.execution.local import LocalExecutor
from rlaw.execution.runner import TRIES_AGAIN, run
from rlaw.store import Store
from rlaw.store.lock import owner_of

LONGER = {"steps": 40, "prompts": 8, "num_generations": 4}


def owner(store: Store, label: str) -> int:
    found = owner_of(store.folder(label) / "lock")
    assert found is not None
    return found.pid


def test_a_worker_that_hangs_is_ended_after_the_declared_silence_and_its_run_tried_again(
    tmp_path, make_plan, monkeypatch
):
    plan = make_plan(rl=LONGER, budget={"silence": "3 s"})
    store, label = Store.create(tmp_path / "store", plan), plan.runs[-1].label
    monkeypatch.setenv(DELAY_VARIABLE, "0.02")
    events: list[Event] = []

    def hang(event: Event) -> None:
        events.append(event)
        if event.label == label and event.step == 12 and not any(e.kind == MOVED for e in events):
            os.kill(owner(store, label), signal.SIGSTOP)

    assert run(plan, store, LocalExecutor(1), on_event=hang).complete
    (moved,) = (event for event in events if event.kind == MOVED)
    assert "longer than budget.silence; it starts again" in moved.text
    assert [row.attempt for row in store.records(label, raw=True) if row.kind == "run_started"] == [1, 2]


def test_a_run_that_always_hangs_is_given_up(tmp_path, make_plan, monkeypatch):
    plan = make_plan(model={"ladder": [{"hidden": 16, "layers": 2}]}, fit={"laws": ["power"]}, budget={"silence": 2})
    store = Store.create(tmp_path / "store", plan)
    monkeypatch.setenv(DELAY_VARIABLE, "60")
    events: list[Event] = []
    outcome = run(plan, store, LocalExecutor(1), on_event=events.append)
    assert [event.kind for event in events].count(MOVED) == TRIES_AGAIN
    assert [event.kind for event in events].count(LOST) == 1
    assert "for the 3rd time" in outcome.failed[plan.runs[0].label]


def test_status_says_how_long_a_running_run_is_silent(tmp_path, tiny_plan, capsys):
    store, run_ = Store.create(tmp_path / "store", tiny_plan), tiny_plan.runs[0]
    with store.writer(run_):
        for name in ("lock", "records.jsonl"):
            then = time.time() - 75.2
            os.utime(store.folder(run_.label) / name, (then, then))
        assert main(["status", str(store.path)]) == 0
        assert "silent for 75 s" in capsys.readouterr().out
        assert main(["status", str(store.path), "--json"]) == 0
    first, second, _ = json.loads(capsys.readouterr().out)["runs"]
    assert 75 <= first["silent_seconds"] < 100
    assert second["silent_seconds"] is None


def test_a_study_whose_store_is_moved_stops_with_that_and_writes_nothing_to_the_old_place(
    tmp_path, make_plan, monkeypatch
):
    plan = make_plan(rl=LONGER)
    store, new = Store.create(tmp_path / "store", plan), tmp_path / "moved"
    monkeypatch.setenv(DELAY_VARIABLE, "0.02")

    def move(event: Event) -> None:
        if event.step == 12 and not new.exists():
            store.path.rename(new)

    with pytest.raises(StoreError, match="was moved or removed"):
        run(plan, store, LocalExecutor(2), on_event=move)
    assert not store.path.exists()
    assert run(plan, Store.open(new), LocalExecutor(2)).complete


def test_the_last_error_is_no_advice():
    said = "Traceback (most recent call last):\n  File x\nrlaw.errors.NotFound: no store\n  next: rlaw run STUDY\n"
    assert last_error(said) == "rlaw.errors.NotFound: no store"
    assert last_error("") == ""
    assert last_error("  only advice\n") == "  only advice"
    assert len(last_error("x" * 10_000)) < 600


def test_a_run_that_was_interrupted_is_not_told_to_retry_failed_ones(tmp_path, write_study, capsys, monkeypatch):
    study = write_study(rl=LONGER)
    monkeypatch.setenv(DELAY_VARIABLE, "0.05")
    words = [sys.executable, "-m", "rlaw", "run", str(study), "--store", str(tmp_path / "store"), "--workers", "1"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        pid = first_writer(tmp_path / "store")
        time.sleep(0.3)
        os.kill(pid, signal.SIGKILL)
        said, _ = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "the same command resumes the others" in said
    assert "--retry-failed" not in said


def first_writer(path: Path) -> int:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for lock in path.glob("runs/*/lock"):
            if found := owner_of(lock):
                return found.pid
        time.sleep(0.05)
    raise AssertionError("no worker began")
