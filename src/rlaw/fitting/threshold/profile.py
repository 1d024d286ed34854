"""Profile-likelihood intervals of a line's coefficients, cut for few runs, many studies at once.

The ends are where twice the fall of the log-likelihood is m ln (1 + t^2 / (m - p)), with t the Student quantile of
m - p degrees of freedom, m runs that crossed and p coefficients: exact for a line through uncensored points.

Axes: S studies, I runs, P columns.
"""

import numpy as np
from scipy.stats import t as student

from rlaw.fitting.threshold.likelihood import Design, Line, fit

_STEPS, _LEAP, _CLOSE = 10, 4.0, 0.01


def cut_S(high_SI: np.ndarray, line: Line, design: Design, level: float) -> np.ndarray:
    """(S,) how far twice the log-likelihood falls to the ends of an interval."""
    m, free = np.isfinite(high_SI).sum(axis=1), freedom_S(high_SI, line, design)
    return m * np.log1p(student.ppf((1 + level) / 2, free) ** 2 / free)


def freedom_S(high_SI: np.ndarray, line: Line, design: Design) -> np.ndarray:
    """(S,) degrees of freedom of the scatter: runs that crossed, less the coefficients; at least 1."""
    return np.maximum(np.isfinite(high_SI).sum(axis=1) - design.X_IP.shape[1], 1)


def ends(
    low_SI: np.ndarray, high_SI: np.ndarray, design: Design, line: Line, column: int, level: float
) -> tuple[np.ndarray, np.ndarray]:
    """(S,) the low and the high end of a coefficient's interval; infinite where the likelihood sets none."""
    cut = np.sqrt(cut_S(high_SI, line, design, level))
    error = line.error_S(np.eye(design.X_IP.shape[1])[column])
    low, high = (_end(low_SI, high_SI, design, line, column, sign * error * cut, cut) for sign in (-1, 1))
    return low, high


def held(
    low_SI: np.ndarray, high_SI: np.ndarray, design: Design, ratio_S: np.ndarray, column: int, value_S: np.ndarray
) -> np.ndarray:
    """(S,) the largest log-likelihood with a coefficient held at a value."""
    shift = value_S[:, None] * design.X_IP[:, column]
    return fit(low_SI - shift, high_SI - shift, design.without(column), ratio_S).log_likelihood_S


def _end(
    low_SI: np.ndarray,
    high_SI: np.ndarray,
    design: Design,
    line: Line,
    column: int,
    away_S: np.ndarray,
    cut_S: np.ndarray,
) -> np.ndarray:
    """(S,) where the root of the fall reaches the cut, sought along its nearly straight course."""
    middle, root = line.beta_SP[:, column], np.zeros(len(away_S))
    left = np.arange(len(away_S))
    for _ in range(_STEPS):
        value = held(low_SI[left], high_SI[left], design, line.ratio_S[left], column, (middle + away_S)[left])
        root[left] = np.sqrt(2 * np.maximum(line.log_likelihood_S[left] - value, 0.0))
        left = left[np.abs(root[left] / cut_S[left] - 1) > _CLOSE]
        if not len(left):
            break
        ratio = cut_S[left] / np.maximum(root[left], cut_S[left] / _LEAP)
        away_S[left] *= ratio
    open_end = root < cut_S * (1 - 10 * _CLOSE)
    return np.where(open_end, np.sign(away_S) * np.inf, middle + away_S)
