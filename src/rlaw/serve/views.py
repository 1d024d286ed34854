"""What each view shows, as plain data: curves with their law, k(N), residuals, laws compared, the planner.

Every document names the equation and the command that gives the same numbers.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from rlaw import laws
from rlaw.analysis.evidence import Evidence
from rlaw.decisions.allocation import Allocation, allocate
from rlaw.errors import NotIdentifiable, RlawError, UsageError
from rlaw.fitting.fit import Fit
from rlaw.fitting.interval import Interval, finite, plain
from rlaw.fitting.selection import window_of
from rlaw.forecasting.backtest import Comparison, compare
from rlaw.measurements.frame import AXES, SINGLE, Frame
from rlaw.serve.axes import Shown, axes
from rlaw.serve.buckets import MOST, bucketed
from rlaw.serve.query import Query
from rlaw.serve.source import Snapshot
from rlaw.study.gpus import PEAK_FLOPS
from rlaw.text import excluded_rows, one_line, short_names

Document = dict[str, Any]

_LINE_POINTS = 80
_MOST_RESIDUALS = 300
_MOST_STEPS = 400
_BEYOND = 2.0  # times the ladder's ends, that k(N) is drawn
_OF_REUSE = ("tau", "arm")  # what a budget of unique data chooses among
_REACH = 10.0  # times what was run, that the planner's slider goes


def about(snapshot: Snapshot, query: Query) -> Document:
    """What the data hold: what the controls of the page offer."""
    source = snapshot.source
    head: Document = {
        "version": snapshot.number,
        "data": one_line(source.data),
        "laws": [{"name": name, "formula": laws.get(name).formula} for name in laws.names()],
        "gpus": list(PEAK_FLOPS),
        "problem": None if snapshot.problem is None else _problem(snapshot.problem),
    }
    if snapshot.frame is None:
        return head
    rows = snapshot.frame.rows
    several = {name: values for name in (*SINGLE, "arm") if len(values := _values(rows, name)) > 1}
    notes = [one_line(note.text) for note in snapshot.frame.notes]
    head |= {"rows": len(rows), "dropped": excluded_rows(snapshot.frame.dropped), "notes": notes, "columns": several}
    try:
        evidence = snapshot.evidence(query.where)
    except RlawError as error:
        return {**head, "problem": _problem(error)}
    steps = evidence.main.rows["step"].unique().sort()
    chosen = {name: _values(evidence.main.rows, name) for name in several}
    return head | {
        "axes": [{"name": a.name, "label": a.label} for a in axes(evidence, query.gpu).values()],
        "axis": evidence.axis,
        "chosen": {name: values[0] if len(values) == 1 else "" for name, values in chosen.items()},
        "sizes": [_size(evidence, model) for model in evidence.main.models],
        "steps": _thinned(steps.to_numpy(), _MOST_STEPS).tolist(),
        "window": evidence.choice.window,
        "digest": evidence.main.digest,
    }


def curves(snapshot: Snapshot, query: Query) -> Document:
    """Every size's measurements with the law along them.

    Raises:
        RlawError: there are none, or they lack the axis.
    """
    evidence = snapshot.evidence(query.where)
    shown = _axis(evidence, query)
    fitted, refused = _fit(snapshot, query, shown)
    names = dict(zip(evidence.main.models, short_names(list(evidence.main.models)), strict=True))
    pass_rate = query.measure == "pass"
    document: Document = {
        "axis": shown.name,
        "x": shown.label,
        "y": "pass rate, 1 − test loss" if pass_rate else "test loss L",
        "series": [_series(evidence, query, shown, model, names[model]) for model in evidence.main.models],
        "range": _range(evidence),
        "refused": refused,
        "law": None,
        **_origin(snapshot, query, "fit", *_fit_options(query, shown, evidence)),
    }
    if fitted is not None:
        document["law"] = {**_law(fitted), "lines": [_line(fitted, shown, m, pass_rate) for m in fitted.curves.models]}
    return document


def law(snapshot: Snapshot, query: Query) -> Document:
    """k(N) with intervals, the parameters, every size, and what the law leaves over.

    Raises:
        RlawError: it cannot be fitted.
    """
    evidence = snapshot.evidence(query.where)
    shown = _axis(evidence, query)
    fitted = snapshot.fit(query.law, query.where, **_how(query, shown, evidence))
    own, reason = _attempt(snapshot, query, shown, "power")
    return {
        "axis": shown.of,
        "x": axes(evidence)[shown.of].label,
        "law": _law(fitted),
        "own": [] if own is None else [_slope(size.model, size.params, size.values["k"]) for size in own.sizes],
        "own_refused": reason,
        "k": _efficiency(fitted),
        "residuals": [_residuals(fitted, r) for r in range(len(fitted.curves.models))],
        **_origin(snapshot, query, "fit", *_fit_options(query, shown, evidence)),
    }


def compared(snapshot: Snapshot, query: Query) -> Document:
    """Laws on held-out points.

    Raises:
        RlawError: there are too few points to hold some out.
    """
    result, cut = comparison(snapshot, query)
    evidence = snapshot.evidence(query.where)
    window = query.window or evidence.choice.window
    options = ["--axis", result.axis, "--cut", str(cut), "--laws", ",".join(_compared(evidence)), "--window", window]
    return {"comparison": result.to_json(), **_origin(snapshot, query, "compare", *options)}


def comparison(snapshot: Snapshot, query: Query) -> tuple[Comparison, int]:
    """Laws judged by the rest of every curve, from its first quarter, and how many points that quarter has."""
    evidence = snapshot.evidence(query.where)
    axis = _axis(evidence, query).of
    cut = evidence.early_steps(evidence.main)[1]
    how: dict[str, Any] = {"axis": axis, "cut": cut, "window": query.window or evidence.choice.window}
    key = ("comparison", query.where, axis, how["window"])
    return snapshot.documents.once(key, lambda: compare(evidence.main, laws=_compared(evidence), **how)), cut


def planner(snapshot: Snapshot, query: Query) -> Document:
    """What a budget buys: the best size, its steps and loss, every other size, and where sizes cross.

    Raises:
        RlawError: a budget that no size can begin with, or that the data cannot place.
    """
    result, options = allocation(snapshot, query)
    evidence = snapshot.evidence(query.where)
    best = result.choice(result.best)
    return {
        "range": _budgets(evidence, query),
        "allocation": result.to_json(),
        "budget": str(result.budget),
        "best": {"name": result.best, "steps": best.steps, "tau": best.tau, "loss": plain(best.loss)},
        "sizes": [
            {**_size(evidence, model), "short": one_line(name)}
            for model, name in zip(evidence.main.models, short_names(list(evidence.main.models)), strict=True)
        ],
        "worth": _worth(evidence, query, result),
        **_origin(snapshot, query, "allocate", *options),
    }


def _worth(evidence: Evidence, query: Query, result: Allocation) -> Document | None:
    """GPU-hours and money of the budget's compute; None for a budget that is no compute."""
    there = axes(evidence, query.gpu)
    if result.budget.axis != "compute" or "usd" not in there:
        return None
    hours, usd = (float(there[name].scale(np.float64(1.0))) * result.budget.amount for name in ("gpu-hours", "usd"))
    return {"gpu_hours": hours, "usd": usd, "assumed": there["usd"].label.partition("(")[2].rstrip(")")}


