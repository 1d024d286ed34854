"""Sampling: every prompt is read once, then its answers are drawn token by token from the key-value cache.

Axes: P prompts, G answers per prompt, S = P G sequences, Q prompt tokens, T completion tokens, V vocabulary.
"""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from rlaw.compute import Architecture
from rlaw.engines.local.model import Params, empty_cache, forward


@dataclass(frozen=True)
class Rollout:
    """Answers to prompts, as arrays on the host.

    Attributes:
        completions_PGT: int32 token ids.
        logprobs_PGT: log-probability of each token when it was drawn, at the sampling temperature.
        mask_PGT: float32, 1 for a token of the answer, 0 after its end. Fixed-length tasks have no end token: all 1.
        entropy: mean entropy of the distributions drawn from, nats per token.
    """

    completions_PGT: np.ndarray
    logprobs_PGT: np.ndarray
    mask_PGT: np.ndarray
    entropy: float


def sample(
    arch: Architecture,
    params: Params,
    prompts_PQ: np.ndarray,
    uniforms_PGT: np.ndarray,
    temperature: float,
    batch: int,
) -> Rollout:
    """Draw an answer for every uniform random number given, `batch` sequences at a time."""
    prompts, group, tokens = uniforms_PGT.shape
    at_once = max(1, batch // group)
    drawn = []
    for first in range(0, prompts, at_once):
        chunk = np.minimum(
            np.arange(first, first + at_once), prompts - 1
        )  # the last chunk is filled up, one shape for all
        drawn.append(_sample(arch, params, prompts_PQ[chunk], uniforms_PGT[chunk], np.float32(temperature)))
    completions, logprobs, entropies = (np.concatenate(parts)[:prompts] for parts in zip(*drawn, strict=True))
    return Rollout(completions, logprobs, np.ones((prompts, group, tokens), np.float32), float(entropies.mean()))


@partial(jax.jit, static_argnums=0)
def _sample(arch, params, prompts_PQ, uniforms_PGT, temperature):  # noqa: ANN001 - traced arrays
    (prompts, group, tokens), prompt_tokens = uniforms_PGT.shape, prompts_PQ.shape[1]
    logits_P1V, cache = forward(arch, params, prompts_PQ, empty_cache(arch, prompts, prompt_tokens + tokens), 0, 1)
    logits_SV, cache = jax.tree.map(lambda x: jnp.repeat(x, group, axis=0), (logits_P1V[:, 0], cache))

    def one_token(carry, inputs):  # noqa: ANN001
        logits_SV, cache = carry
        uniform_S, position = inputs
        token_S, *told = _draw(logits_SV / temperature, uniform_S)
        logits_S1V, cache = forward(arch, params, token_S[:, None], cache, position, 1)
        return (logits_S1V[:, 0], cache), (token_S, *told)

    uniforms_TS = uniforms_PGT.reshape(-1, tokens).T
    positions_T = prompt_tokens + jnp.arange(tokens - 1)
    (logits_SV, _), drawn = jax.lax.scan(one_token, (logits_SV, cache), (uniforms_TS[:-1], positions_T))
    final = _draw(logits_SV / temperature, uniforms_TS[-1])
    joined = (jnp.concatenate([first_TS, last_S[None]]) for first_TS, last_S in zip(drawn, final, strict=True))
    return tuple(x_TS.T.reshape(prompts, group, tokens) for x_TS in joined)


def _draw(logits_SV: jax.Array, uniform_S: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Token, its log-probability and the distribution's entropy, by inverting the cumulated distribution at `uniform`."""
    logprobs_SV = jax.nn.log_softmax(logits_SV)
    probs_SV = jnp.exp(logprobs_SV)
    cumulated_SV = jnp.cumsum(probs_SV, axis=-1)
    below_SV = cumulated_SV <= uniform_S[:, None] * cumulated_SV[:, -1:]
    token_S = jnp.minimum(below_SV.sum(axis=-1, dtype=jnp.int32), logits_SV.shape[-1] - 1)
    logprob_S = jnp.take_along_axis(logprobs_SV, token_S[:, None], axis=-1)[:, 0]
    return token_S, logprob_S, -(probs_SV * logprobs_SV).sum(axis=-1)
