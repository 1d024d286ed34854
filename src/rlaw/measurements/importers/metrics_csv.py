"""CSV exports of metrics: W&B's history (a column for each metric), its UI's form (`run - metric`), TensorBoard's."""

import csv
import re
from pathlib import Path

import polars as pl

from rlaw.errors import DataError
from rlaw.measurements.importers import text
from rlaw.measurements.importers.log import Log, RunLog
from rlaw.measurements.importers.names import GENERIC, STEPS, trainer_of
from rlaw.measurements.importers.rows import stepped
from rlaw.measurements.raw import Note

_WIDE = re.compile(r"(?P<run>.+) - (?P<metric>[^-]+(?:-[^ ][^-]*)*?)(?P<band>__MIN|__MAX)?")
_SAMPLED = 500  # rows that W&B's history gives by default
_EXPORTED = 1000  # rows that TensorBoard's page gives
_TENSORBOARD = ["Wall time", "Step", "Value"]


class MetricsCsv:
    """A CSV or TSV file of metrics by step."""

    name = "metrics-csv"

    def recognises(self, path: Path) -> bool:
        """By its header; a table of evaluations with sizes is none."""
        if path.is_dir() or not path.name.removesuffix(".gz").endswith((".csv", ".tsv")):
            return False
        header = _header(path)
        if header == _TENSORBOARD or _wide(header):
            return True
        if {"test_loss", "correct", "n_params", "params", "model"} & set(header) or not set(STEPS) & set(header):
            return False
        return trainer_of(header) is not GENERIC or "_step" in header or any(c in header for c in GENERIC.reward)

    def log(self, path: Path) -> Log:
        """The rows of a file; of W&B's UI a run for each that has columns.

        Raises:
            DataError: it cannot be read.
        """
        header = _header(path)
        try:
            with text.opened(path) as file:
                table = pl.read_csv(
                    file.read().encode(), infer_schema_length=None, separator="\t" if ".tsv" in path.name else ",",
                    null_values=["", "NaN", "nan", "NA"],
                )  # fmt: skip
        except pl.exceptions.PolarsError as error:
            raise DataError(f"{path}: cannot be read as a table: {str(error).splitlines()[0]}") from error
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
            runs = [RunLog(path.stem, stepped(table))]
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
    with text.opened(path) as file:
        first = file.readline(1 << 20)
    return [cell.strip() for cell in next(csv.reader([first], delimiter="\t" if ".tsv" in path.name else ","), [])]


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
