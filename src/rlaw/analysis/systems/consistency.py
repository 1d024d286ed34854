"""Whether benchmarks agree about the order of systems: Kendall's W with a permutation test."""

import math
from collections.abc import Sequence

import numpy as np

from rlaw.analysis.systems.result import Consistency, System

_PERMUTATIONS = 9_999


def consistency_of(systems: Sequence[System], seed: int) -> Consistency:
    """The agreement of benchmarks; nan where fewer than two systems were asked on two of them.

    Source: Kendall and Babington Smith 1939, Ann. Math. Statist. 10, 275-287.
    """
    every = [[part.accuracy.value for part in s.benchmarks] for s in systems]
    scores = np.array([row for row in every if all(map(math.isfinite, row))])
    if scores.ndim != 2 or scores.shape[0] < 2 or scores.shape[1] < 2:
        return Consistency(math.nan, math.nan, len(systems[0].benchmarks), len(scores), math.nan)
    n, m = scores.shape
    effects = (scores - scores.mean(axis=0)).mean(axis=1)
    ranks = np.stack([_ranks(column) for column in scores.T], axis=1)
    repeats = (np.unique(column, return_counts=True)[1] for column in scores.T)
    ties = sum(float((counts**3 - counts).sum()) for counts in repeats)
    most = m * m * (n**3 - n) - m * ties
    spread = float(effects.std(ddof=1))
    if most <= 0:
        return Consistency(math.nan, math.nan, m, n, spread)

    def agreement(total: np.ndarray) -> np.ndarray:
        return 12 * ((total - m * (n + 1) / 2) ** 2).sum(axis=-1) / most

    w = float(agreement(ranks.sum(axis=1)))
    rng = np.random.default_rng(seed)
    total = sum(rng.permuted(np.tile(column, (_PERMUTATIONS, 1)), axis=1) for column in ranks.T)
    p = (1 + int((agreement(np.asarray(total)) >= w - 1e-12).sum())) / (1 + _PERMUTATIONS)
    return Consistency(w, p, m, n, spread)


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 1; those of equal values are their mean."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[place]
