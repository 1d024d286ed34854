"""Measurements, wherever they are: a store, a file, a bundled dataset, a polars or pandas frame."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from rlaw import laws
from rlaw.errors import NotFound, UsageError
from rlaw.measurements import datasets
from rlaw.measurements.frame import Frame
from rlaw.measurements.importers import FORMATS, Importer, choose, get, memory, table
from rlaw.measurements.raw import Raw

_LAW_FIRST = "rlaw.fit(law, data); everywhere else the data, and law= by name"


def load(
    data: Any,
    *,
    mapping: Mapping[str, str] | None = None,
    accounting: str | None = None,
    format: str = "auto",
    measure: str | None = None,
) -> Frame:
    """The frame of a store, a CSV, Parquet or JSONL file, a bundled dataset's name, or a polars or pandas frame.

    Args:
        data: where the measurements are.
        mapping: renames columns, ours -> theirs.
        accounting: how a store's compute is counted (6N, 8N, 12N, exact); the study's own way when None.
        format: the importer of a file or folder: "auto" (by its content), a registered name, or `file.py:IMPORTER`.
        measure: what a table's losses are: "loss" (shares of wrong answers), "accuracy" (of right ones), "percent" (of
            either, by the column's name); None: as the column is called, and asked where that cannot be.

    Raises:
        NotFound: no such store, file or dataset.
        DataError: what is there cannot be read as measurements.
        UsageError: an argument that makes no sense for these data.
    """
    if isinstance(data, Frame):
        return data
    if not isinstance(data, str | Path):
        return _judged(table.raw_of(memory.read(data), mapping or {}, "the table"), measure, "a table in memory")
    if str(data) in datasets.names():
        return _judged(table.raw_of(memory.read(_bundled(str(data))), mapping or {}, str(data)), measure)
    path = Path(data)
    _there(path)
    is_store = (path / "study.json").is_file() and format == "auto"
    importer = None if is_store or format in FORMATS else choose(path) if format == "auto" else get(format)
    if isinstance(importer, Importer):
        return _judged(table.raw_of(memory.read(importer.read(path)), mapping or {}, str(path)), measure)
    if not is_store and importer is None and not _is_log(path, format):
        return _judged(table.read_raw(path, mapping or {}), measure)
    if mapping or measure:
        given = "mapping" if mapping else "measure"
        kind, then = ("a store", f"leave `{given}=` out") if is_store else ("a log", "rlaw import names what logs hold")
        raise UsageError(f"`{given}=` is for tables, and {data} is {kind}\n  next: {then}")
    return _of_runs(path, format, accounting, is_store=is_store)


def _of_runs(path: Path, format: str, accounting: str | None, *, is_store: bool) -> Frame:
    """The frame of a store, of imported runs, or of logs: what each needs is imported when it is read."""
    if is_store:
        from rlaw.measurements.importers.store import of_store

        return of_store(path, accounting)
    from rlaw.measurements.importers import of_logs

    return of_logs.read(path, format, accounting)


def _bundled(name: str) -> pl.DataFrame:
    if not datasets.get(name).curves:
        raise UsageError(
            f"{name} holds no learning curves\n  next: read its table with rlaw.measurements.datasets.read({name!r})"
        )
    return datasets.read(name)


def _judged(raw: Raw, measure: str | None, source: str | None = None) -> Frame:
    return Frame.of_raw(replace(raw, measure=measure or "", source=source or raw.source))


def _there(path: Path) -> None:
    """Refuse a path where nothing is, or what can be no measurements."""
    try:
        table.check_kind(path)
    except (NotFound, ValueError) as error:  # a NUL in a name is no path
        if str(path) in laws.names():
            raise UsageError(f"measurements were expected, and {path} is a law\n  next: {_LAW_FIRST}") from error
        known = ", ".join(datasets.names())
        raise NotFound(
            f"{path}: no such store or file, and no bundled dataset of that name\n  datasets: {known}"
        ) from error


def _is_log(path: Path, format: str) -> bool:
    """Whether a path is a trainer's log, or a folder without a store of ours: a table of ours is none."""
    from rlaw.measurements.importers import logs

    if format in FORMATS or path.is_dir():
        return True
    return logs.format_of(path) is not None
