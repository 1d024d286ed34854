"""What veRL trains and validates on: Parquet files in its layout, in the study's order."""

import json
from pathlib import Path
from typing import Any

from rlaw.engines.verl.paths import Paths
from rlaw.files import make_folder, write_atomically
from rlaw.study.plan import Run
from rlaw.tasks import of_text
from rlaw.tasks.problems import TextProblem, TextProblems


def write(run: Run, paths: Paths, met: TextProblems) -> None:
    """Write both files and the task's settings; what an earlier attempt wrote is written again, the same."""
    make_folder(paths.run)
    rows = [
        _row(problem, name, index)
        for name in run.evaluation.benchmarks
        for index, problem in enumerate(of_text(run.task).benchmark(name, run.evaluation.items))
    ]
    _parquet(paths.train, [_row(problem, "train", index) for index, problem in enumerate(met)])
    _parquet(paths.validation, rows)
    write_atomically(paths.task, json.dumps(run.task.model_dump(mode="json")).encode())


def _row(problem: TextProblem, split: str, index: int) -> dict[str, Any]:
    return {
        "data_source": problem.source,
        "prompt": problem.messages,
        "ability": "math",
        "reward_model": {"style": "rule", "ground_truth": problem.ground_truth},
        "extra_info": {"split": split, "index": index},
    }


def _parquet(path: Path, rows: list[dict[str, Any]]) -> None:
    import polars as pl

    aside = path.with_suffix(".tmp")
    pl.DataFrame(rows).write_parquet(aside)
    aside.replace(path)
