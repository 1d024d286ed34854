"""GRPO, as a recipe: sample, grade, advantage, loss, step, yield a record.

Axes: P prompts, G answers per prompt, Q prompt tokens, T completion tokens, N = Q + T.
"""

import json
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import jax
import numpy as np
from safetensors.numpy import load_file, save_file

from rlaw.compute import FACTORS, Flops, accounted_flops, forward_flops, training_flops
from rlaw.engines.base import Workspace
from rlaw.engines.local import checkpoint, hugging_face, optimizer, pretrain, process
from rlaw.engines.local.data import training_data
from rlaw.engines.local.draws import generator
from rlaw.engines.local.model import Params
from rlaw.engines.local.objective import Told, advantages, token_weights
from rlaw.engines.local.optimizer import Policy
from rlaw.engines.local.rollout import Rollout, sample
from rlaw.engines.local.update import Samples, micro_batches, score, update
from rlaw.plan import Run
from rlaw.records import BaseTrained, Evaluated, Record, RunFinished, RunStarted, Step, of_row, to_row

SECONDS_BETWEEN_CHECKPOINTS = 30.0
ROLLOUT_FACTOR = 4  # sequences sampled at once, in micro-batches: without activations to keep, more fit the cache
STATE, MOMENTS = "state.json", "optimizer.safetensors"


@dataclass(frozen=True)
class Position:
    """Where a run stands after `step` steps: everything that the next step depends on, and the last record."""

    step: int
    policy: Policy
    tokens: int = 0
    flops: int = 0
    record: Step | None = None

    @property
    def diverged(self) -> bool:
        """Loss, gradient or reward are no numbers any more."""
        told = self.record
        return told is not None and not all(map(math.isfinite, (told.loss, told.grad_norm, told.reward_mean)))


def train(run: Run, workspace: Workspace) -> Iterator[Record]:
    """The records of one attempt. A resumed one tells the checkpoint's step again, so that nothing is lost between."""
    found = checkpoint.newest(workspace.folder / "checkpoints")
    yield _started(run, workspace, found)
    base, facts = pretrain.base(run, workspace.cache)
    yield BaseTrained(run=run.id, attempt=workspace.attempt, **vars(facts))
    training = Training(run, workspace, base)
    position = training.load(found) if found else Position(0, optimizer.start(base, run.rl))
    try:
        yield from training.tell(position)
        while position.step < run.rl.steps and not position.diverged:
            position = training.step(position)
            yield from training.tell(position)
            training.save_now_and_then(position)
    except (GeneratorExit, KeyboardInterrupt):
        training.save(position)
        raise
    weights = training.save(position)
    yield RunFinished(
        run=run.id,
        attempt=workspace.attempt,
        step=position.step,
        checkpoint=f"checkpoints/{_name(position.step)}",
        weights=weights,
        diverged=position.diverged,
        time=_now(),
    )


