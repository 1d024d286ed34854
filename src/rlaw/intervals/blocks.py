"""Noise of single runs: blocks of residuals, long enough for how they hang together."""

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Memory:
    """How the points of a series hang together.

    Attributes:
        block: points of a block that keeps their dependence.
        effective: share of as many independent points that would tell the mean as well.
    """

    block: int
    effective: float


def memory(runs: list[np.ndarray]) -> Memory:
    """Block length, and effective points of a run, from the residuals of all runs together.

    One run's autocorrelation drowns in its noise; a study's does not.

    Args:
        runs: (n,) residuals of each run, with mean near 0 and about the same spread.

    Source: Politis and White 2004, with the correction of Patton, Politis and White 2009, for circular blocks.
    """
    lengths = [len(series) for series in runs]
    n, total = int(np.median(lengths)), sum(lengths)
    if n < 8:
        return Memory(1, 1.0)
    lags = np.arange(n // 2 + 1)
    covariance = np.array([sum(float(np.dot(s[:-k or None], s[k:])) for s in runs if len(s) > k) / total for k in lags])
    if covariance[0] == 0:
        return Memory(1, 1.0)
    cut = min(2 * _last_telling_lag(covariance / covariance[0], total), n // 2)
    k = np.arange(1, cut + 1)
    taper = np.minimum(1.0, 2 * (1 - k / (cut + 1)))  # flat, then falling to 0
    spectrum = covariance[0] + 2 * float(np.sum(taper * covariance[k]))
    bend = 2 * float(np.sum(taper * k * covariance[k]))
    spectrum = max(spectrum, 0.1 * covariance[0])
    block = (1.5 * (bend / spectrum) ** 2 * n) ** (1 / 3)
    return Memory(int(min(max(math.ceil(block), 1), n // 4)), float(np.clip(covariance[0] / spectrum, 4 / n, 1.0)))


def _last_telling_lag(correlation: np.ndarray, total: int) -> int:
    """The lag after which five correlations in a row are what chance gives."""
    loud = np.abs(correlation[1:]) > 2 * math.sqrt(math.log10(total) / total)
    for lag in range(len(loud)):
        if not loud[lag : lag + 5].any():
            return lag
    return len(loud)


def circular_blocks(rng: np.random.Generator, series: np.ndarray, block: int, draws: int) -> np.ndarray:
    """(draws, n) series made of blocks of the given one, which is closed to a circle."""
    n = len(series)
    starts = rng.integers(n, size=(draws, math.ceil(n / block)))
    index = (starts[:, :, None] + np.arange(block)).reshape(draws, -1)[:, :n] % n
    return series[index]
