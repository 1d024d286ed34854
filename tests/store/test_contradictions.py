"""A store that contradicts itself is neither read quietly nor made worse: what was there is there after the refusal."""

import json
import shutil
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import rlaw
from rlaw.cli import main
from rlaw.engines.synthetic import SyntheticEngine
from rlaw.errors import EngineError, StoreError
from rlaw.execution import runner
from rlaw.execution.base import REFUSED, Event
from rlaw.execution.local import LocalExecutor
from rlaw.execution.worker import attempt
from rlaw.store import Store, records
from rlaw.store.files import read_json, write_json
from rlaw.store.records import RunStarted, Step
from rlaw.study.plan import Plan, Run


@pytest.fixture
def store(tmp_path: Path, tiny_plan: Plan, train_here: Callable[[Path, Plan], Store]) -> Store:
    """Three finished runs, settled."""
    made = train_here(tmp_path / "store", tiny_plan)
    made.settle()
    return made


def journal(store: Store, run: Run) -> Path:
    return store.folder(run.label) / "records.jsonl"


def without_tables(store: Store, run: Run) -> None:
    for name in ("tables.json", "steps.parquet", "evaluations.parquet"):
        (store.folder(run.label) / name).unlink()
    (store.path / "index.sqlite").unlink(missing_ok=True)


def content(store: Store) -> dict[str, bytes]:
    """Every file but locks and what the system says."""
    files = (path for path in store.path.rglob("*") if path.is_file() and path.name not in ("lock", "worker.log"))
    return {str(path.relative_to(store.path)): path.read_bytes() for path in files}


def refuse(store: Store, plan: Plan, match: str) -> None:
    """Neither a fit, nor a status, nor another run takes the store, and nothing is different afterwards."""
    before = content(store)
    with pytest.raises(StoreError, match=match):
        rlaw.load(store.path)
    with pytest.raises(StoreError, match=match):
        Store.open(store.path).runs()
    with pytest.raises(StoreError, match=match):
        runner.run(plan, Store.open(store.path), LocalExecutor(1))
    assert content(store) == before


def relink(lines: list[bytes]) -> list[bytes]:
    """The lines as rlaw 0.1.0 would have written them: none names the one before."""
    bodies = [line.rpartition(b',"after"')[0] + b"}" for line in lines]
    return [body[:-1] + b',"crc":"%08x"}\n' % zlib.crc32(body) for body in bodies]


@pytest.mark.parametrize("tables", [True, False])
@pytest.mark.parametrize("lost", [0, 1, 5, 9])
def test_a_line_that_is_missing_before_the_last_is_noticed(store, tiny_plan, lost, tables):
    run = tiny_plan.runs[0]
    if not tables:
        without_tables(store, run)
    lines = journal(store, run).read_bytes().splitlines(keepends=True)
    journal(store, run).write_bytes(b"".join(lines[:lost] + lines[lost + 1 :]))
    refuse(store, tiny_plan, r"records\.jsonl")


def test_lines_that_changed_places_are_noticed(store, tiny_plan):
    run = tiny_plan.runs[0]
    without_tables(store, run)
    lines = journal(store, run).read_bytes().splitlines(keepends=True)
    lines[4], lines[5] = lines[5], lines[4]
    journal(store, run).write_bytes(b"".join(lines))
    refuse(store, tiny_plan, r"records\.jsonl: line 5 .*does not follow the line before")


@pytest.mark.parametrize("lost", [0, 4, 7])
def test_a_missing_start_or_step_is_noticed_in_lines_that_are_not_linked(store, tiny_plan, lost):
    run = tiny_plan.runs[0]
    without_tables(store, run)
    lines = relink(journal(store, run).read_bytes().splitlines(keepends=True))
    kinds = [json.loads(line)["kind"] for line in lines]
    assert kinds[lost] in ("run_started", "step")
    journal(store, run).write_bytes(b"".join(lines))
    assert len(Store.open(store.path).records(run.label)) == len(lines)
    journal(store, run).write_bytes(b"".join(lines[:lost] + lines[lost + 1 :]))
    refuse(store, tiny_plan, r"run_started is missing|steps are missing")


@pytest.mark.parametrize("kept", [0, 1, 3, 8])
def test_a_journal_cut_at_a_line_end_is_shorter_than_its_tables_say(store, tiny_plan, kept):
    run = tiny_plan.runs[0]
    lines = journal(store, run).read_bytes().splitlines(keepends=True)
    journal(store, run).write_bytes(b"".join(lines[:kept]))
    refuse(store, tiny_plan, r"records\.jsonl is not what its tables were made from")


