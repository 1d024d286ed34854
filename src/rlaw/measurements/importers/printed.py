"""Dictionaries and tables that trainers print: TRL, unsloth, ms-swift, OpenRLHF, slime, miles, ROLL, SkyRL, NeMo-RL, AReaL."""

import re
from collections.abc import Iterator
from pathlib import Path

from rlaw.measurements.importers import text
from rlaw.measurements.importers.log import Facts, Log, Note, RunLog
from rlaw.measurements.importers.names import GENERIC, STEPS, trainer_of
from rlaw.measurements.importers.rows import table_of

_LOOKED_AT = 20_000  # lines
#: what stands before a dictionary: its axis and the place on it
_NAMED = re.compile(
    r"(?:^|[\s\]✨-])(?P<axis>Global step|global_step|rollout|perf|eval|step|Step|train)[ =](?P<step>\d+)\b[^{]*(?P<row>\{.*\})\s*$"
)
_ROLL = re.compile(r"metrics_(?:tag|json)?:? ?(?P<row>\{.*\})\s*$|metrics: (?P<other>\{.*\})\s*$")
_BLOCK = re.compile(r"(?:^|\s)[Ss]tep (\d+):\s*(\{.*)?$")
_BAR = re.compile(r"\|\s*(\d+)/(\d+)\s*\[")
_BANNER = re.compile(r"Total steps = ([\d,]+)")
_POINT = re.compile(r"•\s*([A-Za-z][\w ()/]*?):\s*([-+\d.eE]+)")
_GRID = re.compile(r"[│|]\s*([\w./@-]+)\s*[│|]\s*([-+]?\d[\d.]*(?:[eE][-+]?\d+)?)\s*(?=[│|])")
_GRID_STEP = re.compile(r"(?:[Gg]lobal[ _]step|Step|train step) (\d+)")
_OPEN_ENDED = 400  # lines of a block


class Printed:
    """A console whose lines or blocks hold dictionaries or tables of metrics."""

    name = "console"

    def recognises(self, path: Path) -> bool:
        """By an entry that tells its trainer, or has a reward."""
        if path.is_dir():
            return False
        for count, row in enumerate(_rows(path, _Facts(), _LOOKED_AT)):
            names = trainer_of(list(row))
            if names is not GENERIC or any(name in row for name in GENERIC.reward):
                return True
            if count > _OPEN_ENDED:
                break
        return False

    def log(self, path: Path) -> Log:
        """The entries of a console, those of one step together."""
        facts = _Facts()
        rows = list(_rows(path, facts))
        names = trainer_of(list({name for row in rows for name in row}))
        notes: list[Note] = []
        if rows and not any(name in row for row in rows for name in STEPS):
            for number, row in enumerate(rows, 1):
                row["step"] = number
            notes.append(Note("steps-counted", "the console does not print steps: its entries are counted, from 1"))
        return Log(
            path, self.name, names.trainer, (RunLog(path.stem, table_of(rows), facts.found()),), {}, tuple(notes)
        )


class _Facts:
    def __init__(self) -> None:
        self.planned: int | None = None
        self.trace = text.Trace()
        self.finished = False

    def found(self) -> Facts:
        return Facts(planned_steps=self.planned, cause=self.trace.cause, finished=self.finished)


def _rows(path: Path, facts: _Facts, at_most: int | None = None) -> Iterator[dict[str, float]]:
    """The entries of a console in order, each with its step where it is printed."""
    block: list[str] = []
    step: int | None = None
    bar: int | None = None
    points: dict[str, float] = {}
    for count, line in enumerate(text.lines(path)):
        if at_most is not None and count > at_most:
            break
        facts.trace.take(line)
        if block:
            block.append(line)
            if line.rstrip().endswith("}") or len(block) > _OPEN_ENDED:
                read = text.dictionary(" ".join(block))
                block = []
                if read is not None and step is not None:
                    yield {"step": step, **text.numbers(read)}
            continue
        if found := _BAR.search(line):
            bar, facts.planned = int(found[1]), int(found[2])
        if found := _BANNER.search(line):
            facts.planned = int(found[1].replace(",", ""))
        if "{" in line:
            yield from _of_line(line, bar, facts)
            opened = _BLOCK.search(line)
            if opened:
                step = int(opened[1])
            if step is not None and not line.rstrip().endswith("}") and (opened or line.startswith("{")):
                block = [line[line.index("{") :]]
        elif opened := _BLOCK.search(line):
            step = int(opened[1])
        elif found := _POINT.findall(line):
            points |= {name.strip(): float(value) for name, value in found if text.number(value) is not None}
        elif points and ("Training Results" in line or "Step " in line):
            yield ({"step": step} if step is not None else {}) | points
            points = {}
        elif found := _GRID.findall(line):
            points |= {name: float(value) for name, value in found}
        if found := _GRID_STEP.search(line):
            step = int(found[1])
    if points:
        yield ({"step": step} if step is not None else {}) | points


def _of_line(line: str, bar: int | None, facts: _Facts) -> Iterator[dict[str, float]]:
    """The entry of a line with a dictionary; nothing where it is none of metrics."""
    if found := _NAMED.search(line):
        read = text.dictionary(found["row"])
        if read is not None:
            yield {"step": int(found["step"]), **text.numbers(read)}
        return
    start = line.find("{")
    read = text.dictionary(line[start:])
    if read is None and (found := _ROLL.search(line)):
        read = text.dictionary(found["row"] or found["other"])
    if read is None:
        return
    row = text.numbers(read)
    if "train_runtime" in row:
        facts.finished = True
        return
    if len(row) >= 2 and (
        "loss" in row or "reward" in row or any("/" in name or name.startswith("eval_") for name in row)
    ):
        if "step" not in row and "global_step" not in row and bar is not None:
            row["step"] = bar
        yield row
