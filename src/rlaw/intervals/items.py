"""The error that all evaluations share because they ask the same problems."""

import numpy as np

#: standard deviation of the difficulty of problems, logits, where per-item answers do not tell it
ASSUMED_DIFFICULTY = 2.0

_ABILITY = np.linspace(-20, 20, 401)


def resampled(
    rng: np.random.Generator, right: np.ndarray, fitted: np.ndarray, present: np.ndarray, draws: int
) -> np.ndarray:
    """(draws, R, M) change of the loss when the problems are drawn again, the same ones for every evaluation.

    Each item's accuracy enters as a straight line in the fitted loss of its size; what scatters about the line is the
    noise of one evaluation, which does not belong here.

    Args:
        rng: random numbers.
        right: (R, M, I) share of right answers to each item.
        fitted: (R, M) fitted loss.
        present: (R, M) False in the pads.
        draws: how many to draw.
    """
    items = right.shape[-1]
    counts = rng.multinomial(items, np.full(items, 1 / items), size=draws) / items - 1 / items
    change = np.zeros((draws, *fitted.shape))
    for r in range(len(fitted)):
        here = np.flatnonzero(present[r])
        centred = fitted[r, here] - fitted[r, here].mean()
        line = np.stack([np.ones(len(here)), centred], axis=1)[:, : 1 + bool(np.ptp(centred) > 1e-9)]
        basis, _ = np.linalg.qr(line)
        change[:, r, here] = -(counts @ (right[r, here].T @ basis)) @ basis.T
    return change


def assumed(rng: np.random.Generator, items: int, fitted: np.ndarray, draws: int) -> np.ndarray:
    """(draws, R, M) change of the loss when `items` problems of assumed difficulty are drawn.

    Args:
        rng: random numbers.
        items: problems of an evaluation.
        fitted: (R, M) fitted loss.
        draws: how many to draw.
    """
    ability = np.linspace(-12, 12, 49)
    wrong = mean_wrong(ability, ASSUMED_DIFFICULTY)
    change = np.empty((draws, *fitted.shape))
    for b in range(draws):
        difficulty = ASSUMED_DIFFICULTY * rng.standard_normal(items)
        asked = 1 - chance(ability, difficulty).mean(axis=1)
        change[b] = np.interp(-fitted, -wrong, asked - wrong)
    return change


def chance(ability: np.ndarray, difficulty: np.ndarray) -> np.ndarray:
    """(abilities, items) chance of a right answer: the logistic of ability minus difficulty (Rasch 1960)."""
    return 0.5 + 0.5 * np.tanh(0.5 * (ability[:, None] - difficulty[None]))


def mean_wrong(ability: np.ndarray, spread: float) -> np.ndarray:
    """(abilities,) chance of a wrong answer to a problem drawn at random, its difficulty normal with this spread."""
    nodes, share = np.polynomial.hermite_e.hermegauss(61)
    return 1 - chance(ability, spread * nodes) @ (share / share.sum())


def ability_of(loss: np.ndarray, spread: float) -> np.ndarray:
    """The ability that gives a mean loss, (n,) for (n,)."""
    return np.interp(-loss, -mean_wrong(_ABILITY, spread), _ABILITY)
