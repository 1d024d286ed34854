"""The reference answers of real benchmarks against themselves and against wrong ones."""

import os
import re
from pathlib import Path

import pytest

from rlaw.rewards import Verdict, answer, counts
from rlaw.rewards.math import MathReward
from rlaw.tasks.problems import files

pytest.importorskip("math_verify", reason="rlaw[math] is not installed")
DATA = Path(os.environ.get("RLAW_SHARED_DATA", Path(__file__).parents[2] / "../shared/data")) / "guru"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"no problem files in {DATA.name}: set RLAW_SHARED_DATA")
FILES = {"gsm8k": "gsm8k", "math-500": "math__math_500", "aime-2024": "aime2024", "amc-2023": "amc2023"}
REWARD = MathReward(seconds=30, workers=2)


def truths(name: str) -> list[str]:
    return [problem.ground_truth for problem in files.read(DATA / f"{FILES[name]}.parquet")]


def wrong(truth: str) -> str:
    """Another value: one more."""
    text = answer.reference(truth)
    return str(int(text) + 1) if re.fullmatch(r"-?\d+", text) else f"{text} + 1"


def boxed(text: str) -> str:
    return f"It is \\boxed{{{text}}}."


@needs_data
@pytest.mark.parametrize("name", FILES)
def test_every_reference_is_accepted_as_an_answer_to_itself(name):
    references = truths(name)
    grades = REWARD.grade([boxed(answer.reference(truth)) for truth in references], references)
    assert counts(grades)["right"] == len(references)


@needs_data
@pytest.mark.parametrize("name", FILES)
def test_every_reference_plus_one_is_rejected(name):
    references = truths(name)
    grades = REWARD.grade([boxed(wrong(truth)) for truth in references], references)
    assert counts(grades)["right"] == 0
    assert counts(grades)["timeout"] == 0


@needs_data
def test_algebra_gives_the_verdicts_that_were_given_without_it():
    references = [answer.reference(truth) for truth in truths("gsm8k")[::10] + truths("math-500")[::5]]
    pairs = [pair for truth in references for pair in ((truth, truth), (f"{truth}.0", truth), (wrong(truth), truth))]
    pairs += [(f"{int(a):,}", a) for a in references if a.isdigit()]
    pairs = [pair for pair in pairs if answer.compare(*pair) is not None]
    assert len(pairs) > 400
    for (found, wanted), grade in zip(pairs, REWARD.pool.check(pairs), strict=True):
        assert (grade.verdict is Verdict.RIGHT) is answer.compare(found, wanted), (found, wanted, grade)


@pytest.mark.parametrize(
    ("found", "wanted", "verdict"),
    [
        ("1=2", "22+979=1001", "wrong"),
        ("22+979=1002", "22+979=1001", "wrong"),
        ("1001", "22+979=1001", "right"),
        ("2<3", "3<5", "wrong"),
        ("x=5", "5", "right"),
        ("y=5", "x=5", "wrong"),
        (r"10\%", "0.1", "right"),
        ("2, 1", r"\{1, 2\}", "right"),
        ("(1, 2)", "(2, 1)", "wrong"),
        ("(1, 2)", "[1, 2]", "wrong"),
        ("0.333333", r"\frac{1}{3}", "wrong"),
        (r"\frac{1}{3}", "0.333333", "right"),
        ("0.33", r"\frac{1}{3}", "wrong"),
        (r"(x+1)^2", "x^2 + 2x + 1", "right"),
        (r"\text{odd}", r"\text{even}", "wrong"),
        ("18 \\text{ dollars}", "18", "right"),
        ("3 or 4", "3", "wrong"),
    ],
)
def test_algebra_decides_as_documented(found, wanted, verdict):
    (grade,) = REWARD.grade([boxed(found)], [wanted])
    assert grade.verdict.value == verdict