def allocation(snapshot: Snapshot, query: Query) -> tuple[Allocation, list[str]]:
    """The budget of a query spent well, and the options of `rlaw allocate` that say the same."""
    evidence = snapshot.evidence(query.where)
    amount = query.budget or f"{_budgets(evidence, query)['usual']:.3g}"
    name = query.unit.replace("-", "_")
    spend: dict[str, Any] = {name: amount}
    options = [f"--{query.unit}", amount]
    if query.unit in ("gpu-hours", "usd"):
        price = _price(evidence, query)
        spend |= {"gpu": query.gpu, "usd_per_gpu_hour": float(price)}
        options += ["--gpu", query.gpu, "--usd-per-gpu-hour", f"{float(price):g}"]
    if query.window:
        spend["window"] = query.window
        options += ["--window", query.window]
    frame = _every_tau(snapshot, query) if query.unit == "unique-data" else evidence.main
    key = ("allocation", query.where, *sorted(spend.items()))
    return snapshot.documents.once(key, lambda: allocate(frame, far=True, **spend)), [*options, "--far"]


def _every_tau(snapshot: Snapshot, query: Query) -> Frame:
    """The rows with all reuse factors, which a budget of unique data chooses among."""
    if snapshot.frame is None:
        raise snapshot.problem or RlawError(f"{snapshot.source.data} holds nothing")
    return snapshot.frame.where(**{name: values for name, values in query.where if name not in _OF_REUSE})


