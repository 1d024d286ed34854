"""Systems compared on the same items: which differ, what a right answer costs, and what failures do to both.

    rlaw.compare_systems("ledger.csv")

Two accuracies: right answers of all asked, where a failure is not right, and of completed ones. Systems are compared
pair by pair on the items that both were asked, so that easy items decide nothing, and are put into groups that cannot
be told apart, not ranked. Axes: S systems, I items of a benchmark.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from scipy import sparse, special

from rlaw.analysis.costs import Cost, Times, cost_of, times_of
from rlaw.analysis.multiple import groups, holm
from rlaw.errors import UsageError
from rlaw.fitting.diagnostics import Caution
from rlaw.fitting.interval import Interval, Plain, finite, plain
from rlaw.measurements.ledger import COSTS, OUTCOMES, Ledger, read
from rlaw.text import Readable, listed, table

_MOST = 300  # systems: 44,850 pairs
_PERMUTATIONS = 9_999
_DENSE = 0.05  # a fuller table of systems and items is multiplied faster as it is
_COMPLETED = ("right", "wrong")


@dataclass(frozen=True, slots=True)
class Accuracy(Plain):
    """Shares of right answers on one benchmark, or on all of them.

    Attributes:
        benchmark: its name.
        items: how many items were asked.
        asked, completed: answers, and those of them that are right or wrong.
        accuracy: right answers of all asked; the interval clustered by item.
        of_completed: right answers of completed ones.
    """

    benchmark: str
    items: int
    asked: int
    completed: int
    right: int
    accuracy: Interval
    of_completed: Interval


@dataclass(frozen=True, slots=True)
class System:
    """One system: what became of its questions, and what they took.

    Attributes:
        system: its name.
        items: items of the ledger that it was asked.
        answers: rows of the ledger, not attempted ones left out.
        outcomes: how many answers have each outcome; items of the ledger that it has no row for are `not_attempted`.
        accuracy: right answers of all asked, where each answer weighs the same.
        of_completed: right answers of completed ones.
        bounds: the accuracy if everything that was not completed were wrong, and if it were right.
        mean: over benchmarks, with the weights that were named; nan without.
        benchmarks: the accuracies on each.
        seconds, tokens, usd: what answers took.
        times: median and 90th percentile of the seconds of an answer, those of timeouts censored.
        on_front: no system is both cheaper and more often right; None where no cost is known.
    """

    system: str
    items: int
    answers: int
    outcomes: dict[str, int]
    accuracy: Interval
    of_completed: Interval
    bounds: tuple[float, float]
    mean: Interval
    benchmarks: tuple[Accuracy, ...]
    seconds: Cost
    tokens: Cost
    usd: Cost
    times: Times
    on_front: bool | None = None

    def to_json(self) -> dict[str, Any]:
        """The system's part of the document."""
        total = max(sum(self.outcomes.values()), 1)
        low, high = map(finite, self.bounds)
        mean = plain(self.mean) if math.isfinite(self.mean.value) else None
        return {
            "system": self.system,
            "items": self.items,
            "answers": self.answers,
            "outcomes": self.outcomes,
            "shares": {name: count / total for name, count in self.outcomes.items()},
            "accuracy": plain(self.accuracy),
            "accuracy_completed": plain(self.of_completed),
            "bounds": {"low": low, "high": high},
            "mean": mean,
            "benchmarks": plain(self.benchmarks),
            **{f"{name}_per_right": plain(getattr(self, name).per_right) for name in COSTS},
            **{f"{name}_per_answer": finite(getattr(self, name).per_answer) for name in COSTS},
            "seconds": plain(self.times),
            "pareto": self.on_front,
        }


