"""GRPO as a recipe: sample, grade, advantage, loss, step, record.

Axes: P prompts, G answers per prompt, Q prompt tokens, T completion tokens, N = Q + T, M micro-batches of B sequences.
"""

import jax
import numpy as np

from rlaw.engines.base import Timer, reward_statistics, stepped
from rlaw.engines.data import training_data
from rlaw.engines.local import optimizer
from rlaw.engines.local.model import Params, cast
from rlaw.engines.local.objective import BatchStatistics, advantages, token_weights
from rlaw.engines.local.optimizer import Policy
from rlaw.engines.local.rollout import answer, grade
from rlaw.engines.local.settings import dtype
from rlaw.engines.local.state import TrainState
from rlaw.engines.local.update import Samples, groups_at_once, micro_batches, score, update
from rlaw.study.compute import Flops, forward_flops, mean_context
from rlaw.study.plan import Run
from rlaw.tasks import of_tokens


class GRPO:
    """The steps of a run."""

    def __init__(self, run: Run, base: Params, attempt: int) -> None:
        self.run, self.base, self.attempt = run, base, attempt
        self.data = training_data(run)

    def step(self, at: TrainState) -> TrainState:
        """One RL step: the state after it."""
        run, rl, step, timer = self.run, self.run.rl, at.step + 1, Timer()
        problems = self.data.of_step(step, rl.prompts)
        with timer("rollout"):
            rollout = answer(run, at.policy.params, problems, rl.num_generations, rl.temperature, "rollout", step)
        with timer("grade"):
            rewards_PG = grade(of_tokens(run.task), problems, rollout)
            advantages_PG = advantages(rewards_PG, rl.scale_rewards)
        prompts_PGQ = np.repeat(problems.prompts_IP[:, None], rl.num_generations, axis=1)
        sequences_PGN = np.concatenate([prompts_PGQ, rollout.completions_PGT], axis=2)
        with timer("reference"):
            reference_PGT = self._reference(sequences_PGN) if rl.beta else None
        samples = Samples(sequences_PGN, rollout.logprobs_PGT, reference_PGT, advantages_PG, rollout.mask_PGT)
        rate = optimizer.constant_rate(rl, run.size.hidden, step)
        with timer("update"):
            policy, statistics = self._update(at.policy, samples, rate)
        flops = step_flops(run, rollout.lengths_PG)
        record = stepped(
            run,
            self.attempt,
            step,
            flops,
            unique_prompts=self.data.distinct_I[step * rl.prompts - 1].item(),
            prompt_tokens=rl.samples * run.task.prompt_tokens,
            response_tokens=rollout.tokens,
            loss=statistics.loss,
            kl=statistics.kl if rl.beta else None,
            entropy=rollout.entropy,
            clip_share=statistics.clip_share,
            grad_norm=statistics.grad_norm,
            learning_rate=rate,
            response_length=rollout.response_length,
            truncated_share=rollout.truncated_share,
            seconds=timer.seconds,
            **reward_statistics(rewards_PG),
        )
        tokens = record.prompt_tokens + record.response_tokens
        return TrainState(step, at.tokens + tokens, at.flops + flops.total, record, policy=policy)

    def _reference(self, sequences_PGN: np.ndarray) -> np.ndarray:
        """(P, G, T) log-probabilities under the base."""
        run, (prompts, group, _), tokens = self.run, sequences_PGN.shape, self.run.task.completion_tokens
        at_once = groups_at_once(run.engine.micro_batch, group)
        filled_MBGN = np.resize(sequences_PGN, (-(-prompts // at_once), at_once, *sequences_PGN.shape[1:]))
        logprobs_MBGT = np.asarray(
            score(run.architecture, cast(self.base, dtype(run)), filled_MBGN, tokens, run.rl.temperature)
        )
        return logprobs_MBGT.reshape(-1, group, tokens)[:prompts]

    def _update(self, policy: Policy, samples: Samples, rate: float) -> tuple[Policy, BatchStatistics]:
        """`num_iterations` passes over the step's minibatches; the mean of their statistics."""
        run, rl, statistics = self.run, self.run.rl, []
        skip = rl.beta == 0  # with a KL term, a group without advantage still has a gradient
        for minibatch in np.split(np.arange(rl.prompts), rl.minibatches) * rl.num_iterations:
            chosen = jax.tree.map(lambda x, rows=minibatch: x[rows], samples)
            chosen = chosen._replace(weights_T=token_weights(chosen.weights_T, rl.loss_type))
            samples_MB, used = micro_batches(chosen, run.engine.micro_batch, skip)
            policy, one = update(run.architecture, rl, policy, samples_MB, used, np.float32(rate), dtype=dtype(run))
            statistics.append(one)
        return policy, BatchStatistics(*(float(np.mean(values)) for values in zip(*statistics, strict=True)))


def step_flops(run: Run, lengths_PG: np.ndarray) -> Flops:
    """FLOPs of one RL step whose answers have these lengths, by formula from the passes that are made.

    In every pass, rollout, update and reference, each prompt is read once for its whole group, and each answer's
    tokens but the last; a backward pass costs two forward ones. Old log-probabilities are the rollout's own. Not
    subtracted: groups skipped because they have no advantage, and the top layer at prompt positions, which is never
    computed. Not added: what a batch computes at positions after an answer's end.
    """
    arch, rl, prompt, written_PG = run.architecture, run.rl, run.task.prompt_tokens, lengths_PG - 1
    reading = forward_flops(arch, rl.prompts * prompt, (prompt + 1) / 2, rl.prompts)
    writing = forward_flops(arch, written_PG.sum().item(), mean_context(written_PG, first=prompt + 1))
    forward = reading + writing
    return Flops(rollout=forward, reference=forward if rl.beta else 0, update=rl.num_iterations * 3 * forward)
