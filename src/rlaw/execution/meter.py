"""What a plan has cost so far, against the caps of its study: FLOPs, GPU-hours and money, while the runs go on."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from rlaw import units
from rlaw.store import Store
from rlaw.store.records import Record
from rlaw.study.plan import Plan, Run, base_key

SECONDS_PER_HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Spent:
    """A cost.

    Attributes:
        compute_flops: of bases, RL and evaluations, as the study's fit counts compute.
        gpu_hours: of the GPUs that runs held, whether they worked or waited.
    """

    compute_flops: float = 0.0
    gpu_hours: float = 0.0

    def __add__(self, other: "Spent") -> "Spent":
        return Spent(self.compute_flops + other.compute_flops, self.gpu_hours + other.gpu_hours)


@dataclass
class Meter:
    """Adds up what the runs of a store have cost, and goes on with every step."""

    plan: Plan
    clock: Callable[[], float] = time.monotonic
    _steps: dict[str, int] = field(default_factory=dict)
    _bases: set[str] = field(default_factory=set)
    _gpu_hours: float = 0.0
    _since: dict[str, float] = field(default_factory=dict)
    _runs: dict[str, Run] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._runs = {run.label: run for run in self.plan}

    @classmethod
    def of(cls, plan: Plan, store: Store) -> "Meter":
        """What the store's runs of the plan have cost before now; GPU-hours by the seconds that were recorded."""
        meter = cls(plan)
        for status in store.runs():
            run = meter._runs.get(status.label)
            if run is not None and status.attempt:
                meter.step(status.label, status.step)
                if run.resources.gpus:
                    rows = store.records(status.label, raw=True)
                    meter._gpu_hours += run.resources.gpus * _seconds(rows) / SECONDS_PER_HOUR
        return meter

    def started(self, label: str) -> None:
        """A run begins to hold its GPUs."""
        self._since[label] = self.clock()

    def step(self, label: str, step: int) -> None:
        """A run has done that many steps."""
        self._steps[label] = max(step, self._steps.get(label, 0))
        self._bases.add(base_key(self._runs[label]))

    def ended(self, label: str) -> None:
        """A run gives its GPUs back."""
        self._gpu_hours += self._held(label)
        self._since.pop(label, None)

    @property
    def spent(self) -> Spent:
        """The cost so far."""
        bases = {base_key(run): run.base_flops for run in self._runs.values()}
        trained = sum(self._share(label, step) for label, step in self._steps.items())
        flops = trained + sum(bases[key] for key in self._bases)
        return Spent(flops, self._gpu_hours + sum(map(self._held, self._since)))

    def over(self) -> str | None:
        """Which cap of the study's budget is used up, in words; None when none is."""
        budget, spent = self.plan.study.budget, self.spent
        if budget.compute is not None and spent.compute_flops >= budget.compute:
            return f"budget.compute, {units.flops(budget.compute)}"
        if budget.gpu_hours is not None and spent.gpu_hours >= budget.gpu_hours:
            return f"budget.gpu_hours, {budget.gpu_hours:g}"
        if budget.usd is not None and spent.gpu_hours * budget.usd_per_gpu_hour >= budget.usd:
            return f"budget.usd, ${budget.usd:g} at ${budget.usd_per_gpu_hour:g} per GPU-hour"
        return None

    def _share(self, label: str, step: int) -> float:
        run = self._runs[label]
        return run_flops(self.plan, run) * step / run.rl.steps

    def _held(self, label: str) -> float:
        since = self._since.get(label)
        gpus = self._runs[label].resources.gpus
        return 0.0 if since is None else gpus * (self.clock() - since) / SECONDS_PER_HOUR


def run_flops(plan: Plan, run: Run) -> float:
    """What a run costs beside its base."""
    return run.rl_flops(plan.study.fit.accounting) + run.evaluation_flops


def _seconds(rows: list[Record]) -> float:
    return sum(sum(getattr(row, "seconds", {}).values()) for row in rows)
