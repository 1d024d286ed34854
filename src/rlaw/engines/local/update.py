"""One optimizer step on one minibatch of rollouts, in micro-batches whose activations stay in the cache.

Axes: P prompts, G answers per prompt, T completion tokens, N tokens of a sequence, M micro-batches of B groups.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rlaw.engines.local import model, optimizer
from rlaw.engines.local.compiling import TRAINS, jit
from rlaw.engines.local.model import Params, group_logits, whole_logits
from rlaw.engines.local.objective import BatchStatistics, grpo_loss
from rlaw.engines.local.optimizer import Policy
from rlaw.study.compute import Architecture
from rlaw.study.recipe import RL


class Samples(NamedTuple):
    """Answers with everything the loss needs to know of them: arrays, here or traced.

    The axes before those in the names are (P, G), then (M, B, G), then (B, G).
    """

    sequences_N: Any
    old_logprobs_T: Any
    reference_T: Any
    advantages: Any
    weights_T: Any


def groups_at_once(size: int, group: int) -> int:
    """How many groups make a micro-batch of about `size` answers."""
    return max(1, size // group)


def micro_batches(samples: Samples, size: int, skip: bool) -> tuple[Samples, int]:
    """Samples of (P, G) answers as (M, B, G) of them, about `size` each time, and how many of the M hold any.

    With `skip`, groups whose advantages are all 0 are left out: their gradient is exactly 0, and the weights of the
    others were given before. What fills up the last micro-batch has weight 0.
    """
    prompts, group = samples.advantages.shape
    at_once = groups_at_once(size, group)
    used = np.flatnonzero(samples.advantages.any(axis=1) if skip else np.ones(prompts, bool))
    most = -(-prompts // at_once)
    filled_P = np.zeros(most * at_once, int)
    filled_P[: len(used)] = used
    chosen = jax.tree.map(lambda x: x[filled_P], samples)
    chosen.weights_T[len(used) :] = 0
    return jax.tree.map(lambda x: x.reshape(most, at_once, *x.shape[1:]), chosen), -(-len(used) // at_once)


@jit(TRAINS, static_argnums=(0, 1), static_argnames="dtype")
def update(
    arch: Architecture,
    rl: RL,
    policy: Policy,
    samples_MB: Samples,
    used: int,
    learning_rate: Any,
    dtype: str = "float32",
) -> tuple[Policy, BatchStatistics]:
    """Sum the gradients of the first `used` micro-batches and make one AdamW step; also the loss's statistics.

    The model's products are made in `dtype`; weights, gradients' sums and the optimizer are float32.
    """
    worked = model.cast(policy.params, dtype)

    def add(index, total):
        samples_BG = jax.tree.map(lambda x: x[index], samples_MB)
        gradient, statistics = jax.grad(_loss, argnums=2, has_aux=True)(arch, rl, worked, samples_BG)
        return jax.tree.map(jnp.add, total, (optimizer.vector(gradient), statistics))

    nothing = (
        jnp.zeros_like(optimizer.vector(policy.params)),
        BatchStatistics(*(jnp.zeros(()),) * len(BatchStatistics._fields)),
    )
    gradient, statistics = jax.lax.fori_loop(0, used, add, nothing)
    statistics = statistics._replace(grad_norm=jnp.linalg.norm(gradient))
    return optimizer.step(policy, gradient, learning_rate, rl), statistics


def _loss(arch: Architecture, rl: RL, params: Params, samples_BG: Samples) -> tuple[jax.Array, BatchStatistics]:
    tokens = samples_BG.weights_T.shape[-1]
    logprobs_BGT = group_logprobs(arch, params, samples_BG.sequences_N, tokens, rl.temperature)
    samples = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), samples_BG)
    return grpo_loss(
        logprobs_BGT.reshape(-1, tokens),
        samples.old_logprobs_T,
        samples.reference_T,
        samples.advantages,
        samples.weights_T,
        rl,
    )


def group_logprobs(
    arch: Architecture, params: Params, sequences_PGN: jax.Array, tokens: int, temperature: float
) -> jax.Array:
    """(P, G, T) log-probabilities of the last T tokens of each sequence; a group's prompt is read once."""
    logits_PGTV = group_logits(arch, params, sequences_PGN, tokens)
    return _chosen(logits_PGTV / temperature, sequences_PGN[..., -tokens:])


def completion_logprobs(
    arch: Architecture, params: Params, sequences_BN: jax.Array, tokens: int, temperature: float
) -> jax.Array:
    """(B, T) log-probabilities of the last T tokens of each sequence."""
    logits_BTV, _ = whole_logits(arch, params, sequences_BN[:, :-1], tokens)
    return _chosen(logits_BTV / temperature, sequences_BN[:, -tokens:])


def _chosen(logits_V: jax.Array, tokens: jax.Array) -> jax.Array:
    """Log-probabilities of the tokens: (…, V) and (…) give (…)."""
    return jnp.take_along_axis(jax.nn.log_softmax(logits_V), tokens[..., None], axis=-1)[..., 0]


@jit(TRAINS, static_argnums=(0, 3, 4))
def score(arch: Architecture, params: Params, sequences_MBGN: jax.Array, tokens: int, temperature: float) -> jax.Array:
    """(M, B, G, T) log-probabilities under another model, micro-batch by micro-batch: the reference pass."""
    return jax.lax.map(lambda x_BGN: group_logprobs(arch, params, x_BGN, tokens, temperature), sequences_MBGN)
