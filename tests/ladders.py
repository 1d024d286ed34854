"""Tables of curves that are made to show something."""

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl

Curve = Callable[[float], float]
PARAMS = (1e4, 4e4, 1.6e5, 6.4e5, 2.56e6)
STEPS = (0, 1, 2, 3, 4, 6, 8, 11, 16, 23, 32, 45, 64)


def table(
    loss: Callable[[float, int], float],
    *,
    params: tuple[float, ...] = PARAMS,
    steps: tuple[int, ...] = STEPS,
    seeds: int = 3,
    noise: float = 0.003,
    compute: Callable[[float, int], float] = lambda n, step: 6 * n * step * 1e4,
    **columns: Any,
) -> pl.DataFrame:
    """Rows of a ladder whose loss is `loss(N, step)` plus noise. Further columns: values or functions of N and step."""
    rng = np.random.default_rng(7)
    rows = [
        {
            "model": f"m-{n:.0f}",
            "params": n,
            "step": step,
            "seed": seed,
            "data_size": 64 * step,
            "compute_flops": compute(n, step),
            "test_loss": float(np.clip(loss(n, step) + noise * rng.standard_normal(), 0.001, 0.999)),
            **{name: value(n, step) if callable(value) else value for name, value in columns.items()},
        }
        for n in params
        for seed in range(seeds)
        for step in steps
    ]
    return pl.DataFrame(rows)


def power_law(
    k: Callable[[float], float], base: Callable[[float], float] = lambda n: 0.9
) -> Callable[[float, int], float]:
    """The loss of a base, falling with slope k(N) from the first step on."""
    return lambda n, step: base(n) * max(step, 1) ** -k(n)


def saturating(n: float) -> float:
    """k(N) with K_max 0.4 and N_0 100k."""
    return 0.4 / (1 + 1e5 / n)
