"""A fit as people read it."""

from typing import TYPE_CHECKING

import numpy as np

from rlaw import units
from rlaw.intervals import Interval

if TYPE_CHECKING:
    from rlaw.fitted_law import Fit


def text(fit: "Fit") -> str:
    """The fit as text: parameters, one line per size, cautions."""
    head = f"{fit.law.name} over {fit.axis}: {fit.law.formula}"
    dropped = "".join(f", {n} {reason} left out" for reason, n in fit.dropped.items())
    lines = [head, f"{fit.points} points of {len(fit.rungs)} sizes from {fit.source}{dropped}", ""]
    for p in fit.law.shared:
        lines.append(f"  {p.name:<8}{_told_value(fit.parameters[p.name], p.unit == 'params'):<34}{p.text}")
    names = list(fit.rungs[0].values)
    rows = [["size", "params", "points", *names, "R²", "RMSE"]]
    for rung in fit.rungs:
        values = [_told_value(rung.values[name]) for name in names]
        rows.append(
            [
                rung.model,
                units.count(rung.params) if np.isfinite(rung.params) else "?",
                str(rung.points),
                *values,
                f"{rung.r2:.3f}",
                f"{rung.rmse:.4f}",
            ]
        )
    widths = [max(len(row[j]) for row in rows) for j in range(len(rows[0]))]
    lines += ["", *("  ".join(cell.ljust(n) for cell, n in zip(row, widths, strict=True)).rstrip() for row in rows), ""]
    lines.append(f"R² {fit.r2_pooled:.4f} over all points (sizes together), RMSE {fit.rmse:.4f}")
    if fit.held_out is not None:
        k = fit.held_out.values.get("k")
        slope = f", k {_told_value(k)}" if k else ""
        lines.append(f"held out {fit.held_out.model}: RMSE {fit.held_out.rmse:.4f}{slope} (level {fit.held_out.level})")
    if not fit.identified:
        lines.append(f"NOT IDENTIFIED: the data do not tell the parameters of {fit.law.name}")
    lines += [f"caution ({w.code}): {w.text}" for w in fit.warnings]
    return "\n".join(lines)


def _told_value(value: Interval, count: bool = False) -> str:
    tell = units.count if count else (lambda v: f"{v:.4g}")
    if np.isnan(value.low):
        return tell(value.value)
    high = tell(value.high) if np.isfinite(value.high) else "∞"
    return f"{tell(value.value)} [{tell(value.low)}, {high}]"
