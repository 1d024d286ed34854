"""The contrasts that a study declared, made of its store."""

from dataclasses import dataclass

from rlaw.analysis.contrast.contrast import contrast
from rlaw.analysis.contrast.result import Contrast
from rlaw.analysis.evidence import Evidence
from rlaw.errors import RlawError
from rlaw.study.study import DeclaredContrast


@dataclass(frozen=True, slots=True)
class Declared:
    """A declared contrast and what was found; None with the reason where it could not be made."""

    contrast: DeclaredContrast
    found: Contrast | None
    refused: str = ""


def declared_contrasts(evidence: Evidence) -> tuple[Declared, ...]:
    """Every contrast of the store's study, on the main arm's variant and benchmark; none of a table."""
    return evidence.once("declared contrasts", lambda: _made(evidence))


def _made(evidence: Evidence) -> tuple[Declared, ...]:
    if evidence.store is None:
        return ()
    main = evidence.main.rows
    found = []
    for declared in evidence.store.study.contrasts:
        factor = declared.between.partition("=")[0]
        same = {c: main[c][0] for c in ("variant", "benchmark") if c != factor}
        how = {"where": same, "axis": declared.axis, "margin": declared.margin, "level": evidence.choice.level}
        try:
            found.append(Declared(declared, contrast(evidence.store.path, declared.between, **how)))
        except RlawError as error:
            found.append(Declared(declared, None, str(error).partition("\n")[0]))
    return tuple(found)
