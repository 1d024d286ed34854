"""Chains of modular arithmetic: a start value, then instructions `+b` or `*b`, each applied to the running value.

A problem reads `x0 instruction … no-op …`; its answer is the running value after every slot (a no-op copies it), and
only the last value is graded. Two things are designed in, so that a tiny model meets what a large one meets in
mathematics: operands are heavy-tailed (Zipf: most problems use few facts, the rest are rare), and the corpus is
unreliable (each fact `x op b` is given wrongly with a chance of its own, so that a model that imitates the corpus
perfectly is often wrong, and RL has something to sharpen). The corpus may teach a second skill that RL never trains:
tables, whose instruction `@b` sends every value to a fixed other one, without a rule.

Axes: I problems, P prompt tokens, T completion tokens, S slots for operations, X running values, F instructions.
Tokens, with p the modulus: 0..p-1 residues, p + p·op + b instructions (op 0 adds b, op 1 multiplies by b), 3p the
no-op, 3p + 1 + b tables if any.
"""

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import BeforeValidator, Field, model_validator

from rlaw.errors import SpecError
from rlaw.tasks.base import Problems, Task

BLOCK = 16384  # problems drawn at once
MOST_BLOCKS = 64  # of a benchmark, before its problems are said to be too few
VALIDATION_SHARE = 0.2  # of the held-out prompts: to choose settings on; no other benchmark has them
STREAMS = ("facts", "corpus", "pool", "held-out", "uniform-operands", "validation", "easier", "harder", "unrelated")


def _first_and_last(value: Any) -> Any:
    """`1-4` -> (1, 4), 3 -> (3, 3)."""
    if isinstance(value, int):
        return value, value
    if isinstance(value, str) and len(ends := value.split("-")) == 2 and all(end.strip().isdigit() for end in ends):
        return tuple(int(end) for end in ends)
    return value


Range = Annotated[tuple[int, int], BeforeValidator(_first_and_last, json_schema_input_type=int | str | tuple[int, int])]


