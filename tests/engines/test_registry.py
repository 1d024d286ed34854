"""Engines are found by name, and a wrong name is told with the right ones."""

from typing import get_args

import pytest

from rlaw import engines
from rlaw.errors import NotFound
from rlaw.study.recipe import EngineName


@pytest.mark.parametrize("name", tuple(engines.ENGINES))
def test_every_engine_is_found_under_its_own_name(name):
    engine = engines.get(name)
    assert engine.name == name
    assert all(callable(getattr(engine, part)) for part in ("check", "estimate_seconds", "shared_seconds", "train"))


def test_a_study_may_name_every_engine_and_no_other():
    assert tuple(engines.ENGINES) == get_args(EngineName)


def test_an_unknown_engine_is_refused_with_the_names_there_are():
    with pytest.raises(NotFound, match="no engine is called 'lokal': there are local, synthetic"):
        engines.get("lokal")
