"""A finished run as two Parquet files: for readers that want columns, and for frames of thousands of runs.

Made from the journal; delete them at will. `tables.json` is written last: it holds their SHA-256, the run's status, and
the stamp of the journal they were made from, so that tables that are torn, damaged or older than the journal are never
believed.
"""

import hashlib
import io
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rlaw.errors import RlawError, RlawWarning, StoreError
from rlaw.store import journal
from rlaw.store.files import leave_no_parts, read_json, write_atomically, write_json
from rlaw.store.journal import last_lineage
from rlaw.store.records import Evaluated, Record, RunStarted, Step, to_row
from rlaw.store.status import Status, divergence

if TYPE_CHECKING:
    import polars as pl

EVALUATIONS, STEPS, MANIFEST = "evaluations.parquet", "steps.parquet", "tables.json"
SCHEMA = 3  # goes up with every change of the columns, or of the status
#: what to do when a folder holds what belongs to another run
SWAPPED = "give the run its own folder back: take it from a copy of the store, or undo the renaming"
_KINDS: dict[str, type[Record]] = {EVALUATIONS: Evaluated, STEPS: Step}
_OF_THE_RUN = (
    *("study", "arm", "family", "model", "variant", "params", "params_total", "seed", "tau", "group_size"),
    *("prompts", "order", "subsets", "schedule"),
)


class DamagedTable(RlawWarning):
    """A table that is not what was written is passed over; its journal is read instead."""


def of(rows: Sequence[Record], name: str = EVALUATIONS) -> "pl.DataFrame":
    """One table of a run: the last lineage, each row with the run's own columns and whether it diverged.

    Split numbers become columns of their own: `flops` {rollout, update} gives `flops_rollout`, `flops_update`.
    """
    import polars as pl

    view = last_lineage(rows)
    started = next((r for r in view if isinstance(r, RunStarted)), None)
    if started is None:
        return pl.DataFrame()
    of_the_run = {name: getattr(started, name) for name in _OF_THE_RUN} | {"diverged": bool(divergence(view))}
    lines = [{**of_the_run, **_flat(to_row(r))} for r in view if isinstance(r, _KINDS[name])]
    return pl.DataFrame(lines, infer_schema_length=None)


def compact(folder: Path, status_of: Callable[[Sequence[Record]], Status]) -> None:
    """Write the tables of a run whose journal will not grow any more, and its status, from all records.

    Raises:
        StoreError: the system refused, or the journal is damaged.
    """
    leave_no_parts(folder)
    path = folder / "records.jsonl"
    size, tail = journal.stamp(path)
    rows = journal.read(path, run=run_id(folder.name)).records
    hashes = {}
    for name in _KINDS:
        buffer = io.BytesIO()
        of(rows, name).write_parquet(buffer)
        write_atomically(folder / name, buffer.getvalue())
        hashes[name] = hashlib.sha256(buffer.getvalue()).hexdigest()
    about = {"schema": SCHEMA, "journal": [size, tail], "status": status_of(rows).to_json()}
    write_json(folder / MANIFEST, {**about, "sha256": hashes})


def manifest(folder: Path) -> dict[str, Any] | None:
    """The manifest of the tables of a finished run: `sha256` by name, `status`; None unless as new as the journal.

    Raises:
        StoreError: the journal is no longer what the tables were made from, or they are another run's.
    """
    try:
        known = read_json(folder / MANIFEST)
    except RlawError:
        return None
    path, (size, tail) = folder / "records.jsonl", known["journal"]
    if journal.stamp(path, size) != (size, tail):
        raise StoreError(
            f"{path} is not what its tables were made from, {size} bytes: it was cut short, changed or removed\n"
            f"  next: take it from a copy of the store; {EVALUATIONS} and {STEPS} beside it keep what was measured"
        )
    if known["status"]["label"] != folder.name:
        raise StoreError(f"{folder / MANIFEST} is of run {known['status']['label']}\n  next: {SWAPPED}")
    return known if known["schema"] == SCHEMA and size == path.stat().st_size else None


def read(folder: Path, name: str = EVALUATIONS, columns: Sequence[str] | None = None) -> "pl.DataFrame | None":
    """One table of a finished run; None when there is none that can be believed."""
    import polars as pl

    known = manifest(folder)
    path = folder / name
    if known is None or not path.is_file():
        return None
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != known["sha256"][name]:
        warnings.warn(f"{path} is damaged; the journal beside it is read instead", DamagedTable, stacklevel=2)
        return None
    return pl.read_parquet(data, columns=list(columns) if columns else None)


def run_id(label: str) -> str:
    """The id that a label ends with."""
    return label.rpartition("-")[2]


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in row.items():
        if isinstance(value, dict):
            flat |= {f"{key}_{part}": number for part, number in value.items()}
        elif key != "kind":
            flat[key] = value
    return flat