class Training:
    """One attempt at one run: its data, and the steps, evaluations and checkpoints of its policy."""

    def __init__(self, run: Run, workspace: Workspace, base: Params) -> None:
        self.run, self.workspace, self.base = run, workspace, base
        self.data = training_data(run)
        self.schedule = frozenset(run.evaluation.schedule(run.rl.steps))
        self.benchmarks = {name: run.task.benchmark(name, run.evaluation.items) for name in run.evaluation.benchmarks}
        self.flops = step_flops(run)
        self.saved_at = time.monotonic()

    def step(self, position: Position) -> Position:
        """One RL step."""
        run, rl, step, clock = self.run, self.run.rl, position.step + 1, Clock()
        problems = self.data.of_step(step, rl.prompts)
        with clock("rollout"):
            rollout = self._sample(
                position.policy.params, problems.prompts_IP, rl.num_generations, rl.temperature, "rollout", step
            )
        with clock("grade"):
            rewards_PG = grade(run, problems, rollout.completions_PGT)
        advantages_PG = advantages(rewards_PG, rl.scale_rewards)
        sequences_PGN = np.concatenate(
            [np.repeat(problems.prompts_IP[:, None], rl.num_generations, axis=1), rollout.completions_PGT], axis=2
        )
        with clock("reference"):
            reference_PGT = self._reference(sequences_PGN) if rl.beta else None
        samples = Samples(sequences_PGN, rollout.logprobs_PGT, reference_PGT, advantages_PG, rollout.mask_PGT)
        rate = optimizer.constant_rate(rl, run.rung.hidden, step)
        with clock("update"):
            policy, told, norm = self._update(position.policy, samples, rate)
        tokens = rollout.mask_PGT.sum(dtype=int).item() + rl.samples * run.task.prompt_tokens
        record = self._record(step, rewards_PG, rollout, told, norm, rate, clock.seconds)
        return Position(step, policy, position.tokens + tokens, position.flops + self.flops.total, record)

    def tell(self, position: Position) -> Iterator[Record]:
        """The record of the position's step, and its evaluations when the schedule has some."""
        if position.record is not None:
            yield replace(position.record, attempt=self.workspace.attempt)
        if position.step in self.schedule and not position.diverged:
            for benchmark in self.benchmarks:
                yield self.evaluate(position, benchmark)

    def evaluate(self, position: Position, benchmark: str) -> Evaluated:
        """Answer every item of a benchmark `samples` times and count the right answers per item."""
        run, problems, evaluation, clock = self.run, self.benchmarks[benchmark], self.run.evaluation, Clock()
        with clock("evaluation"):
            rollout = self._sample(
                position.policy.params,
                problems.prompts_IP,
                evaluation.samples,
                evaluation.temperature,
                f"evaluation {benchmark}",
                position.step,
            )
        correct_I = grade(run, problems, rollout.completions_PGT).sum(axis=1).astype(int)
        named = {name: accounted_flops(name, run.params, position.tokens) for name in FACTORS}
        return Evaluated(
            run=run.id,
            attempt=self.workspace.attempt,
            step=position.step,
            benchmark=benchmark,
            items=evaluation.items,
            samples=evaluation.samples,
            correct=correct_I.tolist(),
            test_loss=1 - correct_I.sum().item() / (evaluation.items * evaluation.samples),
            response_length=rollout.mask_PGT.sum(axis=2).mean().item(),
            truncated_share=0.0,
            data_size=position.step * run.rl.prompts,
            tokens=position.tokens,
            compute_flops=named | {"exact": float(position.flops)},
            seconds=clock.seconds,
        )

    def save_now_and_then(self, position: Position) -> None:
        """A checkpoint when the last one is old."""
        if time.monotonic() - self.saved_at >= SECONDS_BETWEEN_CHECKPOINTS:
            self.save(position)

    def save(self, position: Position) -> str:
        """Keep the position (there is nothing to keep before the first step); returns the SHA-256 of the weights."""
        if position.record is None:
            return ""
        folder = self.workspace.folder / "checkpoints" / _name(position.step)
        state = {name: getattr(position, name) for name in ("step", "tokens", "flops")}
        moments = {path: np.asarray(x) for path, x in _leaves(position.policy.moments)}

        def fill(aside: Path) -> None:
            hugging_face.save(aside, self.run, position.policy.params)
            save_file(moments, aside / MOMENTS)
            (aside / STATE).write_text(json.dumps(state | {"record": to_row(position.record)}) + "\n")

        hashes = checkpoint.write(folder, fill)
        checkpoint.prune(folder.parent)
        self.saved_at = time.monotonic()
        return hashes[hugging_face.WEIGHTS]

    def load(self, folder: Path) -> Position:
        """The position that `save` kept, bit for bit."""
        state = json.loads((folder / STATE).read_text())
        params = hugging_face.load(folder, self.run.architecture)
        fresh, saved = optimizer.start(params, self.run.rl), load_file(folder / MOMENTS)
        moments = jax.tree.unflatten(
            jax.tree.structure(fresh.moments), [saved[path] for path, _ in _leaves(fresh.moments)]
        )
        return Position(**state | {"policy": Policy(params, moments), "record": of_row(state["record"])})

    def _sample(
        self, params: Params, prompts_PQ: np.ndarray, group: int, temperature: float, purpose: str, step: int
    ) -> Rollout:
        shape = (len(prompts_PQ), group, self.run.task.completion_tokens)
        uniforms_PGT = generator(self.run.seed, purpose, step).random(shape, np.float32)
        batch = ROLLOUT_FACTOR * self.run.engine.micro_batch
        return sample(self.run.architecture, params, prompts_PQ, uniforms_PGT, temperature, batch)

    def _reference(self, sequences_PGN: np.ndarray) -> np.ndarray:
        """(P, G, T) log-probabilities under the base."""
        run, size = self.run, self.run.engine.micro_batch
        flat = sequences_PGN.reshape(-1, run.sequence_tokens)
        filled = np.resize(flat, (-(-len(flat) // size) * size, run.sequence_tokens))
        batches_MBN = filled.reshape(-1, size, run.sequence_tokens)
        tokens = run.task.completion_tokens
        logprobs_MBT = score(run.architecture, self.base, batches_MBN, tokens, run.rl.temperature)
        return np.asarray(logprobs_MBT).reshape(-1, tokens)[: len(flat)].reshape(*sequences_PGN.shape[:2], tokens)

    def _update(self, policy: Policy, samples: Samples, rate: float) -> tuple[Policy, Told, float]:
        """`num_iterations` passes over the step's minibatches; what they told, in the mean."""
        run, rl, told, norms = self.run, self.run.rl, [], []
        skip = rl.beta == 0  # with a KL term a group without advantage still has a gradient
        for minibatch in np.split(np.arange(rl.prompts), rl.minibatches) * rl.num_iterations:
            chosen = jax.tree.map(lambda x, rows=minibatch: x[rows], samples)
            chosen = chosen._replace(weights_T=token_weights(chosen.weights_T, rl.loss_type))
            samples_MB, used = micro_batches(chosen, run.engine.micro_batch, skip)
            policy, one, norm = update(run.architecture, rl, policy, samples_MB, used, np.float32(rate))
            told.append(one)
            norms.append(norm)
        return policy, Told(*np.mean(told, axis=0).tolist()), np.mean(norms).item()

    def _record(
        self,
        step: int,
        rewards_PG: np.ndarray,
        rollout: Rollout,
        told: Told,
        norm: float,
        rate: float,
        seconds: dict[str, float],
    ) -> Step:
        run, rl = self.run, self.run.rl
        return Step(
            run=run.id,
            attempt=self.workspace.attempt,
            step=step,
            prompts=rl.prompts,
            data_size=step * rl.prompts,
            unique_prompts=self.data.distinct_I[step * rl.prompts - 1].item(),
            prompt_tokens=rl.samples * run.task.prompt_tokens,
            response_tokens=rollout.mask_PGT.sum(dtype=int).item(),
            flops={name: getattr(self.flops, name) for name in Flops.__dataclass_fields__},
            reward_mean=rewards_PG.mean().item(),
            reward_std=rewards_PG.std().item(),
            zero_variance_share=(rewards_PG == rewards_PG[:, :1]).all(axis=1).mean().item(),
            loss=told.loss,
            kl=told.kl if rl.beta else None,
            entropy=rollout.entropy,
            clip_share=told.clip_share,
            grad_norm=norm,
            learning_rate=rate,
            response_length=rollout.mask_PGT.sum(axis=2).mean().item(),
            truncated_share=0.0,
            seconds=seconds,
        )


class Clock:
    """Wall seconds by phase."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, phase: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.seconds[phase] = time.perf_counter() - began


def grade(run: Run, problems, completions_PGT: np.ndarray) -> np.ndarray:  # noqa: ANN001
    """(P, G) rewards."""
    answers = [run.task.grade(problems, completions_PGT[:, g]) for g in range(completions_PGT.shape[1])]
    return np.stack(answers, axis=1)


def step_flops(run: Run) -> Flops:
    """FLOPs of one RL step, by formula from the passes that are made.

    Rollout: each prompt is read once, each answer's tokens but the last. Update and reference: whole sequences but their
    last token. Old log-probabilities are the rollout's own. Not subtracted: groups skipped for want of an advantage, and
    the top layer's prompt positions, which are never computed.
    """
    arch, rl, samples = run.architecture, run.rl, run.rl.samples
    prompt, answer = run.task.prompt_tokens, run.task.completion_tokens
    reading = forward_flops(arch, rl.prompts * prompt, (prompt + 1) / 2, rl.prompts)
    writing = forward_flops(arch, samples * (answer - 1), prompt + answer / 2)
    read = samples * (prompt + answer - 1), (prompt + answer) / 2, samples * answer
    return Flops(
        rollout=reading + writing,
        reference=forward_flops(arch, *read) if rl.beta else 0,
        update=rl.num_iterations * training_flops(arch, *read),
    )


def _started(run: Run, workspace: Workspace, found: Path | None) -> RunStarted:
    return RunStarted(
        run=run.id,
        attempt=workspace.attempt,
        study=run.study,
        arm=run.arm,
        family=run.family,
        model=run.rung.name,
        variant=run.variant,
        params=run.params,
        params_total=run.architecture.params_total,
        seed=run.seed,
        tau=float(run.data.reuse),
        group_size=run.rl.num_generations,
        task=run.task.name,
        order=run.data.order,
        prompts=run.rl.prompts,
        steps=run.rl.steps,
        resumed_at=int(found.name.removeprefix("step-")) if found else 0,
        engine=run.engine.name,
        threads=process.threads(),
        versions=process.versions(),
        hardware=process.hardware(),
        time=_now(),
    )


def _leaves(tree) -> list[tuple[str, jax.Array]]:  # noqa: ANN001
    return [(jax.tree_util.keystr(path), x) for path, x in jax.tree_util.tree_leaves_with_path(tree)]


def _name(step: int) -> str:
    return f"step-{step:06d}"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
