"""Which problems a run meets: subsets that keep the difficulty, independent or nested, and the order of passes."""

import numpy as np
import pytest

from rlaw.engines.data import training_data
from rlaw.study.plan import plan
from rlaw.study.study import Study


def data(**settings):
    """The training data of 16 steps of 64 prompts."""
    study = {
        "name": "tiny",
        "model": {"ladder": [{"hidden": 16, "layers": 2}]},
        "task": {"name": "modular-chains"},
        "rl": {"steps": 16, "prompts": 64, "num_generations": 4},
        "data": settings,
        "fit": {"laws": ["power"]},
    }
    return training_data(plan(Study.model_validate(study)).runs[0])


def rows(problems):
    return [tuple(prompt) for prompt in problems.prompts_IP.tolist()]


def test_each_problem_of_a_pool_is_met_as_often_as_it_is_reused():
    seen = rows(data(reuse=8).problems)
    assert len(seen) == 16 * 64
    assert all(seen.count(prompt) % 8 == 0 for prompt in set(seen))


@pytest.mark.parametrize("subsets", ["independent", "nested"])
def test_subsets_have_the_whole_pools_difficulty_to_within_one_problem_a_level(subsets):
    whole = np.bincount(data().problems.levels_I, minlength=5) / 1024
    for reuse in (2, 4, 8, 16):
        pool = 1024 // reuse
        levels = np.bincount(data(reuse=reuse, subsets=subsets).problems.levels_I, minlength=5) / reuse
        assert np.abs(levels - whole * pool).max() <= 1


def test_nested_subsets_lie_within_each_other_and_independent_ones_do_not():
    nested = {reuse: set(rows(data(reuse=reuse, subsets="nested").problems)) for reuse in (2, 8)}
    apart = {reuse: set(rows(data(reuse=reuse).problems)) for reuse in (2, 8)}
    assert nested[8] < nested[2]
    assert not apart[8] <= apart[2]
    assert apart[8] | apart[2] <= set(rows(data().problems))


def test_a_repeated_schedule_has_the_same_order_in_every_pass_and_a_reshuffled_one_its_own():
    passes = np.array_split(data(reuse=4, schedule="repeated").problems.prompts_IP, 4)
    assert all(np.array_equal(passes[0], other) for other in passes[1:])
    own = np.array_split(data(reuse=4).problems.prompts_IP, 4)
    assert not np.array_equal(own[0], own[1])
    assert np.array_equal(np.unique(own[0], axis=0), np.unique(own[1], axis=0))


def test_every_pass_of_a_curriculum_goes_from_easy_to_hard():
    for levels in np.array_split(data(reuse=2, order="curriculum").problems.levels_I, 2):
        assert (np.diff(levels) >= 0).all()
