"""From a log's entries to a run in our names: which rows are training, which are scores, what they mean."""

import re
from typing import NamedTuple

import numpy as np
import polars as pl
import polars.selectors as cs

from rlaw.measurements.importers.lineage import Lineage, last_lineage
from rlaw.measurements.importers.log import Facts, ImportedRun, RunLog, State
from rlaw.measurements.importers.names import GROUPS, TELEMETRY, Names
from rlaw.measurements.raw import Note

_LARGEST = 1e300  # numbers from here on stand for infinity in some logs
_FEW = 3  # entries from which on a course of tokens shows whether it counts from the start


class Score(NamedTuple):
    """A column that holds a benchmark's held-out score."""

    benchmark: str
    column: str


def interpret(log: RunLog, names: Names) -> ImportedRun:
    """A run of a log in our names.

    Args:
        log: the entries; those without a step are dropped and counted.
        names: of its trainer.

    Returns:
        Rows of the last lineage; scores as the log gives them.
    """
    logged, facts = _with(log.entries, "step"), log.facts
    reward = next((c for c in names.reward if c in logged.columns and _is_numeric(logged, c)), None)
    telling = [*([reward] if reward else []), *(score.column for score in scores_of(logged, names))]
    lineage = last_lineage(logged, telling, reward)
    rows = lineage.rows
    rows, nonfinite = _finite(rows, reward)
    scores = scores_of(rows, names)
    steps = _steps(rows, reward, names)
    evaluations = _evaluations(rows, scores, facts)
    dropped, notes = _dropped(log, lineage, rows, reward, scores, nonfinite), _notes(lineage, rows, reward, scores)
    last = int(rows["step"].max()) if len(rows) else 0  # pyright: ignore[reportArgumentType]
    known = {"step", reward, *(s.column for s in scores), *sum(names.tokens, ()), *sum(names.others.values(), ())}
    return ImportedRun(
        name=log.name,
        model=facts.model,
        params=facts.params,
        params_from="the architecture in the log" if facts.params else "",
        prompts=facts.prompts,
        group_size=facts.group_size,
        steps=steps,
        evaluations=evaluations,
        earlier=lineage.earlier,
        tokens=None if steps["tokens"].null_count() else int(steps["tokens"].sum()) if len(steps) else None,
        attempts=lineage.attempts,
        state=_state(facts, last),
        cause=facts.cause,
        lag=names.lag,
        dropped=dropped,
        unknown=tuple(c for c in (*log.entries.columns, *log.left) if c not in known),
        settings=facts.settings,
        notes=notes,
    )


def telemetry(entries: pl.DataFrame, names: Names) -> pl.DataFrame:
    """What the training entries of a log measured, to judge the run itself: numbers that are none stay as they are.

    Args:
        entries: with a column `step`, in the order of the log.
        names: of its trainer.

    Returns:
        The last lineage by rising step: `step`, `reward_mean`, `tokens` of the step, TELEMETRY and GROUPS; null where
        the log does not say. Entries with none of them are left out.
    """
    rows = last_lineage(entries.drop_nulls("step")).rows
    columns = {}
    for ours in ("reward_mean", *TELEMETRY, *GROUPS):
        called = names.reward if ours == "reward_mean" else names.others.get(ours, ())
        theirs = next((c for c in called if c in rows.columns and _is_numeric(rows, c)), None)
        columns[ours] = pl.col(theirs).cast(pl.Float64) if theirs else pl.lit(None, pl.Float64)
    measured = rows.select(pl.col("step").cast(pl.Int64), **columns, tokens=_tokens(rows, names))
    return measured.filter(pl.any_horizontal(pl.col(*columns).is_not_null()))


def scores_of(rows: pl.DataFrame, names: Names) -> list[Score]:
    """The columns of held-out scores, one for each benchmark; of an earlier pattern before a later one."""
    found = {name: column for name, column in names.benchmarks.items() if column in rows.columns}
    measured = [c for c in rows.columns if _is_numeric(rows, c) and rows[c].null_count() < len(rows)]
    for pattern in names.scores:
        for column in measured:
            match = re.fullmatch(pattern, column, re.IGNORECASE)
            if match and column not in names.benchmarks.values():
                found.setdefault(match["benchmark"], column)
    return [Score(benchmark, column) for benchmark, column in found.items()]


def _is_numeric(rows: pl.DataFrame, column: str) -> bool:
    return rows.schema[column].is_numeric()


def _steps(rows: pl.DataFrame, reward: str | None, names: Names) -> pl.DataFrame:
    """A row for each entry with a training reward."""
    trained = _with(rows, reward) if reward else rows.clear()
    columns = {
        "step": pl.col("step").cast(pl.Int64),
        "reward_mean": pl.col(reward) if reward else pl.lit(None, pl.Float64),
    }
    for ours in TELEMETRY:
        theirs = next((c for c in names.others.get(ours, ()) if c in rows.columns and _is_numeric(rows, c)), None)
        columns[ours] = pl.col(theirs).cast(pl.Float64) if theirs else pl.lit(None, pl.Float64)
    return trained.select(**columns, tokens=_tokens(trained, names))


def _with(rows: pl.DataFrame, column: str) -> pl.DataFrame:
    """The rows that have a value there; the same table where all have one, as a large one is."""
    return rows.drop_nulls(column) if rows[column].null_count() else rows


