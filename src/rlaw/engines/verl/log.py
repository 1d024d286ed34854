"""veRL's files, read while they are written: the metrics of its `file` logger, and its dumps of answers."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlaw.errors import EngineError

POLL_SECONDS = 0.5
DUMP_SECONDS = 120.0  # a dump is written beside the training, and may come after the line of the step


@dataclass(frozen=True, slots=True)
class Line:
    """What veRL logged of one step, by its own names; step 0 is the validation before training."""

    step: int
    metrics: dict[str, float]


def lines(path: Path, alive: Callable[[], bool], poll_seconds: float = POLL_SECONDS) -> Iterator[Line]:
    """The lines of a log as they come, until the process that writes it is gone and all is read.

    A line that is cut short by the end of the process is left out.

    Raises:
        EngineError: a line is not veRL's.
    """
    read, rest, more = 0, b"", True
    while more:
        more = alive()  # checked before reading: what was written before the end is read
        if path.is_file():
            with path.open("rb") as file:
                file.seek(read)
                new = file.read()
            read += len(new)
            *whole, rest = (rest + new).split(b"\n")
            for line in whole:
                yield _line(path, line)
        if more:
            time.sleep(poll_seconds)


def _line(path: Path, text: bytes) -> Line:
    try:
        row = json.loads(text)
        metrics = {str(key): float("nan") if value is None else value for key, value in row["data"].items()}
        return Line(int(row["step"]), metrics)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise EngineError(f"{path}: not a line of veRL's file logger: {text[:200]!r}") from error


def dump(folder: Path, step: int, answers: int, poll_seconds: float = POLL_SECONDS) -> list[dict[str, Any]]:
    """Every answer that veRL dumped for a step; waits until all are there, or no more come.

    Raises:
        EngineError: there is no dump.
    """
    path, give_up = folder / f"{step}.jsonl", time.monotonic() + DUMP_SECONDS
    while (rows := _rows(path)) is None or len(rows) < answers:
        if time.monotonic() > give_up:
            break
        time.sleep(poll_seconds)
    if rows is None:
        raise EngineError(
            f"veRL logged step {step}, but its answers are not in {path}\n"
            f"  next: a store on a file system that every node sees under the same path"
        )
    return rows


def _rows(path: Path) -> list[dict[str, Any]] | None:
    """Whole lines of a dump; None when there is no file."""
    if not path.is_file():
        return None
    *whole, _ = path.read_bytes().split(b"\n")
    return [json.loads(line) for line in whole]
