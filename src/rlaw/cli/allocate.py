"""`rlaw allocate`."""

from typing import Annotated

from typer import Option

from rlaw.cli.options import (
    Data,
    Draws,
    EfficiencyDoubling,
    Far,
    Format,
    Level,
    Map,
    Measure,
    Seed,
    Strict,
    Where,
    Window,
    read,
)
from rlaw.cli.terminal import Json, all_done, gate, show
from rlaw.errors import NotIdentifiable
from rlaw.study.gpus import DEFAULT_MFU, PEAK_FLOPS


def allocate(
    data: Data,
    compute: Annotated[str | None, Option(metavar="FLOPS", help="budget of one run, as the data count compute")] = None,
    gpu_hours: Annotated[str | None, Option(metavar="H", help="budget in hours of --gpu")] = None,
    usd: Annotated[str | None, Option(metavar="USD", help="budget in money, at --usd-per-gpu-hour")] = None,
    wall: Annotated[str | None, Option(metavar="TIME", help="budget in time, such as '24 h', of --gpus GPUs")] = None,
    prompts: Annotated[str | None, Option("--data", metavar="D", help="budget in prompts")] = None,
    unique_data: Annotated[str | None, Option(metavar="D", help="budget in unique prompts: chooses tau")] = None,
    gpu: Annotated[str | None, Option(metavar="|".join(PEAK_FLOPS), help="peak dense bf16, from data sheets")] = None,
    gpus: Annotated[int, Option(min=1, help="how many run at once, for --wall")] = 1,
    mfu: Annotated[float, Option(help="executed FLOPs over the peak times the time")] = DEFAULT_MFU,
    usd_per_gpu_hour: Annotated[
        float | None, Option(help="price of an hour of --gpu; that of `rlaw plan` when left out")
    ] = None,
    tokens_per_second: Annotated[
        str | None, Option(metavar="TOKENS@SIZE", help="measured throughput for --wall, such as 40k@7B")
    ] = None,
    target_loss: Annotated[float | None, Option(metavar="L", help="report how many doublings reach it")] = None,
    efficiency_doubling: EfficiencyDoubling = None,
    where: Where = [],  # noqa: B006 - the command line makes a new list
    mapping: Map = [],  # noqa: B006
    format: Format = "auto",
    measure: Measure = None,
    window: Window = None,
    draws: Draws = 1000,
    level: Level = 0.9,
    seed: Seed = 0,
    far: Far = False,
    strict: Strict = False,
    json: Json = False,
) -> None:
    """Choose a size for a budget. FLOPs, GPU-hours, money, time or prompts; or how often to pass over the data.

    Example: rlaw allocate qwen2.5-math-base --compute 1e20
    """
    import rlaw

    frame = read(data, where, mapping, format, measure, every_tau=unique_data is not None)
    result = rlaw.allocate(
        frame, compute=compute, gpu_hours=gpu_hours, usd=usd, wall=wall, data=prompts, unique_data=unique_data, gpu=gpu,
        gpus=gpus, mfu=mfu, usd_per_gpu_hour=usd_per_gpu_hour, tokens_per_second=tokens_per_second,
        target_loss=target_loss, efficiency_doubling=efficiency_doubling, window=window, draws=draws, level=level,
        seed=seed, far=far,
    )  # fmt: skip
    show(result.to_json(), str(result), as_json=json)
    if strict and not result.identified:
        gate(NotIdentifiable(f"no law of the size is identified by {frame.source} (--strict)"))
    if strict:
        all_done(result.warnings)
