"""What is served, read again whenever it has changed: a store, a log, a folder of logs, a table, a dataset."""

import hashlib
import os
import shlex
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any

from rlaw.analysis.evidence import Evidence, measured, store_of
from rlaw.errors import RlawError
from rlaw.fitting.fit import Fit, fit
from rlaw.measurements import datasets
from rlaw.measurements.frame import SINGLE, Frame
from rlaw.measurements.load import load
from rlaw.serve.kept import Kept
from rlaw.serve.large import LARGE_BYTES, read_aside
from rlaw.store import Store
from rlaw.store.lock import owner_of

_MOST_FILES = 20_000
_MOST_DOCUMENTS, _MOST_FITS = 100, 8
#: files of a store that change when what it shows changes
_OF_A_RUN = ("records.jsonl", "lock", "tables.json")

Where = tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True)
class Source:
    """Where measurements are, and how they are read, as the command line was given it.

    Attributes:
        data: a store, a log, a folder, a table, or a dataset's name.
        where: rows that are kept, by column.
        mapping, format, measure: as `rlaw.load` takes them.
    """

    data: str
    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    mapping: Mapping[str, str] = field(default_factory=dict)
    format: str = "auto"
    measure: str | None = None

    def stamp(self) -> str:
        """Which state the files are in, without reading them: it changes when one grows, comes or goes."""
        if self.data in datasets.names():
            return "bundled"
        hashed = hashlib.sha256()
        for path in _files(Path(self.data)):
            try:
                about = path.stat()
            except OSError:
                continue
            alive = path.name == "lock" and owner_of(path) is not None  # a killed writer leaves its lock behind
            line = f"{path}\0{about.st_size}\0{about.st_mtime_ns}\0{alive}\n"
            hashed.update(line.encode(errors="surrogateescape"))
        return hashed.hexdigest()

    def read(self) -> Frame:
        """All rows.

        Raises:
            RlawError: as `rlaw.load`.
        """
        if self.data in datasets.names() or self._bytes() < LARGE_BYTES:
            return self._read()
        return read_aside(self._read)

    def _read(self) -> Frame:
        frame = load(self.data, mapping=dict(self.mapping), format=self.format, measure=self.measure)
        return frame.where(**self.where) if self.where else frame

    def _bytes(self) -> int:
        total = 0
        for path in _files(Path(self.data)):
            with suppress(OSError):
                total += path.stat().st_size
        return total

    def store(self) -> Store | None:
        """The store that this is, or None."""
        return store_of(self.data)

    def command(self, name: str, *options: str, where: Where = ()) -> str:
        """The command line that gives the numbers of a view."""
        given = [(key, value) for key, values in (*self.where.items(), *where) for value in values]
        more = [part for key, value in given for part in ("--where", f"{key}={value}")]
        more += [part for ours, theirs in self.mapping.items() for part in ("--map", f"{ours}={theirs}")]
        more += ["--format", self.format] if self.format != "auto" else []
        more += ["--measure", self.measure] if self.measure else []
        return shlex.join(["rlaw", name, self.data, *options, *more])


def _files(path: Path) -> Iterator[Path]:
    """The files that a stamp is of, at most `_MOST_FILES`."""
    if (path / "study.json").is_file():
        yield path / "study.json"
        with os.scandir(path / "runs") as runs:
            folders = sorted(entry.path for entry in runs)
        yield from (Path(folder) / name for folder in folders for name in _OF_A_RUN)
        return
    if not path.is_dir():
        yield path
        return
    count = 0
    for folder, folders, names in os.walk(path):
        folders.sort()
        for name in sorted(names):
            yield Path(folder) / name
            count += 1
            if count >= _MOST_FILES:
                return


@dataclass(frozen=True, eq=False)
class Snapshot:
    """What the source held at one moment, with all that was worked out from it, each thing once.

    Attributes:
        number: of the snapshot; they rise.
        source: what was read.
        stamp: of its files before they were read.
        frame: all rows; None where they could not be read.
        problem: why not.
        documents, fits: of this snapshot.
        runs: what is known of single runs by the state of their journals; goes on from snapshot to snapshot.
    """

    number: int
    source: Source
    stamp: str
    frame: Frame | None
    problem: RlawError | None = None
    documents: Kept = field(default_factory=lambda: Kept(_MOST_DOCUMENTS), repr=False)
    fits: Kept = field(default_factory=lambda: Kept(_MOST_FITS), repr=False)
    runs: Kept = field(default_factory=lambda: Kept(_MOST_FILES), repr=False)

    @classmethod
    def take(cls, number: int, source: Source) -> "Snapshot":
        """Read the source; what cannot be read is kept as the problem, for a log that has just begun has no score."""
        stamp = source.stamp()
        try:
            return cls(number, source, stamp, source.read())
        except RlawError as error:
            return cls(number, source, stamp, None, error)

    @cached_property
    def store(self) -> Store | None:
        """The store that the source is, or None."""
        return self.source.store()

    def evidence(self, where: Where = ()) -> Evidence:
        """The rows for one law, before anything is fitted.

        Raises:
            RlawError: there are no rows, or rows of several laws and no choice among them.
        """
        if self.frame is None:
            raise self.problem or RlawError(f"{self.source.data} holds nothing")
        frame = self.frame
        return self.documents.once(("evidence", where), lambda: measured(frame, self.store, where=dict(where)))

    def chosen(self, evidence: Evidence) -> Where:
        """What was chosen of the columns that hold several values: with `--where` the commands choose the same."""
        every, main = evidence.frame.rows, evidence.main.rows
        several = [name for name in SINGLE if every[name].drop_nulls().n_unique() > 1]
        return tuple((name, tuple(map(str, main[name].drop_nulls().unique().sort().to_list()))) for name in several)

    def fit(self, law: str, where: Where = (), **options: Any) -> Fit:
        """A law fitted as `rlaw fit` fits it.

        Raises:
            RlawError: it cannot be.
        """
        evidence = self.evidence(where)
        choice = evidence.choice
        how = {"space": choice.space, "level": choice.level, **options}
        key = (law, where, *sorted(how.items()))
        return self.fits.once(key, lambda: fit(law, evidence.main, **how))


class Live:
    """The newest snapshot of a source.

    Args:
        source: what is served.
    """

    def __init__(self, source: Source) -> None:
        self.source, self._lock = source, Lock()
        self.now = Snapshot.take(1, source)

    def refresh(self) -> Snapshot | None:
        """Read again what has changed; None when nothing has."""
        with self._lock:
            if self.source.stamp() == self.now.stamp:
                return None
            taken = Snapshot.take(self.now.number + 1, self.source)
            if taken.frame is None and self.now.frame is not None:  # half written: what was read before still stands
                taken = replace(taken, frame=self.now.frame)
            self.now = replace(taken, runs=self.now.runs)
            return self.now
