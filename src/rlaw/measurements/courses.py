"""How a run went, step by step: what its training measured and its scores, of any log, store or imported folder."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from glob import escape as glob_escape
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from rlaw.errors import NotFound
from rlaw.measurements.importers.names import GROUPS, TELEMETRY, Names, called, with_mapping
from rlaw.measurements.raw import Note

if TYPE_CHECKING:
    from rlaw.measurements.importers.log import ImportedRun, RunLog
    from rlaw.store import Status, Store

MEASURED = ("reward_mean", *TELEMETRY, *GROUPS)
_STEPS = {"step": pl.Int64, **dict.fromkeys((*MEASURED, "tokens"), pl.Float64)}
_EVALUATIONS = {"benchmark": pl.String, "step": pl.Int64, "score": pl.Float64, "items": pl.Int64}


@dataclass(frozen=True)
class Course:
    """One run.

    Attributes:
        run: its name.
        source: what it was read from.
        steps: a row for each training entry of the last lineage, by rising step: `step`, `reward_mean`, telemetry,
            `tokens` of the step; null where it was not measured, and numbers that are none as they were logged.
        evaluations: a row for each held-out score: `benchmark`, `step`, `score` as logged, `items`.
        model, params: what was trained; None when unknown.
        prompts: of a step.
        planned: steps; None when unknown.
        over: whether nothing more is to come.
        cause: of a run that failed.
        lag: updates of the weights behind a training reward, fewer than its step.
        ordered: by difficulty, so that a reward that falls says nothing.
        entries: of the log, in its trainer's names; None of what was no log.
    """

    run: str
    source: str
    steps: pl.DataFrame
    evaluations: pl.DataFrame
    model: str | None = None
    params: float | None = None
    prompts: int | None = None
    planned: int | None = None
    over: bool = False
    cause: str | None = None
    lag: int = 0
    ordered: bool = False
    entries: pl.DataFrame | None = None

    @property
    def last_step(self) -> int:
        """The highest step of any entry; 0 without one."""
        ends = [int(table["step"].max()) for table in (self.steps, self.evaluations) if len(table)]  # pyright: ignore[reportArgumentType]
        return max(ends, default=0)


def courses(
    path: Path,
    format: str = "auto",
    mapping: Mapping[str, str] | None = None,
    models: Mapping[str, str] | None = None,
    before: pl.DataFrame | None = None,
) -> tuple[list[Course], list[Note]]:
    """Every run of a log, a folder of logs, a store, one run of a store, or a folder of imported runs; and notes.

    Args:
        path: where it is.
        format: of a log: "auto", by its content, or a format's name.
        mapping: names of a log, by ours, as `rlaw import --map` takes them.
        models: sizes by run, as `rlaw import --model` takes them.
        before: entries of a log of one run that were in it until it was rotated.

    Raises:
        NotFound: nothing is there, or a store of which no run was started.
        DataError: it is no log.
        StoreError: a store is damaged.
        UsageError: a name or a size that makes no sense.
    """
    from rlaw.measurements.importers import imported, logs

    if (path / "study.json").is_file():
        return _of_store(path), []
    if (path / "records.jsonl").is_file() and (path.parent.parent / "study.json").is_file():
        return _of_store(path.parent.parent, path.name), []
    if imported.is_imported(path):
        return _of_imported(path), []
    sources = logs.read([path], format, models, mapping=mapping)
    pairs = [
        (run, log, with_mapping(called(source.log.trainer), mapping or {}), str(source.log.path))
        for source in sources
        for run, log in zip(source.runs, source.log.runs, strict=False)  # a source that is another view has no runs
    ]
    if before is not None and len(pairs) == 1:
        pairs = [_continued(*pairs[0], before)]
    found = [course_of(*pair) for pair in pairs]
    return found, [note for source in sources for note in source.notes]


def _continued(
    run: "ImportedRun", log: "RunLog", names: Names, source: str, before: pl.DataFrame
) -> tuple["ImportedRun", "RunLog", Names, str]:
    """The run with the entries of its log before it was rotated."""
    from rlaw.measurements.importers.reading import interpret

    whole = replace(log, entries=pl.concat([before, log.entries], how="diagonal_relaxed"))
    known = {name: getattr(run, name) for name in ("name", "model", "params", "params_from")}
    return replace(interpret(whole, names), **known), whole, names, source


def rotated(path: Path) -> list[Path]:
    """What a log was before it was rotated, oldest first: NAME.2.gz, NAME.1."""
    number = re.compile(re.escape(path.name) + r"\.(\d+)(?:\.gz)?")
    found = [(int(match[1]), file) for file in path.parent.glob(f"{glob_escape(path.name)}.*")
             if (match := number.fullmatch(file.name)) and file.is_file()]  # fmt: skip
    return [file for _, file in sorted(found, reverse=True)]


def course_of(run: "ImportedRun", log: "RunLog", names: Names, source: str) -> Course:
    """The course of a run that was read from a log.

    Args:
        run: as it was interpreted.
        log: its entries.
        names: of its trainer.
        source: for messages.
    """
    from rlaw.measurements.importers.reading import telemetry

    steps = telemetry(log.entries, names)
    planned, last = log.facts.planned_steps, int(log.entries["step"].max() or 0)  # pyright: ignore[reportArgumentType]
    return Course(
        run.name,
        source,
        _shaped(steps, _STEPS),
        _shaped(run.evaluations, _EVALUATIONS).drop_nulls(["step", "score"]).sort("step"),
        run.model,
        run.params,
        run.prompts,
        planned,
        over=bool(log.facts.finished or run.cause or (planned and last >= planned)),
        cause=run.cause,
        lag=run.lag,
        entries=log.entries,
    )


def _of_store(path: Path, only: str | None = None) -> list[Course]:
    from rlaw.store import Store

    store = Store.open(path)
    begun = [s for s in store.runs() if s.attempt and only in (None, s.label)]
    if not begun:
        raise NotFound(f"{path}: no run was started yet\n  next: rlaw run STUDY --store {path}")
    return [_of_run(store, status) for status in begun]


def _of_run(store: "Store", status: "Status") -> Course:
    """The course of one run of a store."""
    steps, scores = store.steps(status.label), store.evaluations(status.label)
    seconds = [c for c in steps.columns if c.startswith("seconds_")]
    tokens = [c for c in ("prompt_tokens", "response_tokens") if c in steps.columns]
    there = steps.with_columns(
        seconds=pl.sum_horizontal(seconds) if seconds else pl.lit(None, pl.Float64),
        tokens=pl.sum_horizontal(tokens) if tokens else pl.lit(None, pl.Float64),
    )
    prompts = steps["prompts"][0] if len(steps) else None
    if len(scores):
        scores = scores.with_columns(score=1 - pl.col("test_loss"))
    return Course(
        status.label,
        str(store.path),
        _shaped(there, _STEPS).sort("step"),
        _shaped(scores, _EVALUATIONS).drop_nulls(["step", "score"]).sort("step"),
        status.model,
        status.params,
        prompts,
        status.steps,
        over=status.state not in ("planned", "running"),
        cause=status.cause or None,
        ordered=len(steps) > 0 and steps["order"][0] == "curriculum",
        lag=1,
    )


def _shaped(table: pl.DataFrame, schema: Mapping[str, type[pl.DataType] | pl.DataType]) -> pl.DataFrame:
    """The table with these columns, null where it lacks one."""
    if not table.width:
        return pl.DataFrame(schema=schema)
    there = [pl.col(c).cast(t) if c in table.columns else pl.lit(None, t).alias(c) for c, t in schema.items()]
    return table.select(there)


def _of_imported(path: Path) -> list[Course]:
    """The runs of an imported folder; numbers that are none were left out when these were imported."""
    from rlaw.measurements.importers.imported import DOCUMENT
    from rlaw.store.files import read_json

    found = []
    for source in read_json(path / DOCUMENT)["sources"]:
        for run in source["runs"]:
            tables = [path / "runs" / run["folder"] / f"{name}.parquet" for name in ("steps", "evaluations")]
            steps, scores = (pl.read_parquet(file) if file.is_file() else pl.DataFrame() for file in tables)
            if len(scores) and run["score"] == "train":
                scores = scores.clear()  # the training reward, which stands in for a score
            elif len(scores):
                scores = scores.with_columns(score=1 - pl.col("test_loss"))
            found.append(
                Course(
                    run["run"],
                    str(path),
                    _shaped(steps, _STEPS).sort("step"),
                    _shaped(scores, _EVALUATIONS).drop_nulls(["step", "score"]).sort("step"),
                    run["model"],
                    run["params"],
                    over=run["state"] != "cut",
                    cause=run["cause"],
                    lag=1,
                )
            )
    return found