def test_a_journal_behind_its_checkpoint_is_refused(store, tiny_plan):
    run = tiny_plan.runs[0]
    without_tables(store, run)
    lines = journal(store, run).read_bytes().splitlines(keepends=True)
    journal(store, run).write_bytes(b"".join(lines[:7]))
    refuse(store, tiny_plan, r"records\.jsonl ends with step \d, and there is a checkpoint of step 6")


def test_a_flipped_bit_in_the_last_line_is_not_cut_off_when_a_checkpoint_says_there_was_more(store, tiny_plan):
    run = tiny_plan.runs[0]
    without_tables(store, run)
    data = journal(store, run).read_bytes().splitlines(keepends=True)
    steps = max(i for i, line in enumerate(data) if b'"kind":"step"' in line)
    text = b"".join(data[: steps + 1])
    journal(store, run).write_bytes(text[:-30] + b"?" + text[-29:])
    refuse(store, tiny_plan, "there is a checkpoint of step 6")


def test_folders_that_changed_names_are_noticed(store, tiny_plan):
    first, second, _ = (store.folder(run.label) for run in tiny_plan)
    first.rename(store.path / "aside")
    second.rename(first)
    (store.path / "aside").rename(second)
    refuse(store, tiny_plan, "is of run")
    for folder in (first, second):
        for name in ("tables.json", "steps.parquet", "evaluations.parquet"):
            (folder / name).unlink()
    refuse(store, tiny_plan, "a record of run")


def test_run_json_of_another_run_is_noticed_by_whoever_reads_it_and_by_a_writer(store, tiny_plan):
    first, second, _ = tiny_plan.runs
    shutil.copy(store.folder(second.label) / "run.json", store.folder(first.label) / "run.json")
    with pytest.raises(StoreError, match=rf"run\.json is of run {second.id}"):
        store.run(first.label)
    with pytest.raises(StoreError, match=rf"run\.json is of run {second.id}"), store.writer(first):
        pass


def test_run_json_of_a_later_format_is_refused(store, tiny_plan):
    path = store.folder(tiny_plan.runs[0].label) / "run.json"
    write_json(path, {**read_json(path), "schema": 9})
    with pytest.raises(StoreError, match=r"run\.json has schema 9"):
        store.run(tiny_plan.runs[0].label)


def stopped(store: Store, run: Run, step: int) -> list[Event]:
    events: list[Event] = []
    stop = threading.Event()

    def tell(event: Event) -> None:
        events.append(event)
        if event.kind == "step" and event.step == step:
            stop.set()

    attempt(run, store, SyntheticEngine(), stop, tell)
    return events


def test_checkpoints_of_another_run_are_refused_and_nothing_is_written(tmp_path, make_plan):
    plan = make_plan(seeds=[0, 1])
    store = Store.create(tmp_path / "store", plan)
    first, second = plan.runs[:2]
    for run in (first, second):
        stopped(store, run, 3)
    folders = [store.folder(run.label) / "checkpoints" for run in (first, second)]
    folders[0].rename(tmp_path / "aside")
    folders[1].rename(folders[0])
    (tmp_path / "aside").rename(folders[1])
    before = journal(store, first).read_bytes()
    (event,) = stopped(store, first, 0)
    assert event.kind == REFUSED
    assert f"checkpoint of run {second.id}, not of {first.id}" in event.text
    assert journal(store, first).read_bytes() == before


def test_a_record_that_cannot_come_next_is_not_kept(tmp_path, tiny_plan):
    store, run = Store.create(tmp_path / "store", tiny_plan), tiny_plan.runs[0]
    stopped(store, run, 3)
    rows = store.records(run.label, raw=True)
    (start,) = (row for row in rows if isinstance(row, RunStarted))
    step = next(row for row in rows if isinstance(row, Step))
    wrong = [
        (replace(start, attempt=2, resumed_at=4), "resumed at step 4"),
        (replace(start, run="0" * 12, attempt=2), "a record of run 000000000000"),
        (replace(step, attempt=2, step=4), "run_started is missing"),
        (replace(step, step=5), "steps are missing"),
    ]
    with store.writer(run) as log:
        before = log.journal.path.read_bytes()
        for record, why in wrong:
            with pytest.raises(StoreError, match=why):
                log.journal.append(record)
        assert log.journal.path.read_bytes() == before


