"""Logs of any trainer as runs: which format a file is, which files of a folder are logs, which of them are one run."""

import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path
from types import MappingProxyType

import numpy as np
import polars as pl

from rlaw import units
from rlaw.errors import DataError, NotFound, UsageError
from rlaw.measurements import importers
from rlaw.measurements.importers import settings, table, text, workbook
from rlaw.measurements.importers.base import LogFormat
from rlaw.measurements.importers.inspect_eval import Inspect
from rlaw.measurements.importers.lm_eval import LmEval
from rlaw.measurements.importers.log import ImportedRun, Log, RunLog
from rlaw.measurements.importers.metrics_csv import MetricsCsv
from rlaw.measurements.importers.metrics_jsonl import MetricsJsonl
from rlaw.measurements.importers.mlflow import MlflowFiles, MlflowSqlite
from rlaw.measurements.importers.models import params_of_name
from rlaw.measurements.importers.names import called, trainer_of, with_mapping
from rlaw.measurements.importers.opencompass import OpenCompass
from rlaw.measurements.importers.pairs import Pairs
from rlaw.measurements.importers.printed import Printed
from rlaw.measurements.importers.reading import interpret
from rlaw.measurements.importers.tabled import Tabled
from rlaw.measurements.importers.tensorboard import TensorBoard
from rlaw.measurements.importers.trainer_state import TrainerState
from rlaw.measurements.importers.verifiers import Verifiers
from rlaw.measurements.importers.verl import VerlConsole
from rlaw.measurements.importers.wandb import WandbFile
from rlaw.measurements.raw import Note
from rlaw.text import columns_listed, listed

#: asked in this order; the console comes last, since it takes what nobody else knows
FORMATS: tuple[LogFormat, ...] = (
    *(WandbFile(), MlflowFiles(), MlflowSqlite(), TensorBoard(), TrainerState(), Inspect(), LmEval(), OpenCompass()),
    *(Verifiers(), MetricsCsv(), MetricsJsonl(), VerlConsole(), Printed(), Pairs()),
)
_OF_LINES = (MetricsJsonl.name, VerlConsole.name, Printed.name, Pairs.name)
_EVALUATED = (LmEval.name, Inspect.name, OpenCompass.name, Verifiers.name)
_NOT_LOGS = (
    *(".py", ".safetensors", ".pt", ".pth", ".bin", ".pkl", ".pickle", ".npy", ".npz", ".zip", ".tar", ".tgz", ".whl"),
    *(".yaml", ".yml", ".toml", ".md", ".png", ".svg", ".pdf", ".html", ".ipynb", ".sh", ".cfg", ".ini", ".lock"),
    *(".model", ".arrow", ".so"),
)
_SKIPPED = {".git", ".venv", "node_modules", "__pycache__", "site-packages"}
#: what trackers and trainers write beside a log: W&B's log of itself, summaries of the end
_BESIDE = (
    *("wandb-summary.json", "wandb-metadata.json", "final_summary.json", "all_results.json", "train_results.json"),
    *("eval_results.json", "checkpoints.jsonl"),
)
_OF_WANDB = ("debug.log", "debug-internal.log", "debug-core.log", "debug-cli.log")
_CHECKPOINT = re.compile(r"checkpoint-\d+")
_WANDB_RUN = re.compile(r"(offline-)?run-\d{8}_\d{6}-\w+")
_CLOSE = 2e-3  # of a reward: two views of one run print it in different resolutions
_LOOKED_AT = 10_000  # rewards of a run, for the digits of its numbers
_SHARED = 0.9  # of the steps that two views share


@dataclass(frozen=True)
class Source:
    """One log and the runs in it.

    Attributes:
        runs: none where another source shows the same runs more finely.
    """

    log: Log
    runs: tuple[ImportedRun, ...]
    notes: tuple[Note, ...] = ()

    @property
    def rows(self) -> dict[str, int | dict[str, int]]:
        """Entries read, used, and dropped by reason."""
        dropped = dict(self.log.dropped)
        for run in self.runs:
            for reason, n in run.dropped.items():
                dropped[reason] = dropped.get(reason, 0) + n
        read = sum(len(run.entries) for run in self.log.runs) + sum(self.log.dropped.values())
        if not self.runs:
            dropped["other_view"] = read - sum(dropped.values())
        return {"in": read, "out": read - sum(dropped.values()), "dropped": {k: n for k, n in dropped.items() if n}}


