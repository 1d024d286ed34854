"""A Qwen2 decoder: RMSNorm, rotary positions, grouped-query attention with biased q, k, v, SwiGLU, tied embeddings.

Axes: T tokens of all sequences, one after the other; S sequences of N tokens, P prompts of Q with G answers each;
D hidden, V vocabulary, F intermediate, H query heads, K key-value heads, E size of a head, W = (H + 2 K) E the joined
q, k and v; C positions of a memory, R = H / K, M = N R rows that read, all query heads of one key-value head.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rlaw.study.compute import Architecture

RMS_EPSILON = 1e-6
INIT_STD = 0.02  # of all matrices, as Qwen2 starts

ROPE_THETA = 1000.0  # the base of the rotary embedding: these models read tens of tokens, not thousands
#: up to so many of either, sums written out are 1.4 to 3 times as fast as products of matrices (a CPU; not at 4, 128)
FEW_ROWS, FEW_POSITIONS = 4, 64

Params = dict[str, Any]


class KeyValues(NamedTuple):
    """Keys (S, K, E, C) and values (S, K, C, E) of a layer: as the products of attention want them."""

    keys: jax.Array
    values: jax.Array

    def repeated(self, group: int) -> "KeyValues":
        """Of every answer of a group, where this one is of their prompt."""
        return KeyValues(*(jnp.repeat(x, group, axis=0) for x in self))

    def roomier(self, positions: int) -> "KeyValues":
        """With room for so many positions more."""
        room = [(0, 0), (0, 0), (0, 0), (0, positions)]
        return KeyValues(jnp.pad(self.keys, room), jnp.pad(self.values.swapaxes(2, 3), room).swapaxes(2, 3))

    def followed_by(self, new: "KeyValues") -> "KeyValues":
        """These positions, then those."""
        return KeyValues(jnp.concatenate([self.keys, new.keys], 3), jnp.concatenate([self.values, new.values], 2))

    def with_one(self, new: "KeyValues", position: jax.Array) -> "KeyValues":
        """One position more, written into the room that there is."""
        keys = jax.lax.dynamic_update_slice_in_dim(self.keys, new.keys, position, axis=3)
        return KeyValues(keys, jax.lax.dynamic_update_slice_in_dim(self.values, new.values, position, axis=2))


Attend = Callable[[int, jax.Array, jax.Array, jax.Array, bool], tuple[jax.Array, KeyValues]]


def init(arch: Architecture, rng: np.random.Generator) -> Params:
    """Fresh weights, float32: matrices normal, norms one, biases zero. Made by numpy, so that nothing is compiled."""

    def normal(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape, np.float32) * INIT_STD

    heads_HE, joined_W = arch.heads * arch.head_dim, (arch.heads + 2 * arch.kv_heads) * arch.head_dim

    def layer() -> Params:
        qkv, out = normal(arch.hidden, joined_W), normal(heads_HE, arch.hidden)
        gate, up = np.split(normal(arch.hidden, 2 * arch.intermediate), 2, axis=1)
        return {
            "attention_norm": np.ones(arch.hidden, np.float32),
            "qkv": qkv,
            "qkv_bias": np.zeros(joined_W, np.float32),
            "out": out,
            "mlp_norm": np.ones(arch.hidden, np.float32),
            "gate": gate,
            "up": up,
            "down": normal(arch.intermediate, arch.hidden).T,
        }

    embedding = normal(arch.vocab, arch.hidden)
    layers, norm = [layer() for _ in range(arch.layers)], np.ones(arch.hidden, np.float32)
    return jax.device_put({"embedding": embedding, "layers": layers, "norm": norm})


def cast(params: Params, dtype: str) -> Params:
    """The weights in another precision; `forward` computes its products in that of its weights."""
    return params if params["norm"].dtype == dtype else jax.tree.map(lambda x: x.astype(dtype), params)


def forward(
    arch: Architecture,
    params: Params,
    tokens_T: jax.Array,
    turns: tuple[Any, Any],
    attend: Attend,
    keep: Callable[[jax.Array], jax.Array] = lambda x: x,
) -> tuple[jax.Array, list[KeyValues]]:
    """Read tokens of any number of sequences; `attend` knows how these lie and what each reads.

    Args:
        arch: the shape of the model.
        params: its weights.
        tokens_T: token ids.
        turns: cosine and sine of every token's rotary angles, each (T, 1, E) or the same for all.
        attend: from the number of the layer, q (T, H, E), k and v (T, K, E), and whether only the kept tokens read:
            what they read, (T, H E), and the memory that the layer leaves.
        keep: from (T, D) those of the tokens that get logits; the top layer is computed for these alone.

    Returns:
        float32 logits of the kept tokens, and the layers' memories.
    """
    memories, rotated = [], arch.heads + arch.kv_heads
    x_TD = params["embedding"].at[tokens_T].get(mode="promise_in_bounds")
    for depth, layer in enumerate(params["layers"]):
        top = depth == arch.layers - 1
        joined_TW = _rms_norm(x_TD, layer["attention_norm"]) @ layer["qkv"] + layer["qkv_bias"]
        joined_TAE = joined_TW.reshape(len(tokens_T), -1, arch.head_dim)
        straight_TAE, v_TKE = jnp.split(joined_TAE, [rotated], axis=1)
        q_THE, k_TKE = jnp.split(rotate(straight_TAE, *turns), [arch.heads], axis=1)
        read_TW, memory = attend(depth, q_THE, k_TKE, v_TKE, top)
        x_TD = (keep(x_TD) if top else x_TD) + read_TW @ layer["out"]
        normed_TD = _rms_norm(x_TD, layer["mlp_norm"])
        x_TD = x_TD + _gated(normed_TD @ layer["gate"], normed_TD @ layer["up"]) @ layer["down"].T
        memories.append(memory)
    return (_rms_norm(x_TD, params["norm"]) @ params["embedding"].T).astype(jnp.float32), memories


def whole_logits(
    arch: Architecture, params: Params, tokens_SN: jax.Array, last: int
) -> tuple[jax.Array, list[KeyValues]]:
    """(S, last, V) logits at the last positions of whole sequences, and the memory of all positions."""
    sequences, length = tokens_SN.shape

    def attend(_: int, q_THE: jax.Array, k_TKE: jax.Array, v_TKE: jax.Array, top: bool) -> tuple[jax.Array, KeyValues]:
        memory = remember(k_TKE, v_TKE, sequences)
        return read(_last(q_THE, sequences, last) if top else q_THE, memory), memory

    cos_T1E, sin_T1E = (_of_all(table_N1E, sequences) for table_N1E in rotations(arch, length))
    logits_TV, memories = forward(
        arch, params, tokens_SN.ravel(), (cos_T1E, sin_T1E), attend, lambda x: _last(x, sequences, last)
    )
    return logits_TV.reshape(sequences, last, -1), memories


def group_logits(arch: Architecture, params: Params, sequences_PGN: jax.Array, completion_tokens: int) -> jax.Array:
    """(P, G, T, V) logits that predict the last T tokens of answers to one prompt each, which is read once."""
    prompts, group, _ = sequences_PGN.shape
    prompts_PQ, read_PGN = sequences_PGN[:, 0, :-completion_tokens], sequences_PGN[..., -completion_tokens:-1]
    if completion_tokens == 1:
        return jnp.repeat(whole_logits(arch, params, prompts_PQ, 1)[0][:, None], group, axis=1)
    cut, length, new, answers = prompts_PQ.size, prompts_PQ.shape[1], completion_tokens - 1, prompts * group

    def attend(_: int, q_THE: jax.Array, k_TKE: jax.Array, v_TKE: jax.Array, top: bool) -> tuple[jax.Array, KeyValues]:
        prompt = remember(k_TKE[:cut], v_TKE[:cut], prompts)
        answer = remember(k_TKE[cut:], v_TKE[cut:], answers)
        memory = prompt.repeated(group).followed_by(answer)
        read_first = read(_last(q_THE[:cut], prompts, 1) if top else q_THE[:cut], prompt)
        return jnp.concatenate([read_first, read(q_THE[cut:], memory)]), memory

    def keep(x_TD: jax.Array) -> jax.Array:
        return jnp.concatenate([_last(x_TD[:cut], prompts, 1), x_TD[cut:]])

    def of_each(table_N1E: np.ndarray) -> jax.Array:
        return jnp.concatenate([_of_all(table_N1E[:length], prompts), _of_all(table_N1E[length:], answers)])

    tokens_T = jnp.concatenate([prompts_PQ.ravel(), read_PGN.ravel()])
    cos_T1E, sin_T1E = (of_each(table_N1E) for table_N1E in rotations(arch, length + new))
    logits_TV, _ = forward(arch, params, tokens_T, (cos_T1E, sin_T1E), attend, keep)
    first_PG1V = jnp.repeat(logits_TV[:prompts, None, None], group, axis=1)
    return jnp.concatenate([first_PG1V, logits_TV[prompts:].reshape(prompts, group, new, -1)], axis=2)


def next_logits(
    arch: Architecture, params: Params, token_S: jax.Array, memories: list[KeyValues], position: jax.Array
) -> tuple[jax.Array, list[KeyValues]]:
    """(S, V) logits after one token more of every sequence, and the memories with it written into their room."""

    def attend(
        depth: int, q_SHE: jax.Array, k_SKE: jax.Array, v_SKE: jax.Array, _: bool
    ) -> tuple[jax.Array, KeyValues]:
        memory = memories[depth].with_one(remember(k_SKE, v_SKE, len(token_S)), position)
        return read(q_SHE, memory, position), memory

    tables = rotations(arch, memories[0].values.shape[2])
    cos_11E, sin_11E = (jax.lax.dynamic_slice_in_dim(jnp.asarray(table), position, 1) for table in tables)
    return forward(arch, params, token_S, (cos_11E, sin_11E), attend)


def _of_all(table_N1E: np.ndarray, sequences: int) -> jax.Array:
    """(T, 1, E): what holds for the tokens of one sequence, for those of all."""
    return jnp.tile(table_N1E, (sequences, 1, 1))


def _last(x_T: jax.Array, sequences: int, last: int) -> jax.Array:
    """The last tokens of every sequence."""
    x_SN = x_T.reshape(sequences, -1, *x_T.shape[1:])
    return x_SN[:, -last:].reshape(sequences * last, *x_T.shape[1:])


@jax.custom_vjp
def _gated(gate_TF: jax.Array, up_TF: jax.Array) -> jax.Array:
    """SwiGLU: SiLU of the one times the other. The gradient by hand keeps the two alone, no products of them."""
    return gate_TF * jax.nn.sigmoid(gate_TF) * up_TF


def _gated_backward(kept: tuple[jax.Array, jax.Array], d_TF: jax.Array) -> tuple[jax.Array, jax.Array]:
    gate_TF, up_TF = kept
    open_TF = jax.nn.sigmoid(gate_TF)
    d_gate_TF = d_TF * up_TF * open_TF * (1 + gate_TF * (1 - open_TF))
    return d_gate_TF, d_TF * gate_TF * open_TF


_gated.defvjp(lambda gate_TF, up_TF: (_gated(gate_TF, up_TF), (gate_TF, up_TF)), _gated_backward)


def _rms_norm(x: jax.Array, scale: jax.Array) -> jax.Array:
    wide = x.astype(jnp.float32)
    return scale * (wide * jax.lax.rsqrt(jnp.mean(wide * wide, axis=-1, keepdims=True) + RMS_EPSILON)).astype(x.dtype)


def remember(k_TKE: jax.Array, v_TKE: jax.Array, sequences: int) -> KeyValues:
    """The memory of so many sequences, whose tokens these are."""
    k_SNKE, v_SNKE = (x.reshape(sequences, -1, *x.shape[1:]) for x in (k_TKE, v_TKE))
    return KeyValues(k_SNKE.transpose(0, 2, 3, 1), v_SNKE.transpose(0, 2, 1, 3))


def rotations(arch: Architecture, positions: int) -> tuple[np.ndarray, np.ndarray]:
    """Cosine and sine of the first positions' rotary angles: (N, 1, E), halves repeated as Qwen2 does.

    Tables: computed where they are used, they would be so once per sequence and head.
    """
    frequency = ROPE_THETA ** -(np.arange(0, arch.head_dim, 2, dtype=np.float32) / arch.head_dim)
    angle_N1E = np.arange(positions, dtype=np.float32)[:, None, None] * np.tile(frequency, 2)
    return np.cos(angle_N1E), np.sin(angle_N1E)


@jax.custom_vjp
def rotate(x_TAE: jax.Array, cos_T1E: Any, sin_T1E: Any) -> jax.Array:
    """Rotary positions of any number of heads, halves paired as Qwen2 does. Its gradient turns back."""
    first, second = jnp.split(x_TAE, 2, axis=-1)
    turned = x_TAE * cos_T1E + jnp.concatenate([-second, first], axis=-1) * sin_T1E
    return turned.astype(x_TAE.dtype)


rotate.defvjp(
    lambda x_TAE, *turns: (rotate(x_TAE, *turns), turns),
    lambda turns, d_TAE: (rotate(d_TAE, turns[0], -turns[1]), None, None),
)


def read(q_THE: jax.Array, memory: KeyValues, first: Any = None) -> jax.Array:
    """(T, H E): what every query reads from its own and all earlier positions.

    The first query is at position `first`; left out, the last one is at the memory's last position.
    """
    sequences, kv_heads, positions, size = memory.values.shape
    new, shared = len(q_THE) // sequences, q_THE.shape[1] // kv_heads
    first = positions - new if first is None else first
    q_SNKRE = q_THE.reshape(sequences, new, kv_heads, shared, size) / float(np.sqrt(size))
    q_SKME = q_SNKRE.swapaxes(1, 2).reshape(sequences, kv_heads, new * shared, size)
    visible_NC = jnp.arange(positions) <= first + jnp.arange(new)[:, None]
    hidden_MC = jnp.repeat(jnp.where(visible_NC, 0.0, -jnp.inf), shared, axis=0)
    read_SKNRE = _read(q_SKME, *memory, hidden_MC).reshape(sequences, kv_heads, new, shared, size)
    return read_SKNRE.swapaxes(1, 2).reshape(len(q_THE), -1)


@jax.custom_vjp
def _read(q_SKME: jax.Array, k_SKEC: jax.Array, v_SKCE: jax.Array, hidden_MC: jax.Array) -> jax.Array:
    """(S, K, M, E): values in the proportion of the softmax of the scores; those of -inf in `hidden_MC` not at all."""
    return _read_forward(q_SKME, k_SKEC, v_SKCE, hidden_MC)[0]


def _read_forward(
    q_SKME: jax.Array, k_SKEC: jax.Array, v_SKCE: jax.Array, hidden_MC: jax.Array
) -> tuple[jax.Array, tuple[jax.Array, ...]]:
    shares_SKMC = jax.nn.softmax((q_SKME @ k_SKEC).astype(jnp.float32) + hidden_MC, axis=-1).astype(v_SKCE.dtype)
    read_SKME = _weighed(shares_SKMC, v_SKCE)
    return read_SKME, (q_SKME, k_SKEC, v_SKCE, shares_SKMC, read_SKME)


def _weighed(shares_SKMC: jax.Array, v_SKCE: jax.Array) -> jax.Array:
    """(S, K, M, E): the product of the two; written out term by term where it would be many products of a few rows."""
    few, positions = shares_SKMC.shape[2], v_SKCE.shape[2]
    if few > FEW_ROWS or positions > FEW_POSITIONS:
        return shares_SKMC @ v_SKCE
    return functools.reduce(jnp.add, (shares_SKMC[..., at, None] * v_SKCE[:, :, None, at] for at in range(positions)))


def _read_backward(kept: tuple[jax.Array, ...], d_SKME: jax.Array) -> tuple[jax.Array | None, ...]:
    """The gradient by hand: a third faster here than what is derived, which lays the matrices out worse."""
    q_SKME, k_SKEC, v_SKCE, shares_SKMC, read_SKME = kept
    common_SKM1 = (d_SKME * read_SKME).sum(axis=-1, keepdims=True)
    d_scores_SKMC = shares_SKMC * (d_SKME @ v_SKCE.swapaxes(2, 3) - common_SKM1)
    d_k_SKEC, d_v_SKCE = q_SKME.swapaxes(2, 3) @ d_scores_SKMC, shares_SKMC.swapaxes(2, 3) @ d_SKME
    return d_scores_SKMC @ k_SKEC.swapaxes(2, 3), d_k_SKEC, d_v_SKCE, None


_read.defvjp(_read_forward, _read_backward)
