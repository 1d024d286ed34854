"""The same cell on the local engine and on TRL: learning curves that agree within noise.

The same seeds on each engine start from the same bases and meet the same problems; answers are drawn by different
random numbers. At every evaluation the engines' mean pass rates differ by less than the two-sided critical value of
Student's t at level 0.01 for all evaluations together (Bonferroni), times the standard error of a difference of means
over seeds. That error is from the scatter between seeds of the same engine, pooled over engines and evaluations, and
never less than the binomial error. The bound must be less than half of what is learned, so that half a curve would be
told from a whole one.
"""

from importlib.util import find_spec

import numpy as np
import pytest
from scipy.stats import t

from rlaw import engines
from rlaw.engines.base import Workspace
from rlaw.records import Evaluated

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        any(find_spec(name) is None for name in ("jax", "torch", "trl")), reason="TRL is not installed: rlaw[trl]"
    ),
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"),
]

SEEDS, STEPS = (0, 1), (10, 20, 30)


def pass_rates(make_run, cache, folder, engine):
    """(seeds, 1 + steps) held-out pass rates, before the first step and after each of STEPS; and answers of each."""
    table = []
    for seed in SEEDS:
        run = make_run(
            seeds=[seed],
            model={"variants": {"base": {"steps": 1500, "batch_size": 32, "learning_rate": 1e-2}}},
            task={"reliability": [0.4, 1.0]},
            rl={"steps": STEPS[-1], "prompts": 64, "num_generations": 8, "minibatches": 2, "learning_rate": 3e-3},
            evaluation={"items": 80, "samples": 10, "at": list(STEPS)},
            engine={"name": engine, "micro_batch": 128},
        )
        records = engines.get(engine).train(run, Workspace(folder / f"{engine}-{seed}", cache))
        table.append([1 - record.test_loss for record in records if isinstance(record, Evaluated)])
    return np.array(table), 80 * 10


def test_the_local_engine_and_trl_learn_the_same_curve(make_run, cache, tmp_path):
    (local, answers), (trl, _) = (pass_rates(make_run, cache, tmp_path, engine) for engine in ("local", "trl"))
    told = f"local:\n{local.round(3)}\ntrl:\n{trl.round(3)}"
    between_seeds = np.mean([table[:, 1:].var(axis=0, ddof=1) for table in (local, trl)])
    binomial = np.mean([(table * (1 - table)).mean() for table in (local, trl)]) / answers
    error = np.sqrt(max(between_seeds, binomial) / len(SEEDS) * 2)  # of the difference of two means
    freedom = 2 * (len(SEEDS) - 1) * len(STEPS)
    bound = error * t.ppf(1 - 0.01 / 2 / len(STEPS), freedom)
    gain = local[:, -1].mean() - local[:, 0].mean()
    assert bound < gain / 2, told
    assert np.abs(local[:, 0] - trl[:, 0]).max() < 4 * np.sqrt(2 * binomial), told
    assert np.abs(local.mean(axis=0) - trl.mean(axis=0))[1:].max() < bound, told
