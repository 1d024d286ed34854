"""The figures of a study, one file for each or for a few of a kind. To add one: write its `draw`, add it to the list
below, to the tests and to the docs."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from rlaw.analysis.evidence import Evidence, gather
from rlaw.errors import DataError
from rlaw.measurements import datasets
from rlaw.reporting.family import Family
from rlaw.reporting.figures import (
    ablations,
    allocation,
    arms,
    benchmarks,
    contrasts,
    decomposition,
    efficiency,
    equal_compute,
    final_loss,
    forecasts,
    frontier,
    loss_curves,
    predictions,
    residuals,
    response_length,
    reuse_schedule,
    ridge,
    step_curves,
)
from rlaw.reporting.figures.bare_tables import table_of
from rlaw.reporting.figures.base import FORMATS, Figure, FigureFn, drawing_style

__all__ = ["FIGURES", "OF_TABLES", "Figure", "FigureFn", "draw", "drawing_style"]

#: name -> (its function, what it shows)
_MEMBERS: dict[str, tuple[FigureFn, str]] = {
    "loss-compute": (partial(loss_curves.draw, axis="compute"), "loss against compute with the law, every size"),
    "loss-data": (partial(loss_curves.draw, axis="data"), "loss against data with the law, every size"),
    "inter-model": (predictions.inter_model, "law fitted to smaller sizes, on the largest (cf. Fig. 1, 2)"),
    "intra-model": (predictions.intra_model, "law fitted to the first steps, on the rest (cf. Fig. 4)"),
    "efficiency": (efficiency.by_size_and_base, "k against size, and against the base's loss"),
    "efficiency-fits": (efficiency.by_protocol, "k(N) by intra, inter and all, for every axis (cf. Fig. 3, 5)"),
    "ridge": (ridge.draw, "joint uncertainty of K_max and N_0"),
    "forecasts": (forecasts.draw, "the largest size forecast blind, anchored and calibrated"),
    "decomposition": (decomposition.draw, "the loss decomposition on held-out points (cf. Fig. 13)"),
    "equal-compute": (equal_compute.draw, "loss of each size at equal compute"),
    "frontier": (frontier.draw, "crossovers of neighbours, and the compute of a loss"),
    "allocation": (allocation.draw, "which size for a budget, and how sure"),
    "final-loss": (final_loss.draw, "loss before and after RL against size (cf. Fig. 6a)"),
    "response-length": (response_length.draw, "response length along training (cf. Fig. 6b, 14)"),
    "reuse": (ablations.reuse, "loss for every reuse factor (cf. Fig. 7)"),
    "reuse-schedule": (reuse_schedule.draw, "how problems repeat under reuse (cf. Fig. 9)"),
    "groups": (ablations.groups, "loss for every group size, by compute and by data (cf. Fig. 12)"),
    "benchmarks-compute": (
        partial(benchmarks.against, axis="compute"),
        "every benchmark against compute (cf. Fig. 8, 10)",
    ),
    "benchmarks-data": (partial(benchmarks.against, axis="data"), "every benchmark against data (cf. Fig. 11)"),
    "transfer": (benchmarks.before_after, "every benchmark before and after RL against size (cf. Fig. 8)"),
    "steps": (step_curves.draw, "loss and training reward, step by step"),
    "residuals": (residuals.draw, "residuals of the law, size by size"),
    "arms": (arms.draw, "other arms, and what the main law forecast"),
    "contrasts": (contrasts.draw, "recipes that the study contrasts, size by size"),
}


def _finished(function: FigureFn) -> FigureFn:
    """The function in the style of all figures, its figure laid out, with the origin of bundled data in its caption."""

    def draw(evidence: Evidence) -> Figure:
        with drawing_style():
            return _with_origin(function(evidence).settle(), evidence.frame.source)

    return draw


def _with_origin(figure: Figure, source: str | Path) -> Figure:
    """The figure with the origin and caveats of a bundled dataset in its caption."""
    if str(source) not in datasets.names():
        return figure
    known = datasets.get(str(source))
    return replace(figure, caption=f"{figure.caption} Data: {known.source}; {'; '.join(known.caveats)}.")


FIGURES: Family[Figure] = Family(
    "figure", FORMATS, {name: (_finished(function), title) for name, (function, title) in _MEMBERS.items()}
)

#: what a table without losses along training can still show
OF_TABLES = {"response-length": response_length.of_table, "transfer": benchmarks.of_table}


def draw(
    name: str, source: Any, *, where: Mapping[str, Any] | None = None, draws: int | None = None, seed: int = 0
) -> Figure:
    """One figure of a store, a table or a bundled dataset.

    Args:
        name: one of `FIGURES`.
        source: what `rlaw.load` takes; or, for response-length and transfer, a table with these columns alone.
        where: the rows that laws are fitted to, as `rlaw.report` takes it.
        draws: bootstrap draws; 1000 for the main fits and fewer for costlier computations where None.
        seed: of the bootstrap.

    Raises:
        NotFound: no such figure, or no such source.
        DataError: the source lacks what the figure would show.
    """
    FIGURES.check(name)
    table = table_of(source) if isinstance(source, str | Path) else None
    if table is None:
        return FIGURES[name](gather(source, where=where, draws=draws, seed=seed))
    if name != table.shows:
        raise DataError(f"{source} has no losses along training, so there is no figure {name}\n  next: {table.shows}")
    with drawing_style():
        return _with_origin(OF_TABLES[name](table.rows).settle(), source)