def get(name: str) -> LogFormat:
    """A format by its name, or that of a user: as registered, or a reference such as `file.py:IMPORTER`.

    Raises:
        NotFound: there is none of that name.
        UsageError: it is no importer.
    """
    ours = next((one for one in FORMATS if one.name == name), None)
    return ours or _as_format(importers.get(name))


def formats() -> tuple[LogFormat, ...]:
    """All formats in the order in which they are asked: those that installed packages register come first."""
    return (*map(_as_format, importers.registered()), *FORMATS)


def _as_format(importer: "importers.Importer | LogFormat") -> LogFormat:
    return importer if isinstance(importer, LogFormat) else Tabled(importer, importer.name)


def format_of(path: Path, among: Sequence[LogFormat] | None = None) -> LogFormat | None:
    """The format that recognises a file or folder; None when none does.

    Raises:
        DataError: the file cannot be read.
    """
    if path.is_file() and path.stat().st_size == 0:
        return None
    kinds = formats() if among is None else among
    try:
        if path.is_file() and not text.is_text(path):
            kinds = [kind for kind in kinds if kind.name not in _OF_LINES]
        return next((one for one in kinds if one.recognises(path)), None)
    except OSError as error:
        raise _unreadable(path, error) from error


@dataclass(frozen=True)
class _Unread:
    """A file of a folder that cannot be read: whether it is a log is not known."""

    error: DataError
    name: str = "unreadable"

    def recognises(self, path: Path) -> bool:
        return True

    def log(self, path: Path) -> Log:
        raise self.error


def _unreadable(path: Path, error: OSError) -> DataError:
    return DataError(f"{path}: cannot be read: {error.strerror or error}")


def read(
    paths: Sequence[Path],
    format: str = "auto",
    models: Mapping[str, str] | None = None,
    items: int | None = None,
    mapping: Mapping[str, str] | None = None,
) -> list[Source]:
    """The runs of logs.

    Args:
        paths: files, or folders that are walked.
        format: "auto", by their content, or a format's name.
        models: sizes by run, as `--model` gives them; under "" that of every other run.
        items: problems of an evaluation, where the log does not say.
        mapping: names of the log, by ours: `reward`, `tokens`, `step` or a benchmark's name for a held-out score.

    Raises:
        NotFound: there is no such file, or no log in a folder.
        DataError: a file that is no log, or cannot be read.
        UsageError: a size that is none.
    """
    sources, damaged = [], []
    for path in paths:
        for file, kind in found(path, format):
            try:
                sources.append(source_of(file, kind, mapping or {}))
            except DataError as error:
                if file == path:
                    raise
                damaged.append((file, kind, error))
    if damaged and not sources:
        raise damaged[0][2]
    for file, kind, error in damaged:  # the others of a folder are read
        note = Note("unreadable", f"left out: {str(error).partition(chr(10))[0].removeprefix(f'{file}: ')}")
        sources.append(Source(Log(file, kind.name, "", ()), (), (note,)))
    _check_mapping(sources, mapping or {})
    named = _named(_views(_telling(_checkpoints(_event_files(sources, mapping or {})), paths)))
    _check_models([run.name for source in named for run in source.runs], models or {})
    sized = [tuple(_sized(run, models or {}, items) for run in source.runs) for source in named]
    return [replace(source, runs=runs) for source, runs in zip(named, sized, strict=True)]


