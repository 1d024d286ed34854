"""What runs cost on GPUs: memory, GPU-hours and money, for plans and for budgets, and the paper's compute beside it.

All of it follows from assumptions that are printed with the numbers: mean lengths (`lengths` of a size), the share of
the peak that the executed FLOPs take (MFU), prices.

Memory is that of FSDP with AdamW (weights, gradients and two moments in float32, sharded over all GPUs), bf16 products,
gradient checkpointing, the reference offloaded; rollouts by an engine that holds bf16 weights, split over
tensor-parallel GPUs, and that releases its cache while the policy is updated. Not counted: what allocators and CUDA
itself keep (a few GB).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

from rlaw import units
from rlaw.errors import BudgetExceeded, NotFound, UsageError
from rlaw.study.compute import FACTORS, Architecture, accounted_flops
from rlaw.study.gpus import MEMORY_GB, PEAK_FLOPS, USD_PER_GPU_HOUR
from rlaw.study.model import Resources
from rlaw.study.plan import MAIN, Plan, Run
from rlaw.study.presets.qwen25 import LADDER, PUBLISHED_FLOPS, PUBLISHED_ROLLOUTS

CLOSE = 0.25  # an estimate further from what was published is to be explained
STATE_BYTES = 16  # per parameter: float32 weight, gradient and two moments
LOGIT_BYTES = 10  # per token and word: bf16 logits, float32 log-probabilities and their gradient
MOST_GPUS = 1024  # that a run is placed on where its size declares none
GPUS_PER_NODE = 8
GATHERED = 2  # layers whose bf16 weights are whole on every GPU at once: the one at work and the next


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes on one GPU.

    Attributes:
        states: weights, gradients and moments, this GPU's share.
        gathered: weights that are whole for a moment: two layers, the embedding and the head.
        activations: what the backward pass of a micro-batch needs.
        logits: of a micro-batch.
        rollout: the rollout engine's weights, and keys and values of one sequence for each in the micro-batch.
    """

    states: float
    gathered: float
    activations: float
    logits: float
    rollout: float

    @property
    def peak(self) -> float:
        """The larger of the update and the rollouts; the sharded states stay in both."""
        return self.states + max(self.gathered + self.activations + self.logits, self.rollout)


def memory(arch: Architecture, resources: Resources, sequence_tokens: int) -> Memory:
    """Estimate the memory of one GPU.

    Args:
        arch: the model.
        resources: GPUs over which its training states are sharded, and sequences of full length at a time; 1 when None.
        sequence_tokens: of a prompt and a response at their longest.
    """
    tokens, d = (resources.micro_batch or 1) * sequence_tokens, arch.hidden
    layer = arch.params / arch.layers
    embeddings = arch.vocab * d * (1 if arch.tied_embeddings else 2)
    inside = 2 * d + 2 * (arch.heads + arch.kv_heads) * arch.head_dim + 3 * arch.intermediate  # of the layer at work
    keys_and_values = 4 * arch.layers * arch.kv_heads * arch.head_dim * tokens
    return Memory(
        states=STATE_BYTES * arch.params_total / max(1, resources.gpus),
        gathered=2 * (GATHERED * layer + embeddings),
        activations=2.0 * tokens * (arch.layers * d + inside),
        logits=float(LOGIT_BYTES * tokens * arch.vocab),
        rollout=(2 * arch.params_total + keys_and_values) / resources.tensor_parallel,
    )


def states_memory(params: float, resources: Resources) -> Memory:
    """The memory of one GPU where no more than the number of parameters is known: what it holds at the least."""
    rollout = 2 * params / resources.tensor_parallel
    return Memory(STATE_BYTES * params / max(1, resources.gpus), 0.0, 0.0, 0.0, rollout)


@dataclass(frozen=True, slots=True)
class Placement:
    """A size to place on GPUs.

    Attributes:
        params: all parameters.
        architecture: the model's shape; None where it is not known: then weights and moments alone are counted.
        resources: what the size declares; None, or no GPUs: the fewest that hold it.
        sequence_tokens: of a prompt and a response at their longest.
    """

    params: float
    architecture: Architecture | None
    resources: Resources | None
    sequence_tokens: int

    @classmethod
    def of(cls, run: Run) -> "Placement":
        """That of a planned run."""
        return cls(run.architecture.params_total, run.architecture, run.size.resources, run.sequence_tokens)

    def memory(self, resources: Resources) -> Memory:
        """Bytes on each of these GPUs."""
        if self.architecture is None:
            return states_memory(self.params, resources)
        return memory(self.architecture, resources, self.sequence_tokens)