def _price(evidence: Evidence, query: Query) -> float:
    """Of a GPU-hour."""
    there, one = axes(evidence, query.gpu), np.float64(1.0)
    return round(float(there["usd"].scale(one) / there["gpu-hours"].scale(one)), 6)


def fitted_with(snapshot: Snapshot, query: Query) -> tuple[Evidence, Fit | None]:
    """The evidence with the law of a query and each size's own line, as figures and tables take it."""
    evidence = snapshot.evidence(query.where)
    shown = _axis(evidence, query)
    found, refused = _fit(snapshot, query, shown)
    own, reason = _attempt(snapshot, query, shown, "power")
    choice = evidence.choice.model_copy(update={"axis": shown.of, "window": query.window or evidence.choice.window})
    why = {name: text for name, text in ((query.law, refused), ("power", reason)) if text}
    fits = {} if found is None else {shown.of: found}
    return replace(evidence, choice=choice, fits=fits, power=own, refused={**evidence.refused, **why}), found


def _axis(evidence: Evidence, query: Query) -> Shown:
    there = axes(evidence, query.gpu)
    name = query.axis or evidence.axis
    if name not in there:
        raise UsageError(f"{evidence.main.source} has no axis {name!r}: it is one of {', '.join(there)}")
    return there[name]


def _how(query: Query, shown: Shown, evidence: Evidence) -> dict[str, Any]:
    drawn = {"intervals": "none"} if query.draws == 0 else {"draws": query.draws}
    held = {"hold_out": query.hold_out} if query.hold_out else {}
    return {"axis": shown.of, "window": query.window or evidence.choice.window, **drawn, **held}


def _fit(snapshot: Snapshot, query: Query, shown: Shown) -> tuple[Fit | None, str]:
    """The law of a query, or why there is none."""
    return _attempt(snapshot, query, shown, query.law)


def _attempt(snapshot: Snapshot, query: Query, shown: Shown, name: str) -> tuple[Fit | None, str]:
    try:
        return snapshot.fit(name, query.where, **_how(query, shown, snapshot.evidence(query.where))), ""
    except RlawError as error:
        return None, _problem(error)


def _fit_options(query: Query, shown: Shown, evidence: Evidence) -> list[str]:
    choice = evidence.choice
    options = ["--law", query.law, "--axis", shown.of, "--window", query.window or choice.window]
    options += ["--hold-out", query.hold_out] if query.hold_out else []
    options += ["--space", choice.space] if choice.space != "loss" else []
    return options + (["--level", f"{choice.level:g}"] if choice.level != 0.9 else [])


def _origin(snapshot: Snapshot, query: Query, name: str, *options: str) -> Document:
    """Where the numbers come from: the command, and the state of the source."""
    evidence = snapshot.evidence(query.where)
    where = dict(query.where) | {k: v for k, v in snapshot.chosen(evidence) if k not in dict(query.where)}
    if query.unit == "unique-data" and name == "allocate":
        where = {k: v for k, v in where.items() if k not in _OF_REUSE}
    command = snapshot.source.command(name, *options, where=tuple(where.items()))
    return {"version": snapshot.number, "command": one_line(command), "digest": evidence.main.digest}


