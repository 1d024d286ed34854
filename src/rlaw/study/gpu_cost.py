"""What a plan costs on GPUs: memory, GPU-hours and money of every run, and how its compute compares with the paper's.

All of it follows from assumptions that are told with the numbers: mean lengths (`lengths` of a size), the share of the
peak that the executed FLOPs take (MFU), prices.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rlaw.errors import NotFound, UsageError
from rlaw.study.compute import MEMORY_GB, PEAK_FLOPS, accounted_flops
from rlaw.study.memory import Memory, memory
from rlaw.study.plan import MAIN, Plan, Run
from rlaw.study.presets.qwen25 import LADDER, PUBLISHED_FLOPS, PUBLISHED_ROLLOUTS

CLOSE = 0.25  # an estimate further from what was published is to be explained


@dataclass(frozen=True, slots=True)
class GpuCost:
    """What one run takes on one type of GPU.

    Attributes:
        gpus: how many, for the whole run.
        memory: estimated bytes on each, at the peak.
        fits: whether the GPU has so much.
        gpu_hours: executed FLOPs over peak and MFU.
        wall_hours: the same, parted over the GPUs.
        usd: at the price of a GPU-hour.
    """

    gpus: int
    memory: Memory
    fits: bool
    gpu_hours: float
    wall_hours: float
    usd: float


def run_cost(run: Run, gpu: str, mfu: float, usd_per_gpu_hour: float) -> GpuCost:
    """What one run takes on GPUs of that type."""
    need = run.resources
    taken = memory(
        run.architecture,
        gpus=need.gpus,
        tensor_parallel=need.tensor_parallel,
        micro_batch=need.micro_batch or 1,
        sequence_tokens=run.sequence_tokens,
    )
    hours = run.executed_flops / (PEAK_FLOPS[gpu] * mfu * 3600)
    fits = taken.peak <= MEMORY_GB[gpu] * 1e9
    return GpuCost(need.gpus, taken, fits, hours, hours / max(1, need.gpus), hours * usd_per_gpu_hour)


def known_gpus(names: Sequence[str], prices: Mapping[str, float], mfu: float) -> tuple[str, ...]:
    """The types of GPU that were asked for, all when none was.

    Raises:
        NotFound: a type that is not in the table.
        UsageError: a share outside (0, 1], a price that is not positive.
    """
    asked = tuple(name.upper() for name in names) or tuple(PEAK_FLOPS)
    for name in (*asked, *prices):
        if name not in PEAK_FLOPS:
            raise NotFound(f"no GPU is called {name!r} here\n  next: --gpu {'|'.join(PEAK_FLOPS)}")
    if not 0 < mfu <= 1 or any(price <= 0 for price in prices.values()):
        raise UsageError(f"mfu = {mfu} and prices {dict(prices)}: a share up to 1 and positive prices")
    return asked


@dataclass(frozen=True, slots=True)
class Published:
    """A size whose compute the paper tells, beside what the plan expects for the same run, both as 6 N T.

    N is the nominal size here, as in the paper.
    """

    model: str
    published_flops: float
    planned_flops: float

    @property
    def difference(self) -> float:
        """Planned over published, less one."""
        return self.planned_flops / self.published_flops - 1


def published(plan: Plan) -> tuple[Published, ...]:
    """The runs of the plan that the paper made as well: its sizes, base, one epoch with groups of eight."""
    names = {size.checkpoints["base"]: name for name, size in LADDER.sizes.items()}
    found: dict[str, Published] = {}
    for run in plan:
        name = names.get((run.checkpoint or "").partition("@")[0])
        if name is None or run.arm != MAIN or run.rl.steps * run.rl.samples != PUBLISHED_ROLLOUTS:
            continue
        flops = accounted_flops("6N", run.size.nominal or run.params, run.rl_tokens)
        found.setdefault(name, Published(name, PUBLISHED_FLOPS[name], flops))
    return tuple(found.values())