@dataclass(frozen=True, slots=True)
class Pair:
    """Two systems on the items that both were asked.

    Attributes:
        a, b: their names; differences are those of a over b.
        items: that both were asked.
        difference: of the shares of right answers; the interval clustered by item.
        p: of no difference: McNemar's exact test, or a t-test over items where an item has several samples or the
            benchmarks have weights.
        p_mid: McNemar's with half of the probability of what was measured, which is as often below 5 % as it says where
            the exact one is so less often; elsewhere as p.
        p_holm: p_mid, corrected for the number of pairs.
        different: p_holm is below 1 - level.
        completed_items: that both completed.
        completed: the difference over those.
        p_completed: of no difference over those, not corrected.
    """

    a: str
    b: str
    items: int
    difference: Interval
    p: float
    p_mid: float
    p_holm: float
    different: bool
    completed_items: int
    completed: Interval
    p_completed: float

    def to_json(self) -> dict[str, Any]:
        """The pair's part of the document; null where nothing was compared."""
        return {
            "a": self.a,
            "b": self.b,
            "items": self.items,
            "difference": plain(self.difference),
            "p": finite(self.p),
            "p_mid": finite(self.p_mid),
            "p_holm": finite(self.p_holm),
            "different": self.different,
            "completed": {
                "items": self.completed_items,
                "difference": plain(self.completed),
                "p": finite(self.p_completed),
            },
        }


@dataclass(frozen=True, slots=True)
class Consistency:
    """Whether benchmarks agree about the order of systems.

    Attributes:
        w: Kendall's coefficient of concordance, 0 (none) to 1 (the same order everywhere), corrected for ties.
        p: the share of random orders that agree as much.
        benchmarks, systems: how many; systems that lack a benchmark are left out.
        spread: standard deviation of the systems' accuracies when each benchmark's mean is taken off.
    """

    w: float
    p: float
    benchmarks: int
    systems: int
    spread: float

    def to_json(self) -> dict[str, Any]:
        """The fields by name, null where unknown."""
        return {
            "w": finite(self.w),
            "p": finite(self.p),
            "benchmarks": self.benchmarks,
            "systems": self.systems,
            "spread": finite(self.spread),
        }


@dataclass(frozen=True, repr=False)
class Systems(Readable):
    """Systems compared.

    Attributes:
        source: the ledger.
        level: of intervals; a pair is different where its corrected p is below 1 - level.
        systems: most often right first.
        pairs: all of them.
        groups: systems that cannot be told apart, best first; one may be in two groups.
        front: the systems on the Pareto front of accuracy and cost, cheapest first.
        cost: what the front is of: usd, else tokens, else seconds; "" where none is known.
        consistency: over benchmarks.
        weights: of the benchmarks in every number over all of them.
        weighted: whether these were named; else every answer weighs the same.
        verdict: in words.
        warnings: what speaks against trusting it.
    """

    source: str
    level: float
    systems: tuple[System, ...]
    pairs: tuple[Pair, ...]
    groups: tuple[tuple[str, ...], ...]
    front: tuple[str, ...]
    cost: str
    consistency: Consistency
    weights: dict[str, float]
    weighted: bool
    verdict: str
    warnings: tuple[Caution, ...] = ()

    def system(self, name: str) -> System:
        """One system, by its name."""
        return next(one for one in self.systems if one.system == name)

    def to_json(self) -> dict[str, Any]:
        """The document of `rlaw compare-systems --json`, schema 1."""
        return {
            "schema": 1,
            "source": self.source,
            "level": self.level,
            "systems": plain(self.systems),
            "pairs": plain(self.pairs),
            "groups": plain(self.groups),
            "pareto": {"cost": self.cost or None, "systems": list(self.front)},
            "consistency": plain(self.consistency),
            "weights": {"named": self.weighted, "benchmarks": self.weights},
            "verdict": self.verdict,
            "warnings": plain(self.warnings),
        }

    def documents(self) -> list[dict[str, Any]]:
        """A row for each system."""
        return plain(self.systems)

    def __str__(self) -> str:
        named = [name for name in OUTCOMES[2:] if any(s.outcomes[name] for s in self.systems)]
        costs = [name for name in COSTS if any(math.isfinite(getattr(s, name).per_right.value) for s in self.systems)]
        mean = self.weighted and len(self.weights) > 1
        rows = []
        for s in self.systems:
            total = max(sum(s.outcomes.values()), 1)
            rows.append(
                [
                    s.system,
                    str(s.items),
                    *([_percent(s.mean)] if mean else []),
                    _percent(s.accuracy),
                    _percent(s.of_completed),
                    *(f"{s.outcomes[name] / total:.1%}" for name in named),
                    *(_plainly(getattr(s, name).per_right.value) for name in costs),
                ]
            )
        heads = ["system", ">items", *([">mean"] if mean else []), ">of all asked", ">of completed"]
        heads += [f">{name.replace('_', ' ')}" for name in named] + [f">{name} per right" for name in costs]
        lines = [table(heads, rows), "", *(f"group {n}: {', '.join(g)}" for n, g in enumerate(self.groups, 1))]
        if self.front:
            lines.append(f"accuracy against {self.cost}, none is better at both than: {', '.join(self.front)}")
        if math.isfinite(self.consistency.w):
            c = self.consistency
            lines.append(f"{c.benchmarks} benchmarks agree on the order with W = {c.w:.2f} (p = {c.p:.3g})")
        return "\n".join([*lines, "", self.verdict, *(f"caution ({w.code}): {w.text}" for w in self.warnings)])


