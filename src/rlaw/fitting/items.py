"""The error that all evaluations share because they use the same problems."""

import numpy as np

from rlaw.fitting.merging import Merged

#: standard deviation of the difficulty of problems, logits, without per-item answers
ASSUMED_DIFFICULTY = 2.0

_ABILITY = np.linspace(-20, 20, 401)


def resampled(
    rng: np.random.Generator, right: np.ndarray, fitted: np.ndarray, merged: Merged, draws: int
) -> np.ndarray:
    """(draws, R, T) change of the loss when the problems are drawn again, the same ones for every evaluation.

    An item's accuracy enters as a straight line in the fitted loss, one for each size. What scatters about the lines is
    the noise of single evaluations, which does not belong here; what of it is left in the lines is taken out of
    their covariance.

    Args:
        rng: random numbers.
        right: (R, M, I) share of right answers to each item.
        fitted: (R, M) fitted loss.
        merged: the steps at which the loss changes.
        draws: how many to draw.
    """
    items = right.shape[-1]
    bases, lines, noise = [], [], []
    for r in range(len(fitted)):
        here = merged.place[r] >= 0
        basis = _line(fitted[r, here])
        coefficients = right[r, here].T @ basis  # (I, 1 or 2)
        left = max(int(here.sum()) - basis.shape[1], 1)
        scatter = float(np.sum(right[r, here] ** 2) - np.sum(coefficients**2)) / (left * items)
        bases.append(basis)
        lines.append(coefficients)
        noise += [scatter] * basis.shape[1]
    shared = _without_noise(np.concatenate(lines, axis=1), np.array(noise))
    counts = rng.multinomial(items, np.full(items, 1 / items), size=draws) / items - 1 / items
    moved = np.split(counts @ shared, np.cumsum([b.shape[1] for b in bases])[:-1], axis=1)
    change = np.zeros((draws, *merged.counts.shape))
    for r, basis in enumerate(bases):
        steps, n = merged.place[r][merged.place[r] >= 0], merged.counts.shape[1]
        sums = np.stack([np.bincount(steps, column, minlength=n) for column in basis.T])
        change[:, r] = -moved[r] @ (sums / np.maximum(merged.counts[r], 1))
    return change


def _line(loss: np.ndarray) -> np.ndarray:
    """(n, 2) orthonormal level and slope along the (n,) fitted loss; the level alone where the loss does not move."""
    level = np.full(len(loss), 1 / np.sqrt(max(len(loss), 1)))
    centred = loss - loss.mean() if len(loss) else loss
    length = float(np.sqrt(np.sum(centred**2)))
    return np.column_stack([level, centred / length]) if length > 1e-9 else level[:, None]


def _without_noise(lines: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """(I, p) coefficients moved towards their mean until their covariance has lost the (p,) variances of noise."""
    apart = lines - lines.mean(axis=0)
    size, turn = np.linalg.eigh(apart.T @ apart / len(lines))
    kept = size > 1e-12 * max(size[-1], 1e-300)
    whiten = turn[:, kept] / np.sqrt(size[kept])
    true, back = np.linalg.eigh(apart.T @ apart / len(lines) - np.diag(noise))
    colour = back * np.sqrt(np.maximum(true, 0.0))
    return apart @ whiten @ turn[:, kept].T @ colour @ back.T


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
        wrong_here = 1 - chance(ability, difficulty).mean(axis=1)
        change[b] = np.interp(-fitted, -wrong, wrong_here - wrong)
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
