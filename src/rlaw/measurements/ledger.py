"""A ledger: what became of every question put to every system, with the time, tokens and money it took.

A failed item is never a wrong one. Whatever a table writes for it (an outcome, a null, the text of an exception where a
verdict should be), each answer has one of `OUTCOMES`, and what was understood is among the ledger's notes.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from rlaw.errors import DataError, UsageError
from rlaw.measurements.casting import MISSING, number
from rlaw.measurements.columns import find
from rlaw.measurements.importers import bounds, memory, table
from rlaw.measurements.importers.base import Read
from rlaw.measurements.raw import ROW, Note, Raw
from rlaw.text import listed

#: what can become of a question; the first two are completed answers
OUTCOMES = ("right", "wrong", "unparsed", "cut", "timeout", "error", "not_attempted")
#: what is spent on an answer, and its unit
COSTS = ("seconds", "tokens", "usd")
_LARGE = 10_000_000  # bytes of JSON lines that are read at once
_SAMPLE = ("sample", "epoch", "seed", "run")
_ANSWERS = ("predicted", "prediction", "predicted_answer", "model_answer", "answer", "response", "output", "completion")
_NAMES = ("benchmark", "item", "outcome", "correct", "attempt", "prompt_tokens", "completion_tokens", *COSTS, *_SAMPLE)
_OTHERWISE = {"correct": ("is_correct",), "item": ("item_id",)}
_WORDS = {
    "right": ("right", "correct", "true", "t", "yes", "pass", "passed", "solved", "1", "1.0"),
    "wrong": ("wrong", "incorrect", "false", "f", "no", "0", "0.0"),
    "unparsed": (
        *(
            "unparsed",
            "unparseable",
            "unparsable",
            "not parsed",
            "parse error",
            "parsing error",
            "no answer",
            "invalid",
        ),
        *("extraction failed", "failed extraction", "no extraction", "format error"),
    ),
    "cut": ("cut", "cut off", "truncated", "length", "max tokens", "token limit", "context length", "max length"),
    "timeout": ("timeout", "time out", "timed out", "time limit"),
    "error": ("error", "errored", "exception", "crash", "crashed", "api error", "runtime error"),
    "not_attempted": ("not attempted", "unattempted", "skipped", "not run", "not asked", "pending"),
}
_MEANING = {word: outcome for outcome, words in _WORDS.items() for word in words}
_TIMEOUT = r"(?i)time(?:d)?[ -]?out"
_ERROR = r"(?i)^\W*(?:\w+\.)*\w*(?:error|exception|traceback)\b"


@dataclass(frozen=True)
class Ledger:
    """Answers, sorted, so that no result depends on the order they came in.

    Attributes:
        rows: a row for each answer: the columns that were asked for, `benchmark` and `item` (enums, in alphabetical
            order), `sample` (text), `outcome` (an enum of `OUTCOMES`), `seconds`, `tokens` and `usd` (null where
            unknown).
        source: what it was read from.
        notes: what was understood or repaired.
    """

    rows: pl.DataFrame
    source: str
    notes: tuple[Note, ...] = ()


def read(
    data: Any,
    by: Sequence[str] = ("system",),
    *,
    mapping: Mapping[str, str] | None = None,
    where: Mapping[str, Sequence[str]] | None = None,
    optional: Collection[str] = (),
) -> Ledger:
    """The ledger in a CSV, JSONL or Parquet file, or in a polars or pandas frame.

    Args:
        data: the table, or where it is.
        by: columns beside `benchmark` and `item` that every answer must have.
        mapping: renames columns, ours -> theirs.
        where: keeps the rows whose columns have one of these values.
        optional: columns that are kept where the table has them.

    Raises:
        NotFound, DataError: there is no such table, a column is missing, or a cell cannot be understood.
        UsageError: the mapping or the condition names a column that is not there.
    """
    raw = open_table(data, mapping or {}, (*_NAMES, *_ANSWERS, "error", *by, *optional))
    raw = filtered(named(raw, (*by, *optional)), where or {})
    if raw.rows.is_empty():
        raise DataError(f"{raw.source}: no rows\n  next: a row for each answer: {', '.join(by)}, item, outcome")
    keys = [name for name in (*by, *optional) if name in raw.rows.columns and name != "benchmark"]
    for name in dict.fromkeys((*by, "item")):
        if name not in raw.rows.columns:
            raise missing(raw, name)
    outcome, notes = _outcomes(raw)
    rows = raw.rows.select(
        ROW,
        *(names_of(raw, name, needed=name in by) for name in keys),
        names_of(raw, "benchmark", needed="benchmark" in by)
        if "benchmark" in raw.rows.columns
        else pl.lit("").alias("benchmark"),
        names_of(raw, "item", needed=True),
        _sample(raw.rows),
        outcome,
        *_costs(raw),
        *([numbers(raw, "attempt")] if "attempt" in raw.rows.columns else []),
    )
    rows, more = _one_each(raw, rows, [*keys, "benchmark", "item"])
    rows = rows.with_columns(_coded(rows[name]) for name in (*keys, "benchmark", "item"))  # which sort fast
    rows = rows.with_columns(pl.col("outcome").cast(pl.Enum(OUTCOMES)))
    return Ledger(rows.sort(*rows.columns), raw.source, (*raw.notes, *notes, *more))


def _coded(names: pl.Series) -> pl.Series:
    """Names as the numbers of their alphabetical order."""
    return names.cast(pl.Enum(names.unique().sort()))


def open_table(data: Any, mapping: Mapping[str, str], wanted: Collection[str]) -> Raw:
    """A table as it was read, with the columns that are wanted."""
    if not isinstance(data, str | Path):
        return table.raw_of(memory.read(data), mapping, "the table")
    path = Path(data)
    if path.suffix.lower() in (".jsonl", ".ndjson") and not any("/" in name for name in mapping.values()):
        table.check_kind(path)
        if path.is_file() and _LARGE <= path.stat().st_size <= bounds.MEMORY_BYTES:
            with suppress(pl.exceptions.PolarsError):  # the reader of small files says what is wrong, and where
                rows = pl.read_ndjson(path, infer_schema_length=None)  # all types are looked at before any is read
                return table.raw_of(Read(rows, lambda index: f"record {index + 1}"), mapping, str(path))
    return table.read_raw(path, mapping, wanted)


def named(raw: Raw, keys: Collection[str]) -> Raw:
    """The table with our names for its columns, in whatever letter case they are written."""
    names = {}
    for name in dict.fromkeys((*_NAMES, *_ANSWERS, "error", *keys)):
        there = [column for column in raw.rows.columns if column not in (ROW, *names.values())]
        found = next((c for one in (name, *_OTHERWISE.get(name, ())) if (c := find(one, there, raw.source))), None)
        if found is not None:
            names[name] = found
    rows = raw.rows.rename({theirs: ours for ours, theirs in names.items()})
    return Raw(rows, raw.source, raw.place, {**raw.names, **{o: t for o, t in names.items() if o != t}}, raw.notes)


def missing(raw: Raw, name: str) -> DataError:
    """The refusal of a table without a column."""
    there = [raw.name(column) for column in raw.rows.columns if column != ROW]
    return DataError(
        f"{raw.source}: no column {name}; it has {listed(there) or 'no columns'}\n"
        f"  next: name it with `mapping={{'{name}': '{there[0] if there else 'THEIRS'}'}}`, or another of them"
    )


def filtered(raw: Raw, where: Mapping[str, Sequence[str]]) -> Raw:
    """The rows whose columns have one of these values."""
    rows = raw.rows
    for name, values in where.items():
        if name not in rows.columns:
            there = [raw.name(column) for column in rows.columns if column != ROW]
            raise UsageError(f"{raw.source} has no column {name!r}; it has {listed(there)}")
        kept = rows.filter(pl.col(name).cast(pl.String).fill_null("").is_in(list(values)))
        if kept.is_empty():
            there = rows[name].cast(pl.String).fill_null("").unique().sort().to_list()
            raise UsageError(f"{raw.source}: no row has {name} = {', '.join(values)}; it is one of {listed(there, 12)}")
        rows = kept
    return raw.with_rows(rows)


def names_of(raw: Raw, name: str, *, needed: bool) -> pl.Series:
    """A column of names as text; 3.0 is named 3."""
    column = raw.rows[name]
    if column.dtype.is_float() and (column.drop_nulls() == column.drop_nulls().floor()).all():
        column = column.cast(pl.Int64, strict=False)
    if column.dtype.is_nested():
        raise DataError(f"{raw.source}: column {raw.name(name)} holds lists, and names were expected")
    text = column.cast(pl.String).str.strip_chars()
    empty = text.is_null() | (text == "")
    if needed and empty.any():
        row = int(raw.rows[ROW][int(empty.arg_max() or 0)])
        raise raw.refuse(
            name, row, "empty", f"every answer needs its {name}: {int(empty.sum())} of {len(text)} have none"
        )
    return text.fill_null("")


def _benchmark(raw: Raw, *, needed: bool) -> pl.Series | pl.Expr:
    there = needed or "benchmark" in raw.rows.columns
    return names_of(raw, "benchmark", needed=needed) if there else pl.lit("").alias("benchmark")


def _sample(rows: pl.DataFrame) -> pl.Expr:
    """What tells several answers to one item apart; null where no column does."""
    there = [pl.col(name).cast(pl.String).fill_null("") for name in _SAMPLE if name in rows.columns]
    return pl.concat_str(there, separator="/").alias("sample") if there else pl.lit(None, pl.String).alias("sample")


def _outcomes(raw: Raw) -> tuple[pl.Series, list[Note]]:
    """The outcome of every row, and what was understood to find it."""
    rows, notes = raw.rows, list[Note]()
    if "outcome" in rows.columns:
        outcome = _meaning(raw, "outcome", None)
        if "correct" in rows.columns:
            _agree(raw, outcome)
        return outcome, notes
    if "correct" not in rows.columns:
        raise missing(raw, "outcome, and no column correct")
    outcome = _meaning(raw, "correct", "unparsed")
    failed = outcome.is_in(["unparsed", "error", "timeout", "cut"])
    if failed.any():
        text = f"{int(failed.sum())} cells of {raw.name('correct')} hold no verdict ({_counts(outcome.filter(failed))})"
        notes.append(Note("no-verdict", f"{text}: failures, not wrong answers"))
    found = _unsaid(raw, outcome)
    changed = found != outcome
    if changed.any():
        text = f"{int(changed.sum())} rows are marked wrong, and hold no answer ({_counts(found.filter(changed))})"
        notes.append(Note("failure-marked-wrong", f"{text}: failures, not wrong answers"))
    return found, notes


def _counts(outcome: pl.Series) -> str:
    return ", ".join(f"{name} {int((outcome == name).sum())}" for name in OUTCOMES if (outcome == name).any())


def _meaning(raw: Raw, name: str, empty: str | None) -> pl.Series:
    """A column of verdicts as outcomes; `empty` is that of a cell without one, which is refused when None."""
    column = raw.rows[name]
    if column.dtype.is_nested():
        what = "a list of verdicts in one cell: a ledger has a row for each answer"
        raise DataError(f"{raw.source}: column {raw.name(name)}: {what}")
    text = column.cast(pl.String)
    known = {cell: _of_word(cell, empty) for cell in text.unique().drop_nulls()}
    if unknown := [cell for cell, outcome in known.items() if outcome is None]:
        place = int(text.is_in(unknown).arg_max() or 0)
        raise raw.refuse(name, int(raw.rows[ROW][place]), f"{listed([text[place]])!r} is no outcome", _ONE_OF)
    if empty is None and text.is_null().any():
        raise raw.refuse(name, int(raw.rows[ROW][int(text.is_null().arg_max() or 0)]), "empty", _ONE_OF)
    return text.replace_strict(known, default=empty, return_dtype=pl.String).fill_null(empty or "").alias("outcome")


_ONE_OF = f"one of {', '.join(OUTCOMES)}; a verdict of true or false; a row for each answer, not a mean"


def _of_word(cell: str, empty: str | None) -> str | None:
    """The outcome that a cell stands for; None when it is none."""
    word = " ".join(cell.casefold().replace("_", " ").replace("-", " ").split())
    if word in MISSING or cell.strip().casefold() in MISSING:
        return empty
    if word in _MEANING:
        return _MEANING[word]
    if re.search(_TIMEOUT, cell):
        return "timeout"
    return "error" if re.search(_ERROR, cell) else None


def _agree(raw: Raw, outcome: pl.Series) -> None:
    """Refuse a verdict that contradicts the outcome."""
    verdict = _meaning(raw, "correct", "unparsed")
    apart = ((verdict == "right") & (outcome != "right")) | ((verdict == "wrong") & (outcome == "right"))
    if apart.any():
        place = int(apart.arg_max() or 0)
        what = f"the outcome is {outcome[place]}, and {raw.name('correct')} says {verdict[place]}"
        raise raw.refuse("outcome", int(raw.rows[ROW][place]), what, "leave out the column that is not meant")


def _unsaid(raw: Raw, outcome: pl.Series) -> pl.Series:
    """The outcomes, where a row that is marked wrong has an exception for an answer, or none at all."""
    rows = raw.rows.select(outcome, error=pl.lit(None, pl.String), answer=pl.lit(None, pl.String))
    wrong = pl.col("outcome") == "wrong"
    if "error" in raw.rows.columns and not raw.rows["error"].dtype.is_nested():
        rows = rows.with_columns(error=_filled(raw.rows["error"]))
    name = next((name for name in _ANSWERS if name in raw.rows.columns and not raw.rows[name].dtype.is_nested()), None)
    failed = pl.col("error").is_not_null()
    unparsed = pl.lit(False)
    if name is not None and (answer := _filled(raw.rows[name])).null_count() < len(answer):
        rows = rows.with_columns(answer=answer)
        failed = failed | pl.col("answer").str.contains(_ERROR + r"\s*:|^(?i)\W*error$").fill_null(False)
        unparsed = pl.col("answer").is_null()
    late = pl.coalesce("error", "answer").str.contains(_TIMEOUT).fill_null(False)
    then = pl.when(wrong & failed & late).then(pl.lit("timeout")).when(wrong & failed).then(pl.lit("error"))
    return rows.select(then.when(wrong & unparsed).then(pl.lit("unparsed")).otherwise("outcome").alias("o"))["o"].alias(
        "outcome"
    )


def _filled(column: pl.Series) -> pl.Series:
    """Text, null where a cell is empty or says that there is nothing."""
    text = column.cast(pl.String).str.strip_chars()
    nothing = text.str.to_lowercase().is_in(
        ["", "null", "none", "nan", "n/a", "false" if column.name == "error" else ""]
    )
    return pl.select(pl.when(~nothing).then(text)).to_series()


def _costs(raw: Raw) -> list[pl.Series]:
    rows = raw.rows
    made = {name: numbers(raw, name) for name in COSTS if name in rows.columns}
    parts = [numbers(raw, name) for name in ("prompt_tokens", "completion_tokens") if name in rows.columns]
    if "tokens" not in made and parts:
        made["tokens"] = sum(parts[1:], parts[0]).alias("tokens")
    return [made.get(name, pl.Series(name, [None], dtype=pl.Float64).new_from_index(0, len(rows))) for name in COSTS]


def numbers(raw: Raw, name: str) -> pl.Series:
    """A column of numbers, 0 or more; null where unknown."""
    column = raw.rows[name]
    if column.dtype == pl.String:
        plain = column.str.strip_chars()
        values = plain.cast(pl.Float64, strict=False)
        strange = plain.filter(plain.is_not_null() & values.is_null()).unique()
        known = {cell: number(cell) for cell in strange}
        if unread := [cell for cell, value in known.items() if value is None]:
            place = int(plain.is_in(unread).arg_max() or 0)
            what = f"{listed([plain[place]])!r} is no number"
            raise raw.refuse(name, int(raw.rows[ROW][place]), what, "correct it, or leave it empty where unknown")
        column = pl.select(pl.coalesce(values, plain.replace_strict(known, default=None, return_dtype=pl.Float64)))
        column = column.to_series()
    elif not (column.dtype.is_numeric() or isinstance(column.dtype, pl.Decimal) or column.dtype == pl.Null):
        raise DataError(f"{raw.source}: column {raw.name(name)} is of type {column.dtype}, and numbers were expected")
    values = column.cast(pl.Float64)
    values = pl.select(pl.when(values.is_finite()).then(values)).to_series()
    if (below := (values < 0).fill_null(False)).any():
        place = int(below.arg_max() or 0)
        raise raw.refuse(name, int(raw.rows[ROW][place]), f"{values[place]:g} is below 0", "correct it")
    return values.alias(name)


def _one_each(raw: Raw, rows: pl.DataFrame, keys: list[str]) -> tuple[pl.DataFrame, list[Note]]:
    """A row for each answer: the last attempt's outcome with what all attempts took; several answers are samples."""
    notes = []
    by = [*keys, "sample"]
    if "attempt" in rows.columns:
        before = len(rows)
        rows = rows.sort("attempt", ROW, nulls_last=False)
        known = [pl.when(pl.col(c).null_count() == 0).then(pl.col(c).sum()).alias(c) for c in COSTS]
        rows = rows.group_by(by).agg(pl.col(ROW, "outcome").last(), *known)
        if len(rows) < before:
            text = f"{before - len(rows)} attempts were made again: the last one's outcome counts, and what all took"
            notes.append(Note("attempts", text))
    several = len(rows) - rows.select(pl.struct(by).n_unique()).item()
    if several and rows["sample"].null_count() == len(rows):
        text = f"{several} rows answer an item that has a row before: several samples, clustered by item"
        notes.append(Note("several-samples", text))
    elif several:
        distinct = rows.unique([c for c in rows.columns if c != ROW], keep="first", maintain_order=True)
        twice = distinct.filter(pl.struct(by).is_duplicated())
        if len(twice):
            raise raw.refuse(
                "item",
                int(twice[ROW].max()),  # pyright: ignore[reportArgumentType]
                "answers an item and sample that another row answers otherwise",
                "a column `sample` or `attempt` that tells them apart",
            )
        notes.append(Note("repeated-rows", f"{len(rows) - len(distinct)} rows repeat another one, and are left out"))
        rows = distinct
    return rows.drop(ROW), notes