def compare_systems(
    data: Any,
    *,
    weights: str | Mapping[str, float] | None = None,
    mapping: Mapping[str, str] | None = None,
    where: Mapping[str, Sequence[str]] | None = None,
    level: float = 0.95,
    seed: int = 0,
) -> Systems:
    """Compare systems on the same items.

    Args:
        data: a ledger, or a table of one (a path, polars or pandas): `system`, `benchmark`, `item`, `outcome` (one of
            `rlaw.measurements.ledger.OUTCOMES`) or `correct`, and where known `seconds`, `tokens`, `usd`, `sample`.
        weights: of the benchmarks in a mean over them: "items" (each answer the same), "equal", or a weight for each;
            None: no mean of percentages is given.
        mapping: renames columns, ours -> theirs.
        where: keeps the rows whose columns have one of these values.
        level: of intervals, and 1 - the chance that any two systems that are the same are called different.
        seed: of the permutations.

    Raises:
        DataError: it is no ledger.
        UsageError: weights that do not fit the benchmarks, or more than 300 systems.
    """
    ledger = data if isinstance(data, Ledger) else read(data, mapping=mapping, where=where)
    cells = _cells(ledger)
    names, benchmarks = cells.names, cells.benchmarks
    share = _weights(weights, benchmarks, ledger.source)
    systems = [_system(cells, ledger, s, share, level, any_mean=weights is not None) for s in range(len(names))]
    order = sorted(systems, key=lambda s: (-(s.mean if share else s.accuracy).value, s.system))
    pairs = _pairs(cells, [names.index(s.system) for s in order], share, level)
    different = {frozenset((p.a, p.b)) for p in pairs if p.different}
    grouped = tuple(map(tuple, groups([s.system for s in order], different)))
    front, cost = _front(order)
    order = [replace(s, on_front=s.system in front if cost else None) for s in order]
    used = dict(zip(benchmarks, share or cells.answer_shares().tolist(), strict=True))
    return Systems(
        ledger.source,
        level,
        tuple(order),
        tuple(pairs),
        grouped,
        front,
        cost,
        _consistency(order, seed),
        used,
        weights is not None,
        _verdict(order, pairs, grouped),
        (*(Caution(n.code, n.text) for n in ledger.notes), *_cautions(order, pairs, cells, named=weights is not None)),
    )


@dataclass(frozen=True)
class _Cells:
    """The ledger as numbers: a row for each system and item that it was asked.

    Attributes:
        names, benchmarks: in alphabetical order.
        system, item, benchmark: indices, (n,).
        asked, done, right: answers, completed and right ones, (n,).
        benchmark_I: the benchmark of each item.
    """

    names: list[str]
    benchmarks: list[str]
    system: np.ndarray
    item: np.ndarray
    benchmark: np.ndarray
    asked: np.ndarray
    done: np.ndarray
    right: np.ndarray
    benchmark_I: np.ndarray

    def answer_shares(self) -> np.ndarray:
        """The share of all answers that each benchmark has."""
        counts = np.bincount(self.benchmark, self.asked, len(self.benchmarks))
        return counts / max(counts.sum(), 1)


