"""The table of threshold laws."""

from rlaw.fitting.interval import finite
from rlaw.fitting.threshold.result import UNITS, Threshold
from rlaw.reporting.tables.base import Cell, Number, Table


def of_threshold(result: Threshold) -> Table:
    """The law of every group, with how many of its runs never got there."""
    reached = {one.group: one.depth for one in result.reached}
    rows: list[tuple[Cell, ...]] = []
    for group in result.groups:
        counts = (group.group or "all", str(group.runs), str(group.censored))
        if finite(group.gamma.value) is None:
            rows.append((*counts, *["too few"] * 4))
        else:
            numbers = (group.gamma, group.a, group.doubling, reached[group.group])
            rows.append((*counts, *map(Number, numbers)))
    unit = UNITS.get(result.along, result.along)
    columns = (
        result.by or "runs",
        "runs",
        "never reached",
        "gamma",
        "a",
        f"factor for twice the {result.of}",
        f"{result.of} for {result.budget:.4g} {unit}",
    )
    caption = (
        f"{unit} to reach {result.reach:g}: T = a {result.of}^gamma by the interval-censored likelihood; "
        f"{result.settings['level']:.0%} profile intervals."
    )
    return Table("threshold", caption, columns, tuple(rows))
