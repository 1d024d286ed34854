"""Which problems a run trains on, and in which order."""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rlaw.engines.rng import generator
from rlaw.errors import EngineError, SpecError
from rlaw.study.plan import Run
from rlaw.tasks import of_text, of_tokens
from rlaw.tasks.base import Problems
from rlaw.tasks.problems import TextProblems


@dataclass(frozen=True)
class TrainingData:
    """The problems of a whole run in the order they are met, and how many distinct ones have been met so far."""

    problems: Problems
    distinct_I: np.ndarray

    def of_step(self, step: int, prompts: int) -> Problems:
        """The problems of a step, counted from 1."""
        return self.problems.take(np.arange((step - 1) * prompts, step * prompts))


def training_data(run: Run) -> TrainingData:
    """Draw what reuse 1 would take, and lay it out as the study's data say."""
    whole = of_tokens(run.task).pool(run.data.pool_size(run.rl) * run.data.reuse, run.seed)
    problems = whole.take(schedule(run, whole.levels_I))
    return TrainingData(problems, distinct_so_far(prompt.tobytes() for prompt in problems.prompts_IP))


def training_texts(run: Run) -> TextProblems:
    """The problems in words of a whole run, in the order they are met: `reuse` passes over the pool.

    The pool is drawn from what reuse 1 would take; from a file that holds less, it is drawn alone. Nested pools are
    parts of what reuse 1 takes, and need all of it.
    """
    task, size = of_text(run.task), run.data.pool_size(run.rl)
    try:
        whole = task.pool(size * run.data.reuse, run.seed)
    except SpecError:
        if run.data.subsets == "nested":
            raise
        whole = task.pool(size, run.seed)
    return whole.take(schedule(run, whole.levels_I))


def benchmark_texts(run: Run) -> dict[str, TextProblems]:
    """The problems in words of every benchmark of a run, by name."""
    return {name: of_text(run.task).benchmark(name, run.evaluation.items) for name in run.evaluation.benchmarks}


def distinct_so_far(keys: Iterable[Hashable]) -> np.ndarray:
    """(I,) how many distinct keys are among the first 1, 2, …, I."""
    known: set[Hashable] = set()
    counts = []
    for key in keys:
        known.add(key)
        counts.append(len(known))
    return np.array(counts)


def check_lengths(run: Run, groups: Iterable[TextProblems], tokenizer: Any) -> None:
    """Refuse prompts longer than the study allows: the engine would fail in the middle of the run.

    Raises:
        EngineError: how many there are, and the longest.
    """
    most = run.task.prompt_tokens
    prompts = {problem.prompt: problem.messages for group in groups for problem in group}
    lengths = [len(prompt_ids(tokenizer, messages)) for messages in prompts.values()]
    if long := [length for length in lengths if length > most]:
        raise EngineError(
            f"{len(long)} of {len(lengths)} prompts are longer than {most} tokens, the longest has {max(long)}\n"
            f"  run:  {run.label}\n"
            f"  next: a larger task.max_prompt_length, or leave these problems out of the files"
        )


def prompt_ids(tokenizer: Any, messages: Sequence[dict[str, str]]) -> list[int]:
    """Tokens of a prompt through the chat template, up to where the answer begins."""
    encoded = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=True, return_dict=True)
    return encoded["input_ids"]


def schedule(run: Run, levels_I: np.ndarray) -> np.ndarray:
    """Places of all steps' problems among those that reuse 1 would take, given the difficulty of each of these.

    A pool is chosen and passed over `reuse` times, each time from easy to hard or shuffled, in one order or in several.
    """
    pool = _pool(run, levels_I)
    passes = [pool[_pass(run, levels_I[pool], index)] for index in range(run.data.reuse)]
    return np.concatenate(passes)[: run.rl.steps * run.rl.prompts]


def _pool(run: Run, levels_I: np.ndarray) -> np.ndarray:
    """Places of the pool's problems: every level has the same share of them, to within one problem.

    Each problem stands at the share of its level that comes before it in a random order; the first ones are the pool.
    """
    size, data, problems = run.data.pool_size(run.rl), run.data, len(levels_I)
    if data.reuse == 1:
        return np.arange(problems)
    order = generator(run.seed, "subset", 0 if data.subsets == "nested" else data.reuse).permutation(problems)
    place_I = np.empty(problems)
    for level in np.unique(levels_I):
        own = order[levels_I[order] == level]
        place_I[own] = (np.arange(len(own)) + 0.5) / len(own)
    return np.argsort(place_I, kind="stable")[:size]


def _pass(run: Run, levels_I: np.ndarray, index: int) -> np.ndarray:
    if run.data.order == "curriculum":
        return np.argsort(levels_I, kind="stable")
    return generator(run.seed, "order", 0 if run.data.schedule == "repeated" else index).permutation(len(levels_I))
