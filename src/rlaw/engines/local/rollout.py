"""Sampling: every prompt is read once, then its answers are drawn token by token from the key-value cache.

Axes: P prompts, G answers per prompt, S = P G sequences, Q prompt tokens, T completion tokens, V vocabulary.
"""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from rlaw.compute import Architecture
from rlaw.engines.local.draws import generator
from rlaw.engines.local.model import Params, empty_cache, forward
from rlaw.plan import Run
from rlaw.tasks.base import Problems, Task

MICRO_BATCHES = 4  # drawn at once: with no activations to keep, so many more sequences fit the cache


@dataclass(frozen=True)
class Rollout:
    """Answers to prompts, as arrays on the host.

    Attributes:
        completions_PGT: int32 token ids.
        logprobs_PGT: log-probability of each token when it was drawn, at the sampling temperature.
        mask_PGT: float32, 1 for a token of the answer, 0 after its end. Fixed-length answers have no end token: all 1.
        entropy: mean entropy of the distributions drawn from, nats per token.
        truncated_share: share of answers cut short; a fixed-length answer never is.
    """

    completions_PGT: np.ndarray
    logprobs_PGT: np.ndarray
    mask_PGT: np.ndarray
    entropy: float
    truncated_share: float = 0.0

    @property
    def tokens(self) -> int:
        """Tokens of all answers."""
        return self.mask_PGT.sum(dtype=int).item()

    @property
    def response_length(self) -> float:
        """Mean tokens of an answer."""
        return self.tokens / (self.mask_PGT.shape[0] * self.mask_PGT.shape[1])


def answer(
    run: Run, params: Params, problems: Problems, group: int, temperature: float, purpose: str, step: int
) -> Rollout:
    """Draw `group` answers to every problem: a function of the weights, the run's seed, the purpose and the step."""
    shape = (len(problems), group, run.task.completion_tokens)
    uniforms_PGT = generator(run.seed, purpose, step).random(shape, np.float32)
    batch = MICRO_BATCHES * run.engine.micro_batch
    return sample(run.architecture, params, problems.prompts_IP, uniforms_PGT, temperature, batch)


def grade(task: Task, problems: Problems, rollout: Rollout) -> np.ndarray:
    """(P, G) float32 rewards."""
    completions_GPT = np.moveaxis(rollout.completions_PGT, 1, 0)
    return np.stack([task.grade(problems, completions_PT) for completions_PT in completions_GPT], axis=1)


def sample(
    arch: Architecture,
    params: Params,
    prompts_PQ: np.ndarray,
    uniforms_PGT: np.ndarray,
    temperature: float,
    batch: int,
) -> Rollout:
    """Draw an answer for every uniform random number given, about `batch` sequences at a time."""
    prompts, group, _ = uniforms_PGT.shape
    at_once = max(1, batch // group)
    drawn = []
    for first in range(0, prompts, at_once):
        chunk = np.minimum(np.arange(first, first + at_once), prompts - 1)  # the last one filled up: one shape for all
        drawn.append(_sample(arch, params, prompts_PQ[chunk], uniforms_PGT[chunk], np.float32(temperature)))
    completions, logprobs, entropies = (np.concatenate(parts)[:prompts] for parts in zip(*drawn, strict=True))
    return Rollout(completions, logprobs, np.ones_like(logprobs), entropies.mean(dtype=np.float64).item())


@partial(jax.jit, static_argnums=0)
def _sample(
    arch: Architecture, params: Params, prompts_PQ: jax.Array, uniforms_PGT: jax.Array, temperature: jax.Array
) -> tuple[jax.Array, ...]:
    """(P, G, T) tokens, their log-probabilities, and the entropies of the distributions they were drawn from."""
    (prompts, group, tokens), prompt_tokens = uniforms_PGT.shape, prompts_PQ.shape[1]
    logits_P1V, cache = forward(arch, params, prompts_PQ, empty_cache(arch, prompts, prompt_tokens + tokens), 0, 1)
    logits_SV, cache = jax.tree.map(lambda x: jnp.repeat(x, group, axis=0), (logits_P1V[:, 0], cache))

    def one_token(carry, inputs):
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
    """Token, its log-probability, and the entropy: the cumulated distribution inverted at a uniform random number."""
    logprobs_SV = jax.nn.log_softmax(logits_SV)
    probs_SV = jnp.exp(logprobs_SV)
    cumulated_SV = jnp.cumsum(probs_SV, axis=-1)
    below_SV = cumulated_SV <= uniform_S[:, None] * cumulated_SV[:, -1:]
    token_S = jnp.minimum(below_SV.sum(axis=-1, dtype=jnp.int32), logits_SV.shape[-1] - 1)
    logprob_S = jnp.take_along_axis(logprobs_SV, token_S[:, None], axis=-1)[:, 0]
    return token_S, logprob_S, -(probs_SV * logprobs_SV).sum(axis=-1)
