"""What every engine is: it turns one planned run into records, and does nothing else."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from rlaw.store.provenance import now, versions
from rlaw.store.records import Record, RunStarted
from rlaw.study.plan import Run


@dataclass(frozen=True, slots=True)
class Workspace:
    """Where an engine may write, and which attempt this is.

    Attributes:
        folder: the run's own folder; checkpoints go to `folder/checkpoints`.
        cache: shared between runs of all stores, content-addressed: base checkpoints, compiled programs.
        attempt: 1, 2, …; stands in every record.
    """

    folder: Path
    cache: Path
    attempt: int = 1


class Engine(Protocol):
    """Turns one planned run into records. Storing, retrying, smoothing and choosing runs live elsewhere."""

    name: str

    def check(self, run: Run) -> None:
        """Raises EngineError, naming what is missing (a package, a device, weights), before any compute is spent."""
        ...

    def estimate_seconds(self, run: Run) -> float:
        """Wall seconds of the whole run on one of this machine's workers, from measured throughput; for plans only."""
        ...

    def shared_seconds(self, run: Run) -> dict[str, float]:
        """Those of `estimate_seconds` that are spent once for all runs of a plan with the same key: base, programs."""
        ...

    def train(self, run: Run, workspace: Workspace) -> Iterator[Record]:
        """Yields records in step order, `RunStarted` first; goes on from the newest good checkpoint in the workspace.

        A record counts as kept once the next one is asked for. Closing the iterator saves a checkpoint, stops the run
        and frees its devices.
        """
        ...


@runtime_checkable
class Commanded(Protocol):
    """An engine whose training is a program of its own, which can be started by hand."""

    def command(self, run: Run, workspace: Workspace, study: str) -> str:
        """What to type; `study` is the study's file, or a preset's name."""
        ...


def started(
    run: Run, attempt: int, resumed_at: int, *, threads: int, hardware: dict[str, str] | None = None
) -> RunStarted:
    """The first record of an attempt: what the plan says of the run, and on what it is made."""
    return RunStarted(
        run=run.id,
        attempt=attempt,
        study=run.study,
        arm=run.arm,
        family=run.family,
        model=run.size.name,
        variant=run.variant,
        params=run.params,
        params_total=run.architecture.params_total,
        seed=run.seed,
        tau=float(run.data.reuse),
        group_size=run.rl.num_generations,
        task=run.task.name,
        order=run.data.order,
        prompts=run.rl.prompts,
        steps=run.rl.steps,
        resumed_at=resumed_at,
        engine=run.engine.name,
        threads=threads,
        subsets=run.data.subsets,
        schedule=run.data.schedule,
        versions=versions(),
        hardware=hardware or {},
        time=now(),
    )
