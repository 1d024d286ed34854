import pytest

from rlaw import laws
from rlaw.errors import NotFound
from rlaw.testing.laws import CHECKS


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("law", laws.LAWS.values(), ids=lambda law: law.name)
def test_every_law_passes_the_suite_of_its_family(law, check):
    check(law)


def test_an_unknown_law_is_refused_with_the_names_of_the_known_ones():
    with pytest.raises(NotFound, match=r"'saturated'[\s\S]*saturating"):
        laws.get("saturated")


def test_a_law_of_ones_own_needs_no_registration():
    law = laws.get("power")
    assert laws.get(law) is law
