"""Retention: how good every skill is after every stage of training, and what later stages took from it.

    rlaw.retention("evals.csv")

R[stage, skill] from answers to the same items at every stage; differences are paired by item, and by run where there
are several. Axes: D draws, R runs of one order, T stages, I items of a benchmark.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from scipy import special

from rlaw.analysis.systems.accuracy import share_interval
from rlaw.errors import DataError, UsageError
from rlaw.fitting.diagnostics import Caution
from rlaw.fitting.interval import Interval, Plain, finite, plain
from rlaw.measurements import ledger
from rlaw.measurements.raw import ROW, Note
from rlaw.text import Readable, listed, table

_RUN = ("order", "seed", "run")


@dataclass(frozen=True, slots=True)
class Entry(Plain):
    """One skill after one stage: right answers of all that were asked."""

    stage: str
    benchmark: str
    right: int
    asked: int
    accuracy: Interval


@dataclass(frozen=True, slots=True)
class Transfer:
    """A difference of one skill between two stages, on the same items.

    Attributes:
        since, to: the stages.
        difference: of the shares of right answers, `to` - `since`.
        p: of none: McNemar's exact test for one run of one answer an item, else by the draws.
    """

    since: str
    to: str
    difference: Interval
    p: float

    def to_json(self) -> dict[str, Any]:
        """The fields by name."""
        return {"from": self.since, "to": self.to, "difference": plain(self.difference), "p": finite(self.p)}


@dataclass(frozen=True, slots=True)
class Skill:
    """What became of one skill.

    Attributes:
        benchmark: what measures it.
        trained: the stage that trained it; None where that is not known.
        forgetting: best earlier stage - last one: above 0 is forgotten; the best of several is too high by their noise.
        backward: last stage - the one that trained it; None where that is not known, or is the last one.
        forward: the stage before the one that trained it - the first one; None without either.
    """

    benchmark: str
    trained: str | None
    forgetting: Transfer | None
    backward: Transfer | None
    forward: Transfer | None

    def to_json(self) -> dict[str, Any]:
        """The fields by name, null where unknown."""
        return {
            name: plain(getattr(self, name)) for name in ("benchmark", "trained", "forgetting", "backward", "forward")
        }


@dataclass(frozen=True, slots=True)
class Order(Plain):
    """Stages in one order, over all runs of it.

    Attributes:
        order: its name; "" where there is one.
        stages: first to last.
        runs: how many.
        matrix: R[stage, skill], by stage and then by skill.
        skills: what became of each.
    """

    order: str
    stages: tuple[str, ...]
    runs: int
    matrix: tuple[Entry, ...]
    skills: tuple[Skill, ...]


@dataclass(frozen=True, repr=False)
class Retention(Readable):
    """Skills by stages, for every order of training."""

    source: str
    level: float
    orders: tuple[Order, ...]
    warnings: tuple[Caution, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The document of `rlaw retention --json`, schema 1."""
        names = ("source", "level", "orders", "warnings")
        return {"schema": 1, **{name: plain(getattr(self, name)) for name in names}}

    def documents(self) -> list[dict[str, Any]]:
        """A row for each order, stage and skill."""
        return [{"order": order.order, **entry.to_json()} for order in self.orders for entry in order.matrix]

    def __str__(self) -> str:
        lines = []
        for order in self.orders:
            skills = [skill.benchmark for skill in order.skills]
            found = {(entry.stage, entry.benchmark): entry for entry in order.matrix}
            rows = [
                [stage, *(_percent(found[stage, b].accuracy) if (stage, b) in found else "" for b in skills)]
                for stage in order.stages
            ]
            runs = f"{order.runs} runs" if order.runs > 1 else "1 run"
            lines += [f"order {order.order}, {runs}" if order.order else runs, ""]
            lines += [table(["stage", *(f">{name}" for name in skills)], rows), ""]
            for skill in order.skills:
                for name in ("forgetting", "backward", "forward"):
                    if (one := getattr(skill, name)) is not None:
                        what = f"{_percent(one.difference)} points, stage {one.since} to {one.to} (p = {one.p:.2g})"
                        lines.append(f"{skill.benchmark}: {name} {what}")
        return "\n".join([*lines, *(f"caution ({w.code}): {w.text}" for w in self.warnings)])


