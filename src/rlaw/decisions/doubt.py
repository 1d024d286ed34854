"""How unsure an expected loss is, beyond what the curves of a ladder show.

Two things that leave the order of the sizes as it is, and so have no part in choosing among them: curves that bend past
their last point, and the problems of the evaluation, which all sizes share and another draw of problems would change.

Axes: S draws, R sizes.
"""

import numpy as np

from rlaw.fitting.items import ASSUMED_DIFFICULTY, chance, mean_wrong
from rlaw.forecasting.bends import bend

_ABILITY = np.linspace(-12, 12, 49)
_SETS = 200  # of problems drawn; more draws use them again


def widened(
    loss: np.ndarray,
    start: np.ndarray,
    beyond: np.ndarray,
    bends: tuple[float, ...],
    answers: tuple[int | None, ...],
    seed: int,
) -> np.ndarray:
    """(S, R) draws of expected losses, with bends and other problems.

    Args:
        loss: (S, R) draws that keep their slopes.
        start: (S, R) losses at the last point of each curve.
        beyond: (R,) e-folds from there; not positive within the data.
        bends: weights of the rates at which slopes fade.
        answers: of an evaluation of each size; None where it is not known, and problems are not drawn.
        seed: of the random numbers: the same rates and the same problems for every size.
    """
    bent = [bend(loss[:, [r]], start[:, r], beyond[[r]], bends, seed)[:, 0] for r in range(loss.shape[1])]
    return np.stack(
        [b if n is None else _other_problems(b, n, seed) for b, n in zip(bent, answers, strict=True)], axis=1
    )


def _other_problems(loss: np.ndarray, items: int, seed: int) -> np.ndarray:
    """(S,) losses over all problems, for (S,) losses that were measured on a few of them."""
    rng, wrong = np.random.default_rng([seed, 5]), mean_wrong(_ABILITY, ASSUMED_DIFFICULTY)
    over_all = np.empty(len(loss))
    for i in range(min(_SETS, len(loss))):
        drawn = 1 - chance(_ABILITY, ASSUMED_DIFFICULTY * rng.standard_normal(items)).mean(axis=1)
        over_all[i::_SETS] = np.interp(-loss[i::_SETS], -drawn, wrong)
    return over_all
