"""A budget in the units people have (FLOPs, GPU-hours, money, prompts), as a place on the axis of a law.

Peak dense bf16 FLOP/s of a GPU, without sparsity, from NVIDIA's data sheets: A100 (2021), H100 SXM and H200 SXM (2023,
2024), HGX B200 per GPU (2024).
"""

from dataclasses import dataclass
from typing import Any

from rlaw import units
from rlaw.errors import NotFound, UsageError

PEAK_FLOPS = {"A100": 312e12, "H100": 989e12, "H200": 989e12, "B200": 2250e12}
#: share of the peak that the counted FLOPs take of a GPU-hour of RL, rollouts and waiting included: an assumption
DEFAULT_MFU = 0.3
#: price of a GPU-hour, an assumption
DEFAULT_USD_PER_GPU_HOUR = 2.5


@dataclass(frozen=True, slots=True)
class Budget:
    """What may be spent on one run.

    Attributes:
        axis: "compute" (FLOPs) or "data" (prompts).
        amount: on that axis.
        given: what was asked for and what was assumed, by name.
    """

    axis: str
    amount: float
    given: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """`compute_flops` or `data`, and what was given."""
        return {("compute_flops" if self.axis == "compute" else "data"): self.amount, **self.given}

    def __str__(self) -> str:
        if self.axis == "data":
            return f"{self.amount:,.0f} prompts"
        if "gpu" not in self.given:
            return units.flops(self.amount)
        g = self.given
        hours = f"{g['gpu_hours']:,.4g} {g['gpu']} hours"
        money = f"${g['usd']:,.0f} at ${g['usd_per_gpu_hour']:g} an hour, " if "usd" in g else ""
        return f"{units.flops(self.amount)}: {money}{hours} at {g['mfu']:.0%} of {g['peak_flops']:.3g} FLOP/s"


def budget(
    *,
    compute: float | str | None = None,
    gpu_hours: float | str | None = None,
    usd: float | str | None = None,
    data: float | str | None = None,
    gpu: str | None = None,
    mfu: float = DEFAULT_MFU,
    usd_per_gpu_hour: float = DEFAULT_USD_PER_GPU_HOUR,
) -> Budget:
    """Turn one of compute, GPU-hours, money or data into a budget.

    Args:
        compute: FLOPs, counted as the data count them.
        gpu_hours: hours of one GPU, or the sum over several.
        usd: money.
        data: prompts consumed.
        gpu: a name of `PEAK_FLOPS`; needed for GPU-hours and money.
        mfu: FLOPs counted, over the peak of the GPU times the time.
        usd_per_gpu_hour: price.

    Raises:
        UsageError: none or several budgets, a missing GPU, a share outside (0, 1], a price that is not positive.
        NotFound: a GPU that is not in the table.
    """
    given = {"compute": compute, "gpu_hours": gpu_hours, "usd": usd, "data": data}
    named = [name for name, value in given.items() if value is not None]
    if len(named) != 1:
        told = " and ".join(named) if named else "none"
        raise UsageError(f"one budget is needed, and {told} is given\n  next: --compute, --gpu-hours, --usd or --data")
    if compute is not None:
        return Budget("compute", units.parse(compute, "FLOPs"), {})
    if data is not None:
        return Budget("data", units.parse(data, "count"), {})
    if gpu is None:
        raise UsageError(f"{named[0]} needs the GPU\n  next: --gpu {'|'.join(PEAK_FLOPS)}")
    if gpu.upper() not in PEAK_FLOPS:
        raise NotFound(f"no GPU is called {gpu!r} here\n  next: --gpu {'|'.join(PEAK_FLOPS)}, or --compute in FLOPs")
    if not 0 < mfu <= 1 or not usd_per_gpu_hour > 0:
        raise UsageError(f"mfu = {mfu} and usd_per_gpu_hour = {usd_per_gpu_hour}: a share up to 1 and a positive price")
    return _of_hours(gpu_hours, usd, gpu.upper(), mfu, usd_per_gpu_hour)


def _of_hours(
    gpu_hours: float | str | None, usd: float | str | None, gpu: str, mfu: float, usd_per_gpu_hour: float
) -> Budget:
    given: dict[str, Any] = {"gpu": gpu, "peak_flops": PEAK_FLOPS[gpu], "mfu": mfu}
    if gpu_hours is not None:
        hours = units.parse(gpu_hours, "GPU-h")
    else:
        money = units.parse(usd if usd is not None else 0, "USD")
        hours = money / usd_per_gpu_hour
        given |= {"usd": money, "usd_per_gpu_hour": usd_per_gpu_hour}
    return Budget("compute", hours * 3600 * PEAK_FLOPS[gpu] * mfu, {**given, "gpu_hours": hours})