def _cells(ledger: Ledger) -> _Cells:
    rows = ledger.rows
    names, benchmarks = (_categories(rows[name]) for name in ("system", "benchmark"))
    if len(names) > _MOST:
        raise UsageError(
            f"{ledger.source}: {len(names):,} systems, and at most {_MOST} are compared\n"
            "  next: `where(system='NAME')` for those to compare, or another column as system"
        )
    items = rows.select("benchmark", "item").unique().sort("benchmark", "item").with_row_index("i")
    outcome = pl.col("outcome")
    grouped = (
        rows.group_by("system", "benchmark", "item")
        .agg(
            asked=(outcome != "not_attempted").sum(),
            done=outcome.is_in(_COMPLETED).sum(),
            right=(outcome == "right").sum(),
        )
        .join(items, on=["benchmark", "item"])
        .sort("system", "i")
        .filter(pl.col("asked") > 0)
    )
    asked, done, right = (grouped[name].to_numpy().astype(float) for name in ("asked", "done", "right"))
    system, item, benchmark = (
        grouped[name].to_physical().to_numpy().astype(np.int64) for name in ("system", "i", "benchmark")
    )
    of_items = items["benchmark"].to_physical().to_numpy().astype(np.int64)
    return _Cells(names, benchmarks, system, item, benchmark, asked, done, right, of_items)


def _categories(names: pl.Series) -> list[str]:
    return names.dtype.categories.to_list()  # pyright: ignore[reportAttributeAccessIssue]


def _weights(weights: str | Mapping[str, float] | None, benchmarks: list[str], source: str) -> list[float] | None:
    """The weight of each benchmark, their sum 1; None where every answer weighs the same because nothing was named."""
    if weights is None or weights == "items":
        return None
    if weights == "equal":
        return [1 / len(benchmarks)] * len(benchmarks)
    if isinstance(weights, str):
        raise UsageError(f"no weights are called {weights!r}: they are items, equal, or a number for each benchmark")
    unknown, lacking = sorted(set(weights) - set(benchmarks)), sorted(set(benchmarks) - set(weights))
    values = [float(weights[name]) for name in benchmarks if name in weights]
    if unknown or lacking or not all(math.isfinite(v) and v >= 0 for v in values) or not sum(values):
        what = (
            f"no benchmark is called {listed(unknown)}" if unknown else f"none for {listed(lacking)}" if lacking else ""
        )
        raise UsageError(
            f"`weights=`: {what or 'they are numbers of 0 or more, not all 0'}\n"
            f"  where: {source}, benchmarks {listed(benchmarks)}\n  next: name a weight for each of them"
        )
    return [value / sum(values) for value in values]


def share_interval(right: np.ndarray, of: np.ndarray, level: float) -> Interval:
    """Right answers of all, with Wilson's interval for as many independent answers as the clusters are worth.

    Args:
        right, of: (n,) right answers, and answers, of each item.
        level: of the interval.

    Source: Wilson 1927; the design effect of Korn and Graubard 1998, Survey Methodology 24, 193-201.
    """
    kept = of > 0
    right, of = right[kept], of[kept]
    n, items = float(of.sum()), len(of)
    if not items:
        return Interval(math.nan)
    p = float(right.sum()) / n
    variance = float(((right - p * of) ** 2).sum()) / n**2 * items / max(items - 1, 1)
    worth = min(p * (1 - p) / variance, n) if variance > 0 else float(items)
    z = float(special.stdtrit(max(items - 1, 1), (1 + level) / 2) if n > items else special.ndtri((1 + level) / 2))
    middle = (p + z * z / (2 * worth)) / (1 + z * z / worth)
    half = z / (1 + z * z / worth) * math.sqrt(p * (1 - p) / worth + z * z / (4 * worth * worth))
    return Interval(p, max(min(middle - half, p), 0.0), min(max(middle + half, p), 1.0))


def _weighted(parts: Sequence[Interval], weights: Sequence[float]) -> Interval:
    """A weighted mean of shares; the interval by the method of variance estimates recovery.

    Source: Zou and Donner 2008, Construction of confidence limits about effect measures, Statist. Med. 27, 1693-1702.
    """
    used = [(part, w) for part, w in zip(parts, weights, strict=True) if w > 0]
    value = sum(w * part.value for part, w in used)
    below = math.sqrt(sum((w * (part.value - part.low)) ** 2 for part, w in used))
    above = math.sqrt(sum((w * (part.high - part.value)) ** 2 for part, w in used))
    return Interval(value, value - below, value + above)


