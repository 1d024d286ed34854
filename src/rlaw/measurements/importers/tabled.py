"""A user's importer of tables as a format of logs: its losses are the scores of its runs."""

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from rlaw.errors import DataError, RlawError
from rlaw.measurements.frame import Frame
from rlaw.measurements.importers import memory, table
from rlaw.measurements.importers.base import Importer
from rlaw.measurements.importers.log import Facts, Log, RunLog

_BENCHMARK = "held-out"  # what its scores are called where the table names no benchmark


@dataclass(frozen=True)
class Tabled:
    """An importer that reads evaluations, for all that reads logs."""

    importer: Importer
    name: str

    def recognises(self, path: Path) -> bool:
        """By the importer."""
        return self.importer.recognises(path)

    def log(self, path: Path) -> Log:
        """A run for each size and seed of the table, its scores the share that is not lost.

        Raises:
            DataError: the table cannot be read.
        """
        try:
            found = self.importer.read(path)
        except RlawError:
            raise
        except Exception as error:  # whatever a user's code meets in a file
            raise DataError(f"{path}: {self.name} cannot read it: {type(error).__name__}: {error}") from error
        frame = Frame.of_raw(table.raw_of(memory.read(found), {}, str(path)))
        if "step" not in frame.rows.columns or frame.rows["step"].null_count() == len(frame):
            raise DataError(f"{path}: the table of {self.name} has no step\n  next: rlaw fit reads it as it is")
        several = [name for name in ("run", "variant", "seed") if frame.rows[name].n_unique() > 1]
        own = ["model", *several]
        runs = [_run(rows, own) for _, rows in frame.rows.group_by(own, maintain_order=True)]
        return Log(path, self.name, "", tuple(runs), frame.dropped, frame.notes)


def _run(rows: pl.DataFrame, own: list[str]) -> RunLog:
    scores = rows.select(
        "step",
        benchmark=pl.format("eval/{}/score", pl.col("benchmark").replace("", _BENCHMARK).fill_null(_BENCHMARK)),
        score=1 - pl.col("test_loss"),
    )
    entries = scores.pivot(on="benchmark", index="step", values="score", aggregate_function="first").sort("step")
    known = rows.select("benchmark", "items").drop_nulls("items").unique("benchmark", maintain_order=True)
    items = {name or _BENCHMARK: int(n) for name, n in known.iter_rows()}
    first = rows.row(0, named=True)
    name = first["run"] or "-".join(str(first[c]) for c in own if first[c] not in (None, ""))
    facts = Facts(model=first["model"], params=first["params"], group_size=first.get("group_size"), items=items)
    return RunLog(name, entries, facts)
