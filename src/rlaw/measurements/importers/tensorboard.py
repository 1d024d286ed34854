"""TensorBoard event files, every scalar of them: no sampling, no dependency."""

import json
import mmap
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from rlaw.measurements.importers import protobuf
from rlaw.measurements.importers.log import Facts, Log, RunLog
from rlaw.measurements.importers.models import params_of
from rlaw.measurements.importers.names import trainer_of
from rlaw.measurements.raw import Note

_HEAD, _FOOT = 12, 4  # bytes before and after a record's own: its length and checksum, its checksum
_BATCH = 1 << 16  # records whose checksums are computed at once
_SHORT = 1 << 12  # bytes of a record; scalars are shorter, and the checksums of pictures are not computed
_FLOAT, _DOUBLE = 1, 2  # of a tensor
#: an event of one scalar: wall time, step, summary (size, value's size, tag, number)
_SCALAR = re.compile(rb"(?s)\x09.{8}\x10([\x80-\xff]{0,9}[\0-\x7f])\x2a(.)\x0a(.)\x0a(.+)\x15(.{4})")
_UNPACK = struct.Struct("<f").unpack


class TensorBoard:
    """An event file, or the event files of one run in a folder."""

    name = "tensorboard"

    def recognises(self, path: Path) -> bool:
        """By the name that every writer gives them and the first record's own length."""
        return path.is_file() and "tfevents" in path.name and path.stat().st_size > 16

    def log(self, path: Path) -> Log:
        """The scalars of a file, a row for each step."""
        texts: dict[str, str] = {}
        dropped = {"bad_checksum": 0, "torn_record": 0}
        scalars = _Scalars([], [], [])
        for body in _records(_mapped(path), dropped):
            if not scalars.take(body):
                step, values = _event(body)
                for tag, value in values:
                    if isinstance(value, str):
                        texts[tag] = value
                    else:
                        scalars.add(step, tag, value)
        table = _wide(scalars)
        notes = []
        if dropped["bad_checksum"]:
            notes.append(
                Note("bad-checksum", f"{dropped['bad_checksum']} records have a wrong checksum and are left out")
            )
        if dropped["torn_record"]:
            notes.append(Note("torn-record", "the last record is cut short and left out"))
        names = trainer_of(table.columns)
        run = path.absolute().parent.name
        left = {reason: n for reason, n in dropped.items() if n}
        return Log(path, self.name, names.trainer, (RunLog(run, table, _facts(texts)),), left, tuple(notes))


def _mapped(path: Path) -> Any:
    """The bytes of a file, in memory as far as they are read."""
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if path.stat().st_size else b""


def _records(data: bytes, dropped: dict[str, int]) -> Iterator[bytes]:
    """The records of a file; those with a wrong checksum are counted, and reading goes on behind them."""
    at = 0
    while at < len(data):
        starts, lengths, at = _walk(data, at)
        heads, bodies = _sound(data, starts, np.full(len(starts), 8)), _sound(data, starts + _HEAD, lengths)
        lost = int(np.argmin(heads)) if not heads.all() else len(starts)  # from there on no length is to be trusted
        for start, length, sound in zip(starts[:lost].tolist(), lengths[:lost].tolist(), bodies[:lost], strict=True):
            if sound:
                yield data[start + _HEAD : start + _HEAD + length]
            else:
                dropped["bad_checksum"] += 1
        if lost < len(starts):
            dropped["bad_checksum"] += 1
            at = _next(data, int(starts[lost]) + 1)
        elif at < len(data) and len(starts) < _BATCH:
            dropped["torn_record"] += 1
            return


