"""Logs of simulated runs, as veRL prints them."""

import numpy as np


def healthy(n: int = 120, seed: int = 0) -> dict[str, np.ndarray]:
    """Columns by veRL's names of a run whose reward rises by a law, evaluated every fifth step; NaN: not logged."""
    rng = np.random.default_rng(seed)
    step = np.arange(1, n + 1.0)
    true = 1 - 0.8 * step**-0.2
    asked = (step % 5 == 0) | (step == 1)
    return {
        "critic/rewards/mean": np.clip(true + rng.normal(0, 0.012, n), 0, 1),
        "val-core/test/acc/mean@1": np.where(asked, rng.binomial(1000, true) / 1000, np.nan),
        "actor/entropy": 0.6 - 0.2 * true + rng.normal(0, 0.01, n),
        "actor/kl_loss": 0.02 * step / n + rng.uniform(0, 0.001, n),
        "actor/pg_clipfrac": rng.uniform(0.001, 0.01, n),
        "actor/grad_norm": 0.4 * np.exp(rng.normal(0, 0.15, n)),
        "response_length/mean": 600 + 200 * true + rng.normal(0, 15, n),
        "response_length/clip_ratio": rng.uniform(0, 0.03, n),
        "timing_s/step": 40 + rng.normal(0, 1, n),
        "perf/total_num_tokens": np.full(n, 4e5),
    }


def console(columns: dict[str, np.ndarray], first: int = 1, planned: int | None = None) -> str:
    """The console of veRL from a step on."""
    n = len(next(iter(columns.values())))
    lines = [f"Total training steps: {planned}"] if planned else []
    for i in range(first - 1, n):
        shown = [f"{name}:{y[i]}" for name, y in columns.items() if not (name.startswith("val") and np.isnan(y[i]))]
        lines.append(" - ".join([f"step:{i + 1}", *shown]))
    return "\n".join(lines) + "\n"
