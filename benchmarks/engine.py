"""CPU seconds of the local engine by size and phase, and how much of the machine's matrix speed it reaches.

    python benchmarks/engine.py        # prints the tables and writes benchmarks/results/engine.md; about two minutes

Every size is measured in a process of its own, on one thread, with an empty cache of compiled programs. Seconds are of
process CPU time: the median of several calls, each on other data. The ceiling is a float32 matrix product of 512 rows.
"""

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from rlaw.engines.local import process
from rlaw.plan import Run, plan
from rlaw.study import Study

RESULT = Path(__file__).parent / "results" / "engine.md"
STUDY = Path(__file__).parent.parent / "examples" / "micro" / "study.yaml"
CALLS = 3


def main() -> None:
    runs = [run for run in plan(Study.load(STUDY)) if run.arm == "main" and run.seed == 0]
    rows = [in_its_own_process(run.rung.hidden) for run in runs]
    lines = [
        "# CPU seconds of the local engine",
        "",
        f"`python benchmarks/engine.py`: {platform.machine()}, Python {platform.python_version()}, "
        f"jax {rows[0]['jax']}, one thread.",
        "",
        "Milliseconds of: one pretraining step (64 documents); the rollouts of one RL step (256 prompts x 4); one RL",
        "update of 512 answers, none skipped; one evaluation (1024 items x 2). GFLOP/s of pretraining and their share",
        "of the ceiling. Seconds that the four programs take to compile (`cold`) or to come from the cache (`warm`).",
        "",
        "| N | pretraining | rollout | update | evaluation | GFLOP/s | of the ceiling | cold | warm |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        cells = [f"{1e3 * row[phase]:.1f}" for phase in ("pretrain", "rollout", "update", "evaluation")]
        speed = [f"{row['gflops']:.0f}", f"{row['gflops'] / row['ceiling']:.0%}"]
        programs = [f"{row['cold']:.1f}", f"{row['warm']:.1f}"]
        lines.append("| " + " | ".join([str(row["params"]), *cells, *speed, *programs]) + " |")
    text = "\n".join(lines)
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(text + "\n")
    print(text)


def in_its_own_process(hidden: int) -> dict[str, Any]:
    """Measure a size cold, then once more with the programs that the first process left in the cache."""
    with tempfile.TemporaryDirectory() as cache:
        command = [sys.executable, __file__, str(hidden), cache]
        cold, warm = (json.loads(subprocess.run(command, capture_output=True, check=True).stdout) for _ in range(2))
    return {**cold, "cold": cold["first"], "warm": warm["first"]}


def measure(hidden: int, cache: Path) -> dict[str, Any]:
    """Every phase of one size, first call (with compilation) and later ones."""
    process.prepare(cache)
    import jax

    from rlaw.engines.local.pretrain import STEPS_PER_CALL

    run = next(r for r in plan(Study.load(STUDY)) if r.rung.hidden == hidden and r.arm == "main")
    phases = work_of(run)
    timings = {phase: timed(work) for phase, work in phases.items()}
    seconds = {phase: later for phase, (_, later) in timings.items()}
    seconds["pretrain"] /= STEPS_PER_CALL
    return {
        "params": run.params,
        "jax": jax.__version__,
        "first": sum(first - later for first, later in timings.values()),
        "gflops": run.base_flops / run.base.steps / seconds["pretrain"] / 1e9,
        "ceiling": ceiling(),
        **seconds,
    }


def work_of(run: Run) -> dict[str, Callable[[int], object]]:
    """What each phase does at its i-th call."""
    import jax
    import numpy as np

    from rlaw.engines.local import model, optimizer, pretrain, rollout
    from rlaw.engines.local.draws import generator
    from rlaw.engines.local.objective import token_weights
    from rlaw.engines.local.update import Samples, micro_batches, update

    arch, steps, batch = run.architecture, pretrain.STEPS_PER_CALL, run.base.batch_size
    params = model.init(arch, generator(0, "init"))
    items, pool = run.task.benchmark("held-out", 1024), run.task.pool(256, 0)
    documents = run.task.corpus(steps * batch).reshape(steps, batch, -1)
    rates = np.full(steps, 1e-3, np.float32)
    weights_PGT = token_weights(np.ones((128, 4, run.task.completion_tokens), np.float32), "dapo")

    def pretraining(i: int) -> object:
        start = jax.block_until_ready(optimizer.start(jax.tree.map(lambda x: x + 0, params), run.base))
        rolled = np.roll(documents, i, axis=0)
        return pretrain._steps(arch, run.base, run.task.completion_tokens, start, rolled, rates, steps)

    def updating(i: int) -> object:
        rng = generator(i, "benchmark")
        sequences_PGN = run.task.corpus(512).reshape(128, 4, -1)[rng.permutation(128)]
        advantages_PG = rng.standard_normal((128, 4), np.float32)
        samples = Samples(sequences_PGN, -weights_PGT, None, advantages_PG, weights_PGT)
        cut, used = micro_batches(samples, run.engine.micro_batch, skip=True)
        return update(arch, run.rl, optimizer.start(params, run.rl), cut, used, rates[0])

    return {
        "pretrain": pretraining,
        "rollout": lambda i: rollout.answer(run, params, pool, 4, 1.0, "rollout", i),
        "update": updating,
        "evaluation": lambda i: rollout.answer(run, params, items, 2, 1.0, "evaluation", i),
    }


def timed(work: Callable[[int], object]) -> tuple[float, float]:
    """CPU seconds of the first call, and the median of the later ones."""
    import jax

    seconds = []
    for call in range(CALLS + 1):
        began = time.process_time()
        jax.block_until_ready(work(call))
        seconds.append(time.process_time() - began)
    return seconds[0], median(seconds[1:])


def ceiling() -> float:
    """GFLOP/s of a product of 512 x 512 float32 matrices, chained so that nothing can be hoisted."""
    import jax
    import jax.numpy as jnp

    chain = jax.jit(lambda x: jax.lax.fori_loop(0, 50, lambda _, y: y @ x, x))
    _, seconds = timed(lambda i: chain(jnp.eye(512) * (1 + i / 1000)))
    return 50 * 2 * 512**3 / seconds / 1e9


if __name__ == "__main__":
    if len(sys.argv) == 3:
        os.environ.pop("XLA_FLAGS", None)
        print(json.dumps(measure(int(sys.argv[1]), Path(sys.argv[2]))))
    else:
        main()
