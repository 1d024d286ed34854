"""A folder of imported runs: what was read from logs, as tables, beside where each was read from."""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

import polars as pl
import polars.selectors as cs

from rlaw.errors import StoreError
from rlaw.measurements.importers.log import ImportedRun
from rlaw.measurements.importers.logs import Source, evaluations
from rlaw.measurements.raw import Note
from rlaw.store.files import leave_no_parts, make_folder, read_json, write_atomically, write_json
from rlaw.text import without_secrets

SCHEMA = 1
DOCUMENT = "imported.json"
_HOMES = ("home", "Users")
_TABLES = ("steps", "evaluations", "earlier")


def is_imported(path: Path) -> bool:
    """Whether a folder keeps imported runs."""
    return (path / DOCUMENT).is_file()


def document_of(run: ImportedRun, score: str) -> dict[str, Any]:
    """One run in the document of `rlaw import --json`."""
    steps, scores = run.steps, run.evaluations.drop_nulls("score").sort("step")
    ends = [table["step"] for table in (steps, scores) if len(table)]
    benchmarks = {}
    for (name,), own in scores.group_by("benchmark", maintain_order=True):
        items = own["items"].drop_nulls()
        benchmarks[str(name)] = {
            "items": int(items[-1]) if len(items) else None, "first": own["score"][0], "last": own["score"][-1],
        }  # fmt: skip
    return {
        "run": run.name,
        "model": run.model,
        "params": run.params,
        "params_from": run.params_from or None,
        "first_step": min((own.to_numpy().min().item() for own in ends), default=None),
        "last_step": max((own.to_numpy().max().item() for own in ends), default=None),
        "steps": len(steps),
        "evaluations": scores["step"].n_unique(),
        "benchmarks": benchmarks,
        "tokens": run.tokens,
        "reward_first": steps["reward_mean"][0] if len(steps) else None,
        "reward_last": steps["reward_mean"][-1] if len(steps) else None,
        "attempts": run.attempts,
        "state": run.state,
        "cause": run.cause,
        "score": score,
    }


def document_of_source(source: Source, score: str) -> dict[str, Any]:
    """One source in the document of `rlaw import --json`."""
    return {
        "path": str(source.log.path),
        "format": source.log.format,
        "trainer": source.log.trainer,
        "runs": [document_of(run, score) for run in source.runs],
        "rows": source.rows,
        "unknown_keys": sorted({name for run in source.runs for name in run.unknown}),
    }


def write(path: Path, sources: Iterable[Source], score: str, *, keep_config: bool = False) -> list[Note]:
    """Keep the runs of sources in a folder; what was imported before of the same logs is replaced, all else stays.

    Args:
        path: a new or empty folder, or one of imported runs.
        sources: as `logs.read` gives them.
        score: "held-out" or "train", what the later analysis takes for a score.
        keep_config: whether the settings of each run are kept too, without what looks like a credential: they hold
            paths and names of people and machines.

    Returns:
        What was noted about the scores.

    Raises:
        StoreError: the folder holds something else, or cannot be written.
    """
    before: dict[str, Any] = read_json(path / DOCUMENT) if is_imported(path) else {}
    if not before and path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise StoreError(f"{path} exists and keeps no imported runs\n  next: --store with another folder")
    kept = {source["path"]: source for source in before.get("sources", ())}
    make_folder(path)
    about = {"schema": SCHEMA, "rlaw": metadata.version("rlaw")}
    if not before:  # whatever ends this process, the same command can be given again
        write_json(path / DOCUMENT, {**about, "sources": []})
    notes: list[Note] = []
    for source in sources:
        name = _place(source.log.path)
        taken = {run["folder"] for other, old in kept.items() if other != name for run in old["runs"]}
        documents = []
        for run in source.runs:
            folder = _folder(run.name, taken)
            taken.add(folder)
            notes += _write_run(path / "runs" / folder, run, score)
            if keep_config and run.settings:
                write_json(path / "runs" / folder / "settings.json", without_secrets(run.settings))
            documents.append({"folder": folder, **document_of(run, score)})
        kept[name] = {**document_of_source(source, score), "path": name, "runs": documents}
    write_json(path / DOCUMENT, {**about, "sources": [kept[name] for name in sorted(kept)]})
    return notes


def _write_run(folder: Path, run: ImportedRun, score: str) -> list[Note]:
    make_folder(folder)
    leave_no_parts(folder)
    scored = len(run.evaluations) or (score == "train" and len(run.steps))
    table, notes = evaluations([run], score) if scored else (pl.DataFrame(), [])
    earlier = run.earlier.select(~cs.string())  # words of a log may be anybody's
    for name, rows in zip(_TABLES, (run.steps, table, earlier), strict=True):
        file = folder / f"{name}.parquet"
        if rows.is_empty():
            file.unlink(missing_ok=True)
        else:
            write_atomically(file, rows.write_parquet)
    return notes


def _place(path: Path) -> str:
    """Where a log was, in its last two names and a digest: whole paths name people, event files their host."""
    whole = str(path.absolute())
    *_, before, name = ("", *Path(whole).parts)
    before = "~" if Path(whole).parent.parent.name in _HOMES else before
    shown = f"{before}/{name.partition('tfevents')[0]}tfevents" if "tfevents" in name else f"{before}/{name}"
    return f"{shown} {hashlib.sha256(whole.encode(errors='surrogateescape')).hexdigest()[:12]}"


def _folder(name: str, taken: set[str]) -> str:
    """A plain name for a run's folder that no other run has."""
    plain = re.sub(r"[^A-Za-z0-9._+-]+", "-", name).strip("-.")[:80] or "run"
    return next(one for i in range(1, len(taken) + 2) if (one := plain if i == 1 else f"{plain}-{i}") not in taken)


def read(path: Path) -> tuple[pl.DataFrame, bool]:
    """Every evaluation in a folder of imported runs, and whether some of its scores are training rewards.

    Raises:
        StoreError: the folder is damaged.
    """
    document = read_json(path / DOCUMENT)
    if document.get("schema") != SCHEMA:
        raise StoreError(f"{path / DOCUMENT} has schema {document.get('schema')}, this rlaw reads {SCHEMA}")
    runs = [run for source in document["sources"] for run in source["runs"]]
    files = [path / "runs" / run["folder"] / "evaluations.parquet" for run in runs]
    tables = [pl.read_parquet(file) for file in files if file.is_file()]
    table = pl.concat(tables, how="diagonal_relaxed") if tables else pl.DataFrame()
    return table, any(run["score"] == "train" for run in runs)


def warnings_of(sources: Iterable[Source], notes: Iterable[Note]) -> list[dict[str, str]]:
    """Every note on sources, runs and scores, as the document has them."""
    every = [*notes]
    for source in sources:
        every += [Note(note.code, f"{source.log.path}: {note.text}") for note in source.notes]
        every += [Note(note.code, f"{run.name}: {note.text}") for run in source.runs for note in run.notes]
    return [asdict(note) for note in dict.fromkeys(every)]
