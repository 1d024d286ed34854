"""Does k follow model size, or the quality of the base it starts from? Straight lines of ln k, compared.

Along a ladder, size and base quality rise together, so this can only say which of the two describes k more closely,
not which one causes it; controls with matched bases could.
"""

import math
from dataclasses import dataclass

import numpy as np

from rlaw.analysis.evidence import Evidence
from rlaw.fitting.interval import Interval, percentile

_LEAST_SIZES = 4  # both lines and one degree of freedom to judge them by


@dataclass(frozen=True, slots=True)
class Explained:
    """Shares of the variance of ln k over the sizes.

    Attributes:
        by_size: R² of a straight line in ln N.
        by_base: R² of a straight line in the base's loss L0.
        by_both: R² of a plane in both.
        difference: by_base less by_size, with its interval.
        base_ahead: probability that L0 explains more than ln N.
        line: (intercept, slope) of ln k in L0.
        sizes: how many sizes were used.
        left_out: sizes without a positive slope, which have no logarithm.
    """

    by_size: float
    by_base: float
    by_both: float
    difference: Interval
    base_ahead: float
    line: tuple[float, float]
    sizes: int
    left_out: tuple[str, ...]


def explain(evidence: Evidence) -> Explained | None:
    """Compare size and base quality as descriptions of k; None with fewer than four sizes, or without draws."""
    return evidence.once("base quality", lambda: _explain(evidence))


def _explain(evidence: Evidence) -> Explained | None:
    power = evidence.power
    if power is None or power.drawn is None:
        return None
    sizes = {size.model: size for size in evidence.sizes}
    found = [(i, sizes[r.model]) for i, r in enumerate(power.sizes) if r.values["k"].value > 0]
    left_out = tuple(r.model for r in power.sizes if not r.values["k"].value > 0)
    found = [(i, size) for i, size in found if math.isfinite(size.params)]
    if len(found) < _LEAST_SIZES:
        return None
    at = [i for i, _ in found]
    log_n = np.log([size.params for _, size in found])
    base = np.array([size.base_loss for _, size in found])
    runs = np.array([size.runs for _, size in found])
    k = power.slopes()[at]
    drawn_k = power.slope_draws()[:, at]
    drawn_base = evidence.noise.draws(base, runs, len(drawn_k), seed=1)
    positive = (drawn_k > 0).all(axis=1)
    draws = zip(drawn_k[positive], drawn_base[positive], strict=True)
    shares = np.array([_shares(np.log(each), log_n, level) for each, level in draws]).reshape(-1, 3)
    by_size, by_base, by_both = _shares(np.log(k), log_n, base)
    difference = percentile(by_base - by_size, shares[:, 1] - shares[:, 0], power.level)
    ahead = float(np.mean(shares[:, 1] > shares[:, 0])) if len(shares) else math.nan
    design = np.stack([np.ones_like(base), base], axis=1)
    intercept, slope = np.linalg.lstsq(design, np.log(k), rcond=None)[0]
    return Explained(by_size, by_base, by_both, difference, ahead, (float(intercept), float(slope)), len(at), left_out)


def _shares(log_k: np.ndarray, log_n: np.ndarray, base: np.ndarray) -> tuple[float, float, float]:
    """R² of ln k on ln N, on L0, and on both."""
    return _r2(log_k, log_n), _r2(log_k, base), _r2(log_k, log_n, base)


def _r2(y: np.ndarray, *columns: np.ndarray) -> float:
    design = np.stack([np.ones_like(y), *columns], axis=1)
    left = y - design @ np.linalg.lstsq(design, y, rcond=None)[0]
    return 1 - float(left @ left) / float(np.sum((y - y.mean()) ** 2))