class ModularChains(Task):
    """Apply a chain of additions and multiplications modulo p; reward 1 when the last value is right.

    Numbers of operations are equally frequent unless `mix` weighs them. A tenth of all prompts, chosen by a hash, is
    held out from corpus and pools. Benchmarks of what RL trains: `held-out`; `validation`, as it but other problems, to
    choose settings on; `easier`, the shorter half. Then `uniform-operands`, a shift: every operand as frequent as any
    other; `harder`, longer than RL practises, and `unrelated`, of the second skill, where the settings have such.
    """

    out_of_domain: ClassVar[frozenset[str]] = frozenset({"unrelated"})

    name: Literal["modular-chains"] = "modular-chains"
    modulus: int = Field(31, ge=3, le=9973)
    operations: Range = Field((1, 4), description="fewest and most operations of a problem, as in 1-4")
    mix: tuple[Annotated[float, Field(ge=0)], ...] | None = Field(
        None, description="relative frequency of each number of operations; equal when left out"
    )
    zipf: float = Field(1.5, ge=0, description="operand of rank r is drawn in proportion to r^-zipf; 0: uniform")
    reliability: tuple[float, float] = Field(
        (0.2, 1.0), description="each fact is right in the corpus with a chance of its own, uniform between these"
    )
    systematic: float = Field(0.5, ge=0, le=1, description="share of wrong facts that are always wrong the same way")
    practised: Range | None = Field(
        None, description="fewest and most operations that RL trains; as many as the corpus has when left out"
    )
    tables: float = Field(0.0, ge=0, lt=1, description="share of the corpus that teaches a second skill")
    held_out: float = Field(0.1, gt=0, le=0.5, description="share of prompts never trained on")
    seed: int = Field(
        7, ge=0, description="of operand ranks, reliabilities, corpus and benchmarks: the same for all runs"
    )

    @model_validator(mode="after")
    def _possible(self) -> "ModularChains":
        first, last = self.operations
        if not 1 <= first <= last <= 64:
            raise ValueError(f"operations {first}-{last}: write the fewest and the most, from 1 to 64, as in 1-4")
        if not first <= self._practised[0] <= self._practised[1] <= last:
            raise ValueError(f"practised: RL trains some of the {first}-{last} operations that the corpus has")
        if self.mix is not None and (len(self.mix) != last - first + 1 or sum(self.mix) <= 0):
            raise ValueError(f"mix: give {last - first + 1} weights, one per number of operations, not all 0")
        if not 0 <= self.reliability[0] <= self.reliability[1] <= 1:
            raise ValueError(f"reliability {list(self.reliability)}: give two rising chances between 0 and 1")
        return self

    @cached_property
    def vocabulary(self) -> tuple[str, ...]:
        """Residues, additions, multiplications, the no-op, and tables if the corpus has them."""
        residues = [str(value) for value in range(self.modulus)]
        tables = [f"@{b}" for b in residues] if self.tables else []
        return (*residues, *(f"+{b}" for b in residues), *(f"*{b}" for b in residues), ".", *tables)

    @property
    def benchmarks(self) -> tuple[str, ...]:
        harder = ("harder",) if self._practised[1] < self.operations[1] else ()
        unrelated = ("unrelated",) if self.tables else ()
        return ("held-out", "validation", "easier", "uniform-operands", *harder, *unrelated)

    @property
    def prompt_tokens(self) -> int:
        """The start value and one slot per operation."""
        return 1 + self.operations[1]

    @property
    def completion_tokens(self) -> int:
        """One running value per slot."""
        return self.operations[1]

    def corpus(self, documents: int) -> np.ndarray:
        """(documents, P + T) int32: prompts with unreliable answers. A longer corpus begins with the shorter one."""
        rng = self._rng("corpus", -1)
        prompts = self._not_held_out("corpus", 0)
        blocks = (np.concatenate([kept_IP, self._unreliable_answers(kept_IP, rng)], axis=1) for kept_IP in prompts)
        return _first_rows(blocks, documents)

    def pool(self, size: int, seed: int) -> Problems:
        """Training problems as they occur (repetitions included), none held out; the same for the same seed."""
        return self.problems(_first_rows(self._not_held_out("pool", seed), size))

    def benchmark(self, name: str, items: int) -> Problems:
        """The first distinct held-out problems of a fixed stream of draws.

        Raises:
            SpecError: there are not as many distinct ones.
        """
        found_IP = np.empty((0, self.prompt_tokens), np.int32)
        for _, prompts_IP in zip(range(MOST_BLOCKS), self._draws(name, 0), strict=False):
            found_IP = np.concatenate([found_IP, prompts_IP[self._in_benchmark(name, prompts_IP)]])
            _, first = np.unique(found_IP, axis=0, return_index=True)
            found_IP = found_IP[np.sort(first)]
            if len(found_IP) >= items:
                return self.problems(found_IP[:items])
        raise SpecError(
            f"benchmark {name} of {self.name} modulo {self.modulus} has {len(found_IP)} distinct held-out problems, "
            f"evaluation.items asks for {items}\n  next: fewer items, a larger modulus or more operations"
        )

    def is_well_formed(self, problems: Problems, completions_IT: np.ndarray) -> np.ndarray:
        """(items,) bool: values only, and a no-op's value is the one before."""
        before_IT = np.concatenate([problems.prompts_IP[:, :1], completions_IT[:, :-1]], axis=1)
        copies_IT = (problems.prompts_IP[:, 1:] != self._no_op) | (completions_IT == before_IT)
        return ((completions_IT < self.modulus) & copies_IT).all(axis=1)

    def grade(self, problems: Problems, completions_IT: np.ndarray) -> np.ndarray:
        """(items,) float32: 1 where the last value is right."""
        return (completions_IT[:, -1] == problems.answers_IT[:, -1]).astype(np.float32)

    def problems(self, prompts_IP: np.ndarray) -> Problems:
        """The prompts with their right answers; the level is the number of operations."""
        levels_I = (prompts_IP[:, 1:] != self._no_op).sum(axis=1, dtype=np.int32)
        return Problems(prompts_IP, self._values(prompts_IP), levels_I)

    def _values(self, prompts_IP: np.ndarray) -> np.ndarray:
        """(items, slots) int32 the right running value after every slot."""
        values_IS = np.empty((len(prompts_IP), self.operations[1]), np.int32)
        value_I = prompts_IP[:, 0]
        for slot in range(self.operations[1]):
            value_I = self._apply(value_I, prompts_IP[:, 1 + slot])
            values_IS[:, slot] = value_I
        return values_IS

    def is_held_out(self, prompts_IP: np.ndarray) -> np.ndarray:
        """(items,) bool: the prompt's place in [0, 1) is within the held-out share."""
        return self._place(prompts_IP) < round(self.held_out * (1 << 61))

    def _in_benchmark(self, benchmark: str, prompts_IP: np.ndarray) -> np.ndarray:
        """(items,) bool: held out, and in the part that this benchmark draws from."""
        place_I, last = self._place(prompts_IP), round(self.held_out * (1 << 61))
        validation_I = place_I < round(VALIDATION_SHARE * last)
        return (place_I < last) & (validation_I if benchmark == "validation" else ~validation_I)

    def _place(self, prompts_IP: np.ndarray) -> np.ndarray:
        """(items,) a 61-bit hash, linear in the prompt's tokens."""
        weights_P = np.random.default_rng(self.seed).integers(1 << 63, size=self.prompt_tokens, dtype=np.uint64)
        hash_I = (prompts_IP.astype(np.uint64) @ (2 * weights_P + np.uint64(1))) >> np.uint64(3)  # wraps at 64 bits
        return hash_I.astype(np.int64)

    @property
    def _practised(self) -> tuple[int, int]:
        return self.practised or self.operations

    @property
    def _no_op(self) -> int:
        return 3 * self.modulus

    @cached_property
    def _facts(self) -> tuple[np.ndarray, np.ndarray]:
        """Of every fact (value, instruction): its reliability, and the value it has when it is wrong systematically."""
        parts = [self._facts_of(1, self.modulus + np.arange(2 * self.modulus))]
        if self.tables:
            parts.append(self._facts_of(2, self._no_op + 1 + np.arange(self.modulus)))
        reliability_XF, wrong_XF = (np.concatenate(part, axis=1) for part in zip(*parts, strict=True))
        return reliability_XF, wrong_XF.astype(np.int32)

    def _facts_of(self, key: int, instructions_F: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        rng, shape = self._rng("facts", key), (self.modulus, len(instructions_F))
        reliability_XF = rng.uniform(*self.reliability, size=shape)
        right_XF = self._apply(np.arange(self.modulus)[:, None], instructions_F[None, :])
        return reliability_XF, (right_XF + rng.integers(1, self.modulus, size=shape)) % self.modulus

    @cached_property
    def _tables(self) -> np.ndarray:
        """(operand, value) -> value: a permutation of the values for each operand."""
        values = np.tile(np.arange(self.modulus), (self.modulus, 1))
        return self._rng("facts", 3).permuted(values, axis=1)

    @cached_property
    def _operands(self) -> np.ndarray:
        """Operands 1..p-1 by rank, the most frequent one first."""
        return 1 + self._rng("facts", 0).permutation(self.modulus - 1)

    def _rng(self, stream: str, *key: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, STREAMS.index(stream), *(k + 1 for k in key)])

    def _not_held_out(self, stream: str, seed: int) -> Iterator[np.ndarray]:
        """Endless blocks of prompts that may be trained on."""
        return (prompts_IP[~self.is_held_out(prompts_IP)] for prompts_IP in self._draws(stream, seed))

    def _draws(self, stream: str, seed: int) -> Iterator[np.ndarray]:
        """Endless blocks of (BLOCK, P) prompts as they occur, held out or not; each depends on its key alone."""
        zipf = 0.0 if stream == "uniform-operands" else self.zipf
        tables = self.tables if stream == "corpus" else float(stream == "unrelated")
        block = 0
        while True:
            rng = self._rng(stream, seed, block)
            prompts_IP = self._draw(rng, zipf, self._range(stream))
            if tables:
                is_instruction_IP = (prompts_IP >= self.modulus) & (prompts_IP < self._no_op)
                tables_IP = is_instruction_IP & (rng.random((BLOCK, 1)) < tables)
                prompts_IP = np.where(tables_IP, self._no_op + 1 + prompts_IP % self.modulus, prompts_IP)
            yield prompts_IP.astype(np.int32)
            block += 1

    def _range(self, stream: str) -> tuple[int, int]:
        """Fewest and most operations of a stream's problems."""
        first, last = self._practised
        if stream == "easier":
            return first, (first + last) // 2
        if stream == "harder":
            return last + 1, self.operations[1]
        return self.operations if stream == "corpus" else (first, last)

    def _draw(self, rng: np.random.Generator, zipf: float, operations: tuple[int, int]) -> np.ndarray:
        (first, last), p = self.operations, self.modulus
        each = np.arange(first, last + 1)
        weights = np.where((each >= operations[0]) & (each <= operations[1]), self.mix or 1.0, 0.0)
        operations_I = rng.choice(each, size=(BLOCK, 1), p=weights / weights.sum())
        frequency = np.arange(1, p) ** -zipf
        rank_IT = np.searchsorted(np.cumsum(frequency / frequency.sum()), rng.random((BLOCK, last)))
        operand_IT = self._operands[np.minimum(rank_IT, p - 2)]
        instruction_IT = p + p * rng.integers(2, size=(BLOCK, last)) + operand_IT
        instruction_IT[np.arange(last) >= operations_I] = self._no_op
        return np.concatenate([rng.integers(p, size=(BLOCK, 1)), instruction_IT], axis=1, dtype=np.int32)

    def _apply(self, value_I: np.ndarray, instruction_I: np.ndarray) -> np.ndarray:
        p = self.modulus
        operation_I, operand_I = np.divmod(instruction_I - p, p)
        result_I = np.where(operation_I == 0, value_I + operand_I, value_I * operand_I) % p
        if self.tables:
            table_I = np.clip(instruction_I - self._no_op - 1, 0, p - 1)
            result_I = np.where(instruction_I > self._no_op, self._tables[table_I, value_I], result_I)
        return np.where(instruction_I == self._no_op, value_I, result_I).astype(np.int32)

    def _unreliable_answers(self, prompts_IP: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """(items, T) answers as the corpus gives them."""
        return self._unreliable_values(prompts_IP, rng, np.ones(len(prompts_IP)))

    def _unreliable_values(self, prompts_IP: np.ndarray, rng: np.random.Generator, care_I: np.ndarray) -> np.ndarray:
        """(items, slots) running values, each fact right with its reliability times the care taken.

        A step may be wrong; later steps start from its value.
        """
        reliability_XF, wrong_XF = self._facts
        p, items = self.modulus, len(prompts_IP)
        values_IS = np.empty((items, self.operations[1]), np.int32)
        value_I = prompts_IP[:, 0]
        for slot in range(self.operations[1]):
            instruction_I = prompts_IP[:, 1 + slot]
            fact_I = instruction_I - p - (instruction_I >= self._no_op)  # of a no-op: any, it is not used
            error_I = np.where(
                rng.random(items) < self.systematic, wrong_XF[value_I, fact_I], rng.integers(p, size=items)
            )
            right_I = rng.random(items) < reliability_XF[value_I, fact_I] * care_I
            right_I |= instruction_I == self._no_op
            value_I = np.where(right_I, self._apply(value_I, instruction_I), error_I).astype(np.int32)
            values_IS[:, slot] = value_I
        return values_IS


def _first_rows(blocks: Iterable[np.ndarray], rows: int) -> np.ndarray:
    """The first rows of endless blocks."""
    taken, have = [], 0
    for block in blocks:
        taken.append(block)
        have += len(block)
        if have >= rows:
            break
    return np.concatenate(taken)[:rows]
