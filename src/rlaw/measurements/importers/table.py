"""Tables of evaluations in files: CSV, Parquet, JSON lines. Reads and renames; judging the rows is the frame's part."""

import stat
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

import polars as pl

from rlaw.errors import DataError, NotFound
from rlaw.measurements.columns import ACCURACIES, ATTEMPT, COLUMNS, OURS, plain_name, rename
from rlaw.measurements.importers import delimited, json_lines, parquet, workbook
from rlaw.measurements.importers.base import Read
from rlaw.measurements.raw import ROW, Note, Raw

READERS: dict[str, Callable[[Path, Collection[str]], Read]] = {
    ".csv": delimited.read,
    ".tsv": delimited.read,
    ".parquet": parquet.read,
    ".jsonl": json_lines.read,
    ".ndjson": json_lines.read,
    ".json": json_lines.read,
    ".xlsx": lambda path, _: Read(workbook.read(path), lambda index: f"row {index + 2}", blank_rows=True),
}
#: how a file of another kind begins, and what it is
_KINDS = {
    b"\x1f\x8b": "compressed by gzip",
    b"PK\x03\x04": "a zip archive or a workbook",
    b"\x28\xb5\x2f\xfd": "compressed by zstd",
    b"\xfd7zXZ\x00": "compressed by xz",
    b"BZh": "compressed by bzip2",
    b"\x04\x22\x4d\x18": "compressed by lz4",
    b"%PDF": "a PDF",
    b"ARROW1": "an Arrow file",
    b"SQLite format 3": "an SQLite database",
}


def check_kind(path: Path) -> None:
    """Refuse what is neither a file nor a folder, before anything opens it: a pipe would never end.

    Raises:
        NotFound: there is nothing.
        DataError: a pipe, a device or a socket, or a file that cannot be read.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise NotFound(f"no such file: {path}") from None
    except OSError as error:
        raise DataError(f"{str(path)[:200]}: cannot be read: {error.strerror or error}") from error
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        kinds = {stat.S_ISFIFO: "a pipe", stat.S_ISCHR: "a device", stat.S_ISBLK: "a device", stat.S_ISSOCK: "a socket"}
        kind = next((words for is_kind, words in kinds.items() if is_kind(mode)), "no file")
        raise DataError(f"{path} is {kind}, and a file or a store is needed\n  next: save the table to a file first")


def read(path: Path, mapping: Mapping[str, str] | None = None) -> pl.DataFrame:
    """The table in a file, its columns renamed by `mapping` (ours -> theirs) and otherwise as they are.

    Raises:
        NotFound: there is no such file.
        DataError: it cannot be read as a table, or is larger than tables may be.
    """
    return read_raw(path, mapping or {}).rows.drop(ROW)


def read_raw(path: Path, mapping: Mapping[str, str]) -> Raw:
    """The same with the places of its rows in the file.

    Raises:
        NotFound, DataError: as `read`.
        UsageError: the mapping names a column that is not there.
    """
    check_kind(path)
    reader = READERS.get(path.suffix.lower())
    if path.is_dir():
        raise DataError(f"{path} is a folder, and a file is needed")
    if reader is None:
        kind = _kind(path) or f"called {path.suffix}" if path.suffix else "a file without a suffix"
        raise DataError(
            f"{path} is {kind}, and rlaw reads {', '.join(READERS)}\n  next: save the table as one of these"
        )
    if path.stat().st_size == 0:
        raise DataError(f"{path}: the file is empty\n  next: it needs a header and rows")
    if (kind := _kind(path)) and path.suffix.lower() != ".xlsx":
        raise DataError(f"{path} is {kind}, whatever its name says\n  next: unpack it, and give the table itself")
    try:
        found = reader(path, _wanted(mapping))
    except (pl.exceptions.PolarsError, OSError, UnicodeError, OverflowError) as error:
        first = str(error).partition("\n")[0][:200]
        raise DataError(f"{path}: cannot be read as a table: {first}") from error
    return raw_of(found, mapping, str(path))


def raw_of(found: Read, mapping: Mapping[str, str], source: str) -> Raw:
    """What a reader found, with our names for its columns."""
    rows, names = rename(found.rows, mapping, source)
    cased = [f"{theirs} as {ours}" for ours, theirs in names.items() if _only_written_otherwise(ours, theirs, mapping)]
    notes = list(found.notes)
    if cased:
        notes.append(Note("names-read", f"columns are written otherwise, and read as ours: {', '.join(cased)}"))
    numbered = rows.drop(ROW, strict=False).with_row_index(ROW)
    if found.blank_rows:  # lines without any cell are no rows, but count as lines
        numbered = numbered.filter(~pl.all_horizontal(pl.all().exclude(ROW).is_null()))
    return Raw(numbered, source, found.place, names, tuple(notes))


def _only_written_otherwise(ours: str, theirs: str, mapping: Mapping[str, str]) -> bool:
    named = {name for name, column in OURS.items() if column == ours} | {ours}
    return theirs not in named and theirs not in mapping.values() and plain_name(theirs) in named and ours in COLUMNS


def _kind(path: Path) -> str:
    """What a file is that its first bytes say is no table; empty for others."""
    with path.open("rb") as file:
        head = file.read(16)
    return next((kind for magic, kind in _KINDS.items() if head.startswith(magic)), "")


def _wanted(mapping: Mapping[str, str]) -> frozenset[str]:
    """Plain names of the columns that are needed whatever the size of a table."""
    return frozenset(map(plain_name, (*COLUMNS, *OURS, ATTEMPT, *ACCURACIES, "correct", *mapping.values())))
