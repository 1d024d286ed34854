"""CPU seconds of the local engine by size and phase, beside the floor: the phase's FLOPs at the core's matrix speed.

    python benchmarks/engine.py            # writes benchmarks/results/engine.md; needs idle cores, about twenty minutes
    python benchmarks/engine.py 591k 1M    # some sizes alone: prints, writes nothing

Every size is measured in a process of its own, on one thread, with an empty cache of compiled programs, then once more
with what the first process left there. Seconds are of process CPU time: the median of several calls on other data.

FLOPs are those of the matrix products that the phase needs: prompts once per group, the top layer at the positions
whose logits are used, causal attention. Matrix speed is float32, on one thread, through the same library: `best`, a
product of 512 x 512 matrices; `own`, the model's matrix products, at the shapes and in the proportion of one update.
"""

import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from rlaw import engines
from rlaw.engines.base import Workspace
from rlaw.engines.local import process
from rlaw.store.records import Step
from rlaw.study.compute import Architecture
from rlaw.study.plan import Run, plan
from rlaw.study.study import Study

RESULT = Path(__file__).parent / "results" / "engine.md"
STUDY = Path(__file__).parent.parent / "examples" / "micro" / "study.yaml"
CALLS = 3
#: beside the study's own sizes: answers of 12 tokens, 32 prompts x 8, as in benchmarks/engine_vs_trl.py
LONG = {
    "40k": {"hidden": 32, "layers": 3},
    "130k": {"hidden": 64, "layers": 2, "intermediate": 256},
    "1M": {"hidden": 128, "layers": 5},
}
PHASES = ("pretrain", "rollout", "update", "evaluation")
WHOLE = ("pretrain", "rollout", "grade", "update", "evaluation", "store")


def main(asked: list[str]) -> None:
    told = [in_its_own_process(name) for name in asked or (*micro_names(), *LONG)]
    text = report(told)
    print(text)
    if not asked:
        RESULT.parent.mkdir(exist_ok=True)
        RESULT.write_text(text + "\n")


