"""The laws, one per file. To add one: write its file, name it below, run its family's suite (`rlaw.testing.laws`)."""

from rlaw import plugins
from rlaw.errors import NotFound, UsageError
from rlaw.laws.base import Law, Parameter, Points, Theta
from rlaw.laws.base_and_size import BaseAndSizeLaw
from rlaw.laws.base_efficiency import BaseEfficiencyLaw
from rlaw.laws.chinchilla import ChinchillaLaw
from rlaw.laws.common_point import CommonPointLaw
from rlaw.laws.constant import ConstantLaw
from rlaw.laws.decomposition import DecompositionLaw
from rlaw.laws.exponential import ExponentialLaw
from rlaw.laws.from_base import FromBaseLaw
from rlaw.laws.last_value import LastValueLaw
from rlaw.laws.power import PowerLaw
from rlaw.laws.saturating import SaturatingLaw
from rlaw.laws.shifted_power import ShiftedPowerLaw
from rlaw.laws.sigmoid import SigmoidLaw

__all__ = ["BASELINES", "LAWS", "Law", "Parameter", "Points", "Theta", "get", "names"]

LAWS: dict[str, Law] = {
    law.name: law
    for law in (
        SaturatingLaw(),
        FromBaseLaw(),
        BaseEfficiencyLaw(),
        BaseAndSizeLaw(),
        PowerLaw(),
        ShiftedPowerLaw(),
        SigmoidLaw(),
        DecompositionLaw(),
        ChinchillaLaw(),
        CommonPointLaw(),
        ExponentialLaw(),
        ConstantLaw(),
        LastValueLaw(),
    )
}

#: what a law must beat on held-out points to be believed
BASELINES = ("constant", "last-value")


def names() -> tuple[str, ...]:
    """The names of the laws, the paper's first, baselines last; then those of installed packages."""
    return (*LAWS, *plugins.names("laws"))


def get(law: str | Law) -> Law:
    """The law of that name; a law passes through, so that a law of your own needs no registration.

    Raises:
        NotFound: no law has that name.
        UsageError: neither a name nor a law.
    """
    if isinstance(law, Law):
        return law
    if not isinstance(law, str):
        raise UsageError(
            f"a law was expected, and this is a {type(law).__name__}\n"
            "  next: the law comes first, then the data: rlaw.fit('saturating', data)"
        )
    if known := LAWS.get(law.replace("_", "-")):
        return known
    found = plugins.find("laws", law, Law)
    if found is None:
        raise NotFound(f"there is no law named {law!r}\n  next: choose one of {', '.join(names())}, or file.py:LAW")
    return found() if isinstance(found, type) else found
