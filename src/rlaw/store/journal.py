"""The record of truth: one line per record, only ever appended, each checked, each on the disk before it counts."""

import os
import warnings
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from rlaw.errors import RlawWarning, StoreError
from rlaw.files import cannot_write, sync
from rlaw.store import records
from rlaw.store.records import Record, RunFailed, RunFinished, RunInterrupted, RunStarted


class TornTail(RlawWarning):
    """A last line that was cut short by a crash is left out: it was never acknowledged."""


Stamp = tuple[int, str]
"""Size of a journal in bytes, and its last bytes, which hold the checksum of its last line."""
_TAIL_BYTES = 19


@dataclass(frozen=True, slots=True)
class Contents:
    """What a journal holds: its records, the bytes they take, and the bytes of a torn last line after them."""

    records: tuple[Record, ...]
    good_bytes: int
    torn_bytes: int


def stamp(path: Path) -> Stamp:
    """Which state a journal is in, without reading it: it only ever grows, by lines with checksums."""
    try:
        opened = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return 0, ""
    try:
        size = os.fstat(opened).st_size
        return size, os.pread(opened, _TAIL_BYTES, max(0, size - _TAIL_BYTES)).decode(errors="replace")
    finally:
        os.close(opened)


def read(path: Path, only: tuple[type[Record], ...] = ()) -> Contents:
    """All records of a journal, in the order they were written; none when there is no file. Changes nothing.

    Args:
        path: of the journal.
        only: kinds of records that are wanted; all when empty. Every line is checked, and these alone are decoded.

    Raises:
        StoreError: a line other than the last is damaged; names file, line and byte.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return Contents((), 0, 0)
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror or error}") from error
    heads = tuple(records.head(kind) for kind in only)
    kept: list[Record] = []
    line = start = 0
    while start < len(data):
        end = data.find(b"\n", start) + 1 or len(data)
        line += 1
        try:
            if heads and not data.startswith(heads, start):
                records.checked(data[start:end])
            else:
                kept.append(records.decode(data[start:end]))
        except StoreError as error:
            if end == len(data):
                return Contents(tuple(kept), start, end - start)
            raise _damaged(path, line, start, str(error)) from error
        except (KeyError, TypeError, ValueError) as error:  # the checksum holds: another version wrote it so
            raise _damaged(path, line, start, f"not a record that this rlaw knows ({error})") from error
        start = end
    return Contents(tuple(kept), start, 0)


def _damaged(path: Path, line: int, byte: int, what: str) -> StoreError:
    return StoreError(
        f"{path}: line {line} (byte {byte}): {what}\n"
        f"  next: take the file from a copy of the store, or delete the run's folder and run it again"
    )


def warn_of_torn_tail(path: Path, torn_bytes: int) -> None:
    """Say how much of a torn last line is left out."""
    warnings.warn(f"{path}: last line cut short, {torn_bytes} bytes left out", TornTail, stacklevel=3)


class Journal:
    """A journal open for appending. Only the holder of the run's lock may have one.

    A torn last line, left by a crash, is cut off when the journal is opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.found = read(path)
        if self.found.torn_bytes:
            warn_of_torn_tail(path, self.found.torn_bytes)
        try:
            self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
            if self.found.torn_bytes:
                os.ftruncate(self._file, self.found.good_bytes)
            sync(path.parent)
        except OSError as error:
            raise cannot_write(path, 0, error) from error
        self._end = self.found.good_bytes

    def append(self, record: Record) -> None:
        """Keep a record: when this returns, it is on the disk.

        Raises:
            StoreError: the system refused; the journal is as it was before.
        """
        line = records.encode(record)
        try:
            written = os.write(self._file, line)  # one write, so that readers and crashes see whole lines
            if written < len(line):
                raise OSError(0, f"only {written} bytes were taken, the disk or the allowed size is full")
            os.fdatasync(self._file)
        except OSError as error:
            with suppress(OSError):  # where even this fails, the next writer cuts the torn line off
                os.ftruncate(self._file, self._end)
            raise cannot_write(self.path, len(line), error) from error
        self._end += len(line)

    def close(self) -> None:
        """Release the file."""
        os.close(self._file)


def last_lineage(rows: Iterable[Record]) -> list[Record]:
    """The rows that led to the newest state: what an attempt that resumed at step s did anew supersedes steps after s.

    One RunStarted (the newest), each step and evaluation once, and how the newest attempt ended, if it has.
    """
    view: dict[tuple[object, ...], Record] = {}
    for record in rows:
        if isinstance(record, RunStarted):
            view = _before(record, view)
        view[_key(record)] = record  # a repeated row takes the place of the older one
    return list(view.values())


def finished(rows: Iterable[Record]) -> RunFinished | None:
    """How a run ended that is done: nothing more is to be written of it."""
    return next((record for record in last_lineage(rows) if isinstance(record, RunFinished)), None)


def _before(started: RunStarted, view: dict[tuple[object, ...], Record]) -> dict[tuple[object, ...], Record]:
    """What stays of earlier attempts when a new one starts: everything up to the step it resumed at."""
    if started.resumed_at == 0:
        return {}
    ended = (RunInterrupted, RunFailed, RunFinished)
    return {
        key: record
        for key, record in view.items()
        if not isinstance(record, ended) and getattr(record, "step", 0) <= started.resumed_at
    }


def _key(record: Record) -> tuple[object, ...]:
    return record.kind, getattr(record, "step", None), getattr(record, "benchmark", None)
