"""JSON lines of metrics, one object a line: veRL's file logger, Tinker, prime-rl, ms-swift, LLaMA-Factory, your own."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from rlaw.measurements.importers import settings, text
from rlaw.measurements.importers.log import Facts, Log, RunLog
from rlaw.measurements.importers.names import STEPS, trainer_of
from rlaw.measurements.importers.rows import flat_row, json_lines
from rlaw.measurements.raw import Note

_PLANNED = ("total_steps", "max_steps", "progress/done_frac")
_LOOKED_AT = 20  # lines
_MODEL = ("model_name", "model", "model_name_or_path", "base_model", "model_path", "pretrained_model_name_or_path")


@dataclass(frozen=True)
class MetricsJsonl:
    """A file of JSON lines whose objects count steps.

    Attributes:
        wanted: names that are kept whatever the size of the file.
    """

    wanted: frozenset[str] = frozenset()
    name: str = "metrics-jsonl"

    def recognises(self, path: Path) -> bool:
        """By its first lines: objects, one of which has a counter of steps, and more than a table of ours has."""
        if path.is_dir() or text.bare(path).endswith((".csv", ".tsv")):
            return False
        for count, line in enumerate(text.lines(path)):
            if line.strip():
                row = _object(line)
                if row is None:
                    return False
                if any(name in row for name in STEPS):
                    return not {"test_loss", "correct"} & row.keys()
            if count > _LOOKED_AT:
                break
        return False

    def log(self, path: Path) -> Log:
        """The entries of a file; what a config.json or args.json beside it says of the run."""
        table, dropped, left = json_lines(path, {*self.wanted, *_MODEL, *_PLANNED})
        names = trainer_of([*table.columns, *left])
        run = RunLog(settings.run_of(path), table, _facts(path, table), left)
        notes = ()
        if "current_steps" in table.columns and "reward" not in table.columns:
            notes = (
                Note("not-rl", "a log of LLaMA-Factory without rewards: its `accuracy` is of preferences, no score"),
            )
            return Log(path, self.name, "llama-factory", (run,), dropped, notes)
        return Log(path, self.name, names.trainer, (run,), dropped, notes)


def _object(line: str) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return flat_row(row) if isinstance(row, dict) else None


def _facts(path: Path, table: pl.DataFrame) -> Facts:
    episodes = "/env/all/total_episodes"
    items = {c.removesuffix(episodes): _most(table, c) for c in table.columns if c.endswith(episodes)}
    said = Facts(
        model=settings.short(_one_word(table, _MODEL)),
        planned_steps=_planned(table),
        items={name: n for name, n in items.items() if n},
    )
    return settings.merged(settings.facts_of(settings.beside(path)), said)


def _one_word(table: pl.DataFrame, names: tuple[str, ...]) -> str | None:
    """The one word in the first of these columns that has one alone."""
    columns = (table[name].drop_nulls().unique() for name in names if table.schema.get(name) == pl.String)
    return next((column[0] for column in columns if len(column) == 1), None)


def _most(table: pl.DataFrame, column: str) -> int | None:
    largest = table[column].max() if table.schema[column].is_numeric() else None
    return int(largest) if isinstance(largest, int | float) else None


def _planned(table: pl.DataFrame) -> int | None:
    """How many steps there would be: said as such, beside the counter, or by the share that is done."""
    for name in _PLANNED[:2]:
        if name in table.columns and (most := _most(table, name)):
            return most
    if "global_step/max_steps" in table.columns:
        ends = table["global_step/max_steps"].cast(pl.String).str.extract(r"/\s*(\d+)").drop_nulls()
        return int(ends[-1]) if len(ends) else None
    if "progress/done_frac" in table.columns and (share := table["progress/done_frac"].max()):
        last = _most(table, "step")
        return round(((last or 0) + 1) / float(share)) - 1  # pyright: ignore[reportArgumentType]
    return None
