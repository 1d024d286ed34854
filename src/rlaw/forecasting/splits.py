"""The training and test points of a backtest.

Axes: R sizes, M points of a size.
"""

from dataclasses import dataclass

import numpy as np

from rlaw.errors import NotIdentifiable
from rlaw.fitting.curves import Curves, find_size, first_steps

_LEAST_TEST = 3  # held-out points that make a score
#: origins of the rolling protocol, evenly spaced in log step from the first of these parts of the steps to the last
_ORIGINS, _FROM, _TO = 4, 0.2, 0.8
_LEAST_ROLLED = 10  # steps of a curve that the first origin leaves two of


@dataclass(frozen=True, slots=True)
class Split:
    """The training and test points of one backtest."""

    whole: Curves
    train: Curves
    test: np.ndarray  # (R, M)
    held: int | None  # the size that is held out, when one is


def by_cut(curves: Curves, cut: int) -> tuple[list[Split], str]:
    """The first `cut` steps of every curve, then the rest; and the protocol in words.

    Raises:
        NotIdentifiable: no curve has points past the cut.
    """
    early = first_steps(curves, cut)
    test = curves.present & ~early
    if cut < 2 or not test.any():
        longest = _longest(curves)
        raise NotIdentifiable(
            f"nothing to predict after the first {cut} steps: the longest curve has {longest}\n"
            f"  next: a cut from 2 to {longest - _LEAST_TEST}"
        )
    return [Split(curves, curves.where(early), test, None)], f"the first {cut} points of each curve -> the rest of it"


def by_origins(curves: Curves) -> tuple[list[Split], str]:
    """Ever longer beginnings of every curve, then what comes next; and the protocol in words.

    Raises:
        NotIdentifiable: curves too short to roll along.
    """
    longest = _longest(curves)
    if longest < _LEAST_ROLLED:
        raise NotIdentifiable(
            f"the longest curve has {longest} steps, too few to roll along it\n"
            f"  next: evaluate at least {_LEAST_ROLLED} steps, or judge with `hold_out=each`"
        )
    origins = [round(n) for n in np.geomspace(_FROM * longest, _TO * longest, _ORIGINS)]
    splits = []
    for origin, until in zip(origins, [*origins[1:], longest], strict=True):
        early = first_steps(curves, origin)
        splits.append(Split(curves, curves.where(early), first_steps(curves, until) & ~early, None))
    listed = ", ".join(str(n) for n in origins)
    each = f"the first {listed} points of each curve in turn -> its points up to the next of these"
    return splits, f"rolling origin: {each}"


def by_size(curves: Curves, hold_out: str | float | None, anchor: int) -> tuple[list[Split], str]:
    """All other sizes and the first `anchor` steps of one, or of each in turn, then its rest; the protocol in words.

    Raises:
        NotIdentifiable: there is one size alone, or no size has points after its first.
        NotFound: there is no such size.
    """
    if len(curves.models) == 1:
        longest = _longest(curves)
        raise NotIdentifiable(
            f"there is one size, {curves.models[0]}, so none can be held out and predicted by others\n"
            f"  next: `cut=K`, its first K of {longest} evaluated steps -> the rest; or `rolling=True`"
        )
    held = range(len(curves.models)) if hold_out == "each" else [find_size(curves, hold_out or "largest")]
    early, splits = first_steps(curves, anchor), []
    for r in held:
        others = np.arange(len(curves.models))[:, None] != r
        test = curves.present & ~early & ~others
        if test.sum() >= _LEAST_TEST:
            splits.append(Split(curves, curves.where(others | early), test, r))
    if not splits:
        raise NotIdentifiable(f"no held-out size has points after its first {anchor}\n  next: a smaller anchor")
    who = "each size in turn" if hold_out == "each" else curves.models[held[0]]
    return splits, f"all other sizes and the first {anchor} points of it -> the rest of {who}"


def _longest(curves: Curves) -> int:
    """Steps of the longest curve."""
    return int(curves.steps.max())
