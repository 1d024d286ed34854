"""A full disk, a store that cannot be written, a clock that jumps: told, nothing lost, and the run goes on."""

import os
import shutil
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from itertools import cycle

import pytest

import rlaw
from rlaw.engines.synthetic import SyntheticEngine
from rlaw.errors import StoreError
from rlaw.execution.base import NOTE, REFUSED
from rlaw.execution.worker import attempt
from rlaw.store import Store
from rlaw.store.files import write_atomically
from rlaw.store.journal import Journal, Lineage
from rlaw.store.records import FIRST, RunInterrupted, to_row
from rlaw.study.plan import Plan


def make(plan: Plan, store: Store) -> list:
    told: list = []
    for run in plan:
        attempt(run, store, SyntheticEngine(), threading.Event(), told.append)
    return told


@pytest.fixture
def plan(make_small, tmp_path) -> Plan:
    return make_small(tmp_path / "truth")


def test_a_journal_on_a_full_device_is_told_with_path_and_bytes(tmp_path):
    (tmp_path / "records.jsonl").symlink_to("/dev/full")
    log = Journal.__new__(Journal)
    log.path, log._file, log._end = tmp_path / "records.jsonl", os.open("/dev/full", os.O_WRONLY), 0
    log.last, log.lineage = FIRST, Lineage()

    with pytest.raises(StoreError, match=r"cannot write .*records\.jsonl \(\d+ bytes\): No space left"):
        log.append(RunInterrupted(run="a", attempt=1, step=0))
    log.close()


@pytest.mark.parametrize("room", [1500, 2600, 3300, 4000, 5200])
def test_whatever_finds_no_room_says_so_and_the_run_goes_on_when_there_is(
    tmp_path, plan, room, no_file_beyond, timeless_rows
):
    store, label = Store.create(tmp_path / "store", plan), plan.runs[0].label
    with no_file_beyond(room):
        events = make(plan, store)
    told = [event for event in events if event.kind in (REFUSED, NOTE, "run_failed")]
    assert told
    assert "cannot write" in told[0].text
    assert "bytes" in told[0].text
    assert make(plan, store)[-1].kind == "run_finished"
    assert timeless_rows(store, label) == timeless_rows(Store.open(tmp_path / "truth"), label)


def test_an_index_and_a_report_without_room_leave_what_was_there(tmp_path, plan, no_file_beyond):
    store = Store.open(tmp_path / "truth")
    before = (store.path / "index.sqlite").read_bytes()
    with no_file_beyond(1000), pytest.raises(StoreError, match=r"cannot write .*index\.sqlite \(\d+ bytes\)"):
        store.write_index()
    assert (store.path / "index.sqlite").read_bytes() == before
    with no_file_beyond(10), pytest.raises(StoreError, match=r"cannot write .*report\.html \(20 bytes\)"):
        write_atomically(tmp_path / "report.html", b"x" * 20)
    assert [path.name for path in tmp_path.glob("*report*")] == []


@pytest.mark.skipif(
    not hasattr(os, "unshare") and not shutil.which("unshare"), reason="no unshare: no mount of our own"
)
def test_a_small_file_system_fills_and_the_run_goes_on_when_there_is_room(tmp_path, plan):
    script = """
import sys, threading
from pathlib import Path
from rlaw.engines.synthetic import SyntheticEngine
from rlaw.execution.worker import attempt
from rlaw.study.plan import plan
from rlaw.store import Store

folder, truth = Path(sys.argv[1]), Store.open(sys.argv[2])
laid_out = plan(truth.study)
store, told = Store.create(folder / "store", laid_out), []
filler = folder / "filler"
filler.write_bytes(b"x" * 52 * 1024)
attempt(laid_out.runs[0], store, SyntheticEngine(), threading.Event(), told.append)
assert any("No space left on device" in event.text for event in told), told
filler.unlink()
attempt(laid_out.runs[0], store, SyntheticEngine(), threading.Event(), told.append)
assert told[-1].kind == "run_finished", told[-1]
"""
    (tmp_path / "small").mkdir()
    mounted = f'mount -t tmpfs -o size=80k none {tmp_path / "small"} && exec "$@"'
    command = ["unshare", "--mount", "sh", "-c", mounted, "sh", sys.executable, "-c", script]
    done = subprocess.run(
        [*command, str(tmp_path / "small"), str(tmp_path / "truth")], capture_output=True, text=True, check=False
    )
    if "unshare" in done.stderr or "mount" in done.stderr:
        pytest.skip(f"this machine lets us mount nothing: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr


def test_a_store_that_cannot_be_written_and_was_moved_tells_the_same(tmp_path, plan):
    truth = Store.open(tmp_path / "truth")
    before = (truth.runs(), rlaw.load(truth.path).rows)
    moved = tmp_path / "elsewhere"
    shutil.copytree(truth.path, moved)
    for path in (*moved.rglob("*"), moved):
        path.chmod(0o555 if path.is_dir() else 0o444)
    there = Store.open(moved)
    assert there.runs() == before[0]
    assert rlaw.load(moved).rows.equals(before[1])
    for path in (moved, *moved.rglob("*")):
        path.chmod(0o755)


def test_a_deleted_index_is_rebuilt_identically(tmp_path, plan):
    store = Store.open(tmp_path / "truth")
    index = store.path / "index.sqlite"
    before, statuses = index.read_bytes(), store.runs()
    index.unlink()
    assert store.runs() == statuses
    store.write_index()
    assert index.read_bytes() == before


def test_a_clock_that_jumps_changes_no_duration_and_no_order(tmp_path, plan, monkeypatch, timeless_rows):
    jumps = cycle([timedelta(hours=-1), timedelta(days=1), timedelta(hours=1), timedelta(days=-400)])

    def jumping() -> str:
        return (datetime.now(UTC) + next(jumps)).isoformat(timespec="seconds")

    for module in ("engines.base", "execution.worker", "store.provenance"):
        monkeypatch.setattr(f"rlaw.{module}.now", jumping)
    monkeypatch.setattr("time.time", lambda: next(jumps).total_seconds())
    store = Store.create(tmp_path / "store", plan)
    make(plan, store)
    label = plan.runs[0].label
    assert timeless_rows(store, label) == timeless_rows(Store.open(tmp_path / "truth"), label)
    for record in store.records(label):
        assert all(0 <= seconds < 60 for seconds in to_row(record).get("seconds", {}).values())
    assert store.status(label).state == "finished"
