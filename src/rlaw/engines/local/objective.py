"""The GRPO objective: group-normalised advantages, the clipped ratio, and the weight of every token.

Axes: P prompts, G answers per prompt, T completion tokens, B sequences of a micro-batch.
Source: Shao et al. 2024 (DeepSeekMath), arXiv:2402.03300, Eq. 3-4; for the mean over tokens Yu et al. 2025 (DAPO),
arXiv:2503.14476, Eq. 8; for the low-variance estimator k3 Schulman 2020, "Approximating KL divergence".
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rlaw.study.recipe import RL

ADVANTAGE_EPSILON = 1e-4  # keeps an advantage finite; TRL's value


class BatchStatistics(NamedTuple):
    """Statistics of an optimizer step: sums over the tokens of its batch, weighted as the loss weighs them.

    `grad_norm` is of the whole batch's gradient, before it is clipped; a micro-batch has none.
    """

    loss: Any
    kl: Any
    clip_share: Any
    grad_norm: Any = 0.0


def advantages(rewards_PG: np.ndarray, scale: str) -> np.ndarray:
    """(P, G) rewards less their group's mean, over its sample standard deviation if `scale` is "group"."""
    centered_PG = rewards_PG - rewards_PG.mean(axis=1, keepdims=True)
    if scale == "none":
        return centered_PG
    return centered_PG / (rewards_PG.std(axis=1, ddof=1, keepdims=True) + ADVANTAGE_EPSILON)


def token_weights(mask_PGT: np.ndarray, loss_type: str) -> np.ndarray:
    """(P, G, T) weights that sum to 1: each token's share in the mean of one optimizer step's batch.

    dapo: every token counts the same. grpo: every answer counts the same, and every token within it.
    """
    if loss_type == "dapo":
        return mask_PGT / mask_PGT.sum()
    answers = mask_PGT.shape[0] * mask_PGT.shape[1]
    return mask_PGT / mask_PGT.sum(axis=2, keepdims=True) / answers


def grpo_loss(
    logprobs_BT: jax.Array,
    old_BT: jax.Array,
    reference_BT: jax.Array | None,
    advantages_B: jax.Array,
    weights_BT: jax.Array,
    rl: RL,
) -> tuple[jax.Array, BatchStatistics]:
    """The weighted sum over tokens of -min(ratio A, clipped ratio A) + beta KL, and its statistics.

    Args:
        logprobs_BT: of the policy being trained; carries the gradient.
        old_BT: of the policy that drew the answers.
        reference_BT: of the base; None when beta is 0.
        advantages_B: one per answer.
        weights_BT: from `token_weights`; 0 for tokens that do not count.
        rl: clip range and beta.
    """
    low, high = 1 - rl.epsilon, 1 + (rl.epsilon if rl.epsilon_high is None else rl.epsilon_high)
    ratio_BT = jnp.exp(logprobs_BT - old_BT)
    advantage_B1 = advantages_B[:, None]
    gain_BT = jnp.minimum(ratio_BT * advantage_B1, jnp.clip(ratio_BT, low, high) * advantage_B1)
    clipped_BT = ((ratio_BT < low) & (advantage_B1 < 0)) | ((ratio_BT > high) & (advantage_B1 > 0))
    loss, kl = -(weights_BT * gain_BT).sum(), jnp.zeros(())
    if reference_BT is not None:
        gap_BT = reference_BT - logprobs_BT
        kl = (weights_BT * (jnp.exp(gap_BT) - gap_BT - 1)).sum()
        loss += rl.beta * kl
    return loss, BatchStatistics(loss, kl, (weights_BT * clipped_BT).sum(), jnp.zeros(()))
