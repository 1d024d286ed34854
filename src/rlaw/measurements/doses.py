"""Runs by arm and dose: how many answers of each run were right, with the items where they are known.

From a table of runs (`arm`, `dose`, `seed`, `correct`, `items`), a ledger with an arm and a dose for each answer, or
evaluations (a store, a log, a table), where the last evaluation of each run counts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from rlaw.errors import DataError, UsageError
from rlaw.measurements import datasets, ledger
from rlaw.measurements.columns import CURVE
from rlaw.measurements.frame import Frame
from rlaw.measurements.importers.table import READERS
from rlaw.measurements.load import load
from rlaw.measurements.raw import ROW, Note, Raw
from rlaw.text import listed

_TABLE = ("correct", "items", "seed", "benchmark", "step", "steps", "tau", "passes", "samples")
_OF_RUNS = ("data_size", "unique_data")


@dataclass(frozen=True, eq=False)
class DoseRun:
    """One run: its arm and dose, right answers of all that were asked, and those to each item where they are known.

    Attributes:
        share_I: the share of right answers to each item, all runs in the same order; None where items are not known.
    """

    arm: str
    dose: float
    right: float
    asked: float
    share_I: np.ndarray | None = None


@dataclass(frozen=True)
class Doses:
    """Runs by arm and dose.

    Attributes:
        runs: sorted by arm and dose.
        source: what they were read from.
        design: "equal steps", "equal passes", "crossed", or "" where the source does not say.
        notes: what was understood or left out.
    """

    runs: tuple[DoseRun, ...]
    source: str
    design: str
    notes: tuple[Note, ...] = ()


def read(
    data: Any,
    of: str | None = None,
    by: str = "arm",
    *,
    mapping: Mapping[str, str] | None = None,
    where: Mapping[str, Sequence[str]] | None = None,
) -> Doses:
    """The runs of a table, a ledger or evaluations.

    Args:
        data: the measurements, or where they are.
        of: the dose: a column of a table (`dose` when None), or "data_size" or "unique_data" of evaluations.
        by: the column that names the arm.
        mapping: renames columns, ours -> theirs.
        where: keeps the rows whose columns have one of these values.

    Raises:
        DataError: a column is missing, or a cell cannot be understood.
        UsageError: no dose is named, or several benchmarks are there.
    """
    is_table = isinstance(data, str | Path) and str(data) not in datasets.names()
    is_table = is_table and Path(data).suffix.lower() in READERS
    if isinstance(data, Frame) or not (is_table or not isinstance(data, str | Path)):
        return _of_frame(load(data, mapping=mapping), of or "data_size", by, where or {})
    raw = ledger.open_table(data, mapping or {}, (*_TABLE, "item", "outcome", "model", of or "dose", by))
    raw = ledger.named(raw, ("dose" if of is None else of, by, *_TABLE, "model"))
    columns = raw.rows.columns
    if "item" in columns:
        return _of_ledger(data, of or "dose", by, mapping, where)
    if {"step", "model"} & set(columns) and not {of or "dose", by, "correct", "items"} <= set(columns):
        return _of_frame(load(data, mapping=mapping), of or "data_size", by, where or {})
    return _of_table(ledger.filtered(raw, where or {}), of or "dose", by)


def _of_table(raw: Raw, of: str, by: str) -> Doses:
    for name in (by, of, "correct", "items"):
        if name not in raw.rows.columns:
            raise ledger.missing(raw, name)
    _one_benchmark(raw.rows, raw.source)
    columns = [ledger.names_of(raw, by, needed=True).rename("arm")]
    columns += [ledger.numbers(raw, name).rename(name) for name in ("correct", "items")]
    dose = ledger.numbers(raw, of).rename("dose")
    rows = pl.DataFrame([raw.rows[ROW], *columns, dose])
    for name, column in (("correct", "correct"), ("items", "items"), (of, "dose")):
        if (empty := rows[column].is_null()).any():
            raise raw.refuse(name, int(rows[ROW][int(empty.arg_max() or 0)]), "empty", "a number for every run")
    wrong = (rows["correct"] > rows["items"]) | (rows["items"] < 1)
    if wrong.any():
        at = rows.row(int(wrong.arg_max() or 0), named=True)
        what = f"{at['correct']:g} right answers of {at['items']:g}"
        raise raw.refuse("correct", at[ROW], what, "counts of right answers and of items, not shares")
    if "seed" in raw.rows.columns:
        keyed = rows.with_columns(seed=raw.rows["seed"].cast(pl.String))
        twice = keyed.filter(pl.struct("arm", "dose", "seed").is_duplicated() & pl.col("seed").is_not_null())
        if len(twice):
            at = twice.row(1, named=True)
            what = f"arm {at['arm']}, dose {at['dose']:g} and seed {at['seed']} stand twice"
            raise raw.refuse("seed", at[ROW], what, "a seed of its own for every run, or `where(column='value')`")
    made, notes = _without_zero(rows)
    runs = [DoseRun(r["arm"], r["dose"], r["correct"], r["items"]) for r in made.iter_rows(named=True)]
    return Doses(tuple(runs), raw.source, _design(raw.rows), (*raw.notes, *notes))


def _of_ledger(
    data: Any, of: str, by: str, mapping: Mapping[str, str] | None, where: Mapping[str, Sequence[str]] | None
) -> Doses:
    found = ledger.read(data, (by, of), mapping=mapping, where=where, optional=("seed",))
    _one_benchmark(found.rows.with_columns(pl.col("benchmark").cast(pl.String)), found.source)
    doses = found.rows[of].cast(pl.String).cast(pl.Float64, strict=False)
    if doses.null_count():
        wrong = found.rows[of].cast(pl.String).filter(doses.is_null())[0]
        raise DataError(f"{found.source}: column {of}: {wrong!r} is no number\n  next: a number for every dose")
    seed = pl.col("seed").cast(pl.String) if "seed" in found.rows.columns else pl.lit("")
    asked = found.rows.with_columns(pl.col(by).cast(pl.String).alias("arm"), dose=doses, seed=seed)
    asked = asked.filter(pl.col("outcome") != "not_attempted").with_columns(right=pl.col("outcome") == "right")
    asked, notes = _without_zero(asked)
    items = asked["item"].unique().sort()
    place = {name: n for n, name in enumerate(items)}
    runs = []
    for (arm, dose, _), rows in asked.group_by("arm", "dose", "seed", maintain_order=True):
        each = rows.group_by("item", maintain_order=True).agg(pl.col("right").mean())
        share = np.full(len(items), np.nan)
        share[[place[name] for name in each["item"]]] = each["right"].to_numpy()
        known = share if len(each) == len(items) else None
        runs.append(DoseRun(str(arm), float(dose), float(rows["right"].sum()), len(rows), known))  # pyright: ignore
    return Doses(tuple(sorted(runs, key=_place)), found.source, "", (*found.notes, *notes))


def _of_frame(frame: Frame, of: str, by: str, where: Mapping[str, Sequence[str]]) -> Doses:
    frame = frame.where(**{name: tuple(values) for name, values in where.items()}) if where else frame
    rows = frame.rows.with_columns(unique_data=pl.col("data_size") / pl.col("tau"))
    for name in (of, by):
        if name not in rows.columns or rows[name].null_count() == len(rows):
            has = listed([n for n in rows.columns if rows[n].null_count() < len(rows)])
            raise UsageError(
                f"{frame.source} has no {name}; it has {has}\n  next: `of=` data_size, unique_data, a column"
            )
    for name in ("variant", "benchmark", "model"):
        if name != by and rows[name].n_unique() > 1:
            there = rows[name].unique().sort().to_list()
            raise UsageError(
                f"{frame.source} holds several values of {name} ({listed(there)}); a dose curve is of one\n"
                f"  next: `where({name}='{there[0]}')`"
            )
    last = rows.sort("step").group_by(list(dict.fromkeys((*CURVE, by))), maintain_order=True).last()
    if last["items"].null_count():
        raise DataError(
            f"{frame.source}: the number of items is not known, and noise with it\n  next: a column `items`"
        )
    last = last.with_columns(arm=pl.col(by).cast(pl.String), dose=pl.col(of).cast(pl.Float64))
    last, notes = _without_zero(last)
    runs = []
    for row in last.iter_rows(named=True):
        asked = float(row["items"] * row["samples"])
        counts = None if row["correct"] is None else np.asarray(row["correct"], float)
        right = (1 - row["test_loss"]) * asked if counts is None else float(counts.sum())
        share = None if counts is None else counts / row["samples"]
        runs.append(DoseRun(row["arm"], row["dose"], right, asked, share))
    more = [*(Note(note.code, note.text) for note in frame.notes), *notes]
    return Doses(tuple(sorted(runs, key=_place)), frame.source, _design(last), tuple(more))


def _place(run: DoseRun) -> tuple[str, float, float, float]:
    return run.arm, run.dose, run.right, run.asked


def _without_zero(rows: pl.DataFrame) -> tuple[pl.DataFrame, list[Note]]:
    """The rows of a positive dose; a curve in logarithms has no place for the base."""
    kept = rows.filter(pl.col("dose") > 0)
    if len(kept) == len(rows):
        return kept.sort("arm", "dose", *[c for c in ("correct", "items") if c in kept.columns and c != "dose"]), []
    text = f"{len(rows) - len(kept)} rows of dose 0 have no place on a curve in ln dose, and are left out"
    return kept, [Note("dose-zero", text)]


def _one_benchmark(rows: pl.DataFrame, source: str) -> None:
    if "benchmark" in rows.columns and rows["benchmark"].n_unique() > 1:
        there = rows["benchmark"].unique().sort().to_list()
        raise UsageError(
            f"{source} holds several benchmarks ({listed(there)}); a dose curve is of one\n"
            f"  next: `where(benchmark='{there[0]}')`"
        )


def _design(rows: pl.DataFrame) -> str:
    """What was held equal while the dose varied."""
    steps = next((rows[name].n_unique() == 1 for name in ("steps", "step") if name in rows.columns), None)
    passes = next((rows[name].n_unique() == 1 for name in ("passes", "tau") if name in rows.columns), None)
    if steps is None and passes is None:
        return ""
    return "equal steps" if steps else "equal passes" if passes else "crossed"
