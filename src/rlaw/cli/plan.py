"""`rlaw plan`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from rlaw.cli.terminal import Json, show
from rlaw.study.gpus import DEFAULT_MFU, PEAK_FLOPS
from rlaw.text import table

if TYPE_CHECKING:
    from rlaw.study.plan import Plan, Run

StudyFile = Annotated[Path, Argument(metavar="STUDY", help="a study file, or a preset's name; `rlaw init` writes one")]
Workers = Annotated[int | None, Option(min=1, help="runs side by side, one thread each; one per core when left out")]


def plan(
    study: StudyFile,
    store: Annotated[Path | None, Option(help="a store: show which runs are done already")] = None,
    workers: Workers = None,
    gpu: Annotated[
        list[str] | None, Option(metavar="|".join(PEAK_FLOPS), help="type of GPU; repeat for more, all when left out")
    ] = None,
    mfu: Annotated[float, Option(help="executed FLOPs over the peak times the time: an assumption")] = DEFAULT_MFU,
    price: Annotated[list[str] | None, Option(metavar="GPU=USD", help="of a GPU-hour; repeat for more")] = None,
    json: Json = False,
) -> None:
    """List all runs of STUDY and their cost. Nothing is spent and nothing is written.

    Example: rlaw plan study.yaml
    Example: rlaw plan qwen2.5-math --gpu H100 --price H100=2.1
    """
    document, text = costs_and_text(plan_of(study), store, workers, gpu or (), mfu, price or ())
    show(document, text, as_json=json)


def plan_of(study: Path) -> "Plan":
    """The plan of a study file, or of a preset where there is no file of that name."""
    from rlaw.study import presets
    from rlaw.study.plan import plan as lay_out
    from rlaw.study.study import Study

    if str(study) in presets.STUDIES and not study.exists():
        with presets.study_file(str(study)) as path:
            return lay_out(Study.load(path))
    return lay_out(Study.load(study))


def costs_and_text(
    plan: "Plan",
    store: Path | None,
    workers: int | None,
    gpus: Sequence[str] = (),
    mfu: float = DEFAULT_MFU,
    prices: Sequence[str] = (),
) -> tuple[dict[str, Any], str]:
    """What a plan costs, as a document and as people read it: on GPUs where it takes some, else on cores.

    Raises:
        BudgetExceeded: the study's caps end before any run has done a step.
        NotFound, UsageError: GPUs or prices that make no sense.
    """
    from rlaw.cli import plan_gpus
    from rlaw.study.gpu_cost import check_start

    check_start(plan, rates := plan_gpus.rates_of(gpus, mfu, prices))
    document = costs(plan, store, workers) | plan_gpus.costs(plan, rates)
    return document, plan_gpus.text(document) if plan.on_gpus else text(document)


def costs(plan: "Plan", store: Path | None, workers: int | None) -> dict[str, Any]:
    """What the plan's runs cost, each and together: FLOPs, and seconds as the engines estimate them."""
    from rlaw.cli.plan_gpus import listed_of
    from rlaw.execution.local import cores
    from rlaw.execution.runner import estimate
    from rlaw.store import DONE

    states, seconds = _states(store), estimate(plan)
    workers = None if plan.on_gpus else workers or cores()  # cores of this machine say nothing of GPUs elsewhere
    alike = {kind: _of_kind(run, plan.study.fit.accounting) for kind, run in plan.kinds.items()}
    runs = [
        {
            "id": run.id,
            "label": run.label,
            **alike[run.kind],
            "estimated_seconds": seconds[run.label],
            "state": states.get(run.label, "planned"),
            "alike": plan.counts[run.kind],
        }
        for run in listed_of(plan)
    ]
    left = [seconds[run.label] for run in plan if states.get(run.label) not in DONE]
    totals = {
        "runs": len(plan),
        "done": len(plan) - len(left),
        "flops": plan.total_flops,
        "budget_flops": plan.study.budget.compute,
        "rl_flops": plan.rl_flops,
        "base_flops": plan.base_flops,
        "executed_flops": plan.total(lambda run: run.executed_flops),
        "estimated_seconds": sum(left),
        "wall_seconds": max(sum(left) / workers, max(left, default=0.0)) if workers else None,
    }
    about: dict[str, Any] = {
        "study": plan.study.name,
        "digest": plan.study.digest,
        "accounting": plan.study.fit.accounting,
    }
    about["left_out"] = len(plan) - len(runs)
    return {**about, "workers": workers, "runs": runs, "totals": totals, "unheeded_caps": plan.unheeded_caps}


def _of_kind(run: "Run", accounting: str) -> dict[str, Any]:
    return {
        "model": run.size.name,
        "params": run.params,
        "params_total": run.architecture.params_total,
        "steps": run.rl.steps,
        "rl_flops": run.rl_flops(accounting),
        "base_flops": run.base_flops,
        "evaluation_flops": run.evaluation_flops,
        "executed_flops": run.executed_flops,
    }


def text(document: dict[str, Any]) -> str:
    """The costs as people read them."""
    from rlaw import units
    from rlaw.cli.plan_gpus import name_of

    totals = document["totals"]
    rows = [
        (name_of(run, document), units.count(run["params"]), units.count(run["params_total"]), run["steps"],
         units.flops(run["rl_flops"]), units.flops(run["base_flops"]), units.duration(run["estimated_seconds"]),
         run["state"])
        for run in document["runs"]
    ]  # fmt: skip
    headings = ("run", ">params", ">total", ">steps", ">RL", ">base", ">time", "state")
    done = f", {totals['done']} done already" if totals["done"] else ""
    summary = (
        f"{totals['runs']} runs{done}, {units.flops(totals['flops'])} "
        f"(RL {units.flops(totals['rl_flops'])} by {document['accounting']}, "
        f"bases {units.flops(totals['base_flops'])}), "
        f"about {units.duration(totals['wall_seconds'])} on {document['workers']} workers; nothing spent yet"
    )
    cap = totals["budget_flops"]
    if cap is not None and totals["flops"] > cap:
        summary += (
            f"\nmore than the study's budget.compute of {units.flops(cap)}: `rlaw run` refuses it without --stage"
        )
    if document["unheeded_caps"]:
        summary += f"\n{document['unheeded_caps']}"
    return f"{table(headings, rows)}\n{summary}"


def _states(store: Path | None) -> dict[str, str]:
    from rlaw.store import Store

    if store is None or not (store / "study.json").is_file():
        return {}
    return {status.label: status.state for status in Store.open(store).runs()}
