"""What every task offers: problems and an exact verifier. A task is its own settings, frozen.

An embedded task (`Task`) makes its problems of tokens; a text task (`TextTask`) reads them from files, leaves tokens to
the checkpoint's tokenizer, and has its answers judged by a reward.

Axes: I problems (items), P prompt tokens, T completion tokens.
"""

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from rlaw.rewards.base import Reward
from rlaw.tasks.problems.base import TextProblems
from rlaw.text import without_secrets

#: version of the canonical form of settings, whose digests are the ids of runs and studies
CANONICAL = 2


@dataclass(frozen=True, slots=True)
class Since:
    """Marks a setting that came with a later canonical form, so that runs made before it keep their ids.

    The default of such a setting does what was done before there was one: `new: Annotated[int, Since(2)] = 0`.
    """

    form: int


class Settings(BaseModel):
    """A frozen section of a study file: an unknown key is an error, and so is a truth value in place of a number."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_value_for_a_number(cls, value: Any, about: ValidationInfo) -> Any:
        kinds = str(cls.model_fields[about.field_name or ""].annotation)
        numeric = re.search(r"\b(int|float)\b", kinds) and "bool" not in kinds and "Any" not in kinds
        if numeric and any(isinstance(one, bool) for one in (value if isinstance(value, list | tuple) else [value])):
            raise ValueError(f"a number is expected, got {str(value).lower()}")
        return value


def canonical(settings: BaseModel) -> dict[str, Any]:
    """Settings as the plain data that ids are made of: all that the first form has, and what came later and is set.

    Credentials are blanked: they change no number, and whoever reads a store is not to have them.
    """
    known = _KNOWN.get(id(settings))
    if known is None or known[0] is not settings:
        if len(_KNOWN) >= _MOST_KNOWN:
            _KNOWN.clear()
        known = settings, without_secrets(_without_later(settings, settings.model_dump(mode="json")))
        _KNOWN[id(settings)] = known
    return known[1]


#: canonical forms by identity: the runs of a plan share their sections, which are frozen
_KNOWN: dict[int, tuple[BaseModel, dict[str, Any]]] = {}
_MOST_KNOWN = 256


def _without_later(value: Any, plain: Any) -> Any:
    """The plain data of a value, without settings that came later and have their default."""
    if isinstance(value, tuple | list):
        return [_without_later(one, its) for one, its in zip(value, plain, strict=True)]
    if isinstance(value, dict):
        return {key: _without_later(value[key], its) for key, its in plain.items()}
    if not isinstance(value, BaseModel):
        return plain
    later = _later(type(value))
    return {
        name: _without_later(getattr(value, name), its)
        for name, its in plain.items()
        if name not in later or getattr(value, name) != later[name]
    }


@cache
def _later(settings: type[BaseModel]) -> dict[str, Any]:
    """The settings that came after the first canonical form, and their defaults."""
    marked = {
        name: about
        for name, about in settings.model_fields.items()
        if any(isinstance(mark, Since) for mark in about.metadata)
    }
    return {name: about.get_default(call_default_factory=True) for name, about in marked.items()}


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
