"""Tables as text: commas, semicolons, tabs or bars between the cells, each read as text; `casting` types it."""

import csv
import io
from collections.abc import Callable, Collection
from pathlib import Path

import polars as pl

from rlaw.errors import DataError
from rlaw.measurements.importers import bounds
from rlaw.measurements.importers.base import Read
from rlaw.measurements.raw import Note
from rlaw.text import listed

_HEAD_BYTES = 1_000_000  # a longer header names no columns
_SEPARATORS = ",;\t|"
_NAMES = {";": "semicolons", "\t": "tabs", "|": "bars", ",": "commas"}
_WIDE = (
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)


def read(path: Path, wanted: Collection[str]) -> Read:
    """The table in a text file.

    Args:
        path: the file.
        wanted: plain names of the columns that are needed; others of a large file are read where they name something.

    Raises:
        DataError: no header, two columns of one name, lines of too many cells, another encoding, or too large.
    """
    size = path.stat().st_size
    if size > bounds.MEMORY_BYTES:
        raise bounds.too_large(path, size)
    data = _as_utf8(path)
    head = _decoded(path, data if isinstance(data, bytes) else _first_bytes(path))
    skipped, names, separator = _header(path, head)
    source = data if data is not None else path
    options = {"separator": separator, "infer_schema": False, "skip_lines": skipped}
    places = None
    try:
        if size > bounds.SMALL_BYTES:
            sample = pl.read_csv(source, n_rows=bounds.SAMPLE_ROWS, **options)
            sample.columns = names
            places = [names.index(name) for name in bounds.worth_reading(sample, wanted)]
        rows = pl.read_csv(source, columns=places, **options)
    except pl.exceptions.NoDataError:
        rows = pl.DataFrame(schema=dict.fromkeys(names, pl.String))
    except (pl.exceptions.PolarsError, UnicodeDecodeError) as error:
        raise _refusal(path, head, len(names), separator, error) from error
    rows.columns = names if places is None else [names[place] for place in places]
    notes = [] if separator in (",", "\t") else [Note("separator", f"cells are separated by {_NAMES[separator]}")]
    return Read(rows, _places(path, separator, skipped), tuple(notes), blank_rows=True)


def _as_utf8(path: Path) -> bytes | None:
    """The file in UTF-8 with plain line ends where it has others; None where it can be read as it is."""
    head = _first_bytes(path)
    wide = next((name for mark, name in _WIDE if head.startswith(mark)), None)
    if (wide is None and head[1:2] == b"\0") or head[:1] == b"\0":
        wide = "utf-16-le" if head[1:2] == b"\0" else "utf-16-be"
    if wide is not None:
        try:
            text = path.read_bytes().decode(wide)
        except UnicodeDecodeError as error:
            raise DataError(f"{path}: is no text in UTF-8 or {wide.upper()}\n  next: save it as UTF-8") from error
        return text.replace("\r\n", "\n").replace("\r", "\n").encode()
    if b"\r" in head and b"\n" not in head:
        return path.read_bytes().replace(b"\r", b"\n")
    return None


def _first_bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_HEAD_BYTES)


def _decoded(path: Path, data: bytes) -> str:
    head = data[:_HEAD_BYTES]
    try:
        return head.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if error.start >= len(head) - 3:  # cut in the middle of a letter
            return head[: error.start].decode("utf-8-sig")
        raise _not_utf8(path, head) from error


def _not_utf8(path: Path, data: bytes) -> DataError:
    line = next((n for n, text in enumerate(data.split(b"\n"), 1) if not _is_utf8(text)), 0)
    return DataError(f"{path}: line {line} is not UTF-8\n  next: save it as UTF-8: iconv -f latin1 -t utf-8")


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _header(path: Path, head: str) -> tuple[int, list[str], str]:
    """How many lines come before the header, its names, and what separates them."""
    lines = head.splitlines()
    skipped = next((n for n, line in enumerate(lines) if line.strip() and not line.startswith(("sep=", "# "))), None)
    if skipped is None:
        raise DataError(f"{path}: the file is empty\n  next: it needs a header and rows")
    line = lines[skipped]
    cells = {mark: _cells(line, mark) for mark in _SEPARATORS}
    separator = max(_SEPARATORS, key=lambda mark: len(cells[mark]))
    plain = [name.strip() for name in cells[separator]]
    twice = sorted({name for name in plain if plain.count(name) > 1})
    if twice and twice != [""]:
        raise DataError(f"{path}: two columns are called {listed(twice)}\n  next: give each column a name of its own")
    return skipped, [name or f"column {n}" for n, name in enumerate(plain, 1)], separator


def _cells(line: str, separator: str) -> list[str]:
    """The cells of a line; none where one is longer than a name can be."""
    try:
        return next(csv.reader([line], delimiter=separator), [])
    except csv.Error:
        return []


def _refusal(path: Path, head: str, cells: int, separator: str, error: Exception) -> DataError:
    """Which line cannot be read, and why."""
    if isinstance(error, UnicodeDecodeError) or "utf" in str(error).casefold():
        return _not_utf8(path, path.read_bytes())
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        reader = csv.reader(file, delimiter=separator)
        try:
            for row in reader:
                if len(row) > cells:
                    return DataError(
                        f"{path}: line {reader.line_num} has {len(row)} cells, and the header has {cells}\n"
                        "  next: correct the line; a comma inside of a number needs quotes"
                    )
        except csv.Error as problem:
            return DataError(f"{path}: line {reader.line_num} cannot be read: {problem}\n  next: correct the line")
    first = str(error).partition("\n")[0][:200]
    return DataError(f"{path}: cannot be read as a table: {first}\n  next: correct the quotes")


def _places(path: Path, separator: str, skipped: int) -> Callable[[int], str]:
    """Where a row stands: its line, which is further down where cells go over several lines."""

    def place(index: int) -> str:
        plain = skipped + index + 2
        text = _as_utf8(path)
        opened = io.StringIO((text or b"").decode("utf-8-sig")) if text is not None else None
        with opened or path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            reader = csv.reader(file, delimiter=separator)
            try:
                for number, _ in enumerate(reader):
                    if number == skipped + index + 1:
                        return f"line {reader.line_num}"
            except csv.Error:
                pass
        return f"line {plain}"

    return place
