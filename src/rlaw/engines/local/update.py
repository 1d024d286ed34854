"""One optimizer step on one minibatch of rollouts, in micro-batches whose activations stay in the cache.

Axes: P prompts, G answers per prompt, T completion tokens, N tokens of a sequence, M micro-batches of B sequences.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rlaw.compute import Architecture
from rlaw.engines.local import optimizer
from rlaw.engines.local.model import Params, completion_logits
from rlaw.engines.local.objective import Told, grpo_loss
from rlaw.engines.local.optimizer import Policy
from rlaw.recipe import RL


class Samples(NamedTuple):
    """Answers with everything the loss needs to know of them: arrays, here or traced.

    The axes before those in the names are (P, G), then (M, B), then (B,).
    """

    sequences_N: Any
    old_logprobs_T: Any
    reference_T: Any
    advantages: Any
    weights_T: Any


def micro_batches(samples: Samples, size: int, skip: bool) -> tuple[Samples, int]:
    """Samples of (P, G) answers as (M, B) of them, and how many of the M hold any.

    With `skip`, groups whose advantages are all 0 are left out: their gradient is exactly 0, and the weights of the
    others were given before. What fills up the last micro-batch has weight 0.
    """
    prompts, group = samples.advantages.shape
    used_P = samples.advantages.any(axis=1) if skip else np.ones(prompts, bool)
    rows = np.flatnonzero(np.repeat(used_P, group))
    most = -(-prompts * group // size)
    filled_MB = np.zeros(most * size, int)
    filled_MB[: len(rows)] = rows
    flat = jax.tree.map(lambda x: x.reshape(prompts * group, *x.shape[2:])[filled_MB], samples)
    flat.weights_T[len(rows) :] = 0
    return jax.tree.map(lambda x: x.reshape(most, size, *x.shape[1:]), flat), -(-len(rows) // size)


@partial(jax.jit, static_argnums=(0, 1))
def update(
    arch: Architecture, rl: RL, policy: Policy, samples_MB: Samples, used: int, learning_rate: Any
) -> tuple[Policy, Told]:
    """Sum the gradients of the first `used` micro-batches and make one AdamW step; also what the loss told."""

    def add(index, total):
        samples_B = jax.tree.map(lambda x: x[index], samples_MB)
        gradient, told = jax.grad(_loss, argnums=2, has_aux=True)(arch, rl, policy.params, samples_B)
        return jax.tree.map(jnp.add, total, (gradient, told))

    nothing = (jax.tree.map(jnp.zeros_like, policy.params), Told(*(jnp.zeros(()),) * len(Told._fields)))
    gradient, told = jax.lax.fori_loop(0, used, add, nothing)
    told = told._replace(grad_norm=optimizer.norm(gradient))
    return optimizer.step(policy, gradient, learning_rate, rl), told


def _loss(arch: Architecture, rl: RL, params: Params, samples_B: Samples) -> tuple[jax.Array, Told]:
    tokens = samples_B.weights_T.shape[-1]
    logprobs_BT = completion_logprobs(arch, params, samples_B.sequences_N, tokens, rl.temperature)
    return grpo_loss(
        logprobs_BT, samples_B.old_logprobs_T, samples_B.reference_T, samples_B.advantages, samples_B.weights_T, rl
    )


def completion_logprobs(
    arch: Architecture, params: Params, sequences_BN: jax.Array, tokens: int, temperature: float
) -> jax.Array:
    """(B, T) log-probabilities of the last T tokens of each sequence."""
    logprobs_BTV = jax.nn.log_softmax(completion_logits(arch, params, sequences_BN, tokens) / temperature)
    return jnp.take_along_axis(logprobs_BTV, sequences_BN[:, -tokens:, None], axis=-1)[..., 0]


@partial(jax.jit, static_argnums=(0, 3, 4))
def score(arch: Architecture, params: Params, sequences_MBN: jax.Array, tokens: int, temperature: float) -> jax.Array:
    """(M, B, T) log-probabilities under another model, micro-batch by micro-batch: the reference pass."""
    return jax.lax.map(lambda x_BN: completion_logprobs(arch, params, x_BN, tokens, temperature), sequences_MBN)
