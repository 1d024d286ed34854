"""What no answer could be rewarded for is found before anything is trained."""

import json
import os
from pathlib import Path

import pytest

from rlaw.cli import main
from rlaw.errors import DataError
from rlaw.tasks.problems import faults, files
from rlaw.tasks.problems.base import TextProblem, prompt_of
from rlaw.tasks.problems.prepare import Recipe, prepare

pytest.importorskip("mpmath", reason="rlaw[math] is not installed")
DATA = Path(os.environ.get("RLAW_SHARED_DATA", Path(__file__).parents[2] / "../shared/data")) / "guru"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="no problem files: set RLAW_SHARED_DATA")


def problem(truth: str, prompt: str = "What is it?") -> TextProblem:
    return TextProblem((("user", prompt),), truth, "test")


@pytest.mark.parametrize(
    "truth",
    [
        "70", "-3.5", "1,234", r"\frac{1}{2}", r"\boxed{7}", r"\\frac{11}{13}", '["12", "twelve"]', r"\text{(C)}", "C",
        r"\text{even}", "Evelyn", "(3, \\infty)", "x=5", "2022! - 1", "4:50", "52_8", r"10\%", r"$x \leq y$",
        "22+979=1001",
        "f(x) = ax \\text{ for some integer } a.", r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}", "9^{9^{9^{9}}}",
    ],
)  # fmt: skip
def test_an_honest_reference_verifies_against_itself(truth):
    assert faults.of(problem(truth)) is None


@pytest.mark.parametrize(
    "truth",
    [
        r"\frac{", r"\frac{1}{2", "2^{10", r"\frac{}{}", "}", r"\infty \infty \int", "see figure", "See the solution.",
        r"\text{Answers will vary}", "N/A", "nan", "null", "?", "...", "x" * 5000, "0^0", r"\frac{1}{0}", "+", "(1, 2",
    ],
)  # fmt: skip
def test_a_reference_that_says_nothing_or_is_broken_does_not(truth):
    assert faults.of(problem(truth)) is faults.UNREADABLE


def test_a_worked_solution_is_no_reference():
    assert faults.of(problem("2 + 5 = <<2+5=7>>7, times 10.\n#### 70")) is faults.SOLUTION
    assert faults.of(problem("#### 70")) is faults.SOLUTION


@pytest.mark.parametrize(
    ("prompt", "other"),
    [
        (
            "The last line of your response should be of the form Answer: $Answer (without quotes).\n\nWhat is 1+1?",
            True,
        ),
        ('What is 1+1? Put your answer on its own line after "Answer:".', True),
        ("What is 1+1? Give the final answer after ####.", True),
        ("What is 1+1? Write your answer in <answer></answer> tags.", True),
        ('Reply in JSON: {"answer": …}. What is 1+1?', True),
        ("What is 1+1? Give your final answer inside double brackets, [[answer]].", True),
        (prompt_of("What is 1+1?"), False),
        (prompt_of("What is 1+1? End with: Answer: $Answer"), True),
        ("What is 1+1? The last line is of the form Answer: \\boxed{…}.", False),
        ("What is 1+1? Put the answer in a box.", False),
        ("What is 1+1?", False),
        ("Explain the answer: why is 1+1=2?", False),
        ("Express the answer as a tagged set. Which of <, > is right?", False),
    ],
)
def test_a_prompt_that_asks_for_another_form_than_a_box_is_found(prompt, other):
    assert (faults.of(problem("2", prompt)) is faults.OTHER_FORM) is other


def rows(path: Path, *changed: tuple[int, dict[str, object]]) -> Path:
    made = [{"question": f"What is {i} + 1?", "answer": str(i + 1), "pass_rate": (i % 17) / 16} for i in range(40)]
    for place, change in changed:
        made[place] |= change
    path.write_text("".join(json.dumps(row) + "\n" for row in made))
    return path


def test_faults_are_counted_by_kind_with_their_rows_and_nothing_is_written(tmp_path, capsys):
    source = rows(
        tmp_path / "in.jsonl",
        (3, {"answer": "It is 3 + 1.\n#### 4"}),
        (7, {"answer": "#### 8"}),
        (9, {"answer": "\\frac{1}{"}),
        (12, {"question": "What is 12 + 1? Give the answer after ####."}),
    )
    assert main(["data", "prepare", str(source), "--out", str(tmp_path / "out"), "--held-out", "10", "--json"]) == 4
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["exit_code"] == 4
    for text in (
        "no answer to 4 of 40 problems could be right",
        "2 with a whole solution as reference, `#### ANSWER` at its end: rows 4, 8\n",
        "1 with a reference that does not verify against itself: row 10\n",
        "1 with a prompt that asks for another form of answer than \\boxed{}: row 13\n",
    ):
        assert text in error["text"]
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]


def test_references_of_benchmarks_are_checked_too(tmp_path):
    bench = rows(tmp_path / "bench.jsonl", (0, {"answer": "see figure"}))
    with pytest.raises(DataError, match=r"bench.jsonl: no answer to 1 of 40"):
        prepare(rows(tmp_path / "in.jsonl"), tmp_path / "out", Recipe(10), {"gsm8k": bench})
    assert not (tmp_path / "out").exists()


def test_unrated_problems_cannot_be_held_out_by_halves_and_the_message_says_why(tmp_path):
    source = rows(tmp_path / "in.jsonl", *((i, {"pass_rate": None}) for i in range(40)))
    with pytest.raises(DataError, match="no problem has a pass rate above 0"):
        prepare(source, tmp_path / "out", Recipe(10))
    assert prepare(source, tmp_path / "out", Recipe(0)).files[0].items == 40


@needs_data
@pytest.mark.parametrize("file", sorted(path.name for path in DATA.glob("*.parquet")) if DATA.is_dir() else [])
def test_the_papers_problems_have_no_faults(file):
    faults.check(DATA / file, files.read(DATA / file))
