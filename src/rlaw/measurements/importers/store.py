"""The evaluations in a store of ours."""

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import polars as pl

from rlaw.errors import DataError
from rlaw.measurements.frame import Frame, Undone
from rlaw.measurements.raw import ROW, Raw
from rlaw.store import DONE, Status, Store
from rlaw.study.compute import executed_factor

_OF_A_RUN = (
    *("model", "params", "variant", "arm", "run", "seed", "tau", "group_size"),
    *("prompts", "order", "subsets", "schedule"),
)
_MEASURED = (
    *("benchmark", "domain", "step", "data_size", "test_loss", "items", "samples", "correct", "response_length"),
)


def of_store(path: Path, accounting: str | None) -> Frame:
    """Every evaluation in a store; runs that diverged are left out and counted."""
    store = Store.open(path)
    accounting = accounting or store.study.fit.accounting
    rows = _evaluations(store, accounting)
    good = rows.filter(~pl.col("diverged")).drop("diverged")
    n_diverged, n = len(rows) - len(good), len(rows)
    del rows  # as large as the frame; those of 10,000 runs do not fit twice
    if good.is_empty():
        raise DataError(f"{store.path}: all {n} evaluations are of runs that diverged")
    frame = Frame.of_raw(Raw(good.with_row_index(ROW), str(store.path), recorded=True))
    rl = store.study.rl
    factor = executed_factor(reference=bool(rl.beta), iterations=rl.num_iterations)
    dropped = frame.dropped | ({"diverged": n_diverged} if n_diverged else {})
    about: dict[str, Any] = {"accounting": accounting, "window": store.study.fit.window, "executed_factor": factor}
    about["study"] = store.study
    return replace(frame, dropped=dropped, **about, undone=_undone(store))


def with_resource(path: Path, rows: pl.DataFrame, resource: str) -> pl.DataFrame:
    """Rows of a store's frame with the tokens or GPU-hours from the start of RL to each evaluation, where it has them.

    Args:
        path: of the store.
        rows: of its frame.
        resource: "tokens" or "gpu-hours"; the rows are left as they are for any other.
    """
    store = Store.open(path)
    if resource == "tokens":
        parts = [store.evaluations(label, ["run", "step", "tokens"]).unique() for label in store.labels()]
    elif resource == "gpu-hours":
        parts = [_gpu_hours(store, label) for label in store.labels()]
    else:
        return rows
    tables = [part for part in parts if not part.is_empty()]
    if not tables:
        return rows
    return rows.join(pl.concat(tables, how="vertical_relaxed"), on=["run", "step"], how="left", maintain_order="left")


def _gpu_hours(store: Store, label: str) -> pl.DataFrame:
    """GPU-hours of RL up to each step of a run; an empty table where it takes no GPU."""
    steps, gpus = store.steps(label), store.run(label).resources.gpus
    if not gpus or steps.is_empty():
        return pl.DataFrame()
    seconds = steps.sort("step").select("run", "step", s=pl.sum_horizontal(pl.col("^seconds_.*$").fill_null(0.0)))
    hours = seconds.select("run", "step", (pl.col("s").cum_sum() * gpus / 3600).alias("gpu-hours"))
    start = hours.head(1).with_columns(step=pl.lit(0, hours.schema["step"]), **{"gpu-hours": pl.lit(0.0)})
    return pl.concat([start, hours])


def _undone(store: Store) -> tuple[Undone, ...]:
    """The planned runs that are not done; of a study that stopped at a stage those that were begun."""
    begun_only = store.stages.exists()
    names = [field.name for field in fields(Undone)]
    left = (status for status in store.runs() if status.state not in DONE or status.step < _least(status))
    wanted = (status for status in left if status.attempt or not begun_only)
    return tuple(Undone(**{name: getattr(status, name) for name in names}) for status in wanted)


def _least(status: Status) -> int:
    """Steps that a run must have: a diverged one, whose rows are left out, none."""
    return 0 if status.state == "diverged" else status.steps


def _evaluations(store: Store, accounting: str) -> pl.DataFrame:
    """Every evaluation of the store, with compute by one accounting model."""
    columns = [*_OF_A_RUN, *_MEASURED, f"compute_flops_{accounting}", "diverged"]
    try:
        tables = [table for label in store.labels() if not (table := store.evaluations(label, columns)).is_empty()]
    except pl.exceptions.ColumnNotFoundError as error:
        raise DataError(f"{store.path}: a run does not have {error}\n  next: another `accounting=`") from error
    if not tables:
        raise DataError(f"{store.path}: no evaluation is recorded yet\n  next: rlaw run STUDY --store {store.path}")
    return pl.concat(tables, how="vertical_relaxed").rename({columns[-2]: "compute_flops"})
