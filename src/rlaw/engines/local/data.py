"""Which problems a run trains on, and in which order."""

from dataclasses import dataclass

import numpy as np

from rlaw.engines.local.draws import generator
from rlaw.plan import Run
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
    """Choose the pool and lay out `reuse` passes over it, each easy to hard or shuffled, in one order or in several."""
    pool = _pool(run)
    passes = [_pass(run, pool, index) for index in range(run.data.reuse)]
    problems = pool.take(np.concatenate(passes)[: run.rl.steps * run.rl.prompts])
    _, first = np.unique(problems.prompts_IP, axis=0, return_index=True)
    is_new_I = np.zeros(len(problems), int)
    is_new_I[first] = 1
    return TrainingData(problems, np.cumsum(is_new_I))


def _pool(run: Run) -> Problems:
    """As many of the problems that reuse 1 would take: every level has the same share of them, to within one problem.

    Each problem stands at the share of its level that comes before it in a random order; the first ones are the pool.
    """
    size, data = run.data.pool_size(run.rl), run.data
    whole = of_tokens(run.task).pool(size * data.reuse, run.seed)
    if data.reuse == 1:
        return whole
    order = generator(run.seed, "subset", 0 if data.subsets == "nested" else data.reuse).permutation(len(whole))
    place_I = np.empty(len(whole))
    for level in np.unique(whole.levels_I):
        own = order[whole.levels_I[order] == level]
        place_I[own] = (np.arange(len(own)) + 0.5) / len(own)
    return whole.take(np.argsort(place_I, kind="stable")[:size])


def _pass(run: Run, pool: Problems, index: int) -> np.ndarray:
    if run.data.order == "curriculum":
        return np.argsort(pool.levels_I, kind="stable")
    return generator(run.seed, "order", 0 if run.data.schedule == "repeated" else index).permutation(len(pool))