def report(rows: list[dict[str, Any]]) -> str:
    best = [row["best"] for row in rows]
    lines = [
        "# CPU seconds of the local engine",
        "",
        f"`python benchmarks/engine.py`: {platform.machine()}, Python {platform.python_version()}, "
        f"jax {rows[0]['jax']}, one thread. Load of the machine when it began: {rows[0]['load']:.1f}.",
        "",
        "Milliseconds of one pretraining step, of the rollouts of one RL step, of its update with no group skipped,",
        "and of one evaluation; in brackets the share of the floor: the phase's FLOPs over the float32 matrix speed",
        f"of the core ({min(best):.0f}-{max(best):.0f} GFLOP/s, measured beside each size). `own`: that speed at the",
        "model's own shapes. Tokens: prompt and answer tokens of an RL step over its CPU seconds, rollout and update.",
        "",
        "| size | N | tokens of prompt + answer | prompts x group | "
        + " | ".join(PHASES)
        + " | own GFLOP/s | tokens/CPU s |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        cells = [f"{1e3 * row[p]:.1f} ({row['floor'][p] / row[p]:.0%})" for p in PHASES]
        head = [row["name"], f"{row['params']:,}", row["shape"], row["batch"]]
        lines.append("| " + " | ".join([*head, *cells, f"{row['own']:.0f}", f"{row['tokens']:,.0f}"]) + " |")
    lines += [
        "",
        "CPU seconds of a whole run of the study by phase (one seed; no group skipped: an upper bound of `update`).",
        "Old log-probabilities take none: they are those that the rollout drew with. `grade`: rewards, advantages.",
        "`store`: the run's records appended one by one, synced, and compacted, and one checkpoint. Compile: the",
        "programs traced, compiled and called first, not in the cache (cold, its wall seconds) and from it (warm).",
        "",
        "| size | corpus | " + " | ".join(WHOLE) + " | compile, cold | its wall | warm |",
        "|---|---|" + "---|" * len(WHOLE) + "---|---|---|",
    ]
    measured = {row["name"]: row for row in rows if "run" in row}
    for row in measured.values():
        cells = [f"{row['run'][p]:.1f}" for p in ("corpus", *WHOLE)]
        cells += [f"{row['cold'][0]:.1f}", f"{row['cold'][1]:.1f}", f"{row['warm'][0]:.1f}"]
        lines.append("| " + " | ".join([row["name"], *cells]) + " |")
    return "\n".join([*lines, *(study_lines(measured) if set(measured) == set(micro_names()) else ())])


def study_lines(measured: dict[str, dict[str, Any]]) -> list[str]:
    """The whole study, really run with nothing in the cache; its compilation by the table and as it was there."""
    runs, seen, compiling = plan(Study.load(STUDY)), set(), np.zeros(2)
    for run in runs:
        compiling += measured[run.size.name]["warm" if run.programs in seen else "cold"]
        seen.add(run.programs)
    with tempfile.TemporaryDirectory() as folder:
        command = [str(Path(sys.executable).parent / "rlaw"), "run", str(STUDY), "--store", f"{folder}/store"]
        began, before = time.perf_counter(), os.times()
        told = {"RLAW_HOME": f"{folder}/home", "JAX_LOG_COMPILES": "1"}
        subprocess.run(command, check=True, capture_output=True, env={**os.environ, **told})
        wall, after = time.perf_counter() - began, os.times()
        logs = [path.read_text() for path in Path(folder).glob("store/runs/*/worker.log")]
        there = sum(float(seconds) for log in logs for seconds in re.findall(r"Finished .* in ([\d.e-]+) sec", log))
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    cores = len(os.sched_getaffinity(0))
    return [
        "",
        f"The whole study, {len(runs)} runs on {cores} cores, nothing in the cache: {wall:.0f} s, {cpu:.0f} CPU s.",
        f"Compilation of all runs, from the table: {compiling[0]:.0f} CPU s ({compiling[0] / cpu:.0%}),",
        f"{compiling[1]:.0f} s by the clock where nothing else runs (XLA compiles in threads).",
        f"As jax timed it in the {len(logs)} workers of this study, tracing and lowering included, all cores busy:",
        f"{there:.0f} s of {cores} x {wall:.0f} s ({there / wall / cores:.0%}).",
    ]


def micro_names() -> list[str]:
    return [run.size.name for run in micro_runs()]


def micro_runs() -> list[Run]:
    return [run for run in plan(Study.load(STUDY)) if run.arm == "main" and run.seed == 0]


def run_of(name: str) -> Run:
    """A run of the embedded study by its rung's name, or one with long answers."""
    if name not in LONG:
        return next(run for run in micro_runs() if run.size.name == name)
    study = Study.model_validate(
        {
            "name": "long",
            "model": {"ladder": [LONG[name]]},
            "task": {"name": "modular-chains", "operations": "12-12"},
            "rl": {"prompts": 32, "num_generations": 8, "minibatches": 1},
            "evaluation": {"items": 128},
            "engine": {"name": "local", "micro_batch": 64},
            "fit": {"laws": ["power"]},
        }
    )
    (run,) = plan(study)
    return run


def in_its_own_process(name: str) -> dict[str, Any]:
    """Measure a size cold, then once more with the programs that the first process left in the cache."""
    with tempfile.TemporaryDirectory() as cache:
        command = [sys.executable, __file__, "--measure", name, cache]
        environment = {key: value for key, value in os.environ.items() if key != "XLA_FLAGS"}
        cold, warm = (
            json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True, env=environment).stdout)
            for _ in range(2)
        )
    return {**cold, "cold": cold["first"], "warm": warm["first"]}


def measure(name: str, cache: Path) -> dict[str, Any]:
    """Every phase of one size, first call (with compilation) and later ones."""
    process.prepare(cache)
    import jax

    from rlaw.engines.local import pretrain

    run, load = run_of(name), os.getloadavg()[0]
    began = time.process_time()
    documents = run.task.corpus(run.base.documents)
    corpus = time.process_time() - began
    phases = work_of(run, documents)
    first = {phase: cpu_and_wall(work) for phase, work in phases.items()}
    seconds = {phase: timed(work)[1] for phase, work in phases.items()}
    compiling = sum((first[phase] - seconds[phase] for phase in PHASES), np.zeros(2))
    seconds["pretrain"] /= pretrain.STEPS_PER_CALL
    best, passes = product_speed([(512, 512, 512, 1)]), passes_of(run)
    whole = {"corpus": corpus, **{phase: seconds[phase] * times for phase, times in times_of(run).items()}}
    whole["store"] = seconds["store"]
    task, rl = run.task, run.rl
    return {
        "name": name,
        "params": run.params,
        "shape": f"{task.prompt_tokens} + {task.completion_tokens}",
        "batch": f"{rl.prompts} x {rl.num_generations}",
        "jax": jax.__version__,
        "load": load,
        "first": compiling.tolist(),
        "best": best,
        "own": product_speed(own_shapes(run)),
        "floor": {phase: one.flops(run.architecture) / best / 1e9 for phase, one in passes.items()},
        "tokens": rl.samples * run.sequence_tokens / (seconds["rollout"] + seconds["update"]),
        **({} if name in LONG else {"run": whole}),
        **seconds,
    }


