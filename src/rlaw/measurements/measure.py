"""The measure: test loss, a share of wrong answers between 0 and 1, from what the source has.

Losses are taken as they are, or made from right answers and items, or from a share of right answers. What lies outside
of the range, or moves the wrong way in every size, is a question to the person who measured it, and no row is dropped.
"""

import re
from dataclasses import replace

import numpy as np
import polars as pl

from rlaw.errors import DataError, UsageError
from rlaw.measurements.columns import ACCURACIES, plain_name
from rlaw.measurements.raw import ROW, Note, Raw
from rlaw.text import columns_listed

MEASURES = ("loss", "accuracy", "percent")
_LOSS_WORDS = frozenset(("loss", "error", "err", "wrong", "fail", "failure", "failed"))
_LIKELY = re.compile(r"(?i).*(?:loss|err|acc|score|reward|correct|pass|exact|solve|mean@|maj@|best@)")
_ROUNDING = 1e-6  # beyond the range by less is a rounded 0 or 1
_FEW = 0.02  # one strange value, or a smaller share of them, are slips; more of them are another measure
_LARGEST_NATS = 15.0  # a cross-entropy above the logarithm of any vocabulary is none
_SURE = 3.0  # standard deviations of the trend of all curves together
_CONTRADICTION = 0.01  # between a loss and the one that the answers give, beyond a rounded answer


def named(raw: Raw) -> Raw:
    """The source with its measure under one name: `test_loss`, `accuracy`, or `correct` and `items`.

    Raises:
        DataError: there is none, or several may be meant.
        UsageError: no such measure.
    """
    if raw.measure and raw.measure not in MEASURES:
        raise UsageError(f"no measure is called {raw.measure!r}: it is one of {', '.join(MEASURES)}")
    columns = raw.rows.columns
    if "test_loss" in columns:
        called = raw.name("test_loss")
        if raw.measure == "accuracy" or (raw.measure != "loss" and _is_accuracy(called)):
            return _as_accuracy(raw, "test_loss")
        return raw
    if {"correct", "items"} <= set(columns) and not raw.rows.schema["correct"].is_nested():
        return raw
    shares = ["accuracy"] if "accuracy" in raw.names else [c for c in columns if plain_name(c) in ACCURACIES]
    if len(shares) == 1:
        return _as_accuracy(raw, shares[0])
    if len(shares) > 1:
        raise DataError(
            f"{raw.source}: columns {' and '.join(shares)} may each be the measure\n"
            f"  next: `mapping={{'accuracy': '{shares[0]}'}}`, or another of them"
        )
    raise missing(raw, "test_loss, or correct and items, or accuracy", "test_loss", _LIKELY)


def missing(raw: Raw, what: str, name: str, likely: re.Pattern[str]) -> DataError:
    """The refusal of a source without a column, with the columns that may be meant."""
    there = [raw.name(column) for column in raw.rows.columns if column != ROW]
    likely_ones = [column for column in there if likely.match(column)]
    if name == "test_loss" and likely_ones and _is_accuracy(likely_ones[0]):
        name = "accuracy"
    meant = likely_ones[0] if likely_ones else "THEIRS"
    return DataError(
        f"{raw.source}: no column {what}; it has {columns_listed(there) or 'no columns'}\n"
        f"  next: name it with `mapping={{'{name}': '{meant}'}}`"
    )


def _is_accuracy(name: str) -> bool:
    """Whether a column's name says that it counts right answers."""
    plain = plain_name(name)
    words = set(re.split(r"[^a-z0-9@]+", plain))
    if words & _LOSS_WORDS:
        return False
    return bool(words & {"accuracy", "acc"}) or any(part in plain for part in ACCURACIES if len(part) > 3)


def _as_accuracy(raw: Raw, column: str) -> Raw:
    rows = raw.rows.drop("accuracy", strict=False) if column != "accuracy" else raw.rows
    called = raw.name(column)
    names = {**{k: v for k, v in raw.names.items() if k != column}, "accuracy": called}
    return replace(raw, rows=rows.rename({column: "accuracy"}), names=names)


