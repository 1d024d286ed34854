"""Pairs of answer and reference with the verdict that a mathematician gives, balanced over what answers get wrong."""

import csv
import json
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest

from rlaw.engines.trl.adapter import TextAdapter
from rlaw.engines.verl.reward import compute_score
from rlaw.rewards import Verdict, confusion
from rlaw.rewards.math import MathReward
from rlaw.tasks.mathematics import Mathematics
from rlaw.tasks.problems import faults

pytest.importorskip("mpmath", reason="rlaw[math] is not installed")
CORPUS = Path(__file__).parent / "corpus.tsv"
PAIRS = confusion.read(CORPUS)
REWARD = MathReward(seconds=30, workers=2)


def responses() -> list[str]:
    return [pair.answer if pair.is_response else f"It is \\boxed{{{pair.answer}}}" for pair in PAIRS]


def kinds() -> list[str]:
    with CORPUS.open(newline="") as file:
        return [row["kind"] for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)]


@pytest.fixture(scope="module")
def right() -> list[bool]:
    grades = REWARD.grade(responses(), [pair.reference for pair in PAIRS])
    assert Verdict.TIMEOUT not in {grade.verdict for grade in grades}
    return [grade.verdict is Verdict.RIGHT for grade in grades]


def test_the_corpus_is_large_and_balanced_over_the_kinds():
    count = Counter(zip(kinds(), (pair.right for pair in PAIRS), strict=True))
    names = {kind for kind, _ in count} - {"mixed"}
    assert len(names) == 23
    assert sum(count[name, verdict] for name in names for verdict in (True, False)) >= 600
    for name in names:
        assert count[name, True] + count[name, False] >= 28
        assert min(count[name, True], count[name, False]) >= 6
    assert len({(pair.answer, pair.reference) for pair in PAIRS}) == len(PAIRS)


def test_no_wrong_answer_of_the_corpus_is_accepted(right):
    assert [pair for pair, found in zip(PAIRS, right, strict=True) if found and not pair.right] == []


def test_at_most_two_in_a_hundred_right_answers_are_rejected(right):
    rejected = [pair for pair, found in zip(PAIRS, right, strict=True) if pair.right and not found]
    assert len(rejected) <= 0.02 * sum(pair.right for pair in PAIRS), rejected


def test_every_reference_that_has_a_right_answer_verifies_against_itself():
    assert [pair.reference for pair in PAIRS if pair.right and not faults.verifies(pair.reference)] == []


def test_both_engines_for_words_grade_as_the_reward_does(right, tmp_path):
    task = Mathematics(folder=str(tmp_path))
    (tmp_path / "task.json").write_text(json.dumps(task.model_dump(mode="json")))
    some = range(0, len(PAIRS), 9)
    texts, truths = [responses()[i] for i in some], [PAIRS[i].reference for i in some]
    scores = [
        compute_score("math", text, truth, task=str(tmp_path / "task.json"))["score"]
        for text, truth in zip(texts, truths, strict=True)
    ]
    adapter = object.__new__(TextAdapter)  # without a checkpoint: texts are their own tokens
    adapter.task, adapter.reward = task, task.reward()
    adapter.tokenizer = SimpleNamespace(batch_decode=lambda completions, skip_special_tokens: completions)
    problems = [SimpleNamespace(ground_truth=truth) for truth in truths]
    assert scores == [float(right[i]) for i in some] == adapter.grade(problems, texts).tolist()