def source_of(file: Path, kind: LogFormat, mapping: Mapping[str, str] = MappingProxyType({})) -> Source:
    """A log and its runs.

    Raises:
        DataError: it cannot be read.
    """
    wanted = replace(kind, wanted=frozenset(mapping.values())) if isinstance(kind, MetricsJsonl) else kind
    try:
        log = wanted.log(file)
    except OSError as error:
        raise _unreadable(file, error) from error
    names = with_mapping(called(log.trainer), mapping)
    logged = [replace(run, entries=_restepped(run.entries, mapping)) for run in log.runs]
    return Source(log, tuple(interpret(run, names) for run in logged), log.notes)


def _check_mapping(sources: list[Source], mapping: Mapping[str, str]) -> None:
    """Refuse names that no log has."""
    there = {column for source in sources for run in source.log.runs for column in run.entries.columns}
    if missing := [theirs for theirs in mapping.values() if theirs not in there]:
        raise UsageError(f"no log has {listed(missing)}; there are {columns_listed(sorted(there))}")


def _check_models(names: list[str], models: Mapping[str, str]) -> None:
    """Refuse sizes of runs that are not there."""
    if missing := [run for run in models if run and run not in names]:
        raise UsageError(f"--model {missing[0]}={models[missing[0]]}: no run is called so; there are {listed(names)}")


def _restepped(entries: pl.DataFrame, mapping: Mapping[str, str]) -> pl.DataFrame:
    """The entries with the counter of steps that was named."""
    theirs = mapping.get("step")
    if theirs is None or theirs not in entries.columns:
        return entries
    return entries.with_columns(step=pl.col(theirs).cast(pl.Int64, strict=False))


def found(path: Path, format: str = "auto") -> list[tuple[Path, LogFormat]]:
    """The logs at a path, each with its format.

    Raises:
        NotFound: there is nothing, or no log in a folder.
        DataError: a file that no format recognises.
    """
    table.check_kind(path)
    kind = None if format == "auto" else get(format)
    among = formats() if kind is None else (kind,)
    if path.is_file() or _is_whole(path, kind):
        kind = kind or format_of(path, among)
        if kind is None:
            raise DataError(not_a_log(path))
        return [(path, kind)]
    logs = []
    for folder, folders, files in os.walk(path, followlinks=False):
        here = Path(folder)
        folders[:] = sorted(f for f in folders if f not in _SKIPPED and not (here / f).is_symlink())
        for whole in [f for f in folders if _is_whole(here / f, kind)]:
            logs.append((here / whole, format_of(here / whole, among)))
            folders.remove(whole)
        for name in sorted(files):
            file = here / name
            if file.suffix == ".xlsx" and not workbook.is_readable():
                continue
            if name in _BESIDE or (name in _OF_WANDB and "wandb" in file.parts):
                continue
            if file.is_symlink() or not file.is_file() or text.bare(file).endswith(_NOT_LOGS):
                continue
            try:
                logs.append((file, format_of(file, among)))
            except DataError as error:  # no log of ours, unless nobody may read it
                logs += [(file, _Unread(error))] if isinstance(error.__cause__, OSError) else []
    logs = [(file, of_file) for file, of_file in logs if of_file is not None]
    if all(isinstance(of_file, _Unread) for _, of_file in logs):
        links = " (links are not followed)" if any(p.is_symlink() for p in path.iterdir()) else ""
        raise NotFound(
            f"{path}: no log of a known format is in it{links}\n  next: give the file of the log, or --format NAME"
        )
    return logs


def _is_whole(path: Path, kind: LogFormat | None) -> bool:
    """Whether a folder is itself one log."""
    return MlflowFiles().recognises(path) and (kind is None or kind.name == MlflowFiles.name)


def not_a_log(path: Path) -> str:
    """What to say of a file that no format recognises."""
    return (
        f"{path}: no log of a known format ({', '.join(one.name for one in FORMATS)})\n"
        f"  next: --format NAME where it is one of them; a table of evaluations is read by `rlaw fit` as it is"
    )


