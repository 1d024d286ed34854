"""Tables of what the runs of a store took."""

import math

from rlaw.analysis.evidence import Evidence
from rlaw.errors import DataError
from rlaw.reporting.tables.base import Table
from rlaw.store.usage import Usage


def _cost(evidence: Evidence) -> Usage:
    if not evidence.cost.runs:
        raise DataError("the source is a table without the cost of its runs")
    return evidence.cost


def runs(evidence: Evidence) -> Table:
    """Every run with what it took."""
    rows = []
    for run in _cost(evidence).runs:
        state = run.state + (f": {run.text}" if run.text else "")
        loss = "" if run.test_loss is None else f"{run.test_loss:.3f}"
        flops = (run.compute_flops, sum(run.flops.values()), run.base_flops)
        seconds = (f"{each:.1f}" for each in (run.base_seconds, run.rl_seconds, run.evaluation_seconds))
        done = (state, f"{run.step} of {run.steps}", loss)
        rows.append((run.model, run.arm, str(run.seed), *done, *map(_flops, flops), *seconds))
    columns = (
        "size", "arm", "seed", "state", "steps", "last loss", "RL compute", "RL, exact", "base, exact",
        "base s", "RL s", "evaluation s",
    )  # fmt: skip
    caption = (
        "Every run. RL compute as the laws count it; exact: matrix products as executed; seconds of one worker. "
        "A base that several runs share is listed for each and counted once."
    )
    return Table("runs", caption, columns, tuple(rows))


def phases(evidence: Evidence) -> Table:
    """Exact FLOPs by phase."""
    cost = _cost(evidence)
    total = cost.rl_flops + cost.base_flops
    parts = {f"RL: {name.replace('_', ' ')}": value for name, value in cost.flops.items()}
    parts["pretraining the bases"] = cost.base_flops
    rows = tuple(
        (name, _flops(value), f"{value / total:.1%}" if total else "") for name, value in parts.items() if value
    )
    caption = f"Where the FLOPs went, exact; evaluations not counted. In all {_flops(total)}."
    return Table("phases", caption, ("phase", "FLOPs", "share"), rows)


def _flops(value: float) -> str:
    return "" if not value or not math.isfinite(value) else f"{value:.2e}".replace("e+", "e")
