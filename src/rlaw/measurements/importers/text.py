"""Lines of a console: without colours, prefixes of Ray and Slurm, and bars; numbers as trainers print them."""

import ast
import gzip
import io
import json
import math
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from rlaw import units
from rlaw.errors import DataError

_COLOUR = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
#: what stands before a line: Slurm's task, Ray's actor (with the node's address), in either order
_PREFIX = re.compile(r"^(?:\s*\d+: ?)?(?:\([A-Za-z_][\w.<>\[\]:-]*(?: rank=\d+)? pid=\d+(?:, ip=[\d.:a-fA-F]+)?\)\s?)?")
_REPEATED = re.compile(r"\[repeated \d+x across cluster\]$")
_NUMPY = re.compile(r"^(?:np|numpy|torch)\.\w+\(['\"]?([^()'\"]*)['\"]?\)$")
_CALLED = re.compile(r"(?:np|numpy)\.\w+\(([^()]*)\)|tensor\(([^(),]*)(?:,[^()]*)?\)")
_NONE = re.compile(r"(?<=[:,\[{ ])(-?)(?:nan|NaN|inf|Infinity)(?=[,}\] ])")
_JSONS = re.compile(r"(?<=[:,\[{ ])(?:null|true|false)(?=[,}\] ])")
_DEEPEST = 20  # records inside of records; what is nested more deeply is no metric
_WORDS = {"True": 1.0, "False": 0.0, "Infinity": math.inf, "-Infinity": -math.inf}
LONGEST = 1 << 20  # characters of a line that is read; a longer one is cut there
_FIRST, _BLOCK = 1 << 16, 1 << 22  # bytes that are read at once: few for a look at a file's beginning
_MOST_LINE = 1 << 26  # bytes; no log has a longer line
_MOST_WHOLE = 1 << 29  # bytes of one document
_PLAIN, _RATIO = 1 << 30, 100  # bytes that any file may unpack to; a larger one, so many times its size


def lines(path: Path) -> Iterator[str]:
    """The lines of a log, one after the other; what a bar wrote over counts as a line."""
    return map(plain, raw_lines(path))


def raw_lines(path: Path) -> Iterator[str]:
    """The lines of a log with their colours and prefixes: few of them are worth `plain`."""
    for block in blocks(path):
        whole = block.decode("utf-8", "replace")
        *every, rest = (whole.replace("\r", "\n") if "\r" in whole else whole).split("\n")
        yield from every
        if rest:
            yield rest


def blocks(path: Path) -> Iterator[bytes]:
    """The whole lines of a file in UTF-8, some megabytes at once.

    Raises:
        DataError: a line is longer than any of a log, or the file unpacks to more than a log.
    """
    with binary(path) as file:
        size = _FIRST
        while block := file.read(size):
            size = _BLOCK
            rest = b"" if block.endswith(b"\n") else file.readline(_MOST_LINE)
            if len(rest) == _MOST_LINE and b"\r" not in rest:
                raise DataError(f"{path}: a line of more than {units.size(_MOST_LINE)}: no log has one")
            yield block + rest if rest else block


def opened(path: Path) -> io.TextIOBase:
    """A text file or a compressed one; bytes that are no UTF-8 become marks."""
    return io.TextIOWrapper(binary(path), encoding="utf-8", errors="replace")


def is_text(path: Path) -> bool:
    """Whether a file may hold lines of text: its first bytes have no zero, or it is compressed."""
    with path.open("rb") as file:
        head = file.read(256)
    return path.suffix in (".gz", ".zst") or head[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" not in head


def whole(path: Path) -> str:
    """The text of a file that is one document.

    Raises:
        DataError: it is larger than such a document may be.
    """
    with opened(path) as file:
        found = file.read(_MOST_WHOLE)
        if file.read(1):
            raise DataError(f"{path}: one document of more than {units.size(_MOST_WHOLE)}: too large for a log")
    return found


def binary(path: Path) -> io.BufferedReader:
    """A text file or a compressed one as bytes of UTF-8, without a mark of their order."""
    file: Any = path.open("rb")
    if path.suffix == ".gz":
        file.close()
        file = io.BufferedReader(_Unpacked(path, gzip.open(path)), _FIRST)  # noqa: SIM115 - it is closed with what reads it
    elif path.suffix == ".zst":
        file.close()
        file = io.BufferedReader(io.BytesIO(_of_zstd(path)), _FIRST)  # pyright: ignore[reportArgumentType]
    try:
        head = file.peek(3)
    except DataError:
        file.close()
        raise
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):  # as PowerShell writes
        file = io.BufferedReader(_Utf8(io.TextIOWrapper(file, encoding="utf-16", errors="replace")), _FIRST)
    elif head[:3] == b"\xef\xbb\xbf":
        file.read(3)
    return file


class _Unpacked(io.RawIOBase):
    """What a compressed file unpacks to, up to so much that no log does."""

    def __init__(self, path: Path, file: io.BufferedIOBase) -> None:
        self._path, self._file = path, file
        self._left = max(_PLAIN, _RATIO * path.stat().st_size)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        try:
            found = self._file.read(len(buffer))
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(
                f"{self._path}: the compressed file is cut short or damaged: {error}\n  next: unpack what is whole"
            ) from error
        self._left -= len(found)
        if self._left < 0:
            raise DataError(f"{self._path}: unpacks to more than {_RATIO} times its size: no log does")
        buffer[: len(found)] = found
        return len(found)

    def close(self) -> None:
        self._file.close()
        super().close()


