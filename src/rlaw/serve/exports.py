"""A view as a file: its figure as SVG, PDF or PNG, its numbers as CSV or LaTeX, by the functions of the report."""

from collections.abc import Callable
from dataclasses import replace
from threading import Lock

from rlaw.errors import DataError, NotFound
from rlaw.reporting.figures import FIGURES, Figure
from rlaw.reporting.plot import plot
from rlaw.reporting.tables import TABLES, Number, Table
from rlaw.serve import overview, views
from rlaw.serve.query import Query
from rlaw.serve.source import Snapshot

TYPES = {
    "svg": "image/svg+xml",
    "pdf": "application/pdf",
    "png": "image/png",
    "csv": "text/csv; charset=utf-8",
    "tex": "application/x-tex; charset=utf-8",
}
_drawing = Lock()  # matplotlib's settings are the process's


def export(snapshot: Snapshot, view: str, format: str, query: Query) -> bytes:
    """One view in one format: the same bytes for the same state of the source.

    Raises:
        NotFound: no such view or format.
        RlawError: the data lack what it would show.
    """
    if view not in _FIGURES or format not in TYPES:
        raise NotFound(f"no view {view!r} is written as {format!r}\n  next: {', '.join(_FIGURES)}; {', '.join(TYPES)}")
    if format in TABLES.formats:
        return _TABLES[view](snapshot, query).render(format)
    with _drawing:
        return _FIGURES[view](snapshot, query).render(format)


def _curves(snapshot: Snapshot, query: Query) -> Figure:
    evidence, _ = views.fitted_with(snapshot, query)
    if evidence.axis == "step":
        raise DataError("curves over the step are drawn on the page alone\n  next: axis=compute or axis=data")
    return FIGURES[f"loss-{evidence.axis}"](evidence)


def _efficiency(snapshot: Snapshot, query: Query) -> Figure:
    return FIGURES["efficiency"](views.fitted_with(snapshot, replace(query, draws=1000))[0])  # it is of intervals


def _left(snapshot: Snapshot, query: Query) -> Figure:
    return FIGURES["residuals"](views.fitted_with(snapshot, query)[0])


def _overview(snapshot: Snapshot, query: Query) -> Figure:
    return FIGURES["final-loss"](snapshot.evidence(query.where))


def _comparison(snapshot: Snapshot, query: Query) -> Figure:
    return plot(views.comparison(snapshot, query)[0])


def _allocation(snapshot: Snapshot, query: Query) -> Figure:
    return plot(views.allocation(snapshot, query)[0])


def _runs(snapshot: Snapshot, query: Query) -> Table:
    del query
    rows = tuple(
        (
            row.name,
            row.model,
            row.state,
            _text(row.step),
            _text(row.steps),
            _text(row.test_loss),
            _text(row.compute_flops),
        )
        for row in overview.rows_of(snapshot)
    )
    columns = ("run", "size", "state", "step", "of steps", "test loss", "compute, FLOPs")
    return Table("runs", "Every run and how far it is.", columns, rows)


def _points(snapshot: Snapshot, query: Query) -> Table:
    """The points of the curves as drawn."""
    found = views.curves(snapshot, query)
    rows = tuple(
        (
            one["model"],
            *(_text(one[name][i]) for name in ("step", "x", "y", "low", "high", "n")),
            _yes(one["inside"][i]),
        )
        for one in found["series"]
        for i in range(len(one["x"]))
    )
    columns = ("size", "step", found["x"], found["y"], "lowest run", "highest run", "rows", "in the fit")
    return Table("curves", f"{found['y']} against {found['x']}: means over the runs of a size.", columns, rows)


def _sizes(snapshot: Snapshot, query: Query) -> Table:
    return TABLES["sizes"](views.fitted_with(snapshot, query)[0])


def _residuals(snapshot: Snapshot, query: Query) -> Table:
    found = views.law(snapshot, query)
    rows = tuple(
        (one["model"], _text(x), _text(y))
        for one in found["residuals"]
        for x, y in zip(one["x"], one["y"], strict=True)
    )
    return Table("residuals", "Measured minus fitted loss.", ("size", found["x"], "residual"), rows)


def _scores(snapshot: Snapshot, query: Query) -> Table:
    result, _ = views.comparison(snapshot, query)
    rows = tuple((s.law, *(f"{value:.4g}" for value in (s.mae, s.rmse, s.bias, s.coverage))) for s in result.laws)
    return Table("laws", f"{result.protocol}. {result.verdict}.", ("law", "MAE", "RMSE", "bias", "coverage"), rows)


def _choices(snapshot: Snapshot, query: Query) -> Table:
    result, _ = views.allocation(snapshot, query)
    rows = tuple(
        (c.model, f"{c.tau:g}", f"{c.steps:.4g}", _text(c.compute_flops), Number(c.loss), f"{c.probability_best:.3f}")
        for c in result.choices
    )
    caption = f"{result.budget}: every size at the budget. Best: {result.best}."
    return Table("planner", caption, ("size", "tau", "steps", "compute, FLOPs", "loss", "P(best)"), rows)


def _text(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def _yes(value: bool) -> str:
    return "yes" if value else "no"


_FIGURES: dict[str, Callable[[Snapshot, Query], Figure]] = {
    "overview": _overview,
    "curves": _curves,
    "law": _efficiency,
    "residuals": _left,
    "compare": _comparison,
    "planner": _allocation,
}
_TABLES: dict[str, Callable[[Snapshot, Query], Table]] = {
    "overview": _runs,
    "curves": _points,
    "law": _sizes,
    "residuals": _residuals,
    "compare": _scores,
    "planner": _choices,
}
