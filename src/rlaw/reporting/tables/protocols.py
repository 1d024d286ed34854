"""The protocols of the paper: its Tables 6 and 7."""

from rlaw.analysis.evidence import Evidence
from rlaw.analysis.protocols import Fitted, protocols
from rlaw.errors import NotIdentifiable
from rlaw.reporting.tables.base import Cell, Number, Table
from rlaw.reporting.tables.law import parameter, yes

_DRAWS = 200


def efficiency_fits(evidence: Evidence) -> Table:
    """K_max, N_0 and R² by intra, inter and all, for every variant and axis, with the held-out error."""
    every = protocols(evidence)
    fitted = [p for p in every if isinstance(p, Fitted)]
    if not fitted:
        raise NotIdentifiable(f"no ladder law could be fitted: {every[0].refused}")
    refused = "; ".join(dict.fromkeys(f"{p.name} over {p.axis}: {p.refused}" for p in every if p.refused))
    cuts = ", ".join(dict.fromkeys(str(p.cut) for p in fitted if p.cut))
    caption = (
        f"The saturating law by protocol (cf. Table 6), {fitted[0].fit.level:.0%} intervals. intra: all sizes up to "
        f"step {cuts or '-'}, judged on the rest; inter: all sizes but the largest, judged on it with a level fitted "
        "there, as in the paper; all: everything. R² pooled is over the fitted points, mostly the difference between "
        f"sizes; R² within is that of the worst size, fitted and held out.{f' Refused: {refused}.' if refused else ''}"
    )
    columns = (
        "variant", "axis", "protocol", "K_max", "N_0", "R² pooled", "R² within", "RMSE", "points not seen",
        "RMSE not seen", "R² not seen", "R² within, not seen", "identified",
    )  # fmt: skip
    return Table("efficiency-fits", caption, columns, tuple(_line(p) for p in fitted))


def _line(protocol: Fitted) -> tuple[Cell, ...]:
    fitted, score = protocol.fit, protocol.score
    unseen = ("", "", "", "")
    if score is not None:
        unseen = (str(score.points), f"{score.rmse:.4f}", f"{score.r2:.4f}", f"{protocol.r2_worst:.3f}")
    parameters = (parameter(fitted, "K_max"), parameter(fitted, "N_0"))
    seen = (f"{fitted.r2_pooled:.4f}", f"{min(size.r2 for size in fitted.sizes):.3f}", f"{fitted.rmse:.4f}")
    return (protocol.variant, protocol.axis, protocol.name, *parameters, *seen, *unseen, yes(fitted.identified))


def decomposition(evidence: Evidence) -> Table:
    """D_0 (or C_0) and lambda of every size, with the shared parameters of the loss decomposition."""
    axis = "data" if "data" in evidence.axes else evidence.axis
    fitted = evidence.fit("decomposition", evidence.main, axis, _DRAWS)
    names = {"X_0": "D_0" if axis == "data" else "X_0", "lambda": "λ", "k": "k_max(N)"}
    rows = tuple(
        (size.model, *(Number(size.values[name]) for name in names), f"{size.r2:.3f}", f"{size.rmse:.4f}")
        for size in fitted.sizes
    )
    shared = ", ".join(f"{name} {parameter(fitted, name)}" for name in fitted.parameters)
    doubt = "" if fitted.identified else " These data do not identify the shared parameters."
    caption = (
        f"Loss decomposition {fitted.law.formula} over {axis} (cf. Table 7), {fitted.level:.0%} intervals: {shared}."
        f"{doubt} k_max(N): its steepest log-log slope."
    )
    return Table("decomposition", caption, ("size", *names.values(), "R²", "RMSE"), rows)
