"""The table of the contrasts that a study declared."""

import math

from rlaw.analysis.contrast.declared import declared_contrasts
from rlaw.analysis.contrast.result import Contrast, Pair
from rlaw.analysis.evidence import Evidence
from rlaw.errors import DataError
from rlaw.fitting.interval import Interval
from rlaw.reporting.tables.base import Cell, Number, Table
from rlaw.text import one_line


def contrasts(evidence: Evidence) -> Table:
    """Every pair of recipes at every size and over sizes."""
    declared = declared_contrasts(evidence)
    if not declared:
        raise DataError("the study declares no contrasts")
    found = [(d.contrast.name, d.found) for d in declared if d.found is not None]
    if not found:
        raise DataError(f"no contrast could be made: {declared[0].refused}")
    rows = [row for name, one in found for pair in one.pairs for row in _rows(name, pair)]
    levels = ", ".join(dict.fromkeys(f"{one.level:.0%}" for _, one in found))
    caption = (
        f"Differences of A less B with {levels} intervals: loss at the end of what all runs of a size reached, slope "
        f"k, and what A takes over what B takes to reach equal loss ({_axes([one for _, one in found])}). Verdicts: "
        "5 % level, p after Holm's correction."
    )
    columns = ("contrast", "A, B", "size", "runs", "loss", "k", "A/B", "P(A lower)", "p", "verdict")
    return Table("contrasts", caption, columns, tuple(rows))


def _axes(found: list[Contrast]) -> str:
    return ", ".join(dict.fromkeys(f"over {one.axis}" for one in found))


def _rows(name: str, pair: Pair) -> list[tuple[Cell, ...]]:
    names = f"{one_line(pair.a)}, {one_line(pair.b)}"
    rows: list[tuple[Cell, ...]] = []
    for size in pair.sizes:
        place = size.places[-1]
        numbers = (_number(place.delta_loss), _number(size.delta_k), _number(size.compute_ratio))
        runs = f"{size.runs[0]}, {size.runs[1]}"
        rows.append((name, names, size.model, runs, *numbers, _digits(place.probability_a_better), "", ""))
    over = (_number(pair.delta_loss), _number(pair.delta_k), "")
    runs, verdict = f"{pair.runs[0]}, {pair.runs[1]}", pair.verdict.replace("_", " ")
    rows.append((name, names, "all", runs, *over, _digits(pair.probability), _digits(pair.p_holm), verdict))
    return rows


def _number(value: Interval) -> Cell:
    return "" if math.isnan(value.value) else Number(value)


def _digits(number: float) -> str:
    return "" if math.isnan(number) else f"{number:.3g}"
