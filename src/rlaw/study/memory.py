"""What RL of a model takes of every GPU's memory: an estimate, before anything is started.

FSDP with AdamW (weights, gradients and two moments in float32, sharded over all GPUs), bf16 products, gradient
checkpointing, the reference offloaded; rollouts by an engine that holds bf16 weights, parted over tensor-parallel GPUs,
and that releases its cache while the policy is updated. Not counted: what allocators and CUDA itself keep (a few GB).
"""

from dataclasses import dataclass

from rlaw.study.compute import Architecture

STATE_BYTES = 16  # per parameter: float32 weight, gradient and two moments
LOGIT_BYTES = 10  # per token and word: bf16 logits, float32 log-probabilities and their gradient
GATHERED = 2  # layers whose bf16 weights are whole on every GPU at once: the one at work and the next


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes on one GPU.

    Attributes:
        states: weights, gradients and moments, this GPU's share.
        gathered: weights that are whole for a moment: two layers, the embedding and the head.
        activations: what the backward pass of a micro-batch needs.
        logits: of a micro-batch.
        rollout: the rollout engine's weights, and keys and values of one sequence for each in the micro-batch.
    """

    states: float
    gathered: float
    activations: float
    logits: float
    rollout: float

    @property
    def peak(self) -> float:
        """The larger of the update and the rollouts; the sharded states stay in both."""
        return self.states + max(self.gathered + self.activations + self.logits, self.rollout)


def memory(arch: Architecture, *, gpus: int, tensor_parallel: int, micro_batch: int, sequence_tokens: int) -> Memory:
    """Estimate the memory of one GPU.

    Args:
        arch: the model.
        gpus: over which its training states are sharded.
        tensor_parallel: GPUs that share a copy of it in rollouts.
        micro_batch: sequences of full length at a time.
        sequence_tokens: of a prompt and a response at their longest.
    """
    tokens, d = micro_batch * sequence_tokens, arch.hidden
    layer = arch.params / arch.layers
    embeddings = arch.vocab * d * (1 if arch.tied_embeddings else 2)
    inside = 2 * d + 2 * (arch.heads + arch.kv_heads) * arch.head_dim + 3 * arch.intermediate  # of the layer at work
    keys_and_values = 4 * arch.layers * arch.kv_heads * arch.head_dim * tokens
    return Memory(
        states=STATE_BYTES * arch.params_total / max(1, gpus),
        gathered=2 * (GATHERED * layer + embeddings),
        activations=2.0 * tokens * (arch.layers * d + inside),
        logits=float(LOGIT_BYTES * tokens * arch.vocab),
        rollout=(2 * arch.params_total + keys_and_values) / tensor_parallel,
    )