def _sized(run: ImportedRun, models: Mapping[str, str], items: int | None) -> ImportedRun:
    """The run with its number of parameters, and the items that were given."""
    given = models.get(run.name, models.get(""))
    if given is not None:
        params, model, source = units.parse(given, "count"), run.model, "given"
        run = replace(run, params=params, model=model or given, params_from=source)
    elif run.params is None and run.model is not None and (known := params_of_name(run.model)) is not None:
        run = replace(run, params=known[0], params_from=known[1])
    if items is not None:
        run = replace(run, evaluations=run.evaluations.with_columns(pl.col("items").fill_null(items)))
    return run


def _event_files(sources: list[Source], mapping: Mapping[str, str]) -> list[Source]:
    """TensorBoard's files of one folder as one run: a resumed run begins another file, and evaluations may have one."""
    merged: list[Source] = []
    folders: dict[Path, list[Source]] = {}
    for source in sources:
        if source.log.format == TensorBoard.name and source.log.path.is_file():
            folders.setdefault(source.log.path.parent, []).append(source)
        else:
            merged.append(source)
    for folder, group in folders.items():
        if len(group) == 1:
            merged.append(group[0])
            continue
        group.sort(key=lambda source: source.log.path.name)  # the name begins with the time
        logged = [source.log.runs[0] for source in group]
        entries = logged[0].entries
        for run in logged[1:]:
            entries = _with_tags(entries, run.entries)
        facts = reduce(settings.merged, (run.facts for run in logged))
        log = group[0].log
        run = replace(logged[0], entries=entries, facts=facts)
        names = trainer_of(entries.columns)
        dropped = dict(sum((Counter(source.log.dropped) for source in group), Counter()))
        log = replace(log, path=folder, trainer=names.trainer, runs=(run,), dropped=dropped)
        notes = tuple(note for source in group for note in source.notes)
        merged.append(Source(log, (interpret(run, with_mapping(names, mapping)),), notes))
    return merged


def _with_tags(entries: pl.DataFrame, more: pl.DataFrame) -> pl.DataFrame:
    """Entries with those of a later file: beside them where it has other tags, below them where it has the same."""
    if set(entries.columns) & set(more.columns) == {"step"}:
        return entries.join(more, on="step", how="full", coalesce=True, maintain_order="left_right").sort("step")
    return pl.concat([entries, more], how="diagonal_relaxed")


def _telling(sources: list[Source], paths: Sequence[Path]) -> list[Source]:
    """The sources without files of a folder that hold neither rewards nor scores and say nothing of a run either."""
    if not any(len(run.steps) or len(run.evaluations) for source in sources for run in source.runs):
        return sources
    return [source for source in sources if source.log.path in paths or _says_something(source)]


def _says_something(source: Source) -> bool:
    codes = {note.code for note in source.notes} | {note.code for run in source.runs for note in run.notes}
    used = any(len(run.steps) or len(run.evaluations) or run.cause for run in source.runs)
    return used or bool(codes & {"not-rl", "no-history", "damaged", "unreadable"})


def _checkpoints(sources: list[Source]) -> list[Source]:
    """Results of several checkpoints of one model, as one run."""
    merged: list[Source] = []
    ladder: dict[tuple[str, str, Path], list[tuple[Source, RunLog]]] = {}
    for source in sources:
        if source.log.format not in _EVALUATED:
            merged.append(source)
            continue
        folder = source.log.path.parent if source.log.format == LmEval.name else Path()
        for run in source.log.runs:
            ladder.setdefault((source.log.format, run.name, folder), []).append((source, run))
    for group in ladder.values():
        sources_of, runs = zip(*group, strict=True)
        logs = [source.log for source in sources_of]
        tables = pl.concat([run.entries for run in runs], how="diagonal_relaxed").sort("step", nulls_last=True)
        if tables["step"].null_count() == 0:  # benchmarks of one checkpoint stand in files of their own
            tables = tables.group_by("step", maintain_order=True).agg(pl.all().drop_nulls().last())
        facts = replace(runs[0].facts, items={k: v for run in runs for k, v in run.facts.items.items()})
        whole = replace(runs[0], entries=tables, facts=facts)
        run = replace(interpret(whole, called("")), name=whole.name, notes=())
        paths = {log.path for log in logs}
        path = logs[0].path if len(paths) == 1 else Path(os.path.commonpath([p.parent for p in paths]))
        notes = tuple(note for source in sources_of for note in source.notes)
        dropped = logs[0].dropped if run.name == logs[0].runs[0].name else {}
        merged.append(Source(replace(logs[0], path=path, runs=(whole,), dropped=dropped), (run,), notes))
    return merged


