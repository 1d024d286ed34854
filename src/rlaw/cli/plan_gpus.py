"""What `rlaw plan` prints for a study on GPUs: memory, GPU-hours, money, and the published compute beside it."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rlaw.cli.options import pairs
from rlaw.errors import UsageError
from rlaw.study.gpus import MEMORY_GB, PEAK_FLOPS, USD_PER_GPU_HOUR
from rlaw.text import table

if TYPE_CHECKING:
    from rlaw.study.plan import Plan, Run


def costs(plan: "Plan", gpus: Sequence[str], mfu: float, prices: Sequence[str]) -> dict[str, Any]:
    """Every run on every type of GPU, their totals, what was assumed, and the published compute of the same runs."""
    from rlaw.study import gpu_cost

    requested = gpu_cost.known_gpus(gpus, own := _prices(prices), mfu)
    price = {name: own.get(name, USD_PER_GPU_HOUR[name]) for name in requested}
    runs = {run.label: {name: gpu_cost.run_cost(run, name, mfu, price[name]) for name in requested} for run in plan}
    of_runs = {label: {name: _cost(cost) for name, cost in of.items()} for label, of in runs.items()}
    totals = {
        name: {
            "gpu_hours": sum(of[name].gpu_hours for of in runs.values()),
            "usd": sum(of[name].usd for of in runs.values()),
            "longest_wall_hours": max(of[name].wall_hours for of in runs.values()),
            "too_large": [label for label, of in runs.items() if not of[name].fits],
        }
        for name in requested
    }
    assumed = {
        "mfu": mfu,
        "gpus": {
            name: {"peak_flops": PEAK_FLOPS[name], "memory_gb": MEMORY_GB[name], "usd_per_gpu_hour": price[name]}
            for name in requested
        },
    }
    compared = [{**asdict(one), "difference": one.difference} for one in gpu_cost.published(plan)]
    placed = {run.label: _placed(run) for run in plan}
    return {"on_gpus": of_runs, "gpu_totals": totals, "assumed": assumed, "placed": placed, "published": compared}


def text(document: dict[str, Any]) -> str:
    """The costs as text; each run on the first requested type of GPU."""
    from rlaw import units

    first = next(iter(document["gpu_totals"]))
    rows = []
    for run in document["runs"]:
        cost, placed = document["on_gpus"][run["label"]][first], document["placed"][run["label"]]
        rows.append((
            run["label"], units.count(run["params"]), run["steps"], units.flops(run["rl_flops"]),
            f"{placed['gpus']} / {placed['tensor_parallel']} / {placed['micro_batch']}",
            f"{cost['memory_gb']:.0f} GB" + ("" if cost["fits"] else " !"),
            f"{cost['gpu_hours']:,.0f}", units.duration(3600 * cost["wall_hours"]), f"${cost['usd']:,.0f}",
        ))  # fmt: skip
    headings = ("run", ">params", ">steps", ">RL", ">GPUs/TP/batch", ">memory", f">{first}-h", ">wall", ">money")
    parts = [table(headings, rows), _summary(document), _assumptions(document)]
    if document["published"]:
        parts.append(_published(document["published"]))
    return "\n\n".join(parts)


def _cost(cost: Any) -> dict[str, Any]:
    parts = {f"{name}_gb": value / 1e9 for name, value in asdict(cost.memory).items()}
    hours = {"gpu_hours": cost.gpu_hours, "wall_hours": cost.wall_hours, "usd": cost.usd}
    return {**hours, "fits": cost.fits, "memory_gb": cost.memory.peak / 1e9, "memory": parts}


def _placed(run: "Run") -> dict[str, Any]:
    need = run.resources
    lengths = {"prompt_tokens": run.lengths.prompt, "response_tokens": run.lengths.response}
    batch = {"micro_batch": need.micro_batch or 1, "tensor_parallel": need.tensor_parallel}
    return {"gpus": need.gpus, "nodes": need.nodes, **batch, **lengths}


def _summary(document: dict[str, Any]) -> str:
    from rlaw import units

    totals, rows = document["totals"], []
    for name, total in document["gpu_totals"].items():
        large = len(total["too_large"])
        rows.append((
            name, f"{total['gpu_hours']:,.0f}", f"${total['usd']:,.0f}",
            units.duration(3600 * total["longest_wall_hours"]), f"{large} runs do not fit" if large else "all runs fit",
        ))  # fmt: skip
    done = f", {totals['done']} done already" if totals["done"] else ""
    flops = f"RL {units.flops(totals['rl_flops'])} by {document['accounting']}"
    listed = table(("GPU", ">GPU-hours", ">money", ">longest run", "memory"), rows)
    return f"{totals['runs']} runs{done}, {flops}; nothing spent yet\n\n{listed}"


def _assumptions(document: dict[str, Any]) -> str:
    gpus = ", ".join(
        f"{name} {of['peak_flops'] / 1e12:,.0f} TFLOP/s, {of['memory_gb']:.0f} GB, ${of['usd_per_gpu_hour']:g} an hour"
        for name, of in document["assumed"]["gpus"].items()
    )
    lengths = sorted({round(one["response_tokens"]) for one in document["placed"].values()})
    return (
        f"assumed: {document['assumed']['mfu']:.0%} of the peak for all executed FLOPs (rollouts, old "
        f"log-probabilities, reference, updates, "
        f"evaluations); mean responses of {lengths[0]} to {lengths[-1]} tokens;\n"
        f"{gpus}; --mfu and --price change them"
    )


def _published(compared: list[dict[str, Any]]) -> str:
    from rlaw import units
    from rlaw.study.gpu_cost import CLOSE

    rows = [
        (one["model"], units.flops(one["published_flops"]), units.flops(one["planned_flops"]),
         f"{one['difference']:+.0%}" + ("" if abs(one["difference"]) <= CLOSE else " !"))
        for one in compared
    ]  # fmt: skip
    listed = table(("size", ">published", ">planned", ">difference"), rows)
    return f"one base run as arXiv 2509.25300 counts it, 6 x nominal parameters x tokens:\n{listed}"


def _prices(given: Sequence[str]) -> dict[str, float]:
    try:
        return {name.upper(): float(price.lstrip("$")) for name, price in pairs(given, "--price").items()}
    except ValueError as error:
        raise UsageError(f"--price {' '.join(given)}: no price\n  next: --price H100=2.1") from error
