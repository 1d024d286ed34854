"""The other face of a task: problems in words, for engines that train real language models.

An embedded task (`Task`) makes its problems of tokens; a text task reads them from files, leaves tokens to the
checkpoint's tokenizer, and has its answers judged by a reward. What both have: `name`, `benchmarks`, `pool`,
`benchmark`, and the most tokens of a prompt and a completion.
"""

from abc import ABC, abstractmethod
from typing import ClassVar

from pydantic import Field

from rlaw.rewards.base import Reward
from rlaw.tasks.base import Named
from rlaw.tasks.problems.base import TextProblem, TextProblems


class TextTask(Named, ABC):
    """A family of verifiable problems in words; as frozen and as much its own settings as any task."""

    #: none of its own: the checkpoint's tokenizer has one
    vocabulary: ClassVar[tuple[str, ...]] = ()

    max_prompt_length: int = Field(2048, gt=0, description="tokens that a prompt may have")
    max_completion_length: int = Field(4096, gt=0, description="tokens; a longer response is cut short")

    @property
    def prompt_tokens(self) -> int:
        """The most tokens of a prompt."""
        return self.max_prompt_length

    @property
    def completion_tokens(self) -> int:
        """The most tokens of a response."""
        return self.max_completion_length

    @abstractmethod
    def pool(self, size: int, seed: int) -> TextProblems:
        """Distinct problems to train on, in the file's order; fewer than the file holds are drawn with the seed.

        Raises:
            SpecError: the file holds fewer.
        """

    @abstractmethod
    def benchmark(self, name: str, items: int) -> TextProblems:
        """The first `items` problems of a benchmark, or all of them where it has fewer."""

    @abstractmethod
    def reward(self) -> Reward:
        """What judges a response: `reward().grade(responses, ground_truths)`."""


__all__ = ["TextProblem", "TextProblems", "TextTask"]
