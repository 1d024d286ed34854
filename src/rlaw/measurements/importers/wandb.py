"""W&B runs on disk: the `.wandb` file of an offline or online run, read without the package."""

import json
import struct
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from rlaw.errors import DataError
from rlaw.measurements.importers import printed, protobuf, settings, text, verl
from rlaw.measurements.importers.log import Facts, Log, RunLog
from rlaw.measurements.importers.names import trainer_of
from rlaw.measurements.importers.rows import flat_row, table_of
from rlaw.measurements.raw import Note

_HEADER, _BLOCK = 7, 32768
_CLOCKS = 3  # _step, _runtime and _timestamp stand in every row
_FULL, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4
#: fields of a record
_HISTORY, _CONFIG, _OUTPUT, _RUN, _EXIT = 2, 5, 13, 17, 18


class WandbFile:
    """A `.wandb` file, or the folder of a run that holds one."""

    name = "wandb"

    def recognises(self, path: Path) -> bool:
        """By the file's first bytes."""
        file = _file_of(path)
        if file is None:
            return False
        with file.open("rb") as opened:
            return opened.read(4) == b":W&B"

    def log(self, path: Path) -> Log:
        """The history of a run, its configuration and how it ended; of a damaged file what is whole.

        Raises:
            DataError: there is no such file.
        """
        file = _file_of(path)
        if file is None:
            raise DataError(f"{path}: no .wandb file in it")
        rows: list[dict[str, Any]] = []
        config: dict[str, Any] = {}
        exit_code, name, notes = None, "", []
        output: list[str] = []
        damage: list[str] = []
        for body in _records(file, damage):
            for number, _, value in _fields(body):
                if number == _HISTORY and isinstance(value, bytes):
                    rows.append(flat_row(_items(value, 1)))
                elif number == _CONFIG and isinstance(value, bytes):
                    config |= _items(value, 1)
                elif number == _RUN and isinstance(value, bytes):
                    for n, _, one in _fields(value):
                        if n == 4 and isinstance(one, bytes):
                            config |= _items(one, 1)
                        elif n == 8 and isinstance(one, bytes):
                            name = one.decode("utf-8", "replace")
                elif number == _EXIT and isinstance(value, bytes):
                    exit_code = next((int(one) for n, _, one in _fields(value) if n == 1), 0)
                elif number == _OUTPUT and isinstance(value, bytes):
                    output += [one.decode("utf-8", "replace") for n, _, one in _fields(value) if n == 3]  # pyright: ignore[reportAttributeAccessIssue]
        notes += [Note("damaged", words) for words in damage]
        facts = _facts(flat_row(config), exit_code)
        if not any(len(row) > _CLOCKS for row in rows):
            log = _of_console(path, "".join(output), facts)
            words = (
                "its console text is read instead" if len(log.runs[0].entries) else "nor metrics in its console text"
            )
            note = Note("no-history", f"the run recorded no history; {words}; files/output.log may hold more")
            run = replace(log.runs[0], name=name or file.stem)
            return replace(log, format=self.name, runs=(run,), notes=(*notes, note, *log.notes))
        table = table_of(rows)
        run = RunLog(name or file.stem, table, facts)
        return Log(path, self.name, trainer_of(table.columns).trainer, (run,), {}, tuple(notes))


def _fields(body: bytes) -> list[tuple[int, int, int | bytes]]:
    """The fields of a record; none where it is no message, whatever its checksum says."""
    try:
        return list(protobuf.fields(body))
    except ValueError:
        return []


def _of_console(path: Path, whole: str, facts: Facts) -> Log:
    """The entries of the console text that a run recorded; the settings of the run stand above what the text says."""
    lines = [text.plain(line) for line in whole.replace("\r", "\n").split("\n")]
    log = verl.log_of(path, lines, "wandb")
    if log.runs[0].entries.is_empty():
        log = printed.log_of(path, lines, "wandb")
    facts = settings.merged(facts, log.runs[0].facts)
    return replace(log, runs=(replace(log.runs[0], facts=facts),))


def _file_of(path: Path) -> Path | None:
    if path.is_file():
        return path if path.suffix == ".wandb" else None
    files = sorted(path.glob("*.wandb")) if path.is_dir() else []
    return files[0] if len(files) == 1 else None


def _records(path: Path, damage: list[str]) -> Iterator[bytes]:
    """The records of a file of blocks, those with a wrong checksum left out; what is lost is said in `damage`."""
    data = path.read_bytes()
    at, whole, wrong = _HEADER, None, []
    while at + 7 <= len(data):
        room = _BLOCK - at % _BLOCK
        if room < 7:
            at += room
            continue
        crc, length, kind = struct.unpack("<IHB", data[at : at + 7])
        body = data[at + 7 : at + 7 + length]
        if kind == 0 and length == 0 and not any(data[at : at + _BLOCK]):
            break  # zeros that a file system left
        fits = kind <= _LAST and length + 7 <= room
        if fits and len(body) < length:
            damage.append(f"{path.name}: cut short at byte {at:,} of {len(data):,}; what stands before is read")
            break
        if not fits or crc != zlib.crc32(bytes([kind]) + body):
            wrong.append(at)
            whole, at = None, at + (7 + length if fits else room)  # a length that is no length: on with the next block
            continue
        at += 7 + length
        if kind in (_FULL, _FIRST):
            whole = body
        elif whole is not None:
            whole += body
        if kind in (_FULL, _LAST) and whole is not None:
            yield whole
            whole = None
    if wrong:
        damage.append(
            f"{path.name}: {len(wrong)} records with a wrong checksum are left out, the first at byte {wrong[0]:,}"
        )


def _items(body: bytes, field: int) -> dict[str, Any]:
    """Items of a history or a configuration: key or path of keys, value as JSON."""
    found: dict[str, Any] = {}
    for number, _, item in _fields(body):
        if number != field or not isinstance(item, bytes):
            continue
        key, nested, value = "", [], "null"
        for n, _, one in _fields(item):
            if isinstance(one, bytes):
                if n == 1:
                    key = one.decode("utf-8", "replace")
                elif n == 2:
                    nested.append(one.decode("utf-8", "replace"))
                elif n == 16:
                    value = one.decode("utf-8", "replace")
        try:
            found["/".join(nested) or key] = json.loads(value)
        except (ValueError, RecursionError):
            continue
    return found


def _facts(config: dict[str, Any], exit_code: int | None) -> Facts:
    return replace(
        settings.facts_of(config),
        finished=exit_code == 0,
        cut=exit_code is None,
        cause=f"exit code {exit_code}" if exit_code else None,
    )
