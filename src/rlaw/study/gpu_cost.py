"""What a plan costs on GPUs: memory, GPU-hours and money of every run, and how its compute compares with the paper's.

All of it follows from assumptions that are printed with the numbers: mean lengths (`lengths` of a size), the share of
the peak that the executed FLOPs take (MFU), prices.

Memory is that of FSDP with AdamW (weights, gradients and two moments in float32, sharded over all GPUs), bf16 products,
gradient checkpointing, the reference offloaded; rollouts by an engine that holds bf16 weights, split over
tensor-parallel GPUs, and that releases its cache while the policy is updated. Not counted: what allocators and CUDA
itself keep (a few GB).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rlaw.errors import NotFound, UsageError
from rlaw.study.compute import Architecture, accounted_flops
from rlaw.study.gpus import MEMORY_GB, PEAK_FLOPS
from rlaw.study.model import Resources
from rlaw.study.plan import MAIN, Plan, Run
from rlaw.study.presets.qwen25 import LADDER, PUBLISHED_FLOPS, PUBLISHED_ROLLOUTS

CLOSE = 0.25  # an estimate further from what was published is to be explained
STATE_BYTES = 16  # per parameter: float32 weight, gradient and two moments
LOGIT_BYTES = 10  # per token and word: bf16 logits, float32 log-probabilities and their gradient
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


@dataclass(frozen=True, slots=True)
class GpuCost:
    """What one run takes on one type of GPU.

    Attributes:
        gpus: how many, for the whole run.
        memory: estimated bytes on each, at the peak.
        fits: whether the GPU has so much.
        gpu_hours: executed FLOPs over peak and MFU.
        wall_hours: the same, divided by the number of GPUs.
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
    gpus, taken = run.resources.gpus, memory(run.architecture, run.resources, run.sequence_tokens)
    hours = run.executed_flops / (PEAK_FLOPS[gpu] * mfu * 3600)
    fits = taken.peak <= MEMORY_GB[gpu] * 1e9
    return GpuCost(gpus, taken, fits, hours, hours / max(1, gpus), hours * usd_per_gpu_hour)


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
    for run in plan:
        name = names.get((run.checkpoint or "").partition("@")[0])
        if name is None or run.arm != MAIN or run.rl.steps * run.rl.samples != PUBLISHED_ROLLOUTS:
            continue
        flops = accounted_flops("6N", run.size.nominal or run.params, run.rl_tokens)
        found.setdefault(name, Published(name, PUBLISHED_FLOPS[name], flops))
    return tuple(found.values())