def _system(
    cells: _Cells, ledger: Ledger, s: int, share: list[float] | None, level: float, *, any_mean: bool
) -> System:
    first, last = np.searchsorted(cells.system, [s, s + 1])
    asked, done, right, of = (x[first:last] for x in (cells.asked, cells.done, cells.right, cells.benchmark))
    rows = ledger.rows.filter(pl.col("system") == cells.names[s])
    counts = dict(rows["outcome"].value_counts().iter_rows())
    outcomes = {name: int(counts.get(name, 0)) for name in OUTCOMES}
    met = rows.select("benchmark", "item").n_unique()
    outcomes["not_attempted"] += len(cells.benchmark_I) - met
    total = sum(outcomes.values())
    parts = []
    for b, name in enumerate(cells.benchmarks):
        here = of == b
        parts.append(
            Accuracy(
                name,
                int(here.sum()),
                int(asked[here].sum()),
                int(done[here].sum()),
                int(right[here].sum()),
                share_interval(right[here], asked[here], level),
                share_interval(right[here], done[here], level),
            )
        )
    accuracy = share_interval(right, asked, level)
    mean = accuracy if any_mean or len(parts) == 1 else Interval(math.nan)
    if share is not None:
        mean = _weighted([part.accuracy for part in parts], share)
    bounds = (outcomes["right"] / total, (total - outcomes["wrong"]) / total)
    seconds, tokens, usd = (cost_of(rows, name, level) for name in COSTS)
    return System(
        cells.names[s],
        len(asked),
        int(asked.sum()),
        outcomes,
        accuracy,
        share_interval(right, done, level),
        bounds,
        mean,
        tuple(parts),
        seconds,
        tokens,
        usd,
        times_of(rows),
    )


@dataclass(frozen=True)
class _Sums:
    """Sums over the common items of every pair of systems, (S, S) each: items, differences and their squares."""

    items: np.ndarray
    plus: np.ndarray
    squares: np.ndarray

    def __add__(self, other: "_Sums") -> "_Sums":
        return _Sums(self.items + other.items, self.plus + other.plus, self.squares + other.squares)


def _sums(cells: _Cells, of: np.ndarray, b: int, order: Sequence[int]) -> _Sums:
    """Of a benchmark; `of` are the answers that count, asked or completed, and an item's mean over them is compared."""
    here = (cells.benchmark == b) & (of > 0)
    place = np.empty(len(cells.names), int)
    place[list(order)] = np.arange(len(order))
    columns, item = np.unique(cells.item[here], return_inverse=True)
    shape = (len(order), max(len(columns), 1))
    at = (place[cells.system[here]], item)
    x = sparse.csr_matrix((cells.right[here] / of[here], at), shape)
    mask = sparse.csr_matrix((np.ones(int(here.sum())), at), shape)
    square = x.multiply(x).tocsr()
    if here.sum() > _DENSE * shape[0] * shape[1]:
        x, mask, square = x.toarray(), mask.toarray(), square.toarray()

    def product(left: Any, right: Any) -> np.ndarray:
        made = left @ right.T
        return made if isinstance(made, np.ndarray) else made.toarray()

    own, squared = product(x, mask), product(square, mask)
    return _Sums(product(mask, mask), own - own.T, squared + squared.T - 2 * product(x, x))


def _pairs(cells: _Cells, order: list[int], share: list[float] | None, level: float) -> list[Pair]:
    many = len(cells.benchmarks)
    asked = [_sums(cells, cells.asked, b, order) for b in range(many)]
    done = [_sums(cells, cells.done, b, order) for b in range(many)]
    whole, whole_done = (_compared(sums, share, level, single=bool((cells.asked <= 1).all())) for sums in (asked, done))
    first, second = np.triu_indices(len(order), 1)
    corrected = holm(whole.p_mid[first, second].tolist()) if len(first) else []
    names = [cells.names[s] for s in order]
    return [
        Pair(
            names[i],
            names[j],
            int(whole.items[i, j]),
            whole.interval(i, j),
            float(whole.p[i, j]),
            float(whole.p_mid[i, j]),
            p_holm,
            p_holm < 1 - level,
            int(whole_done.items[i, j]),
            whole_done.interval(i, j),
            float(whole_done.p[i, j]),
        )
        for i, j, p_holm in zip(first.tolist(), second.tolist(), corrected, strict=True)
    ]