def measured(raw: Raw) -> Raw:
    """The source with `test_loss`, in [0, 1] or null.

    Raises:
        DataError: a value outside the range of its measure, or a loss that rises in every size.
    """
    rows, note = raw.rows, ()
    counted = _from_counts(raw) if "right_answers" in rows.columns else None
    if "accuracy" in rows.columns:
        shares = _shares(raw, "accuracy")
        called = raw.name("accuracy")
        note = (Note("accuracy", f"column {called} counts right answers: the loss is 1 - {called}"),)
        loss = (1 - shares).alias("test_loss")
        _ask_direction(raw.with_rows(rows.with_columns(loss)), "accuracy")
    elif "test_loss" in rows.columns:
        loss = _shares(raw, "test_loss")
        if counted is not None:
            _ask_contradiction(raw, loss, counted)
            loss = pl.select(pl.coalesce(loss, counted)).to_series()
        elif not raw.measure:
            _ask_direction(raw.with_rows(rows.with_columns(loss)), "test_loss")
    else:
        loss = counted if counted is not None else pl.Series("test_loss", [None] * len(rows), dtype=pl.Float64)
    if raw.measure == "percent":
        note = (*note, Note("percent", "the measure is read as percent"))
    return raw.with_rows(
        rows.with_columns(loss.alias("test_loss")).drop("accuracy", "right_answers", strict=False), *note
    )


def _from_counts(raw: Raw) -> pl.Series:
    """1 - correct / answers.

    Raises:
        DataError: right answers that are no whole number, below 0 or above the answers.
    """
    rows = raw.rows
    right, items, samples = (rows[c].cast(pl.Float64) for c in ("right_answers", "items", "samples"))
    answers = items * samples
    broken = (right != right.floor()) & right.is_finite()
    if (none := (items < 1) | (samples < 1)).any():
        index = int(none.arg_max() or 0)
        column = "items" if (items[index] or 0) < 1 else "samples"
        raise raw.refuse(column, int(rows[ROW][index]), f"{rows[column][index]} is no number of them", "1 or more")
    if broken.any():
        index = int(broken.arg_max() or 0)
        what = f"{right[index]:g} is no number of right answers"
        then = "give the number of right answers"
        if (right <= 1).all():
            what += ": it looks like a mean, an accuracy"
            then = f"`mapping={{'accuracy': '{raw.name('correct')}'}}`"
        raise raw.refuse("correct", int(rows[ROW][index]), what, then)
    outside = (right < 0) | (right > answers)
    if outside.any():
        index = int(outside.arg_max() or 0)
        what = f"{right[index]:g} right answers of {answers[index]:g}"
        raise raw.refuse("correct", int(rows[ROW][index]), what, "correct is at most items (times samples)")
    return (1 - right / answers).alias("test_loss")


def _ask_contradiction(raw: Raw, loss: pl.Series, counted: pl.Series) -> None:
    apart = ((loss - counted).abs() > _CONTRADICTION).fill_null(value=False)
    if apart.any():
        index = int(apart.arg_max() or 0)
        what = f"the loss is {loss[index]:g}, and by correct and items it is {counted[index]:g}"
        raise raw.refuse("test_loss", int(raw.rows[ROW][index]), what, "leave out the column that is not meant")


def _shares(raw: Raw, column: str) -> pl.Series:
    """A share between 0 and 1, percent divided by 100; null where it was not measured."""
    values, top = raw.rows[column], 100.0 if raw.measure == "percent" else 1.0
    finite = pl.select(pl.when(values.is_finite()).then(values)).to_series()
    slack = _ROUNDING * top
    outside = ((finite < -slack) | (finite > top + slack)).fill_null(value=False)
    if outside.any():
        raise _outside(raw, column, finite, outside, top)
    if top > 1 and finite.len() > finite.null_count() and (finite.max() or 0) <= 1:  # pyright: ignore
        index = int(finite.is_not_null().arg_max() or 0)
        what = f"{finite[index]:g} is read as percent, and no value of the column is above 1"
        raise raw.refuse(column, int(raw.rows[ROW][index]), what, "leave `measure=percent` out: these are shares")
    clipped = finite.clip(0.0, top)
    return clipped / top if top > 1 else clipped