@lru_cache(maxsize=1024)
def fewest(place: Placement, gpu: str) -> Resources | None:
    """The fewest GPUs of a type that hold a run, one sequence of full length at a time; None: more than 1,024."""
    for gpus in (*range(1, GPUS_PER_NODE), *range(GPUS_PER_NODE, MOST_GPUS + 1, GPUS_PER_NODE)):
        for parallel in (1, 2, 4, 8):
            if gpus % parallel or (place.architecture and place.architecture.heads % parallel):
                continue
            resources = Resources(gpus=gpus, tensor_parallel=parallel, micro_batch=1)
            if place.memory(resources).peak <= MEMORY_GB[gpu] * 1e9:
                return resources
    return None


@dataclass(frozen=True, slots=True)
class GpuCost:
    """What one run takes on one type of GPU.

    Attributes:
        gpus: how many, for the whole run: those that the size declares, else the fewest.
        tensor_parallel: how many of them share one copy of the model in rollouts.
        min_gpus: the fewest that hold the run, one sequence at a time; None: more than 1,024.
        memory: estimated bytes on each, at the peak.
        fits: whether the GPU has so much.
        gpu_hours: executed FLOPs over peak and MFU; None, like the next two, where these are not known.
        wall_hours: the same, divided by the number of GPUs.
        usd: at the price of a GPU-hour.
    """

    gpus: int
    tensor_parallel: int
    min_gpus: int | None
    memory: Memory
    fits: bool
    gpu_hours: float | None
    wall_hours: float | None
    usd: float | None

    def to_json(self) -> dict[str, Any]:
        """One entry of `on_gpus` in the documents of `rlaw plan` and `rlaw allocate`."""
        parts = {f"{name}_gb": value / 1e9 for name, value in asdict(self.memory).items()}
        hours = {"gpu_hours": self.gpu_hours, "wall_hours": self.wall_hours, "usd": self.usd}
        placed = {
            "gpus": self.gpus,
            "tensor_parallel": self.tensor_parallel,
            "min_gpus": self.min_gpus,
            "fits": self.fits,
        }
        return {**hours, **placed, "memory_gb": self.memory.peak / 1e9, "memory": parts}


@dataclass(frozen=True, slots=True)
class Rates:
    """Types of GPU, and what is assumed of them: the one set of assumptions of plans and budgets.

    Attributes:
        usd_per_gpu_hour: price of each type.
        mfu: executed FLOPs over the peak of the GPU times the time.
    """

    usd_per_gpu_hour: Mapping[str, float]
    mfu: float

    @classmethod
    def of(cls, names: Sequence[str], prices: Mapping[str, float], mfu: float) -> "Rates":
        """The chosen types of GPU, all when none is named, at these prices, else at those of the table.

        Raises:
            NotFound, UsageError: as `known_gpus`.
        """
        chosen = known_gpus(names, prices, mfu)
        return cls({name: prices.get(name, USD_PER_GPU_HOUR[name]) for name in chosen}, mfu)

    def gpu_hours(self, gpu: str, executed_flops: float) -> float:
        """Hours of one GPU that executing so many FLOPs takes."""
        return executed_flops / (PEAK_FLOPS[gpu] * self.mfu * 3600)

    def costs(self, place: Placement, executed_flops: float | None) -> dict[str, GpuCost]:
        """What a run takes on each type of GPU."""
        return {gpu: self._cost(place, executed_flops, gpu) for gpu in self.usd_per_gpu_hour}

    def _cost(self, place: Placement, executed_flops: float | None, gpu: str) -> GpuCost:
        least, declared = fewest(place, gpu), place.resources
        placed = declared if declared and declared.gpus else least or Resources(gpus=MOST_GPUS)
        taken, hours = place.memory(placed), None if executed_flops is None else self.gpu_hours(gpu, executed_flops)
        return GpuCost(
            gpus=placed.gpus,
            tensor_parallel=placed.tensor_parallel,
            min_gpus=least.gpus if least else None,
            memory=taken,
            fits=taken.peak <= MEMORY_GB[gpu] * 1e9,
            gpu_hours=hours,
            wall_hours=None if hours is None else hours / placed.gpus,
            usd=None if hours is None else hours * self.usd_per_gpu_hour[gpu],
        )

    def to_json(self) -> dict[str, Any]:
        """What was assumed: `assumed` in the documents of `rlaw plan` and `rlaw allocate`."""
        gpus = {
            name: {"peak_flops": PEAK_FLOPS[name], "memory_gb": MEMORY_GB[name], "usd_per_gpu_hour": price}
            for name, price in self.usd_per_gpu_hour.items()
        }
        return {"mfu": self.mfu, "gpus": gpus}


