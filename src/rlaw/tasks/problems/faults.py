"""Problems that no answer could be rewarded for, found before anything is trained on them."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rlaw.errors import DataError, EngineError
from rlaw.rewards import answer
from rlaw.tasks.problems.base import TextProblem, TextProblems, question_of
from rlaw.text import listed, shortened

_PLAIN = re.compile(r"[+-]?\d+(?:\.\d+)?")
_NO_ANSWER = re.compile(
    r"(?:see|as in|refer to)\b.*|answers? (?:will|may|can)? ?vary|n/?a|nan|null|none given|unknown|tbd|todo|omitted"
    r"|no answer|(?:see )?proof|prove it|\?+|\.+|-+|image|figure|diagram|graph|solution",
    re.IGNORECASE,
)
_OTHER_FORM = re.compile(
    r"####"
    r"|<\s*/?\s*(?:final[_ ]?)?answer\s*>"
    r"|\bof the (?:following )?form\W{0,5}(?:the )?(?:final )?answer\b"
    r"|\b(?:after|with|by|begin|start|line|format)\W{0,12}(?:the )?(?:final )?answer(?: is)?\s*:"
    r"|\banswer\s*:\s*(?:\$?\\?answer\b|\[|<|\{|\$)"
    r"|\"(?:final_)?answer\"\s*:"
    r"|\[\[\s*(?:answer|your answer|[a-z]|\.\.\.)?\s*\]\]"
    r"|\b(?:say|write|conclude with|end with|finish with)\W{0,5}(?:the )?(?:final )?answer is\b"
    r"|\banswer\b[^.]{0,40}\b(?:in|as|inside|within|between|using)\b[^.]{0,20}"
    r"\b(?:json|xml|yaml|tags?|(?:square|double|angle) brackets|asterisks|backticks)\b",
    re.IGNORECASE,
)
_TEXT = re.compile(r"\\(?:text|mbox|textbf|mathrm)\s*\{([^{}]*)\}")
_BOX = re.compile(r"\\(?:boxed|fbox)|\bboxed?\b|\bin (?:a|the) box\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Kind:
    """Why no answer is rewarded: what the rows have, and what to do."""

    text: str
    next: str


SOLUTION = Kind("with a whole solution as reference, `#### ANSWER` at its end", "keep what follows the ####")
UNREADABLE = Kind("with a reference that does not verify against itself", "correct it, or leave the row out")
OTHER_FORM = Kind(
    "with a prompt that asks for another form of answer than \\boxed{}", "ask for the final answer within \\boxed{}"
)
_NAMED = 3  # rows of a kind whose text is shown


def of(problem: TextProblem) -> Kind | None:
    """Why no response to a problem would be rewarded; None where one would be."""
    if "####" in problem.ground_truth:
        return SOLUTION
    if not verifies(problem.ground_truth):
        return UNREADABLE
    return OTHER_FORM if asks_for_another_form(problem.prompt) else None


def verifies(reference: str) -> bool:
    """Whether a reference is right as an answer to itself, and says anything that an answer could."""
    wanted = answer.reference(reference)
    if _PLAIN.fullmatch(wanted):
        return True
    if not wanted or len(wanted) > answer.LONGEST or _NO_ANSWER.fullmatch(_TEXT.sub(r"\1", wanted).strip("$ .") or "."):
        return False
    found = answer.boxed(f"\\boxed{{{wanted}}}")
    return found is not None and answer.plain(found) == answer.plain(wanted) and _readable(wanted)


def _readable(wanted: str) -> bool:
    try:
        from rlaw.rewards.algebra import readable
    except ImportError as error:
        raise EngineError("checking references needs mpmath\n  next: pip install 'rlaw[math]'") from error
    return readable(wanted)


def asks_for_another_form(prompt: Sequence[tuple[str, str]]) -> bool:
    """Whether the messages of a prompt ask for an answer in a form that is not read, and not for a box."""
    text = "\n".join(question_of(content) for _, content in prompt)
    return bool(_OTHER_FORM.search(text)) and not _BOX.search(text)


def check(path: Path, problems: TextProblems) -> None:
    """Refuse a file with problems that no answer could be rewarded for.

    Raises:
        DataError: there are some; counts them by kind and names their rows.
    """
    rows: dict[Kind, list[int]] = {}
    for row, problem in enumerate(problems):
        if (kind := of(problem)) is not None:
            rows.setdefault(kind, []).append(row)
    if rows:
        count = sum(map(len, rows.values()))
        head = f"{path}: no answer to {count:,} of {len(problems):,} problems could be right"
        raise DataError("\n".join([head, *(line for kind in rows for line in _lines(kind, rows[kind], problems))]))


def _lines(kind: Kind, rows: Sequence[int], problems: TextProblems) -> Iterator[str]:
    numbers = listed([row + 1 for row in rows], 10)
    yield f"  {len(rows):,} {kind.text}: row{'s' * (len(rows) > 1)} {numbers}"
    for row in rows[:_NAMED]:
        problem = problems[row]
        text = problem.prompt[-1][1] if kind is OTHER_FORM else problem.ground_truth
        end = " ".join(text.split())
        yield f"    row {row + 1}: {shortened(end) if kind is UNREADABLE else '…' * (len(end) > 60) + end[-60:]}"
    yield f"  next: {kind.next}"