@dataclass(frozen=True)
class Passes:
    """The work of a phase: prompts read, tokens of documents or answers read after them, logits wanted.

    Attributes:
        read: (tokens, tokens that leave the top layer, mean keys seen) of each kind of forward pass.
        times: 1 for a forward pass alone, 3 with its backward pass.
    """

    read: tuple[tuple[int, int, float], ...]
    times: int = 1

    def flops(self, arch: Architecture) -> float:
        """FLOPs of the matrix products."""
        joined = arch.hidden * (arch.heads + 2 * arch.kv_heads) * arch.head_dim  # q, k and v, of one layer
        after = arch.matmul_params / arch.layers - joined  # what follows in it
        total = 0.0
        for tokens, kept, context in self.read:
            below = (arch.layers - 1) * tokens
            attention = 4 * arch.heads * arch.head_dim * context * (below + kept)
            blocks = 2 * (joined * (below + tokens) + after * (below + kept))
            total += blocks + attention + 2 * arch.hidden * arch.vocab * kept
        return self.times * total


def passes_of(run: Run) -> dict[str, Passes]:
    """The work of each phase's call."""
    task, rl, ev, documents = run.task, run.rl, run.evaluation, run.base.batch_size
    prompt, answer = task.prompt_tokens, task.completion_tokens

    def groups(prompts: int, group: int) -> tuple[tuple[int, int, float], ...]:
        later = prompts * group * (answer - 1)
        return (prompts * prompt, prompts, (prompt + 1) / 2), (later, later, prompt + answer / 2)

    read = prompt + answer - 1
    return {
        "pretrain": Passes(((documents * read, documents * answer, (read + 1) / 2),), 3),
        "rollout": Passes(groups(rl.prompts, rl.num_generations)),
        "update": Passes(groups(rl.prompts, rl.num_generations), 3),
        "evaluation": Passes(groups(ev.items, ev.samples)),
    }


def times_of(run: Run) -> dict[str, int]:
    """How often a whole run does each phase."""
    evaluations = len(run.evaluation.schedule(run.rl.steps)) * len(run.evaluation.benchmarks)
    steps = dict.fromkeys(("rollout", "grade", "update"), run.rl.steps)
    return {"pretrain": run.base.steps, **steps, "evaluation": evaluations}


def own_shapes(run: Run) -> list[tuple[int, int, int, float]]:
    """(rows, in, out, weight) of the products of one layer, forward and the two backward ones, of a micro-batch."""
    arch, task = run.architecture, run.task
    rows = run.engine.micro_batch * (task.completion_tokens - 1)
    heads = arch.heads * arch.head_dim
    joined = heads + 2 * arch.kv_heads * arch.head_dim
    shapes = []
    for into, out in ((arch.hidden, joined), (heads, arch.hidden), (arch.hidden, 2 * arch.intermediate)):
        shapes += [(rows, into, out, 1), (rows, out, into, 1), (into, rows, out, 1)]
    into, out = arch.intermediate, arch.hidden
    return [*shapes, (rows, into, out, 1), (rows, out, into, 1), (into, rows, out, 1)]


def product_speed(shapes: list[tuple[int, int, int, float]]) -> float:
    """GFLOP/s of float32 matrix products of these shapes, chained so that nothing can be hoisted or left out."""
    import jax
    import jax.numpy as jnp

    flops = seconds = 0.0
    for rows, into, out, weight in shapes:
        one, again = 2 * rows * into * out, max(4, round(2e8 / (2 * rows * into * out)))

        def chain(x, w, again=again):
            def body(_, carry):
                x, total = carry
                y = x @ w
                return x + 1e-9 * y[0, 0], total + y[-1]

            return jax.lax.fori_loop(0, again, body, (x, jnp.zeros(w.shape[1])))

        run, w = jax.jit(chain), jnp.full((into, out), 0.5)
        _, took = timed(lambda i, run=run, w=w, r=rows, k=into: run(jnp.full((r, k), 1 + i / 1000), w))
        flops, seconds = flops + weight * one, seconds + weight * took / again
    return flops / seconds / 1e9


