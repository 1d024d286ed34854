"""Consoles with dictionaries or tables: TRL, unsloth, ms-swift, OpenRLHF, slime, miles, ROLL, SkyRL, NeMo-RL, AReaL."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from rlaw.measurements.importers import settings, text
from rlaw.measurements.importers.bars import Bars, noted, steps_of
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
_POINT = re.compile(r"•\s*([A-Za-z][\w ()/]*?):\s*([-+\d.eE]+)")
_GRID = re.compile(r"[│|]\s*([\w./@-]+)\s*[│|]\s*([-+]?\d[\d.]*(?:[eE][-+]?\d+)?)\s*(?=[│|])")
_ENGINE = "LLM engine "
_MODEL = re.compile(_ENGINE + r".*\bmodel(?:_name_or_path)?='([^']+)'")
_PANEL = re.compile(r"[╭┌].*\bMetrics\b.*[╮┐]\s*$")
_CELL = re.compile(r"^\s*([A-Za-z_][\w.-]*):?\s{2,}(?=\S+: )|^\s*([A-Za-z_][\w.-]*): (?=\s*[\w/@.-]+: )")
_LONGEST_BLOCK = 400  # lines of a dictionary


class Printed:
    """A console whose lines or blocks hold dictionaries or tables of metrics."""

    name = "console"

    def recognises(self, path: Path) -> bool:
        """By an entry that tells its trainer, or has a reward."""
        if path.is_dir():
            return False
        for count, row in enumerate(_rows(text.lines(path), _Console(), _LOOKED_AT)):
            names = trainer_of(list(row))
            if names is not GENERIC or any(name in row for name in GENERIC.reward):
                return True
            if count > _LOOKED_AT_ENTRIES:
                break
        return False

    def log(self, path: Path) -> Log:
        """The entries of a console, those of one step together."""
        return log_of(path, text.raw_lines(path), self.name)


def log_of(path: Path, lines: Iterable[str], format: str) -> Log:
    """The entries of a console's lines, wherever they were kept."""
    console = _Console()
    rows = list(_rows(lines, console))
    names = trainer_of(list({name: None for row in rows for name in row}))
    notes = console.place(rows)
    facts = settings.merged(console.facts(), settings.facts_of(settings.beside(path)))
    return Log(path, format, names.trainer, (RunLog(settings.run_of(path), table_of(rows), facts),), {}, notes)


def _rows(lines: Iterable[str], console: "_Console", at_most: int | None = None) -> Iterator[dict[str, float]]:
    """The entries of a console in order, each with its step where it is printed."""
    for count, raw in enumerate(lines):
        if at_most is not None and count > at_most:
            break
        if "{" in raw or "%" in raw or "tep " in raw or _has_sign(raw) or console.is_open:
            yield from console.take(text.plain(raw))
    yield from console.end()


def _has_sign(line: str) -> bool:
    """Whether a line says something of a run, beside dictionaries, bars and steps."""
    return (
        "•" in line or "│" in line or "|" in line or "Metrics" in line or "steps = " in line
        or _ENGINE in line or text.TRACEBACK in line
    )  # fmt: skip


