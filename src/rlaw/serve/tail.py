"""A log that grows: read again only when it changed, with what was in it before it was rotated."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from rlaw.errors import DataError, NotFound
from rlaw.measurements.courses import Course, courses, rotated

Stamp = tuple[tuple[str, int, int, int], ...]


@dataclass
class Tail:
    """What is watched.

    Attributes:
        path: a log, a folder of logs, a store, or one run of a store.
        format, mapping, models: as `courses` takes them.
    """

    path: Path
    format: str = "auto"
    mapping: Mapping[str, str] = field(default_factory=dict)
    models: Mapping[str, str] = field(default_factory=dict)
    _stamp: Stamp = ()
    _before: pl.DataFrame | None = None
    _entries: pl.DataFrame | None = None
    _place: tuple[int, int] | None = None

    def read(self) -> list[Course] | None:
        """Every run as it is now; None when nothing changed since the last call, or nothing can be read yet.

        Raises:
            DataError: the file is no log, at the first call.
        """
        stamp = _stamp_of(self.path)
        if stamp == self._stamp:
            return None
        if not stamp:
            return None  # between two files of a rotation, or before the first one
        first, self._stamp = not self._stamp, stamp
        if self.path.is_file():
            self._rotate(first)
        try:
            found, _ = courses(self.path, self.format, self.mapping, self.models, self._before)
        except (DataError, NotFound):
            if first and self.path.is_file() and self.path.stat().st_size:
                raise
            return None  # the first lines of a new file, or a folder in which nothing was written yet
        if self.path.is_file() and len(found) == 1:
            self._entries = found[0].entries
        return found

    def _rotate(self, first: bool) -> None:
        """Keep what the file held before it was replaced or cut, or, at first, what its older files hold."""
        status = self.path.stat()
        place, size = (status.st_ino, status.st_size), status.st_size
        if first:
            parts = [course.entries for old in rotated(self.path) for course in _read(old, self.format)]
            kept = [part for part in parts if part is not None]
            self._before = pl.concat(kept, how="diagonal_relaxed") if kept else None
        elif self._place is not None and (place[0] != self._place[0] or size < self._place[1]):
            self._before = self._entries
        self._place = place


def _read(path: Path, format: str) -> list[Course]:
    try:
        return courses(path, format)[0]
    except DataError:
        return []


def _stamp_of(path: Path) -> Stamp:
    """Name, inode, size and time of every file; empty when there is none."""
    if path.is_file():
        return (_stamped(path),)
    files = (os.path.join(folder, name) for folder, _, names in os.walk(path) for name in sorted(names))
    found = []
    for file in files:
        try:
            found.append(_stamped(Path(file)))
        except OSError:
            continue  # removed meanwhile
    return tuple(found)


def _stamped(file: Path) -> tuple[str, int, int, int]:
    status = file.stat()
    return str(file), status.st_ino, status.st_size, status.st_mtime_ns
