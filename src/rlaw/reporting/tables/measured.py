"""Tables of what was measured: the ladder, equal compute, pass rates, repeats, benchmarks."""

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import polars as pl

from rlaw.analysis.evidence import Evidence, SizeSummary
from rlaw.analysis.protocols import variants
from rlaw.analysis.ranking import Placing
from rlaw.errors import DataError
from rlaw.reporting import summary
from rlaw.reporting.figures.style import accounting
from rlaw.reporting.tables.base import Table
from rlaw.text import round_number


def ladder(evidence: Evidence) -> Table:
    """The sizes as measured."""
    base = "loss at step 0" if evidence.base_is_step_0 else "loss at the first evaluation"
    rows = tuple(
        (r.model, _count(r.params), str(r.runs), f"{r.base_loss:.3f}", f"{r.final_loss:.3f}", str(r.last_step))
        for r in evidence.sizes
    )
    caption = (
        "The ladder as measured, means over runs. The last step is the last one that all runs of the size reached."
    )
    return Table("ladder", caption, ("size", "N", "runs", base, "loss at last step", "last step"), rows)


def _count(params: float) -> str:
    return f"{params:,.0f}" if math.isfinite(params) else ""


def equal_compute(evidence: Evidence) -> Table:
    """Loss of each size at equal compute."""
    ranked = summary.ranking(evidence)
    if ranked is None:
        raise DataError("no two sizes were measured at the same compute")
    models = [place.model for place in ranked.rows[0]]
    cells = [[_cell(row[r]) for row in ranked.rows] for r in range(len(models))]
    strong = frozenset((r, k + 1) for k, row in enumerate(ranked.rows) for r, p in enumerate(row) if p.rank == "best")
    faint = frozenset(
        (r, k + 1) for k, row in enumerate(ranked.rows) for r, p in enumerate(row) if p.state != "measured"
    )
    caption = (
        f"Test loss at equal RL compute (FLOPs, {accounting(evidence)}); bold: lowest; ≈: no significant difference "
        f"from it at {evidence.choice.level:.0%}. Measured losses only: nothing is extrapolated."
    )
    columns = ("size", *(round_number(budget) for budget in ranked.budgets))
    rows = tuple((model, *line) for model, line in zip(models, cells, strict=True))
    return Table("equal-compute", caption, columns, rows, strong, faint)


def _cell(place: Placing) -> str:
    if place.state != "measured":
        return place.state
    return f"{place.loss:.3f}" + (" ≈" if place.rank == "level" else "")


def benchmarks(evidence: Evidence) -> Table:
    """The benchmark suite: the paper's Table 1."""
    rows = evidence.frame.rows
    names = rows["benchmark"].unique().sort(descending=False).to_list()
    first = evidence.main.rows["benchmark"][0]
    with_items = rows.drop_nulls("items")
    if with_items.is_empty():
        raise DataError("the source does not record the number of problems")
    lines = []
    for name in sorted(names, key=lambda n: (n != first, n)):
        own = with_items.filter(with_items["benchmark"] == name)
        if own.is_empty():
            continue
        items, samples = int(own["items"].max()), int(own["samples"].max())  # pyright: ignore[reportArgumentType]
        error = math.sqrt(0.25 / (items * samples))
        used = "laws are fitted to it" if name == first else ""
        lines.append((name or "(unnamed)", str(items), str(samples), str(len(own)), f"{error:.3f}", used))
    caption = (
        "The benchmarks (cf. Table 1). Standard error: of one evaluation at a loss of 0.5 from the finite number of "
        "answers, taken as independent, which answers to the same problem are not; every evaluation asks the same "
        "problems."
    )
    columns = ("benchmark", "problems", "answers each", "evaluations", "standard error", "used")
    return Table("benchmarks", caption, columns, tuple(lines))


def pass_rates(evidence: Evidence) -> Table:
    """Pass@1 before and after RL, and the best of all evaluations: the paper's Table 4."""
    lines = []
    for variant, size, rows in _by_size(evidence):
        error = evidence.noise.error(size.final_loss, size.runs)
        best = 1 - float(rows["test_loss"].min())  # pyright: ignore[reportArgumentType]
        last = 1 - size.final_loss
        lines.append(
            (
                size.model,
                variant,
                str(size.runs),
                f"{1 - size.base_loss:.3f}",
                f"{last:.3f}",
                f"{error:.3f}",
                f"{best:.3f}",
            )
        )
    before = "before RL" if evidence.base_is_step_0 else "first evaluation"
    caption = (
        "Held-out Pass@1 (cf. Table 4): the mean over runs at the last step that all of them reached, its standard "
        f"error from {evidence.noise.how}, and the best of all evaluations of all runs, as in the paper's "
        "table: biased upward, as the best of many, and no estimate of what the model does next."
    )
    columns = ("size", "variant", "runs", before, "after RL", "standard error", "best of all")
    return Table("pass-at-1", caption, columns, tuple(lines))


def repeats(evidence: Evidence) -> Table:
    """Scatter of the runs of a size at the last step: the paper's Table 5."""
    lines, largest = [], 0
    for variant, size, _ in _by_size(evidence):
        largest = max(largest, size.runs)
        if size.runs > 1:
            std = float(np.std(size.run_losses, ddof=1))
            scatter = (f"{std:.4f}", f"{std / math.sqrt(size.runs):.4f}")
        else:
            scatter = ("", "")
        pooled = evidence.noise.error(size.final_loss, 1)
        name = (size.model, variant, str(size.runs), str(size.last_step))
        lines.append((*name, f"{size.final_loss:.4f}", *scatter, f"{pooled:.4f}"))
    none = "" if largest > 1 else " Every size was run once here, so that no scatter between runs is known."
    caption = (
        "Loss at the last step and its scatter over runs (cf. Table 5). The standard deviation of two or three runs is "
        f"itself known to a factor of two or so; the last column pools all sizes: {evidence.noise.how}.{none}"
    )
    columns = ("size", "variant", "runs", "step", "loss", "std over runs", "SEM", "std of one run, pooled")
    return Table("repeats", caption, columns, tuple(lines))


def _by_size(evidence: Evidence) -> Iterator[tuple[str, SizeSummary, pl.DataFrame]]:
    """Every variant and size of the main arm."""
    for variant, frame in variants(evidence).items():
        for size in replace(evidence, main=frame).sizes:
            yield variant, size, frame.rows.filter(pl.col("model") == size.model)
