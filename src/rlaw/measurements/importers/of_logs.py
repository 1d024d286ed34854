"""The evaluations in logs of any trainer, and in a folder of imported runs."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import polars as pl

from rlaw.errors import DataError
from rlaw.measurements.frame import Frame
from rlaw.measurements.importers import imported, logs
from rlaw.measurements.raw import Note
from rlaw.study.compute import FACTORS

_ACCOUNTING = "8N"  # as a study's own
_OF_TRAINING = Note(
    "training-score", "scores are training rewards, not held out: --score train was given when the logs were imported"
)


def read(path: Path, format: str, accounting: str | None) -> Frame:
    """Every score in a folder of imported runs, in a log, or in a folder of logs.

    Raises:
        NotFound: there is no log.
        StoreError: a folder of imported runs is damaged.
        DataError: no run has a score, or no size is known.
    """
    return of_imported(path, accounting) if imported.is_imported(path) else of_logs(path, format, accounting)


def of_imported(path: Path, accounting: str | None) -> Frame:
    """Every evaluation in a folder of imported runs.

    Raises:
        StoreError: the folder is damaged.
        DataError: no run has a score, or no size is known.
    """
    table, of_training = imported.read(path)
    if table.is_empty():
        raise DataError(f"{path}: no run has a held-out score\n  next: rlaw import LOGS --store DIR --score train")
    return _frame(table, str(path), accounting, [_OF_TRAINING] if of_training else [])


def of_logs(path: Path, format: str, accounting: str | None) -> Frame:
    """Every held-out score in a log, or in a folder of logs.

    Raises:
        NotFound: there is no log.
        DataError: no run has a held-out score, or no size is known.
    """
    sources = logs.read([path], format)
    runs = [run for source in sources for run in source.runs]
    if not any(len(run.evaluations) for run in runs):
        if any(run.dropped.get("no_step") for run in runs):
            raise DataError(
                f"{path}: its scores do not say after which step they were measured\n"
                "  next: results of several checkpoints, with the step in their arguments or file names"
            )
        raise DataError(
            f"{path}: no run has a held-out score\n"
            f"  next: rlaw import {path} --store DIR --score train lets the training reward stand in"
        )
    table, notes = logs.evaluations(runs)
    return _frame(table, str(path), accounting, notes)


def _frame(table: pl.DataFrame, source: str, accounting: str | None, notes: Iterable[Note]) -> Frame:
    if table["params"].null_count() == len(table) and table["model"].null_count() == len(table):
        raise DataError(
            f"{source}: the log does not say which model was trained\n"
            f"  next: rlaw import {source} --store DIR --model 7B, or --model RUN=7B for each run"
        )
    counted = accounting if accounting in FACTORS else _ACCOUNTING
    compute = FACTORS[counted] * pl.col("params") * pl.col("tokens").cast(pl.Float64)
    frame = Frame.of(table.with_columns(compute_flops=compute), source, counted)
    return replace(frame, notes=(*frame.notes, *notes))
