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

from rlaw.analysis.systems import share_interval
from rlaw.errors import DataError, UsageError
from rlaw.fitting.diagnostics import Caution
from rlaw.fitting.interval import Interval, Plain, finite, plain
from rlaw.measurements import ledger
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
        mapping: renames columns, ours -> theirs.
        where: keeps the rows whose columns have one of these values.
        level: of intervals.
        draws: of the bootstrap over items, and over runs where there are several.
        seed: of the random numbers.

    Raises:
        DataError: a column is missing, a cell cannot be understood, or stages have no numbers.
    """
    found = ledger.read(data, ("stage", "benchmark"), mapping=mapping, where=where, optional=("trained", *_RUN))
    rows = found.rows.filter(pl.col("outcome") != "not_attempted")
    if rows.is_empty():
        raise DataError(f"{found.source}: no item was attempted")
    texts = [pl.col(name).cast(pl.String) for name in ("stage", "benchmark", "trained", *_RUN) if name in rows.columns]
    rows = rows.with_columns(texts)
    missing = [pl.lit("").alias(name) for name in ("trained", *_RUN) if name not in rows.columns]
    rows = rows.with_columns(missing).with_columns(name=pl.concat_str("seed", "run", separator="/"))
    stages = _in_order(rows["stage"].unique().to_list(), found.source)
    rng, orders, cautions = np.random.default_rng(seed), [], [Caution(n.code, n.text) for n in found.notes]
    for name in rows["order"].unique().sort():
        own = rows.filter(pl.col("order") == name)
        there = [stage for stage in stages if stage in set(own["stage"])]
        if len(there) < 2:
            raise DataError(f"{found.source}: one stage, {there[0]}: there is nothing to compare it with")
        trained = _trained(own, found.source)
        skills = [_skill(own, b, there, trained, level, draws, rng) for b in own["benchmark"].unique().sort()]
        orders.append(Order(name, tuple(there), own["name"].n_unique(), _matrix(own, there, level), tuple(skills)))
        cautions += _cautions(orders[-1], trained)
    unique = {caution.code: caution for caution in cautions}
    return Retention(found.source, level, tuple(orders), tuple(unique.values()))


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
    items = rows.group_by("stage", "benchmark", "item", maintain_order=True).agg(
        right=(pl.col("outcome") == "right").sum(), asked=pl.len()
    )
    parts = dict(items.group_by("stage", "benchmark", maintain_order=True))
    made = []
    for stage in stages:
        for (at, benchmark), part in sorted(parts.items()):
            if at == stage:
                right, asked = (part[name].to_numpy().astype(float) for name in ("right", "asked"))
                interval = share_interval(right, asked, level)
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
    each = rows.group_by("name", "stage", "item").agg(share=(pl.col("outcome") == "right").mean(), asked=pl.len())
    names = each["name"].unique().sort().to_list()
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
    runs = rng.multinomial(R, np.full(R, 1 / R), draws) / R
    by_run = np.einsum("rti,di->drt", share, weights)
    # runs drawn again vary by less than runs do: their deviations are stretched
    middle = by_run.mean(axis=1, keepdims=True)
    stretched = middle + (by_run - middle) * (math.sqrt(R / (R - 1)) if R > 1 else 1.0)
    drawn = np.einsum("drt,dr->dt", stretched, runs)
    return _Scores(share, drawn, single=R == 1 and int(each["asked"].max()) == 1)  # pyright: ignore[reportArgumentType]


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
