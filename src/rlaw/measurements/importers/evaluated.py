"""Results of evaluating checkpoints: one file for each model and step, together a table by size and step."""

import re
from typing import Any

from rlaw.measurements.importers.log import Facts, RunLog
from rlaw.measurements.importers.rows import table_of

_STEP = re.compile(r"(?:revision=|checkpoint[-_/]|global_step_?|iter[-_]|step[-_]?)(?:step)?(\d+)")
_CHECKPOINT = re.compile(r"[-_/]?(?:checkpoint|global_step|step|iter)[-_/]?\d+.*$")


def step_of(*texts: str) -> int | None:
    """The step of a checkpoint, from the first text that holds one."""
    return next((int(found[1]) for text in texts if (found := _STEP.search(text))), None)


def model_of(name: str) -> str:
    """The model without its folders and the checkpoint in its name."""
    base = _CHECKPOINT.sub("", name.rstrip("/")).rstrip("/_-")
    return base.rpartition("/")[2] or name


def run_of(
    name: str, step: int | None, scores: dict[str, float], items: dict[str, int], params: float | None = None
) -> RunLog:
    """One evaluation of one checkpoint as a run with one entry.

    Args:
        name: of the model.
        step: of the checkpoint.
        scores: by benchmark.
        items: problems of a benchmark.
        params: of the model, where the file has them.
    """
    row: dict[str, Any] = {"step": step, **{f"eval/{benchmark}/acc": score for benchmark, score in scores.items()}}
    return RunLog(name, table_of([row]), Facts(model=name, params=params, items=items))
