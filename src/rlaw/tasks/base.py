"""What every task offers: problems and an exact verifier. A task is its own settings, frozen.

An embedded task (`Task`) makes its problems of tokens; a text task (`TextTask`) reads them from files, leaves tokens to
the checkpoint's tokenizer, and has its answers judged by a reward.

Axes: I problems (items), P prompt tokens, T completion tokens.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from rlaw.rewards.base import Reward
from rlaw.tasks.problems.base import TextProblems

#: version of the canonical form of settings, whose digests are the ids of runs and studies
CANONICAL = 2


@dataclass(frozen=True, slots=True)
class Since:
    """Marks a setting that came with a later canonical form, so that runs made before it keep their ids.

    The default of such a setting does what was done before there was one: `new: Annotated[int, Since(2)] = 0`.
    """

    form: int


class Settings(BaseModel):
    """A frozen section of a study file: an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def canonical(settings: BaseModel) -> dict[str, Any]:
    """Settings as the plain data that ids are made of: all that the first form has, and what came later and is set."""
    plain = settings.model_dump(mode="json")
    for name, about in type(settings).model_fields.items():
        value = getattr(settings, name)
        later = any(isinstance(mark, Since) for mark in about.metadata)
        if later and value == about.get_default(call_default_factory=True):
            del plain[name]
        else:
            plain[name] = _canonical(value, plain[name])
    return plain


def _canonical(value: Any, plain: Any) -> Any:
    """The canonical form of a value of settings, whose plain data are known."""
    if isinstance(value, BaseModel):
        return canonical(value)
    if isinstance(value, tuple | list):
        return [_canonical(one, its) for one, its in zip(value, plain, strict=True)]
    if isinstance(value, dict):
        return {key: _canonical(value[key], its) for key, its in plain.items()}
    return plain


@dataclass(frozen=True, slots=True)
class Problems:
    """A batch of problems of one task.

    Attributes:
        prompts_IP: (items, prompt tokens) int32 token ids.
        answers_IT: (items, completion tokens) int32 token ids of one right completion.
        levels_I: (items,) int32 difficulty, rising: what a curriculum sorts by.
    """

    prompts_IP: np.ndarray
    answers_IT: np.ndarray
    levels_I: np.ndarray

    def __len__(self) -> int:
        return len(self.prompts_IP)

    def take(self, index: np.ndarray) -> "Problems":
        return Problems(self.prompts_IP[index], self.answers_IT[index], self.levels_I[index])


class Named(Settings):
    """What an embedded task and a text task have in common for the study that names them."""

    name: str
    #: benchmarks of a skill that RL does not train
    out_of_domain: ClassVar[frozenset[str]] = frozenset()

    @property
    def benchmarks(self) -> tuple[str, ...]:
        """What `benchmark` knows: first the held-out problems of the training distribution."""
        return ("held-out",)

    def refusal(self, benchmark: str) -> str:
        """Why the task has no benchmark of that name, and which it has."""
        return f"task {self.name} has no benchmark {benchmark}: it has {', '.join(self.benchmarks)}"

    def items(self, benchmark: str, most: int) -> int:
        """Problems of a benchmark in an evaluation of at most `most`, as far as the number is known beforehand."""
        return most

    def domain(self, benchmark: str) -> Literal["in", "out"]:
        """Whether a benchmark is of the domain that RL trains."""
        return "out" if benchmark in self.out_of_domain else "in"


class Task(Named, ABC):
    """A family of verifiable problems with a fixed token layout: all of it a function of the settings and a seed."""

    @property
    @abstractmethod
    def vocabulary(self) -> tuple[str, ...]:
        """The text of every token, by id."""

    @property
    @abstractmethod
    def prompt_tokens(self) -> int: ...

    @property
    @abstractmethod
    def completion_tokens(self) -> int: ...

    @property
    def end_token(self) -> int | None:
        """The token that ends an answer and is its last one; None when every answer fills `completion_tokens`."""
        return None

    def answer_mask(self, completions: np.ndarray) -> np.ndarray:
        """float32, of the shape of the (…, T) completions: 1 up to and with the first end token, 0 after it."""
        if self.end_token is None:
            return np.ones(completions.shape, np.float32)
        is_end = completions == self.end_token
        return (np.cumsum(is_end, axis=-1) - is_end == 0).astype(np.float32)

    @abstractmethod
    def corpus(self, documents: int) -> np.ndarray:
        """(documents, P + T) int32: the first documents of the pretraining corpus, no held-out prompt among them.

        What follows an answer's first end token is not trained on; end tokens are expected there.
        """

    @abstractmethod
    def pool(self, size: int, seed: int) -> Problems:
        """Problems to train on, drawn as they occur (repetitions included), none of them held out."""

    @abstractmethod
    def benchmark(self, name: str, items: int) -> Problems:
        """Distinct problems that are never trained on; the same for every run of a study."""

    @abstractmethod
    def grade(self, problems: Problems, completions_IT: np.ndarray) -> np.ndarray:
        """(items,) float32 rewards, 1 for a right completion and 0 for a wrong one.

        A completion that ended early is filled up with end tokens.
        """

    def is_well_formed(self, problems: Problems, completions_IT: np.ndarray) -> np.ndarray:
        """(items,) bool: whether a completion has the form of an answer, be it right or wrong."""
        return np.ones(len(problems), bool)


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
