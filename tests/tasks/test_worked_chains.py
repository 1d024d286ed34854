"""Worked chains: answers at once or worked out, ended by a token, graded on the value before it."""

import numpy as np
import pytest

from rlaw import tasks
from rlaw.tasks.worked_chains import WorkedChains

TASK = WorkedChains()
END = TASK.end_token


def completion(*tokens):
    """(1, T) an answer, filled up with ends."""
    return np.array([[*tokens, *[END] * (TASK.completion_tokens - len(tokens))]])


def one(*words):
    """The problem of that text."""
    return TASK.problems(np.array([[TASK.vocabulary.index(word) for word in words]]))


def test_the_value_before_the_first_end_is_graded_however_much_was_written():
    problem = one("3", "+4", "*2", "+1", ".")  # 7 14 15
    assert TASK.grade(problem, completion(7, 14, 15)) == 1
    assert TASK.grade(problem, completion(END - 1, 15)) == 1
    assert TASK.grade(problem, completion(15)) == 1
    assert TASK.grade(problem, completion(END - 1)) == 0
    assert TASK.grade(problem, completion(9, 15)) == 1
    assert TASK.grade(problem, completion(7, 14)) == 0
    assert TASK.grade(problem, completion(14, END, 15)) == 0
    assert TASK.grade(problem, completion()) == 0
    assert TASK.grade(problem, np.full((1, 6), 15)) == 0  # no end


def test_an_answer_is_well_formed_when_it_works_every_operation_out_or_none():
    problem = one("3", "+4", "*2", ".", ".")
    at_once = END - 1
    for answer, formed in (
        (completion(7, 9), True),
        (completion(at_once, 5), True),
        (completion(7), False),
        (completion(1, 2, 3), False),
        (completion(at_once, 1, 2), False),
        (completion(40, 7), False),
        (completion(), False),
        (np.full((1, 6), 7), False),
    ):
        assert TASK.is_well_formed(problem, answer)[0] == formed


def test_right_answers_are_worked_out_and_graded_right():
    problems = TASK.pool(500, seed=0)
    assert TASK.grade(problems, problems.answers_IT).all()
    assert TASK.is_well_formed(problems, problems.answers_IT).all()
    assert np.array_equal(TASK.answer_mask(problems.answers_IT).sum(axis=1), problems.levels_I + 1)


def test_half_of_the_corpus_answers_at_once_and_is_right_less_often():
    documents = TASK.corpus(20_000)
    problems, answers = TASK.problems(documents[:, :5]), documents[:, 5:]
    written = TASK.answer_mask(answers).sum(axis=1) - 1
    at_once = answers[:, 0] == END - 1
    assert at_once.mean() == pytest.approx(0.5, abs=0.02)
    assert set(written[at_once]) == {2}
    assert np.array_equal(written[~at_once], problems.levels_I[~at_once])
    right = TASK.grade(problems, answers)
    for level in (2, 3, 4):
        same = problems.levels_I == level
        assert right[same & at_once].mean() < right[same & ~at_once].mean()


def test_settings_survive_the_way_through_json_and_vocabulary_ends_with_the_end():
    assert tasks.of(TASK.model_dump(mode="json")) == TASK
    assert TASK.vocabulary[-3:] == (".", "=", "end")
    assert TASK.completion_tokens == 6
