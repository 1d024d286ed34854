"""Tables of laws on held-out points."""

import numpy as np
import polars as pl

from rlaw.analysis.evidence import Evidence
from rlaw.errors import DataError
from rlaw.laws import BASELINES
from rlaw.measurements.frame import AXES
from rlaw.reporting import summary
from rlaw.reporting.tables.base import Table


def laws(evidence: Evidence) -> Table:
    """Laws and baselines on held-out points."""
    compared = evidence.comparison
    if compared is None:
        raise DataError(evidence.refused.get("held-out comparison", "no law was compared"))
    rows = []
    for score in compared.laws:
        fit = evidence.laws.get(score.law)
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
        f"Protocol: {summary.arrows(compared.protocol)}, over {compared.axis}; errors of the loss, means over "
        f"sizes. Coverage: share of held-out points inside the {compared.level:.0%} intervals. {compared.verdict}."
    )
    columns = ("law", "mean abs. error", "RMSE", "bias", "coverage", "log score", "RMSE in sample")
    return Table("laws", caption, columns, tuple(rows), frozenset({(0, 1)}))


def beyond(evidence: Evidence) -> Table:
    """What the laws, fitted to the main arm, say of longer runs with the same recipe."""
    column = AXES[evidence.axis]
    recipe = evidence.main.rows.select("variant", "benchmark", "tau", "group_size").unique()
    others = evidence.frame.rows.filter(pl.col("arm") != "main").join(recipe, on=recipe.columns, nulls_equal=True)
    ends = evidence.main.rows.group_by("model").agg(end=pl.col(column).max())
    longer = others.join(ends, on="model").filter((pl.col(column) > pl.col("end")) & (pl.col("test_loss") > 0))
    rows, models = [], []
    for (model, arm), points in longer.group_by("model", "arm", maintain_order=True):
        x, loss = points[column].to_numpy(), points["test_loss"].to_numpy()
        fits = [fit for fit in evidence.laws.values() if model in fit.curves.models]
        errors = [float(np.sqrt(np.mean(np.log(fit.predict(str(model), x) / loss) ** 2))) for fit in fits]
        reach = float(x.max() / points["end"][0])
        models += [fit.law.name for fit in fits if fit.law.name not in models]
        error_of = dict(zip((fit.law.name for fit in fits), (f"{e:.3f}" for e in errors), strict=True))
        rows.append((f"{model}, {arm}", str(len(points)), f"{reach:.1f}x", error_of))
    if not rows:
        raise DataError("no run went farther than the main arm")
    caption = (
        "Longer runs that no fit has seen: root mean square error of ln L past the end of the main arm. Every law was "
        "fitted to the main arm's curve of the same size. One run often: its own seed is part of the error."
    )
    lines = tuple((name, n, reach, *(errors.get(law, "") for law in models)) for name, n, reach, errors in rows)
    return Table("beyond", caption, ("size, arm", "points", "reach", *models), lines)
