"""What a comparison of systems holds, and how it prints."""

import math
from dataclasses import dataclass
from typing import Any

from rlaw.analysis.costs import Cost, Times
from rlaw.fitting.diagnostics import Caution
from rlaw.fitting.interval import Interval, Plain, finite, plain
from rlaw.measurements.ledger import COSTS, OUTCOMES
from rlaw.text import Readable, table


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


def _percent(share: Interval) -> str:
    return (
        ""
        if math.isnan(share.value)
        else Interval(*(100 * x for x in (share.value, share.low, share.high))).text(lambda value: f"{value:.1f}")
    )


def _plainly(value: float) -> str:
    return f"{value:.3g}" if math.isfinite(value) else ""
