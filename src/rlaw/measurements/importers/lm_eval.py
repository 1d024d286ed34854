"""Results of lm-evaluation-harness: one file for each model and checkpoint, a table by size and step together."""

import json
import re
from pathlib import Path
from typing import Any

from rlaw.errors import DataError
from rlaw.measurements.importers import evaluated, text
from rlaw.measurements.importers.log import Log

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
        model = _ARGUMENT.search(arguments)
        name = model[1].rstrip("/") if model else path.stem
        found: dict[str, float] = {}
        items = {}
        for task, scores in document.get("results", {}).items():
            picked = _metric(scores) if isinstance(scores, dict) else None
            if picked is None:
                continue
            value, error = picked
            found[task] = value
            n = document.get("n-samples", {}).get(task, {}).get("effective")
            if n is None and error and 0 < value < 1:
                n = round(value * (1 - value) / error**2 + 1)
            if n:
                items[task] = int(n)
        run = re.split(r"checkpoint-\d+$", name)[0].rstrip("/").rpartition("/")[2] or name
        step = evaluated.step_of(arguments, path.name)
        made = evaluated.run_of(run, step, found, items, config.get("model_num_parameters"))
        return Log(path, self.name, "lm-eval", (made,))


def _metric(scores: dict[str, Any]) -> tuple[float, float | None] | None:
    """The score of a task and its standard error; names hold a filter since 2024: `acc,none`."""
    for wanted in _METRICS:
        for key, value in scores.items():
            metric, _, filtered = key.partition(",")
            if metric == wanted and isinstance(value, int | float):
                error = scores.get(f"{wanted}_stderr{',' if filtered else ''}{filtered}")
                return float(value), float(error) if isinstance(error, int | float) else None
    return None
