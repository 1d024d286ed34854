"""Tables of the ladder law: its parameters, its sizes, and how far they move."""

from rlaw.analysis.evidence import Evidence
from rlaw.errors import DataError
from rlaw.fitting.fit import Fit
from rlaw.fitting.sensitivity import Refit, Sensitivity
from rlaw.reporting.tables.base import Cell, Number, Table


def parameters(evidence: Evidence) -> Table:
    """Shared parameters of the ladder law over every axis."""
    names = list(dict.fromkeys(name for fit in evidence.fits.values() for name in fit.parameters))
    if not names:
        raise DataError("no ladder law could be fitted")
    rows = [
        (
            f"{fit.law.name} over {axis}",
            *(parameter(fit, name) if name in fit.parameters else "" for name in names),
            f"{fit.r2_pooled:.4f}",
            f"{min(size.r2 for size in fit.sizes):.3f}",
            f"{fit.rmse:.4f}",
            yes(fit.identified),
        )
        for axis, fit in evidence.fits.items()
    ]
    level = next(iter(evidence.fits.values())).level
    caption = (
        f"Parameters of the ladder law with {level:.0%} intervals. Pooled R² is mostly the difference between sizes."
    )
    columns = ("law", *names, "R² pooled", "R² within, worst", "RMSE", "identified")
    return Table("parameters", caption, columns, tuple(rows))


def sizes(evidence: Evidence) -> Table:
    """The fits of each size."""
    if evidence.power is None:
        raise DataError(f"no size has a line of its own: {evidence.refused.get('power', 'none could be fitted')}")
    rows = []
    for size in evidence.power.sizes:
        own = (size.model, Number(size.values["k"]), f"{size.r2:.3f}")
        rows.append((*own, *_by_law(evidence.law, size.model)))
    name = evidence.law.law.name if evidence.law else "ladder law"
    columns = ("size", "k, own line", "R²", f"k, {name}", f"E, {name}", f"R², {name}", f"RMSE, {name}")
    caption = (
        f"Each size over {evidence.axis}: its own straight line (k and E free) beside the ladder law. "
        "E is log10 of the loss where the axis is 1."
    )
    return Table("sizes", caption, columns, tuple(rows))


def parameter(fit: Fit, name: str) -> Number:
    """A shared parameter of a fit."""
    unit = next(p.unit for p in fit.law.shared if p.name == name)
    return Number(fit.parameters[name], count=unit == "params")


def _by_law(fit: Fit | None, model: str) -> tuple[Cell, ...]:
    size = next((r for r in fit.sizes if r.model == model), None) if fit else None
    if size is None:
        return ("",) * 4
    values = (Number(size.values[name]) if name in size.values else "" for name in ("k", "E"))
    return (*values, f"{size.r2:.3f}", f"{size.rmse:.4f}")


def without_sizes(evidence: Evidence) -> Table:
    """The ladder law fitted without each size in turn."""
    moves = _moved(evidence)
    caption = "The ladder law fitted without each size in turn: what rests on one size moves far without it."
    return _moves("without-sizes", caption, "without", moves, moves.sizes)


def windows(evidence: Evidence) -> Table:
    """The ladder law fitted with other windows."""
    moves = _moved(evidence)
    caption = (
        f"The ladder law fitted with other windows of steps than its own, {moves.window}. A window that spans "
        "less of the axis moves more by noise alone."
    )
    return _moves("windows", caption, "window", moves, moves.windows)


def _moved(evidence: Evidence) -> Sensitivity:
    if evidence.sensitivity is None:
        raise DataError("no ladder law could be fitted")
    return evidence.sensitivity


def _moves(name: str, caption: str, first: str, moves: Sensitivity, refits: tuple[Refit, ...]) -> Table:
    unit = f"k is that of {moves.largest}. In brackets: how far a number moved; 1 is the end of the fit's interval."
    rows = tuple(
        (r.change, *(moves.cell(n, r) for n in moves.values), r.refused.partition("\n")[0] or yes(r.identified))
        for r in refits
    )
    return Table(name, f"{caption} {unit}", (first, *moves.values, "identified"), rows)


def yes(held: bool) -> str:
    """The cell of a condition."""
    return "yes" if held else "no"
