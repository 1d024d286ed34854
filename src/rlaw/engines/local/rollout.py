"""Sampling: every prompt is read once, then its answers are drawn token by token from the key-value cache.

Axes: P prompts, G answers per prompt, S = P G sequences, Q prompt tokens, T completion tokens, V vocabulary.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from rlaw.engines.local.compiling import WRITES, jit
from rlaw.engines.local.model import KeyValues, Params, cast, next_logits, whole_logits
from rlaw.engines.local.settings import dtype
from rlaw.engines.rng import generator
from rlaw.study.compute import Architecture
from rlaw.study.plan import Run
from rlaw.tasks import of_tokens
from rlaw.tasks.base import Problems, Task

MICRO_BATCHES = 4  # drawn at once: with no activations to keep, so many more sequences fit the cache


@dataclass(frozen=True)
class Rollout:
    """Answers to prompts, as arrays on the host.

    Attributes:
        completions_PGT: int32 token ids.
        logprobs_PGT: log-probability of each token when it was drawn, at the sampling temperature; 0 after the end.
        mask_PGT: float32, 1 for a token of the answer, 0 after its end. Without an end token: all 1.
        entropy: mean entropy of the distributions drawn from, nats per token.
        truncated_share: share of answers cut short, that is without an end token; 0 for a task that has none.
    """

    completions_PGT: np.ndarray
    logprobs_PGT: np.ndarray
    mask_PGT: np.ndarray
    entropy: float
    truncated_share: float

    @property
    def tokens(self) -> int:
        """Tokens of all answers."""
        return self.mask_PGT.sum(dtype=int).item()

    @property
    def response_length(self) -> float:
        """Mean tokens of an answer."""
        return self.tokens / (self.mask_PGT.shape[0] * self.mask_PGT.shape[1])

    @property
    def lengths_PG(self) -> np.ndarray:
        """Tokens of each answer."""
        return self.mask_PGT.sum(axis=2, dtype=int)


def answer(
    run: Run, params: Params, problems: Problems, group: int, temperature: float, purpose: str, step: int
) -> Rollout:
    """Draw `group` answers to every problem: a function of the weights, the run's seed, the purpose and the step."""
    task, batch = of_tokens(run.task), MICRO_BATCHES * run.engine.micro_batch
    read = max(1, batch // run.rl.num_generations)
    shape = (len(problems), group, task.completion_tokens)
    uniforms_PGT = generator(run.seed, purpose, step).random(shape, np.float32)
    drawn_PGT, logprobs_PGT, entropies_PGT = sample(
        run.architecture,
        cast(params, dtype(run)),
        problems.prompts_IP,
        uniforms_PGT,
        temperature,
        batch,
        read,
        task.end_token,
    )
    mask_PGT = task.answer_mask(drawn_PGT)
    entropy = entropies_PGT[mask_PGT > 0].mean(dtype=np.float64).item()
    if task.end_token is None:
        return Rollout(drawn_PGT, logprobs_PGT, mask_PGT, entropy, truncated_share=0.0)
    completions_PGT = np.where(mask_PGT > 0, drawn_PGT, task.end_token).astype(np.int32)
    truncated_share = (completions_PGT[..., -1] != task.end_token).mean().item()
    return Rollout(completions_PGT, logprobs_PGT * mask_PGT, mask_PGT, entropy, truncated_share)


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
    read: int,
    end_token: int | None,
) -> tuple[np.ndarray, ...]:
    """Draw a token for every uniform random number given, about `batch` sequences at a time.

    Prompts are read `read` at a time where that divides theirs: one program for groups of any size.

    Returns:
        (P, G, T) tokens, their log-probabilities, and the entropies of the distributions they were drawn from. Where
        the answers of a batch have all ended, nothing is drawn any more and zeros stand; what is drawn after the end
        of one of them is not part of it either.
    """
    prompts, group, tokens = uniforms_PGT.shape
    at_once = max(1, batch // group)
    parts = at_once // read if at_once % read == 0 else 1
    drawn = []
    for first in range(0, prompts, at_once):
        chunk = np.minimum(np.arange(first, first + at_once), prompts - 1)  # the last one filled up: one shape for all
        parted = [_read(arch, params, prompts_PQ[part]) for part in np.split(chunk, parts)]
        logits_SV, memories = _spread(group, tokens - 1, parted)
        uniforms_ST = uniforms_PGT[chunk].reshape(-1, tokens)
        drawn.append(_write(arch, end_token, params, logits_SV, memories, uniforms_ST, np.float32(temperature))[0])
    return tuple(np.concatenate(batches).reshape(-1, group, tokens)[:prompts] for batches in zip(*drawn, strict=True))


@jit(WRITES, static_argnums=0)
def _read(arch: Architecture, params: Params, prompts_PQ: jax.Array) -> tuple[jax.Array, list[KeyValues]]:
    """(P, 1, V) logits of the first token of every prompt's answers, and the memories that the prompts leave."""
    return whole_logits(arch, params, prompts_PQ, 1)


@jit(WRITES, static_argnums=(0, 1))
def _spread(
    group: int, room: int, parted: list[tuple[jax.Array, list[KeyValues]]]
) -> tuple[jax.Array, list[KeyValues]]:
    """(S, V) logits of the first token of a group of answers to every prompt, and memories with room for the others."""
    logits_P1V, memories = jax.tree.map(lambda *parts: jnp.concatenate(parts), *parted)
    return jnp.repeat(logits_P1V[:, 0], group, axis=0), [memory.repeated(group).roomier(room) for memory in memories]


@jit(WRITES, static_argnums=(0, 1), donate_argnums=4)
def _write(
    arch: Architecture,
    end_token: int | None,
    params: Params,
    logits_SV: jax.Array,
    memories: list[KeyValues],
    uniforms_ST: jax.Array,
    temperature: jax.Array,
) -> tuple[tuple[jax.Array, ...], list[KeyValues]]:
    """(S, T) what `sample` returns, of one batch: a program of its own, for groups of any size.

    The memories are returned, too, so that they are written into where they lie and not copied first.
    """
    sequences, tokens = uniforms_ST.shape
    first = memories[0].values.shape[2] - (tokens - 1)
    nothing_TS = tuple(jnp.zeros((tokens, sequences), kind) for kind in (jnp.int32, jnp.float32, jnp.float32))

    def draw(index, logits_SV, drawn_TS):
        drawn_S = _draw(logits_SV / temperature, uniforms_ST[:, index])
        return tuple(x_TS.at[index].set(x_S) for x_TS, x_S in zip(drawn_TS, drawn_S, strict=True))

    def goes_on(carry):
        index, _, _, _, ended_S = carry
        return (index < tokens - 1) & ~ended_S.all()

    def one_token(carry):
        index, logits_SV, memories, drawn_TS, ended_S = carry
        drawn_TS = draw(index, logits_SV, drawn_TS)
        token_S = drawn_TS[0][index]
        logits_SV, memories = next_logits(arch, params, token_S, memories, first + index)
        if end_token is not None:
            ended_S |= token_S == end_token
        return index + 1, logits_SV, memories, drawn_TS, ended_S

    start = 0, logits_SV, memories, nothing_TS, jnp.zeros(sequences, bool)
    last, logits_SV, memories, drawn_TS, _ = jax.lax.while_loop(goes_on, one_token, start)
    return tuple(x_TS.T for x_TS in draw(last, logits_SV, drawn_TS)), memories


def _draw(logits_SV: jax.Array, uniform_S: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Token, its log-probability, and the entropy: the cumulated distribution inverted at a uniform random number."""
    tokens, highest_S1 = logits_SV.shape[-1], logits_SV.max(axis=-1, keepdims=True)
    odds_SV = jnp.exp(logits_SV - highest_S1)
    # a product is faster here than a cumulated sum; in full precision, of which GPUs would leave ten bits
    upto_VV = np.triu(np.ones((tokens, tokens), np.float32))
    cumulated_SV = jnp.matmul(odds_SV, upto_VV, precision="highest")
    total_S = cumulated_SV[:, -1]
    below_SV = cumulated_SV <= (uniform_S * total_S)[:, None]
    token_S = jnp.minimum(below_SV.sum(axis=-1, dtype=jnp.int32), tokens - 1)
    log_total_S = jnp.log(total_S) + highest_S1[:, 0]
    logit_S = jnp.take_along_axis(logits_SV, token_S[:, None], axis=-1)[:, 0]
    return token_S, logit_S - log_total_S, log_total_S - (odds_SV * logits_SV).sum(axis=-1) / total_S
