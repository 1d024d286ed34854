"""The ladder at a glance: a row for each run with its state, step, loss so far, cost and time left."""

import shlex
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import polars as pl

from rlaw.errors import RlawError
from rlaw.fitting.interval import finite
from rlaw.measurements.frame import AXES
from rlaw.serve.source import Snapshot
from rlaw.store import Store
from rlaw.store.files import read_json
from rlaw.store.journal import stamp
from rlaw.store.usage import RunUsage, usage_of_run
from rlaw.text import one_line

_SPARK = 40  # points of a loss sparkline
MOST = 500  # rows on the page; all are counted
_IDENTITY = ("run", "seed", "model", "variant", "arm", "tau", "group_size")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One run.

    Attributes:
        steps: planned; None where nobody knows.
        losses: of the first benchmark, in the order of steps, thinned.
        compute_flops: so far, as the data count it.
        seconds: that the engine measured so far, evaluations included.
        eta_seconds: left at the pace so far, of a run that is under way.
    """

    name: str
    model: str
    params: float | None
    variant: str = ""
    arm: str = ""
    seed: str = ""
    state: str
    step: int
    steps: int | None = None
    test_loss: float | None = None
    losses: tuple[float, ...] = ()
    compute_flops: float | None = None
    seconds: float | None = None
    eta_seconds: float | None = None
    text: str = ""


def overview(snapshot: Snapshot) -> dict[str, Any]:
    """Every run of the source, at most `MOST` of them as rows.

    Raises:
        RlawError: the source is neither a store nor can it be read.
    """
    rows = snapshot.documents.once("rows", lambda: rows_of(snapshot))
    states = {state: sum(row.state == state for row in rows) for state in dict.fromkeys(row.state for row in rows)}
    return {
        "version": snapshot.number,
        "rows": [_plain(row) for row in rows[:MOST]],
        "count": len(rows),
        "states": states,
        "left_seconds": max((row.eta_seconds or 0.0 for row in rows), default=0.0),
        "command": one_line(_command(snapshot)),
    }


def _command(snapshot: Snapshot) -> str:
    return f"rlaw status {shlex.quote(snapshot.source.data)}" if snapshot.store else snapshot.source.command("fit")


def rows_of(snapshot: Snapshot) -> list[Row]:
    """A row for each run.

    Raises:
        RlawError: as `overview`.
    """
    if snapshot.store is not None:
        return list(_of_store(snapshot, snapshot.store))
    if snapshot.frame is None:
        raise snapshot.problem or RlawError(f"{snapshot.source.data} holds nothing")
    return list(_of_frame(snapshot))


def _of_store(snapshot: Snapshot, store: Store) -> Iterator[Row]:
    measured = _curves(snapshot)
    for status in store.runs():
        losses, compute = measured.get(status.id, ((), None))
        usage = _usage(snapshot, store, status.label) if status.attempt else None
        seconds = usage.rl_seconds + usage.evaluation_seconds if usage else None
        left = status.steps - status.step
        running = status.state == "running" and seconds and status.step
        yield Row(
            name=one_line(status.label),
            model=one_line(status.model),
            params=status.params,
            variant=one_line(status.variant),
            arm=one_line(status.arm),
            seed=str(status.seed),
            state=status.state,
            step=status.step,
            steps=status.steps,
            test_loss=status.test_loss,
            losses=losses,
            compute_flops=compute if compute is not None else (usage.compute_flops or None) if usage else None,
            seconds=seconds,
            eta_seconds=seconds / status.step * left if running and seconds else None,
            text=one_line(status.text or status.cause),
        )


def _usage(snapshot: Snapshot, store: Store, label: str) -> RunUsage:
    """What a run took, read again when its journal has grown."""
    mark = stamp(store.folder(label) / "records.jsonl")
    return snapshot.runs.once((label, mark), lambda: usage_of_run(store, label))


def _of_frame(snapshot: Snapshot) -> Iterator[Row]:
    """The runs of a table or of logs; a folder of imported runs knows how each ended."""
    assert snapshot.frame is not None  # noqa: S101 - rows_of asked
    states = _imported(snapshot)
    rows = _first_benchmark(snapshot.frame.rows)
    for own in rows.sort("step", maintain_order=True).partition_by(*_IDENTITY, maintain_order=True):
        first = own.row(0, named=True)
        state, text = states.get(first["run"], ("measured", ""))
        named = [first["run"], "" if first["run"] else f"{first['model']}, seed {first['seed']}"]
        yield Row(
            name=one_line(" ".join(part for part in named if part)),
            model=one_line(first["model"]),
            params=finite(float("nan") if first["params"] is None else first["params"]),
            variant=one_line(first["variant"] or ""),
            arm=one_line(first["arm"] or ""),
            seed=one_line(str(first["seed"])),
            state=state,
            step=int(own["step"][-1]),
            test_loss=finite(own["test_loss"][-1]),
            losses=_spark(own),
            compute_flops=own[AXES["compute"]].max(),  # pyright: ignore[reportArgumentType]
            text=one_line(text),
        )


def _imported(snapshot: Snapshot) -> dict[str, tuple[str, str]]:
    from pathlib import Path

    path = Path(snapshot.source.data) / "imported.json"
    if not path.is_file():
        return {}
    runs = [run for source in read_json(path)["sources"] for run in source["runs"]]
    return {run["run"]: (run["state"], run["cause"] or "") for run in runs}


def _curves(snapshot: Snapshot) -> dict[str, tuple[tuple[float, ...], float | None]]:
    """Losses and compute of every run by its id."""
    if snapshot.frame is None:
        return {}
    parts = _first_benchmark(snapshot.frame.rows).sort("step").partition_by("run", as_dict=True)
    return {str(run): (_spark(own), own[AXES["compute"]].max()) for (run,), own in parts.items()}  # pyright: ignore[reportReturnType]


def _first_benchmark(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows of the benchmark with most evaluations, the first by name of equals."""
    counts = rows["benchmark"].value_counts().sort("count", "benchmark", descending=[True, False])
    return rows.filter(pl.col("benchmark") == counts["benchmark"][0]) if len(counts) > 1 else rows


def _spark(own: pl.DataFrame) -> tuple[float, ...]:
    losses = own["test_loss"].drop_nulls()
    n = len(losses)
    places = sorted({round(i * (n - 1) / (_SPARK - 1)) for i in range(_SPARK)}) if n > _SPARK else list(range(n))
    return tuple(round(value, 6) for value in losses.gather(places).to_list())


def _plain(row: Row) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(row).items()}
