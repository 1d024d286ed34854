"""What a study cost: FLOPs by phase as executed, compute as the laws count it, and seconds, run by run."""

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rlaw.store import Store

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, slots=True)
class RunUsage:
    """One run: how far it came and what it took.

    Attributes:
        state: planned, running, interrupted, finished, failed or diverged; `text` describes a failure.
        flops: exact FLOPs of RL by phase.
        compute_flops: RL compute as the study's laws count it.
        rl_seconds, evaluation_seconds: seconds of the engine, all phases.
        base: digest of the checkpoint it started from; runs that share one paid for it once.
    """

    label: str
    arm: str
    model: str
    params: int
    seed: int
    state: str
    text: str
    step: int
    steps: int
    test_loss: float | None
    flops: dict[str, int]
    compute_flops: float
    rl_seconds: float
    evaluation_seconds: float
    base: str
    base_flops: int
    base_seconds: float


@dataclass(frozen=True, slots=True)
class Usage:
    """All runs of a store, and their sums; a base that several runs share counts once."""

    runs: tuple[RunUsage, ...] = ()
    flops: dict[str, int] = field(default_factory=dict)
    base_flops: int = 0
    base_seconds: float = 0.0

    @property
    def rl_flops(self) -> int:
        """Exact FLOPs of RL, all phases."""
        return sum(self.flops.values())

    @property
    def compute_flops(self) -> float:
        """RL compute as the laws count it."""
        return sum(run.compute_flops for run in self.runs)

    @property
    def seconds(self) -> float:
        """Seconds of all engines together: bases, RL and evaluations."""
        return self.base_seconds + sum(run.rl_seconds + run.evaluation_seconds for run in self.runs)


def usage_of(store: Store) -> Usage:
    """The cost of everything a store keeps.

    Raises:
        StoreError: a journal is damaged.
    """
    runs = tuple(usage_of_run(store, label) for label in store.labels())
    bases = {run.base: run for run in reversed(runs) if run.base}.values()
    phases: Counter[str] = Counter()
    for run in runs:
        phases.update(run.flops)
    return Usage(runs, dict(phases), sum(b.base_flops for b in bases), sum(b.base_seconds for b in bases))


def usage_of_run(store: Store, label: str) -> RunUsage:
    """The cost of one run.

    Raises:
        StoreError: its journal is damaged.
    """
    status, base = store.status(label), store.base(label)
    steps, evaluations = store.steps(label), store.evaluations(label)
    counted = f"compute_flops_{store.study.fit.accounting}"
    same = ("arm", "model", "params", "seed", "state", "step", "steps", "test_loss")
    return RunUsage(
        label=label,
        **{name: getattr(status, name) for name in same},
        text=status.text or status.cause,
        flops=_flops(steps),
        compute_flops=(evaluations[counted][-1] or 0.0) if counted in evaluations.columns else 0.0,
        rl_seconds=_seconds(steps),
        evaluation_seconds=_seconds(evaluations),
        base=base.digest if base else "",
        base_flops=base.base_flops if base else 0,
        base_seconds=sum(base.seconds.values()) if base else 0.0,
    )


def _flops(steps: "pl.DataFrame") -> dict[str, int]:
    """Sums by phase; as integers of Python, which the sums of a large run need."""
    phases = [name for name in steps.columns if name.startswith("flops_")]
    return {name.removeprefix("flops_"): sum(steps[name].drop_nulls().to_list()) for name in phases}


def _seconds(rows: "pl.DataFrame") -> float:
    phases = [name for name in rows.columns if name.startswith("seconds_")]
    return sum(sum(part for part in row if part is not None) for row in rows.select(phases).rows())
