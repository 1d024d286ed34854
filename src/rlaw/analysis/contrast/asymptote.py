"""Where runs level off: the loss that a sigmoid of each run falls to, where its curve shows one."""

from collections.abc import Sequence

import numpy as np

from rlaw import laws
from rlaw.analysis.contrast.runs import Run
from rlaw.fitting.curves import Curves
from rlaw.fitting.objective import weights
from rlaw.fitting.solver import solve

_LEAST_POINTS = 8
_LEAST_DONE = 0.75  # of the gain, at the end of the curve: then most of the bend is there


def asymptotes(runs: Sequence[Run]) -> np.ndarray | None:
    """(n,) asymptotes of n runs; None where a run has few points, or has not made most of its gain at its end."""
    if any(len(run.x) < _LEAST_POINTS for run in runs):
        return None
    law, curves = laws.get("sigmoid"), _curves(runs)
    solved = solve(law, curves.at, curves.loss, weights(curves, "loss", "equal"), "loss")
    B, X_mid = (theta[0, :, 0] for theta in solved.theta)
    end = np.array([run.x[-1] for run in runs])
    floor, gain = solved.coefficients[0].T
    done = 1 - 1 / (1 + (end / X_mid) ** B)
    inside = np.all([bound[0].ravel() == 0 for bound in solved.bound], axis=0)
    if not (inside & (gain > 0) & (floor > 0) & (done >= _LEAST_DONE)).all():
        return None
    return floor


def _curves(runs: Sequence[Run]) -> Curves:
    """Every run as a curve of its own."""
    number = np.repeat(np.arange(len(runs)), [len(run.x) for run in runs])
    x, loss = (np.concatenate([getattr(run, name) for run in runs]) for name in ("x", "loss"))
    nothing = np.full(len(x), np.nan)
    return Curves.of(
        np.array([f"{n:06d}" for n in number]),
        np.ones(len(x)),
        x,
        loss,
        step=np.arange(len(x)),
        seed=np.zeros(len(x), int),
        items=nothing,
        base_loss=nothing,
    )
