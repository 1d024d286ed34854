"""TensorBoard event files, every scalar of them: no sampling, no dependency."""

import json
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from rlaw.measurements.importers import protobuf
from rlaw.measurements.importers.log import Facts, Log, RunLog
from rlaw.measurements.importers.models import params_of
from rlaw.measurements.importers.names import trainer_of
from rlaw.measurements.raw import Note

_CRC_TABLE = [0] * 256
for _byte in range(256):
    _crc = _byte
    for _ in range(8):
        _crc = _crc >> 1 ^ (0x82F63B78 if _crc & 1 else 0)
    _CRC_TABLE[_byte] = _crc
_MOST_BYTES = 1 << 28  # of one record; a longer length is damage
_FLOAT, _DOUBLE = 1, 2  # of a tensor


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
        scalars: list[tuple[int, str, float]] = []
        for body in _records(path, dropped):
            step, values = _event(body)
            for tag, value in values:
                if isinstance(value, str):
                    texts[tag] = value
                else:
                    scalars.append((step, tag, value))
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


def _records(path: Path, dropped: dict[str, int]) -> Iterator[bytes]:
    """The records of a file; those with a wrong checksum are counted, and reading goes on."""
    with path.open("rb") as file:
        while head := file.read(12):
            if len(head) < 12:
                dropped["torn_record"] += 1
                return
            (length,) = struct.unpack("<Q", head[:8])
            if length > _MOST_BYTES or _masked(head[:8]) != struct.unpack("<I", head[8:])[0]:
                dropped["bad_checksum"] += 1
                return  # where the next record begins is not known
            body = file.read(length + 4)
            if len(body) < length + 4:
                dropped["torn_record"] += 1
                return
            if length < 1 << 12 and _masked(body[:length]) != struct.unpack("<I", body[length:])[0]:
                dropped["bad_checksum"] += 1
                continue
            yield body[:length]


def _masked(data: bytes) -> int:
    """The masked CRC-32C of TensorFlow's records."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _CRC_TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


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


def _wide(scalars: list[tuple[int, str, float]]) -> pl.DataFrame:
    """A row for each stretch of one step, in the order of the file, a column for each tag."""
    if not scalars:
        return pl.DataFrame(schema={"step": pl.Int64})
    attempts, last, attempt = [], {}, 0
    for step, tag, _ in scalars:
        if step < last.get(tag, step):  # the step of a tag goes back: the run was started again
            attempt, last = attempt + 1, {}
        last[tag] = step
        attempts.append(attempt)
    steps, tags, values = zip(*scalars, strict=True)
    long = pl.DataFrame({"attempt": attempts, "step": pl.Series(steps, dtype=pl.Int64), "tag": tags, "value": values})
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
