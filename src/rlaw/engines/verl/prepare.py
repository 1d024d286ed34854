"""Writes what veRL reads for one run: Parquet files in its layout, in the study's order, and the task's settings.

As a program, for a command that is started by hand: `python -m rlaw.engines.verl.prepare STUDY LABEL FOLDER`, with the
study file (or preset), the run's label, its folder.
"""

import json
import sys
from pathlib import Path
from typing import Any

from rlaw.engines.base import Workspace
from rlaw.engines.data import benchmark_texts, training_texts
from rlaw.engines.verl.paths import Paths
from rlaw.errors import RlawError
from rlaw.store.files import make_folder, write_atomically
from rlaw.study import presets
from rlaw.study.plan import Run, plan
from rlaw.study.study import Study
from rlaw.tasks.problems import TextProblems
from rlaw.tasks.problems.files import verl_row


def write(run: Run, paths: Paths, met: TextProblems) -> None:
    """Write both files and the task's settings; what an earlier attempt wrote is written again, the same."""
    make_folder(paths.run)
    rows = [
        verl_row(problem, name, index)
        for name, problems in benchmark_texts(run).items()
        for index, problem in enumerate(problems)
    ]
    _parquet(paths.train, [verl_row(problem, "train", index) for index, problem in enumerate(met)])
    _parquet(paths.validation, rows)
    write_atomically(paths.task, json.dumps(run.task.model_dump(mode="json")).encode())


def _parquet(path: Path, rows: list[dict[str, Any]]) -> None:
    import polars as pl

    aside = path.with_suffix(".tmp")
    pl.DataFrame(rows).write_parquet(aside)
    aside.replace(path)


def main(study: str, label: str, folder: str) -> None:
    """Write the training and validation files and the task's settings."""
    if study in presets.STUDIES and not Path(study).exists():
        with presets.study_file(study) as path:
            laid_out = plan(Study.load(path))
    else:
        laid_out = plan(Study.load(study))
    run = next((run for run in laid_out if run.label == label), None)
    if run is None:
        raise SystemExit(f"study {study} has no run {label}")
    paths = Paths.of(Workspace(Path(folder), Path(folder)))
    paths.attempt.mkdir(parents=True, exist_ok=True)
    write(run, paths, training_texts(run))


if __name__ == "__main__":
    try:
        main(*sys.argv[1:4])
    except RlawError as error:
        raise SystemExit(f"rlaw: {error}") from error
