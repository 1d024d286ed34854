"""A budget in the units people have (FLOPs, GPU-hours, money, wall time, prompts), as a place on the axis of a law."""

from dataclasses import dataclass
from typing import Any

from rlaw import units
from rlaw.errors import NotFound, UsageError
from rlaw.study.gpus import DEFAULT_MFU, PEAK_FLOPS, USD_PER_GPU_HOUR

Amount = float | str
_WAYS = "`compute=`, `gpu_hours=`, `usd=`, `wall=`, `data=` or `unique_data=`"


@dataclass(frozen=True, slots=True)
class Budget:
    """What may be spent on one run.

    Attributes:
        axis: "compute" (FLOPs) or "data" (prompts).
        amount: on that axis; of unique data, the prompts of one pass.
        given: what was given and what was assumed, by name.
        reused: whether the amount may be passed over several times.
    """

    axis: str
    amount: float
    given: dict[str, Any]
    reused: bool = False

    def to_json(self) -> dict[str, Any]:
        """`compute_flops`, `data` or `unique_data`, and what was given."""
        name = "unique_data" if self.reused else "data" if self.axis == "data" else "compute_flops"
        return {name: self.amount, **self.given}

    def __str__(self) -> str:
        if self.axis == "data":
            return f"{self.amount:,.0f} {'unique ' if self.reused else ''}prompts"
        g, parts = self.given, []
        if "usd" in g:
            parts.append(f"${g['usd']:,.0f} at ${g['usd_per_gpu_hour']:g} an hour")
        if "wall_seconds" in g:
            parts.append(f"{g['wall_seconds'] / 3600:,.4g} hours of wall time")
        if "tokens_per_second" in g:
            parts.append(f"{g['tokens_per_second']:,.4g} tokens/s of {units.count(g['throughput_params'])} parameters")
        if "gpu" in g:
            parts.append(f"{g['gpu_hours']:,.4g} {g['gpu']} hours at {g['mfu']:.0%} of {g['peak_flops']:.3g} FLOP/s")
        if "executed_flops" in g:
            parts.append(f"{units.flops(g['executed_flops'])} executed")
        return units.flops(self.amount) + (": " if parts else "") + ", ".join(parts)


def budget(
    *,
    compute: Amount | None = None,
    gpu_hours: Amount | None = None,
    usd: Amount | None = None,
    wall: Amount | None = None,
    data: Amount | None = None,
    unique_data: Amount | None = None,
    gpu: str | None = None,
    gpus: int = 1,
    mfu: float = DEFAULT_MFU,
    usd_per_gpu_hour: float | None = None,
    tokens_per_second: str | None = None,
    flops_per_param_token: float = 6.0,
    executed_factor: float = 6.0,
) -> Budget:
    """Turn one of compute, GPU-hours, money, wall time or data into a budget.

    Args:
        compute: FLOPs, counted as the data count them.
        gpu_hours: hours of one GPU, or the sum over several.
        usd: money.
        wall: seconds, or a duration such as "24 h": of `gpus` GPUs, or at a measured throughput.
        data: prompts consumed.
        unique_data: different prompts; how often each is used is chosen.
        gpu: a name of `PEAK_FLOPS`; needed for GPU-hours, money and, without a throughput, wall time.
        gpus: how many run at once; for wall time.
        mfu: FLOPs executed, over the peak of the GPU times the time, as in `rlaw.plan`.
        usd_per_gpu_hour: price; that of the GPU in the table of `rlaw plan` when None.
        tokens_per_second: processed tokens a second that a size was measured at, "40k@7B"; other sizes are taken to run
            at the same FLOP/s.
        flops_per_param_token: of the accounting model, by which the data count compute: 6, 8 or 12.
        executed_factor: FLOPs executed for each parameter and token; GPUs spend time on these.

    Raises:
        UsageError: none or several budgets, a missing GPU, a share outside (0, 1], a price that is not positive.
        NotFound: a GPU that is not in the table.
    """
    given = {"compute": compute, "gpu_hours": gpu_hours, "usd": usd, "wall": wall, "data": data}
    given["unique_data"] = unique_data
    named = [name for name, value in given.items() if value is not None]
    if len(named) != 1:
        count = f"{' and '.join(named)} are" if named else "none is"
        raise UsageError(f"one budget is needed, and {count} given\n  next: {_WAYS}")
    if compute is not None:
        return Budget("compute", units.parse(compute, "FLOPs"), {})
    if data is not None or unique_data is not None:
        amount = data if data is not None else unique_data or 0
        return Budget("data", units.parse(amount, "count"), {}, reused=data is None)
    if wall is not None and tokens_per_second is not None:
        return _of_throughput(units.parse(wall, "duration"), tokens_per_second, flops_per_param_token)
    kind = _gpu(gpu, named[0])
    usd_per_gpu_hour = USD_PER_GPU_HOUR[kind] if usd_per_gpu_hour is None else usd_per_gpu_hour
    if not 0 < mfu <= 1 or not usd_per_gpu_hour > 0 or gpus < 1:
        raise UsageError(
            f"mfu = {mfu}, usd_per_gpu_hour = {usd_per_gpu_hour} and gpus = {gpus}: a share up to 1, a positive price "
            "and at least one GPU"
        )
    hours, paid = _hours(gpu_hours, usd, wall, gpus, usd_per_gpu_hour)
    executed = hours * 3600 * PEAK_FLOPS[kind] * mfu
    used = {"gpu": kind, "peak_flops": PEAK_FLOPS[kind], "mfu": mfu, **paid}
    counted = executed * (flops_per_param_token / executed_factor)
    return Budget("compute", counted, {**used, "gpu_hours": hours, "executed_flops": executed})


def _gpu(gpu: str | None, budget: str) -> str:
    if gpu is None:
        or_else = " or `tokens_per_second=40k@7B`" if budget == "wall" else ""
        raise UsageError(f"a budget of {budget} needs the type of GPU\n  next: `gpu={'|'.join(PEAK_FLOPS)}`{or_else}")
    if gpu.upper() not in PEAK_FLOPS:
        raise NotFound(f"no GPU is called {gpu!r} here\n  next: `gpu={'|'.join(PEAK_FLOPS)}`, or `compute=` in FLOPs")
    return gpu.upper()


def _hours(
    gpu_hours: Amount | None, usd: Amount | None, wall: Amount | None, gpus: int, usd_per_gpu_hour: float
) -> tuple[float, dict[str, float]]:
    """Hours of one GPU, and what they come from."""
    if gpu_hours is not None:
        return units.parse(gpu_hours, "GPU-h"), {}
    if usd is not None:
        money = units.parse(usd, "USD")
        return money / usd_per_gpu_hour, {"usd": money, "usd_per_gpu_hour": usd_per_gpu_hour}
    seconds = units.parse(0 if wall is None else wall, "duration")
    return gpus * seconds / 3600, {"wall_seconds": seconds, "gpus": gpus}


def _of_throughput(seconds: float, throughput: str, flops_per_param_token: float) -> Budget:
    tokens, at, size = throughput.partition("@")
    if not at:
        raise UsageError(
            f"tokens per second {throughput!r} does not say of which size\n  next: `tokens_per_second=40k@7B`"
        )
    rate, params = units.parse(tokens, "count"), units.parse(size, "count")
    per_second = {
        "tokens_per_second": rate,
        "throughput_params": params,
        "flops_per_param_token": flops_per_param_token,
    }
    flops = seconds * rate * params * flops_per_param_token
    return Budget("compute", flops, {"wall_seconds": seconds, **per_second})