class _Console:
    """What was read of a console: the place in it, and what its lines say of the run."""

    def __init__(self) -> None:
        self.planned: int | None = None
        self.trace = text.Trace()
        self.finished = False
        self.model: str | None = None
        self.bars = Bars()
        self._unplaced: list[dict[str, float]] = []
        self._step: int | None = None
        self._rollout: int | None = None
        self._block: list[str] = []
        self._panel: list[str] | None = None
        self._points: dict[str, float] = {}
        self._size = 0

    @property
    def is_open(self) -> bool:
        """Whether the next line belongs to what came before."""
        return bool(self._block) or self._panel is not None or self.trace.is_open

    def facts(self) -> Facts:
        """What was said of the run."""
        return Facts(
            model=settings.short(self.model), planned_steps=self.planned, cause=self.trace.cause, finished=self.finished
        )

    def place(self, rows: list[dict[str, float]]) -> tuple[Note, ...]:
        """Give the entries that were printed without a step theirs, and say how where they were counted."""
        self.bars.close()
        unplaced, notes, at = self._unplaced, [], 0
        rewarded = any("reward" in row for row in unplaced)
        for stage in self.bars.stages:
            own = unplaced[at : at + len(stage.trained)]
            at += len(own)
            if rewarded and not any("reward" in row for row in own):
                continue  # supervised training before or after: no steps of this run
            steps, self.planned, how = steps_of(stage)
            for row, step in zip(own, steps, strict=True):
                row["step"] = step
            if how:
                notes.append(Note("steps-counted", f"the console does not print steps: entries are counted, {how}"))
        if not unplaced and rows and not any(name in row for row in rows for name in STEPS):
            for number, row in enumerate(rows, 1):
                row["step"] = number
            notes.append(Note("steps-counted", "the console does not print steps: its entries are counted, from 1"))
        return tuple(notes)

    def take(self, line: str) -> Iterator[dict[str, float]]:
        """Take one line; the entry that it completes."""
        self.trace.take(line)
        if self._block:
            yield from self._go_on(line)
            return
        if self._panel is not None or _PANEL.search(line):
            yield from self._paneled(line)
            return
        self.bars.take(line)
        if self.model is None and _ENGINE in line and (found := _MODEL.search(line)):
            self.model = found[1]
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
        """The entry of a table that is complete; a table of texts is none."""
        if any("/" in name or name in GENERIC.reward or name.startswith("Avg ") for name in self._points):
            yield self._placed(self._points)
        self._points = {}

    def _paneled(self, line: str) -> Iterator[dict[str, float]]:
        """Collect the lines of open-instruct's panel until it is closed; a line for each category of names."""
        if self._panel is None or _PANEL.search(line):
            self._panel = []
        elif line.lstrip()[:1] in ("╰", "└") or len(self._panel) > _LONGEST_BLOCK:
            row, self._panel = _row_of_panel(self._panel), None
            if row:
                yield row
        else:
            self._panel.append(line.strip().strip("│|").rstrip())

    def _go_on(self, line: str) -> Iterator[dict[str, float]]:
        self._block.append(line)
        self._size += len(line)
        if line.rstrip().endswith("}") or len(self._block) > _LONGEST_BLOCK or self._size > text.LONGEST:
            read, self._block, self._size = text.dictionary(" ".join(self._block)), [], 0
            if read is not None:
                yield self._placed(text.numbers(read))

    def _placed(self, row: dict[str, float]) -> dict[str, float]:
        return row if self._step is None else {"step": self._step, **row}

    def _step_of(self, printed: int, row: dict[str, float]) -> int:
        """The step of an entry with one; slime counts updates apart, of which a rollout may have several."""
        if any(name.startswith("rollout/") for name in row):
            self._rollout = printed
        updates = self._rollout is not None and all(name.startswith("train/") for name in row)
        return printed if self._rollout is None or not updates else self._rollout

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
                row = text.numbers(read)
                yield {"step": self._step_of(int(found[1]), row), **row}
            return
        row = text.numbers(read) if read else {}
        if "train_runtime" in row:
            self.finished = True
            self.bars.finished(row["train_runtime"], row.get("train_steps_per_second"))
        elif _is_entry(row):
            if _COUNTERS.isdisjoint(row):
                self.bars.entry(trained=noted(row))
                self._unplaced.append(row)
            yield row


def _row_of_panel(lines: list[str]) -> dict[str, float]:
    """The numbers of a panel: `objective:  verifiable_reward: 0.35 | kl: 0.01`, its lines wrapped anywhere."""
    row: dict[str, float] = {}
    categories: list[tuple[str, list[str]]] = []
    for line in lines:
        if found := _CELL.match(line):
            categories.append((found[1] or found[2], [line[found.end() :]]))
        elif categories:
            categories[-1][1].append(line.strip())
    for category, parts in categories:
        for pair in " ".join(parts).split("|"):
            name, _, value = pair.strip().rpartition(":")
            if name and (read := text.number(value)) is not None:
                row[name.strip() if category == "other" else f"{category}/{name.strip()}"] = read
    return row


def _is_entry(row: dict[str, float]) -> bool:
    """Whether the numbers of a dictionary are metrics, rather than settings that were printed."""
    if len(row) < 2:
        return False
    return "loss" in row or "reward" in row or any("/" in name or name.startswith("eval_") for name in row)