@dataclass(frozen=True)
class _Compared:
    """Differences of every pair, (S, S) each."""

    items: np.ndarray
    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    p: np.ndarray
    p_mid: np.ndarray

    def interval(self, i: int, j: int) -> Interval:
        return Interval(float(self.value[i, j]), float(self.low[i, j]), float(self.high[i, j]))


def _compared(parts: list[_Sums], share: list[float] | None, level: float, *, single: bool) -> _Compared:
    """The differences with intervals and p-values.

    Intervals are those of a mean over items after two more of them, which half agree and half do not (a difference is
    never known without doubt); so are the t-tests where items have several samples.

    Source: Agresti and Min 2005, Simple improved confidence intervals for comparing matched proportions, Statist. Med.
    24, 729-740; Fagerland, Lydersen and Laake 2013, The McNemar test, BMC Med. Res. Methodol. 13, 91 (mid-p).
    """
    if share is None:
        parts, share = [sum(parts[1:], parts[0])], [1.0]
    used = [(part, w) for part, w in zip(parts, share, strict=True) if w > 0]
    items = np.minimum.reduce([part.items for part, _ in used])
    common = items > 0
    value, middle, variance = np.zeros(items.shape), np.zeros(items.shape), np.zeros(items.shape)
    for part, w in used:
        n = part.items + 2
        mean = part.plus / n
        value += w * part.plus / np.maximum(part.items, 1)
        middle += w * mean
        variance += w * w * np.maximum(part.squares + 1 - n * mean**2, 0) / (n * (n - 1))
    total = sum(part.items for part, _ in used)
    freedom = np.maximum(total - len(used), 1)
    half = special.stdtrit(freedom, (1 + level) / 2) * np.sqrt(variance)
    low, high = np.minimum(middle - half, value), np.maximum(middle + half, value)
    if single and len(used) == 1:
        wins, losses = (np.rint((used[0][0].squares + sign * used[0][0].plus) / 2) for sign in (1, -1))
        n, fewer = (wins + losses).astype(np.int64), np.minimum(wins, losses)
        tail = 2 * special.bdtr(fewer, n, 0.5)
        at = tail - 2 * special.bdtr(np.maximum(fewer - 1, 0), n, 0.5) * (fewer > 0)
        p, p_mid = np.minimum(1.0, tail), np.minimum(1.0, tail - at / 2)
    else:
        p = p_mid = 2 * special.stdtr(freedom, -np.abs(middle) / np.sqrt(variance))
    nothing = np.where(common, 0.0, math.nan)
    return _Compared(
        np.where(common, total, 0),
        value + nothing,
        np.maximum(low, -1) + nothing,
        np.minimum(high, 1) + nothing,
        np.where(common, p, math.nan),
        np.where(common, p_mid, math.nan),
    )


def _front(systems: Sequence[System]) -> tuple[tuple[str, ...], str]:
    """The systems that none beats at both accuracy and cost, and the cost that all have."""
    for name in ("usd", "tokens", "seconds"):
        points = [(getattr(s, name).per_answer, -s.accuracy.value, s.system) for s in systems]
        if points and all(math.isfinite(cost) and math.isfinite(wrong) for cost, wrong, _ in points):
            kept = [
                one
                for one in sorted(points)
                if not any(o[0] <= one[0] and o[1] <= one[1] and (o[0] < one[0] or o[1] < one[1]) for o in points)
            ]
            return tuple(system for _, _, system in kept), name
    return (), ""


