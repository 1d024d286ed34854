"""Tables of laws on held-out points."""

import numpy as np
import polars as pl

from rlaw.analysis.evidence import Evidence
from rlaw.errors import DataError
from rlaw.forecasting.predictors import BASELINES
from rlaw.measurements.frame import AXES, SINGLE
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
        name = f"{score.law} (baseline)" if score.law in BASELINES else score.law
        errors = (f"{score.mae:.4f}", f"{score.rmse:.4f}", f"{score.bias:+.4f}")
        judged = (f"{score.coverage:.0%}", f"{score.log_score:.2f}")
        rows.append((name, *errors, *judged, f"{fit.rmse:.4f}" if fit else ""))
    caption = (
        f"Protocol: {summary.arrows(compared.protocol)}, over {compared.axis}; errors of the loss, means over "
        f"sizes. Coverage: share of held-out points inside the {compared.level:.0%} intervals. {compared.verdict}."
    )
    columns = ("law", "mean abs. error", "RMSE", "bias", "coverage", "log score", "RMSE in sample")
    return Table("laws", caption, columns, tuple(rows), frozenset({(0, 1)}))


def beyond(evidence: Evidence) -> Table:
    """What the laws, fitted to the main arm, say of longer runs with the same recipe."""
    column = AXES[evidence.axis]
    others = evidence.like_main(evidence.frame.rows.filter(pl.col("arm") != "main"), *SINGLE)
    ends = evidence.main.rows.group_by("model").agg(end=pl.col(column).max())
    longer = others.join(ends, on="model").filter((pl.col(column) > pl.col("end")) & (pl.col("test_loss") > 0))
    rows = []
    for (model, arm), points in longer.group_by("model", "arm", maintain_order=True):
        x, loss = points[column].to_numpy(), points["test_loss"].to_numpy()
        fits = {name: fit for name, fit in evidence.laws.items() if model in fit.curves.models}
        missed = {name: np.log(fit.predict(str(model), x) / loss) for name, fit in fits.items()}
        errors = {name: f"{float(np.sqrt(np.mean(m**2))):.3f}" for name, m in missed.items()}
        rows.append((f"{model}, {arm}", str(len(points)), f"{float(x.max() / points['end'][0]):.1f}x", errors))
    if not rows:
        raise DataError("no run went farther than the main arm")
    caption = (
        "Longer runs that no fit has seen: root mean square error of ln L past the end of the main arm. Every law was "
        "fitted to the main arm's curve of the same size. One run often: its own seed is part of the error."
    )
    names = list(dict.fromkeys(name for *_, errors in rows for name in errors))
    lines = tuple((*line, *(errors.get(name, "") for name in names)) for *line, errors in rows)
    return Table("beyond", caption, ("size, arm", "points", "reach", *names), lines)
