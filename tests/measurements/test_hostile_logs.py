"""Logs that are damaged, enormous or made to harm: one clear message, reading goes on, nothing is written elsewhere."""

import gzip
import json
import os
import pickle
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path

import pytest

from rlaw.cli import main
from rlaw.errors import DataError, NotFound
from rlaw.measurements.importers import logs, tensorboard, text
from rlaw.measurements.importers.tensorboard import TensorBoard
from rlaw.measurements.importers.wandb import WandbFile


def rows(count: int = 30) -> list[dict]:
    return [{"step": s, "reward": 0.1 + 0.01 * s, "frac_reward_zero_std": 0.0} for s in range(1, count + 1)]


def write(path: Path, more: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows()) + more)
    return path


def scalar(step: int, value: float, tag: bytes = b"train/reward") -> bytes:
    """An event of TensorBoard with one scalar."""
    inner = b"\x0a" + bytes([len(tag)]) + tag + b"\x15" + struct.pack("<f", value)
    summary = b"\x0a" + bytes([len(inner)]) + inner
    return b"\x09" + struct.pack("<d", 1.7e9) + b"\x10" + bytes([step]) + b"\x2a" + bytes([len(summary)]) + summary


def record(body: bytes) -> bytes:
    head = struct.pack("<Q", len(body))
    checksums = (struct.pack("<I", tensorboard._masked(part)) for part in (head, body))
    return head + next(checksums) + body + next(checksums)


def events(path: Path, count: int = 30) -> list[bytes]:
    made = [record(scalar(step, step / 64)) for step in range(1, count + 1)]
    path.write_bytes(b"".join(made))
    return made


def test_records_of_tensorboard_with_a_wrong_checksum_are_left_out_aloud_and_reading_goes_on(tmp_path):
    path = tmp_path / "events.out.tfevents.1.host"
    made = events(path)
    damaged = bytearray(b"".join(made))
    damaged[sum(map(len, made[:4])) + 30] ^= 1  # in the body of the fifth
    damaged[sum(map(len, made[:9])) + 1] ^= 1  # in the length of the tenth
    path.write_bytes(bytes(damaged) + made[0][:20])
    log = TensorBoard().log(path)
    assert log.runs[0].entries["step"].to_list() == [s for s in range(1, 31) if s not in (5, 10)]
    assert log.runs[0].entries["train/reward"][0] == 1 / 64
    assert log.dropped == {"bad_checksum": 2, "torn_record": 1}
    assert [note.code for note in log.notes] == ["bad-checksum", "torn-record"]


def chunk(body: bytes) -> bytes:
    return struct.pack("<IHB", zlib.crc32(b"\x01" + body), len(body), 1) + body


def field(number: int, body: bytes) -> bytes:
    return (
        bytes([number << 3 & 127 | 2 | 128, number >> 4, len(body)])
        if number > 15
        else bytes([number << 3 | 2, len(body)])
    )


def history(step: int) -> bytes:
    items = b""
    for key, value in (("step", step), ("reward", step / 64), ("loss", 0.1), ("kl", 0.1), ("lr", 0.1)):
        item = field(1, key.encode()) + key.encode() + field(16, str(value).encode()) + str(value).encode()
        items += field(1, item) + item
    return field(2, items) + items


def test_records_of_wandb_with_a_wrong_checksum_are_left_out_aloud_and_reading_goes_on(tmp_path):
    path = tmp_path / "run-1.wandb"
    chunks = [chunk(history(step)) for step in range(1, 31)]
    chunks[4] = chunks[4][:20] + b"?" + chunks[4][21:]
    path.write_bytes(b":W&B\x00\x00\x00" + b"".join(chunks))
    log = WandbFile().log(path)
    assert log.runs[0].entries["step"].to_list() == [s for s in range(1, 31) if s != 5]
    assert next(note.text for note in log.notes).startswith("run-1.wandb: 1 records with a wrong checksum are left out")


