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
    """Draw the pool and lay out `reuse` passes over it: each in an order of its own, or each from easy to hard."""
    pool = of_tokens(run.task).pool(run.data.pool_size(run.rl), run.seed)
    passes = [_pass(run, pool, index) for index in range(run.data.reuse)]
    problems = pool.take(np.concatenate(passes)[: run.rl.steps * run.rl.prompts])
    _, first = np.unique(problems.prompts_IP, axis=0, return_index=True)
    is_new_I = np.zeros(len(problems), int)
    is_new_I[first] = 1
    return TrainingData(problems, np.cumsum(is_new_I))


def _pass(run: Run, pool: Problems, index: int) -> np.ndarray:
    if run.data.order == "curriculum":
        return np.argsort(pool.levels_I, kind="stable")
    return generator(run.seed, "order", index).permutation(len(pool))
