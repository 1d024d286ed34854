"""A process that dies at any step of writing a checkpoint leaves one that verifies, and the one of the right step."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from rlaw.engines import checkpoint

#: writes step 2 beside step 1, or step 1 again with other content, in children that die at their n-th system call
SCRIPT = """
import json, os, shutil, signal, sys, warnings
from pathlib import Path
from rlaw.engines import checkpoint

folder, rewrite = Path(sys.argv[1]), sys.argv[2] == "rewrite"

def fill(text):
    def write(aside):
        (aside / "weights").write_text(text)
        (aside / "state").write_text(text)
    return write

def dying(name, n, calls):
    real = getattr(os, name)
    def call(*args, **more):
        calls.append(name)
        if len(calls) == n:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **more)
    setattr(os, name, call)

def write_and_die(parent, n):
    calls = []
    for name in ("open", "mkdir", "fsync", "rename", "replace", "rmdir", "unlink"):
        dying(name, n, calls)
    checkpoint.write(parent / ("step-000001" if rewrite else "step-000002"), fill("new"))
    checkpoint.prune(parent)
    os._exit(0)

warnings.simplefilter("ignore")
told, n, died = [], 0, True
while died:
    n += 1
    parent = folder / str(n)
    parent.mkdir()
    checkpoint.write(parent / "step-000000", fill("older"))
    checkpoint.write(parent / "step-000001", fill("old"))
    child = os.fork()
    if child == 0:
        write_and_die(parent, n)
    died = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    found = checkpoint.newest(parent)
    text = (found / "weights").read_text()
    checkpoint.prune(parent)
    told.append([died, found.name, text, sorted(p.name for p in parent.iterdir())])
print(json.dumps(told))
"""


def deaths(folder: Path, what: str) -> list:
    command = [sys.executable, "-c", SCRIPT, str(folder), what]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def test_dying_while_a_checkpoint_is_written_costs_that_one_at_most(tmp_path):
    told = deaths(tmp_path, "new")
    assert len(told) > 12, "mkdir, files, syncs, manifest, rename, sync, prune"
    texts = [text for _, _, text, _ in told]
    assert texts == sorted(texts, key=["old", "new"].index)
    assert {(name, text) for _, name, text, _ in told} == {("step-000001", "old"), ("step-000002", "new")}
    assert all(not part.startswith(".") for _, _, _, names in told for part in names)


def test_dying_while_a_checkpoint_is_replaced_leaves_the_old_the_new_or_the_one_before(tmp_path):
    told = deaths(tmp_path, "rewrite")
    found = [(name, text) for _, name, text, _ in told]
    assert found[0] == ("step-000001", "old")
    assert found[-1] == ("step-000001", "new")
    assert set(found) <= {("step-000001", "old"), ("step-000000", "older"), ("step-000001", "new")}
    assert found.count(("step-000000", "older")) <= 1, "between two renames"


def test_what_stands_there_already_is_not_touched(tmp_path):
    def fill(aside: Path) -> None:
        (aside / "weights").write_text("the same")

    checkpoint.write(tmp_path / "step-000001", fill)
    before = (tmp_path / "step-000001").stat().st_ino
    checkpoint.write(tmp_path / "step-000001", fill)
    assert (tmp_path / "step-000001").stat().st_ino == before


def test_steps_are_ordered_as_numbers(tmp_path):
    for step in (999_999, 1_000_000):
        checkpoint.write(tmp_path / f"step-{step:06d}", lambda aside: (aside / "a").write_text("a"))
    assert checkpoint.newest(tmp_path) == tmp_path / "step-1000000"


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), type("SafetensorError", (Exception,), {})("full")]
)
def test_a_full_disk_is_told_with_path_and_bytes_and_leaves_nothing_half_written(tmp_path, error):
    def fill(aside: Path) -> None:
        (aside / "weights").write_bytes(b"12345")
        raise error

    with pytest.raises(
        checkpoint.StoreError, match=r"step-000001: cannot write the checkpoint, 5 bytes .*(space|full)"
    ):
        checkpoint.write(tmp_path / "step-000001", fill)
    assert list(tmp_path.iterdir()) == []
