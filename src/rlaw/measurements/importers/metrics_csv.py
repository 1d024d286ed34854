"""CSV exports of metrics: W&B's history (a column for each metric), its UI's form (`run - metric`), TensorBoard's."""

import csv
import re
from pathlib import Path

import polars as pl

from rlaw.errors import DataError
from rlaw.measurements.importers import settings, text, workbook
from rlaw.measurements.importers.log import Log, RunLog
from rlaw.measurements.importers.names import GENERIC, STEPS, names_of_flat, trainer_of
from rlaw.measurements.importers.rows import stepped
from rlaw.measurements.raw import Note

_WIDE = re.compile(r"(?P<run>.+) - (?P<metric>[^-]+(?:-[^ ][^-]*)*?)(?P<band>__MIN|__MAX)?")
_SAMPLED = 500  # rows that W&B's history gives by default
_EXPORTED = 1000  # rows that TensorBoard's page gives
_FEW = 3  # rows of a run, below which a table lists runs
_RUN = ("run", "run_id", "run_name", "run_uuid", "Name", "experiment")
_TENSORBOARD = ["Wall time", "Step", "Value"]


class MetricsCsv:
    """A CSV or TSV file of metrics by step."""

    name = "metrics-csv"

    def recognises(self, path: Path) -> bool:
        """By its header; a table of evaluations with sizes is none."""
        if path.is_dir() or not text.bare(path).endswith((".csv", ".tsv", ".parquet", ".xlsx")):
            return False
        if path.suffix == ".xlsx" and not workbook.is_readable():
            return True  # reading it says what is missing
        try:
            header = _header(path)
        except DataError:
            return False
        if header == _TENSORBOARD or _wide(header):
            return True
        if {"test_loss", "correct", "n_params", "params", "model"} & set(header) or not set(STEPS) & set(header):
            return False
        if _lists_runs(path, header):
            return False
        header = [names_of_flat(header).get(name, name) for name in header]
        return trainer_of(header) is not GENERIC or "_step" in header or any(c in header for c in GENERIC.reward)

    def log(self, path: Path) -> Log:
        """The rows of a file; of W&B's UI a run for each that has columns.

        Raises:
            DataError: it cannot be read.
        """
        header = _header(path)
        table = _table(path)
        notes = []
        if header == _TENSORBOARD:
            if len(table) == _EXPORTED:
                notes.append(
                    Note("sampled", f"{_EXPORTED} rows exactly, what TensorBoard exports: the rest may be missing")
                )
            tag = path.stem.removeprefix("run-").rpartition("-tag-")[2] or path.stem
            runs = [RunLog(path.stem, table.select(step="Step", **{tag: pl.col("Value")}))]
        elif _wide(header):
            runs = _runs(table)
        else:
            runs = _by_run(path, table)
            gaps = runs[0].entries["step"].diff().drop_nulls()
            if len(table) <= _SAMPLED and "_step" in header and len(gaps) and gaps.n_unique() > 1:
                notes.append(
                    Note(
                        "sampled",
                        f"{len(table)} rows with gaps in _step: W&B's history gives at most {_SAMPLED} sampled rows",
                    )
                )
        columns = list(dict.fromkeys(c for run in runs for c in run.entries.columns))
        return Log(path, self.name, trainer_of(columns).trainer, tuple(runs), {}, tuple(notes))


def _header(path: Path) -> list[str]:
    if path.suffix in (".parquet", ".xlsx"):
        return _table(path, rows=0).columns
    with text.opened(path) as file:
        first = file.readline(1 << 20)
    return [cell.strip() for cell in next(csv.reader([first], delimiter="\t" if ".tsv" in path.name else ","), [])]


def _table(path: Path, rows: int | None = None) -> pl.DataFrame:
    """The rows of a file, or its first ones.

    Raises:
        DataError: it cannot be read.
    """
    try:
        if path.suffix == ".xlsx":
            return workbook.read(path)
        if path.suffix == ".parquet":
            table = pl.read_parquet(path, n_rows=rows)
            return table.select(name for name, kind in table.schema.items() if not kind.is_nested())
        with text.opened(path) as file:
            return pl.read_csv(
                file.read().encode(), infer_schema_length=None, separator="\t" if ".tsv" in path.name else ",",
                null_values=["", "NA", "N/A", "null", "None"],
            )  # fmt: skip
    except pl.exceptions.PolarsError as error:
        raise DataError(f"{path}: cannot be read as a table: {str(error).splitlines()[0]}") from error


def _lists_runs(path: Path, header: list[str]) -> bool:
    """Whether a table has a row for each run: a list of runs is no log of one."""
    name = next((name for name in _RUN if name in header), None)
    if name is None:
        return False
    try:
        runs = _table(path)[name]
    except DataError:
        return False
    return runs.n_unique() > len(runs) / _FEW


def _by_run(path: Path, table: pl.DataFrame) -> list[RunLog]:
    """A run for each that a column names; all rows are one run where none does."""
    name = next((name for name in _RUN if name in table.columns), None)
    if name is None or table[name].n_unique() < 2:
        return [RunLog(settings.run_of(path), stepped(table))]
    parts = table.partition_by(name, maintain_order=True)
    return [RunLog(str(part[name][0]), stepped(part.drop(name))) for part in parts]


def _wide(header: list[str]) -> bool:
    """Whether it is W&B's UI export: a counter, then columns `run - metric`."""
    return len(header) > 1 and header[0] in ("Step", *STEPS) and all(_WIDE.fullmatch(name) for name in header[1:])


def _runs(table: pl.DataFrame) -> list[RunLog]:
    """A run for each that has a column; the columns of its bands are left out."""
    runs: dict[str, dict[str, str]] = {}
    for column in table.columns[1:]:
        found = _WIDE.fullmatch(column)
        if found and not found["band"]:
            runs.setdefault(found["run"], {})[found["metric"]] = column
    made = []
    for run, columns in runs.items():
        metrics = {name: column for name, column in columns.items() if name != "_step"}
        own = table.select(step=pl.col(table.columns[0]), **{name: pl.col(column) for name, column in metrics.items()})
        made.append(RunLog(run, stepped(own.filter(pl.any_horizontal(pl.col(*metrics).is_not_null())))))
    return made
