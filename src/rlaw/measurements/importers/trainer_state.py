"""`trainer_state.json` of transformers, which TRL and unsloth write into checkpoints, and a bare `log_history`."""

import json
import re
from pathlib import Path
from typing import Any

from rlaw.errors import DataError
from rlaw.measurements.importers import settings, text
from rlaw.measurements.importers.log import Facts, Log, RunLog
from rlaw.measurements.importers.names import called
from rlaw.measurements.importers.rows import flat_row, table_of

_CHECKPOINT = re.compile(r"checkpoint-(\d+)")


class TrainerState:
    """One JSON document with a `log_history`, or the list alone."""

    name = "trainer-state"

    def recognises(self, path: Path) -> bool:
        """By its key, within the first megabyte."""
        if path.is_dir() or not text.bare(path).endswith(".json"):
            return False
        with text.opened(path) as file:
            head = file.read(1 << 20)
        listed = head.lstrip().startswith("[") and '"step"' in head
        return '"log_history"' in head or (listed and ('"loss"' in head or '"reward"' in head))

    def log(self, path: Path) -> Log:
        """The entries of the history.

        Raises:
            DataError: it is no JSON, or its history is no list of objects.
        """
        with text.opened(path) as file:
            whole = file.read()
        try:
            document = json.loads(whole)
        except (ValueError, RecursionError) as error:
            raise DataError(
                f"{path}: no JSON, at {error}\n  next: the file was cut short; take an earlier checkpoint"
            ) from error
        history = document["log_history"] if isinstance(document, dict) else document
        if not isinstance(history, list) or not all(isinstance(entry, dict) for entry in history):
            raise DataError(f"{path}: its log_history is no list of objects")
        state: dict[str, Any] = document if isinstance(document, dict) else {}
        table = table_of([flat_row(entry) for entry in history])
        finished = any("train_runtime" in entry for entry in history[-3:])
        planned = state.get("max_steps") or None
        folder = path.absolute().parent
        run = folder.parent.name if _CHECKPOINT.fullmatch(folder.name) else folder.name
        config = _config(folder)
        facts = Facts(model=config.get("model"), params=config.get("params"), planned_steps=planned, finished=finished)
        return Log(path, self.name, called("trl").trainer, (RunLog(run, table, facts),))


def _config(folder: Path) -> dict[str, Any]:
    """The model of the checkpoint, from its own config.json; of adapters, the model below them."""
    from rlaw.measurements.importers.models import params_of

    found: dict[str, Any] = {}
    for name in ("config.json", "adapter_config.json", "args.json"):
        file = folder / name
        if file.is_file() and not found:
            found = settings.read(file)
    name = found.get("_name_or_path") or found.get("base_model_name_or_path") or found.get("model")
    return {"model": settings.short(name if isinstance(name, str) else None), "params": params_of(found)}