def test_a_damaged_file_of_a_folder_is_left_out_aloud_and_the_others_are_read(capsys, tmp_path):
    write(tmp_path / "good" / "metrics.jsonl")
    (tmp_path / "bad").mkdir()
    whole = gzip.compress(write(tmp_path / "bad" / "metrics.jsonl").read_bytes() * 2000)
    (tmp_path / "bad" / "metrics.jsonl").unlink()
    (tmp_path / "bad" / "metrics.jsonl.gz").write_bytes(whole[: len(whole) // 2])
    assert main(["import", str(tmp_path), "--dry-run", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [len(source["runs"]) for source in document["sources"]] == [1, 0]
    assert [w["code"] for w in document["warnings"]] == ["unreadable"]
    assert "cut short or damaged" in document["warnings"][0]["text"]
    assert main(["import", str(tmp_path / "bad"), "--dry-run"]) == 4


def test_a_file_that_nobody_may_read_is_left_out_aloud(monkeypatch, tmp_path):
    write(tmp_path / "a.jsonl")
    closed = write(tmp_path / "b.jsonl")
    opened = Path.open

    def refusing(path, *arguments, **more):
        if path == closed:
            raise PermissionError(13, "Permission denied")
        return opened(path, *arguments, **more)

    monkeypatch.setattr(Path, "open", refusing)
    sources = logs.read([tmp_path])
    assert [len(source.runs) for source in sources] == [1, 0]
    assert sources[1].notes[0].text == "left out: cannot be read: Permission denied"
    with pytest.raises(DataError, match=r"b\.jsonl: cannot be read: Permission denied"):
        logs.read([closed])


@pytest.mark.parametrize("of", ["fifo", "device"])
def test_what_never_ends_is_not_opened(capsys, tmp_path, of):
    path = Path("/dev/zero")
    if of == "fifo":
        os.mkfifo(path := tmp_path / "train.log")
    assert main(["import", str(path), "--dry-run"]) == 4
    assert "is a pipe" in (message := capsys.readouterr().err) or "is a device" in message
    if of == "fifo":  # in a folder it is passed over
        write(tmp_path / "metrics.jsonl")
        assert len(logs.read([tmp_path])) == 1


def test_bombs_are_refused_before_they_fill_the_memory(monkeypatch, tmp_path):
    monkeypatch.setattr(text, "_PLAIN", 1 << 20)
    line = b'{"step": 1, "reward": 0.5, "text": "' + b"a" * 1000 + b'"}\n'
    path = tmp_path / "metrics.jsonl.gz"
    path.write_bytes(gzip.compress(line * 20_000))
    with pytest.raises(DataError, match="unpacks to more than 100 times its size"):
        logs.read([path])
    monkeypatch.setattr(text, "_MOST_LINE", 1 << 17)
    endless = tmp_path / "endless.jsonl"
    endless.write_bytes(b'{"step": 1, "reward": 0.5}\n' * 10 + b"a" * (1 << 18))
    with pytest.raises(DataError, match=r"endless\.jsonl: a line of more than"):
        logs.read([endless])


def test_archives_and_pickles_are_neither_unpacked_nor_loaded(capsys, tmp_path):
    """What a pickle would do when it is loaded: write a file."""

    class Harm:
        def __reduce__(self):
            return Path.touch, (tmp_path / "harm",)

    folder = tmp_path / "logs"
    folder.mkdir()
    for name in ("state.pkl", "optimizer.pt", "metrics.jsonl"):
        (folder / name).write_bytes(pickle.dumps(Harm()))
    with zipfile.ZipFile(folder / "logs.zip", "w") as file:
        file.writestr("../../escaped.jsonl", json.dumps(rows()[0]))
    with tarfile.open(folder / "logs.tar", "w") as file:
        file.add(folder / "state.pkl", "../escaped.pkl")
    for path in [folder, *folder.iterdir()]:
        assert main(["import", str(path), "--store", str(tmp_path / "store")]) in (3, 4), path
    assert "Traceback" not in capsys.readouterr().err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["logs"]


def test_links_are_not_followed_out_of_a_folder(tmp_path):
    elsewhere = write(tmp_path / "elsewhere" / "secret.jsonl")
    (tmp_path / "elsewhere" / "config.json").write_text('{"model_name": "secret-7b"}')
    folder = tmp_path / "logs"
    folder.mkdir()
    (folder / "linked.jsonl").symlink_to(elsewhere)
    (folder / "up").symlink_to(tmp_path, target_is_directory=True)
    with pytest.raises(NotFound, match="links are not followed"):
        logs.read([folder])
    write(folder / "mine.jsonl")
    (folder / "config.json").symlink_to(tmp_path / "elsewhere" / "config.json")
    (source,) = logs.read([folder])
    assert (source.log.path.name, source.runs[0].model) == ("mine.jsonl", None)


def test_names_of_runs_lead_nowhere_out_of_the_store(tmp_path):
    header = "Step,../../escaped - train/reward,/etc/passwd - train/reward\n"
    path = tmp_path / "logs" / "wandb_export.csv"
    path.parent.mkdir()
    path.write_text(header + "".join(f"{s},0.{s},0.{s + 1}\n" for s in range(1, 6)))
    assert main(["import", str(path), "--store", str(tmp_path / "store")]) == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["logs", "store"]
    assert sorted(p.name for p in (tmp_path / "store" / "runs").iterdir()) == ["escaped", "etc-passwd"]


@pytest.mark.parametrize(
    ("more", "dropped"),
    [
        ('{"step": 31, "x": ' + '{"a":' * 5000 + "1" + "}" * 5001 + "\n", {"torn_line": 1}),
        ('{"step": 31, "x": ' + "[" * 100_000 + "\n", {"torn_line": 1}),
        ('{"step": 31, "text": "' + "x" * (1 << 20) + '", "reward": 0.41}\n', {}),
        ('{"step": 31, "reward": ' + "9" * 5000 + "}\n", {"torn_line": 1}),
        ("\0" * 4096 + "\n", {}),
        ('[1, 2]\n3\n"x"\n', {"no_object": 3}),
        ('{"step": 31, "x": ' + '{"a":' * 40 + "1" + "}" * 41 + "\n", {"no_reward_or_score": 1}),
    ],
    ids=["deep-record", "deep-list", "long-line", "long-number", "zeros", "no-record", "nested"],
)
def test_lines_that_are_odd_are_read_or_counted(tmp_path, more, dropped):
    path = write(tmp_path / "metrics.jsonl", more)
    (source,) = logs.read([path])
    assert source.rows["dropped"] == dropped
    assert source.runs[0].steps["reward_mean"].to_list()[:30] == [row["reward"] for row in rows()]


def test_lines_that_take_a_search_back_and_forth_end_soon(tmp_path):
    """Each of a million characters, made for one of the patterns that lines of a console are searched for."""
    million = 1 << 20
    hostile = [
        "step 1 " * (million // 7) + "{",
        "a" * million + "Config {x",
        " " * million + "cluster]",
        "{'a': tensor(" + "a" * million + "}",
        "\x1b[" * (million // 2),
        "|" + " " * million + "x",
        "step:1 - " * (million // 9),
        "(" * million,
        "A." * (million // 2),
    ]
    path = tmp_path / "train.log"
    entries = [f"{{'reward': {row['reward']}, 'loss': 0.1, 'step': {row['step']}}}" for row in rows()]
    path.write_text("\n".join([*entries[:10], "Traceback (most recent call last):", *hostile, *entries[10:]]))
    (source,) = logs.read([path])
    assert source.runs[0].steps["reward_mean"].to_list() == [row["reward"] for row in rows()]


def test_lines_with_names_of_their_own_each_are_refused(tmp_path):
    path = write(tmp_path / "metrics.jsonl", "".join(f'{{"step": {s}, "id{s}": 1}}\n' for s in range(12_000)))
    with pytest.raises(DataError, match=r"names in [0-9,]+ lines: these are no metrics by step"):
        logs.read([path])


def test_text_of_two_bytes_a_letter_is_read(tmp_path):
    """As PowerShell writes what it redirects."""
    path = tmp_path / "metrics.jsonl"
    path.write_text("".join(json.dumps(row) + "\r\n" for row in rows()), encoding="utf-16")
    (source,) = logs.read([path])
    assert source.runs[0].steps["step"].to_list() == list(range(1, 31))


def test_of_a_large_file_what_means_nothing_is_let_go_and_named(monkeypatch, tmp_path):
    from rlaw.measurements.importers import rows as of_rows

    monkeypatch.setattr(of_rows, "_LARGE", -1)
    path = tmp_path / "metrics.jsonl"
    path.write_text(
        "".join(json.dumps(row | {"mine/cost": 2 + row["step"] % 2, "mine/other": 1}) + "\n" for row in rows())
    )
    (source,) = logs.read([path], mapping={"tokens": "mine/cost"})
    assert source.runs[0].tokens == 75
    assert source.runs[0].unknown == ("mine/other",)
    assert "mine/other" not in source.log.runs[0].entries.columns
