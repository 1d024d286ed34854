"""What was acknowledged stays, exactly once; what was damaged is refused or left out aloud; one writer at a time."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlaw.engines.base import Workspace
from rlaw.engines.synthetic import SyntheticEngine
from rlaw.errors import NotFound, StoreError, UsageError
from rlaw.rewards.base import VERIFIER
from rlaw.store import Store, TornTail
from rlaw.store.files import write_json
from rlaw.store.journal import last_lineage
from rlaw.store.records import Evaluated, Record, RunFailed, RunFinished, RunInterrupted, RunStarted, Step, decode
from rlaw.study.plan import Plan, Run


def keep(store: Store, run: Run, *, at_most: int | None = None) -> list[Record]:
    """Make an attempt, keep its records (or the first few), and give what was acknowledged."""
    acknowledged = []
    with store.writer(run) as log:
        stream = SyntheticEngine().train(run, Workspace(log.folder, store.path / "cache", log.attempt))
        for record in stream:
            log.journal.append(record)
            acknowledged.append(record)
            if len(acknowledged) == at_most:
                break
    return acknowledged


@pytest.fixture
def store(tmp_path: Path, tiny_plan: Plan) -> Store:
    return Store.create(tmp_path / "store", tiny_plan)


@pytest.fixture
def run(tiny_plan: Plan) -> Run:
    return tiny_plan.runs[0]


def journal(store: Store, run: Run) -> Path:
    return store.folder(run.label) / "records.jsonl"


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.stat().st_mtime_ns, path.stat().st_size) for path in (folder, *folder.rglob("*"))}


def test_a_store_gives_back_what_was_kept(store, run):
    acknowledged = keep(store, run)
    assert Store.open(store.path).records(run.label) == acknowledged
    assert [type(r) for r in acknowledged[:2]] == [RunStarted, type(acknowledged[1])]
    assert isinstance(acknowledged[-1], RunFinished)


def test_a_store_gives_back_its_study_and_its_runs(store, run, tiny_plan):
    keep(store, run)
    reopened = Store.open(store.path)
    assert reopened.study == tiny_plan.study
    assert reopened.digest == tiny_plan.study.digest
    assert reopened.run(run.label) == run
    assert reopened.labels() == tuple(r.label for r in tiny_plan)


def test_a_journal_cut_at_any_byte_gives_a_prefix_of_the_truth(tmp_path, make_plan):
    plan = make_plan(rl={"steps": 1, "prompts": 8, "num_generations": 4})
    store, run = Store.create(tmp_path / "store", plan), plan.runs[0]
    truth = keep(store, run)
    shutil.rmtree(store.folder(run.label) / "checkpoints")  # it would show that the journal has lost its end
    path = journal(store, run)
    data = path.read_bytes()
    ends = {0, *(i + 1 for i, byte in enumerate(data) if byte == ord("\n"))}
    for cut in range(len(data)):
        path.write_bytes(data[:cut])
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            records = store.records(run.label)
        assert records == truth[: data[:cut].count(b"\n")]
        assert [w.category for w in told] == ([] if cut in ends else [TornTail])
        if told:
            assert f"{cut - max(end for end in ends if end <= cut)} bytes" in str(told[0].message)


def test_a_flipped_bit_is_refused_with_its_place_or_costs_the_last_lines_aloud(store, run):
    truth = keep(store, run)
    path = journal(store, run)
    data = path.read_bytes()
    draws = np.random.default_rng(0)
    refused = 0
    for _ in range(1000):
        offset, bit = int(draws.integers(len(data))), int(draws.integers(8))
        path.write_bytes(data[:offset] + bytes([data[offset] ^ 1 << bit]) + data[offset + 1 :])
        line, start = data[:offset].count(b"\n") + 1, data.rfind(b"\n", 0, offset) + 1
        if line >= len(truth) - 1 and _is_last(path):
            with pytest.warns(TornTail):
                records = store.records(run.label)
            assert records == truth[: len(records)]
            assert len(records) >= len(truth) - 2  # the last line, or the last two when the newline between went
        else:
            refused += 1
            with pytest.raises(StoreError, match=rf"records\.jsonl: line {line} \(byte {start}\)"):
                store.records(run.label)
    assert refused > 800


def _is_last(path: Path) -> bool:
    """Whether the damage is in what now is the last line."""
    good = path.read_bytes().rstrip(b"\n").rpartition(b"\n")[0] + b"\n"
    return all(_is_whole(line + b"\n") for line in good.rstrip(b"\n").split(b"\n"))


def _is_whole(line: bytes) -> bool:
    try:
        decode(line)
    except StoreError:
        return False
    return True


def test_a_writer_cuts_a_torn_line_off_and_goes_on(store, run):
    first = keep(store, run, at_most=4)
    path = journal(store, run)
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"kind":"step","st')
    with pytest.warns(TornTail, match="18 bytes"):
        second = keep(store, run)
    assert path.read_bytes().startswith(whole + b'{"kind":"run_started"')
    assert store.records(run.label, raw=True) == first + second


def test_a_later_attempt_supersedes_the_steps_after_its_checkpoint_and_no_others(store, run):
    whole = keep(store, run)
    started = whole[0]
    assert isinstance(started, RunStarted)
    steps = [r for r in whole if isinstance(r, Step)]
    evaluated = [r for r in whole if isinstance(r, Evaluated)]
    interrupted = RunInterrupted(run=run.id, attempt=1, step=4)
    second = replace(started, attempt=2, resumed_at=2)
    step_3 = replace(steps[2], attempt=2)
    rows = [started, whole[1], evaluated[0], *steps[:2], evaluated[1], *steps[2:4], interrupted, second, step_3]
    assert last_lineage(rows) == [second, whole[1], evaluated[0], *steps[:2], evaluated[1], step_3]
    from_the_start = replace(second, resumed_at=0)
    assert last_lineage([*rows, from_the_start]) == [from_the_start]


@pytest.fixture(scope="module")
def examples(tiny_plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> tuple[RunStarted, Step]:
    """A record of each kind, to make others of."""
    workspace = Workspace(tmp_path_factory.mktemp("run"), tmp_path_factory.mktemp("cache"))
    records = list(SyntheticEngine().train(tiny_plan.runs[0], workspace))
    step = next(r for r in records if isinstance(r, Step))
    assert isinstance(records[0], RunStarted)
    return records[0], step


@given(spans=st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), min_size=1, max_size=6))
def test_each_step_stands_once_from_the_newest_attempt_that_led_to_the_present(examples, spans):
    started, step = examples
    rows: list[Record] = []
    for attempt, (resumed_at, more) in enumerate(spans, start=1):
        rows.append(replace(started, attempt=attempt, resumed_at=resumed_at))
        rows += [replace(step, attempt=attempt, step=resumed_at + i) for i in range(1, more + 1)]
    truth = {}
    for number in range(1, 17):
        came_by = [i for i, (resumed_at, more) in enumerate(spans) if resumed_at < number <= resumed_at + more]
        undone_by = [i for i, (resumed_at, _) in enumerate(spans) if resumed_at < number]
        if came_by and came_by[-1] == undone_by[-1]:
            truth[number] = came_by[-1] + 1
    view = last_lineage(rows)
    assert [type(r) for r in view].count(RunStarted) == 1
    assert {r.step: r.attempt for r in view if isinstance(r, Step)} == truth
    assert len(view) == 1 + len(truth)


def test_an_evaluation_told_again_at_the_step_of_the_checkpoint_counts_once(store, run):
    whole = keep(store, run)
    started, evaluated = whole[0], next(r for r in whole if isinstance(r, Evaluated) and r.step == 2)
    steps = [r for r in whole if isinstance(r, Step)][:2]
    again = replace(evaluated, attempt=2)
    rows = [started, *steps, evaluated, replace(started, attempt=2, resumed_at=2), again]
    assert last_lineage(rows) == [rows[4], *steps, again]


def test_a_second_writer_is_refused_within_a_second_and_told_the_owner(store, run):
    with store.writer(run):
        began = time.monotonic()
        with pytest.raises(StoreError, match=f"process {os.getpid()} on "), store.writer(run):
            pass
        assert time.monotonic() - began < 1
        assert store.status(run.label).state == "running"
    assert store.status(run.label).state == "planned"


HOLD = """
import sys, time
from rlaw.study.plan import plan
from rlaw.store import Store
store = Store.open(sys.argv[1])
with store.writer(plan(store.study).runs[0]):
    print("held", flush=True)
    time.sleep(60)