def _views(sources: list[Source]) -> list[Source]:
    """Sources of which none shows a run that another shows more finely."""
    kept = list(sources)
    if len(sources) < 2:
        return kept
    order = sorted(range(len(sources)), key=lambda i: _fineness(sources[i]), reverse=True)
    winners: list[int] = []
    for i in order:
        source = sources[i]
        better = next((w for w in winners if _same(sources[w], source)), None)
        if better is None:
            winners.append(i)
            continue
        kept[better] = _with_facts_of(kept[better], source)
        text = f"the run of {sources[better].log.path} again: {_compared(sources[better], source)}"
        kept[i] = replace(source, runs=(), notes=(*source.notes, Note("same-run", text)))
    return kept


def _with_facts_of(source: Source, other: Source) -> Source:
    """A source with what another view of its run says and it does not."""
    (run,), (more,) = source.runs, other.runs
    if run.model is None and run.params is None:
        run = replace(run, model=more.model, params=more.params, params_from=more.params_from)
    prompts, group = run.prompts or more.prompts, run.group_size or more.group_size
    items = dict(more.evaluations.select("benchmark", "items").drop_nulls().iter_rows())
    scores = run.evaluations
    if items:
        known = pl.col("benchmark").replace_strict(items, default=None, return_dtype=pl.Int64)
        scores = scores.with_columns(pl.col("items").fill_null(known))
    return replace(source, runs=(replace(run, prompts=prompts, group_size=group, evaluations=scores),))


def _fineness(source: Source) -> tuple[int, int, bool]:
    """How many training rows and digits a source has, and whether its steps are its own."""
    rewards = [run.steps["reward_mean"].drop_nulls() for run in source.runs]
    digits = [len(repr(value)) for own in rewards for value in own.head(_LOOKED_AT).to_list()]
    return sum(map(len, rewards)), sum(digits), source.log.format != "console"


def _same(one: Source, other: Source) -> bool:
    """Whether two sources show the same one run: rewards that agree and are not all alike."""
    if len(one.runs) != 1 or len(other.runs) != 1:
        return False
    if _of_one_wandb_run(one.log.path, other.log.path):
        return True
    a, b = _shared(one.runs[0], other.runs[0])
    if len(a) == 0 or len(a) < 0.5 * min(len(one.runs[0].steps), len(other.runs[0].steps)):
        return False
    close = np.abs(a - b) <= _CLOSE * np.maximum(1e-3, np.abs(a)) + 5e-4
    near = os.path.commonpath([one.log.path.absolute(), other.log.path.absolute()])
    parents = (one.log.path.absolute().parent, other.log.path.absolute().parent)
    checkpoints = all(_CHECKPOINT.fullmatch(p.name) for p in parents) and parents[0].parent == parents[1].parent
    folder = Path(near) in parents or checkpoints
    return bool(close.mean() >= _SHARED) and (len(np.unique(a)) >= 3 or folder)


def _of_one_wandb_run(one: Path, other: Path) -> bool:
    """Whether two files lie in W&B's folder of one run."""
    folders = [{p for p in path.absolute().parents if _WANDB_RUN.fullmatch(p.name)} for path in (one, other)]
    return bool(folders[0] & folders[1])


def _shared(one: ImportedRun, other: ImportedRun) -> tuple[np.ndarray, np.ndarray]:
    """The rewards of two runs at the steps that both have."""
    both = one.steps.select("step", a="reward_mean").join(other.steps.select("step", b="reward_mean"), on="step")
    both = both.drop_nulls()
    return both["a"].to_numpy(), both["b"].to_numpy()


