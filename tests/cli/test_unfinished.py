"""Measurements of runs that are not done: every command cautions, and --strict refuses."""

import json
import shutil
import threading
from pathlib import Path

import pytest

import rlaw
from rlaw.cli import main
from rlaw.engines.synthetic import SyntheticEngine
from rlaw.execution.worker import attempt
from rlaw.fitting.diagnostics import UNFINISHED
from rlaw.store import Store
from rlaw.store.records import RunFailed
from rlaw.study.plan import plan

COMMANDS = (
    ("fit", "--axis", "data"),
    ("forecast", "--target", "largest", "--anchor", "first:5", "--axis", "data"),
    ("compare", "--cut", "5", "--axis", "data", "--laws", "power"),
    ("allocate", "--compute", "1e9"),
)
ONE = ("--where", "benchmark=held-out", "--draws", "20")


@pytest.fixture
def half_done(store, tmp_path) -> Path:
    """The ladder of 15 runs, one of them interrupted, one failed, one never started."""
    path = Path(shutil.copytree(store.path, tmp_path / "store"))
    (path / "index.sqlite").unlink(missing_ok=True)
    kept = Store.open(path)
    mains = [run for run in plan(kept.study) if run.arm == "main"]
    for run in (mains[0], mains[3], mains[7]):
        shutil.rmtree(kept.folder(run.label))
    stop = threading.Event()
    attempt(mains[0], kept, SyntheticEngine(), stop, lambda event: stop.set() if event.step == 20 else None)
    stop = threading.Event()
    attempt(mains[3], kept, SyntheticEngine(), stop, lambda event: stop.set() if event.step == 11 else None)
    with kept.writer(mains[3]) as log:
        log.journal.append(RunFailed(run=mains[3].id, attempt=2, step=11, cause="OSError", text="no"))
    return path


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
def test_runs_that_are_not_done_are_cautioned_and_refused_under_strict(half_done, capsys, words):
    name, *options = words
    assert main([name, str(half_done), *options, *ONE, "--json"]) == 0
    (caution,) = (w for w in json.loads(capsys.readouterr().out)["warnings"] if w["code"] == UNFINISHED)
    assert "1 unfinished" in caution["text"]
    assert "at step 20 of 40" in caution["text"]
    assert "1 failed" in caution["text"]
    assert "1 never measured" in caution["text"]
    assert main([name, str(half_done), *options, *ONE, "--strict"]) == 4
    captured = capsys.readouterr()
    assert f"caution ({UNFINISHED}): planned runs that are not done: 1 unfinished" in captured.out


def test_runs_of_other_arms_are_nobodys_doubt(half_done, store):
    assert {run.arm for run in rlaw.load(half_done).undone} == {"main"}
    assert rlaw.load(half_done).where(arm="reuse").undone == ()
    assert len(rlaw.load(half_done).where(seed=0).undone) < 3
    assert rlaw.load(store.path).undone == ()
