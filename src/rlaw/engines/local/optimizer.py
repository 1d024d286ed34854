"""AdamW with a clipped gradient, and learning rates by step.

Gradients and moments are vectors of all weights: one short program for whatever number of matrices.
"""

from typing import Any, NamedTuple, cast

import jax
import numpy as np
import optax
from jax.flatten_util import ravel_pytree

from rlaw.engines.local.model import Params
from rlaw.study.recipe import Base, Instruct, Optimizer

COSINE_END = 0.1  # pretraining ends at this share of the peak rate


class Policy(NamedTuple):
    """A model in training: its weights, and the optimizer's moments as vectors of all of them."""

    params: Params
    moments: Any


def start(params: Params, settings: Optimizer) -> Policy:
    """The policy before its first optimizer step. All that Adam begins with is 0."""
    moments = jax.eval_shape(_adamw(settings).init, jax.eval_shape(vector, params))
    return Policy(params, jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), moments))


def step(policy: Policy, gradient: jax.Array, learning_rate: jax.Array, settings: Optimizer) -> Policy:
    """One AdamW step; the gradient, a vector, is clipped to `max_grad_norm` first."""
    weights, as_params = ravel_pytree(policy.params)
    direction, moments = _adamw(settings).update(gradient, policy.moments, weights)
    # computed once, then cut: else the compiler computes it anew for every matrix, each in a program of its own
    stepped = jax.lax.optimization_barrier(weights - learning_rate * cast(jax.Array, direction))
    return Policy(as_params(stepped), moments)


def vector(params: Params) -> jax.Array:
    """All weights, or their gradients, one after the other."""
    return ravel_pytree(params)[0]


def constant_rate(settings: Optimizer, hidden: int, step: int) -> float:
    """The learning rate of a step, counted from 1: linear warm-up, then constant."""
    return settings.peak_rate(hidden) * min(1.0, step / max(1, settings.warmup_steps))


def cosine_rates(base: Base | Instruct, hidden: int) -> np.ndarray:
    """(steps,) float32 learning rates of pretraining: linear warm-up, then half a cosine down to a tenth."""
    step = np.arange(1, base.steps + 1)
    warmup = np.minimum(1.0, step / max(1, base.warmup_steps))
    past = np.clip((step - base.warmup_steps) / max(1, base.steps - base.warmup_steps), 0, 1)
    cosine = COSINE_END + (1 - COSINE_END) * (1 + np.cos(np.pi * past)) / 2
    return (base.peak_rate(hidden) * warmup * cosine).astype(np.float32)


def _adamw(settings: Optimizer) -> optax.GradientTransformation:
    return optax.chain(
        optax.clip_by_global_norm(settings.max_grad_norm),
        optax.scale_by_adam(settings.adam_beta1, settings.adam_beta2, settings.adam_epsilon),
        optax.add_decayed_weights(settings.weight_decay),
    )
