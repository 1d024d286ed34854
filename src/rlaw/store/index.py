"""Status of every run in one small SQLite file, so that a store of thousands of runs opens at once.

A cache: each row holds the stamp of the journal it was made from and counts only while the two agree, and a checksum
of its own, which SQLite has not. It is written whole and renamed into place, so that it needs no lock of its own;
delete it at any time.
"""

import json
import sqlite3
import zlib
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import astuple, fields
from pathlib import Path
from typing import Any, get_type_hints

from rlaw.store.files import write_atomically
from rlaw.store.journal import Stamp
from rlaw.store.status import Status

_COLUMNS = tuple(field.name for field in fields(Status))
_ENCODE = json.JSONEncoder(default=repr).encode
_TYPES = {name: {int: "integer", str: "text"}.get(hint, "") for name, hint in get_type_hints(Status).items()}


def read(path: Path) -> dict[str, tuple[Stamp, Status]]:
    """The indexed statuses by label; what is missing or damaged is left out."""
    if not path.exists():
        return {}
    query = f"select journal_bytes, journal_tail, {', '.join(_COLUMNS)}, crc from runs"  # noqa: S608 - our own names
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True)) as base:
            rows = base.execute(query).fetchall()
    except (sqlite3.Error, UnicodeDecodeError):  # damaged, or of another version: it is only a cache
        return {}
    good = [(size, tail, *row) for size, tail, *row, crc in rows if crc == _crc((size, tail, *row))]
    statuses = ((size, tail, Status(**dict(zip(_COLUMNS, row, strict=True)))) for size, tail, *row in good)
    return {status.label: ((size, tail), status) for size, tail, status in statuses}


def write(path: Path, statuses: Iterable[tuple[Stamp, Status]]) -> None:
    """Replace the index.

    Raises:
        StoreError: the system refused.
    """
    columns = ", ".join(f"{name} {_TYPES[name]}".strip() for name in _COLUMNS)
    rows = [(*mark, *astuple(status)) for mark, status in statuses]
    marks = ", ".join("?" * (len(_COLUMNS) + 3))
    with closing(sqlite3.connect(":memory:")) as base:
        base.execute(f"create table runs (journal_bytes integer, journal_tail text, {columns}, crc integer)")
        base.executemany(f"insert into runs values ({marks})", [(*row, _crc(row)) for row in rows])  # noqa: S608
        base.commit()
        write_atomically(path, base.serialize())


def _crc(row: Sequence[Any]) -> int:
    return zlib.crc32(_ENCODE(row).encode())
