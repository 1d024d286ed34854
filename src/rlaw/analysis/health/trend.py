"""Does a series rise? The Mann-Kendall test where neighbours hang together, and Sen's slope with its limits.

Source: Mann 1945, Econometrica 13, 245-259; Kendall 1975, Rank correlation methods; Hamed and Rao 1998, A modified
Mann-Kendall trend test for autocorrelated data, J. Hydrology 204, 182-196; Sen 1968, J. Am. Stat. Assoc. 63, 1379-1389.

Axes: n entries.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

_MOST = 200  # entries; longer series are averaged in blocks, since pairs grow as the square
_SIGNIFICANT = 1.96  # standard errors of an autocorrelation that counts


@dataclass(frozen=True, slots=True)
class Rise:
    """The trend of a series.

    Attributes:
        p_rising, p_falling: one-sided p-values of no trend.
        slope: Sen's, in units of y per unit of x.
        low, high: its limits, each one-sided at 95 %.
        effective: how many independent entries the series is worth.
    """

    p_rising: float
    p_falling: float
    slope: float
    low: float
    high: float
    effective: float


def rise(x: np.ndarray, y: np.ndarray) -> Rise:
    """The trend of (n,) values at (n,) rising places.

    The variance of Kendall's S is that of n independent values, n(n-1)(2n+5)/18 less what ties take off, times Hamed
    and Rao's n/n* of the autocorrelations of the ranks of what Sen's line leaves, those that are significant; never
    less than 1, so that luck makes no test sharper.
    """
    x, y = _blocks(x), _blocks(y)
    n = len(y)
    if n < 4 or np.ptp(y) == 0:
        slope = 0.0 if n >= 4 else math.nan
        return Rise(1.0, 1.0, slope, slope, slope, float(n))
    i, j = np.triu_indices(n, 1)
    change, way = y[j] - y[i], x[j] - x[i]
    slopes = np.sort(change / way)
    slope = float(np.median(slopes))
    s = float(np.sign(change).sum())
    ties = np.unique(y, return_counts=True)[1].astype(float)
    variance = (n * (n - 1) * (2 * n + 5) - np.sum(ties * (ties - 1) * (2 * ties + 5))) / 18
    factor = _correction(y - slope * x)
    sd = math.sqrt(max(variance, 1e-12) * factor)
    z = (s - math.copysign(1, s)) / sd if s else 0.0
    reach = 1.6449 * sd
    ends = ((len(slopes) - reach) / 2, (len(slopes) + reach) / 2 + 1)
    low, high = (float(slopes[int(np.clip(round(end), 0, len(slopes) - 1))]) for end in ends)
    normal = NormalDist()
    return Rise(normal.cdf(-z), normal.cdf(z), slope, low, high, n / factor)


def _blocks(values: np.ndarray) -> np.ndarray:
    size = -(-len(values) // _MOST)
    if size <= 1:
        return np.asarray(values, float)
    return np.array([part.mean() for part in np.array_split(values, len(values) // size)])


def _correction(left: np.ndarray) -> float:
    """Hamed and Rao's n/n*, from what a trend leaves of the series."""
    n = len(left)
    ranks = np.argsort(np.argsort(left, kind="stable"), kind="stable").astype(float)
    ranks -= ranks.mean()
    total = float(ranks @ ranks)
    lags = np.arange(1, max(n // 4, 2))
    rho = np.array([float(ranks[lag:] @ ranks[:-lag]) / total for lag in lags])
    rho = np.where(np.abs(rho) > _SIGNIFICANT / math.sqrt(n), rho, 0.0)
    weights = (n - lags) * (n - lags - 1) * (n - lags - 2)
    return max(1.0, 1 + 2 / (n * (n - 1) * (n - 2)) * float(weights @ rho))