def _percent(share: Interval) -> str:
    return Interval(*(100 * x for x in (share.value, share.low, share.high))).text(lambda value: f"{value:.1f}")


def retention(
    data: Any,
    *,
    mapping: Mapping[str, str] | None = None,
    where: Mapping[str, Sequence[str]] | None = None,
    level: float = 0.9,
    draws: int = 2000,
    seed: int = 0,
) -> Retention:
    """The retention matrix of answers at every stage, with forgetting and transfer.

    Args:
        data: a table, or where it is: `stage` (a number, or a name with one: 0 is the base), `benchmark`, `item`,
            `outcome` or `correct`; optional `trained` (the benchmark that the stage trained), `order`, `seed`, `run`.
            Or a row for each evaluation: `stage`, `benchmark`, `correct` (right answers) and `items`, which cannot be
            paired.
        mapping: renames columns, ours -> theirs.
        where: keeps the rows whose columns have one of these values.
        level: of intervals.
        draws: of the bootstrap over items, and over runs where there are several.
        seed: of the random numbers.

    Raises:
        DataError: a column is missing, a cell cannot be understood, or stages have no numbers.
    """
    rows, source, notes = _answers(data, mapping, where)
    paired = rows["item"].null_count() == 0
    stages = _in_order(rows["stage"].unique().to_list(), source)
    rng, orders, cautions = np.random.default_rng(seed), [], [Caution(n.code, n.text) for n in notes]
    for name in rows["order"].unique().sort():
        own = rows.filter(pl.col("order") == name)
        there = [stage for stage in stages if stage in set(own["stage"])]
        if len(there) < 2:
            raise DataError(f"{source}: one stage, {there[0]}: there is nothing to compare it with")
        trained = _trained(own, source)
        skills = [_skill(own, b, there, trained, level, draws, rng) for b in own["benchmark"].unique().sort()]
        orders.append(Order(name, tuple(there), own["name"].n_unique(), _matrix(own, there, level), tuple(skills)))
        cautions += _cautions(orders[-1], trained)
    if not paired:
        text = "counts without items: stages are compared as if each had asked items of its own, which widens intervals"
        cautions.append(Caution("not-paired", text))
    unique = {caution.code: caution for caution in cautions}
    return Retention(source, level, tuple(orders), tuple(unique.values()))


def _answers(
    data: Any, mapping: Mapping[str, str] | None, where: Mapping[str, Sequence[str]] | None
) -> tuple[pl.DataFrame, str, tuple[Note, ...]]:
    """Right answers of all by stage, benchmark, run and item; `item` is null in a table of counts."""
    names, optional = ("stage", "benchmark"), ("trained", *_RUN)
    raw = ledger.named(ledger.open_table(data, mapping or {}, (*names, *optional, "items", "item")), (*names, "items"))
    if "items" in raw.rows.columns and "item" not in raw.rows.columns:
        raw = ledger.filtered(ledger.named(raw, (*names, *optional, "items")), where or {})
        if lost := [name for name in (*names, "correct") if name not in raw.rows.columns]:
            raise ledger.missing(raw, lost[0])
        keys = [ledger.names_of(raw, n, needed=n in names) for n in (*names, *optional) if n in raw.rows.columns]
        right, asked = ledger.numbers(raw, "correct").alias("right"), ledger.numbers(raw, "items").alias("asked")
        rows = pl.DataFrame([*keys, right, asked]).with_columns(item=pl.lit(None, pl.String))
        wrong = right.is_null() | asked.is_null() | (right > asked) | (right != right.floor()) | (asked < 1)
        if wrong.any():
            at = int(wrong.arg_max() or 0)
            what = f"{right[at]} right answers of {asked[at]}"
            raise raw.refuse(
                "correct", int(raw.rows[ROW][at]), what, "counts of right answers and of items, not shares"
            )
        source, notes = raw.source, raw.notes
    else:
        found = ledger.read(data, names, mapping=mapping, where=where, optional=optional)
        rows = found.rows.filter(pl.col("outcome") != "not_attempted")
        rows = rows.with_columns(right=(pl.col("outcome") == "right").cast(pl.Float64), asked=pl.lit(1.0))
        source, notes = found.source, found.notes
    if rows.is_empty():
        raise DataError(f"{source}: no item was attempted")
    rows = rows.with_columns(pl.lit("").alias(name) for name in optional if name not in rows.columns)
    rows = rows.with_columns(pl.col(*names, *optional, "item").cast(pl.String))
    rows = rows.with_columns(name=pl.concat_str("seed", "run", separator="/"))
    keys = ["order", "name", "stage", "trained", "benchmark", "item"]
    return rows.group_by(keys).agg(pl.col("right", "asked").sum()).sort(keys), source, notes


