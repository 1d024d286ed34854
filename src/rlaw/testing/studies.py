"""Studies with a known truth: the paper's design, with the noise that real evaluations have.

Every evaluation has the same items. An item has a difficulty, the same for all sizes and steps, and answers scatter:
so evaluations share an error that no number of steps removes. A run drifts about its law, and the drift lasts.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import polars as pl

from rlaw.errors import UsageError
from rlaw.fitting.items import ability_of, chance
from rlaw.measurements.frame import Frame

#: nominal sizes of the paper's ladder, and log10 intercepts of its fit over data (its repository; paper.md section 4)
QWEN_SIZES = (0.5e9, 1.5e9, 3e9, 7e9, 14e9, 32e9, 72e9)
QWEN_INTERCEPTS = (0.0040, 0.0309, 0.0477, 0.0713, 0.1146, 0.1535, 0.1849)
_STEEPNESS = 1.2  # exponent of the sigmoid


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
        scatter: standard deviation of ln k of a size about the law; sizes turn about the middle of their curves.
        run_scatter: the same of a run about its size.
        evaluations: how many steps are evaluated, evenly in log step; all when None.
        shape: "power"; "plateau" falls as a power until half of its steps (in log step) and then no more; "sigmoid"
            falls from step to step as `rlaw.laws`' sigmoid does, with the slope k in its middle.
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
    scatter: float = 0.0
    run_scatter: float = 0.0
    evaluations: int | None = None
    shape: Literal["power", "plateau", "sigmoid"] = "power"

    def k(self, params: float) -> float:
        """The true efficiency of a size."""
        if self.slopes is not None:
            return self.slopes[list(self.sizes).index(params)]
        return self.K_max / (1 + self.N_0 / params)

    def loss(self, size: int, step: np.ndarray) -> np.ndarray:
        """The true loss of a size after some steps."""
        k, middle = self.k(self.sizes[size]), self._middle
        at_middle = self.intercepts[size] * np.log(10) - k * (middle + np.log(self.prompts))
        z = np.log(step) - middle
        if self.shape == "plateau":
            return np.exp(at_middle - k * np.minimum(z, 0.0))
        if self.shape == "sigmoid":
            gain = min(0.8, 4 * k / _STEEPNESS)  # slope of ln L in the middle: gain · steepness / 4
            return np.exp(at_middle) * (1 + gain * (0.5 - 1 / (1 + np.exp(-_STEEPNESS * z))))
        return np.exp(at_middle - k * z)

    @property
    def _middle(self) -> float:
        """ln of the step about which sizes and runs turn."""
        return float(np.mean(np.log(np.arange(1, self.steps + 1))))

    def drawn(self, seed: int) -> "Truth":
        """The truth of one study: sizes beside the law, by their `slopes`."""
        if not self.scatter:
            return self
        away = np.random.default_rng([seed, 1]).standard_normal(len(self.sizes)) * self.scatter
        return replace(self.turned(np.exp(away)), scatter=0.0)

    def turned(self, times: np.ndarray) -> "Truth":
        """Slopes times (R,) factors, each size turned about its middle, with no loss above 0.995."""
        k = np.array([self.k(n) for n in self.sizes])
        turned = np.log10(np.exp(1)) * (self._middle + np.log(self.prompts)) * k * (times - 1)
        most = np.log10(0.995) + k * times * np.log10(self.prompts)
        return replace(
            self, slopes=(k * times).tolist(), intercepts=np.minimum(self.intercepts + turned, most).tolist()
        )


def study(truth: Truth, seed: int) -> Frame:
    """Measurements of a study whose law is known.

    Args:
        truth: the law and the design.
        seed: of items, drift and answers.

    Raises:
        UsageError: the true loss is not between 0 and 1.
    """
    rng, truth = np.random.default_rng(seed), truth.drawn(seed)
    difficulty = truth.difficulty * rng.standard_normal(truth.items)
    step = np.arange(1, truth.steps + 1)
    tables = []
    repeats = [truth.runs] * len(truth.sizes) if isinstance(truth.runs, int) else truth.runs
    for i, (params, runs) in enumerate(zip(truth.sizes, repeats, strict=True)):
        loss = truth.loss(i, step)
        if not 0 < loss.min() <= loss.max() < 1:
            raise UsageError(f"the true loss of size {params:g} is {loss.max():.3f}; lower its intercept")
        few = np.unique(np.geomspace(1, truth.steps, truth.evaluations or 1).round().astype(int))
        rows = (few if truth.evaluations else step) - 1
        for run in range(runs):
            if truth.run_scatter:
                loss = truth.turned(np.exp(truth.run_scatter * rng.standard_normal(len(truth.sizes)))).loss(i, step)
            drifted = np.clip(loss + np.sqrt(loss * (1 - loss)) * _drift(rng, truth), 0.002, 0.998)
            right = rng.random((truth.steps, truth.items)) < chance(ability_of(drifted, truth.difficulty), difficulty)
            tables.append(_table(truth, params, run, step[rows], right[rows]))
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
