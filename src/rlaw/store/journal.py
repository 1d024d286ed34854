"""The record of truth: one line per record, only ever appended, each checked, each on the disk before it counts.

Each line names its run and the checksum of the line before it, and steps follow each other, so that lines that are
missing, moved, or another run's are noticed: such a journal is damaged, and neither read nor added to.
"""

import math
import os
import warnings
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from rlaw.errors import RlawWarning, StoreError
from rlaw.store import records, saved
from rlaw.store.files import cannot_write, gone, same_file, sync
from rlaw.store.records import FIRST, Record, RunFailed, RunFinished, RunInterrupted, RunStarted, Step


class TornTail(RlawWarning):
    """A last line that was cut short by a crash is left out: it was never acknowledged."""


Stamp = tuple[int, str]
"""Size of a journal in bytes, and its last bytes, which hold the checksum of its last line."""
_TAIL_BYTES = 19


@dataclass(frozen=True, slots=True)
class Contents:
    """What a journal holds: its records, the bytes they take, and the bytes of a torn last line after them.

    `last` is the checksum of the last whole line.
    """

    records: tuple[Record, ...]
    good_bytes: int
    torn_bytes: int
    last: str = FIRST


def stamp(path: Path, at_most: float = math.inf) -> Stamp:
    """Which state a journal is in, without reading it: it only ever grows, by lines with checksums.

    Args:
        path: of the journal.
        at_most: bytes; the stamp is that of the journal when it was no longer.
    """
    try:
        opened = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return 0, ""
    try:
        size = int(min(os.fstat(opened).st_size, at_most))
        start = max(0, size - _TAIL_BYTES)
        return size, os.pread(opened, size - start, start).decode(errors="replace")
    finally:
        os.close(opened)


class Lineage:
    """Follows the records of a run, and finds those that cannot come after what there was before.

    Attributes:
        run: whose records they are; empty when unknown.
        step: RL steps that led to the present.
        most: the highest step of any attempt.
    """

    def __init__(self, run: str = "") -> None:
        self.run, self.step, self.most = run, 0, 0
        self._attempt = self._planned = 0

    def fault(self, record: Record) -> str:
        """Why this record cannot be the next one; empty when it can, and is."""
        if self.run and record.run != self.run:
            return f"a record of run {record.run}, not of {self.run}"
        if text := self._misplaced(record):
            return text
        if isinstance(record, RunStarted):
            self.step, self._attempt, self._planned = record.resumed_at, record.attempt, record.steps
        elif isinstance(record, Step):
            self.step, self.most = record.step, max(self.most, record.step)
        return ""

    def _misplaced(self, record: Record) -> str:
        so_far = f"and the records before it end with step {self.step}"
        if isinstance(record, RunStarted):
            return f"resumed at step {record.resumed_at}, {so_far}" if record.resumed_at > self.step else ""
        if isinstance(record, RunFailed | RunInterrupted):
            return ""
        if record.attempt != self._attempt:
            return f"of attempt {record.attempt}, whose run_started is missing"
        step = getattr(record, "step", self.step)
        if step > self.step + isinstance(record, Step):
            return f"after step {step}, {so_far}: steps are missing"
        short = isinstance(record, RunFinished) and not record.diverged and step < max(self.step, self._planned)
        return f"the end of a run of {self._planned} steps, {so_far}" if short else ""


def read(path: Path, only: tuple[type[Record], ...] = (), run: str = "") -> Contents:
    """All records of a journal, in the order they were written; none when there is no file. Changes nothing.

    Args:
        path: of the journal.
        only: kinds of records that are wanted; all when empty. Every line is checked, and these alone are decoded.
        run: whose journal it must be; any run's when empty.

    Raises:
        StoreError: a line other than the last is damaged, lines are missing, or are of another run; names file, line
            and byte.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return Contents((), 0, 0)
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror or error}") from error
    heads = tuple(records.head(kind) for kind in only)
    kept: list[Record] = []
    lineage, before = Lineage(run), FIRST
    number = start = 0
    linked = False
    while start < len(data):
        end = data.find(b"\n", start) + 1 or len(data)
        number += 1
        try:
            line = records.checked(data[start:end])
        except StoreError as error:
            if end == len(data):
                return Contents(tuple(kept), start, end - start, before)
            raise _damaged(path, number, start, str(error)) from error
        linked = linked or bool(line.after)
        fault = "" if line.after == before or not linked else "does not follow the line before: lines are missing"
        if not fault and heads and not data.startswith(heads, start):
            fault = "" if not run or records.is_of(run, line.body) else f"not a record of run {run}"
        elif not fault:
            try:
                kept.append(records.of_body(line.body))
            except (StoreError, KeyError, TypeError, ValueError) as error:  # the checksum holds: another version's
                raise _damaged(path, number, start, f"not a record that this rlaw knows ({error})") from error
            fault = "" if heads else lineage.fault(kept[-1])
        if fault:
            raise _damaged(path, number, start, fault)
        start, before = end, line.crc
    return Contents(tuple(kept), start, 0, before)


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

    Args:
        path: of the journal.
        run: the id of the run, which every record has; any when empty.
        saved_step: of the run's newest checkpoint.

    Raises:
        StoreError: the journal is damaged, or has lost its end; it is as it was before.
    """

    def __init__(self, path: Path, run: str = "", saved_step: int = 0) -> None:
        self.path = path
        self.found = read(path, run=run)
        self.last = self.found.last
        self.lineage = Lineage(run)
        for record in self.found.records:
            self.lineage.fault(record)
        saved.check(path, saved_step, self.lineage.most)
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
            StoreError: the system refused, the journal was moved or removed, or the record cannot come after those
                before; the journal is as it was before.
        """
        if not same_file(self._file, self.path):
            raise gone(self.path)
        if fault := self.lineage.fault(record):
            raise StoreError(
                f"{self.path}: the {record.kind} that would come next is {fault}; nothing was written\n"
                f"  next: take records.jsonl and checkpoints from one copy of the store, or delete the run's folder "
                f"and run it again"
            )
        line = records.encode(record, self.last)
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
        self.last = records.checked(line).crc

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
