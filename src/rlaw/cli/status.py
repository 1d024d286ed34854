"""`rlaw status`."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument

from rlaw.cli.terminal import Json, show
from rlaw.text import table

if TYPE_CHECKING:
    from rlaw.decisions.staging import Decision
    from rlaw.store import Store

SILENT = 60.0  # seconds without a record after which a running run is said to be silent
StorePath = Annotated[Path, Argument(metavar="STORE", help="the folder that `rlaw run --store` wrote")]


def status(store: StorePath, json: Json = False) -> None:
    """Show the progress of each run of a store. Read-only; works while the runs are under way.

    Example: rlaw status runs/micro
    """
    from rlaw.store import Store

    if (store / "imported.json").is_file():
        show(*_imported(store), as_json=json)
        return
    kept = Store.open(store)
    runs = kept.runs()
    counts = {state: sum(run.state == state for run in runs) for state in dict.fromkeys(run.state for run in runs)}
    silent = {run.label: kept.silent_seconds(run.label) for run in runs if run.state == "running"}
    said = {label: f"silent for {seconds:.0f} s" for label, seconds in silent.items() if seconds >= SILENT}
    rows = [
        (run.label, run.state, run.attempt, f"{run.step}/{run.steps}", run.test_loss, said.get(run.label, run.cause))
        for run in runs
    ]
    text = table(("run", "state", ">attempt", ">step", ">test loss", "cause"), rows)
    summary = f"{kept.path}: " + ", ".join(f"{n} {state}" for state, n in counts.items())
    stops = _stops(kept)
    summary += "".join(f"\nstaged: {decision}" for decision in stops)
    lines = [{**run.to_json(), "silent_seconds": silent.get(run.label)} for run in runs]
    document = {"store": str(kept.path), "study": kept.document["study"]["name"], "digest": kept.digest}
    show(
        {**document, "counts": counts, "runs": lines, "stopped": [asdict(d) for d in stops]},
        f"{text}\n{summary}",
        as_json=json,
    )


def _imported(path: Path) -> tuple[dict[str, Any], str]:
    """The runs in a folder of imported ones."""
    from rlaw.store.files import read_json

    document = read_json(path / "imported.json")
    runs = [run for source in document["sources"] for run in source["runs"]]
    rows = [
        (run["run"], run["state"], run["attempts"], run["last_step"], run["evaluations"], run["cause"] or "")
        for run in runs
    ]
    text = table(("run", "state", ">attempts", ">last step", ">evaluations", "cause"), rows)
    return {"store": str(path), "imported": True, "runs": runs}, f"{text}\n{path}: {len(runs)} imported runs"


def _stops(store: "Store") -> list["Decision"]:
    """Where a staged study stopped."""
    if not store.stages.exists():  # what decides is slow to import
        return []
    from rlaw.decisions import staging

    return [decision for decision in staging.decisions(store) if not decision.go]
