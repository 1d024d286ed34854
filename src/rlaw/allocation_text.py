"""An allocation as people read it."""

from typing import TYPE_CHECKING

import numpy as np

from rlaw import units
from rlaw.intervals import Interval

if TYPE_CHECKING:
    from rlaw.allocation import Allocation
    from rlaw.frontier import IsoLoss


def text(a: "Allocation") -> str:
    """The choices, the best of them, what more would bring, and the frontier."""
    level = a.settings["level"]
    lines = [f"{a.budget}; compute is counted {a.accounting}", "", *_table(_choices(a, level)), ""]
    best = f"{a.best} with tau {a.best_tau:g}" if a.budget.reused else a.best
    lines.append(f"best: {best}; doubling the budget changes the lowest loss by {a.doubling}")
    if a.doublings_needed is not None:
        lines.append(f"doublings of the budget to reach a loss of {a.target_loss:g}: {_open(a.doublings_needed)}")
    lines += [f"{c.larger} overtakes {c.smaller}: {_open(c.compute_flops)} ({c.told})" for c in a.crossovers]
    if a.iso_compute:
        rows = [["at compute", "best size", "best in", f"its loss [{level:.0%}]"]]
        rows += [
            [units.flops(i.compute_flops), i.best, f"{i.probability_best:.0%}", _loss(i.losses[i.best])]
            for i in a.iso_compute
        ]
        lines += ["", *_table(rows)]
    if a.iso_loss:
        rows = [["for a loss of", "cheapest size", f"its compute, FLOPs [{level:.0%}]"]]
        rows += [
            [
                f"{i.loss:.3f}",
                i.cheapest or "none within reach",
                _open(i.compute_flops[i.cheapest]) if i.cheapest else "",
            ]
            for i in a.iso_loss
        ]
        lines += ["", *_table(rows)]
    return "\n".join([*lines, *a.doubts()])


def _choices(a: "Allocation", level: float) -> list[list[str]]:
    rows = [["size", "tau", "steps", "prompts", "compute", f"loss [{level:.0%}]", "when doubled", "best in", "beyond"]]
    for c in a.choices:
        data = "" if c.data is None else f"{c.data:,.0f}"
        compute = "" if c.compute_flops is None else f"{c.compute_flops:.3g}"
        beyond = f"{c.axis_factor:.3g} times" if c.axis_factor > 1 else ""
        change, share = f"{c.doubling.value:+.4f}", f"{c.probability_best:.0%}"
        rows.append([c.model, f"{c.tau:g}", f"{c.steps:,.4g}", data, compute, _loss(c.loss), change, share, beyond])
    return rows


def _cheapest(i: "IsoLoss") -> list[str]:
    return [i.cheapest, _open(i.compute_flops[i.cheapest])] if i.cheapest else ["none within reach", ""]


def _table(rows: list[list[str]]) -> list[str]:
    widths = [max(len(row[j]) for row in rows) for j in range(len(rows[0]))]
    return ["  ".join(cell.ljust(n) for cell, n in zip(row, widths, strict=True)).rstrip() for row in rows]


def _loss(loss: Interval) -> str:
    return f"{loss.value:.4f} [{loss.low:.4f}, {loss.high:.4f}]"


def _open(value: Interval) -> str:
    """An interval whose ends may lie out of reach."""

    def tell(v: float) -> str:
        return f"{v:.3g}" if np.isfinite(v) else ("beyond reach" if v > 0 else "before the data")

    return f"{tell(value.value)} [{tell(value.low)}, {tell(value.high)}]"
