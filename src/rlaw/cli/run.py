"""`rlaw run`."""

import sys
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Exit, Option

from rlaw.cli import plan as planning
from rlaw.cli import terminal
from rlaw.cli.options import pairs
from rlaw.cli.plan import StudyFile, Workers
from rlaw.cli.terminal import Json
from rlaw.errors import UsageError
from rlaw.text import UNSEEN, listed

if TYPE_CHECKING:
    from rlaw.execution.runner import Outcome
    from rlaw.store import Store
    from rlaw.study.plan import Plan


class Where(StrEnum):
    """Where runs are made."""

    local = "local"
    ray = "ray"
    slurm = "slurm"


def run(
    study: StudyFile,
    store: Annotated[Path | None, Option(help="where records are kept; runs/NAME when left out")] = None,
    workers: Workers = None,
    dry_run: Annotated[bool, Option("--dry-run", help="print what would be run, and stop")] = False,
    extend: Annotated[bool, Option("--extend", help="let a store that keeps another study take this one, too")] = False,
    executor: Annotated[
        Where, Option(help="where runs are made: processes here, a Ray cluster, Slurm jobs")
    ] = Where.local,
    address: Annotated[str | None, Option(help="of the Ray cluster, as HOST:6379")] = None,
    slurm: Annotated[
        list[str] | None, Option(help="KEY=VALUE of the jobs: slurm_partition=gpu, timeout_min=600; repeat for more")
    ] = None,
    stage: Annotated[
        bool, Option("--stage", help="cheap sizes first, the next one only while the study's rule says go")
    ] = False,
    retry_failed: Annotated[bool, Option("--retry-failed", help="try runs again that failed earlier")] = False,
    quiet: Annotated[bool, Option("--quiet", "-q", help="no progress")] = False,
    json: Json = False,
) -> None:
    """Run all runs of STUDY that are not done yet.

    The same command resumes where it was interrupted: finished runs are skipped,
    others continue from their last checkpoint. Failed runs are left as they are,
    unless --retry-failed. Ctrl-C saves and ends; twice ends at once.

    Example: rlaw run study.yaml --store runs/micro
    Example: rlaw run study.yaml --store /shared/runs/micro --executor ray --address head:6379
    """
    plan = planning.plan_of(study)
    path = store or Path("runs") / plan.study.name
    from rlaw.study.recipe import settings_that_run_code  # the command line imports no study before it has one

    if named := settings_that_run_code(plan.study.engine.settings):
        terminal.note(f"warning: engine.settings that run code which is not rlaw's: {listed(named)}; trust its source")
    if dry_run:
        planned, costs = planning.costs_and_text(plan, path, workers)
        commands = _commands(plan, path, str(study))
        text = "\n\n".join([costs, *(f"# {label}\n{line}" for label, line in commands.items())])
        terminal.show({**planned, "store": str(path), "commands": commands}, text, as_json=json)
        return
    from rlaw import execution
    from rlaw.cli.progress import watching
    from rlaw.execution import runner
    from rlaw.store import Store

    if plan.unheeded_caps:
        terminal.note(f"warning: {plan.unheeded_caps}")
    if not stage:
        plan.check_budget()
        # what is refused changes nothing: all that can be refused comes before the store is made, or made another's
    parameters = _parameters(slurm or [])
    before = Store.existing(path, plan, extend=extend)
    with execution.opened(executor.value, path, workers, address=address, slurm=parameters) as where:
        if stage:
            from rlaw.decisions import staging

            staging.rule(plan)
        runner.check(plan, before, where, retry_failed=retry_failed)
        kept = Store.create(path, plan, extend=extend)
        with watching(plan, kept, where.workers, quiet) as on_event:
            how: dict[str, Any] = {"retry_failed": retry_failed, "argv": sys.argv, "on_event": on_event}
            if stage:
                outcome, decisions = staging.run(plan, kept, where, **how)
            else:
                outcome, decisions = runner.run(plan, kept, where, **how), ()
    document = {**_document(kept, outcome), "stages": [asdict(decision) for decision in decisions]}
    terminal.show(document, "\n".join([_text(kept, outcome), *map(str, decisions)]), as_json=json)
    if not outcome.complete:
        raise Exit(1)


def _parameters(given: list[str]) -> dict[str, int | str]:
    """`KEY=VALUE` pairs, whole numbers as such."""
    parameters = pairs(given, "--slurm")
    for key, value in parameters.items():
        if not key.isidentifier() or UNSEEN.search(value) or "\n" in value:  # it becomes a line of the job's script
            raise UsageError(f"--slurm {key}={value}: a name, and a value on one line")
    return {key: int(value) if value.isdigit() else value for key, value in parameters.items()}


def _commands(plan: "Plan", store: Path, study: str) -> dict[str, str]:
    """What to type to start each run by hand, by label, where its engine is a program of its own."""
    from rlaw import engines
    from rlaw.engines.base import Commanded, Workspace

    commands = {}
    for run in plan:
        engine = engines.get(run.engine.name)
        if isinstance(engine, Commanded):
            commands[run.label] = engine.command(run, Workspace(store / "runs" / run.label, store / "cache"), study)
    return commands


def _document(store: "Store", outcome: "Outcome") -> dict[str, Any]:
    about = {"store": str(store.path), "study": store.study.name, "digest": store.digest}
    return {**about, **asdict(outcome), "runs": [status.to_json() for status in store.runs()]}


def _text(store: "Store", outcome: "Outcome") -> str:
    skipped = f" ({len(outcome.skipped)} of them before)" if outcome.skipped else ""
    lines = [f"{store.path}: {len(outcome.done)} of {len(store.planned)} runs done{skipped}"]
    lines += [f"  {label}: {text}" for label, text in outcome.failed.items()]
    if outcome.left:
        lines.append(f"  failed earlier and left: {', '.join(outcome.left)}")
    if not outcome.complete:
        failed = {status.label for status in store.runs() if status.state == "failed"}
        ways = ["--retry-failed tries failed runs again"] if failed else []
        ways += ["the same command resumes the others"] if outcome.failed.keys() - failed else []
        lines.append(f"  next: rlaw show {store.path} RUN shows more; {', '.join(ways)}")
    return "\n".join(lines)