def _law(fit: Fit) -> Document:
    """A fitted law in words and numbers."""
    units_of = {p.name: p for p in fit.law.shared}
    shared = [
        {"name": name, "unit": units_of[name].unit, "text": units_of[name].text, **value.to_json()}
        for name, value in fit.parameters.items()
    ]
    return {
        "name": fit.law.name,
        "formula": fit.law.formula,
        "source": fit.law.source,
        "axis": fit.axis,
        "points": fit.points,
        "parameters": shared,
        "sizes": [{**size.to_json(), "model": one_line(size.model)} for size in fit.sizes],
        "held_out": None if fit.held_out is None else fit.held_out.to_json(),
        "r2_pooled": finite(fit.r2_pooled),
        "rmse": finite(fit.rmse),
        "identified": fit.identified,
        "cautions": [{"code": w.code, "text": one_line(w.text)} for w in fit.warnings],
        "dropped": excluded_rows(fit.dropped),
        "level": fit.level,
        "window": fit.settings["window"],
        "drawn": fit.drawn is not None,
    }


def _series(evidence: Evidence, query: Query, shown: Shown, model: str, name: str) -> Document:
    """One size as measured: means over its runs, their range, and which points the law was fitted to."""
    rows = evidence.main.rows.filter(pl.col("model") == model)
    first, last = window_of(query.window or evidence.choice.window)
    held = bool(query.hold_out) and _is_held(evidence, query.hold_out, model)
    params = rows["params"][0]
    scale = float(shown.scale(np.float64(np.nan if params is None else params)))
    x, y = pl.col(AXES[shown.of]).cast(pl.Float64), pl.col("test_loss")
    inside = (pl.col("step") >= max(first, 1)) & (pl.col("step") <= last)
    points = bucketed(
        rows.select(
            "step",
            x=x * scale,
            y=1 - y if query.measure == "pass" else y,
            inside=inside & ~pl.lit(held),
        ).drop_nulls()
    )
    runs = rows.select("run", "seed").n_unique()
    return {
        **_size(evidence, model),
        "short": one_line(name),
        "runs": runs,
        "held": held,
        **{column: _numbers(points[column]) for column in ("step", "x", "y", "low", "high", "n")},
        "inside": points["inside"].to_list(),
    }


def _range(evidence: Evidence) -> str:
    """What the shade behind points is the range of; empty where every point is one value."""
    if any(size.runs > 1 for size in evidence.sizes):
        return "the range of runs"
    most = evidence.main.rows.group_by("model").agg(pl.col("step").n_unique())["step"].max()
    return "the range of the evaluations that a point is the mean of" if most > MOST else ""  # pyright: ignore[reportOperatorIssue]


def _is_held(evidence: Evidence, hold_out: str, model: str) -> bool:
    """Whether a model is the one that `hold_out` names."""
    models = evidence.main.models
    if hold_out == "largest":
        return model == models[-1]
    return model == hold_out


def _line(fit: Fit, shown: Shown, model: str, pass_rate: bool) -> Document:
    """The law along one size, with its band: over the window it was fitted to, and on to the end of the data."""
    r = fit.curves.models.index(model)
    used = fit.curves.at.x[0, r, fit.curves.present[r]]
    rows = fit.frame.rows.filter(pl.col("model") == model)[AXES[shown.of]].drop_nulls().to_numpy()
    every = rows[rows > 0]
    x = np.unique(np.r_[np.geomspace(every.min(), every.max(), _LINE_POINTS), used.min(), used.max()])
    y = fit.predict(model, x)
    low, high = fit.band(model, x) if fit.drawn is not None else (None, None)
    if pass_rate:
        y = 1 - y
        low, high = (None, None) if low is None or high is None else (1 - high, 1 - low)
    scale = float(shown.scale(np.float64(fit.curves.params[r])))
    return {
        "model": one_line(model),
        "x": _numbers(x * scale),
        "y": _numbers(y),
        "low": None if low is None else _numbers(low),
        "high": None if high is None else _numbers(high),
        "inside": ((x >= used.min()) & (x <= used.max())).tolist(),
    }


