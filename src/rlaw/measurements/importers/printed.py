"""Consoles with dictionaries or tables: TRL, unsloth, ms-swift, OpenRLHF, slime, miles, ROLL, SkyRL, NeMo-RL, AReaL."""

import re
from collections.abc import Iterator
from pathlib import Path

from rlaw.measurements.importers import text
from rlaw.measurements.importers.log import Facts, Log, RunLog
from rlaw.measurements.importers.names import GENERIC, STEPS, trainer_of
from rlaw.measurements.importers.rows import table_of
from rlaw.measurements.raw import Note

_COUNTERS = frozenset(STEPS)
_LOOKED_AT = 20_000  # lines
_LOOKED_AT_ENTRIES = 400
#: what stands before a dictionary, within so many characters: its axis and the place on it
_NAMED = re.compile(r"(?:^|[\s\]✨-])(?:Global step|global_step|rollout|perf|eval|step|Step|train)[ =](\d+)\b")
_BEFORE = 300
#: a line that says which step comes, with a dictionary or a table below it
_STEP = re.compile(r"^(?:.*?(?:[Gg]lobal[ _]step|[Tt]rain step)|(?:.*[\s=])?[Ss]tep) (\d+)(?:/\d+)?(?:[: ]|$)")
_BAR = re.compile(r"\|\s*(\d+)/(\d+)\s*\[")
_BANNER = re.compile(r"Total steps = ([\d,]+)")
_POINT = re.compile(r"•\s*([A-Za-z][\w ()/]*?):\s*([-+\d.eE]+)")
_GRID = re.compile(r"[│|]\s*([\w./@-]+)\s*[│|]\s*([-+]?\d[\d.]*(?:[eE][-+]?\d+)?)\s*(?=[│|])")
_LONGEST_BLOCK = 400  # lines of a dictionary


class Printed:
    """A console whose lines or blocks hold dictionaries or tables of metrics."""

    name = "console"

    def recognises(self, path: Path) -> bool:
        """By an entry that tells its trainer, or has a reward."""
        if path.is_dir():
            return False
        for count, row in enumerate(_rows(path, _Console(), _LOOKED_AT)):
            names = trainer_of(list(row))
            if names is not GENERIC or any(name in row for name in GENERIC.reward):
                return True
            if count > _LOOKED_AT_ENTRIES:
                break
        return False

    def log(self, path: Path) -> Log:
        """The entries of a console, those of one step together."""
        console = _Console()
        rows = list(_rows(path, console))
        names = trainer_of(list({name for row in rows for name in row}))
        notes: list[Note] = []
        if rows and all(_COUNTERS.isdisjoint(row) for row in rows):
            for number, row in enumerate(rows, 1):
                row["step"] = number
            notes.append(Note("steps-counted", "the console does not print steps: its entries are counted, from 1"))
        return Log(
            path, self.name, names.trainer, (RunLog(path.stem, table_of(rows), console.facts()),), {}, tuple(notes)
        )


def _rows(path: Path, console: "_Console", at_most: int | None = None) -> Iterator[dict[str, float]]:
    """The entries of a console in order, each with its step where it is printed."""
    for count, raw in enumerate(text.raw_lines(path)):
        if at_most is not None and count > at_most:
            break
        if "{" in raw or "|" in raw or "tep " in raw or _has_sign(raw) or console.is_open:
            yield from console.take(text.plain(raw))
    yield from console.end()


def _has_sign(line: str) -> bool:
    """Whether a line says something of a run, beside dictionaries, bars and steps."""
    return "•" in line or "│" in line or "Total steps" in line or text.TRACEBACK in line


class _Console:
    """What was read of a console: the place in it, and what its lines say of the run."""

    def __init__(self) -> None:
        self.planned: int | None = None
        self.trace = text.Trace()
        self.finished = False
        self._step: int | None = None
        self._bar: int | None = None
        self._block: list[str] = []
        self._points: dict[str, float] = {}
        self._size = 0

    @property
    def is_open(self) -> bool:
        """Whether the next line belongs to what came before."""
        return bool(self._block) or self.trace.is_open

    def facts(self) -> Facts:
        """What was said of the run."""
        return Facts(planned_steps=self.planned, cause=self.trace.cause, finished=self.finished)

    def take(self, line: str) -> Iterator[dict[str, float]]:
        """Take one line; the entry that it completes."""
        self.trace.take(line)
        if self._block:
            yield from self._go_on(line)
            return
        self._count(line)
        if "tep " in line and (found := _STEP.match(line)):
            yield from self.end()
            self._step = int(found[1])
        if "{" in line:
            yield from self._dictionary(line)
        elif "•" in line:
            found = _POINT.findall(line)
            self._points |= {name.strip(): read for name, value in found if (read := text.number(value)) is not None}
        elif ("│" in line or "|" in line) and (found := _GRID.findall(line)):
            self._points |= {name: float(value) for name, value in found}

    def end(self) -> Iterator[dict[str, float]]:
        """The entry of a table that is complete."""
        if self._points:
            yield self._placed(self._points)
        self._points = {}

    def _count(self, line: str) -> None:
        """Note the counters of a line: a bar's, a banner's."""
        if "[" in line and (found := _BAR.search(line)):
            self._bar, self.planned = int(found[1]), int(found[2])
        if "Total steps" in line and (found := _BANNER.search(line)):
            self.planned = int(found[1].replace(",", ""))

    def _go_on(self, line: str) -> Iterator[dict[str, float]]:
        self._block.append(line)
        self._size += len(line)
        if line.rstrip().endswith("}") or len(self._block) > _LONGEST_BLOCK or self._size > text.LONGEST:
            read, self._block, self._size = text.dictionary(" ".join(self._block)), [], 0
            if read is not None:
                yield self._placed(text.numbers(read))

    def _placed(self, row: dict[str, float]) -> dict[str, float]:
        return row if self._step is None else {"step": self._step, **row}

    def _dictionary(self, line: str) -> Iterator[dict[str, float]]:
        """The entry of a line with a dictionary; one that goes on is kept until it ends."""
        before, _, _ = line.partition("{")
        if not line.rstrip().endswith("}"):
            if self._step is not None and (not before or _STEP.match(line)):
                self._block = [line[len(before) :]]
            return
        read = text.dictionary(line[len(before) :])
        if found := _NAMED.search(before[-_BEFORE:]):
            if read is not None:
                yield {"step": int(found[1]), **text.numbers(read)}
            return
        row = text.numbers(read) if read else {}
        if "train_runtime" in row:
            self.finished = True
        elif _is_entry(row):
            if self._bar is not None and _COUNTERS.isdisjoint(row):
                row["step"] = self._bar
            yield row


def _is_entry(row: dict[str, float]) -> bool:
    """Whether the numbers of a dictionary are metrics, rather than settings that were printed."""
    if len(row) < 2:
        return False
    return "loss" in row or "reward" in row or any("/" in name or name.startswith("eval_") for name in row)
