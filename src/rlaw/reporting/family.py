"""Figures or tables by name."""

from collections.abc import Callable, Mapping
from typing import TypeVar

from rlaw.analysis.evidence import Evidence
from rlaw.errors import NotFound, RlawError

Made = TypeVar("Made")


class Family(dict[str, Callable[[Evidence], Made]]):
    """The functions of a family by name, in the order of a report.

    Attributes:
        kind: "figure" or "table".
        formats: file formats that a member can be written as, the default first.
        titles: what each member shows, by name.
    """

    def __init__(
        self, kind: str, formats: tuple[str, ...], members: Mapping[str, tuple[Callable[[Evidence], Made], str]]
    ) -> None:
        super().__init__({name: function for name, (function, _) in members.items()})
        self.kind, self.formats = kind, formats
        self.titles = {name: title for name, (_, title) in members.items()}

    def check(self, name: str) -> None:
        """Raises NotFound, with the list of names, for a name that is not among them."""
        if name not in self:
            raise NotFound(f"no {self.kind} is called {name!r}\n  next: choose one of {', '.join(self)}")

    def make_all(self, evidence: Evidence) -> tuple[dict[str, Made], dict[str, str]]:
        """Every member that the evidence suffices for, and why the others were left out, both by name."""
        made, left_out = {}, {}
        for name, function in self.items():
            try:
                made[name] = function(evidence)
            except RlawError as error:
                left_out[name] = str(error)
        return made, left_out
