"""A forecast as people read it."""

from typing import TYPE_CHECKING

from rlaw import units

if TYPE_CHECKING:
    from rlaw.forecast import Forecast


def text(f: "Forecast") -> str:
    """The forecast as text."""
    lines = [f"{f.kind} forecast of {f.target} ({units.count(f.params)}) over {f.axis} by {f.law}: seen is {f.anchor}"]
    if f.k is not None:
        lines.append(f"  k {f.k}")
    lines.append(f"  reach: {f.size_factor:.3g} times in size, {f.axis_factor:.3g} times along the axis")
    step = max(1, (len(f.points) - 1) // 11)
    shown = [*f.points[::step], *([f.points[-1]] if (len(f.points) - 1) % step else [])]
    lines += ["", f"{f.axis:>12}  {'loss':>7}  {f.settings['level']:.0%} interval"]
    lines += [f"{p.x:>12.4g}  {p.loss:>7.4f}  {p.low:.4f} to {p.high:.4f}" for p in shown]
    if f.held_out is not None:
        h = f.held_out
        told = f"MAE {h.mae:.4f}, RMSE {h.rmse:.4f}, bias {h.bias:+.4f}, {h.coverage:.0%} inside the interval"
        lines += ["", f"on the {h.points} rows that were not seen: {told}"]
    return "\n".join([*lines, *f.doubts()])