def _outside(raw: Raw, column: str, finite: pl.Series, outside: pl.Series, top: float) -> DataError:
    """What values outside the range look like, and what to do about them."""
    known, index = finite.drop_nulls(), int(outside.arg_max() or 0)
    low, high, count = float(known.min()), float(known.max()), int(outside.sum())  # pyright: ignore
    wanted = "right" if column == "accuracy" else "wrong"
    unit = "percent" if top > 1 else "share"
    what = f"{finite[index]:.6g} is no {unit} of {wanted} answers, which lies between 0 and {top:g}"
    scope = f"{count} of {len(known)} values lie outside, from {low:.4g} to {high:.4g}"
    likely, then = _resembles(
        raw, column, (low, high), count > max(1, _FEW * len(known)), rising=_rises(raw, finite), top=top
    )
    return raw.refuse(column, int(raw.rows[ROW][index]), f"{what}; {scope}: {likely}", then)


def _resembles(
    raw: Raw, column: str, ends: tuple[float, float], many: bool, *, rising: bool, top: float
) -> tuple[str, str]:
    """What a column of numbers looks like, and the way on."""
    (low, high), called = ends, raw.name(column)
    give = "give the share of wrong answers, 1 - pass rate: rlaw fits no other loss"
    percent = "`measure=percent`"
    if not many and low > -top and high < 100 * top:
        likely, then = "a slip in a column of shares", "correct it, or leave the cell empty where nothing was measured"
    elif low < 0:
        is_reward = low >= -1.01 and high <= 1.01
        likely, then = f"it looks like a reward{' between -1 and 1' if is_reward else ' or a log-likelihood'}", give
    elif top > 1 or high > 100 * (1 + _ROUNDING):
        likely, then = "it looks like a perplexity or a count", give
    elif column == "accuracy":
        likely, then = "it looks like percent", percent
    elif high <= _LARGEST_NATS:
        where = "on both sides of 1" if low < 1 else "above 1"
        likely, then = f"a loss {where} looks like a cross-entropy (nats, or bits per byte)", give
        likely = "it rises as RL goes on, and is no share" if rising else likely
    elif rising:
        likely = "it rises as RL goes on, and looks like an accuracy in percent"
        then = f"`mapping={{'accuracy': '{called}'}}` and {percent}"
    else:
        likely, then = "it looks like percent", percent
    return likely, then


def _ask_direction(raw: Raw, column: str) -> None:
    """Ask about a loss that rises in every size."""
    if raw.recorded or raw.measure in ("loss", "accuracy"):
        return
    sizes = _size_trends(raw, raw.rows["test_loss"])
    if not _all_rise(sizes):
        return
    index = int(raw.rows["test_loss"].is_not_null().arg_max() or 0)
    called, place = raw.name(column), raw.at(column, int(raw.rows[ROW][index]))
    value = raw.rows[column][index] if column in raw.rows.columns else None
    if column == "accuracy":
        how = f"an accuracy falls as RL goes on in {len(sizes)} of {len(sizes)} sizes: is it a loss?"
        then = f"`mapping={{'test_loss': '{called}'}}` and `measure=loss`, or `measure=accuracy` if it is right"
    else:
        how = f"the loss rises as RL goes on in {len(sizes)} of {len(sizes)} sizes: is it an accuracy?"
        then = "`measure=accuracy`, or `measure=loss` if it is right"
    raise DataError(f"{raw.source}: {place}: {value:.6g}: {how}\n  next: {then}")


def _rises(raw: Raw, values: pl.Series) -> bool:
    return _all_rise(_size_trends(raw, values))


def _all_rise(sizes: np.ndarray) -> bool:
    """Whether every size's trend, in standard deviations, is up, and all together surely."""
    return bool(len(sizes)) and bool((sizes > 0.5).all()) and float(sizes.sum()) / np.sqrt(len(sizes)) > _SURE


def _size_trends(raw: Raw, values: pl.Series) -> np.ndarray:
    """How the mean of each size moves along the steps: Spearman's rank correlation in its standard deviations."""
    keys = [k for k in ("model", "params") if k in raw.rows.columns]
    rows = raw.rows.select(*keys, "step").with_columns(y=values).drop_nulls(["y", "step"])
    means = rows.group_by(*keys, "step").agg(pl.col("y").mean())
    ranked = means.with_columns(pl.col("step").rank().over(keys), pl.col("y").rank().over(keys))
    every = ranked.group_by(*keys).agg(r=pl.corr("step", "y"), n=pl.len()).filter(pl.col("n") >= 3)
    r = every["r"].fill_nan(0.0).fill_null(0.0).to_numpy()
    return np.sort(r * np.sqrt(every["n"].to_numpy() - 1.0))
