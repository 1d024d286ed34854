"""On a file system without locks, where other processes see a renamed file two seconds late, a study comes to its end:
one writer per journal, one warning, and the records of an undisturbed run (network/sitecustomize.py makes it so)."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from judge import check_attempts, rows
from ruamel.yaml import YAML
from test_soak import SYNTHETIC

from rlaw.store import Store
from rlaw.store.lock import owner_of

WARNING = "the file system of the store has no locks"


@pytest.fixture
def study(tmp_path: Path) -> Path:
    path = tmp_path / "study.yaml"
    with path.open("w") as file:
        YAML(typ="safe", pure=True).dump(SYNTHETIC, file)
    return path


def command(study: Path, store: Path, ledger: Path) -> subprocess.Popen[str]:
    """`rlaw run` on the bad file system."""
    paths = os.pathsep.join(filter(None, (str(Path(__file__).parent / "network"), os.environ.get("PYTHONPATH"))))
    bad = {"NETWORK_LEDGER": str(ledger), "PYTHONPATH": paths, "RLAW_SYNTHETIC_DELAY": "0.05"}
    words = [sys.executable, "-m", "rlaw", "run", str(study), "--store", str(store), "--workers", "2"]
    return subprocess.Popen(words, env={**os.environ, **bad}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def writers(ledger: Path) -> Iterator[tuple[str, str]]:
    """Every writer of a journal that came before the one before had closed it or died, as (journal, who)."""
    holders: dict[str, str] = {}
    for line in ledger.read_text().splitlines():
        kind, _, who, *paths = line.split("\t")
        if kind == "opened":
            if paths[0] in holders:
                yield paths[0], holders[paths[0]]
            holders[paths[0]] = who
        elif kind == "closed":
            holders.pop(paths[0])


def wait_for_a_writer(store: Path) -> None:
    deadline = time.monotonic() + 60
    while not any(owner_of(lock) for lock in store.glob("runs/*/lock")):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_killed_command_a_second_one_and_the_next_leave_one_writer_and_the_same_records(tmp_path, study):
    truth, path, ledger = tmp_path / "truth", tmp_path / "store", tmp_path / "ledger"
    words = [sys.executable, "-m", "rlaw", "run", str(study), "--store", str(truth), "--quiet"]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    killed = command(study, path, ledger)
    wait_for_a_writer(path)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    goes_on = command(study, path, ledger)  # while workers of the dead one may still be saving
    wait_for_a_writer(path)
    time.sleep(
        2.5
    )  # so that the second sees what the first has written: it is refused for the lock, and for nothing else
    second = command(study, path, ledger)
    _, refused = second.communicate()
    _, said = goes_on.communicate()
    assert (goes_on.returncode, second.returncode) == (0, 1), said + refused
    assert f"is being written by process {goes_on.pid} on " in refused
    assert said.count(WARNING) == refused.count(WARNING) == 1
    assert list(writers(ledger)) == []
    store, expected = Store.open(path), Store.open(truth)
    for label in expected.labels():
        check_attempts(store, label)
        assert rows(store, label) == rows(expected, label)
