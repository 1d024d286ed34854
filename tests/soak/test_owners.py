"""One writer at a time, with and without locks of the file system; a dead owner is in nobody's way, a far one named."""

import errno
import json
import math
import os
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import pytest

from rlaw.errors import StoreError
from rlaw.store import Lock
from rlaw.store.lock import NoLocks, Waiting

#: a process on a file system without locks; it takes the lock N times and looks whether anybody else holds it then
CONTEND = """
import errno, fcntl, os, sys, warnings
from pathlib import Path
from rlaw.errors import StoreError
from rlaw.store import Lock

def no_locks(*args):
    raise OSError(errno.ENOLCK, "No locks available")

fcntl.flock = no_locks
warnings.simplefilter("ignore")
folder, held = Path(sys.argv[1]), 0
print("ready", flush=True)
while held < int(sys.argv[2]):
    try:
        with Lock(folder / "lock", patience_seconds=60):
            os.close(os.open(folder / "inside", os.O_CREAT | os.O_EXCL))
            held += 1
            if sys.argv[3] == "die" and held == int(sys.argv[2]):
                os.unlink(folder / "inside")
                os._exit(9)
            os.unlink(folder / "inside")
    except StoreError:
        continue
"""


def contender(folder: Path, times: int, end: str = "release") -> subprocess.Popen[str]:
    command = [sys.executable, "-c", CONTEND, str(folder), str(times), end]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture
def no_locks(monkeypatch):
    def refuse(*_args):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("rlaw.store.lock.fcntl.flock", refuse)


def test_without_locks_of_the_file_system_there_is_one_writer_all_the_same(tmp_path):
    contenders = [contender(tmp_path, 40) for _ in range(4)]
    for process in contenders:
        _, said = process.communicate()
        assert process.returncode == 0, said
    assert len(list(tmp_path.glob("lock.*"))) == 1


def test_without_locks_those_who_die_with_the_lock_are_followed_by_one_writer(tmp_path):
    contenders = [contender(tmp_path, 5, "die") for _ in range(4)]
    for process in contenders:
        _, said = process.communicate()
        assert process.returncode == 9, said


def test_the_want_of_locks_is_told_once(tmp_path, no_locks):
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("default")
        for name in ("a", "b", "c"):
            with Lock(tmp_path / name):
                pass
    assert [w.category for w in told] == [NoLocks]


@pytest.mark.filterwarnings("ignore::rlaw.store.lock.NoLocks")
def test_without_locks_a_second_writer_is_refused_within_a_second_and_told_the_owner(tmp_path, no_locks):
    with Lock(tmp_path / "lock"):
        began = time.monotonic()
        with pytest.raises(StoreError, match=f"process {os.getpid()} on "), Lock(tmp_path / "lock"):
            pass
        assert time.monotonic() - began < 1
    with Lock(tmp_path / "lock"):
        pass


@pytest.mark.filterwarnings("ignore::rlaw.store.lock.NoLocks")
def test_without_locks_an_owner_on_another_machine_is_not_taken_for_dead(tmp_path, no_locks):
    lock = Lock(tmp_path / "lock")
    with lock:
        (file,) = tmp_path.glob("lock.*")
        far = json.dumps({**json.loads(file.read_text()), "host": "node-7"})
    file.write_text(far)
    (tmp_path / "lock").write_text(far)
    with (
        pytest.raises(StoreError, match=rf"on node-7 since(.|\n)*If node-7 will not come back, delete .*{file.name}"),
        lock,
    ):
        pass
    file.unlink()
    with lock:
        pass


def test_a_far_owner_whose_lock_the_file_system_let_go_is_in_nobodys_way(tmp_path):
    with Lock(tmp_path / "lock"):
        mine = json.loads((tmp_path / "lock").read_text())
    (tmp_path / "lock").write_text(json.dumps({**mine, "host": "node-7"}))
    with Lock(tmp_path / "lock"):
        assert json.loads((tmp_path / "lock").read_text())["host"] == mine["host"]


def test_who_waits_without_end_says_for_whom(tmp_path, monkeypatch):
    monkeypatch.setattr("rlaw.store.lock._WARN_AFTER_SECONDS", 0.0)
    held = Lock(tmp_path / "lock").__enter__()
    threading.Timer(0.3, held.__exit__, (None, None, None)).start()
    with (
        pytest.warns(Waiting, match=f"waiting for process {os.getpid()} on ") as told,
        Lock(tmp_path / "lock", patience_seconds=math.inf),
    ):
        pass
    assert len(told) == 1