def _in_order(stages: list[str], source: str) -> list[str]:
    """Stages by their numbers.

    Raises:
        DataError: a stage has none, or two have the same.
    """
    numbers = {stage: re.findall(r"\d+(?:\.\d+)?", stage) for stage in stages}
    if odd := sorted(stage for stage, found in numbers.items() if len(found) != 1):
        raise DataError(
            f"{source}: stages {listed(odd)} have no order\n  next: number them: 0 is the base, 1 the first stage"
        )
    if len({float(found[0]) for found in numbers.values()}) < len(stages):
        raise DataError(f"{source}: two stages have one number: {listed(sorted(stages))}\n  next: a number for each")
    return sorted(stages, key=lambda stage: float(numbers[stage][0]))


def _trained(rows: pl.DataFrame, source: str) -> dict[str, str]:
    """The stage that trained each benchmark.

    Raises:
        UsageError: a stage that trained several, or nothing that is measured.
    """
    pairs = rows.filter(pl.col("trained") != "").select("stage", "trained").unique()
    known = set(rows["benchmark"])
    if pairs["stage"].n_unique() < len(pairs) or pairs["trained"].n_unique() < len(pairs):
        raise UsageError(f"{source}: a stage trains one benchmark, and no other stage does\n  next: column `trained`")
    return {trained: stage for stage, trained in pairs.iter_rows() if trained in known}


def _matrix(rows: pl.DataFrame, stages: list[str], level: float) -> tuple[Entry, ...]:
    items = rows.group_by("stage", "benchmark", "item", maintain_order=True).agg(pl.col("right", "asked").sum())
    parts = dict(items.group_by("stage", "benchmark", maintain_order=True))
    made = []
    for stage in stages:
        for (at, benchmark), part in sorted(parts.items()):
            if at == stage:
                right, asked = part["right"].to_numpy(), part["asked"].to_numpy()
                each = (right, asked)
                if part["item"].null_count():  # counts: every answer is of an item of its own
                    each = (np.arange(asked.sum()) < right.sum()).astype(float), np.ones(int(asked.sum()))
                interval = share_interval(*each, level)
                made.append(Entry(stage, str(benchmark), int(right.sum()), int(asked.sum()), interval))
    return tuple(made)


@dataclass(frozen=True, eq=False)
class _Scores:
    """Shares of right answers (R, T, I) of one skill, on the items that every run was asked at every stage."""

    share: np.ndarray
    drawn: np.ndarray  # (D, T): means over items and runs drawn again
    single: bool

    def transfer(self, stages: list[str], since: int, to: int, level: float, sign: int = 1) -> Transfer:
        """`to` - `since`, times the sign."""
        apart = sign * (self.share[:, to] - self.share[:, since])
        value = float(apart.mean())
        drawn = sign * (self.drawn[:, to] - self.drawn[:, since])
        return Transfer(stages[since], stages[to], _interval(value, drawn, level), self._p(apart, drawn))

    def _p(self, apart: np.ndarray, drawn: np.ndarray) -> float:
        if self.single:
            wins, losses = int((apart > 0).sum()), int((apart < 0).sum())
            return min(1.0, 2 * float(special.bdtr(min(wins, losses), wins + losses, 0.5)))
        tail = min(float(np.mean(drawn <= 0)), float(np.mean(drawn >= 0)))
        return min(1.0, 2 * tail + 2 / (len(drawn) + 1))


def _interval(value: float, drawn: np.ndarray, level: float) -> Interval:
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value, min(float(low), value), max(float(high), value))


