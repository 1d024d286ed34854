"""Parameters and FLOPs of a decoder-only transformer, and the accounting models that make compute of tokens.

Accounting models; N: non-embedding parameters, T: processed tokens (prompt + response, over all rollouts):

* 6N: 6 N T, the update alone: forward 2NT, backward 4NT (arXiv 2509.25300, App. C.1).
* 8N: 8 N T, generation (2NT) counted too.
* 12N: 12 N T, old log-probabilities and the reference pass (2NT each) counted too.
* exact: the sum of `Flops` as executed: matrix products of every pass, attention and output head included.

2N per token for a forward pass and 4N for a backward one: Kaplan et al. 2020, arXiv 2001.08361, section 2.1.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np

Accounting = Literal["6N", "8N", "12N", "exact"]
FACTORS: dict[str, int] = {"6N": 6, "8N": 8, "12N": 12}


@dataclass(frozen=True, slots=True)
class Architecture:
    """The shape of a decoder with RMSNorm, RoPE, grouped-query attention and SwiGLU.

    Qwen2 has biased q, k and v; Qwen3 has none, and normalises q and k in each head; Llama 3 has neither.
    """

    hidden: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    intermediate: int
    vocab: int
    tied_embeddings: bool = True
    attention_bias: bool = True
    qk_norm: bool = False

    @property
    def params(self) -> int:
        """Non-embedding parameters, N: everything but the token embedding and the output head."""
        d, q, kv = self.hidden, self.heads * self.head_dim, self.kv_heads * self.head_dim
        extra = (q + 2 * kv if self.attention_bias else 0) + (2 * self.head_dim if self.qk_norm else 0)
        return self.matmul_params + self.layers * (extra + 2 * d) + d

    @property
    def params_total(self) -> int:
        """All parameters, embedding and (untied) output head included."""
        return self.params + self.vocab * self.hidden * (1 if self.tied_embeddings else 2)

    @property
    def matmul_params(self) -> int:
        """Weights that multiply each token in the blocks: N without norms and biases."""
        d, q, kv = self.hidden, self.heads * self.head_dim, self.kv_heads * self.head_dim
        return self.layers * (d * q + 2 * d * kv + q * d + 3 * d * self.intermediate)


def forward_flops(arch: Architecture, tokens: int, context: float, predicted: int | None = None) -> int:
    """FLOPs of one forward pass over `tokens` tokens: 2 per weight and token, plus attention and the output head.

    Args:
        arch: the model.
        tokens: how many tokens go through the blocks.
        context: the mean number of keys each token attends to (causal: about half the sequence length).
        predicted: how many tokens get logits; all of them when None.
    """
    attention = 4 * arch.layers * arch.heads * arch.head_dim * context * tokens  # QK' and AV, 2 FLOPs a product
    head = 2 * arch.hidden * arch.vocab * (tokens if predicted is None else predicted)
    return round(2 * arch.matmul_params * tokens + attention + head)


def training_flops(arch: Architecture, tokens: int, context: float, predicted: int | None = None) -> int:
    """FLOPs of a forward and a backward pass: the backward one costs twice the forward one."""
    return 3 * forward_flops(arch, tokens, context, predicted)


def mean_context(tokens: "np.ndarray", first: int = 1) -> float:
    """The keys that a token sees in the mean, over sequences of so many `tokens` each.

    The first token of every sequence sees `first` keys, its own included; each later one sees one more.
    """
    return (tokens * (2 * first + tokens - 1)).sum().item() / 2 / max(1, tokens.sum().item())


def executed_factor(*, reference: bool = True, iterations: int = 1) -> float:
    """FLOPs that GRPO executes for each parameter and processed token: the one cost model of plans and budgets.

    2 for the rollout, 2 for the old log-probabilities, 2 for the reference where there is one, and 6 for each pass of
    the update (forward 2, backward 4).

    Args:
        reference: whether a KL term asks the reference.
        iterations: passes over a step's rollouts.
    """
    return 2.0 * (2 + reference + 3 * iterations)


def accounted_flops(accounting: str, params: float, tokens: float) -> float:
    """Compute of `tokens` processed tokens under a 6N, 8N or 12N accounting model, FLOPs."""
    return FACTORS[accounting] * params * tokens


@dataclass(frozen=True, slots=True)
class Flops:
    """FLOPs of one GRPO step, split by phase, as executed."""

    rollout: int = 0
    old_logprobs: int = 0
    reference: int = 0
    update: int = 0

    @property
    def total(self) -> int:
        """FLOPs of the whole step."""
        return self.rollout + self.old_logprobs + self.reference + self.update