"""


@contextmanager
def holder(store: Store) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock of the first run."""
    command = [sys.executable, "-c", HOLD, str(store.path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def test_the_lock_of_a_killed_process_stands_in_nobodys_way(store, run):
    with holder(store) as process:
        with pytest.raises(StoreError, match=f"process {process.pid} "), store.writer(run):
            pass
        assert store.status(run.label).state == "running"
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert store.status(run.label).state == "planned"
        assert isinstance(keep(store, run)[-1], RunFinished)


def test_a_process_that_got_a_dead_owners_number_is_not_taken_for_it(store, run):
    keep(store, run, at_most=3)
    lock = store.folder(run.label) / "lock"
    with store.writer(run):
        owner = json.loads(lock.read_text())
    lock.write_text(json.dumps(owner))
    assert store.status(run.label).state == "running"
    lock.write_text(json.dumps({**owner, "started": "1"}))
    assert store.status(run.label).state == "interrupted"


def test_status_tells_how_each_run_ended(store, tiny_plan):
    first, second, third = tiny_plan.runs
    keep(store, first)
    keep(store, second, at_most=5)
    with store.writer(second) as log:
        log.journal.append(RunFailed(run=second.id, attempt=log.attempt, step=1, cause="ValueError", text="no"))
    states = {s.label: s for s in store.runs()}
    assert [states[r.label].state for r in tiny_plan] == ["finished", "failed", "planned"]
    assert (states[second.label].cause, states[second.label].text) == ("ValueError", "no")
    assert (
        states[first.label].test_loss
        == [r for r in store.records(first.label) if isinstance(r, Evaluated)][-1].test_loss
    )
    assert (states[third.label].attempt, states[third.label].step, states[third.label].steps) == (0, 0, 6)


def test_reading_changes_nothing(store, tiny_plan):
    keep(store, tiny_plan.runs[0])
    keep(store, tiny_plan.runs[1], at_most=5)
    with journal(store, tiny_plan.runs[1]).open("ab") as file:
        file.write(b"torn")
    before = snapshot(store.path)
    reopened = Store.open(store.path)
    with pytest.warns(TornTail):
        reopened.runs()
    with pytest.warns(TornTail):
        assert [len(reopened.records(label)) for label in reopened.labels()][1:] == [5, 0]
    assert snapshot(store.path) == before


def test_the_index_can_be_deleted_damaged_or_stale(store, tiny_plan):
    keep(store, tiny_plan.runs[0])
    keep(store, tiny_plan.runs[1], at_most=5)
    truth = store.runs()
    store.write_index()
    index = store.path / "index.sqlite"
    assert store.runs() == truth
    index.write_bytes(b"not a database" * 100)
    assert store.runs() == truth
    index.unlink()
    assert store.runs() == truth
    store.write_index()
    keep(store, tiny_plan.runs[1])
    keep(store, tiny_plan.runs[2])
    assert [s.state for s in store.runs()] == ["finished"] * 3


def test_the_index_answers_without_the_journals(store, tiny_plan):
    keep(store, tiny_plan.runs[0])
    store.write_index()
    path = journal(store, tiny_plan.runs[0])
    data = path.read_bytes()
    path.write_bytes(b"x" * (len(data) - 32) + data[-32:])
    assert store.runs()[0].state == "finished"
    path.write_bytes(b"x" * len(data))
    shutil.rmtree(store.folder(tiny_plan.runs[0].label) / "checkpoints")
    with pytest.warns(TornTail):
        assert store.runs()[0].state == "planned"


def test_a_store_moved_elsewhere_is_the_same_store(store, run, tmp_path):
    acknowledged = keep(store, run)
    moved = store.path.rename(tmp_path / "moved")
    assert Store.open(moved).records(run.label) == acknowledged
    assert Store.open(moved).runs()[0].state == "finished"


def test_a_full_disk_is_told_and_loses_nothing_that_was_acknowledged(store, run, no_file_beyond):
    engine = SyntheticEngine()
    acknowledged: list[Record] = []
    with store.writer(run) as log:
        stream = engine.train(run, Workspace(log.folder, store.path / "cache", log.attempt))

        def keep_all() -> None:
            for record in stream:
                log.journal.append(record)
                acknowledged.append(record)

        with (
            no_file_beyond(3000),
            pytest.raises(StoreError, match=r"records\.jsonl \(\d+ bytes\).*\n  next: free space"),
        ):
            keep_all()
    assert len(acknowledged) > 3
    assert store.records(run.label) == acknowledged
    assert isinstance(keep(store, run)[-1], RunFinished)
    steps = [r.step for r in store.records(run.label) if isinstance(r, Step)]
    assert steps == [1, 2, 3, 4, 5, 6]


def test_a_document_is_never_half_written(store, run, no_file_beyond):
    keep(store, run, at_most=2)
    path = store.folder(run.label) / "run.json"
    before = path.read_bytes()
    with no_file_beyond(200), pytest.raises(StoreError, match=r"run\.json"), store.writer(run):
        pass
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir() if p.name.startswith(".")] == []


def test_another_study_is_refused_with_what_differs_and_taken_when_asked(store, run, make_plan):
    acknowledged = keep(store, run)
    longer = make_plan(rl={"steps": 12, "prompts": 8, "num_generations": 4})
    with pytest.raises(UsageError, match=r"rl\.steps: 6 -> 12") as refusal:
        Store.create(store.path, longer)
    assert "extend=True" in str(refusal.value)
    assert refusal.value.exit_code == 2
    extended = Store.create(store.path, longer, extend=True)
    assert extended.labels() == (*(r.label for r in longer), run.label)
    assert extended.records(run.label) == acknowledged
    assert (store.path / f"study-{store.digest}.json").is_file()


def test_a_study_whose_budget_alone_changed_is_the_same_study(store, make_plan):
    richer = make_plan(budget={"wall": "1 h"})
    assert Store.create(store.path, richer).study.budget.wall == 3600


def test_a_folder_that_is_no_store_is_left_alone(tmp_path, tiny_plan):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(StoreError, match="is not a store"):
        Store.create(tmp_path, tiny_plan)
    with pytest.raises(StoreError, match="is not a store"):
        Store.create(tmp_path / "thesis.txt", tiny_plan)
    with pytest.raises(StoreError, match="cannot write"):
        Store.create(tmp_path / "thesis.txt" / "store", tiny_plan)
    with pytest.raises(NotFound, match=r"has no study\.json"):
        Store.open(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("name", ["../escape", "..", "a/../../b", "/etc", "", ".hidden", "a\0b", "a#b", "C:\\x", "x\n"])
def test_no_name_leads_out_of_the_store(store, name):
    with pytest.raises(NotFound):
        store.folder(name)


def test_a_link_out_of_the_store_is_not_followed(store, tmp_path):
    (store.path / "runs" / "linked").symlink_to(tmp_path)
    with pytest.raises(NotFound):
        store.records("linked")


def test_run_json_tells_the_circumstances_and_no_secret(store, run, monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", "s3cret")
    with store.writer(run, argv=["rlaw", "run", "https://me:s3cret@example.org/study.yaml"]):
        text = (store.folder(run.label) / "run.json").read_text()
    attempt = json.loads(text)["attempts"][0]
    assert "s3cret" not in text
    assert attempt["argv"][2] == "https://***@example.org/study.yaml"
    assert attempt["packages"]["rlaw"]
    assert attempt["verifier"] == VERIFIER
    assert attempt["hostname"]
    with store.writer(run):
        assert [a["attempt"] for a in store.spec(run.label)["attempts"]] == [1]  # nothing was kept of the first


def test_a_changed_run_json_is_noticed(store, run):
    keep(store, run, at_most=2)
    path = store.folder(run.label) / "run.json"
    document = json.loads(path.read_text())
    document["run"]["rl"]["learning_rate"] = 1.0
    path.write_text(json.dumps(document))
    with pytest.raises(StoreError, match=r"run\.json is damaged"):
        store.run(run.label)
    write_json(path, document)  # with a checksum that holds: the content no longer gives its id
    with pytest.raises(StoreError, match="was changed"):
        store.run(run.label)


def test_tables_of_a_finished_run_are_read_with_polars_alone(store, run):
    acknowledged = keep(store, run)
    store.compact(run.label)
    evaluated = [r for r in acknowledged if isinstance(r, Evaluated)]
    steps = [r for r in acknowledged if isinstance(r, Step)]
    table = pl.read_parquet(store.folder(run.label) / "evaluations.parquet")
    assert table["correct"].to_list() == [r.correct for r in evaluated]
    assert table["compute_flops_8N"].to_list() == [r.compute_flops["8N"] for r in evaluated]
    assert table["params"].unique().to_list() == [run.params]
    spent = pl.read_parquet(store.folder(run.label) / "steps.parquet")["flops_update"].to_list()
    assert spent == [r.flops["update"] for r in steps]


def test_steps_are_the_same_from_the_table_and_from_the_journal(store, run):
    acknowledged = keep(store, run)
    from_journal = store.steps(run.label)
    store.compact(run.label)
    assert store.steps(run.label).equals(from_journal)
    rewards = [r.reward_mean for r in acknowledged if isinstance(r, Step)]
    assert store.steps(run.label, ["reward_mean"])["reward_mean"].to_list() == rewards


def test_the_journal_is_read_with_polars_alone(store, run):
    acknowledged = keep(store, run)
    schema = {"kind": pl.String, "step": pl.Int64, "test_loss": pl.Float64}
    rows = pl.read_ndjson(journal(store, run), schema=schema).filter(pl.col("kind") == "evaluated")
    assert rows["test_loss"].to_list() == [r.test_loss for r in acknowledged if isinstance(r, Evaluated)]


def test_a_store_of_a_newer_version_is_refused_and_named(store):
    path = store.path / "study.json"
    write_json(path, {**json.loads(path.read_text()), "schema": 9, "rlaw": "7.0"})
    with pytest.raises(StoreError, match=r"(?s)schema 9.*7\.0"):
        Store.open(store.path)


def test_a_study_json_cut_short_is_refused_and_named(store):
    path = store.path / "study.json"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(StoreError, match=r"study\.json is damaged"):
        Store.open(store.path)
