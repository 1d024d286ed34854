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
    rows = []
    for size in evidence.sizes:
        params = f"{size.params:,.0f}" if math.isfinite(size.params) else ""
        losses = (f"{size.base_loss:.3f}", f"{size.final_loss:.3f}")
        rows.append((size.model, params, str(size.runs), *losses, str(size.last_step)))
    caption = (
        "The ladder as measured, means over runs. The last step is the last one that all runs of the size reached."
    )
    return Table("ladder", caption, ("size", "N", "runs", base, "loss at last step", "last step"), tuple(rows))


def equal_compute(evidence: Evidence) -> Table:
    """Loss of each size at equal compute."""
    ranked = summary.ranking(evidence)
    if ranked is None:
        raise DataError("no two sizes were measured at the same compute")
    of_sizes = list(zip(*ranked.rows, strict=True))
    places = {(r, k + 1): place for r, own in enumerate(of_sizes) for k, place in enumerate(own)}
    strong = frozenset(at for at, place in places.items() if place.rank == "best")
    faint = frozenset(at for at, place in places.items() if place.state != "measured")
    caption = (
        f"Test loss at equal RL compute (FLOPs, {accounting(evidence)}); bold: lowest; ≈: no significant difference "
        f"from it at {evidence.choice.level:.0%}. Measured losses only: nothing is extrapolated."
    )
    columns = ("size", *(round_number(budget) for budget in ranked.budgets))
    rows = tuple((own[0].model, *map(_cell, own)) for own in of_sizes)
    return Table("equal-compute", caption, columns, rows, strong, faint)


def _cell(place: Placing) -> str:
    if place.state != "measured":
        return place.state
    return f"{place.loss:.3f}" + (" ≈" if place.rank == "level" else "")


def benchmarks(evidence: Evidence) -> Table:
    """The benchmark suite: the paper's Table 1."""
    rows, first = evidence.frame.rows.drop_nulls("items"), evidence.main.rows["benchmark"][0]
    if rows.is_empty():
        raise DataError("the source does not record the number of problems")
    lines = []
    for name in sorted(rows["benchmark"].unique(), key=lambda n: (n != first, n)):
        own = rows.filter(pl.col("benchmark") == name)
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
        numbers = (1 - size.base_loss, 1 - size.final_loss, error, best)
        lines.append((size.model, variant, str(size.runs), *(f"{number:.3f}" for number in numbers)))
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
        largest, scatter = max(largest, size.runs), ("", "")
        if size.runs > 1:
            std = float(np.std(size.run_losses, ddof=1))
            scatter = (f"{std:.4f}", f"{std / math.sqrt(size.runs):.4f}")
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
