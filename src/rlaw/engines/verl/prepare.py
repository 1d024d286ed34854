"""Writes what veRL reads for one run, for a command that is started by hand.

`python -m rlaw.engines.verl.prepare STUDY LABEL FOLDER`: the study file (or preset), the run's label, its folder.
"""

import sys
from pathlib import Path

from rlaw.engines.base import Workspace
from rlaw.engines.data import training_texts
from rlaw.engines.verl import data
from rlaw.engines.verl.paths import Paths
from rlaw.errors import RlawError
from rlaw.study import presets
from rlaw.study.plan import plan
from rlaw.study.study import Study


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
    data.write(run, paths, training_texts(run))


if __name__ == "__main__":
    try:
        main(*sys.argv[1:4])
    except RlawError as error:
        raise SystemExit(f"rlaw: {error}") from error
