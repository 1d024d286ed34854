"""The tables of a report, as text in rows and columns."""

import math
from dataclasses import dataclass

import numpy as np
import polars as pl

from rlaw.evidence import Evidence
from rlaw.figures.looks import accounting, round_number
from rlaw.fit import Fit
from rlaw.frame import AXES
from rlaw.laws import BASELINES
from rlaw.ranking import Place
from rlaw.report import told
from rlaw.report.cost import Cost
from rlaw.sensitivity import Refit, Sensitivity


@dataclass(frozen=True, slots=True)
class Table:
    """A table with its caption. The first column names the row; cells in `strong` (row, column) are the best ones."""

    name: str
    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    strong: frozenset[tuple[int, int]] = frozenset()
    faint: frozenset[tuple[int, int]] = frozenset()


def all_tables(seen: Evidence, cost: Cost) -> dict[str, Table]:
    """The tables that have rows, by name."""
    tables = (
        *(tell(seen) for tell in (ladder, parameters, sizes, without_sizes, windows, equal_compute, laws, beyond)),
        runs(cost),
        phases(cost),
    )
    return {table.name: table for table in tables if table is not None and table.rows}


def ladder(seen: Evidence) -> Table:
    """The sizes as measured."""
    base = "loss at step 0" if seen.base_is_step_0 else "loss at the first evaluation"
    rows = tuple(
        (r.model, f"{r.params:,.0f}", str(r.runs), f"{r.base_loss:.3f}", f"{r.final_loss:.3f}", str(r.last_step))
        for r in seen.rungs
    )
    caption = (
        "The ladder as measured, means over runs. The last step is the last one that all runs of the size reached."
    )
    return Table("ladder", caption, ("size", "N", "runs", base, "loss at last step", "last step"), rows)


def parameters(seen: Evidence) -> Table | None:
    """Shared parameters of the ladder law over every axis."""
    names = list(dict.fromkeys(name for fit in seen.fits.values() for name in fit.parameters))
    if not names:
        return None
    rows = [
        (
            f"{fit.law.name} over {axis}",
            *(told.parameter(fit, name) if name in fit.parameters else "" for name in names),
            f"{fit.r2_pooled:.4f}",
            f"{min(rung.r2 for rung in fit.rungs):.3f}",
            f"{fit.rmse:.4f}",
            _yes(fit.identified),
        )
        for axis, fit in seen.fits.items()
    ]
    level = next(iter(seen.fits.values())).level
    caption = (
        f"Parameters of the ladder law with {level:.0%} intervals. Pooled R² is mostly the difference between sizes."
    )
    columns = ("law", *names, "R² pooled", "R² within, worst", "RMSE", "identified")
    return Table("parameters", caption, columns, tuple(rows))


def sizes(seen: Evidence) -> Table | None:
    """What the fits tell of each size."""
    if seen.power is None:
        return None
    rows = []
    for rung in seen.power.rungs:
        law = _rung_of(seen.law, rung.model)
        rows.append(
            (
                rung.model,
                told.interval(rung.values["k"]),
                f"{rung.r2:.3f}",
                *(law if law else ("", "", "", "")),
            )
        )
    name = seen.law.law.name if seen.law else "ladder law"
    columns = ("size", "k, own line", "R²", f"k, {name}", f"E, {name}", f"R², {name}", f"RMSE, {name}")
    caption = (
        f"Each size over {seen.axis}: its own straight line (k and E free) beside the ladder law. "
        "E is log10 of the loss where the axis is 1."
    )
    return Table("sizes", caption, columns, tuple(rows))


def _rung_of(fit: Fit | None, model: str) -> tuple[str, str, str, str] | None:
    rung = next((r for r in fit.rungs if r.model == model), None) if fit else None
    if rung is None:
        return None
    values = [told.interval(rung.values[name]) if name in rung.values else "" for name in ("k", "E")]
    return values[0], values[1], f"{rung.r2:.3f}", f"{rung.rmse:.4f}"


def without_sizes(seen: Evidence) -> Table | None:
    """The ladder law fitted without each size in turn."""
    told_moves = seen.sensitivity
    if told_moves is None:
        return None
    caption = "The ladder law fitted without each size in turn: what rests on one size moves far without it."
    return _moves("without-sizes", caption, "without", told_moves, told_moves.sizes)


def windows(seen: Evidence) -> Table | None:
    """The ladder law fitted with other windows."""
    told_moves = seen.sensitivity
    if told_moves is None:
        return None
    caption = (
        f"The ladder law fitted with other windows of steps than its own, {told_moves.window}. A window that spans "
        "less of the axis moves more by noise alone."
    )
    return _moves("windows", caption, "window", told_moves, told_moves.windows)


def _moves(name: str, caption: str, first: str, moves: Sensitivity, refits: tuple[Refit, ...]) -> Table:
    unit = f"k is that of {moves.largest}. In brackets: how far a number moved; 1 is the end of the fit's interval."
    rows = tuple(
        (r.change, *(moves.cell(n, r) for n in moves.values), r.refused.partition("\n")[0] or _yes(r.identified))
        for r in refits
    )
    return Table(name, f"{caption} {unit}", (first, *moves.values, "identified"), rows)


def _yes(held: bool) -> str:
    return "yes" if held else "no"