def _consistency(systems: Sequence[System], seed: int) -> Consistency:
    every = [[part.accuracy.value for part in s.benchmarks] for s in systems]
    scores = np.array([row for row in every if all(map(math.isfinite, row))])
    if scores.ndim != 2 or scores.shape[0] < 2 or scores.shape[1] < 2:
        return Consistency(math.nan, math.nan, len(systems[0].benchmarks), len(scores), math.nan)
    n, m = scores.shape
    effects = (scores - scores.mean(axis=0)).mean(axis=1)
    ranks = np.stack([_ranks(column) for column in scores.T], axis=1)
    repeats = (np.unique(column, return_counts=True)[1] for column in scores.T)
    ties = sum(float((counts**3 - counts).sum()) for counts in repeats)
    most = m * m * (n**3 - n) - m * ties
    spread = float(effects.std(ddof=1))
    if most <= 0:
        return Consistency(math.nan, math.nan, m, n, spread)

    def agreement(total: np.ndarray) -> np.ndarray:
        return 12 * ((total - m * (n + 1) / 2) ** 2).sum(axis=-1) / most

    w = float(agreement(ranks.sum(axis=1)))
    rng = np.random.default_rng(seed)
    total = sum(rng.permuted(np.tile(column, (_PERMUTATIONS, 1)), axis=1) for column in ranks.T)
    p = (1 + int((agreement(np.asarray(total)) >= w - 1e-12).sum())) / (1 + _PERMUTATIONS)
    return Consistency(w, p, m, n, spread)


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 1; those of equal values are their mean."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[place]


def _verdict(systems: Sequence[System], pairs: Sequence[Pair], grouped: Sequence[Sequence[str]]) -> str:
    if len(systems) == 1:
        return f"one system, {systems[0].system}: nothing to compare it with"
    if not any(pair.different for pair in pairs):
        return (
            f"cannot tell the {len(systems)} systems apart: none of {len(pairs)} pairs differs after Holm's correction"
        )
    count = sum(pair.different for pair in pairs)
    best = f"the best group is {listed(grouped[0])}" if len(grouped[0]) > 1 else f"{grouped[0][0]} is the best"
    return f"{count} of {len(pairs)} pairs differ after Holm's correction: {best}"


def _cautions(systems: Sequence[System], pairs: Sequence[Pair], cells: _Cells, *, named: bool) -> list[Caution]:
    found = []
    if not named and len(cells.benchmarks) > 1:
        shares = ", ".join(f"{n} {w:.0%}" for n, w in zip(cells.benchmarks, cells.answer_shares(), strict=True))
        text = f"numbers over all benchmarks weigh every answer the same ({shares})"
        found.append(Caution("weights", f"{text}; a mean of percentages needs named weights: `weights=equal`"))
    if lacking := [s.system for s in systems if s.items < len(cells.benchmark_I)]:
        text = f"not all {len(cells.benchmark_I)} items were asked of {listed(lacking, 5)}"
        found.append(
            Caution("not-attempted", f"{text}: pairs are compared on common items, accuracies by their bounds")
        )
    if failing := [s.system for s in systems if _failed(s) > 0.05]:
        text = f"more than 5 % of the answers of {listed(failing, 5)} are failures, not wrong answers"
        found.append(Caution("failures", f"{text}: accuracies of all asked and of completed differ"))
    level = max((pair.p_holm for pair in pairs if pair.different), default=0.0)
    if deciding := [f"{p.a} and {p.b}" for p in pairs if p.different and not _stands(p, level)]:
        text = f"failures make the difference of {listed(deciding, 5)}: none is shown among completed answers"
        found.append(Caution("failures-decide", text))
    for name in COSTS:
        if part := [s.system for s in systems if 0 < getattr(s, name).known < s.answers]:
            text = f"{name} of some answers of {listed(part, 5)} are unknown: their mean stands for them"
            found.append(Caution("cost-unknown", text))
    if capped := [s.system for s in systems if s.times.capped]:
        text = f"times of timeouts are lower bounds (censored): {listed(capped, 5)}"
        found.append(Caution("censored-times", text))
    if none := [f"{p.a} and {p.b}" for p in pairs if not p.items]:
        found.append(Caution("no-common-items", f"no item was asked of both {listed(none, 5)}: they are not compared"))
    return found


def _failed(system: System) -> float:
    failures = sum(system.outcomes[name] for name in OUTCOMES[2:-1])
    return failures / max(system.answers, 1)


def _stands(pair: Pair, level: float) -> bool:
    """Whether a difference has the same sign among completed answers, and is shown there too without correction."""
    same = pair.completed.value * pair.difference.value > 0
    return same and pair.p_completed <= max(level, 0.05)


def _percent(share: Interval) -> str:
    return (
        ""
        if math.isnan(share.value)
        else Interval(*(100 * x for x in (share.value, share.low, share.high))).text(lambda value: f"{value:.1f}")
    )


def _plainly(value: float) -> str:
    return f"{value:.3g}" if math.isfinite(value) else ""
