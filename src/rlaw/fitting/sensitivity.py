"""What a fit stands on: how far its parameters move without each size, and with another window of steps.

    fit = rlaw.fit("saturating", frame, axis="compute")
    print(rlaw.sensitivity(fit))

Source: Belsley, Kuh and Welsch 1980 (deletion diagnostics), here a whole size at a time.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rlaw import units
from rlaw.errors import NotIdentifiable, UsageError
from rlaw.fitting.diagnostics import ties_efficiency_to_size
from rlaw.fitting.fit import Fit, fit
from rlaw.fitting.interval import Interval, finite, plain
from rlaw.text import Readable

if TYPE_CHECKING:
    from rlaw.measurements.frame import Frame

STARTS = (1, 2, 5, 10, 20, 40)  # first steps that are tried


@dataclass(frozen=True, slots=True)
class Moved:
    """One number of the fit in a refit.

    Attributes:
        value: of the refit.
        half_widths: how far it moved, signed, in units of the fit's interval on that side: 1 is the interval's end; nan
            where the fit has no such end.
    """

    value: float
    half_widths: float = math.nan

    def to_json(self) -> dict[str, float | None]:
        """`value` and `half_widths`, null where there is none."""
        return {"value": self.value, "half_widths": finite(self.half_widths)}


@dataclass(frozen=True, slots=True)
class Refit:
    """The law fitted to other rows.

    Attributes:
        change: the size left out, or the window FIRST:LAST.
        values: the numbers of the fit by name; empty where the rows do not determine the law.
        identified: whether these rows determine the law's parameters.
        refused: why there are no values; empty where there are.
    """

    change: str
    values: dict[str, Moved]
    identified: bool
    refused: str = ""

    def to_json(self) -> dict[str, Any]:
        """The numbers by name, and what became of the law."""
        return {"values": plain(self.values), "identified": self.identified, "refused": self.refused or None}


@dataclass(frozen=True, slots=True, repr=False)
class Sensitivity(Readable):
    """How far the numbers of a fit move.

    Attributes:
        law, axis, window: of the fit.
        largest: the size that "k" is for.
        values: the fit's own numbers: shared parameters by name, and "k" of the largest size.
        counts: the names among them that are numbers of parameters, such as N_0.
        sizes: without each size in turn, smallest first; `change` names it.
        windows: with other first and last steps; `change` is the window.
    """

    law: str
    axis: str
    window: str
    largest: str
    values: dict[str, Interval]
    counts: frozenset[str]
    sizes: tuple[Refit, ...]
    windows: tuple[Refit, ...]

    def to_json(self) -> dict[str, Any]:
        """The key "sensitivity" of `rlaw fit --sensitivity --json`."""
        return {
            "k_at": self.largest,
            "values": plain(self.values),
            "sizes": [{"without": r.change, **r.to_json()} for r in self.sizes],
            "windows": [{"window": r.change, **r.to_json()} for r in self.windows],
        }

    def documents(self) -> list[dict[str, Any]]:
        """A row for each refit: the size left out or the window, and the refit's numbers."""
        return [
            {"change": r.change, "identified": r.identified, **{n: v.value for n, v in r.values.items()}}
            for r in (*self.sizes, *self.windows)
        ]

    def cell(self, name: str, refit: Refit) -> str:
        """A number of a refit and how far it moved, as people read it."""
        if name not in refit.values:
            return ""
        moved = refit.values[name]
        value = units.count(moved.value) if name in self.counts else f"{moved.value:.4g}"
        return f"{value} ({moved.half_widths:+.2f})" if math.isfinite(moved.half_widths) else value

    def __str__(self) -> str:
        head = f"{self.law} over {self.axis}, window {self.window}; k is that of {self.largest}"
        unit = "in brackets: how far it moved, 1 is the end of the fit's interval"
        tables = (*_table(self, "without", self.sizes), *_table(self, "window", self.windows))
        beware = "a window that spans less of the axis moves more by noise alone"
        return "\n".join((head, unit, *tables, "", beware))


def _table(moved: Sensitivity, what: str, refits: tuple[Refit, ...]) -> list[str]:
    width = max([len(r.change) for r in refits] + [len(what)]) + 2
    lines = ["", f"{what:<{width}}" + "".join(f"{name:>18}" for name in moved.values)]
    for refit in refits:
        cells = "".join(f"{moved.cell(name, refit):>18}" for name in moved.values)
        cells += "" if refit.identified else "  not identified"
        reason = refit.refused.partition("\n")[0]
        lines.append(f"{refit.change:<{width}}{reason or cells}")
    return lines


def sensitivity(whole: Fit) -> Sensitivity:
    """Fit again without each size in turn, and with other windows of steps; sizes held out of the fit stay out.

    Args:
        whole: a fit of a law with shared parameters.

    Raises:
        UsageError: the law shares no parameter between sizes.
    """
    if not whole.law.shared:
        raise UsageError(
            f"{whole.law.name} shares no parameter between sizes, so no size weighs on another\n"
            "  next: a law of the ladder: saturating"
        )
    values = _numbers(whole, whole)
    own = whole.settings["window"]
    frame = whole.frame.where(model=tuple(size.model for size in whole.sizes))
    sizes = tuple(_refit(whole, values, frame, size.model, own, size.model) for size in whole.sizes)
    windows = tuple(_refit(whole, values, frame, window, window) for window in _windows(whole, frame))
    counts = frozenset(p.name for p in whole.law.shared if p.unit == "params")
    return Sensitivity(whole.law.name, whole.axis, own, whole.sizes[-1].model, values, counts, sizes, windows)


def _numbers(whole: Fit, refit: Fit) -> dict[str, Interval]:
    """The parameters of a refit, and the efficiency of the whole fit's largest size, where the law ties it to size."""
    if not ties_efficiency_to_size(whole.law):
        return refit.parameters
    k = refit.k(whole.sizes[-1].params, float(whole.curves.at.base_loss[0, -1, 0]))
    return {**refit.parameters, "k": k}


def _windows(whole: Fit, frame: "Frame") -> list[str]:
    """Other first steps up to the fit's last, and the fit's first step up to thirds of the steps."""
    steps = frame.rows["step"].to_numpy()
    reached = whole.curves.step[whole.curves.present]
    first, last = int(reached.min()), int(reached.max())
    begin, end = whole.settings["window"].partition(":")[::2]
    starts = [s for s in STARTS if max(int(steps.min()), 1) <= s < last and s != first]
    thirds = [first + round(part * (last - first) / 3) for part in (1, 2)]
    return [f"{s}:{end}" for s in starts] + [f"{begin}:{t}" for t in thirds if first < t < last]


def _refit(
    whole: Fit, values: dict[str, Interval], frame: "Frame", change: str, window: str, without: str | None = None
) -> Refit:
    how: dict[str, Any] = {name: whole.settings[name] for name in ("space", "noise", "items", "level")}
    how["axis"] = whole.axis
    try:
        again = fit(whole.law, frame, window=window, intervals="none", hold_out=without, **how)
    except NotIdentifiable as error:
        return Refit(change, {}, identified=False, refused=str(error))
    moved = {name: _moved(found.value, values[name]) for name, found in _numbers(whole, again).items()}
    return Refit(change, moved, again.identified)


def _moved(value: float, of: Interval) -> Moved:
    """How far a value is from the fit's, in units of the interval's half on that side: N_0's halves differ much."""
    half = of.high - of.value if value >= of.value else of.value - of.low
    return Moved(value, (value - of.value) / half if math.isfinite(half) and half > 0 else math.nan)
