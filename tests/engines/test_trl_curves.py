"""The same cell on the local engine and on TRL: learning curves that agree within noise.

The same seed on each engine starts from the same base and meets the same problems; answers are drawn by different
random numbers. So curves are compared seed by seed. One evaluation has a binomial standard deviation of 0.017 (800
answers), and RL adds luck of its own: the mean difference of two pairs must stay below 0.1 at every evaluation, while
both engines learn at least twice that.
"""

from importlib.util import find_spec

import numpy as np
import pytest

from rlaw import engines
from rlaw.engines.base import Workspace
from rlaw.store.records import Evaluated

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        any(find_spec(name) is None for name in ("jax", "torch", "trl")), reason="TRL is not installed: rlaw[trl]"
    ),
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"),
]

SEEDS, STEPS = (0, 1), (10, 20, 30)
FAR = 0.1  # of pass rates


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
    binomial = np.mean([(table * (1 - table)).mean() for table in (local, trl)]) / answers
    assert np.abs(local[:, 0] - trl[:, 0]).max() < 4 * np.sqrt(2 * binomial), told  # the same bases
    assert np.abs((local - trl).mean(axis=0))[1:].max() < FAR, told
    assert min((table[:, -1] - table[:, 0]).mean() for table in (local, trl)) > 2 * FAR, told
