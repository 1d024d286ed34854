"""Corrected p-values and groups are those computed by hand."""

import math

import pytest

from rlaw.analysis.multiple import groups, holm


def test_holm_multiplies_the_smallest_p_by_the_number_of_tests_and_never_reorders():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])


def test_a_comparison_that_was_not_made_does_not_count():
    corrected = holm([0.02, math.nan, 0.5])
    assert math.isnan(corrected[1])
    assert corrected[0] == pytest.approx(0.04)


def test_names_between_two_groups_are_in_both():
    different = {frozenset("ac"), frozenset("ad"), frozenset("bd")}
    assert groups("abcd", different) == [["a", "b"], ["b", "c"], ["c", "d"]]
    assert groups("abc", set()) == [["a", "b", "c"]]
