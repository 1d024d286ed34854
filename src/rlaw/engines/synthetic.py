"""An engine that trains nothing: it follows the paper's law with known parameters, for tutorials and tests.

The law is arXiv 2509.25300, Eq. 1 and 2, log10 L = -k(N) log10 C + E(N) with k(N) = K_MAX / (1 + N_0/N), from the first
step on; E(N) is such that the loss after step 1 is that of the base, `start_loss`. Reuse slows learning: k is divided
by 1 + (tau - 1)/TAU_HALF. Evaluations are honest: each item has a difficulty of its own, the same in every run and at
every step, and each answer is drawn.

Worked example: N = 121,000 = N_0 has k = 0.45/2 = 0.225 and starts at 0.86; after 100 steps C is 100 times that of the
first step, so that L = 0.86 * 100^-0.225 = 0.305.

What the law does not describe (the RL loss, KL, entropy, gradient norm, clip share) is recorded as zero.
"""

import hashlib
import json
import os
import time
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from rlaw.engines.base import Engine, Workspace, ended, evaluated, started, stepped, whole_step_flops
from rlaw.engines.progress import STATE, Progress, check_run
from rlaw.errors import NotFound, RlawWarning, StoreError
from rlaw.store.files import leave_no_parts, make_folder, read_json, write_json
from rlaw.store.records import BaseTrained, Evaluated, Record, Step
from rlaw.study.plan import Run, base_key

K_MAX = 0.45  # the efficiency that large models tend to
N_0 = 121_000.0  # non-embedding parameters at which half of it is reached
TAU_HALF = 100.0  # reuse factor, less one, that halves the efficiency
START_LOSS = 0.86  # of a base with N_0 parameters
START_EXPONENT = 0.04  # how a base's loss falls with its size
START_AT_MOST = 0.98
DIFFICULTY = 2.0  # standard deviation of the items' difficulty, in logits
CHECKPOINT_EVERY = 10
#: seconds that each step takes, to rehearse displays and interruptions; 0 when not set
DELAY_VARIABLE = "RLAW_SYNTHETIC_DELAY"


class SyntheticEngine(Engine):
    """Records as a real engine gives them, at once, the same for the same run, and able to resume."""

    name = "synthetic"

    def estimate_seconds(self, run: Run) -> float:
        """Wall seconds: the delay that DELAY_VARIABLE sets; the arithmetic itself takes next to no time."""
        return run.rl.steps * _delay_seconds()

    def train(self, run: Run, workspace: Workspace) -> Iterator[Record]:
        """Yields records in step order; resumes from the checkpoint, which holds the number of steps done."""
        make_folder(workspace.checkpoints)
        checkpoint = workspace.checkpoints / STATE
        schedule = set(run.evaluation.schedule(run.rl.steps))
        done = _resume(checkpoint, run, workspace.steps)
        yield started(run, workspace.attempt, done, threads=1)
        if done == 0:
            yield _base(run, workspace.attempt)
            yield from _evaluations(run, workspace.attempt, 0)
        try:
            for step in range(done + 1, run.rl.steps + 1):
                time.sleep(_delay_seconds())
                yield _step(run, workspace.attempt, step)
                if step in schedule:
                    yield from _evaluations(run, workspace.attempt, step)
                done = step
                if step % CHECKPOINT_EVERY == 0 or step == run.rl.steps:
                    _save(checkpoint, run, done)
        except GeneratorExit:
            _save(checkpoint, run, done)
            raise
        weights = hashlib.sha256(json.dumps({"run": run.id, "step": run.rl.steps}).encode()).hexdigest()
        yield ended(run, workspace.attempt, run.rl.steps, "checkpoints/state.json", weights)


def efficiency(params: float, tau: float = 1.0) -> float:
    """k(N): how fast the loss of a model of that size falls with compute, on log-log axes."""
    return K_MAX / (1 + N_0 / params) / (1 + (tau - 1) / TAU_HALF)


def start_loss(params: float) -> float:
    """Test loss of the base, before RL."""
    return min(START_AT_MOST, START_LOSS * (params / N_0) ** -START_EXPONENT)


def true_loss(params: float, step: int, tau: float = 1.0) -> float:
    """The test loss that evaluations scatter about; compute is proportional to the step."""
    return start_loss(params) * max(step, 1) ** -efficiency(params, tau)


