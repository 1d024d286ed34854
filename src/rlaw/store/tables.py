"""A finished run as two Parquet files, for readers that want columns. Made from the journal; delete them at will."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rlaw.records import Evaluated, Record, RunStarted, Step, to_row
from rlaw.store.files import write_atomically
from rlaw.store.journal import last_lineage

FILES: dict[str, type[Record]] = {"evaluations.parquet": Evaluated, "steps.parquet": Step}
_OF_THE_RUN = ("study", "arm", "family", "model", "variant", "params", "params_total", "seed", "tau", "group_size")


def compact(folder: Path, rows: Sequence[Record]) -> None:
    """Write the run's evaluations and steps, the last lineage only, each row with what tells the run from others.

    Split numbers become columns of their own: `flops` {rollout, update} gives `flops_rollout`, `flops_update`.

    Raises:
        StoreError: the system refused.
    """
    import polars as pl

    view = last_lineage(rows)
    started = next(r for r in view if isinstance(r, RunStarted))
    of_the_run = {name: getattr(started, name) for name in _OF_THE_RUN}
    for name, kind in FILES.items():
        told = [{**of_the_run, **_flat(to_row(r))} for r in view if isinstance(r, kind)]
        if told:
            buffer = io.BytesIO()
            pl.DataFrame(told, infer_schema_length=None).write_parquet(buffer)
            write_atomically(folder / name, buffer.getvalue())


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in row.items():
        if isinstance(value, dict):
            flat |= {f"{key}_{part}": number for part, number in value.items()}
        elif key != "kind":
            flat[key] = value
    return flat
