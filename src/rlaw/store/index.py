"""Status of every run in one small SQLite file, so that a store of thousands of runs opens at once.

A cache: each row holds the size and time of the journal it was told from and counts only while these agree. It is
written whole and renamed into place, so that it needs no lock of its own; delete it at any time.
"""

import os
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import astuple, fields
from pathlib import Path
from typing import get_type_hints

from rlaw.store.files import cannot_write
from rlaw.store.status import Status

Stamp = tuple[int, int]
"""Size in bytes and modification time in nanoseconds of a journal."""

_COLUMNS = tuple(field.name for field in fields(Status))
_TYPES = {name: {int: "integer", str: "text"}.get(hint, "") for name, hint in get_type_hints(Status).items()}


def stamp(journal: Path) -> Stamp:
    """What a journal looks like from outside; (0, 0) when there is none."""
    try:
        found = journal.stat()
    except FileNotFoundError:
        return 0, 0
    return found.st_size, found.st_mtime_ns


def read(path: Path) -> dict[str, tuple[Stamp, Status]]:
    """The indexed statuses by label; empty when there is no index that can be read."""
    if not path.exists():
        return {}
    query = f"select journal_bytes, journal_time, {', '.join(_COLUMNS)} from runs"  # noqa: S608 - our own column names
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True)) as base:
            rows = base.execute(query).fetchall()
    except sqlite3.Error:  # damaged, or of another version: it is only a cache
        return {}
    statuses = (((size, time), Status(**dict(zip(_COLUMNS, row, strict=True)))) for size, time, *row in rows)
    return {status.label: (mark, status) for mark, status in statuses}


def write(path: Path, statuses: Iterable[tuple[Stamp, Status]]) -> None:
    """Replace the index.

    Raises:
        StoreError: the system refused.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    columns = ", ".join(f"{name} {_TYPES[name]}".strip() for name in _COLUMNS)
    try:
        with closing(sqlite3.connect(temporary)) as base:
            base.execute(f"create table runs (journal_bytes integer, journal_time integer, {columns})")
            marks = ", ".join("?" * (len(_COLUMNS) + 2))
            rows = [(*mark, *astuple(status)) for mark, status in statuses]
            base.executemany(f"insert into runs values ({marks})", rows)  # noqa: S608 - question marks
            base.commit()
        temporary.replace(path)
    except (OSError, sqlite3.Error) as error:
        temporary.unlink(missing_ok=True)
        raise cannot_write(path, 0, error if isinstance(error, OSError) else OSError(0, str(error))) from error