def _delay_seconds() -> float:
    return float(os.environ.get(DELAY_VARIABLE, "0"))


def _resume(checkpoint: Path, run: Run, at_most: int | None) -> int:
    """Steps done, from the checkpoint; 0 when there is none that can be read, or none of so early a step."""
    leave_no_parts(checkpoint.parent)
    try:
        state = read_json(checkpoint)
    except NotFound:
        return 0
    except StoreError as error:
        warnings.warn(f"{error}\n  starting from the first step", RlawWarning, stacklevel=2)
        return 0
    check_run(checkpoint, state.get("run", run.id), run.id)  # rlaw 0.1.0 named no run
    return state["step"] if at_most is None or state["step"] <= at_most else 0


def _save(checkpoint: Path, run: Run, done: int) -> None:
    write_json(checkpoint, {"run": run.id, "step": done})


def _base(run: Run, attempt: int) -> BaseTrained:
    tokens = run.base.documents * run.sequence_tokens
    return BaseTrained(
        run=run.id,
        attempt=attempt,
        digest=base_key(run),
        steps=run.base.steps,
        tokens=tokens,
        base_flops=round(run.base_flops),
        cross_entropy=float(-np.log1p(-start_loss(run.params))),
    )


def _step(run: Run, attempt: int, step: int) -> Step:
    passed = 1 - true_loss(run.params, step, run.data.reuse)
    samples, group, (prompt, response) = run.rl.samples, run.rl.num_generations, _step_tokens(run)
    reward = _rng(run, "reward", step).binomial(samples, passed) / samples
    return stepped(
        run,
        attempt,
        step,
        whole_step_flops(run, prompt, response),
        unique_prompts=min(step * run.rl.prompts, run.data.pool_size(run.rl)),
        prompt_tokens=prompt,
        response_tokens=response,
        reward_mean=reward,
        reward_std=float(np.sqrt(reward * (1 - reward))),
        zero_variance_share=passed**group + (1 - passed) ** group,
        loss=0.0,
        kl=0.0,
        entropy=0.0,
        clip_share=0.0,
        grad_norm=0.0,
        learning_rate=run.rl.peak_rate(run.size.hidden) * min(1.0, step / max(run.rl.warmup_steps, 1)),
        response_length=float(run.task.completion_tokens),
        truncated_share=0.0,
    )


def _step_tokens(run: Run) -> tuple[int, int]:
    """Of all prompts and of all responses of a step."""
    return run.rl.samples * run.task.prompt_tokens, run.rl.samples * run.task.completion_tokens


def _evaluations(run: Run, attempt: int, step: int) -> Iterator[Evaluated]:
    tokens = _step_tokens(run)
    at = Progress(step, step * sum(tokens), step * whole_step_flops(run, *tokens).total)
    for benchmark in run.evaluation.benchmarks:
        began = time.perf_counter()
        passed = _pass_rates(benchmark, run.evaluation.items, 1 - true_loss(run.params, step, run.data.reuse))
        correct = _rng(run, benchmark, step).binomial(run.evaluation.samples, passed)
        yield evaluated(
            run,
            attempt,
            at,
            benchmark,
            correct.tolist(),
            response_length=float(run.task.completion_tokens),
            truncated_share=0.0,
            seconds={"evaluation": time.perf_counter() - began},
        )


def _pass_rates(benchmark: str, items: int, mean: float) -> np.ndarray:
    """(items,) chance of a right answer to each item: its difficulty in logits, shifted so that the mean is exact."""
    difficulty = DIFFICULTY * np.random.default_rng(zlib.crc32(benchmark.encode())).standard_normal(items)
    low, high = -60.0, 60.0
    for _ in range(60):  # bisection to the last bit that matters
        shift = (low + high) / 2
        rates = 1 / (1 + np.exp(difficulty - shift))
        low, high = (shift, high) if rates.mean() < mean else (low, shift)
    return rates


def _rng(run: Run, purpose: str, step: int) -> np.random.Generator:
    """Independent draws for each run, purpose and step, so that a resumed run draws what it would have drawn."""
    return np.random.default_rng([int(run.id, 16), zlib.crc32(purpose.encode()), step])
