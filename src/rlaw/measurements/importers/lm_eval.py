"""Results of lm-evaluation-harness: one file for each model and checkpoint, a table by size and step together."""

import json
import re
from pathlib import Path
from typing import Any

from rlaw.errors import DataError
from rlaw.measurements.importers import text
from rlaw.measurements.importers.log import Facts, Log, RunLog
from rlaw.measurements.importers.rows import table_of

_STEP = re.compile(r"(?:revision=|checkpoint[-_/]|global_step_?|step[-_]?)(?:step)?(\d+)")
_ARGUMENT = re.compile(r"(?:pretrained|model)=([^,]+)")
_METRICS = ("acc", "exact_match", "acc_norm", "pass@1", "f1", "em", "mc2", "prompt_level_strict_acc")


class LmEval:
    """A `results_*.json`, of all ages."""

    name = "lm-eval"

    def recognises(self, path: Path) -> bool:
        """By its keys: results by task, and the arguments of the model."""
        if path.is_dir() or not text.bare(path).endswith(".json"):
            return False
        with text.opened(path) as file:
            whole = file.read(1 << 25)
        return '"results"' in whole and '"config"' in whole and ('"model_args"' in whole or '"n-samples"' in whole)

    def log(self, path: Path) -> Log:
        """One evaluation of one checkpoint.

        Raises:
            DataError: it is no JSON.
        """
        with text.opened(path) as file:
            whole = file.read()
        try:
            document = json.loads(whole)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{path}: no JSON, at {error}") from error
        config = document.get("config", {})
        arguments = config.get("model_args") or ""
        if isinstance(arguments, dict):
            arguments = ",".join(f"{key}={value}" for key, value in arguments.items())
        found = _STEP.search(arguments) or _STEP.search(path.name)
        model = _ARGUMENT.search(arguments)
        name = model[1].rstrip("/") if model else path.stem
        row: dict[str, Any] = {"step": int(found[1]) if found else None}
        items = {}
        for task, scores in document.get("results", {}).items():
            picked = _metric(scores)
            if picked is None:
                continue
            value, error = picked
            row[f"eval/{task}/acc"] = value
            n = document.get("n-samples", {}).get(task, {}).get("effective")
            if n is None and error and 0 < value < 1:
                n = round(value * (1 - value) / error**2 + 1)
            if n:
                items[task] = int(n)
        run = re.split(r"checkpoint-\d+$", name)[0].rstrip("/").rpartition("/")[2] or name
        facts = Facts(model=run, params=config.get("model_num_parameters"), items=items)
        return Log(path, self.name, "lm-eval", (RunLog(run, table_of([row]), facts),))


def _metric(scores: dict[str, Any]) -> tuple[float, float | None] | None:
    """The score of a task and its standard error; names hold a filter since 2024: `acc,none`."""
    for wanted in _METRICS:
        for key, value in scores.items():
            metric, _, filtered = key.partition(",")
            if metric == wanted and isinstance(value, int | float):
                error = scores.get(f"{wanted}_stderr{',' if filtered else ''}{filtered}")
                return float(value), float(error) if isinstance(error, int | float) else None
    return None
