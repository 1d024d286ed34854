"""JSON lines of metrics, one object a line: veRL's file logger, Tinker, prime-rl, ms-swift, LLaMA-Factory, your own."""

import json
from pathlib import Path
from typing import Any

from rlaw.measurements.importers import text
from rlaw.measurements.importers.log import Facts, Log, Note, RunLog
from rlaw.measurements.importers.names import STEPS, trainer_of
from rlaw.measurements.importers.rows import flat_row, json_lines

_ENDINGS = (".jsonl", ".ndjson", ".json", ".log", ".txt", "")
_LOOKED_AT = 20  # lines
_MODEL = ("model_name", "model", "model_name_or_path", "base_model", "model_path", "pretrained_model_name_or_path")
_GROUPS = {"prompts": ("groups_per_batch", "prompts_per_step"), "group_size": ("group_size", "num_generations")}


class MetricsJsonl:
    """A file of JSON lines whose objects count steps."""

    name = "metrics-jsonl"

    def recognises(self, path: Path) -> bool:
        """By its first lines: objects, one of which has a counter of steps, and more than a table of ours has."""
        if path.is_dir() or path.name.removesuffix(".gz").endswith((".csv", ".tsv")):
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
        table, dropped = json_lines(path)
        names = trainer_of(table.columns)
        notes = ()
        if "current_steps" in table.columns and "reward" not in table.columns:
            notes = (
                Note("not-rl", "a log of LLaMA-Factory without rewards: its `accuracy` is of preferences, no score"),
            )
            return Log(
                path, self.name, "llama-factory", (RunLog(_run(path), table, _facts(path, table)),), dropped, notes
            )
        return Log(path, self.name, names.trainer, (RunLog(_run(path), table, _facts(path, table)),), dropped, notes)


def _object(line: str) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return flat_row(row) if isinstance(row, dict) else None


def _run(path: Path) -> str:
    """The name of the run: of its folder where the file's own says nothing."""
    stem = path.name.partition(".")[0]
    plain = ("metrics", "logging", "trainer_log", "log", "train", "history", "trainer_state")
    return path.absolute().parent.name if stem in plain else stem


def _facts(path: Path, table: Any) -> Facts:
    config = beside(path)
    items = {}
    for column in table.columns:
        if column.endswith("/env/all/total_episodes") and table.schema[column].is_numeric():
            most = table[column].max()
            items[column.removesuffix("/env/all/total_episodes")] = int(most)
    counts = {ours: next((config[name] for name in theirs if isinstance(config.get(name), int)), None)
              for ours, theirs in _GROUPS.items()}  # fmt: skip
    model = next((config[name] for name in _MODEL if isinstance(config.get(name), str)), None)
    if model is None:
        model = next((table[c].drop_nulls()[0] for c in _MODEL if c in table.columns and str(table.schema[c]) == "String"
                      and table[c].drop_nulls().n_unique() == 1), None)  # fmt: skip
    planned, finished = None, False
    for name in ("total_steps", "max_steps"):
        if name in table.columns and table.schema[name].is_numeric() and table[name].null_count() < len(table):
            planned = int(table[name].max())
    if "global_step/max_steps" in table.columns:
        ends = table["global_step/max_steps"].cast(str).str.extract(r"/\s*(\d+)").drop_nulls()
        planned = int(ends[-1]) if len(ends) else None
    if "progress/done_frac" in table.columns and len(table):
        share, step = table["progress/done_frac"].max(), int(table["step"].max() or 0)
        planned = round((step + 1) / share) - 1 if share else None
    return Facts(model=model.rstrip("/").rpartition("/")[2] if model else None, planned_steps=planned, items=items,
                 finished=finished, **counts)  # fmt: skip


def beside(path: Path) -> dict[str, Any]:
    """The run's settings in a file beside its log, flat; empty where there is none."""
    for name in ("config.json", "args.json", "run_config.json"):
        file = path.parent / name
        if file.is_file() and file.stat().st_size < 1 << 22:
            try:
                found = json.loads(file.read_text(encoding="utf-8", errors="replace"))
            except ValueError:
                continue
            if isinstance(found, dict):
                return found | {k.rpartition("/")[2]: v for k, v in flat_row(found).items()}
    return {}