def equal_compute(seen: Evidence) -> Table | None:
    """Loss of each size at equal compute."""
    ranked = told.ranking(seen)
    if ranked is None:
        return None
    models = [place.model for place in ranked.rows[0]]
    cells = [[_cell(row[r]) for row in ranked.rows] for r in range(len(models))]
    strong = frozenset(
        (r, k + 1) for k, row in enumerate(ranked.rows) for r, p in enumerate(row) if p.standing == "best"
    )
    faint = frozenset(
        (r, k + 1) for k, row in enumerate(ranked.rows) for r, p in enumerate(row) if p.state != "measured"
    )
    caption = (
        f"Test loss at equal RL compute (FLOPs, {accounting(seen)}); bold: lowest; ≈: not told apart from it at "
        f"{seen.choice.level:.0%}. Measured losses only: nothing is extrapolated."
    )
    columns = ("size", *(round_number(budget) for budget in ranked.budgets))
    rows = tuple((model, *line) for model, line in zip(models, cells, strict=True))
    return Table("equal-compute", caption, columns, rows, strong, faint)


def _cell(place: Place) -> str:
    if place.state != "measured":
        return place.state
    return f"{place.loss:.3f}" + (" ≈" if place.standing == "level" else "")


def laws(seen: Evidence) -> Table | None:
    """Laws and baselines on points they had not seen."""
    compared = seen.comparison
    if compared is None:
        return None
    rows = []
    for score in compared.laws:
        fit = seen.laws.get(score.law)
        numbers = (
            f"{score.mae:.4f}",
            f"{score.rmse:.4f}",
            f"{score.bias:+.4f}",
            f"{score.coverage:.0%}",
            f"{score.log_score:.2f}",
        )
        name = f"{score.law} (baseline)" if score.law in BASELINES else score.law
        rows.append((name, *numbers, f"{fit.rmse:.4f}" if fit else ""))
    caption = (
        f"Seen and asked: {told.arrows(compared.protocol)}, over {compared.axis}; errors of the loss, means over "
        f"sizes. Coverage: share of held-out points inside the {compared.level:.0%} intervals. {compared.verdict}."
    )
    columns = ("law", "mean abs. error", "RMSE", "bias", "coverage", "log score", "RMSE in sample")
    return Table("laws", caption, columns, tuple(rows), frozenset({(0, 1)}))


def beyond(seen: Evidence) -> Table | None:
    """What the laws, fitted to the main arm, say of longer runs with the same recipe."""
    column = AXES[seen.axis]
    recipe = seen.main.rows.select("variant", "benchmark", "tau", "group_size").unique()
    others = seen.frame.rows.filter(pl.col("arm") != "main").join(recipe, on=recipe.columns, nulls_equal=True)
    ends = seen.main.rows.group_by("model").agg(end=pl.col(column).max())
    longer = others.join(ends, on="model").filter((pl.col(column) > pl.col("end")) & (pl.col("test_loss") > 0))
    rows, models = [], []
    for (model, arm), points in longer.group_by("model", "arm", maintain_order=True):
        x, loss = points[column].to_numpy(), points["test_loss"].to_numpy()
        fits = [fit for fit in seen.laws.values() if model in fit.curves.models]
        errors = [float(np.sqrt(np.mean(np.log(fit.predict(str(model), x) / loss) ** 2))) for fit in fits]
        reach = float(x.max() / points["end"][0])
        models += [fit.law.name for fit in fits if fit.law.name not in models]
        told_errors = dict(zip((fit.law.name for fit in fits), (f"{e:.3f}" for e in errors), strict=True))
        rows.append((f"{model}, {arm}", str(len(points)), f"{reach:.1f}x", told_errors))
    caption = (
        "Longer runs that no fit has seen: root mean square error of ln L past the end of the main arm. Every law was "
        "fitted to the main arm's curve of the same size. One run often: its own seed is part of the error."
    )
    lines = tuple((name, n, reach, *(errors.get(law, "") for law in models)) for name, n, reach, errors in rows)
    return Table("beyond", caption, ("size, arm", "points", "reach", *models), lines)


def runs(cost: Cost) -> Table:
    """Every run with what it took."""
    rows = tuple(
        (
            run.model,
            run.arm,
            str(run.seed),
            run.state + (f": {run.text}" if run.text else ""),
            f"{run.step} of {run.steps}",
            "" if run.test_loss is None else f"{run.test_loss:.3f}",
            _flops(run.compute_flops),
            _flops(sum(run.flops.values())),
            _flops(run.base_flops),
            f"{run.base_seconds:.1f}",
            f"{run.rl_seconds:.1f}",
            f"{run.evaluation_seconds:.1f}",
        )
        for run in cost.runs
    )
    columns = (
        "size", "arm", "seed", "state", "steps", "last loss", "RL compute", "RL, exact", "base, exact",
        "base s", "RL s", "evaluation s",
    )  # fmt: skip
    caption = (
        "Every run. RL compute as the laws count it; exact: matrix products as executed; seconds of one worker. "
        "A base that several runs share is told for each and paid once."
    )
    return Table("runs", caption, columns, rows)


def phases(cost: Cost) -> Table | None:
    """Exact FLOPs by phase."""
    if not cost.runs:
        return None
    total = cost.rl_flops + cost.base_flops
    parts = {
        **{f"RL: {name.replace('_', ' ')}": value for name, value in cost.flops.items()},
        "pretraining the bases": cost.base_flops,
    }
    rows = tuple(
        (name, _flops(value), f"{value / total:.1%}" if total else "") for name, value in parts.items() if value
    )
    caption = f"Where the FLOPs went, exact; evaluations not counted. In all {_flops(total)}."
    return Table("phases", caption, ("phase", "FLOPs", "share"), rows)


def _flops(value: float) -> str:
    return "" if not value or not math.isfinite(value) else f"{value:.2e}".replace("e+", "e")
