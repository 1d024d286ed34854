"""Chains of modular arithmetic whose answer may be worked out or given at once: the model chooses how much it writes.

A problem is one of `modular_chains`. An answer ends with an end token, and the value before it is graded, whatever else
was written: `20 25 6 end` works three operations out, `= 6 end` gives the result at once. The corpus mixes both ways.
Whoever answers at once takes less care, so that each fact used is right less often. Length itself earns
nothing.

Axes: as in `modular_chains`.
"""

from functools import cached_property
from typing import Literal

import numpy as np
from pydantic import Field

from rlaw.tasks.base import Problems
from rlaw.tasks.modular_chains import ModularChains

AT_ONCE_TOKENS = 2  # the mark and the value
SPARE_TOKENS = 2  # beyond the longest worked answer: one for its end, one to go wrong in


class WorkedChains(ModularChains):
    """Modular chains with answers of variable length; one that does not end in time is cut short and wrong."""

    name: Literal["worked-chains"] = "worked-chains"
    at_once: float = Field(0.5, ge=0, le=1, description="share of the corpus' answers that are given at once")
    care: float = Field(
        0.7, ge=0, le=1, description="answered at once, a fact is right so many times as often as worked out"
    )

    @cached_property
    def vocabulary(self) -> tuple[str, ...]:
        """As for chains, the mark of an answer given at once, and the end of an answer."""
        return (*super().vocabulary, "=", "end")

    @property
    def completion_tokens(self) -> int:
        return max(self.operations[1], AT_ONCE_TOKENS) + SPARE_TOKENS

    @property
    def end_token(self) -> int:
        return len(self.vocabulary) - 1

    @property
    def _mark(self) -> int:
        return self.end_token - 1

    def problems(self, prompts_IP: np.ndarray) -> Problems:
        """The prompts with their right answers, worked out; the level is the number of operations."""
        plain = super().problems(prompts_IP)
        answers_IT = self._written(plain.answers_IT, plain.levels_I, np.zeros(len(prompts_IP), bool))
        return Problems(prompts_IP, answers_IT, plain.levels_I)

    def grade(self, problems: Problems, completions_IT: np.ndarray) -> np.ndarray:
        """(items,) float32: 1 where there is an end and the value before it is right."""
        ends_I, each = (completions_IT == self.end_token).argmax(axis=1), np.arange(len(problems))
        right_I = problems.answers_IT[each, problems.levels_I - 1]
        return ((ends_I > 0) & (completions_IT[each, ends_I - 1] == right_I)).astype(np.float32)

    def is_well_formed(self, problems: Problems, completions_IT: np.ndarray) -> np.ndarray:
        """(items,) bool: as many values as operations, or the mark and a value; then an end."""
        each, values_IT = np.arange(len(problems)), completions_IT < self.modulus
        written_I = (completions_IT == self.end_token).argmax(axis=1)
        run_I = np.cumprod(values_IT, axis=1).sum(axis=1)
        worked_I = (run_I == written_I) & (written_I == problems.levels_I)
        at_once_I = (completions_IT[:, 0] == self._mark) & (written_I == AT_ONCE_TOKENS) & values_IT[each, 1]
        return worked_I | at_once_I

    def _unreliable_answers(self, prompts_IP: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """(items, T) answers as the corpus gives them, some at once."""
        at_once_I = rng.random(len(prompts_IP)) < self.at_once
        values_IS = self._unreliable_values(prompts_IP, rng, np.where(at_once_I, self.care, 1.0))
        levels_I = (prompts_IP[:, 1:] != self._no_op).sum(axis=1)
        return self._written(values_IS, levels_I, at_once_I)

    def _written(self, values_IS: np.ndarray, levels_I: np.ndarray, at_once_I: np.ndarray) -> np.ndarray:
        """(items, T) int32 the values of the operations and ends after them; mark and last value if at once."""
        written_IT = np.full((len(values_IS), self.completion_tokens), self.end_token, np.int32)
        slots_S = np.arange(values_IS.shape[1])
        written_IT[:, slots_S] = np.where(slots_S < levels_I[:, None], values_IS, self.end_token)
        written_IT[at_once_I, 0] = self._mark
        written_IT[at_once_I, 1] = values_IS[at_once_I, -1]
        written_IT[at_once_I, AT_ONCE_TOKENS:] = self.end_token
        return written_IT