def work_of(run: Run, documents: Any) -> dict[str, Callable[[int], object]]:
    """What each phase does at its i-th call, once; `store`: what is kept of a whole run."""
    from rlaw.engines.local import model, optimizer, pretrain, rollout
    from rlaw.engines.local.objective import advantages, token_weights
    from rlaw.engines.local.settings import dtype
    from rlaw.engines.local.update import Samples, micro_batches, update
    from rlaw.engines.rng import generator

    arch, rl, task = run.architecture, run.rl, run.task
    params = model.init(arch, generator(0, "init"))
    items, pool = task.benchmark("held-out", run.evaluation.items), task.pool(rl.prompts, 0)
    steps, group, minibatch = pretrain.STEPS_PER_CALL, rl.num_generations, rl.prompts // rl.minibatches
    some = replace(run, base=run.base.model_copy(update={"steps": steps}))
    weights_PGT = token_weights(np.ones((minibatch, group, task.completion_tokens), np.float32), "dapo")
    start = optimizer.start(params, rl)

    def pretraining(i: int) -> object:
        first = i * steps * run.base.batch_size % (len(documents) - steps * run.base.batch_size)
        return pretrain.pretrain(some, documents[first : first + steps * run.base.batch_size])

    def updating(i: int) -> object:
        rng, policy = generator(i, "benchmark"), start
        for first in range(0, rl.prompts, minibatch):
            prompts_PGQ = np.repeat(pool.prompts_IP[first : first + minibatch, None], group, axis=1)
            answers_PGT = rng.integers(arch.vocab, size=weights_PGT.shape, dtype=np.int32)
            sequences_PGN = np.concatenate([prompts_PGQ, answers_PGT], axis=2)
            advantages_PG = rng.standard_normal((minibatch, group), np.float32)
            samples = Samples(sequences_PGN, np.full_like(weights_PGT, -4.5), None, advantages_PG, weights_PGT)
            cut, used = micro_batches(samples, run.engine.micro_batch, skip=True)
            policy, told = update(arch, rl, policy, cut, used, np.float32(1e-3), dtype=dtype(run))
        return policy, told

    def grading(_: int) -> object:
        return advantages(rollout.grade(task, pool, answers), rl.scale_rewards)

    def evaluating(i: int) -> object:
        drawn = rollout.answer(run, params, items, run.evaluation.samples, 1.0, "evaluation", i)
        return rollout.grade(task, items, drawn)

    nothing_PGT = np.zeros((rl.prompts, group, task.completion_tokens), np.int32)
    answers = rollout.Rollout(nothing_PGT, *(nothing_PGT.astype(np.float32),) * 2, entropy=0.0, truncated_share=0.0)
    return {
        "pretrain": pretraining,
        "rollout": lambda i: rollout.answer(run, params, pool, group, 1.0, "rollout", i),
        "grade": grading,
        "update": updating,
        "evaluation": evaluating,
        "store": lambda _: keeping(run, start),
    }


def keeping(run: Run, policy: Any) -> None:
    """As many records as a run has, the synthetic engine's, into a store, and one checkpoint of real weights."""
    from rlaw.engines.local import state
    from rlaw.store import Store

    with tempfile.TemporaryDirectory() as folder:
        store = Store.create(Path(folder) / "store", plan(Study.load(STUDY)))
        with store.writer(run) as log:
            stream = engines.get("synthetic").train(run, Workspace(log.folder, Path(folder), log.attempt))
            records = list(stream)
            for record in records:
                log.append(record)
            steps = [record for record in records if isinstance(record, Step)]
            at = state.TrainState(run.rl.steps, 0, 0, steps[-1], policy=policy)
            state.save(at, run, log.folder / "checkpoints")
        store.compact(run.label)


def cpu_and_wall(work: Callable[[int], object]) -> Any:
    """(2,) seconds of the first call."""
    import jax

    began = np.array([time.process_time(), time.perf_counter()])
    jax.block_until_ready(work(0))
    return np.array([time.process_time(), time.perf_counter()]) - began


def timed(work: Callable[[int], object], clock: Callable[[], float] = time.process_time) -> tuple[float, float]:
    """Seconds, of CPU unless told otherwise, of the first call, and the median of the later ones."""
    import jax

    seconds = []
    for call in range(CALLS + 1):
        began = clock()
        jax.block_until_ready(work(call))
        seconds.append(clock() - began)
    return seconds[0], median(seconds[1:])


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        print(json.dumps(measure(sys.argv[2], Path(sys.argv[3]))))
    else:
        main(sys.argv[1:])