class _Utf8(io.RawIOBase):
    """Text of another encoding as UTF-8."""

    def __init__(self, file: io.TextIOBase) -> None:
        self._file, self._rest = file, b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        found = self._rest or self._file.read(len(buffer)).encode("utf-8", "replace")
        self._rest = found[len(buffer) :]
        buffer[: len(found)] = found = found[: len(buffer)]
        return len(found)

    def close(self) -> None:
        self._file.close()
        super().close()


def unpacked(source: Path | bytes) -> bytes:
    """The text in a file, or in bytes, that zstd compressed: polars unpacks it, as Python does from 3.14 on."""
    lines = pl.read_csv(
        source, has_header=False, separator="\x01", quote_char=None, infer_schema=False, encoding="utf8-lossy",
        new_columns=["line"], truncate_ragged_lines=True, raise_if_empty=False,
    )  # fmt: skip
    return "\n".join("" if line is None else line for line in lines["line"]).encode() if lines.width else b""


def _of_zstd(path: Path) -> bytes:
    try:
        return unpacked(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DataError(f"{path}: cannot be unpacked: {str(error).splitlines()[0]}") from error


def bare(path: Path) -> str:
    """A file's name without the suffix of its compression."""
    return path.name.removesuffix(".gz").removesuffix(".zst")


def plain(line: str) -> str:
    """The line without colours, prefixes and Ray's mark of repeats."""
    line = line[:LONGEST]
    if "\x1b" in line:
        line = _COLOUR.sub("", line)
    if line[:1] in "( 0123456789" and (found := _PREFIX.match(line)):
        line = line[found.end() :]
    if line.endswith("cluster]") and (found := _REPEATED.match(line, line.rfind("["))):
        line = line[: found.start()].rstrip()
    return line


def number(text: str) -> float | None:
    """The number that a trainer printed; None for other words.

    Plain numbers, numpy's and torch's own form, truth values, and numbers in quotes.
    """
    try:
        return float(text)
    except ValueError:
        pass
    text = text.strip()
    if found := _NUMPY.match(text):
        text = found[1]
    if text in _WORDS:
        return _WORDS[text]
    try:
        return float(text.strip("'\""))
    except ValueError:
        return None


def dictionary(text: str) -> dict[str, Any] | None:
    """A dictionary of Python's or JSON's in a line, numbers as such; None where it is none."""
    text = text.strip()
    if not (text.startswith("{") and text.endswith("}")):
        return None
    if '"' not in text and "\\" not in text:  # the usual case, twenty times as fast
        try:
            return json.loads(text.replace("'", '"'))
        except (ValueError, RecursionError):
            pass
    text = _CALLED.sub(r"\1\2", text)
    text = _NONE.sub(r"\g<1>1e999", text)  # infinite, as what is no number: neither is a value
    text = _JSONS.sub(lambda m: {"null": "None"}.get(m[0], m[0].title()), text)
    try:
        found = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    return found if isinstance(found, dict) and all(isinstance(key, str) for key in found) else None


def numbers(row: dict[str, Any], prefix: str = "", depth: int = 0) -> dict[str, float]:
    """The numbers of a row by name, nested ones joined by slashes; numbers in text as numbers."""
    found: dict[str, float] = {}
    for name, value in row.items():
        kind = type(value)
        if kind is str:
            if not is_below(name, value) and (read := number(value)) is not None:
                found[prefix + name] = read
        elif kind is float or kind is int or kind is bool:
            found[prefix + name] = value
        elif kind is dict and depth < _DEEPEST:
            found |= numbers(value, f"{prefix}{name}/", depth + 1)
    return found


_SMALL = re.compile(r".*(?:lr(?:\(1e-4\))?|learning_rate|kl|kl_loss|grad_norm|clipfrac|clip_ratio|pg_loss|loss)")
_ZERO = re.compile(r"-?0\.00+")


def is_below(name: str, value: str) -> bool:
    """Whether a number printed as zero is one below the last printed digit: `lr:0.000` is no rate of zero.

    A share of answers or a reward may well be nothing, and stays what it is.
    """
    return value[-1:] == "0" and _ZERO.fullmatch(value) is not None and _SMALL.fullmatch(name) is not None


TRACEBACK = "Traceback (most recent call last)"


class Trace:
    """The error that a traceback ends with, told from the lines of a console."""

    _ERROR = re.compile(
        r"^(?:[A-Za-z_][\w.]*\.)?([A-Z]\w*(?:Error|Exception|Interrupt|Exit|Killed)\w*)(?:\([\w.]+\))?(?::|$|\s*\()"
    )

    def __init__(self) -> None:
        self.cause: str | None = None
        self.is_open = False

    def take(self, line: str) -> None:
        """Take one line."""
        if line.startswith(TRACEBACK):  # one with a stamp before it was logged and survived
            self.is_open = True
        elif self.is_open and line[:1].strip() and (found := self._ERROR.match(line)):
            wrapped = re.match(r"[\w.]*RayTaskError\((\w+)\)", line)
            self.cause = wrapped[1] if wrapped else found[1]
