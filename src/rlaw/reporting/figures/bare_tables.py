"""Tables without losses along training that still make a figure: losses before and after, or response lengths."""

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from rlaw.measurements import datasets
from rlaw.measurements.importers import table

_NEEDS = {
    "transfer": {"benchmark", "loss_before", "loss_after"},
    "response-length": {"step", "response_length"},
}
_LOSSES = ({"test_loss"}, {"correct", "items"})


@dataclass(frozen=True, eq=False)
class BareTable:
    """Rows with model and params beside what they show, and the name of the figure that shows it."""

    rows: pl.DataFrame
    shows: str


def table_of(source: str | Path) -> BareTable | None:
    """The table of a bundled dataset or a file; None for a store, and for a table with losses along training."""
    if str(source) in datasets.names():
        rows = datasets.read(str(source))
    elif Path(source).suffix.lower() in table.READERS and Path(source).is_file():
        rows = table.read(Path(source), None)
    else:
        return None
    if any(columns <= set(rows.columns) for columns in _LOSSES):
        return None
    shown = next((name for name, columns in _NEEDS.items() if columns <= set(rows.columns)), None)
    if shown is None or not {"model", "params", "n_params"} & set(rows.columns):
        return None
    if "params" not in rows.columns and "n_params" in rows.columns:
        rows = rows.rename({"n_params": "params"})
    if "params" not in rows.columns:
        rows = rows.with_columns(params=pl.lit(None, dtype=pl.Float64))
    if "model" not in rows.columns:
        rows = rows.with_columns(model=pl.col("params").cast(pl.String))
    return BareTable(rows, shown)
