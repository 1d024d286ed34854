"""Which problems a run trains on, and in which order."""

from dataclasses import dataclass

import numpy as np

from rlaw.engines.rng import generator
from rlaw.study.plan import Run
from rlaw.tasks import of_tokens
from rlaw.tasks.base import Problems


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
    _, first = np.unique(problems.prompts_IP, axis=0, return_index=True)
    return TrainingData(problems, distinct(first, len(problems)))


def distinct(first: np.ndarray, problems: int) -> np.ndarray:
    """How many distinct problems have been met after each of so many, of the places where one is met first."""
    is_new_I = np.zeros(problems, int)
    is_new_I[first] = 1
    return np.cumsum(is_new_I)


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
