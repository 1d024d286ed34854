"""MLflow: an SQLite store, read with sqlite3, and the older file store."""

import math
import sqlite3
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

from rlaw.errors import DataError
from rlaw.measurements.importers import settings
from rlaw.measurements.importers.log import Facts, Log, RunLog
from rlaw.measurements.importers.names import trainer_of
from rlaw.measurements.importers.rows import table_of

_STATES = {"FINISHED": True, "FAILED": False, "KILLED": False}


class MlflowSqlite:
    """The database of `sqlite:///mlruns.db`: one file, many runs."""

    name = "mlflow"

    def recognises(self, path: Path) -> bool:
        """By its tables."""
        if not path.is_file():
            return False
        with path.open("rb") as file:
            if file.read(15) != b"SQLite format 3":
                return False
        try:
            with _opened(path) as connection:
                tables = {name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")}
        except sqlite3.Error:
            return False
        return {"metrics", "params", "runs"} <= tables

    def log(self, path: Path) -> Log:
        """The metrics of every run that is not deleted.

        Raises:
            DataError: the database cannot be read.
        """
        runs = []
        try:
            with _opened(path) as connection:
                every = connection.execute(
                    "select run_uuid, name, status from runs where lifecycle_stage = 'active' "
                    "order by start_time, run_uuid"
                ).fetchall()
                for uuid, name, status in every:
                    metrics = connection.execute(
                        "select key, value, step, is_nan from metrics where run_uuid = ? order by timestamp, step",
                        (uuid,),
                    )
                    parameters = dict(connection.execute("select key, value from params where run_uuid = ?", (uuid,)))
                    rows = _rows((key, math.nan if nan else value, step) for key, value, step, nan in metrics)
                    runs.append(RunLog(name or uuid, table_of(rows), _facts(parameters, status)))
        except sqlite3.Error as error:
            raise DataError(f"{path}: the MLflow database cannot be read: {error}") from error
        columns = list(dict.fromkeys(c for run in runs for c in run.entries.columns))
        return Log(path, self.name, trainer_of(columns).trainer, tuple(runs))


class MlflowFiles:
    """The folder of one run in the older file store: `meta.yaml`, `metrics/`, `params/`."""

    name = "mlflow-files"

    def recognises(self, path: Path) -> bool:
        """By what stands in the folder of a run."""
        return path.is_dir() and (path / "meta.yaml").is_file() and (path / "metrics").is_dir()

    def log(self, path: Path) -> Log:
        """The metrics of a run."""
        metrics = []
        for file in sorted(p for p in (path / "metrics").rglob("*") if p.is_file() and not p.is_symlink()):
            key = file.relative_to(path / "metrics").as_posix()
            for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
                parts = line.split()
                if len(parts) == 3:
                    metrics.append((key, float(parts[1]), int(parts[2])))
        folder = path / "params"
        files = sorted(p for p in folder.rglob("*") if p.is_file()) if folder.is_dir() else []
        parameters = {p.relative_to(folder).as_posix(): p.read_text(encoding="utf-8", errors="replace") for p in files}
        meta = (path / "meta.yaml").read_text(encoding="utf-8", errors="replace")
        status = next((line.partition(":")[2].strip() for line in meta.splitlines() if line.startswith("status:")), "")
        table = table_of(_rows(metrics))
        run = RunLog(
            path.name, table, _facts(parameters, {"3": "FINISHED", "4": "FAILED", "5": "KILLED"}.get(status, ""))
        )
        return Log(path, self.name, trainer_of(table.columns).trainer, (run,))


def _opened(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{path.absolute()}?mode=ro", uri=True)


def _rows(metrics: Any) -> list[dict[str, Any]]:
    """A row for each step; the key as it was before MLflow changed it."""
    rows: dict[int, dict[str, Any]] = defaultdict(dict)
    for key, value, step in metrics:
        rows[step][key.replace("_at_", "@")] = value
    return [{"step": step, **rows[step]} for step in sorted(rows)]


def _facts(parameters: dict[str, str], status: str) -> Facts:
    numbers = {name: int(value) for name, value in parameters.items() if value.isdigit()}
    return replace(
        settings.facts_of({**parameters, **numbers}),
        finished=status == "FINISHED",
        cause=f"MLflow's state {status}" if status in ("FAILED", "KILLED") else None,
    )
