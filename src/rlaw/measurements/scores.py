"""Scores along the training of every run, beside a variable of its task: what thresholds are read off.

A table needs no model here: columns that name the task's variable and, perhaps, a group, with `seed`, `step` and
`score` (or `correct` and `items`, or a loss), or with intervals `low` and `high` that were read off already, a row for
each run. Stores and logs have what their frames have; a benchmark called `depth-3` gives depth 3.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from rlaw.errors import DataError, UsageError
from rlaw.measurements import datasets
from rlaw.measurements.casting import numbers
from rlaw.measurements.cleaning import counted
from rlaw.measurements.columns import CURVE, OURS, find, theirs
from rlaw.measurements.frame import SINGLE, Frame
from rlaw.measurements.importers import memory, table
from rlaw.measurements.load import load
from rlaw.measurements.measure import measured
from rlaw.measurements.raw import ROW, Note, Raw
from rlaw.text import listed

#: what a resource may be called
RESOURCES: dict[str, tuple[str, ...]] = {
    "compute": ("compute_flops", "compute", "flops"),
    "data": ("data_size", "data", "prompts"),
    "prompts": ("prompts", "data_size", "data"),
    "step": ("step", "steps"),
    "gpu-hours": ("gpu_hours", "gpu-hours"),
}
#: our own tables call the size of the pool `prompts`
_OF_A_FRAME = RESOURCES | {"prompts": ("data_size",), "data": ("data_size",)}
_GROUP, _VALUE, _PLACE = "group of the law", "variable of the law", "place on the axis"
_ENDS = ("low", "high")


@dataclass(frozen=True, eq=False)
class ScoredRun:
    """One run: a curve of scores, or the interval that was read off it.

    Attributes:
        name: to list it by.
        group: which law it belongs to; "" without groups.
        value: the task's variable.
        seed: what replicates differ in.
        x: (n,) the resource at each evaluation, rising; empty where `ends` is known.
        score: (n,) share of right answers.
        answers: (n,) answers that a score is the mean of; nan where unknown.
        ends: the resource at the evaluations before and after the crossing; the second infinite without one.
    """

    name: str
    group: str
    value: float
    seed: str
    x: np.ndarray
    score: np.ndarray
    answers: np.ndarray
    ends: tuple[float, float] | None = None


@dataclass(frozen=True, eq=False)
class Scores:
    """All runs, in the order of group, variable and seed.

    Attributes:
        runs: the runs.
        source: what they were read from.
        notes: what was understood, repaired or left out.
        digest: of the rows.
    """

    runs: tuple[ScoredRun, ...]
    source: str
    notes: tuple[Note, ...] = ()
    digest: str = ""


def read(
    data: Any,
    *,
    of: str,
    along: str,
    by: str | None = None,
    where: Mapping[str, Any] | None = None,
    mapping: Mapping[str, str] | None = None,
    format: str = "auto",
    measure: str | None = None,
) -> Scores:
    """The runs of a store, a log, a table or a frame.

    Args:
        data: where they are.
        of: the column of the task's variable, numbers above 0.
        along: the resource: compute, data, step, tokens, gpu-hours, or a column.
        by: the column that groups runs; one group when None.
        where: column -> value or values of the rows that count.
        mapping, format, measure: as in `rlaw.load`.

    Raises:
        NotFound: there is no such source.
        DataError: a column is missing, a cell cannot be read, or rows contradict each other.
        UsageError: an argument that makes no sense for these data.
    """
    raw = _table(data, of, mapping or {}, format)
    if raw is None:
        frame = _of_frame(data, of, along, mapping or {}, format, measure)
    else:
        frame = _of_table(raw, of, along, by, measure)
    frame = _marked(frame.where(**where or {}), of, by)
    read_off = _known if set(_ENDS) <= set(frame.rows.columns) else _curves
    runs, notes = read_off(frame, of)
    if not runs:
        reasons = "; ".join(note.text for note in notes) or "it has no rows"
        raise DataError(f"{frame.source}: no run can be used: {reasons}")
    ordered = tuple(sorted(runs, key=lambda run: (run.group, run.value, run.seed.zfill(20), run.name)))
    return Scores(ordered, frame.source, (*frame.notes, *notes), _digest(ordered))


def _table(data: Any, of: str, mapping: Mapping[str, str], format: str) -> Raw | None:
    """The table that has the variable as a column; None for everything that is read as a frame."""
    if isinstance(data, Frame) or format != "auto":
        return None
    if not isinstance(data, str | Path):
        return table.raw_of(memory.read(data), mapping, "the table")
    path = Path(data)
    if str(data) in datasets.names() or path.suffix.lower() not in table.READERS or not path.is_file():
        return None
    raw = table.read_raw(path, mapping)
    if find(OURS.get(of, of), raw.rows.columns, raw.source):
        return raw
    if {"model", "params", "benchmark"} & set(raw.rows.columns):
        return None  # names of benchmarks may have the variable
    raise _missing(raw, of, f"`of={of}`")


def _of_table(raw: Raw, of: str, along: str, by: str | None, measure: str | None) -> Frame:
    """The rows of a table with everything typed; `low` and `high`, where it has no scores but these."""
    columns = raw.rows.columns
    named = {
        OURS.get(name, name): _column(raw, OURS.get(name, name), what)
        for name, what in ((of, "of"), *([(by, "by")] if by else []))
    }
    ends = [find(name, columns, raw.source) for name in _ENDS]
    score = find("score", columns, raw.source)
    scored = score or any(find(name, columns, raw.source) for name in ("correct", "test_loss", "accuracy"))
    wanted = {theirs: ours for ours, theirs in named.items()}
    if all(ends) and not scored:
        wanted |= {str(theirs): ours for ours, theirs in zip(_ENDS, ends, strict=True)}
    else:
        place = next((c for name in RESOURCES.get(along, (along,)) if (c := find(name, columns, raw.source))), None)
        if place is None:
            raise _missing(raw, along, f"the resource {along}")
        rows = raw.rows.with_columns(pl.col(place).alias(_PLACE))
        raw = replace(raw.with_rows(rows), names={**raw.names, _PLACE: raw.name(place)})
        if score and "accuracy" not in columns:
            wanted[score] = "accuracy"
            measure = measure or "accuracy"
    wanted = {theirs: ours for theirs, ours in wanted.items() if theirs != ours and ours not in columns}
    names = {**raw.names, **{ours: raw.name(theirs) for theirs, ours in wanted.items()}}
    raw = replace(raw, rows=raw.rows.rename(wanted), names=names, measure=measure or "")
    if "model" not in raw.rows.columns:
        raw = raw.with_rows(raw.rows.with_columns(model=pl.lit("")))
    ready = set(_ENDS) <= set(raw.rows.columns) and _PLACE not in raw.rows.columns
    given = [c for c in (OURS.get(of, of), *(_ENDS if ready else (_PLACE,))) if c in raw.rows.columns]
    cast = {c: numbers(raw, c) for c in given}
    raw = counted(raw, scored=not ready)
    raw = raw.with_rows(raw.rows.with_columns(**cast))
    if not ready:
        raw = measured(raw)
        raw = raw.with_rows(raw.rows.drop(_ENDS, strict=False))
    return Frame(raw.rows, raw.source, notes=tuple(note for note in raw.notes if note.code != "accuracy"))


def _column(raw: Raw, name: str, option: str) -> str:
    """What a table calls a column that an option names."""
    found = find(name, raw.rows.columns, raw.source)
    if found is None:
        raise _missing(raw, name, f"`{option}={name}`")
    return found


def _missing(raw: Raw, name: str, what: str) -> DataError:
    there = listed([raw.name(column) for column in raw.rows.columns if column != ROW])
    return DataError(f"{raw.source}: no column for {what}; it has {there}\n  next: `mapping={{'{name}': 'THEIRS'}}`")


def _of_frame(data: Any, of: str, along: str, mapping: Mapping[str, str], format: str, measure: str | None) -> Frame:
    """The rows of a store, a log or a frame, with the place on the axis and the variable."""
    frame = load(data, mapping=mapping, format=format, measure=measure)
    rows, name = frame.rows, OURS.get(of, of)
    if name not in rows.columns:
        value = pl.col("benchmark").str.extract(rf"^{_plain(of)}-(\d+(?:\.\d+)?)$").cast(pl.Float64)
        rows = rows.with_columns(value.alias(name)).drop_nulls(name)
        if rows.is_empty():
            raise DataError(
                f"{frame.source} has no column {of}, and no benchmark is called {of}-1, {of}-2, …; it has "
                f"{listed(theirs(frame.rows.columns))}\n  next: `of=` with another column"
            )
    if not rows.schema[name].is_numeric():
        raise DataError(f"{frame.source}: column {of} holds {rows.schema[name]}, and numbers are needed")
    column = next((c for c in _OF_A_FRAME.get(along, (along,)) if c in rows.columns), None)
    if column is None and isinstance(data, str | Path) and (Path(data) / "study.json").is_file():
        from rlaw.measurements.importers.store import with_resource

        rows = with_resource(Path(data), rows, along)
        column = along if along in rows.columns else None
    if column is None or not rows.schema[column].is_numeric() or rows[column].null_count() == len(rows):
        there = [key for key, names in _OF_A_FRAME.items() if any(_has(rows, n) for n in names)]
        raise DataError(f"{frame.source} does not have the resource {along}\n  next: one that it has: {listed(there)}")
    placed = rows.with_columns(pl.col(column).cast(pl.Float64).alias(_PLACE), pl.col(name).cast(pl.Float64))
    return replace(frame, rows=placed.drop(_ENDS, strict=False))


def _has(rows: pl.DataFrame, column: str) -> bool:
    return column in rows.columns and rows[column].null_count() < len(rows)


def _plain(name: str) -> str:
    return "".join(c if c.isalnum() else f"\\{c}" for c in name)


def _marked(frame: Frame, of: str, by: str | None) -> Frame:
    """The rows of one question, with their group and variable under names of their own.

    Raises:
        UsageError: no column of that name; or several arms, variants, benchmarks, tau or group sizes of one question.
    """
    of, group = OURS.get(of, of), OURS.get(by or "", by)
    frame = frame if "arm" in (of, group) else frame.main()
    rows = frame.rows
    if group is not None and group not in rows.columns:
        raise UsageError(f"{frame.source} has no column {group!r} for `by=`; it has {listed(theirs(rows.columns))}")
    several = {name: rows[name].drop_nulls().unique().sort() for name in SINGLE if name not in (of, group)}
    from_names = "benchmark" in rows.columns and of not in frame.rows.columns
    for name, values in several.items():
        split = name == "benchmark" and rows.group_by("benchmark").agg(pl.col(of).n_unique())[of].max() == 1
        if len(values) > 1 and not from_names and not (split and rows[of].n_unique() == len(values)):
            raise UsageError(
                f"{frame.source} holds several values of {name} ({listed(values.to_list())}), and one is meant\n"
                f"  next: `where({name}='{values[0]}')`, or `by={name}`"
            )
    label = pl.lit("") if group is None else pl.col(group).cast(pl.String).str.strip_chars().fill_null("")
    return replace(frame, rows=rows.with_columns(label.alias(_GROUP), pl.col(of).alias(_VALUE)))


def _checked(frame: Frame, *needed: str) -> tuple[pl.DataFrame, list[Note]]:
    """The rows that can be used, and a note on those that cannot.

    Raises:
        DataError: a variable that is not above 0.
    """
    rows = frame.rows
    bad = rows.filter((pl.col(_VALUE) <= 0) | pl.col(_VALUE).is_infinite())
    if len(bad):
        raise DataError(
            f"{frame.source}: a run has {bad[_VALUE][0]:g} for the variable of the law, which must be above 0\n"
            "  next: count it from 1, or leave these rows out with `where=`"
        )
    kept = rows.filter(pl.all_horizontal(*(pl.col(c).is_finite().fill_null(value=False) for c in needed)))
    gone = len(rows) - len(kept)
    dropped = {**frame.dropped, **({"unusable": gone} if gone else {})}
    text = ", ".join(f"{n} ({reason})" for reason, n in dropped.items())
    return kept, [Note("rows-left-out", f"rows that were left out: {text}")] if dropped else []


def _known(frame: Frame, of: str) -> tuple[list[ScoredRun], list[Note]]:
    """Runs whose intervals were read off already; an empty or infinite `high` is a run that never got there."""
    rows, notes = _checked(frame, _VALUE)
    rows = rows.with_columns(pl.col("low").fill_null(0.0), pl.col("high").fill_null(math.inf))
    rows = rows.with_columns(pl.when(pl.col("high").is_nan()).then(math.inf).otherwise(pl.col("high")).alias("high"))
    wrong = rows.filter((pl.col("low") > pl.col("high")) | (pl.col("low") < 0) | (pl.col("low").is_infinite()))
    if len(wrong):
        raise DataError(
            f"{frame.source}: an interval from {wrong['low'][0]:g} to {wrong['high'][0]:g} is none\n"
            "  next: low is the last place below the threshold, high the first at it, empty where there is none"
        )
    nothing = rows.filter((pl.col("low") == 0) & pl.col("high").is_infinite())
    at_once = rows.filter(pl.col("high") == 0)
    if len(nothing) + len(at_once):
        text = f"runs that say nothing (high 0, or neither low nor high): {len(nothing) + len(at_once)}"
        notes.append(Note("runs-left-out", text))
    rows = rows.filter(~((pl.col("high") == 0) | ((pl.col("low") == 0) & pl.col("high").is_infinite())))
    before = len(rows)
    if rows["seed"].n_unique() > 1 or rows["run"].n_unique() > 1:
        rows = rows.unique([*_keys(rows), *_ENDS], keep="first")
    if len(rows) < before:
        notes.append(Note("repeated-rows", f"rows given twice, which count once: {before - len(rows)}"))
    none = np.zeros(0)
    ordered = rows.sort(*_keys(rows), *_ENDS, nulls_last=True).iter_rows(named=True)
    runs = []
    for row in ordered:
        about = _name(row, of), row[_GROUP], row[_VALUE], str(row["seed"])
        runs.append(ScoredRun(*about, none, none, none, (row["low"], row["high"])))
    return runs, notes


def _curves(frame: Frame, of: str) -> tuple[list[ScoredRun], list[Note]]:
    """Runs with their curves, in the order of their steps.

    Raises:
        DataError: a run has a step twice with other scores, or its resource falls.
    """
    rows, notes = _checked(frame, _VALUE, _PLACE, "test_loss")
    order = "step" if rows["step"].null_count() == 0 else _PLACE
    runs = []
    for rows_of_run in rows.partition_by(_keys(rows), maintain_order=True):
        own = rows_of_run.unique([order, _PLACE, "test_loss"]).sort(order, _PLACE)
        name = _name(own.row(0, named=True), of)
        x, loss = own[_PLACE].to_numpy(), own["test_loss"].to_numpy()
        twice = own.filter(pl.col(order).is_duplicated())
        if len(twice):
            raise DataError(
                f"{frame.source}: {name} has step {twice[order][0]:g} twice with other scores: "
                "are these several runs?\n  next: a column seed or run that tells them apart"
            )
        if x[0] < 0 or (np.diff(x) < 0).any():
            at = int(np.argmax(np.diff(x) < 0))
            raise DataError(
                f"{frame.source}: the resource of {name} falls from {x[at]:g} to {x[at + 1]:g}, or is negative: it "
                "counts from the start of a run\n  next: add up what was counted before, or another resource"
            )
        answers = (own["items"].cast(pl.Float64) * own["samples"].cast(pl.Float64)).fill_null(math.nan).to_numpy()
        first = own.row(0, named=True)
        runs.append(ScoredRun(name, first[_GROUP], first[_VALUE], str(first["seed"]), x, 1 - loss, answers))
    return runs, notes


def _keys(rows: pl.DataFrame) -> list[str]:
    return [_GROUP, _VALUE, *(c for c in CURVE if c in rows.columns)]


def _name(row: Mapping[str, Any], of: str) -> str:
    """A run by its own name, else by what it is of."""
    if row.get("run"):
        return str(row["run"])
    parts = [row[_GROUP], row.get("model") or "", f"{of} {row[_VALUE]:g}", f"seed {row['seed']}"]
    return ", ".join(part for part in parts if part)


def _digest(runs: tuple[ScoredRun, ...]) -> str:
    import hashlib

    hashed = hashlib.sha256()
    for run in runs:
        hashed.update(repr((run.group, run.value, run.seed, run.ends)).encode())
        hashed.update(run.x.tobytes() + run.score.tobytes())
    return hashed.hexdigest()[:12]
