"""The ranking at equal compute tells measured losses, what was not reached, and who is not told apart."""

import math
from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ladders import PARAMS, power_law, saturating, table

from rlaw.analysis.evidence import Evidence
from rlaw.analysis.ranking import rank, shared_end
from rlaw.fitting.noise import Noise
from rlaw.reporting.figures.style import round_ticks
from rlaw.text import round_number, short_names

Quick = Callable[[pl.DataFrame], Evidence]


def test_a_loss_between_two_evaluations_lies_on_the_power_law_that_made_them(quick: Quick):
    evidence = quick(table(power_law(saturating), noise=0.0, seeds=1))
    for row, budget in zip(rank(evidence, "compute").rows, rank(evidence, "compute").budgets, strict=True):
        for place in row:
            if place.state == "measured":
                step = budget / (6 * place.params * 1e4)
                assert place.loss == pytest.approx(0.9 * step ** -saturating(place.params), rel=1e-6)


def test_sizes_that_had_not_begun_or_did_not_get_there_have_no_loss(quick: Quick):
    ranking = rank(quick(table(power_law(saturating))), "compute")
    states = {place.state for row in ranking.rows for place in row}
    assert states == {"measured", "not begun", "not reached"}
    for row, budget in zip(ranking.rows, ranking.budgets, strict=True):
        for place in row:
            first, last = 6 * place.params * 1e4, 6 * place.params * 1e4 * 64
            assert (place.state == "measured") == (first <= budget <= last)
            assert math.isfinite(place.loss) == (place.state == "measured")


def test_the_best_is_the_lowest_and_only_one(quick: Quick):
    ranking = rank(quick(table(power_law(saturating))), "data")
    for k, row in enumerate(ranking.rows):
        measured = [p for p in row if p.state == "measured"]
        assert ranking.best(k).loss == min(p.loss for p in measured)
        assert sum(p.rank == "best" for p in row) == 1
        assert all(p.rank in ("level", "behind", "best") for p in measured)


def test_sizes_within_the_noise_are_level_with_the_best(quick: Quick):
    same = quick(table(power_law(lambda n: 0.2), params=PARAMS[:2], noise=0.02))
    ranking = rank(same, "data")
    level = [len(ranking.level_with_best(k)) for k in range(len(ranking.budgets))]
    assert np.mean(level) > 0.5


def test_two_sizes_share_the_end_of_the_one_that_stops_first(quick: Quick):
    evidence = quick(table(power_law(saturating), params=PARAMS[:2]))
    end = shared_end(evidence, "compute", "m-10000", "m-40000")
    assert end is not None
    assert end[0] == pytest.approx(6 * 1e4 * 64 * 1e4)
    assert [end[1].model, end[2].model] == ["m-10000", "m-40000"]


def test_the_noise_is_that_of_the_replicates(quick: Quick):
    noise = quick(table(power_law(saturating), noise=0.01, seeds=6)).noise
    assert noise.freedom == 5 * len(PARAMS)
    assert noise.error(0.5) == pytest.approx(0.01, rel=0.25)
    assert noise.error(0.5, runs=4) == pytest.approx(noise.error(0.5) / 2)


def test_without_replicates_the_noise_is_the_scatter_between_neighbours(quick: Quick):
    noise = quick(table(power_law(saturating), noise=0.01, seeds=1)).noise
    assert noise.freedom == 0
    assert noise.error(0.5) == pytest.approx(0.01, rel=0.35)
    assert "no replicates" in noise.how


def test_an_evaluation_is_never_more_certain_than_its_number_of_answers(quick: Quick):
    noise = quick(table(power_law(saturating), noise=0.0, seeds=1, items=100)).noise
    assert noise.unit == pytest.approx(0.1)


@given(st.floats(0.05, 0.95), st.floats(0.05, 0.95), st.integers(0, 20))
def test_probabilities_of_a_difference_add_up_and_few_replicates_bring_them_nearer_to_a_half(a, b, freedom):
    wide, sure = Noise(0.05, 3, ""), Noise(0.05, freedom, "")
    assert sure.probability_lower((a, 2), (b, 2)) + sure.probability_lower((b, 2), (a, 2)) == pytest.approx(1)
    many = Noise(0.05, 500, "").probability_lower((a, 2), (b, 2))
    assert abs(wide.probability_lower((a, 2), (b, 2)) - 0.5) <= abs(many - 0.5) + 1e-12


@settings(max_examples=200)
@given(st.floats(1e-3, 0.9), st.floats(1.06, 1e4))
def test_ticks_are_round_inside_the_axis_and_neither_few_nor_many(low: float, ratio: float):
    ticks = round_ticks(low, low * ratio)
    assert all(low <= tick * (1 + 1e-9) and tick <= low * ratio * (1 + 1e-9) for tick in ticks)
    assert ticks == sorted(set(ticks))
    assert 2 <= len(ticks) <= 14


def test_names_lose_what_all_of_them_begin_with():
    assert short_names(["Qwen2.5-0.5B", "Qwen2.5-14B"]) == ["0.5B", "14B"]
    assert short_names(["9.42k", "94k"]) == ["9.42k", "94k"]
    assert short_names(["alone-7B"]) == ["alone-7B"]
    assert short_names(["a-1", "a-"]) == ["a-1", "a-"]


def test_round_numbers_are_told_short():
    assert [round_number(x) for x in (3e19, 1e9, 512, 0.25)] == ["3e19", "1e9", "512", "0.25"]
