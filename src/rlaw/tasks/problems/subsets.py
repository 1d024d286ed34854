"""Which problems: held-out ones, half easy and half hard, and subsets in which every difficulty keeps its share.

Axes: I problems.
"""

import numpy as np


def spread(levels_I: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(I,) an order of all problems whose every prefix has each level in its share of the whole, give or take one.

    A problem's key is its random place within its level, divided by the level's size; ties between levels are random.
    """
    _, level_I, size = np.unique(levels_I, return_inverse=True, return_counts=True)
    shuffled_I = rng.permutation(len(levels_I))
    by_level_I = shuffled_I[np.argsort(level_I[shuffled_I], kind="stable")]
    first = np.cumsum(size) - size
    place_I = np.arange(len(levels_I)) - first[level_I[by_level_I]]
    key_I = np.empty(len(levels_I))
    key_I[by_level_I] = (place_I + rng.random(len(size))[level_I[by_level_I]]) / size[level_I[by_level_I]]
    return np.argsort(key_I, kind="stable")


def subset(levels_I: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """(size,) places of a subset that keeps the difficulty, rising: it keeps the file's order as well."""
    return np.sort(spread(levels_I, rng)[:size])


def half_and_half(
    levels_I: np.ndarray, allowed_I: np.ndarray, size: int, easy: float, rng: np.random.Generator
) -> np.ndarray:
    """(size,) places drawn without replacement among the allowed: half of them easy (pass rate `easy` or more), rising.

    Raises:
        ValueError: there are too few of a kind; the text says how many.
    """
    chosen = []
    easy_I = 1 - levels_I >= easy - 1e-9
    for kind_I, name, count in ((easy_I, "easy", size // 2), (~easy_I, "hard", size - size // 2)):
        places = np.flatnonzero(kind_I & allowed_I)
        if len(places) < count:
            raise ValueError(f"{len(places)} {name} problems, {count} are to be held out")
        chosen.append(rng.choice(places, count, replace=False))
    return np.sort(np.concatenate(chosen)).astype(int)
