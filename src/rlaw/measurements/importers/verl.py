"""veRL's console, of all ages: `step:N - name:value - name:value`."""

import ast
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from rlaw.measurements.importers import settings, text
from rlaw.measurements.importers.log import Facts, Log, RunLog
from rlaw.measurements.importers.models import params_of
from rlaw.measurements.importers.rows import table_of
from rlaw.measurements.raw import Note

_STEP = re.compile(r"(?:^|[\]|\s])step:(\d+) - (?=\S+:\S)")
_BEGINS = re.compile(r"(?:^|[\]|\s])step:\d+\s*$")
_GOES_ON = re.compile(r"^\s*- [\w-]+[/\w@.()-]*:\S+")
#: beginnings of the names that veRL logs; text of an agent that looks like a step has none of them
_OURS = (
    *("actor/", "critic/", "val", "timing", "perf/", "global_seqlen/", "response", "prompt_length/", "training/"),
    "train/",
)
_MARKS = ("actor_rollout_ref", "verl.trainer", "main_ppo", "sft_trainer")
_LOOKED_AT = 3000  # lines, for a sign of veRL
_SEARCHED = 1 << 26  # characters, for a line of metrics: answers of a validation may come before the first
_PLANNED = re.compile(r"Total training steps: (\d+)")
_LENGTH = re.compile(r"^(?:\S+ )?dataset len: (\d+)")
_OVERRIDE = re.compile(r"'?actor_rollout_ref\.model\.path=[\"']?([^\s,'\"\\]+)")
_CONFIG = "Config {"
_MOST = 5000  # lines of a printed configuration


class VerlConsole:
    """The console of veRL's trainers, whatever stands before a line."""

    name = "verl-console"

    def recognises(self, path: Path) -> bool:
        """By a line of metrics, or by what veRL prints before its first one."""
        searched = 0
        for count, line in enumerate(text.lines(path) if path.is_file() else ()):
            if count <= _LOOKED_AT and any(mark in line for mark in _MARKS):
                return True
            if "step:" in line and _row(line) is not None:
                return True
            searched += len(line)
            if searched > _SEARCHED:
                break
        return False

    def log(self, path: Path) -> Log:
        """The entries of a console; several runs in one file are attempts at one."""
        return log_of(path, text.raw_lines(path), self.name)


def log_of(path: Path, lines: Iterable[str], format: str) -> Log:
    """The entries of a console's lines, wherever they were kept."""
    rows: list[dict[str, float]] = []
    between = _Between()
    for raw in _joined(lines):
        if "step:" in raw and (row := _row(raw)) is not None:
            rows.append(row)
            between.progressed()
        elif "{'" in raw or _has_sign(raw) or between.is_open:
            between.take(text.plain(raw))
    notes = ()
    if rows and not any(name.startswith(("actor/", "critic/", "val-", "val/test")) for row in rows for name in row):
        notes = (Note("not-rl", "a log of supervised fine-tuning: it has no reward and no rollout"),)
    facts = settings.merged(between.facts(), settings.facts_of(settings.beside(path)))
    return Log(path, format, "verl", (RunLog(settings.run_of(path), table_of(rows), facts),), {}, notes)


def _joined(lines: Iterable[str]) -> Iterator[str]:
    """The lines, those of metrics whole: some loggers begin a line for each metric."""
    whole: list[str] = []
    for raw in lines:
        line = text.plain(raw) if whole or "step:" in raw else raw
        if whole and _GOES_ON.match(line):
            whole.append(line.strip())
            continue
        if whole:
            yield " ".join(whole)
            whole = []
        if "step:" in line and (_STEP.search(line) or _BEGINS.search(line)):
            whole.append(line.rstrip())
        else:
            yield line
    if whole:
        yield " ".join(whole)


def _has_sign(line: str) -> bool:
    """Whether a line says something of a run, beside metrics and dictionaries."""
    return (
        "dataset len" in line or "model.path=" in line or "Total training steps" in line
        or _CONFIG in line or text.TRACEBACK in line
    )  # fmt: skip


def _row(line: str) -> dict[str, float] | None:
    """The numbers of a line of metrics; None for any other line."""
    found = _STEP.search(line)
    if found is None:
        return None
    row: dict[str, float] = {"step": int(found[1])}
    for pair in line[found.end() :].split(" - "):
        name, _, value = pair.rpartition(":")
        if value[-1:] == ")":  # np.float64(0.5)
            value = value[value.find("(") + 1 : -1]
        if value[-2:] == "00" and text.is_below(name, value):
            continue
        if name.endswith("(1e-4)"):  # 2024: `actor/lr(1e-4):0.010`
            name, value = name.removesuffix("(1e-4)"), f"{value}e-4"
        try:
            row[name] = float(value)
        except ValueError:
            if name and (read := text.number(value)) is not None:
                row[name] = read
    return row if any(name.startswith(_OURS) for name in row) else None


class _Between:
    """What the lines between the metrics say of a run."""

    def __init__(self) -> None:
        self.planned: int | None = None
        self.lengths: list[int] = []
        self.model = ""
        self.config: dict[str, Any] = {}
        self.params: float | None = None
        self.trace = text.Trace()
        self._block: list[str] = []
        self._depth = 0
        self._size = 0

    @property
    def is_open(self) -> bool:
        """Whether the next line belongs to what came before."""
        return bool(self._block) or self.trace.is_open

    def progressed(self) -> None:
        """A step was logged: an earlier error was not the end."""
        self.trace = text.Trace()

    def take(self, line: str) -> None:
        """Take one line."""
        self.trace.take(line)
        if self._block or line.lstrip().startswith("{'") or line.endswith(_CONFIG):
            self._go_on(line)
        elif "Total training steps" in line and (found := _PLANNED.search(line)):
            self.planned = int(found[1])
        elif "dataset len" in line and (found := _LENGTH.match(line)) and "filter" not in line:
            self.lengths.append(int(found[1]))
        elif found := _OVERRIDE.search(line):
            self.model = self.model or found[1]

    def _go_on(self, line: str) -> None:
        """Collect a configuration until its braces are closed: veRL's own, or that of the model."""
        self._block.append(line)
        self._size += len(line)
        self._depth += line.count("{") - line.count("}")
        if self._depth <= 0 or len(self._block) > _MOST or self._size > text.LONGEST:
            block, self._block, self._depth, self._size = "\n".join(self._block), [], 0, 0
            if "actor_rollout_ref" in block:
                self.config = self.config or _literal(block)
            elif self.params is None and '"hidden_size"' in block:
                self.params = params_of(_json(block[block.index("{") :]))

    def facts(self) -> Facts:
        """All that was said."""
        rl, data = self.config.get("actor_rollout_ref", {}), self.config.get("data", {})
        model = rl.get("model", {}).get("path") or self.model or None
        return Facts(
            model=str(model).rstrip("/").rpartition("/")[2] if model else None,
            params=self.params,
            planned_steps=self.planned,
            prompts=data.get("train_batch_size"),
            group_size=rl.get("rollout", {}).get("n"),
            items={"": self.lengths[-1]} if len(set(self.lengths)) > 1 else {},
            cause=self.trace.cause,
        )


def _literal(block: str) -> dict[str, Any]:
    try:
        found = ast.literal_eval(block.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _json(block: str) -> dict[str, Any]:
    try:
        return json.loads(block)
    except ValueError:
        return {}
