import pytest

from rlaw.rewards import Grade, Verdict, counts
from rlaw.rewards.answer import boxed, compare, plain, reference
from rlaw.rewards.math import MathReward


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        (r"So \boxed{42}.", "42"),
        (r"First \boxed{41}, no: \boxed{42}", "42"),
        (r"\boxed{\frac{1}{\sqrt{2}}}", r"\frac{1}{\sqrt{2}}"),
        (r"\boxed {7}", "7"),
        (r"\fbox{7}", "7"),
        (r"\boxed{\{1, 2\}}", r"\{1, 2\}"),
        (r"\boxed{a \\ b}", r"a \\ b"),
        (r"\boxed{\boxed{5}}", "5"),
        (r"\boxed{ }", None),
        (r"\boxed{42} and again \boxed{}", None),
        (r"\boxed{12", None),
        ("the answer is 42", None),
        ("", None),
        (r"The answer is \boxed 7.", "7"),
        (r"$\boxed7$", "7"),
        (r"\boxed{7} or \boxed{9}", "7, 9"),
        (r"$x=\boxed{7}$ and $x=\boxed{9}$.", "7, 9"),
        (r"It is \boxed{7}. It is \boxed{9}.", "7, 9"),
        (r"It is \boxed{7}. Check: \boxed{7}.", "7"),
        (r"\boxed{4} is wrong; it is \boxed{6}.", "6"),
        (r"\boxed{4}. " + "More words. " * 20 + r"\boxed{6}", "6"),
        (r"\boxed{5 \text{ or } \boxed{6}}", r"5 \text{ or }  {6}"),
        (r"<think>\boxed{5}</think>\boxed{6}", "6"),
        (r"<think>\boxed{5}</think> It is five.", None),
        (r"<think>\boxed{5}", None),
        (r"Hm, \boxed{5}?</think> It is \boxed{6}.", "6"),
        (r"<think>a</think>\boxed{5}<think>\boxed{6}", "5"),
        (r"\boxed{5}" + " " * 300_000, None),  # nobody looks for it that far from the end
    ],
)
def test_the_last_boxes_outside_of_the_thoughts_are_the_answer(response, answer):
    assert boxed(response) == answer


def test_a_reference_may_have_a_box_or_doubled_backslashes():
    assert reference(r"\\frac{11}{13}") == r"\frac{11}{13}"
    assert reference(r"\boxed{5}") == "5"
    matrix = r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}"
    assert reference(matrix) == matrix


def test_what_changes_nothing_is_left_out():
    assert plain(r"$\left( 3, \dfrac{\pi}{2} \right)$") == plain(r"(3,\tfrac{\pi}{2}).")
    assert plain(r"\leftarrow") == r"\leftarrow"
    assert plain("x + 1") == "x+1"


@pytest.mark.parametrize("text", ["1, 500", "1 500", r"1,\ 500", r"1\;500", "1 ,500", "1. 500", r"1\quad 500"])
def test_a_space_never_joins_digits(text):
    assert plain(text) not in ("1500", "1,500", "1.500")
    assert compare(text, "1500") is None


def test_rows_of_a_matrix_are_no_spacing():
    assert plain(r"1 \\ 2") == r"1\\2"


@pytest.mark.parametrize(
    ("answer", "wanted", "same"),
    [
        ("18", "18", True),
        ("18.00", "18", True),
        ("1,000", "1000", True),
        ("+5", "5", True),
        (r"\frac{1}{2}", "0.5", True),
        ("2/4", r"\dfrac{1}{2}", True),
        (r"-\frac{1}{2}", "-1/2", True),
        ("18", "19", False),
        ("1,001", "1000", False),
        ("1, 000", "1000", None),
        ("0,100", "100", None),
        ("0.333333", r"\frac{1}{3}", None),
        ("18.5", "18", None),
        ("1/0", "5", None),
        (r"\text{even}", r"\text{odd}", None),
        ("x+1", "1+x", None),
        ("5", "", None),
    ],
)
def test_algebra_is_asked_only_where_it_is_needed(answer, wanted, same):
    assert compare(answer, wanted) is same


def test_verdicts_are_counted_each_by_its_name():
    grades = [Grade(Verdict.RIGHT, "exact"), Grade(Verdict.TIMEOUT, "time"), Grade(Verdict.TIMEOUT, "memory")]
    assert counts(grades) == {"right": 1, "wrong": 0, "unparsed": 0, "timeout": 2}
    assert [grade.score for grade in grades] == [1.0, 0.0, 0.0]


def test_what_needs_no_algebra_needs_no_worker():
    responses = [r"\boxed{18}", r"\boxed{19}", "eighteen", r"\boxed{" + "9" * 200_000 + "}"]
    grades = MathReward(seconds=0.001, memory_mb=1).grade(responses, ["18"] * 4)  # no worker could start with 1 MiB
    assert [(grade.verdict.value, grade.reason) for grade in grades] == [
        ("right", "exact"),
        ("wrong", "exact"),
        ("unparsed", "no answer"),
        ("unparsed", "too long"),
    ]