def test_every_line_names_the_checksum_of_the_one_before(store, tiny_plan):
    before = records.FIRST
    for line in journal(store, tiny_plan.runs[0]).read_bytes().splitlines(keepends=True):
        row = json.loads(line)
        assert row["after"] == before
        before = row["crc"]


def test_an_attempt_that_went_back_behind_a_checkpoint_it_did_not_see_leaves_no_hole(tmp_path, make_plan):
    plan = make_plan(rl={"steps": 20, "prompts": 8, "num_generations": 4})
    store, run = Store.create(tmp_path / "store", plan), plan.runs[0]
    stopped(store, run, 12)
    checkpoints = store.folder(run.label) / "checkpoints"
    checkpoints.rename(tmp_path / "not-visible-yet")
    stopped(store, run, 4)
    shutil.rmtree(checkpoints)
    (tmp_path / "not-visible-yet").rename(checkpoints)
    stopped(store, run, 0)
    steps = [row.step for row in store.records(run.label) if isinstance(row, Step)]
    assert steps == list(range(1, 21))


RUN_AND_LOSE_THE_STORE = """
import sys, threading
from pathlib import Path
from rlaw.engines.synthetic import SyntheticEngine
from rlaw.execution.worker import attempt
from rlaw.store.files import read_json, write_json
from rlaw.store import Store
from rlaw.study.plan import plan

store = Store.open(sys.argv[1])
run = plan(store.study).runs[0]

def tell(event):
    print(event.kind, event.text, flush=True)
    if event.kind == "step" and event.step == 3:
        store.path.rename(sys.argv[2])

attempt(run, store, SyntheticEngine(), threading.Event(), tell)
"""


def test_a_worker_whose_store_is_moved_stops_with_that_and_writes_nothing_to_the_old_place(tmp_path, tiny_plan):
    old, new = tmp_path / "store", tmp_path / "moved"
    Store.create(old, tiny_plan)
    words = [sys.executable, "-c", RUN_AND_LOSE_THE_STORE, str(old), str(new)]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()
    assert any(line.startswith(f"{REFUSED} {old}") and "was moved or removed" in line for line in said)
    assert not old.exists()
    run = tiny_plan.runs[0]
    moved = Store.open(new)
    assert max(row.step for row in moved.records(run.label) if isinstance(row, Step)) == 3
    stopped(moved, run, 0)
    assert moved.status(run.label).state == "finished"


def test_a_refused_extension_changes_nothing_while_the_kept_study_runs(tmp_path, make_plan):
    plan, other = make_plan(), make_plan(seeds=[0, 1])
    store = Store.create(tmp_path / "store", plan)
    with store.lock():
        before = content(store)
        with pytest.raises(StoreError, match="is being written by process"):
            Store.create(store.path, other, extend=True)
        assert content(store) == before
    assert Store.create(store.path, other, extend=True).digest == other.study.digest


def test_what_a_command_leaves_that_dies_before_its_study_is_written_counts_as_new(tmp_path, tiny_plan):
    path = tmp_path / "store"
    (path / "runs").mkdir(parents=True)
    for name in ("lock", "lock.3", ".study.json.4711"):
        (path / name).write_text("")
    assert Store.create(path, tiny_plan).labels() == tuple(run.label for run in tiny_plan)
    (path / "study.json").unlink()
    (path / "runs" / tiny_plan.runs[0].label).mkdir()
    with pytest.raises(StoreError, match="is not a store"):
        Store.create(path, tiny_plan)


def test_a_command_that_an_engine_refuses_leaves_the_store_as_it_was(tmp_path, write_study, capsys, monkeypatch):
    study, path = write_study(), tmp_path / "store"

    def refuse_it(self, run):
        raise EngineError("no such device")

    monkeypatch.setattr(SyntheticEngine, "check", refuse_it, raising=False)
    assert main(["run", str(study), "--store", str(path)]) == 1
    assert not path.exists()
    monkeypatch.undo()
    assert main(["run", str(study), "--store", str(path), "--quiet"]) == 0
    before = content(Store.open(path))
    monkeypatch.setattr(SyntheticEngine, "check", refuse_it, raising=False)
    more = write_study("more.yaml", seeds=[0, 1])
    assert main(["run", str(more), "--store", str(path), "--extend"]) == 1
    assert content(Store.open(path)) == before
