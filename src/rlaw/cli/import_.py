"""`rlaw import`."""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from rlaw.cli import terminal
from rlaw.cli.options import Format, Items, pairs
from rlaw.cli.terminal import Json
from rlaw.errors import DataError, RlawError, UsageError

if TYPE_CHECKING:
    from rlaw.measurements.importers.logs import Source


class Score(StrEnum):
    """What is taken for a score."""

    held_out = "held-out"
    train = "train"


def import_(
    paths: Annotated[list[Path], Argument(metavar="PATH…", help="logs, or folders of logs; - reads standard input")],
    store: Annotated[Path | None, Option(help="where the runs are kept: a new folder, or one of imported runs")] = None,
    format: Format = "auto",
    model: Annotated[
        list[str] | None, Option(metavar="7B | RUN=7B", help="size of all runs, or of one; may be repeated")
    ] = None,
    mapping: Annotated[
        list[str] | None, Option("--map", metavar="OURS=THEIRS", help="a name of ours for theirs")
    ] = None,
    items: Items = None,
    score: Annotated[Score, Option(help="train: the training reward stands in for a held-out score")] = Score.held_out,
    dry_run: Annotated[bool, Option("--dry-run", help="print what would be imported, and stop")] = False,
    json: Json = False,
) -> None:
    """Turn the logs of any trainer into runs that all commands read.

    A folder is walked. Several views of one run (console, JSON lines, W&B) are one run.

    Example: rlaw import logs/ --store runs/mine
    Example: rlaw import train.log --model 7B --dry-run
    """
    from rlaw.measurements.importers import imported, logs

    if store is None and not dry_run:
        raise UsageError("rlaw import takes --store DIR, or --dry-run to see what it would read")
    with _spooled(paths) as (files, named):
        sources = logs.read(files, format, _models(model or []), items, pairs(mapping or [], "--map"))
    sources = [replace(source, log=replace(source.log, path=named.get(p := source.log.path, p))) for source in sources]
    notes = [] if dry_run or store is None else imported.write(store, sources, score.value)
    warnings = imported.warnings_of(sources, notes)
    documents = [imported.document_of_source(source, score.value) for source in sources]
    document = {"sources": documents, "warnings": warnings}
    terminal.show(document, _text(document, store, dry_run), as_json=json)
    if (refused := _refused(sources)) is not None:
        terminal.gate(refused)


@contextmanager
def _spooled(paths: list[Path]) -> Iterator[tuple[list[Path], dict[Path, Path]]]:
    """The paths with a file in the place of `-`, and what that file stands for: standard input."""
    from rlaw.measurements.importers import logs

    if Path("-") not in paths:
        yield paths, {}
        return
    with tempfile.TemporaryDirectory(prefix="rlaw-") as folder:
        file = Path(folder) / "stdin.log"
        file.write_bytes(sys.stdin.buffer.read())
        for suffix in (".json", ".jsonl", ".csv", ".tsv", ".log"):  # a format may ask for the suffix of its files
            file = file.rename(file.with_suffix(suffix))
            if logs.format_of(file) is not None:
                break
        yield [file if path == Path("-") else path for path in paths], {file: Path("-")}


def _models(given: list[str]) -> dict[str, str]:
    """Sizes by run; under "" that of all others."""
    return {run: size for run, _, size in (one.rpartition("=") for one in given)}


def _refused(sources: "list[Source]") -> RlawError | None:
    """Why nothing of the logs can be used; None when something can."""
    runs = [run for source in sources for run in source.runs]
    if any(len(run.steps) or len(run.evaluations) for run in runs):
        return None
    causes = [f"{run.name} failed with {run.cause}" for run in runs if run.cause]
    notes = [note for source in sources for note in source.notes] + [note for run in runs for note in run.notes]
    texts = dict.fromkeys(note.text for note in notes if note.code == "not-rl")
    begun = [f"{run.name} ends before its first step" for run in runs if not run.unknown and not run.cause]
    why = "; ".join([*texts, *causes, *begun]) or "no entry has a training reward or a held-out score"
    return DataError(
        f"no training row: {why}\n  next: another log, or `mapping={{'reward': 'THEIRS'}}` to name the reward"
    )


def _text(document: dict[str, Any], store: Path | None, dry_run: bool) -> str:
    lines = []
    for source in document["sources"]:
        rows = source["rows"]
        dropped = "".join(f", {n:,} {reason.replace('_', ' ')}" for reason, n in rows["dropped"].items())
        lines.append(
            f"{source['path']}: {source['format']}{' of ' + source['trainer'] if source['trainer'] else ''}; "
            f"{rows['in']:,} entries, {rows['out']:,} used{dropped}"
        )
        lines += [_run_text(run) for run in source["runs"]]
        if source["unknown_keys"]:
            lines.append(
                f"  {len(source['unknown_keys'])} other names in it, such as {', '.join(source['unknown_keys'][:4])}"
            )
    lines += [f"caution {warning['code']}: {warning['text']}" for warning in document["warnings"]]
    unsized = [
        run["run"] for source in document["sources"] for run in source["runs"] if run["params"] is None and run["steps"]
    ]
    if unsized:
        lines.append(f"no size is known of {', '.join(unsized[:6])}\n  next: --model 7B, or --model {unsized[0]}=7B")
    if store is not None and not dry_run:
        lines.append(f"imported into {store}\n  next: rlaw fit {store}")
    return "\n".join(lines)


def _run_text(run: dict[str, Any]) -> str:
    from rlaw import units

    size = f"{run['model'] or 'model unknown'}" + (
        f" ({units.count(run['params'])}, {run['params_from']})" if run["params"] else ""
    )
    rewards = f", reward {run['reward_first']:.4g} to {run['reward_last']:.4g}" if run["steps"] else ""
    scores = ", ".join(f"{name} {b['first']:.4g} to {b['last']:.4g}" for name, b in list(run["benchmarks"].items())[:4])
    attempts = f", {run['attempts']} attempts" if run["attempts"] > 1 else ""
    state = f"{run['state']}{' with ' + run['cause'] if run['cause'] else ''}"
    span = f"steps {run['first_step']} to {run['last_step']}" if run["first_step"] is not None else "no step"
    return (
        f"  {run['run']}: {size}; {run['steps']} training rows, {span}{rewards}; {run['evaluations']} evaluations"
        f"{' (' + scores + ')' if scores else ''}{attempts}; {state}"
    )
