"""Lines of a console: without colours, prefixes of Ray and Slurm, and bars; numbers as trainers print them."""

import ast
import gzip
import io
import math
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from rlaw.errors import DataError

_COLOUR = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
#: what stands before a line: Slurm's task, Ray's actor (with the node's address), in either order
_PREFIX = re.compile(r"^(?:\s*\d+: ?)?(?:\([A-Za-z_][\w.<>\[\]:-]*(?: rank=\d+)? pid=\d+(?:, ip=[\d.:a-fA-F]+)?\)\s?)?")
_REPEATED = re.compile(r"\s*\[repeated \d+x across cluster\].*$")
_NUMPY = re.compile(r"^(?:np|numpy|torch)\.\w+\(['\"]?([^()'\"]*)['\"]?\)$")
_WORDS = {"True": 1.0, "False": 0.0, "Infinity": math.inf, "-Infinity": -math.inf}
LONGEST = 1 << 20  # characters of a line that is read; a longer one is cut there


def lines(path: Path) -> Iterator[str]:
    """The lines of a log, one after the other; what a bar wrote over counts as a line."""
    with opened(path) as file:
        rest = ""
        while block := file.read(1 << 22):
            *whole, rest = (rest + block).replace("\r", "\n").split("\n")
            yield from map(plain, whole)
            rest = rest[:LONGEST]
        if rest:
            yield plain(rest)


def opened(path: Path) -> io.TextIOBase:
    """A text file or a compressed one; bytes that are no UTF-8 become marks."""
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8", errors="replace")  # pyright: ignore[reportReturnType]
    if path.suffix == ".zst":
        return io.TextIOWrapper(io.BytesIO(data(path)), encoding="utf-8", errors="replace")
    return path.open(encoding="utf-8-sig", errors="replace")


def is_text(path: Path) -> bool:
    """Whether a file may hold lines of text: its beginning has no zero byte, or it is compressed."""
    with path.open("rb") as file:
        return path.suffix in (".gz", ".zst") or b"\0" not in file.read(4096)


def data(path: Path) -> bytes:
    """What is in a file, unpacked.

    Raises:
        DataError: it is compressed and cannot be unpacked.
    """
    try:
        if path.suffix == ".gz":
            return gzip.decompress(path.read_bytes())
        return unpacked(path) if path.suffix == ".zst" else path.read_bytes()
    except (OSError, EOFError, zlib.error, pl.exceptions.PolarsError) as error:
        raise DataError(f"{path}: cannot be unpacked: {str(error).splitlines()[0]}") from error


def unpacked(source: Path | bytes) -> bytes:
    """The text in a file, or in bytes, that zstd compressed: polars unpacks it, as Python does from 3.14 on."""
    lines = pl.read_csv(
        source, has_header=False, separator="\x01", quote_char=None, infer_schema=False, encoding="utf8-lossy",
        new_columns=["line"], truncate_ragged_lines=True, raise_if_empty=False,
    )  # fmt: skip
    return "\n".join("" if line is None else line for line in lines["line"]).encode() if lines.width else b""


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
    return _REPEATED.sub("", line) if line.endswith("cluster]") else line


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
    text = re.sub(r"(?:np|numpy)\.\w+\(([^()]*)\)|tensor\(([^(),]*)[^()]*\)", r"\1\2", text)
    text = re.sub(r"(?<=[:,\[{ ])(-?)(?:nan|NaN|inf|Infinity)(?=[,}\] ])", r"1e999", text)  # no number
    text = re.sub(
        r"(?<=[:,\[{ ])(?:null|true|false)(?=[,}\] ])", lambda m: {"null": "None"}.get(m[0], m[0].title()), text
    )
    try:
        found = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    return found if isinstance(found, dict) and all(isinstance(key, str) for key in found) else None


def numbers(row: dict[str, Any], prefix: str = "") -> dict[str, float]:
    """The numbers of a row by name, nested ones joined by slashes; numbers in text as numbers."""
    found: dict[str, float] = {}
    for name, value in row.items():
        if isinstance(value, dict):
            found |= numbers(value, f"{prefix}{name}/")
        elif isinstance(value, int | float):
            found[prefix + name] = value
        elif isinstance(value, str) and not is_below(name, value) and (read := number(value)) is not None:
            found[prefix + name] = read
    return found


_SMALL = re.compile(r".*(?:lr(?:\(1e-4\))?|learning_rate|kl|kl_loss|grad_norm|clipfrac|clip_ratio|pg_loss|loss)")
_ZERO = re.compile(r"-?0\.00+")


def is_below(name: str, value: str) -> bool:
    """Whether a number printed as zero is one below the last printed digit: `lr:0.000` is no rate of zero.

    A share of answers or a reward may well be nothing, and stays what it is.
    """
    return value[-1:] == "0" and _ZERO.fullmatch(value) is not None and _SMALL.fullmatch(name) is not None


class Trace:
    """The error that a traceback ends with, told from the lines of a console."""

    _ERROR = re.compile(
        r"^(?:[A-Za-z_][\w.]*\.)?([A-Z]\w*(?:Error|Exception|Interrupt|Exit|Killed)\w*)(?:\([\w.]+\))?(?::|$|\s*\()"
    )

    def __init__(self) -> None:
        self.cause: str | None = None
        self._open = False

    def take(self, line: str) -> None:
        """Take one line."""
        if line.startswith("Traceback (most recent call last)"):  # one with a stamp before it was logged and survived
            self._open = True
        elif self._open and line[:1].strip() and (found := self._ERROR.match(line)):
            wrapped = re.match(r"[\w.]*RayTaskError\((\w+)\)", line)
            self.cause = wrapped[1] if wrapped else found[1]