def _compared(one: Source, other: Source) -> str:
    a, b = _shared(one.runs[0], other.runs[0])
    apart = float(np.abs(a - b).max()) if len(a) else 0.0
    missing = len(other.runs[0].steps) - len(a)
    more = f", and {missing} steps that the finer view lacks" if missing else ""
    return f"{len(a)} shared steps, rewards at most {apart:.2g} apart{more}"


def _named(sources: list[Source]) -> list[Source]:
    """The sources with names of runs that differ: the folder stands before a name that occurs twice."""
    names = [run.name for source in sources for run in source.runs]
    taken: dict[str, int] = {}
    named = []
    for source in sources:
        runs = []
        for run in source.runs:
            name = run.name if names.count(run.name) == 1 else f"{source.log.path.absolute().parent.name}-{run.name}"
            taken[name] = taken.get(name, 0) + 1
            runs.append(replace(run, name=name if taken[name] == 1 else f"{name}-{taken[name]}"))
        named.append(replace(source, runs=tuple(runs)))
    return named


def evaluations(runs: Iterable[ImportedRun], score: str = "held-out") -> tuple[pl.DataFrame, list[Note]]:
    """The scores of runs as a table of measurements: a loss for each score.

    Args:
        runs: of any sources.
        score: "held-out", or "train" to let the training reward stand in.

    Raises:
        DataError: no run has a score.
    """
    tables, notes = [], []
    for run in runs:
        scores = run.evaluations if score == "held-out" else _training_scores(run)
        scores, found_notes = _as_shares(run, scores)
        notes += found_notes
        tokens = run.steps.select("step", tokens=pl.col("tokens").cum_sum())
        spent = scores.sort("step").join_asof(tokens.sort("step"), on="step", strategy="backward")
        known = pl.when(pl.col("step") == 0).then(0.0).otherwise(pl.col("tokens"))
        tables.append(spent.with_columns(
            run=pl.lit(run.name), model=pl.lit(run.model or None, pl.String), params=pl.lit(run.params, pl.Float64),
            prompts=pl.lit(run.prompts, pl.Int64), group_size=pl.lit(run.group_size, pl.Int64),
            data_size=pl.col("step") * pl.lit(run.prompts, pl.Float64),
            tokens=known, test_loss=1 - pl.col("score"),
        ).drop("score"))  # fmt: skip
    table = pl.concat(tables, how="diagonal_relaxed") if tables else pl.DataFrame()
    if table.is_empty():
        raise DataError(_no_scores(score))
    return table, notes


def _no_scores(score: str) -> str:
    if score == "train":
        return "no run has a training reward between 0 and 1\n  next: rlaw import --dry-run shows what was read"
    return "no run has a held-out score\n  next: --score train lets the training reward stand in; later output says so"


def _training_scores(run: ImportedRun) -> pl.DataFrame:
    """Training rewards as scores of the weights that earned them."""
    steps = run.steps.with_columns(step=(pl.col("step") - run.lag).clip(0))
    return steps.select(
        benchmark=pl.lit("training reward"), step="step", score="reward_mean", items=pl.lit(None, pl.Int64)
    )


def _as_shares(run: ImportedRun, scores: pl.DataFrame) -> tuple[pl.DataFrame, list[Note]]:
    """The scores as shares of 1: percent divided, what is no share left out, both said."""
    notes, kept = [], []
    for (benchmark,), own in scores.group_by("benchmark", maintain_order=True):
        values = own["score"].drop_nulls()
        low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 0.0)  # pyright: ignore[reportArgumentType]
        where = f"{run.name}, {benchmark}"
        if 1 < high <= 100 and low >= 0 and float(values.median()) > 1:  # pyright: ignore[reportArgumentType]
            notes.append(Note("percent", f"{where}: scores from {low:g} to {high:g} are taken for percent"))
            kept.append(own.with_columns(pl.col("score") / 100))
        elif low < 0 or high > 1:
            notes.append(
                Note("no-share", f"{where}: scores from {low:g} to {high:g} are no shares of right answers; left out")
            )
        else:
            kept.append(own)
    return (pl.concat(kept) if kept else scores.clear()), notes