def _walk(data: bytes, at: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Where some records begin and how long they are, by their lengths alone, and where the next one begins."""
    starts, lengths, end = [], [], len(data)
    unpack = struct.Struct("<Q").unpack_from
    while len(starts) < _BATCH and at + _HEAD <= end:
        (length,) = unpack(data, at)
        after = at + _HEAD + length + _FOOT
        if after > end and _masked(data[at : at + 8]) == int.from_bytes(data[at + 8 : at + _HEAD], "little"):
            break  # a record that is cut short
        if after > end:
            length, after = 0, end  # its checksum will tell
        starts.append(at)
        lengths.append(length)
        at = after
    return np.array(starts, np.int64), np.array(lengths, np.int64), at


def _next(data: bytes, at: int) -> int:
    """Where a record begins from a place on: a length with its right checksum; the end where none does."""
    for found in _LENGTH.finditer(data, at):
        if _masked(found[1]) == int.from_bytes(found[2], "little") and int.from_bytes(found[1], "little"):
            return found.start()
    return len(data)


def _sound(data: bytes, starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Whether the checksum behind each stretch of a file is that of the stretch; long ones are believed."""
    sound = np.ones(len(starts), bool)
    buffer = np.frombuffer(data, np.uint8)
    for length in np.unique(lengths):
        which = np.flatnonzero(lengths == length)
        if length > _SHORT:
            continue
        rows = buffer[starts[which, None] + np.arange(length + _FOOT)]
        crc = np.full(len(which), 0xFFFFFFFF, np.uint32)
        for column in rows[:, :length].T:
            crc = _CRC[(crc ^ column) & 0xFF] ^ crc >> 8
        crc = ~crc
        found = (crc >> 15 | crc << 17) + np.uint32(0xA282EAD8)
        sound[which] = found == rows[:, length:].copy().view("<u4")[:, 0]
    return sound


def _masked(data: bytes) -> int:
    """The masked CRC-32C of TensorFlow's records."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _CRC_OF_BYTE[(crc ^ byte) & 0xFF] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def _crc_of_bytes() -> list[int]:
    table = list(range(256))
    for byte in range(256):
        for _ in range(8):
            table[byte] = table[byte] >> 1 ^ (0x82F63B78 if table[byte] & 1 else 0)
    return table


_CRC_OF_BYTE = _crc_of_bytes()
_CRC = np.array(_CRC_OF_BYTE, np.uint32)
#: what the beginning of a record is like: a length below 16 MB and its checksum
_LENGTH = re.compile(rb"(?s)(?=(.{3}\0{5})(.{4}))")


class _Scalars(NamedTuple):
    """The scalars of a file in their order."""

    steps: list[int]
    tags: list[str]
    values: list[float]

    def add(self, step: int, tag: str, value: float) -> None:
        """Add one."""
        self.steps.append(step)
        self.tags.append(tag)
        self.values.append(value)

    def take(self, body: bytes) -> bool:
        """Add the scalar of an event that holds this one alone, as writers of scalars make them; False of any other."""
        found = _SCALAR.fullmatch(body)
        if found is None:
            return False
        step, summary, value, tag, number = found.groups()
        if tag[0] != len(tag) - 1 or value[0] != len(tag) + 6 or summary[0] != value[0] + 2:
            return False
        counted = 0
        for byte in reversed(step):
            counted = counted << 7 | byte & 127
        self.add(counted, tag[1:].decode("utf-8", "replace"), _UNPACK(number)[0])
        return True


def _event(body: bytes) -> tuple[int, list[tuple[str, float | str]]]:
    """The step of an event and its scalars and texts by tag."""
    step, values = 0, []
    try:
        for number, kind, value in protobuf.fields(body):
            if number == 2 and kind == protobuf.VARINT:
                step = int(value)
            elif number == 5 and isinstance(value, bytes):
                values += [_value(one) for n, _, one in protobuf.fields(value) if n == 1 and isinstance(one, bytes)]
    except ValueError:
        return step, []
    return step, [(tag, value) for tag, value in values if value is not None]


def _value(body: bytes) -> tuple[str, float | str | None]:
    tag, value = "", None
    for number, kind, one in protobuf.fields(body):
        if number == 1 and isinstance(one, bytes):
            tag = one.decode("utf-8", "replace")
        elif number == 2 and kind == protobuf.FIXED32 and isinstance(one, bytes):
            value = struct.unpack("<f", one)[0]
        elif number == 8 and isinstance(one, bytes):
            value = _tensor(one)
    return tag, value


def _tensor(body: bytes) -> float | str | None:
    """The one number, or the text, of a tensor."""
    kind, content = 0, None
    for number, wire, one in protobuf.fields(body):
        if number == 1 and wire == protobuf.VARINT:
            kind = int(one)
        elif number in (4, 5, 6) and isinstance(one, bytes):
            content = one
        elif number == 8 and isinstance(one, bytes):
            return one.decode("utf-8", "replace")
    if content is None:
        return None
    if kind == _FLOAT and len(content) == 4:
        return struct.unpack("<f", content)[0]
    return struct.unpack("<d", content)[0] if kind == _DOUBLE and len(content) == 8 else None


def _wide(scalars: _Scalars) -> pl.DataFrame:
    """A row for each stretch of one step, in the order of the file, a column for each tag."""
    if not scalars.steps:
        return pl.DataFrame(schema={"step": pl.Int64})
    steps, tags, values = scalars
    long = pl.DataFrame({"step": pl.Series(steps, dtype=pl.Int64), "tag": tags, "value": values}).with_row_index("at")
    before = long.with_columns(
        back=pl.col("step").diff().over("tag") < 0, before=pl.col("at").shift(1).over("tag")
    ).filter("back")
    starts: list[int] = []
    for at, earlier in before.select("at", "before").iter_rows():
        if earlier >= (starts[-1] if starts else 0):  # the step of a tag goes back: the run was started again
            starts.append(at)
    attempt = np.searchsorted(starts, np.arange(len(long)), side="right") if starts else np.zeros(len(long), np.int64)
    long = long.drop("at").with_columns(attempt=pl.Series(attempt, dtype=pl.Int64))
    wide = long.pivot(
        on="tag", index=["attempt", "step"], values="value", aggregate_function="last", maintain_order=True
    )
    return wide.sort("attempt", "step", maintain_order=True).drop("attempt")


def _facts(texts: dict[str, str]) -> Facts:
    """The model of a run from the settings that TRL writes as text summaries."""
    settings = {tag.removesuffix("/text_summary"): _json(value) for tag, value in texts.items()}
    arguments, model = settings.get("args", {}), settings.get("model_config", {})
    name = model.get("_name_or_path") or arguments.get("model_name_or_path") or None
    steps = arguments.get("max_steps")
    return Facts(
        model=str(name).rstrip("/").rpartition("/")[2] if name else None,
        params=params_of(model) if model else None,
        planned_steps=steps if isinstance(steps, int) and steps > 0 else None,
        group_size=arguments.get("num_generations") if isinstance(arguments.get("num_generations"), int) else None,
    )


def _json(value: str) -> dict[str, Any]:
    found = re.search(r"\{.*\}", value, re.DOTALL)
    try:
        read = json.loads(found[0]) if found else {}
    except ValueError:
        return {}
    return read if isinstance(read, dict) else {}
