"""Which curves can be fitted: what broke down, was copied or is too short is kept out and counted; a ladder that
cannot determine the law's parameters is refused.
"""

from dataclasses import dataclass

import numpy as np

from rlaw.errors import NotIdentifiable
from rlaw.fitting.curves import Curves, each_run, find_size
from rlaw.fitting.diagnostics import Caution
from rlaw.laws import Law
from rlaw.text import excluded_rows, listed

_COLLAPSE = 0.1  # a rise of the loss from its best by this much, ending above where it began


@dataclass(frozen=True, slots=True)
class Screened:
    """Curves to fit, and what was kept from the fit.

    Attributes:
        curves: to fit.
        held: the curve of the size held out; None without.
        dropped: points left out, by reason.
        cautions: what was left out, in words.
        copied: runs left out because they repeat another.
    """

    curves: Curves
    held: Curves | None
    dropped: dict[str, int]
    cautions: tuple[Caution, ...]
    copied: int


def drop_broken(curves: Curves, dropped: dict[str, int]) -> Screened:
    """Keep out runs that broke down and runs that repeat another, whatever the law."""
    broken, copied = collapsed(curves), copies(curves)
    cautions = ()
    if broken.any():
        dropped = dropped | {"collapsed_run": int(broken.sum())}
        text = f"runs that broke down are kept out: {names_of(curves, broken)}; the loss ends above where it began"
        cautions = (Caution("collapsed", text),)
    kept = curves.where(~broken & ~copied).compact()
    kept = kept.pick(np.flatnonzero(kept.counts > 0))
    return Screened(kept, None, dropped, cautions, _runs(curves, copied))


def names_of(curves: Curves, mask: np.ndarray) -> str:
    """The sizes that have points under the mask, with how many of their runs: `7B (1 of 3 runs)`."""
    hit = np.flatnonzero(mask.any(axis=1))
    runs = [len(np.unique(curves.run[r, mask[r]])) for r in hit]
    each = [f"{curves.models[r]} ({n} of {curves.runs[r]} runs)" for r, n in zip(hit, runs, strict=True)]
    return listed(each, at_most=8)


def _runs(curves: Curves, mask: np.ndarray) -> int:
    """Runs that have points under the mask."""
    return len({(r, curves.run[r, m]) for r, m in zip(*np.nonzero(mask), strict=True)})


def screen(law: Law, curves: Curves, dropped: dict[str, int], hold_out: str | float | None, source: str) -> Screened:
    """Keep out what is not sound, sizes with too few points for the law, and the size held out.

    Raises:
        NotIdentifiable: what is left cannot determine the law's parameters.
        NotFound: there is no such size to hold out.
    """
    whole = drop_broken(curves, dropped)
    curves, dropped, cautions = whole.curves, whole.dropped, whole.cautions
    _refuse_nothing(whole, source)
    needed = max(len(law.local) + len(law.coefficients) + bool(law.local), 2)
    places = [len(np.unique(x[here])) for x, here in zip(curves.at.x[0], curves.present, strict=True)]
    short = np.array(places) < needed
    if short.any() and not short.all():
        lost = int(curves.counts[short].sum())
        dropped = dropped | ({"short_curve": lost} if lost else {})
        names = ", ".join(curves.models[r] for r in np.flatnonzero(short))
        cautions = (*cautions, Caution("short-curve", f"{names}: too few points for {law.name}; left out"))
        curves = curves.pick(np.flatnonzero(~short))
    held = None
    if hold_out is not None:
        out = find_size(curves, hold_out)
        held = curves.pick(np.array([out]))
        curves = curves.pick(np.array([r for r in range(len(curves.models)) if r != out], int))
    _refuse(law, curves, bool(short.all()), needed, source, cautions)
    return Screened(curves, held, dropped, cautions, whole.copied)


def _refuse_nothing(whole: Screened, source: str) -> None:
    """Raise NotIdentifiable when no run is left, with why each was kept out."""
    if whole.curves.models:
        return
    why = "; ".join(caution.text for caution in whole.cautions) or excluded_rows(whole.dropped)
    raise NotIdentifiable(
        f"no run of {source} can be fitted: {why}\n"
        "  next: look at the curves; a loss that ends above where it began follows no law, and may be an accuracy"
    )


def _refuse(
    law: Law, curves: Curves, short: bool, needed: int, source: str, cautions: tuple[Caution, ...] = ()
) -> None:
    """Raise NotIdentifiable when no fit could determine the law's parameters."""
    sizes = len(np.unique(curves.params)) if curves.models else 0
    where = f"  where: {source}, {int(curves.present.sum())} points of {sizes} size(s): {listed(curves.models)}\n"
    where += "".join(f"  left out: {caution.text}\n" for caution in cautions)
    if short:
        raise NotIdentifiable(
            f"{law.name} needs at least {needed} points of a size at different places of the axis\n{where}"
            "  next: evaluate more often, widen the window, or import more of the run"
        )
    if sizes < law.needs_sizes:
        raise NotIdentifiable(
            f"{law.name} needs at least {law.needs_sizes} sizes to determine its parameters, and there are {sizes}\n"
            f"{where}"
            "  next: add sizes to the ladder, or fit each size alone with power"
        )
    if np.ptp(curves.loss[curves.present]) == 0:
        value = float(curves.loss[curves.present][0])
        raise NotIdentifiable(
            f"every loss is {value:g}: nothing was learned that a law could follow\n{where}"
            "  next: check that the evaluation reads the trained model, or train on easier problems"
        )
    if law.needs_base_loss and not np.isfinite(curves.at.base_loss).all():
        missing = [m for m, b in zip(curves.models, curves.at.base_loss[0, :, 0], strict=True) if not np.isfinite(b)]
        raise NotIdentifiable(
            f"{law.name} needs the loss of the base at step 0, which is unknown for {', '.join(missing)}\n{where}"
            "  next: evaluate before the first step, or choose a law without it"
        )


def collapsed(curves: Curves) -> np.ndarray:
    """(R, M) the points of runs that broke down: the loss ends well above its best and above where it began."""
    broken = np.zeros_like(curves.present)
    for r, here in each_run(curves):
        loss = curves.loss[r, here]
        tenth = max(1, len(loss) // 10)
        first, last = loss[:tenth].mean(), loss[-tenth:].mean()
        if len(loss) >= 5 and last - loss.min() >= _COLLAPSE and last - first >= _COLLAPSE / 2:
            broken[r, here] = True
    return broken


def copies(curves: Curves) -> np.ndarray:
    """(R, M) the points of runs that repeat an earlier run of their size to the last digit: no new evidence."""
    copied, earlier = np.zeros_like(curves.present), set()
    for r, here in each_run(curves):
        series = (r, *(values[r, here].tobytes() for values in (curves.step, curves.at.x[0], curves.loss)))
        copied[r, here] = series in earlier
        earlier.add(series)
    return copied