def _efficiency(fit: Fit) -> Document | None:
    """k(N) of the law over sizes, with its band; None for a law that does not tie it to the size."""
    params = fit.curves.params[np.isfinite(fit.curves.params)]
    if not len(params):
        return None
    grid = np.geomspace(params.min() / _BEYOND, params.max() * _BEYOND, _LINE_POINTS)
    grid = grid[~np.isclose(grid[:, None], params, rtol=0.02).any(axis=1)]  # a size of the fit has a narrower interval
    try:
        found = [fit.k(float(n)) for n in grid]
    except (NotIdentifiable, UsageError):
        return None
    return {
        "x": _numbers(grid),
        **{end: _numbers([getattr(k, end) for k in found]) for end in ("value", "low", "high")},
    }


def _slope(model: str, params: float, k: Interval) -> Document:
    return {"model": one_line(model), "params": finite(params), "k": k.to_json()}


def _residuals(fit: Fit, r: int) -> Document:
    """Measured minus fitted loss of one size."""
    here = fit.curves.present[r]
    order = np.argsort(fit.curves.at.x[0, r, here], kind="stable")
    left = (fit.curves.loss[r, here] - fit.fitted[r, here])[order]
    x, run = fit.curves.at.x[0, r, here][order], fit.curves.run[r, here][order]
    kept = _thinned(np.arange(len(x)), _MOST_RESIDUALS)
    return {
        "model": one_line(fit.curves.models[r]),
        "x": _numbers(x[kept]),
        "y": _numbers(left[kept]),
        "run": run[kept].tolist(),
        "r2": finite(fit.sizes[r].r2),
    }


def _compared(evidence: Evidence) -> list[str]:
    """The laws that the study names, and the baselines that every law must beat."""
    return list(dict.fromkeys((*evidence.choice.laws, *laws.BASELINES)))


def _budgets(evidence: Evidence, query: Query) -> dict[str, float]:
    """The ends of the planner's slider in its unit, and where it begins: from the first point to 10 times the last."""
    axis = "data" if query.unit in ("data", "unique-data") else "compute"
    evidence.main.x(axis)  # says so where the data have none
    x = evidence.main.rows.filter(pl.col("step") > 0)[AXES[axis]].drop_nulls()
    per = (
        1.0
        if query.unit in ("compute", "data", "unique-data")
        else float(axes(evidence, query.gpu)[query.unit].scale(1.0))
    )
    low, high = float(x.filter(x > 0).min()), float(x.max())  # pyright: ignore[reportArgumentType]
    begun = evidence.main.rows.filter(pl.col("step") > 0).group_by("model").agg(pl.col(AXES[axis]).min())
    least = sorted(begun[AXES[axis]].drop_nulls().to_list())[:2][-1]  # two sizes have begun
    return {"low": max(low, least) * per, "high": high * _REACH * per, "usual": high * per}


def _size(evidence: Evidence, model: str) -> Document:
    params = next((s.params for s in evidence.sizes if s.model == model), float("nan"))
    return {"model": one_line(model), "params": finite(params)}


def _values(rows: pl.DataFrame, name: str) -> list[str]:
    return [one_line(str(value)) for value in rows[name].drop_nulls().unique().sort().to_list()]


def _problem(error: RlawError) -> str:
    """A message of the library, as the command line writes it."""
    return str(error)


def _thinned(values: np.ndarray, most: int) -> np.ndarray:
    """At most so many values, evenly chosen, both ends among them."""
    return values[np.unique(np.linspace(0, len(values) - 1, min(most, len(values))).astype(int))]


def _numbers(values: Any) -> list[float | None]:
    """Numbers for JSON with six digits; null for what is none."""
    array = np.asarray(values, float)
    return [float(f"{value:.6g}") if np.isfinite(value) else None for value in array]
