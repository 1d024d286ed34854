"""Viewers see every change, in order, also those who were away for a while."""

import asyncio
import http.client
import json
import threading
import time

import polars as pl
import pytest
from serving import TOKEN, ladder

import rlaw
from rlaw.errors import DataError
from rlaw.serve import source as sources
from rlaw.serve.events import KEPT, Broadcast
from rlaw.serve.kept import Kept
from rlaw.serve.large import read_aside, thinned
from rlaw.serve.source import Live, Snapshot, Source


def follow(port, after, count, found, headers=None):
    """Add the numbers of the next changes that a viewer gets."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", f"/{TOKEN}/api/events?after={after}", headers=headers or {})
    answer = connection.getresponse()
    assert answer.headers["content-type"].startswith("text/event-stream")
    while len(found) < count:
        line = answer.readline().decode().strip()
        if line.startswith("data: "):
            found.append(json.loads(line[6:])["version"])
    connection.close()


def test_every_viewer_gets_every_change_and_one_who_was_away_what_it_missed(page_of, tmp_path):
    path, rows = tmp_path / "log.csv", ladder(12)
    rows.filter(pl.col("step") <= 5).write_csv(path)
    _, port = page_of(path, poll_seconds=0.02)
    got: list[list[int]] = [[] for _ in range(6)]
    threads = [threading.Thread(target=follow, args=(port, 1, 3, found), daemon=True) for found in got]
    for thread in threads:
        thread.start()
    for count, last in enumerate((6, 7, 8), start=1):
        rows.filter(pl.col("step") <= last).write_csv(tmp_path / "next.csv")
        (tmp_path / "next.csv").replace(path)
        deadline = time.monotonic() + 60
        while min(map(len, got)) < count and time.monotonic() < deadline:
            time.sleep(0.01)
    for thread in threads:
        thread.join(60)
    assert got == [[2, 3, 4]] * 6
    follow(port, 99, 2, back := [], {"last-event-id": "2"})
    assert back == [3, 4]


def test_a_viewer_who_was_away_for_too_long_gets_the_newest():
    async def away() -> list[str]:
        broadcast = Broadcast()
        for number in range(KEPT + 50):
            await broadcast.publish(number, {"version": number})
        found = []
        async for text in broadcast.follow(5, heartbeat_seconds=0.01):
            found.append(text)
            if text.startswith(":"):
                return found
        return found

    found = asyncio.run(away())
    assert found[0].startswith("retry:")
    assert f"id: {KEPT + 49}\n" in found[-2]
    assert found[-1].startswith(": ")


def test_a_snapshot_is_taken_only_when_a_file_has_changed(tmp_path):
    path = tmp_path / "log.csv"
    ladder(5).write_csv(path)
    live = Live(Source(str(path)))
    assert live.refresh() is None
    ladder(6).write_csv(path)
    taken = live.refresh()
    assert taken is not None
    assert taken.number == 2
    assert taken.frame is not None
    assert len(taken.frame) == 21
    path.write_text("model,n_params,step,test_loss\nhalf")  # being written: what was read before still stands
    broken = live.refresh()
    assert broken is not None
    assert broken.problem is not None
    assert broken.frame is taken.frame


def test_a_store_that_grows_is_seen_to(make_plan, train_here, tmp_path):
    store = train_here(tmp_path / "store", make_plan())
    before = Source(str(store.path)).stamp()
    assert Source(str(store.path)).stamp() == before
    journal = store.folder(store.labels()[0]) / "records.jsonl"
    journal.write_bytes(journal.read_bytes() + b"\n")
    assert Source(str(store.path)).stamp() != before


def test_what_several_ask_for_is_worked_out_once_and_the_oldest_is_forgotten():
    kept, calls = Kept(2), []

    def slow() -> int:
        calls.append(1)
        time.sleep(0.05)
        return len(calls)

    threads = [threading.Thread(target=kept.once, args=("a", slow)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls) == 1
    kept.once("b", slow)
    kept.once("c", slow)
    kept.once("a", slow)
    assert len(calls) == 4
    with pytest.raises(DataError):
        kept.once("d", lambda: (_ for _ in ()).throw(DataError("no")))


def test_large_data_are_read_aside_and_thinned_with_their_law(tmp_path, monkeypatch):
    path = tmp_path / "large.csv"
    ladder(4000).write_csv(path)
    source = Source(str(path))
    whole = source.read()
    monkeypatch.setattr(sources, "LARGE_BYTES", 1000)
    small = thinned(whole, 900)
    assert len(small) <= 903 + 3
    assert small.rows.columns == whole.rows.columns
    assert small.rows.schema == whole.rows.schema
    assert small.rows.filter(pl.col("step") == 0).equals(whole.rows.filter(pl.col("step") == 0))
    assert "thinned" in [note.code for note in small.notes]
    laws = [rlaw.fit("power", frame, intervals="none") for frame in (whole, small)]
    assert laws[1].slopes() == pytest.approx(laws[0].slopes(), abs=0.01)
    taken = Snapshot.take(1, source)
    assert taken.problem is None
    assert taken.frame is not None
    assert len(taken.frame) == len(whole)  # below what the server keeps
    with pytest.raises(DataError):
        read_aside(Source(str(tmp_path / "large.csv"), mapping={"test_loss": "n_params"}).read)
