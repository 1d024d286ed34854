"""Tables of evaluations: CSV, Parquet, JSON lines. Reads and renames; judging the rows is the frame's part."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from rlaw.errors import DataError, NotFound, UsageError
from rlaw.text import listed

READERS = {".csv": pl.read_csv, ".tsv": pl.read_csv, ".parquet": pl.read_parquet, ".jsonl": pl.read_ndjson}
READERS[".ndjson"] = pl.read_ndjson


def read(path: Path, mapping: Mapping[str, str] | None = None) -> pl.DataFrame:
    """The table in a file, its columns renamed by `mapping` (ours -> theirs).

    Raises:
        NotFound: there is no such file.
        DataError: it cannot be read as a table, or has no rows.
    """
    if not path.is_file():
        raise NotFound(f"no such file: {path}")
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise DataError(f"{path}: rlaw reads {', '.join(READERS)}, not {path.suffix or 'a file without a suffix'}")
    options: dict[str, Any] = {"infer_schema_length": None} if reader is not pl.read_parquet else {}
    if path.suffix.lower() == ".tsv":
        options["separator"] = "\t"
    try:
        table = reader(path, **options)
    except (pl.exceptions.PolarsError, OSError, UnicodeDecodeError) as error:
        if path.stat().st_size == 0:
            raise DataError(f"{path}: the file is empty\n  next: it needs a header and rows") from error
        first = str(error).splitlines()[0]
        raise DataError(f"{path}: cannot be read as a table: {first}") from error
    return rename(table, mapping or {}, str(path))


def rename(table: pl.DataFrame, mapping: Mapping[str, str], source: str) -> pl.DataFrame:
    """The table with its columns renamed by `mapping` (ours -> theirs)."""
    for ours, theirs in mapping.items():
        if theirs not in table.columns:
            raise UsageError(
                f"`mapping={{'{ours}': '{theirs}'}}`: {source} has no column {theirs!r}; it has {listed(table.columns)}"
            )
    taken = [ours for ours in mapping if ours in table.columns and ours not in mapping.values()]
    return table.drop(taken).rename({theirs: ours for ours, theirs in mapping.items()})
