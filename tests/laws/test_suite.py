"""The published suite finds faults: laws with one fault each fail the check that is there for it."""

import numpy as np
import pytest

from rlaw.laws.power import PowerLaw
from rlaw.laws.saturating import SaturatingLaw
from rlaw.testing import laws as suite


class WithoutExample(PowerLaw):
    """No value for the coefficient."""

    example = (0.12,)


class Negative(PowerLaw):
    """Falls below zero."""

    def parts(self, theta, at):
        return (1 - theta[0] * at.log_x,)


class OneDrawOnly(PowerLaw):
    """Looks at the first draw alone."""

    def parts(self, theta, at):
        return (np.exp(-theta[0][:1] * at.log_x),)


class NotTold(SaturatingLaw):
    """Has a parameter that changes nothing."""

    def parts(self, theta, at):
        return (np.exp(-theta[0] * at.log_x),)


class InUnitsOfItsOwn(PowerLaw):
    """Knows what a FLOP is."""

    def parts(self, theta, at):
        return (np.exp(-theta[0] * at.log_x) + np.sqrt(at.x / 1e18) / 10,)


@pytest.mark.parametrize(
    ("law", "check"),
    [
        (WithoutExample(), suite.says_what_it_is),
        (Negative(), suite.stays_finite_and_positive),
        (OneDrawOnly(), suite.many_draws_are_as_one_each),
        (NotTold(), suite.noiseless_data_give_back_the_law),
        (InUnitsOfItsOwn(), suite.units_of_x_change_only_what_they_must),
    ],
    ids=lambda value: getattr(value, "__name__", type(value).__name__),
)
def test_a_faulty_law_fails_the_check_that_is_there_for_its_fault(law, check):
    with pytest.raises(AssertionError):
        check(law)
