"""What a study cost: FLOPs by phase as executed, compute as the laws count it, and seconds, run by run."""

from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache

from rlaw.evidence import Evidence
from rlaw.records import BaseTrained, Evaluated, Record, Step
from rlaw.store import Store


@dataclass(frozen=True, slots=True)
class RunCost:
    """One run: how far it came and what it took.

    Attributes:
        state: planned, running, interrupted, finished, failed or diverged; `text` tells more of a failure.
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
class Cost:
    """All runs of a store, and their sums; a base that several runs share counts once."""

    runs: tuple[RunCost, ...] = ()
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


@lru_cache(maxsize=4)
def cost_of(seen: Evidence) -> Cost:
    """The cost of everything a store keeps; nothing when the source is a table."""
    store = seen.store
    if store is None:
        return Cost()
    runs = tuple(_run(store, label) for label in store.labels())
    bases = {run.base: run for run in reversed(runs) if run.base}.values()
    phases: Counter[str] = Counter()
    for run in runs:
        phases.update(run.flops)
    return Cost(runs, dict(phases), sum(b.base_flops for b in bases), sum(b.base_seconds for b in bases))


def _run(store: Store, label: str) -> RunCost:
    records, status = store.records(label), store.status(label)
    phases: Counter[str] = Counter()
    for step in (r for r in records if isinstance(r, Step)):
        phases.update(step.flops)
    evaluated = [r for r in records if isinstance(r, Evaluated)]
    base = next((r for r in records if isinstance(r, BaseTrained)), None)
    counted = evaluated[-1].compute_flops if evaluated else {}
    return RunCost(
        label=label,
        arm=status.arm,
        model=status.model,
        params=status.params,
        seed=status.seed,
        state=status.state,
        text=status.text or status.cause,
        step=status.step,
        steps=status.steps,
        test_loss=status.test_loss,
        flops=dict(phases),
        compute_flops=counted.get(store.study.fit.accounting, 0.0),
        rl_seconds=_seconds(records, Step),
        evaluation_seconds=_seconds(records, Evaluated),
        base=base.digest if base else "",
        base_flops=base.base_flops if base else 0,
        base_seconds=sum(base.seconds.values()) if base else 0.0,
    )


def _seconds(records: list[Record], kind: type[Step] | type[Evaluated]) -> float:
    return sum(sum(r.seconds.values()) for r in records if isinstance(r, kind))