def _tokens(trained: pl.DataFrame, names: Names) -> pl.Series:
    """Tokens of each row, prompts and responses; null where the log does not say."""
    there = next((group for group in names.tokens if set(group) <= set(trained.columns)), None)
    if there is None or not all(_is_numeric(trained, c) for c in there):
        return pl.Series("tokens", [None] * len(trained), dtype=pl.Float64)
    known = pl.all_horizontal(pl.col(*there).is_not_null())
    counted = trained.select(pl.when(known).then(pl.sum_horizontal(pl.col(*there).cast(pl.Float64)))).to_series()
    rises = bool((counted.diff().drop_nulls() >= 0).all()) and counted.n_unique() > 1
    cumulative = names.cumulative is not False and rises and (len(counted) >= _FEW or names.cumulative is True)
    if not cumulative and names.cumulative is True:
        cumulative = _restarts(counted)
    if not cumulative:
        return counted.alias("tokens")
    grown = counted.diff()
    own = grown.is_null() | (grown < 0)  # the first, and where the counter began again: all that it shows
    return pl.select(pl.when(own).then(counted).otherwise(grown))[counted.name].alias("tokens")


def _restarts(counted: pl.Series) -> bool:
    """Whether a counter that should rise falls so seldom that it was set back at resumes."""
    falls = int((counted.diff().drop_nulls() < 0).sum())
    return falls <= max(1, len(counted) // 10)


def _evaluations(rows: pl.DataFrame, scores: list[Score], facts: Facts) -> pl.DataFrame:
    """A row for each held-out score: benchmark, step, score, items."""
    schema = {"benchmark": pl.String, "step": pl.Int64, "score": pl.Float64, "items": pl.Int64}
    tables = []
    for benchmark, column in scores:
        items = facts.items.get(benchmark, facts.items.get(""))
        own = rows.drop_nulls(column).select(
            benchmark=pl.lit(benchmark), step=pl.col("step").cast(pl.Int64), score=pl.col(column).cast(pl.Float64),
            items=pl.lit(items, pl.Int64),
        )  # fmt: skip
        tables.append(own)
    return pl.concat(tables) if tables else pl.DataFrame(schema=schema)


def _finite(rows: pl.DataFrame, reward: str | None) -> tuple[pl.DataFrame, int]:
    """The rows with null for numbers that are none, infinite or the largest of all, and how many rewards these were."""
    odd = [c.name for c in rows.select(cs.float()).iter_columns() if not (c.abs() < _LARGEST).all()]
    good = rows.with_columns(pl.when(pl.col(odd).abs() < _LARGEST).then(pl.col(odd))) if odd else rows
    return good, good[reward].null_count() - rows[reward].null_count() if reward else 0


def _dropped(
    log: RunLog, lineage: Lineage, rows: pl.DataFrame, reward: str | None, scores: list[Score], nonfinite: int
) -> dict[str, int]:
    """Entries that became no row, by reason."""
    used = pl.any_horizontal(pl.col(reward).is_not_null() if reward else pl.lit(False), *(
        pl.col(s.column).is_not_null() for s in scores
    ))  # fmt: skip
    idle = len(rows) - rows.filter(used).height
    if not lineage.dropped:  # entries of a step that is not used, however many parts it was logged in
        idle = log.entries.drop_nulls("step").join(rows.filter(used), on="step", how="anti").height
    counts = {"no_step": log.entries["step"].null_count(), **lineage.dropped}
    counts |= {"nonfinite_reward": min(nonfinite, idle), "no_reward_or_score": max(idle - nonfinite, 0)}
    return {reason: n for reason, n in counts.items() if n}


def _notes(lineage: Lineage, rows: pl.DataFrame, reward: str | None, scores: list[Score]) -> tuple[Note, ...]:
    notes = []
    if lineage.attempts > 1:
        notes.append(
            Note(
                "attempts",
                f"the step goes back {lineage.attempts - 1} times: the last attempt counts from its first step on",
            )
        )
    if lineage.writers:
        notes.append(Note("writers", "every step is logged several times with other values: the first of each counts"))
    step = rows["step"].to_numpy()
    gaps = np.diff(step)
    if len(gaps) > 1 and (missing := int((gaps // gaps.min() - 1).sum())):
        notes.append(Note("missing-steps", f"{missing} steps are missing between {step[0]} and {step[-1]}"))
    if len(gaps) and step[0] > max(1, gaps.max()):
        notes.append(Note("part", f"the log begins at step {step[0]}: what came before is not in it"))
    if reward is None:
        notes.append(Note("no-reward", "no entry has a training reward"))
        if not scores and (what := _instead(rows.columns)):
            notes.append(Note("not-rl", what))
    return tuple(notes)


def _instead(columns: list[str]) -> str:
    """What a log without rewards and scores is of; "" where it does not say."""
    if any(re.fullmatch(r"(.*/)?(rewards/(chosen|rejected|margins|accuracies)|logps/.+)", c) for c in columns):
        return "a log of preference training: its rewards and accuracies are of preferences, no score"
    if any(re.fullmatch(r"(train[_/])?loss|eval[_/]loss", c) for c in columns):
        return "a log of losses without rewards: supervised fine-tuning or preference training"
    return ""


def _state(facts: Facts, last: int) -> State:
    if facts.cause:
        return "failed"
    planned = facts.planned_steps
    short = planned is not None and last < planned
    return "cut" if not facts.finished and (short or (facts.cut and planned is None)) else "finished"
