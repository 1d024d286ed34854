"""Studies with a known truth: the paper's design, with the noise that real evaluations have.

Every evaluation has the same items. An item has a difficulty, the same for all sizes and steps, and answers scatter:
so evaluations share an error that no number of steps removes. A run drifts about its law, and the drift lasts.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from rlaw.errors import UsageError
from rlaw.fitting.items import ability_of, chance
from rlaw.measurements.frame import Frame

#: nominal sizes of the paper's ladder, and log10 intercepts of its fit over data (its repository; paper.md section 4)
QWEN_SIZES = (0.5e9, 1.5e9, 3e9, 7e9, 14e9, 32e9, 72e9)
QWEN_INTERCEPTS = (0.0040, 0.0309, 0.0477, 0.0713, 0.1146, 0.1535, 0.1849)


@dataclass(frozen=True, slots=True)
class Truth:
    """The study that is simulated.

    Attributes:
        K_max: efficiency of an infinitely large model.
        N_0: size with half of it, parameters.
        slopes: k of each size instead, for a ladder without a law of the size.
        sizes: model sizes, parameters.
        intercepts: E of each size over data, log10.
        steps: RL steps, evaluated after each.
        prompts: prompts of a step.
        items: problems of an evaluation.
        runs: runs of each size, one number for all or one for each.
        difficulty: standard deviation of the items' difficulty, logits; 0 for items that share nothing.
        drift: standard deviation of a run's lasting deviation, in units of sqrt(L (1 - L)).
        memory: autocorrelation of the drift from step to step.
        with_items: whether the table has the answers to each item.
    """

    K_max: float = 0.14
    N_0: float = 13e9
    sizes: Sequence[float] = QWEN_SIZES
    intercepts: Sequence[float] = QWEN_INTERCEPTS
    steps: int = 105
    prompts: int = 512
    items: int = 500
    runs: int | Sequence[int] = 1
    difficulty: float = 2.0
    drift: float = 0.02
    memory: float = 0.9
    with_items: bool = True
    slopes: Sequence[float] | None = None

    def k(self, params: float) -> float:
        """The true efficiency of a size."""
        if self.slopes is not None:
            return self.slopes[list(self.sizes).index(params)]
        return self.K_max / (1 + self.N_0 / params)

    def loss(self, size: int, step: np.ndarray) -> np.ndarray:
        """The true loss of a size after some steps."""
        return 10 ** (self.intercepts[size] - self.k(self.sizes[size]) * np.log10(step * self.prompts))


def study(truth: Truth, seed: int) -> Frame:
    """Measurements of a study whose law is known.

    Args:
        truth: the law and the design.
        seed: of items, drift and answers.

    Raises:
        UsageError: the true loss is not between 0 and 1.
    """
    rng = np.random.default_rng(seed)
    difficulty = truth.difficulty * rng.standard_normal(truth.items)
    step = np.arange(1, truth.steps + 1)
    tables = []
    repeats = [truth.runs] * len(truth.sizes) if isinstance(truth.runs, int) else truth.runs
    for i, (params, runs) in enumerate(zip(truth.sizes, repeats, strict=True)):
        loss = truth.loss(i, step)
        if not 0 < loss.min() <= loss.max() < 1:
            raise UsageError(f"the true loss of size {params:g} is {loss.max():.3f}; lower its intercept")
        for run in range(runs):
            drifted = np.clip(loss + np.sqrt(loss * (1 - loss)) * _drift(rng, truth), 0.002, 0.998)
            right = rng.random((truth.steps, truth.items)) < chance(ability_of(drifted, truth.difficulty), difficulty)
            tables.append(_table(truth, params, run, step, right))
    return Frame.of(pl.concat(tables), "a simulated study")


def _drift(rng: np.random.Generator, truth: Truth) -> np.ndarray:
    """(steps,) autoregressive deviation of a run."""
    shocks = rng.standard_normal(truth.steps) * truth.drift
    drift = np.empty(truth.steps)
    drift[0] = shocks[0]
    fresh = np.sqrt(1 - truth.memory**2)
    for t in range(1, truth.steps):
        drift[t] = truth.memory * drift[t - 1] + fresh * shocks[t]
    return drift


def _table(truth: Truth, params: float, run: int, step: np.ndarray, right: np.ndarray) -> pl.DataFrame:
    table = pl.DataFrame(
        {
            "params": np.full(len(step), params),
            "seed": np.full(len(step), run),
            "step": step,
            "data_size": (step * truth.prompts).astype(float),
            "compute_flops": 6.0 * params * step * truth.prompts * 8_000,  # 8,000 tokens for each prompt
            "test_loss": 1 - right.mean(axis=1),
            "items": np.full(len(step), truth.items),
        }
    )
    return table.with_columns(correct=pl.Series(right.astype(np.int64)).arr.to_list()) if truth.with_items else table
