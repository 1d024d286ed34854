"""Entries of one step made one, and attempts known apart: a counter that goes back is a run started again."""

import re
from collections.abc import Collection
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


def last_lineage(entries: pl.DataFrame, telling: Collection[str] = (), reward: str | None = None) -> Lineage:
    """The last lineage of entries that have a column `step`, without nulls.

    Args:
        entries: as they were logged.
        telling: columns of rewards and scores. Neighbours of one step are parts of one entry where none of these is
            in both: an evaluation beside a row of training, several updates of one rollout.
        reward: the column whose rows alone tell a start from an evaluation that was logged late.

    Neighbours of one step that contradict each other nowhere are one entry: trainers log a step in parts, and several
    ranks may write the same. Where they do contradict, or the step goes back, the run was started again; an attempt
    replaces the earlier ones from its first step on.
    """
    if reward is not None:
        entries = _ordered(entries, reward)
    entries, repeated, writers = _one_per_step(entries, telling)
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


def _ordered(entries: pl.DataFrame, reward: str) -> pl.DataFrame:
    """The entries with those without a reward at their steps: an evaluation may be logged after later steps."""
    step = entries["step"].to_numpy()
    places = np.flatnonzero(entries[reward].is_not_null().to_numpy())
    if len(places) in (0, len(step)) or not (np.diff(step) < 0).any():
        return entries
    attempts = np.cumsum(np.r_[0, np.diff(step[places]) < 0])
    before = np.searchsorted(places, np.arange(len(step)), side="right") - 1  # the last rewarded entry up to each
    after = np.minimum(before + 1, len(places) - 1)
    at = np.maximum(before, 0)
    restarts = (attempts[after] > attempts[at]) & (step < step[places[at]]) & (step <= step[places[after]])
    attempt = attempts[np.where(restarts, after, at)]
    return entries[np.lexsort((step, attempt))]


def _one_per_step(entries: pl.DataFrame, telling: Collection[str]) -> tuple[pl.DataFrame, int, bool]:
    """Entries with neighbours of one step joined where they agree, how many were joined, and whether ranks wrote."""
    same = (entries["step"] == entries["step"].shift(1)).fill_null(value=False)
    if not same.any():
        return entries, 0, False
    group = (~same).cum_sum()
    measured = [c for c in entries.columns if not _CLOCK.fullmatch(c)]
    twice = pl.any_horizontal(pl.col(c).is_not_null().sum() > 1 for c in telling) if telling else pl.lit(value=True)
    counts = entries.group_by(group.alias("group"), maintain_order=True).agg(
        pl.len().alias("entries"),
        (twice & (pl.max_horizontal(pl.col(c).drop_nulls().n_unique() for c in measured) > 1)).alias("apart"),
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
