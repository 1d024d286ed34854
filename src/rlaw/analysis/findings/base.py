"""What a finding is: a claim of the paper, and what this study's measurements say of it, by a rule fixed beforehand."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any, Literal, Protocol

from rlaw.analysis.evidence import Evidence
from rlaw.fitting.interval import Interval

Judgement = Literal["seen", "not seen", "cannot tell"]
SURE = 0.95
PAPER = "arXiv 2509.25300"


@dataclass(frozen=True, slots=True)
class Finding:
    """A claim and its verdict.

    Attributes:
        name: stable, to be found by.
        claim: what would be true.
        source: whose claim it is.
        verdict: what the measurements say.
        effect: the measured quantity, in words.
        value: of the effect, with its interval; None where there is no number.
        rule: how the verdict follows from it.
        evidence: what was observed, with its numbers.
        tested: False when the store holds no runs that the claim is about.
    """

    name: str
    claim: str
    source: str
    verdict: Judgement
    effect: str
    value: Interval | None
    rule: str
    evidence: str
    tested: bool = True

    def to_json(self) -> dict[str, Any]:
        """The fields by name."""
        document = {"asked" if name == "tested" else name: getattr(self, name) for name in self.__slots__}
        return document | {"value": None if self.value is None else self.value.to_json()}


class Judge(Protocol):
    """A member of the family: judges one claim."""

    def __call__(self, evidence: Evidence) -> Finding:
        """The claim with its verdict; "cannot tell" where the store has no such runs."""
        ...


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim and its rule, fixed before any measurement."""

    name: str
    claim: str
    source: str
    effect: str
    rule: str

    def found(self, verdict: Judgement, observed: str, value: Interval | None = None) -> Finding:
        """The finding that follows."""
        return Finding(self.name, self.claim, self.source, verdict, self.effect, value, self.rule, observed)

    def by_probability(self, probability: float, observed: str, value: Interval | None = None) -> Finding:
        """Seen at 0.95 or more, not seen at 0.05 or less, otherwise cannot tell."""
        return self.found(in_every_pair([probability]), observed, value)

    def undecided(self, why: str) -> Finding:
        """The finding when the measurements do not suffice."""
        return self.found("cannot tell", why)

    def not_tested(self, why: str) -> Finding:
        """The finding when the store holds no runs that the claim is about."""
        return replace(self.undecided(why), tested=False)


def in_every_pair(probabilities: list[float]) -> Judgement:
    """Seen when it is sure in every pair, not seen when the contrary is sure in one."""
    if any(p <= 1 - SURE for p in probabilities):
        return "not seen"
    return "seen" if all(p >= SURE for p in probabilities) else "cannot tell"


def of_known_sizes(claim: Claim) -> Callable[[Judge], Judge]:
    """A judge that compares sizes: "cannot tell" where a model's number of parameters is not known."""

    def guarded(judge: Judge) -> Judge:
        @wraps(judge)
        def judged(evidence: Evidence) -> Finding:
            unknown = [size.model for size in evidence.sizes if not math.isfinite(size.params)]
            return claim.undecided(f"no n_params is given for {', '.join(unknown)}") if unknown else judge(evidence)

        return judged

    return guarded
