"""Problems in words: the messages of a prompt, a reference answer, where it came from, how hard it is."""

import hashlib
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

#: the words around a question of mathematics, as in the published problem files of arXiv 2509.25300
BEFORE = "You are a knowledgeable math assistant. Answer the following questions and think step by step."
AFTER = r"Please output the final answer within \boxed{}."
_REQUEST = re.compile(r"\s*Please [^.$\\]{0,80}\\boxed\s*\{\s*\}\.?\s*$")
_NOTHING = re.compile(r"\\left(?![a-z])|\\right(?![a-z])|\\[,;:! ]|\$|\s|~")


def prompt_of(question: str) -> str:
    """The prompt for a question of mathematics whose answer is to be in a box."""
    return f"{BEFORE} {question.strip()} {AFTER}"


def question_of(prompt: str) -> str:
    """The question of a prompt, without the words around it."""
    return _REQUEST.sub("", prompt.removeprefix(BEFORE)).strip()


def fingerprint(prompt: str) -> bytes:
    """16 bytes, the same for two prompts whose questions are equal up to case, spacing and dollars."""
    text = unicodedata.normalize("NFKC", question_of(prompt)).casefold()
    return hashlib.blake2b(_NOTHING.sub("", text).encode("utf-8", "surrogatepass"), digest_size=16).digest()


@dataclass(frozen=True, slots=True)
class TextProblem:
    """One problem in words.

    Attributes:
        prompt: the messages, (role, content) each.
        ground_truth: the reference answer, as the verifier takes it.
        source: the collection it is from, veRL's `data_source`.
        level: difficulty between 0 and 1, rising: 1 - pass rate of the rating model; 1 where it was never rated.
        index: its place in the file that it was read from, or the number that the file itself gives.
    """

    prompt: tuple[tuple[str, str], ...]
    ground_truth: str
    source: str
    level: float = 1.0
    index: int = 0

    @property
    def messages(self) -> list[dict[str, str]]:
        """The prompt as chat templates, TRL and veRL take it."""
        return [{"role": role, "content": content} for role, content in self.prompt]


@dataclass(frozen=True, slots=True)
class TextProblems:
    """Problems in words, in order. The sibling of `rlaw.tasks.base.Problems`, whose problems are tokens."""

    items: tuple[TextProblem, ...]

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[TextProblem]:
        return iter(self.items)

    def __getitem__(self, index: int) -> TextProblem:
        return self.items[index]

    @property
    def levels_I(self) -> np.ndarray:
        """(items,) float64 difficulty: what a curriculum sorts by, stably."""
        return np.array([problem.level for problem in self.items])

    def take(self, index: np.ndarray | Sequence[int]) -> "TextProblems":
        """The problems at these places, repetitions included."""
        return TextProblems(tuple(self.items[i] for i in index))
