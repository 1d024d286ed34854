"""Measurements, wherever they are: a store, a file, a bundled dataset, a polars or pandas frame."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from rlaw import laws
from rlaw.errors import NotFound, UsageError
from rlaw.measurements import datasets
from rlaw.measurements.frame import Frame
from rlaw.measurements.importers import choose, get, table

_LAW_FIRST = "rlaw.fit(law, data); everywhere else the data, and law= by name"


def load(
    data: Any, *, mapping: Mapping[str, str] | None = None, accounting: str | None = None, format: str = "auto"
) -> Frame:
    """The frame of a store, a CSV, Parquet or JSONL file, a bundled dataset's name, or a polars or pandas frame.

    Args:
        data: where the measurements are.
        mapping: renames columns, ours -> theirs.
        accounting: how a store's compute is counted (6N, 8N, 12N, exact); the study's own way when None.
        format: the importer of a file or folder: "auto" (by its content), a registered name, or `file.py:IMPORTER`.
    """
    if isinstance(data, Frame):
        return data
    if not isinstance(data, str | Path) and not hasattr(data, "columns"):
        raise UsageError(
            f"measurements were expected, and this is a {type(data).__name__}\n"
            "  next: a store, a file, a dataset's name, or a polars or pandas frame"
        )
    if not isinstance(data, str | Path):
        raw = data if isinstance(data, pl.DataFrame) else pl.from_pandas(data)
        return Frame.of(table.rename(raw, mapping or {}, "the table"), "a table in memory")
    if str(data) in datasets.names():
        if not datasets.get(str(data)).curves:
            raise UsageError(
                f"{data} holds no learning curves\n  "
                f"next: read its table with rlaw.measurements.datasets.read({str(data)!r})"
            )
        return Frame.of(table.rename(datasets.read(str(data)), mapping or {}, str(data)), str(data))
    path = Path(data)
    if not path.exists():
        if str(data) in laws.names():
            raise UsageError(f"measurements were expected, and {data} is a law\n  next: {_LAW_FIRST}")
        known = ", ".join(datasets.names())
        raise NotFound(f"{data}: no such store or file, and no bundled dataset of that name\n  datasets: {known}")
    is_store = (path / "study.json").is_file() and format == "auto"
    importer = None if is_store else choose(path) if format == "auto" else get(format)
    if importer is not None:
        return Frame.of(table.rename(importer.read(path), mapping or {}, str(path)), str(path))
    if path.is_dir():
        if mapping:
            raise UsageError(
                f"`mapping=` renames the columns of a table, and {data} is a store\n  next: leave `mapping=` out"
            )
        from rlaw.measurements.importers.store import of_store  # only a store needs the study's machinery

        return of_store(path, accounting)
    return Frame.of(table.read(path, mapping), str(path))
