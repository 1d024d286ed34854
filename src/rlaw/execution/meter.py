"""What a plan has cost so far, against the caps of its study: FLOPs, GPU-hours and money, while the runs go on."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

from rlaw import units
from rlaw.store import Store
from rlaw.study.plan import Plan, Run, base_key

SECONDS_PER_HOUR = 3600.0


@dataclass
class Meter:
    """Adds up what the runs of a store have cost, and goes on with every step."""

    plan: Plan
    clock: Callable[[], float] = time.monotonic
    _steps: dict[str, int] = field(default_factory=dict)
    _bases: set[str] = field(default_factory=set)
    _gpu_hours: float = 0.0
    _since: dict[str, float] = field(default_factory=dict)

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
                    seconds = sum(sum(getattr(row, "seconds", {}).values()) for row in rows)
                    meter._gpu_hours += run.resources.gpus * seconds / SECONDS_PER_HOUR
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
    def compute_flops(self) -> float:
        """The cost so far of bases, RL and evaluations, as the study's fit counts compute."""
        bases = {base_key(run): run.base_flops for run in self._runs.values()}
        runs = ((self._runs[label], step) for label, step in self._steps.items())
        trained = sum(run_flops(self.plan, run) * step / run.rl.steps for run, step in runs)
        return trained + sum(bases[key] for key in self._bases)

    @property
    def gpu_hours(self) -> float:
        """Those of the GPUs that runs have held so far, whether they worked or waited."""
        return self._gpu_hours + sum(map(self._held, self._since))

    def over(self) -> str | None:
        """Which cap of the study's budget is used up, in words; None when none is."""
        budget, hours = self.plan.study.budget, self.gpu_hours
        if budget.compute is not None and self.compute_flops >= budget.compute:
            return f"budget.compute, {units.flops(budget.compute)}"
        if budget.gpu_hours is not None and hours >= budget.gpu_hours:
            return f"budget.gpu_hours, {budget.gpu_hours:g}"
        if budget.usd is not None and hours * budget.usd_per_gpu_hour >= budget.usd:
            return f"budget.usd, ${budget.usd:g} at ${budget.usd_per_gpu_hour:g} per GPU-hour"
        return None

    @cached_property
    def _runs(self) -> dict[str, Run]:
        return {run.label: run for run in self.plan}

    def _held(self, label: str) -> float:
        since = self._since.get(label)
        gpus = self._runs[label].resources.gpus
        return 0.0 if since is None else gpus * (self.clock() - since) / SECONDS_PER_HOUR


def run_flops(plan: Plan, run: Run) -> float:
    """What a run costs beside its base."""
    return run.rl_flops(plan.study.fit.accounting) + run.evaluation_flops
