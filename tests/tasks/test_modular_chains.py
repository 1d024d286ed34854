"""Modular chains: an exact verifier, a corpus as unreliable as it is set, and held-out prompts that stay held out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rlaw import tasks
from rlaw.errors import SpecError
from rlaw.tasks.modular_chains import ModularChains

DEFAULT = ModularChains()
TINY = ModularChains(modulus=7, operations=(1, 2))


def by_hand(task, prompt):
    """The running values of one problem, from its text."""
    words = [task.vocabulary[token] for token in prompt]
    values = [int(words[0])]
    for word in words[1:]:
        values.append(eval(f"({values[-1]}{word}) % {task.modulus}") if word != "." else values[-1])  # noqa: S307
    return values[1:]


def test_answers_are_those_of_arithmetic_done_by_hand():
    for problems in (DEFAULT.pool(200, seed=0), TINY.pool(200, seed=0)):
        task = DEFAULT if problems.prompts_IP.shape[1] == 5 else TINY
        for prompt, answer in zip(problems.prompts_IP, problems.answers_IT, strict=True):
            assert answer.tolist() == by_hand(task, prompt)


def test_tokens_are_residues_then_additions_then_multiplications_then_the_no_op():
    words = DEFAULT.vocabulary
    assert len(words) == 94
    assert (words[0], words[30], words[31 + 5], words[62 + 5], words[93]) == ("0", "30", "+5", "*5", ".")


def test_only_the_last_value_is_graded():
    problems = DEFAULT.pool(50, seed=0)
    right = problems.answers_IT.copy()
    right[:, :-1] = 0
    wrong = problems.answers_IT.copy()
    wrong[:, -1] = (wrong[:, -1] + 1) % 31
    assert DEFAULT.grade(problems, right).tolist() == [1.0] * 50
    assert DEFAULT.grade(problems, wrong).tolist() == [0.0] * 50


def test_no_held_out_prompt_is_in_the_corpus_or_in_a_pool():
    held_out = {tuple(prompt) for prompt in DEFAULT.benchmark("held-out", 1024).prompts_IP.tolist()}
    trained = [DEFAULT.corpus(20_000)[:, :5], DEFAULT.pool(20_000, seed=0).prompts_IP, DEFAULT.pool(99, 3).prompts_IP]
    for prompts in trained:
        assert not held_out & {tuple(prompt) for prompt in prompts.tolist()}
        assert not DEFAULT.is_held_out(prompts).any()


def test_a_tenth_of_all_prompts_is_held_out():
    rng = np.random.default_rng(0)
    prompts = np.unique(DEFAULT._draw(rng, 0.0, (1, 4)), axis=0)
    share = DEFAULT.is_held_out(prompts).mean()
    assert share == pytest.approx(0.1, abs=4 * np.sqrt(0.09 / len(prompts)))


def test_benchmark_items_are_distinct_and_the_same_every_time():
    items = DEFAULT.benchmark("held-out", 1024).prompts_IP
    assert len(np.unique(items, axis=0)) == 1024
    assert np.array_equal(items, ModularChains().benchmark("held-out", 1024).prompts_IP)
    assert DEFAULT.is_held_out(items).all()


def test_harder_problems_are_more_frequent_among_distinct_ones():
    # short problems repeat, so that fewer of them are distinct; 85, 240, 317 and 382 in another draw of the same design
    levels = np.bincount(DEFAULT.benchmark("held-out", 1024).levels_I, minlength=5)[1:]
    assert levels.sum() == 1024
    assert np.allclose(levels, [85, 240, 317, 382], atol=30)


def test_pools_differ_by_seed_and_repeat_for_the_same_seed():
    first, again, other = (DEFAULT.pool(500, seed).prompts_IP for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_longer_corpus_begins_with_the_shorter_one():
    assert np.array_equal(DEFAULT.corpus(40_000)[:3000], DEFAULT.corpus(3000))


def test_operands_follow_zipf():
    prompts = DEFAULT.pool(40_000, seed=0).prompts_IP
    instructions = prompts[:, 1:][prompts[:, 1:] != 93]
    frequency = np.sort(np.bincount((instructions - 31) % 31, minlength=31)[1:] / len(instructions))[::-1]
    assert frequency[:4] == pytest.approx([0.444, 0.157, 0.086, 0.056], abs=0.01)
    assert frequency[-1] == pytest.approx(0.0027, abs=0.001)


def test_a_perfect_imitator_of_the_corpus_starts_at_three_quarters_wrong():
    # The chain of chances, exactly: what a model that has learnt the corpus' conditional distribution would answer.
    problems = DEFAULT.benchmark("held-out", 1024)
    reliability, wrong = DEFAULT._facts
    p = DEFAULT.modulus
    values, facts = np.arange(p)[:, None], np.arange(2 * p)[None, :]
    chances = np.zeros((p, 2 * p, p))
    np.put_along_axis(chances, DEFAULT._apply(values, p + facts)[..., None], reliability[..., None], axis=2)
    uniform = (1 - reliability)[..., None] * (1 - DEFAULT.systematic) / p
    chances += uniform + (np.arange(p) == wrong[..., None]) * ((1 - reliability) * DEFAULT.systematic)[..., None]
    chances = np.concatenate([chances, np.eye(p)[:, None]], axis=1)  # a no-op copies
    assert np.allclose(chances.sum(axis=2), 1)
    chance = np.eye(p)[problems.prompts_IP[:, 0]]
    for slot in range(4):
        fact = problems.prompts_IP[:, 1 + slot] - p
        chance = np.einsum("iv,viw->iw", chance, chances[:, fact])
    loss = 1 - np.take_along_axis(chance, problems.answers_IT[:, -1:], axis=1)[:, 0]
    by_level = [loss[problems.levels_I == level].mean() for level in (1, 2, 3, 4)]
    assert loss.mean() == pytest.approx(0.745, abs=0.015)
    assert by_level == pytest.approx([0.387, 0.625, 0.786, 0.867], abs=0.04)
    # … and the corpus is indeed like that
    rng = np.random.default_rng(1)
    sampled = np.mean(
        [1 - DEFAULT.grade(problems, DEFAULT._unreliable_answers(problems.prompts_IP, rng)) for _ in range(40)]
    )
    assert sampled == pytest.approx(loss.mean(), abs=4 * 0.44 / np.sqrt(40 * 1024))


def test_corpus_steps_go_on_from_the_wrong_value():
    task = ModularChains(modulus=7, operations=(2, 2), reliability=(0.0, 0.0), systematic=1.0)
    _, wrong = task._facts
    for document in task.corpus(100):
        value = document[0]
        for slot in (0, 1):
            value = wrong[value, document[1 + slot] - 7]
            assert document[3 + slot] == value


@given(first=st.integers(1, 4), more=st.integers(0, 3), modulus=st.sampled_from([5, 7, 31]))
def test_layout_follows_the_settings(first, more, modulus):
    task = ModularChains(modulus=modulus, operations=f"{first}-{first + more}")
    problems = task.pool(64, seed=1)
    assert problems.prompts_IP.shape == (64, task.prompt_tokens) == (64, 1 + first + more)
    assert problems.answers_IT.shape == (64, task.completion_tokens) == (64, first + more)
    assert set(problems.levels_I) <= set(range(first, first + more + 1))
    assert problems.prompts_IP.max() < len(task.vocabulary) == 3 * modulus + 1


def test_a_mix_weighs_the_numbers_of_operations():
    levels = ModularChains(mix=(1, 0, 0, 3)).pool(4000, seed=0).levels_I
    assert set(levels) == {1, 4}
    assert (levels == 4).mean() == pytest.approx(0.75, abs=0.03)


def test_the_shifted_benchmark_has_other_operands():
    def share_of_the_commonest(name):
        prompts = DEFAULT.benchmark(name, 512).prompts_IP
        instructions = prompts[:, 1:][prompts[:, 1:] != 93]
        return np.bincount((instructions - 31) % 31).max() / len(instructions)

    assert share_of_the_commonest("held-out") > 0.3
    assert share_of_the_commonest("uniform-operands") < 0.06


def test_too_few_distinct_problems_are_said_to_be():
    with pytest.raises(SpecError, match=r"modulo 3 has \d+ distinct held-out problems, (.|\n)*next: fewer items"):
        ModularChains(modulus=3, operations=(1, 1)).benchmark("held-out", 100)


@pytest.mark.parametrize(
    "settings", [{"operations": "4-1"}, {"operations": "0-2"}, {"mix": (1, 2)}, {"reliability": (0.9, 0.1)}, {"zip": 1}]
)
def test_nonsense_settings_are_refused(settings):
    with pytest.raises(ValidationError):
        ModularChains(**settings)


def test_settings_survive_the_way_through_json():
    task = ModularChains(operations="2-3", mix=(1, 2))
    assert tasks.of(task.model_dump(mode="json")) == task


WITH_TABLES = ModularChains(operations="1-4", practised="1-3", tables=0.25)


def instructions(task, prompts):
    """The instructions of each prompt, no-ops left out."""
    return [[task.vocabulary[token] for token in prompt[1:] if task.vocabulary[token] != "."] for prompt in prompts]


def test_validation_problems_are_held_out_and_in_no_other_benchmark():
    validation = WITH_TABLES.benchmark("validation", 300)
    assert WITH_TABLES.is_held_out(validation.prompts_IP).all()
    own = {tuple(prompt) for prompt in validation.prompts_IP.tolist()}
    for name in set(WITH_TABLES.benchmarks) - {"validation"}:
        assert not own & {tuple(prompt) for prompt in WITH_TABLES.benchmark(name, 300).prompts_IP.tolist()}


def test_rl_practises_some_lengths_and_the_harder_benchmark_asks_the_longer_ones():
    assert set(WITH_TABLES.pool(4000, seed=0).levels_I) == {1, 2, 3}
    levels = {name: set(WITH_TABLES.benchmark(name, 300).levels_I) for name in WITH_TABLES.benchmarks}
    assert levels["held-out"] == levels["validation"] == {1, 2, 3}
    assert (levels["easier"], levels["harder"]) == ({1, 2}, {4})
    assert "harder" not in DEFAULT.benchmarks


def test_the_second_skill_is_in_the_corpus_and_never_in_rl():
    def share_of_tables(prompts):
        return np.mean([words[0].startswith("@") for words in instructions(WITH_TABLES, prompts)])

    corpus = WITH_TABLES.corpus(8000)[:, :5]
    assert share_of_tables(corpus) == pytest.approx(0.25, abs=0.02)
    assert {word[0] for words in instructions(WITH_TABLES, corpus) for word in words} == {"+", "*", "@"}
    assert share_of_tables(WITH_TABLES.pool(2000, seed=0).prompts_IP) == 0
    assert share_of_tables(WITH_TABLES.benchmark("unrelated", 300).prompts_IP) == 1
    assert WITH_TABLES.domain("unrelated") == "out"
    assert WITH_TABLES.domain("harder") == "in"


def test_a_table_sends_different_values_to_different_ones():
    task = ModularChains(modulus=7, operations=1, tables=0.5)
    prompts = np.array([[value, task.vocabulary.index("@3")] for value in range(7)])
    assert sorted(task.problems(prompts).answers_IT[:, 0].tolist()) == list(range(7))


def test_an_answer_is_well_formed_whatever_it_says_as_long_as_no_ops_copy():
    problems = DEFAULT.pool(500, seed=0)
    assert DEFAULT.is_well_formed(problems, problems.answers_IT).all()
    wrong = (problems.answers_IT + 1) % 31
    shorter = problems.levels_I < 4
    assert DEFAULT.is_well_formed(problems, wrong).all()  # wrong by one all along: no-ops still copy
    torn = problems.answers_IT.copy()
    torn[:, -1] = (torn[:, -1] + 1) % 31
    assert np.array_equal(DEFAULT.is_well_formed(problems, torn), ~shorter)
    assert not DEFAULT.is_well_formed(problems, np.full_like(wrong, 40)).any()


def test_rl_cannot_practise_what_the_corpus_does_not_have():
    with pytest.raises(ValidationError, match="RL trains some of the 1-4 operations"):
        ModularChains(practised="2-5")
