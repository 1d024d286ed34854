"""Entries of one step made one, and attempts known apart: a counter that goes back is a run started again."""

import re
from typing import NamedTuple

import numpy as np
import polars as pl

#: columns of the clock and the machine: they differ between entries of one step that say the same
_CLOCK = re.compile(
    r"(.*[_/])?(wall_?time|time|timestamp|datetime|date|elapsed|remaining|runtime|duration)([_/].*)?"
    r"|(time|timestamp)_\w+|_?step|epoch|percentage|memory.*|train_speed.*|throughput|(samples|steps|tokens)_per_sec.*",
    re.IGNORECASE,
)


class Lineage(NamedTuple):
    """The entries that the run's last state came from, in the order of their steps, and what it left behind.

    Attributes:
        rows: one for each step.
        earlier: rows of attempts that were replaced, with the column `attempt`, from 1.
        attempts: how often the run was started.
        dropped: entries that are in neither, or are earlier, by reason.
        writers: whether several processes seem to have written at once.
    """

    rows: pl.DataFrame
    earlier: pl.DataFrame
    attempts: int
    dropped: dict[str, int]
    writers: bool


def last_lineage(entries: pl.DataFrame) -> Lineage:
    """The last lineage of entries that have a column `step`, without nulls.

    Neighbours of one step that contradict each other nowhere are one entry: trainers log a step in parts, and several
    ranks may write the same. Where they do contradict, or the step goes back, the run was started again; an attempt
    replaces the earlier ones from its first step on.
    """
    entries, repeated, writers = _one_per_step(entries)
    step = entries["step"].to_numpy()
    starts = np.r_[True, np.diff(step) <= 0] if len(step) else np.zeros(0, bool)
    attempt = np.cumsum(starts)
    counts = {"repeated_entry": repeated} if repeated else {}
    if np.count_nonzero(starts) < 2:  # the usual case: a large table is not copied
        return Lineage(entries, _attempts(entries, attempt).clear(), int(len(step) > 0), counts, writers)
    kept, first = np.ones(len(step), bool), np.inf
    for begin in np.flatnonzero(starts)[::-1]:
        end = begin + np.argmax(np.r_[attempt[begin:] != attempt[begin], True])
        kept[begin:end] = step[begin:end] < first
        first = min(first, step[begin])
    replaced = int(np.sum(~kept))
    counts |= {"earlier_attempt": replaced} if replaced else {}
    earlier = _attempts(entries, attempt).filter(~kept)
    return Lineage(entries.filter(kept), earlier, int(attempt[-1]), counts, writers)


def _attempts(entries: pl.DataFrame, attempt: np.ndarray) -> pl.DataFrame:
    return entries.with_columns(attempt=pl.Series(attempt, dtype=pl.Int64))


def _one_per_step(entries: pl.DataFrame) -> tuple[pl.DataFrame, int, bool]:
    """Entries with neighbours of one step joined where they agree, how many were joined, and whether ranks wrote."""
    same = (entries["step"] == entries["step"].shift(1)).fill_null(value=False)
    if not same.any():
        return entries, 0, False
    group = (~same).cum_sum()
    measured = [c for c in entries.columns if not _CLOCK.fullmatch(c)]
    counts = entries.group_by(group.alias("group"), maintain_order=True).agg(
        pl.len().alias("entries"),
        (pl.max_horizontal(pl.col(c).drop_nulls().n_unique() for c in measured) > 1).alias("apart"),
    )
    sizes = counts.filter(pl.col("entries") > 1)
    apart = set(sizes.filter(pl.col("apart"))["group"].to_list())
    every = (
        len(sizes) > 1 and len(sizes) == len(counts) and len(apart) == len(counts) and sizes["entries"].n_unique() == 1
    )
    if every:  # as many entries at each step, all different: processes that wrote side by side; the first one counts
        kept = entries.filter(~same)
        return kept, len(entries) - len(kept), True
    split = (~same | group.is_in(list(apart))).cum_sum() if apart else group
    repeated = len(entries) - entries.select(split.alias("group"), *measured).unique().height
    joined = (
        entries.group_by(split.alias("group"), maintain_order=True).agg(pl.all().drop_nulls().first()).drop("group")
    )
    return joined, repeated, False
