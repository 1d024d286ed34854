"""`rlaw show`."""

import io
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from rlaw.cli import terminal
from rlaw.cli.status import StorePath
from rlaw.cli.terminal import Json
from rlaw.errors import NotFound, UsageError
from rlaw.text import table

if TYPE_CHECKING:
    from rlaw.store import Store


def show(
    store: StorePath,
    run: Annotated[str, Argument(metavar="RUN", help="a run's label or id, or a part that only one has")],
    spec: Annotated[
        bool, Option("--spec", help="a study file of this run alone: running it gives the same id")
    ] = False,
    json: Json = False,
) -> None:
    """Show one run. Its settings, its attempts and machines, its evaluations.

    Example: rlaw show runs/micro 148k-base-s0
    """
    from rlaw.store import Store

    kept = Store.open(store)
    label = _label(kept, run)
    if spec:
        from rlaw.study.spec import single_study

        study = single_study(kept.run(label))
        terminal.show({"study": study}, _yaml(study), as_json=json)
        return
    document = _document(kept, label)
    terminal.show(document, _text(document), as_json=json)


def _label(store: "Store", part: str) -> str:
    labels = store.labels()
    found = [part] if part in labels else [label for label in labels if part in label]
    if not found:
        raise NotFound(f"{store.path} has no run {part!r}\n  next: `rlaw status {store.path}` lists the runs")
    if len(found) > 1:
        raise UsageError(f"{part!r} is part of {len(found)} labels: {', '.join(found)}\n  next: give more of the label")
    return found[0]


def _document(store: "Store", label: str) -> dict[str, Any]:
    from rlaw.store.records import Evaluated

    kept = store.spec(label) if (store.folder(label) / "run.json").is_file() else {"run": store.planned[label]}
    fields = ("step", "benchmark", "test_loss", "items", "samples", "data_size", "tokens", "compute_flops")
    evaluations = [r for r in store.records(label) if isinstance(r, Evaluated)]
    return {
        "status": store.status(label).to_json(),
        "run": kept["run"],
        "attempts": kept.get("attempts", []),
        "evaluations": [{name: getattr(r, name) for name in fields} for r in evaluations],
    }


def _text(document: dict[str, Any]) -> str:
    from rlaw import units

    status = document["status"]
    why = f": {status['cause']}: {status['text']}" if status["cause"] else ""
    lines = [
        status["label"],
        f"  {status['state']}{why}, step {status['step']} of {status['steps']}",
        f"  {status['variant']}, {status['params']:,} parameters (no embeddings), seed {status['seed']}",
    ]
    for attempt in document["attempts"]:
        made_with = f"rlaw {attempt['packages']['rlaw']}, Python {attempt['python']}"
        lines.append(f"  attempt {attempt['attempt']}: {attempt['time']} on {attempt['hostname']}, {made_with}")
    rows = [
        (f"  {e['benchmark']}", e["step"], e["data_size"], units.flops(e["compute_flops"]["8N"]), e["test_loss"])
        for e in document["evaluations"]
    ]
    return "\n".join(
        [*lines, table(("  benchmark", ">step", ">prompts", ">RL, 8N", ">test loss"), rows)] if rows else lines
    )


def _yaml(data: dict[str, Any]) -> str:
    from ruamel.yaml import YAML

    text = io.StringIO()
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    yaml.dump(data, text)
    return text.getvalue().rstrip("\n")
