"""Noise of single runs: what scatters from one evaluation to the next, and a drift about the law that lasts.

Residuals hide part of a lasting drift, because the fit follows it. So noise is not drawn from the residuals but from a
model of them, white noise plus an autoregressive drift, whose likelihood leaves out what the fit can follow (REML).
It is estimated from all runs of a study together: the autocorrelation of one run drowns in its noise. On simulated
studies whose runs drift, intervals from blocks of residuals were too narrow; benchmarks/coverage.py has these.

Source: Patterson and Thompson 1971 (REML); Kalman 1960 (the filter that whitens).
"""

import math
from dataclasses import dataclass

import numpy as np

_LENGTHS = 6  # lengths of memory that are tried, from one evaluation to a quarter of a run
_BATCH = 200  # runs that are whitened at once
_MOST_CELLS = 10_000_000  # numbers that are whitened at a time, 80 MB of them
_LEAST_FREEDOM = 3  # points beyond what the fits follow, without which residuals show no noise
_SHARES = (0.0, 0.05, 0.1, 0.2, 0.3, 0.45, 0.65, 1.0)


@dataclass(frozen=True, slots=True)
class Drift:
    """Noise about a law, in binomial units.

    Attributes:
        spread: standard deviation of one evaluation.
        share: part of its variance that lasts.
        memory: autocorrelation of that part from one evaluation to the next.
        freedom: degrees of freedom it comes from.
    """

    spread: float
    share: float
    memory: float
    freedom: int

    def draw(self, rng: np.random.Generator, points: int, draws: int) -> np.ndarray:
        """(draws, points) noise of a run."""
        white, shocks = rng.standard_normal((2, draws, points))
        lasting = np.empty((draws, points))
        lasting[:, 0] = shocks[:, 0]
        fresh = np.sqrt(1 - self.memory**2)
        for t in range(1, points):
            lasting[:, t] = self.memory * lasting[:, t - 1] + fresh * shocks[:, t]
        return self.spread * (np.sqrt(1 - self.share) * white + np.sqrt(self.share) * lasting)


def fit_drift(runs: list[tuple[np.ndarray, np.ndarray]]) -> Drift:
    """The drift that makes the residuals of all runs most likely; its spread is nan where they are too few.

    Args:
        runs: of each run, (n,) residuals in binomial units and (n, p) the directions that its fit could follow.
    """
    usable = [np.column_stack((y, X)) for y, X in runs if len(y) > X.shape[1] == np.linalg.matrix_rank(X)]
    freedom = sum(len(run) - run.shape[1] + 1 for run in usable)
    if freedom < _LEAST_FREEDOM:
        return Drift(math.nan, 0.0, 0.0, freedom)
    if not any(np.any(np.abs(run[:, 0]) > 1e-9) for run in usable):
        return Drift(0.0, 0.0, 0.0, freedom)
    longest = max(max(len(run) for run in usable) / 4, 1.0)  # what lasts longer is no drift about the law, but a level
    lengths = np.geomspace(1.0, longest, _LENGTHS)
    memory, share = (a.ravel() for a in np.meshgrid(np.exp(-1 / lengths), _SHARES, indexing="ij"))
    squares, logs = np.zeros(len(memory)), np.zeros(len(memory))
    batch = max(1, min(_BATCH, _MOST_CELLS // (len(memory) * max(run.size for run in usable))))
    for i in range(0, len(usable), batch):
        white, of_batch = _whitened(usable[i : i + batch], memory, share)
        y, X = white[..., :1], white[..., 1:]
        XX, Xy = np.swapaxes(X, -1, -2) @ X, np.swapaxes(X, -1, -2) @ y
        squares += np.sum(y**2, axis=(1, 2, 3)) - np.sum(Xy * np.linalg.solve(XX, Xy), axis=(1, 2, 3))
        logs += of_batch + np.linalg.slogdet(XX)[1].sum(axis=1)
    best = int(np.argmax(-0.5 * (logs + freedom * np.log(squares / freedom))))
    return Drift(float(np.sqrt(squares[best] / freedom)), float(share[best]), float(memory[best]), freedom)


def _whitened(runs: list[np.ndarray], memory: np.ndarray, share: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The columns of all runs made white by a Kalman filter, for G candidates (memory, share) at once.

    Returns:
        (G, runs, n, columns) whitened columns, 0 past the end of a run, and (G,) log determinants of their covariance.
    """
    n = max(len(run) for run in runs)
    columns = np.stack([np.pad(run, ((0, n - len(run)), (0, 0))) for run in runs])
    lengths = np.array([len(run) for run in runs])
    noise = 1 - share + 1e-9
    variance, mean = share.copy(), np.zeros((len(memory), len(runs), columns.shape[2]))
    white, logs = np.zeros((len(memory), *columns.shape)), np.zeros(len(memory))
    for t in range(n):
        total = variance + noise
        surprise = columns[None, :, t] - mean
        white[:, :, t] = surprise / np.sqrt(total)[:, None, None] * (t < lengths)[None, :, None]
        logs += np.log(total) * np.sum(t < lengths)
        gain = variance / total
        mean = memory[:, None, None] * (mean + gain[:, None, None] * surprise)
        variance = memory**2 * variance * (1 - gain) + share * (1 - memory**2)
    return white, logs
