"""What `rlaw plan` prints for a study on GPUs: memory, GPU-hours, money, and the published compute beside it."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rlaw.cli.options import pairs
from rlaw.errors import UsageError
from rlaw.text import table

if TYPE_CHECKING:
    from rlaw.study.gpu_cost import Rates
    from rlaw.study.plan import Plan, Run

MOST_LISTED = 1000  # runs; of a longer plan one of each size, variant and arm is listed


def listed_of(plan: "Plan") -> list["Run"]:
    """The runs that are listed: every one, or of a long plan the first of those that differ in their seed alone."""
    return list(plan if len(plan) <= MOST_LISTED else plan.kinds.values())[:MOST_LISTED]


def name_of(run: dict[str, Any], document: dict[str, Any]) -> str:
    """The run's label; of a long plan with the number of those like it."""
    return f"{run['label']} ({run['alike']:,} like it)" if document["left_out"] else run["label"]


def rates_of(gpus: Sequence[str], mfu: float, prices: Sequence[str]) -> "Rates":
    """The types of GPU and prices of the command line."""
    from rlaw.study.gpu_cost import Rates

    return Rates.of(gpus, _prices(prices), mfu)


def costs(plan: "Plan", rates: "Rates") -> dict[str, Any]:
    """Every run on every type of GPU, their totals, what was assumed, and the published compute of the same runs."""
    from rlaw.study import gpu_cost

    kinds = {
        kind: {
            name: cost.to_json()
            for name, cost in rates.costs(gpu_cost.Placement.of(run), run.executed_flops).items()
        }
        for kind, run in plan.kinds.items()
    }  # fmt: skip
    listed = listed_of(plan)
    totals = {
        name: {
            "gpu_hours": sum(kinds[kind][name]["gpu_hours"] * count for kind, count in plan.counts.items()),
            "usd": sum(kinds[kind][name]["usd"] * count for kind, count in plan.counts.items()),
            "longest_wall_hours": max(of[name]["wall_hours"] for of in kinds.values()),
            "too_large": [run.label for run in listed if not kinds[run.kind][name]["fits"]],
        }
        for name in rates.usd_per_gpu_hour
    }
    compared = [{**asdict(one), "difference": one.difference} for one in gpu_cost.published(plan)]
    placed = {run.label: _placed(run) for run in listed}
    of_runs = {run.label: kinds[run.kind] for run in listed}
    about = {"accounting_note": gpu_cost.accounting_note(plan.study.fit.accounting, plan.runs[0].executed_factor)}
    return {
        "on_gpus": of_runs, "gpu_totals": totals, "assumed": rates.to_json(), "placed": placed, "published": compared,
        **about,
    }  # fmt: skip


def text(document: dict[str, Any]) -> str:
    """The costs as text; each run on the first requested type of GPU."""
    from rlaw import units
    from rlaw.study.gpu_cost import MOST_GPUS

    first = next(iter(document["gpu_totals"]))
    rows = []
    for run in document["runs"]:
        cost, placed = document["on_gpus"][run["label"]][first], document["placed"][run["label"]]
        rows.append((
            name_of(run, document), units.count(run["params"]), run["steps"], units.flops(run["rl_flops"]),
            f"{cost['gpus']} / {cost['tensor_parallel']} / {placed['micro_batch']}",
            cost["min_gpus"] or f"> {MOST_GPUS:,}", f"{cost['memory_gb']:.0f} GB" + ("" if cost["fits"] else " !"),
            _amount(cost["gpu_hours"]), units.duration(3600 * cost["wall_hours"]), f"${_amount(cost['usd'])}",
        ))  # fmt: skip
    headings = (
        "run", ">params", ">steps", ">RL", ">GPUs/TP/batch", ">fewest", ">memory", f">{first}-h", ">wall", ">money",
    )  # fmt: skip
    parts = [table(headings, rows), _summary(document), _assumptions(document)]
    if document["published"]:
        parts.append(_published(document["published"]))
    return "\n\n".join(parts)


def _amount(value: float) -> str:
    return f"{value:,.0f}" if value >= 1 else f"{value:.2g}"


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
            name, _amount(total["gpu_hours"]), f"${_amount(total['usd'])}",
            units.duration(3600 * total["longest_wall_hours"]), f"{large} runs do not fit" if large else "all runs fit",
        ))  # fmt: skip
    done = f", {totals['done']} done already" if totals["done"] else ""
    flops = f"RL {units.flops(totals['rl_flops'])} counted by {document['accounting']}"
    flops += f", {units.flops(totals['executed_flops'])} executed"
    listed = table(("GPU", ">GPU-hours", ">money", ">longest run", "memory"), rows)
    return f"{totals['runs']} runs{done}, {flops}; nothing spent yet\n\n{listed}"


def _assumptions(document: dict[str, Any]) -> str:
    gpus = ", ".join(
        f"{name} {of['peak_flops'] / 1e12:,.0f} TFLOP/s, {of['memory_gb']:.0f} GB, ${of['usd_per_gpu_hour']:g} an hour"
        for name, of in document["assumed"]["gpus"].items()
    )
    lengths = sorted({round(one["response_tokens"]) for one in document["placed"].values()})
    undeclared = sum(not one["gpus"] for one in document["placed"].values())
    some = f"{undeclared} of {len(document['placed'])} runs declare no GPUs: each is placed on the fewest that hold it"
    fewest = f"\n{some}" if undeclared else ""
    return (
        f"{document['accounting_note']}\n"
        f"assumed: {document['assumed']['mfu']:.0%} of the peak for all executed FLOPs; "
        f"mean responses of {lengths[0]} to {lengths[-1]} tokens;\n"
        f"{gpus}; --mfu and --price change them{fewest}"
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
