"""Many comparisons at once: Holm's correction, and groups that cannot be told apart in place of ranks."""

from collections.abc import Sequence

import numpy as np


def holm(p: Sequence[float]) -> list[float]:
    """P-values corrected for their number, so that the chance of any false difference stays at the level.

    Args:
        p: the p-value of each comparison; nan where it was not made, which stays nan and does not count.

    Returns:
        Corrected values in the same order, at most 1.

    Source: Holm 1979, A simple sequentially rejective multiple test procedure, Scand. J. Statist. 6, 65-70.
    """
    values = np.asarray(p, float)
    made = np.flatnonzero(~np.isnan(values))
    order = made[np.argsort(values[made], kind="stable")]
    corrected = np.full(len(values), np.nan)
    corrected[order] = np.minimum(1, np.maximum.accumulate(values[order] * np.arange(len(order), 0, -1)))
    return corrected.tolist()


def groups(ordered: Sequence[str], different: set[frozenset[str]]) -> list[list[str]]:
    """Maximal runs of neighbours in which no two are different.

    Args:
        ordered: names, best first.
        different: the pairs that were found different.

    Returns:
        Groups, best first; a name between two groups is in both ("a b" and "b c": b is level with either).
    """
    found: list[list[str]] = []
    for first in range(len(ordered)):
        last = first
        while last + 1 < len(ordered) and not any(
            frozenset((ordered[last + 1], other)) in different for other in ordered[first : last + 1]
        ):
            last += 1
        group = list(ordered[first : last + 1])
        if not found or not set(group) <= set(found[-1]):
            found.append(group)
    return found
