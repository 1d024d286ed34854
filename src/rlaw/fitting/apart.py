"""Sizes that stand apart from the law of the others, and what the law would be without them."""

from dataclasses import dataclass

import numpy as np

from rlaw import units
from rlaw.fitting.curves import Curves
from rlaw.fitting.diagnostics import Caution
from rlaw.fitting.interval import Interval, Plain
from rlaw.fitting.objective import Space
from rlaw.fitting.scatter import Scatter
from rlaw.fitting.solver import solve
from rlaw.laws import Law

_CHANCE = 0.1  # that luck alone puts one of the sizes as far off


@dataclass(frozen=True, slots=True)
class SizeApart(Plain):
    """A size beside the law of the others.

    Attributes:
        model: the size.
        own: slope k of its own curve.
        others: what the law of the others gives it.
        studentised: their difference in standard errors, the scatter of sizes included.
        leverage: weight of the size in its own fitted slope, from 0 to 1.
        chance: how often luck alone puts one of so many sizes as far off.
        apart: whether that is too rarely to be luck.
        without: of a size that stands apart, the shared parameters without it, and "k" of the ladder's largest size.
    """

    model: str
    own: float
    others: float
    studentised: float
    leverage: float
    chance: float
    apart: bool
    without: dict[str, float]


def sizes_apart(law: Law, curves: Curves, weights: np.ndarray, space: Space, scatter: Scatter) -> tuple[SizeApart, ...]:
    """How every size that can be judged stands to the law of the others, smallest first.

    Args:
        law: the law that was fitted.
        curves: what it was fitted to.
        weights: (R, M) weights of the fit.
        space: loss or log, as in the fit.
        scatter: of the sizes.
    """
    found = []
    for d in scatter.deviations():
        chance = min(d.chance * len(curves.models), 1.0)
        apart = chance < _CHANCE
        values = _without(law, curves, weights, space, d.size) if apart else {}
        numbers = (d.own, d.others, d.studentised, d.leverage, chance)
        found.append(SizeApart(curves.models[d.size], *numbers, apart, values))
    return tuple(found)


def _without(law: Law, curves: Curves, weights: np.ndarray, space: Space, r: int) -> dict[str, float]:
    """The shared parameters and the largest size's k without one size; nothing where too few sizes remain."""
    rest = np.delete(np.arange(len(curves.models)), r)
    others = curves.pick(rest)
    if len(np.unique(others.params)) < law.needs_sizes:
        return {}
    theta = solve(law, others.at, others.loss, weights[rest] / weights[rest].sum(), space).theta
    values = {p.name: float(t.ravel()[0]) for p, t in zip(law.shared, theta, strict=True)}
    last = curves.at.size(len(curves.models) - 1)
    k = law.efficiency(theta, last.params, last.base_loss)
    return values if k is None else {**values, "k": float(np.ravel(k)[0])}


def cautions_of_sizes(
    law: Law, largest: str, sizes: tuple[SizeApart, ...], parameters: dict[str, Interval]
) -> list[Caution]:
    """Every size that stands apart, and those without which a parameter leaves its interval."""
    found = []
    counts = {p.name for p in law.shared if p.unit == "params"}
    for size in (s for s in sizes if s.apart):
        listed = ", ".join(
            f"{f'k({largest})' if name == 'k' else name} {units.count(v) if name in counts else f'{v:.4g}'}"
            for name, v in size.without.items()
        )
        text = (
            f"{size.model} stands apart: its own k is {size.own:.3g}, the law of the others gives {size.others:.3g} "
            f"({abs(size.studentised):.2g} standard errors, which luck does to one of {len(sizes)} sizes in "
            f"{size.chance:.1%} of ladders; leverage {size.leverage:.2f}); without it {listed or 'no law is left'}"
        )
        found.append(Caution("size-apart", text))
        moved = [
            name for name, i in parameters.items() if name in size.without and not i.low <= size.without[name] <= i.high
        ]
        if moved:
            text = f"{size.model} stands apart and decides the law: without it {' and '.join(moved)} leave the interval"
            found.append(Caution("size-decides", text))
    return found
