"""N steps are k steps, a fresh process and N - k steps: every weight and every logged number, bit for bit."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from test_soak import KILLS, LOCAL

from rlaw.engines.synthetic import SyntheticEngine
from rlaw.execution.base import NOTE, Event
from rlaw.execution.worker import attempt
from rlaw.store import Store
from rlaw.store.provenance import versions
from rlaw.store.records import RunStarted
from rlaw.study.plan import plan
from rlaw.study.study import Study

STEPS = 24
RESUMES = 20 if KILLS >= 200 else 2
#: one attempt in a process of its own, stopped when a step is told (0: never)
ATTEMPT = """
import sys, threading
from rlaw import engines
from rlaw.execution.worker import attempt
from rlaw.study.plan import plan
from rlaw.store import Store

store, stop_at, stop = Store.open(sys.argv[1]), int(sys.argv[2]), threading.Event()
run = plan(store.study).runs[0]

def tell(event):
    if event.kind == "step" and event.step == stop_at:
        stop.set()

attempt(run, store, engines.get(run.engine.name), stop, tell)
"""


def make_attempt(store: Path, home: Path, hash_seed: int, stop_at: int = 0) -> None:
    environment = {**os.environ, "PYTHONHASHSEED": str(hash_seed), "RLAW_HOME": str(home)}
    command = [sys.executable, "-c", ATTEMPT, str(store), str(stop_at)]
    subprocess.run(command, env=environment, check=True, capture_output=True)


def test_a_run_stopped_at_any_step_and_resumed_in_a_fresh_process_is_the_same_run(tmp_path, timeless_rows):
    pytest.importorskip("jax", reason="the local engine is not installed: pip install 'rlaw[local]'")
    study = {**LOCAL, "seeds": [0], "rl": {**LOCAL["rl"], "steps": STEPS}}
    laid_out = plan(Study.model_validate(study))
    label, home = laid_out.runs[0].label, tmp_path / "home"
    whole = Store.create(tmp_path / "whole", laid_out)
    make_attempt(whole.path, home, hash_seed=0)
    truth = timeless_rows(whole, label)
    assert truth[-1]["kind"] == "run_finished"
    assert len(truth[-1]["weights"]) == 64
    chosen = np.random.default_rng(8).choice(np.arange(1, STEPS), RESUMES, replace=False)
    for k in chosen:
        store = Store.create(tmp_path / f"at-{k}", laid_out)
        make_attempt(store.path, home, hash_seed=int(k), stop_at=int(k))
        make_attempt(store.path, home, hash_seed=int(k) + 100)
        started = [r for r in store.records(label, raw=True) if isinstance(r, RunStarted)]
        assert [r.resumed_at for r in started] == [0, k]
        assert timeless_rows(store, label) == truth
    print(f"resumed at {sorted(chosen.tolist())}: {len(truth)} records and the weights' SHA-256 equal, bit for bit")


def test_a_resume_under_other_versions_or_threads_is_told(tmp_path, make_small, monkeypatch):
    laid_out = make_small(tmp_path / "other")
    run, store = laid_out.runs[0], Store.create(tmp_path / "store", laid_out)
    told: list[Event] = []
    stop = threading.Event()

    def tell(event: Event) -> None:
        told.append(event)
        if event.kind == "step" and event.step == 2:
            stop.set()

    installed = versions()
    with monkeypatch.context() as older:
        older.setattr("rlaw.engines.base.versions", lambda: {**installed, "numpy": "1.0"})
        attempt(run, store, SyntheticEngine(), stop, tell)
    attempt(run, store, SyntheticEngine(), threading.Event(), told.append)
    (note,) = [event for event in told if event.kind == NOTE]
    assert f"resumes at step 1 under other circumstances (numpy 1.0 -> {installed['numpy']})" in note.text
    assert store.status(run.label).state == "finished"
