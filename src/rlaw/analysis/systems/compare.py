"""Systems compared on the same items: which differ, what a right answer costs, and what failures do to both.

    rlaw.compare_systems("ledger.csv")

Two accuracies: right answers of all asked, where a failure is not right, and of completed ones. Systems are compared
pair by pair on the items that both were asked, so that easy items decide nothing, and are put into groups that cannot
be told apart, not ranked.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from rlaw.analysis.multiple import groups
from rlaw.analysis.systems.accuracy import system_of
from rlaw.analysis.systems.cells import Cells, cells_of, weights_of
from rlaw.analysis.systems.consistency import consistency_of
from rlaw.analysis.systems.pairs import pairs_of
from rlaw.analysis.systems.result import Pair, System, Systems
from rlaw.fitting.diagnostics import Caution
from rlaw.measurements.ledger import COSTS, OUTCOMES, Ledger, read
from rlaw.text import listed


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
    cells = cells_of(ledger)
    names, benchmarks = cells.names, cells.benchmarks
    share = weights_of(weights, benchmarks, ledger.source)
    systems = [system_of(cells, ledger, s, share, level, any_mean=weights is not None) for s in range(len(names))]
    order = sorted(systems, key=lambda s: (-(s.mean if share else s.accuracy).value, s.system))
    pairs = pairs_of(cells, [names.index(s.system) for s in order], share, level)
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
        consistency_of(order, seed),
        used,
        weights is not None,
        _verdict(order, pairs, grouped),
        (*(Caution(n.code, n.text) for n in ledger.notes), *_cautions(order, pairs, cells, named=weights is not None)),
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


def _cautions(systems: Sequence[System], pairs: Sequence[Pair], cells: Cells, *, named: bool) -> list[Caution]:
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