def run_cost(run: Run, gpu: str, mfu: float, usd_per_gpu_hour: float) -> GpuCost:
    """What one run takes on GPUs of that type."""
    return Rates({gpu: usd_per_gpu_hour}, mfu).costs(Placement.of(run), run.executed_flops)[gpu]


def accounting_note(accounting: str, factor: float) -> str:
    """Why the compute on the axis of a law is not what GPUs take their time for.

    Args:
        accounting: how compute is counted.
        factor: FLOPs executed for each parameter and token, evaluations apart.
    """
    factors = f"by {accounting}, {FACTORS.get(accounting)} FLOPs for each parameter and token"
    counted = factors if accounting in FACTORS else "as executed" if accounting == "exact" else "as the data give it"
    return (
        f"compute is counted {counted}; hours and money follow the FLOPs that are executed: {factor:g} for "
        f"each parameter and token (rollouts, old log-probabilities, reference, updates), and the evaluations"
    )


def check_start(plan: Plan, rates: Rates) -> None:
    """Refuse a study whose caps end before any of its runs has done one step.

    Raises:
        BudgetExceeded: they do; the message names the cheapest start.
    """
    for cap, value, starts, write in _starts(plan, rates):
        label, least = min(starts, key=lambda pair: pair[1])
        if least > value:
            raise BudgetExceeded(
                f"no run can start within budget.{cap}, {write(value)}: the cheapest start is {write(least)}, one step "
                f"of {label}\n  next: a larger budget.{cap}, or a smaller size"
            )


def _starts(plan: Plan, rates: Rates) -> Iterator[tuple[str, float, Iterator[tuple[str, float]], Any]]:
    """Each cap that counts something, and what the first step of every run takes of it, base and evaluations too."""
    budget = plan.study.budget
    if budget.compute is not None:
        accounting = plan.study.fit.accounting
        first = ((run.label, run.base_flops + run.first_step_flops(accounting)) for run in plan.kinds.values())
        yield "compute", budget.compute, first, units.flops
    gpu = max(rates.usd_per_gpu_hour, key=lambda name: PEAK_FLOPS[name])  # the fewest hours
    on_gpus = (run for run in plan.kinds.values() if run.resources.gpus)
    hours = ((run.label, rates.gpu_hours(gpu, run.executed_after(1))) for run in on_gpus)
    if budget.gpu_hours is not None and plan.declares_gpus:
        yield "gpu_hours", budget.gpu_hours, hours, lambda value: f"{value:.3g} hours of {gpu}"
    elif budget.usd is not None and plan.declares_gpus:
        priced = ((label, value * budget.usd_per_gpu_hour) for label, value in hours)
        yield "usd", budget.usd, priced, lambda value: f"${value:,.2f} at ${budget.usd_per_gpu_hour:g} per {gpu} hour"


def known_gpus(names: Sequence[str], prices: Mapping[str, float], mfu: float) -> tuple[str, ...]:
    """The chosen types of GPU, all when none is named.

    Raises:
        NotFound: a type that is not in the table.
        UsageError: a share outside (0, 1], a price that is not positive.
    """
    chosen = tuple(name.upper() for name in names) or tuple(PEAK_FLOPS)
    for name in (*chosen, *prices):
        if name not in PEAK_FLOPS:
            raise NotFound(f"no GPU is called {name!r} here\n  next: `gpu={'|'.join(PEAK_FLOPS)}`")
    if not 0 < mfu <= 1 or any(price <= 0 for price in prices.values()):
        raise UsageError(f"mfu = {mfu} and prices {dict(prices)}: a share up to 1 and positive prices")
    return chosen


@dataclass(frozen=True, slots=True)
class Published:
    """A size whose compute the paper reports, and what the plan expects for the same run, both as 6 N T.

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
    for run in plan.kinds.values():
        name = names.get((run.checkpoint or "").partition("@")[0])
        if name is None or run.arm != MAIN or run.rl.steps * run.rl.samples != PUBLISHED_ROLLOUTS:
            continue
        flops = accounted_flops("6N", run.size.nominal or run.params, run.rl_tokens)
        found.setdefault(name, Published(name, PUBLISHED_FLOPS[name], flops))
    return tuple(found.values())