def _scores(rows: pl.DataFrame, stages: list[str], draws: int, rng: np.random.Generator) -> _Scores | None:
    """None where no item was asked at every stage of every run."""
    names = rows["name"].unique().sort().to_list()
    if rows["item"].null_count():
        return _counted(rows, names, stages, draws, rng)
    each = rows.with_columns(share=pl.col("right") / pl.col("asked"))
    wide = each.sort("item").pivot(on=["name", "stage"], index="item", values="share")
    pairs = [[f'{{"{name}","{stage}"}}' for stage in stages] for name in names]
    if any(column not in wide.columns for columns in pairs for column in columns):
        return None
    wide = wide.drop_nulls()
    if wide.is_empty():
        return None
    share = np.stack([np.stack([wide[column].to_numpy() for column in columns]) for columns in pairs])
    R, _, items = share.shape
    weights = rng.multinomial(items, np.full(items, 1 / items), draws) / items  # (D, I), the same for all
    by_run = np.einsum("rti,di->drt", share, weights)
    return _Scores(share, _over_runs(by_run, rng), single=R == 1 and float(each["asked"].max()) == 1)  # pyright: ignore


def _over_runs(by_run: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Means over runs drawn again, (D, R, T) -> (D, T); deviations are stretched, as drawn runs vary by less."""
    draws, R, _ = by_run.shape
    runs = rng.multinomial(R, np.full(R, 1 / R), draws) / R
    middle = by_run.mean(axis=1, keepdims=True)
    stretched = middle + (by_run - middle) * (math.sqrt(R / (R - 1)) if R > 1 else 1.0)
    return np.einsum("drt,dr->dt", stretched, runs)


def _counted(
    rows: pl.DataFrame, names: list[str], stages: list[str], draws: int, rng: np.random.Generator
) -> _Scores | None:
    """Scores of counts: the answers of every evaluation are drawn for themselves."""
    known = {
        (name, stage): (right, asked) for name, stage, right, asked in rows["name", "stage", "right", "asked"].rows()
    }
    if any((name, stage) not in known for name in names for stage in stages):
        return None
    right, asked = np.moveaxis(np.array([[known[name, stage] for stage in stages] for name in names]), -1, 0)
    drawn = rng.binomial(asked.astype(int), (right + 0.5) / (asked + 1), (draws, *right.shape)) / asked
    return _Scores((right / asked)[..., None], _over_runs(drawn, rng), single=False)


def _skill(
    rows: pl.DataFrame,
    benchmark: str,
    stages: list[str],
    trained: dict[str, str],
    level: float,
    draws: int,
    rng: np.random.Generator,
) -> Skill:
    own = rows.filter(pl.col("benchmark") == benchmark)
    there = [stage for stage in stages if stage in set(own["stage"])]
    scores = _scores(own, there, draws, rng) if len(there) > 1 else None
    if scores is None:
        return Skill(benchmark, trained.get(benchmark), None, None, None)
    last = len(there) - 1
    means = scores.share.mean(axis=(0, 2))
    best = int(np.argmax(means[:last]))
    forgetting = scores.transfer(there, best, last, level, -1)
    every = scores.drawn[:, :last].max(axis=1) - scores.drawn[:, last]  # the best stage is another one in some draws
    forgetting = Transfer(
        forgetting.since, forgetting.to, _interval(forgetting.difference.value, every, level), forgetting.p
    )
    at = there.index(trained[benchmark]) if trained.get(benchmark) in there else None
    backward = scores.transfer(there, at, last, level) if at is not None and at < last else None
    forward = scores.transfer(there, 0, at - 1, level) if at is not None and at > 1 else None
    return Skill(benchmark, trained.get(benchmark), forgetting, backward, forward)


def _cautions(order: Order, trained: dict[str, str]) -> list[Caution]:
    found = []
    if not trained:
        text = "no column `trained` says which benchmark a stage trained: there is no backward or forward transfer"
        found.append(Caution("trained-unknown", text))
    if unpaired := [skill.benchmark for skill in order.skills if skill.forgetting is None]:
        text = f"{listed(unpaired, 5)}: no items that every run was asked at every stage, so nothing is compared"
        found.append(Caution("no-common-items", text))
    if order.runs == 1:
        found.append(Caution("one-run", "one run of an order: intervals hold the noise of items, not that of seeds"))
    if len(order.stages) > 2:
        text = "the best of several earlier stages is high by their noise, and forgetting from it by as much"
        found.append(Caution("best-of-several", text))
    return found
