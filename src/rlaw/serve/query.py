"""What an address asks for, checked: a page can only choose among what there is."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from rlaw import laws
from rlaw.errors import NotFound, UsageError
from rlaw.fitting.selection import window_of
from rlaw.serve.axes import GPU
from rlaw.serve.source import Where
from rlaw.study.gpus import PEAK_FLOPS
from rlaw.text import listed

Draws = Literal[0, 1000]
UNITS = ("compute", "gpu-hours", "usd", "data", "unique-data")
_LONGEST = 2000  # characters of one value
_NAMES = ("axis", "law", "window", "hold_out", "draws", "gpu", "unit", "budget", "measure", "x", "y", "where")


@dataclass(frozen=True, slots=True)
class Query:
    """The settings of a view.

    Attributes:
        axis: a name of `rlaw.serve.axes.axes`; empty for the data's own.
        law: fitted.
        window: FIRST:LAST; empty for the declared one.
        hold_out: a size that the law is judged by; empty for none.
        draws: 0 for the fit alone, which is there at once; 1000, as the command has, for intervals.
        gpu: whose hours and money are meant.
        unit, budget: of the planner.
        measure: "loss" or "pass".
        where: rows for one law.
    """

    axis: str = ""
    law: str = "saturating"
    window: str = ""
    hold_out: str = ""
    draws: Draws = 1000
    gpu: str = GPU
    unit: str = "compute"
    budget: str = ""
    measure: str = "loss"
    where: Where = ()

    @classmethod
    def of(cls, pairs: Iterable[tuple[str, str]]) -> "Query":
        """The query of the pairs of an address.

        Raises:
            UsageError: a name or a value that makes no sense.
            NotFound: a law or GPU that there is not.
        """
        given: dict[str, str] = {}
        where: dict[str, tuple[str, ...]] = {}
        for name, value in pairs:
            if name not in _NAMES:
                raise UsageError(f"{name[:64]!r} is no setting of a view: it is one of {', '.join(_NAMES)}")
            if len(value) > _LONGEST:
                raise UsageError(f"{name} is {len(value)} characters long")
            if name == "where":
                column, mark, one = value.partition("=")
                if not mark:
                    raise UsageError(f"where {value!r}: write it as COLUMN=VALUE")
                where[column] = (*where.get(column, ()), one)
            elif value:
                given[name] = value
        law = _one("law", given, laws.names(), "saturating")  # a name only: never a file of the address's choosing
        window_of(given.get("window"))
        return cls(
            axis=given.get("axis", ""),
            law=law,
            window=given.get("window", ""),
            hold_out=given.get("hold_out", ""),
            draws=0 if _one("draws", given, ("0", "1000"), "1000") == "0" else 1000,
            gpu=_one("gpu", given, tuple(PEAK_FLOPS), GPU),
            unit=_one("unit", given, UNITS, "compute"),
            budget=given.get("budget", ""),
            measure=_one("measure", given, ("loss", "pass"), "loss"),
            where=tuple(sorted(where.items())),
        )


def _one(name: str, given: dict[str, str], known: Sequence[str], usual: str) -> str:
    value = given.get(name, usual)
    if value not in known:
        raise NotFound(f"no {name} is called {value!r}\n  next: one of {listed(known)}")
    return value
