"""A checkpoint is whole or not there, and a damaged one is passed over."""

import pytest

from rlaw.engines import checkpoint
from rlaw.errors import StoreError


def fill(text):
    def write(folder):
        (folder / "a.txt").write_text(text)
        (folder / "b.txt").write_text("b")

    return write


def test_what_was_written_verifies(tmp_path):
    hashes = checkpoint.write(tmp_path / "step-000001", fill("x"))
    assert checkpoint.verify(tmp_path / "step-000001") == hashes
    assert sorted(hashes) == ["a.txt", "b.txt"]
    assert [path.name for path in tmp_path.iterdir()] == ["step-000001"]


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda folder: (folder / "a.txt").write_text("y"), r"a\.txt: damaged"),
        (lambda folder: (folder / "a.txt").unlink(), r"a\.txt: missing"),
        (lambda folder: (folder / "manifest.json").write_text("{"), r"manifest\.json: missing or unreadable"),
    ],
)
def test_damage_is_told_by_file_and_the_checkpoint_before_is_taken(tmp_path, damage, told):
    for step in (1, 2):
        checkpoint.write(tmp_path / f"step-00000{step}", fill("x"))
    assert checkpoint.newest(tmp_path) == tmp_path / "step-000002"
    damage(tmp_path / "step-000002")
    with pytest.raises(StoreError, match=told):
        checkpoint.verify(tmp_path / "step-000002")
    with pytest.warns(checkpoint.DamagedCheckpoint, match=f"{told}.*; going on from step-000001"):
        assert checkpoint.newest(tmp_path) == tmp_path / "step-000001"


def test_a_write_that_fails_leaves_what_was_there(tmp_path):
    checkpoint.write(tmp_path / "step-000001", fill("x"))

    def full(folder):
        (folder / "a.txt").write_text("half")
        raise OSError(28, "No space left on device")

    told = r"step-000001: cannot write the checkpoint, 4 bytes of it were taken: No space left(.|\n)*free space"
    with pytest.raises(StoreError, match=told):
        checkpoint.write(tmp_path / "step-000001", full)
    assert (tmp_path / "step-000001" / "a.txt").read_text() == "x"
    assert [path.name for path in tmp_path.iterdir()] == ["step-000001"]


def test_a_damaged_checkpoint_is_written_anew(tmp_path):
    checkpoint.write(tmp_path / "step-000001", fill("x"))
    (tmp_path / "step-000001" / "a.txt").write_text("y")
    checkpoint.write(tmp_path / "step-000001", fill("x"))
    assert checkpoint.verify(tmp_path / "step-000001")


def test_what_another_machine_put_there_and_this_one_does_not_see_yet_steps_aside(tmp_path, monkeypatch):
    checkpoint.write(tmp_path / "base", fill("theirs"))
    with monkeypatch.context() as late:
        late.setattr(checkpoint.Path, "exists", lambda path: False)
        checkpoint.write(tmp_path / "base", fill("ours"))
    assert checkpoint.verify(tmp_path / "base")
    assert (tmp_path / "base" / "a.txt").read_text() == "ours"
    assert [path.name for path in tmp_path.iterdir()] == ["base"]


def test_only_the_newest_two_are_kept(tmp_path):
    for step in (1, 2, 10):
        checkpoint.write(tmp_path / f"step-{step:06d}", fill("x"))
    checkpoint.prune(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-000002", "step-000010"]


def test_without_checkpoints_there_is_no_newest(tmp_path):
    assert checkpoint.newest(tmp_path / "nothing") is None
