"""Where runs level off: the loss that a sigmoid of each run falls to, where its curve shows one."""

from collections.abc import Sequence

import numpy as np

from rlaw import laws
from rlaw.analysis.contrast.runs import Run, positive
from rlaw.fitting.curves import Curves
from rlaw.fitting.objective import weights
from rlaw.fitting.solver import solve

_LEAST_POINTS, _MOST_POINTS = 8, 24
_LEAST_DONE = 0.9  # of the gain, at the end of the curve: then the bend is there
_PARTS = 6  # of the log axis
_FLATTER, _ERRORS = 0.6, 2.0  # the fall in the last part is below that share of the steepest one's, by so many errors


def level_off(runs: Sequence[Run]) -> bool:
    """Whether the runs of a size clearly fall less at their end than before: without that no fit is tried."""
    falls = []
    for run in runs:
        z = np.log(run.x)
        ends = np.interp(np.linspace(z[0], z[-1], _PARTS + 1), z, np.log(positive(run.loss)))
        falls.append(-np.diff(ends))
    mean, error = np.mean(falls, axis=0), np.std(falls, axis=0)[-1] / np.sqrt(max(len(runs) - 1, 1))
    return bool(mean.max() > 0 and mean[-1] + _ERRORS * error < _FLATTER * mean.max())


def asymptotes(runs: Sequence[Run]) -> np.ndarray:
    """(n,) asymptotes of n runs; nan for a run of few points, and one that has not made most of its gain at its end."""
    found = np.full(len(runs), np.nan)
    long = np.array([len(run.x) >= _LEAST_POINTS for run in runs])
    if not long.any():
        return found
    law, curves = laws.get("sigmoid"), _curves([run for run, is_long in zip(runs, long, strict=True) if is_long])
    solved = solve(law, curves.at, curves.loss, weights(curves, "loss", "equal"), "loss")
    B, X_mid = (theta[0, :, 0] for theta in solved.theta)
    floor, gain = solved.coefficients[0].T
    done = 1 - 1 / (1 + (curves.at.x[0].max(axis=1) / X_mid) ** B)
    inside = np.all([bound[0].ravel() == 0 for bound in solved.bound], axis=0)
    found[long] = np.where(inside & (gain > 0) & (floor > 0) & (done >= _LEAST_DONE), floor, np.nan)
    return found


def _curves(runs: Sequence[Run]) -> Curves:
    """Every run as a curve of its own."""
    thinned = [_thinned(run) for run in runs]
    x, loss = (np.concatenate(parts) for parts in zip(*thinned, strict=True))
    nothing = np.full(len(x), np.nan)
    return Curves.of(
        np.repeat([f"{n:06d}" for n in range(len(runs))], [len(x) for x, _ in thinned]),
        np.ones(len(x)),
        x,
        loss,
        step=np.arange(len(x)),
        seed=np.zeros(len(x), int),
        items=nothing,
        base_loss=nothing,
    )


def _thinned(run: Run) -> tuple[np.ndarray, np.ndarray]:
    """Places and losses, means over even parts of the log axis where a run has many."""
    if len(run.x) <= _MOST_POINTS:
        return run.x, run.loss
    z = np.log(run.x)
    part = np.minimum((_MOST_POINTS * (z - z[0]) / (z[-1] - z[0])).astype(int), _MOST_POINTS - 1)
    count = np.bincount(part)
    means = (np.bincount(part, values)[count > 0] / count[count > 0] for values in (z, run.loss))
    z, loss = means
    return np.exp(z), loss
