"""A Qwen2 decoder: RMSNorm, rotary positions, grouped-query attention with biased q, k, v, SwiGLU, tied embeddings.

Axes: S sequences, N new tokens of each, C positions of the key-value cache, D hidden, V vocabulary, F intermediate,
H query heads, K key-value heads, R = H / K, E size of a head, W = (H + 2 K) E the joined q, k and v.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rlaw.compute import Architecture

ROPE_THETA = 1000.0  # the base of the rotary embedding: these models read tens of tokens, not thousands
RMS_EPSILON = 1e-6
INIT_STD = 0.02  # of all matrices, as Qwen2 starts
#: up to so many of either, sums written out are 1.4 to 3 times as fast as products of matrices (a CPU; not at 4, 128)
FEW_ROWS, FEW_POSITIONS = 4, 64

Params = dict[str, Any]
Cache = list[tuple[jax.Array, jax.Array]]


def init(arch: Architecture, rng: np.random.Generator) -> Params:
    """Fresh weights, float32: matrices normal, norms one, biases zero."""

    def normal(*shape: int) -> jax.Array:
        return jnp.asarray(rng.standard_normal(shape, np.float32) * INIT_STD)

    heads_HE, joined_W = arch.heads * arch.head_dim, (arch.heads + 2 * arch.kv_heads) * arch.head_dim

    def layer() -> Params:
        qkv, out = normal(arch.hidden, joined_W), normal(heads_HE, arch.hidden)
        gate, up = jnp.split(normal(arch.hidden, 2 * arch.intermediate), 2, axis=1)
        return {
            "attention_norm": jnp.ones(arch.hidden),
            "qkv": qkv,
            "qkv_bias": jnp.zeros(joined_W),
            "out": out,
            "mlp_norm": jnp.ones(arch.hidden),
            "gate": gate,
            "up": up,
            "down": normal(arch.intermediate, arch.hidden).T,
        }

    embedding = normal(arch.vocab, arch.hidden)
    return {"embedding": embedding, "layers": [layer() for _ in range(arch.layers)], "norm": jnp.ones(arch.hidden)}


def cast(params: Params, dtype: str) -> Params:
    """The weights in another precision; `forward` computes its products in that of its weights."""
    return params if params["norm"].dtype == dtype else jax.tree.map(lambda x: x.astype(dtype), params)


def empty_cache(arch: Architecture, sequences: int, positions: int = 0) -> Cache:
    """Keys (S, K, E, C) and values (S, K, C, E) of every layer, zeros: as the products of attention want them."""
    zeros_SKCE = jnp.zeros((sequences, arch.kv_heads, positions, arch.head_dim))
    return [(zeros_SKCE.swapaxes(2, 3), zeros_SKCE)] * arch.layers


def roomier(cache: Cache, positions: int) -> Cache:
    """The cache with room for so many positions more."""

    def pad(x: jax.Array, axis: int) -> jax.Array:
        return jnp.pad(x, [(0, positions if i == axis else 0) for i in range(4)])

    return [(pad(k_SKEC, 3), pad(v_SKCE, 2)) for k_SKEC, v_SKCE in cache]


def forward(
    arch: Architecture, params: Params, tokens_SN: jax.Array, cache: Cache, start: Any, last: int
) -> tuple[jax.Array, Cache]:
    """Read N more tokens of every sequence, the first of them at position `start`.

    Args:
        arch: the shape of the model.
        params: its weights.
        tokens_SN: token ids.
        cache: keys and values of the positions before `start`.
        start: a position. An int: the cache ends there, and grows. Traced: the cache has room, and is written into.
        last: how many positions, counted from the end, get logits. The top layer is computed for these alone.

    Returns:
        (S, last, V) float32 logits, and the cache with the new tokens written into it.
    """
    x_SND, new = params["embedding"][tokens_SN], tokens_SN.shape[1]
    turns = _rotation(arch.head_dim, start, new, room=cache[0][1].shape[2])
    written = []
    for depth, (layer, before) in enumerate(zip(params["layers"], cache, strict=True), start=1):
        keep = last if depth == arch.layers else new
        x_SND, after = _block(arch, layer, x_SND, before, start, keep, turns)
        written.append(after)
    return _product(_rms_norm(x_SND[:, -last:], params["norm"]), params["embedding"].T).astype(jnp.float32), written


def completion_logits(arch: Architecture, params: Params, sequences_SN: jax.Array, completion_tokens: int) -> jax.Array:
    """(S, T, V) logits that predict the last T tokens of whole sequences."""
    read_SN = sequences_SN[:, :-1]
    return forward(arch, params, read_SN, empty_cache(arch, len(read_SN)), 0, completion_tokens)[0]


def group_logits(arch: Architecture, params: Params, sequences_PGN: jax.Array, completion_tokens: int) -> jax.Array:
    """(P, G, T, V): the same for groups of answers to one prompt each, which is read once for all of a group."""
    prompts, group, _ = sequences_PGN.shape
    prompts_PQ, read_SN = sequences_PGN[:, 0, :-completion_tokens], sequences_PGN[..., -completion_tokens:-1]
    first_P1V, cache = forward(arch, params, prompts_PQ, empty_cache(arch, prompts), 0, 1)
    cache = jax.tree.map(lambda x: jnp.repeat(x, group, axis=0), cache)
    first_PG1V = jnp.repeat(first_P1V[:, None], group, axis=1)
    if completion_tokens == 1:
        return first_PG1V
    read_SN = read_SN.reshape(prompts * group, -1)
    later_SNV, _ = forward(arch, params, read_SN, cache, prompts_PQ.shape[1], completion_tokens - 1)
    return jnp.concatenate([first_PG1V, later_SNV.reshape(prompts, group, *later_SNV.shape[1:])], axis=2)


def _block(
    arch: Architecture,
    layer: Params,
    x_SND: jax.Array,
    cache: tuple[jax.Array, jax.Array],
    start: Any,
    keep: int,
    turns: tuple[jax.Array, jax.Array],
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    """One decoder layer; returns the last `keep` positions, and the cache."""
    q_SNHE, k_SNKE, v_SNKE = _queries_keys_values(arch, layer, x_SND, turns)
    k_SKEC = _remember(cache[0], k_SNKE.transpose(0, 2, 3, 1), start, axis=3)
    v_SKCE = _remember(cache[1], v_SNKE.transpose(0, 2, 1, 3), start, axis=2)
    position_N = start + jnp.arange(x_SND.shape[1])
    seen_NC = jnp.arange(v_SKCE.shape[2]) <= position_N[:, None]
    x_SND = x_SND[:, -keep:]
    x_SND = x_SND + _product(_attend(q_SNHE[:, -keep:], k_SKEC, v_SKCE, seen_NC[-keep:]), layer["out"])
    normed_SND = _rms_norm(x_SND, layer["mlp_norm"])
    gate_SNF, up_SNF = _product(normed_SND, layer["gate"]), _product(normed_SND, layer["up"])
    return x_SND + _product(jax.nn.silu(gate_SNF) * up_SNF, layer["down"].T), (k_SKEC, v_SKCE)


def _product(x_SND: jax.Array, weights_DF: jax.Array) -> jax.Array:
    """(S, N, F): as a product of two matrices, whose gradients are such products too and not slower ones."""
    sequences, new, width = x_SND.shape
    return (x_SND.reshape(sequences * new, width) @ weights_DF).reshape(sequences, new, -1)


def _remember(cache: jax.Array, new: jax.Array, start: Any, axis: int) -> jax.Array:
    if isinstance(start, int):
        return jnp.concatenate([cache.astype(new.dtype), new], axis=axis)
    return jax.lax.dynamic_update_slice_in_dim(cache, new, start, axis=axis)


def _queries_keys_values(
    arch: Architecture, layer: Params, x_SND: jax.Array, turns: tuple[jax.Array, jax.Array]
) -> tuple[jax.Array, ...]:
    joined_SNW = _product(_rms_norm(x_SND, layer["attention_norm"]), layer["qkv"]) + layer["qkv_bias"]
    heads_SNAE = joined_SNW.reshape(*joined_SNW.shape[:2], -1, arch.head_dim)
    q_SNHE, k_SNKE, v_SNKE = jnp.split(heads_SNAE, (arch.heads, arch.heads + arch.kv_heads), axis=2)
    return _rotate(q_SNHE, *turns), _rotate(k_SNKE, *turns), v_SNKE


def _attend(q_SNHE: jax.Array, k_SKEC: jax.Array, v_SKCE: jax.Array, seen_NC: jax.Array) -> jax.Array:
    """(S, N, H E): what every query reads from the keys it may see; R query heads share a key-value head."""
    sequences, new, heads, size = q_SNHE.shape
    kv_heads, shared = v_SKCE.shape[1], heads // v_SKCE.shape[1]
    q_SNKRE = q_SNHE.reshape(sequences, new, kv_heads, shared, size) / float(np.sqrt(size))
    q_SKME = q_SNKRE.swapaxes(1, 2).reshape(sequences, kv_heads, new * shared, size)
    hidden_MC = jnp.repeat(jnp.where(seen_NC, 0.0, -jnp.inf), shared, axis=0)
    read_SKNRE = _read(q_SKME, k_SKEC, v_SKCE, hidden_MC).reshape(sequences, kv_heads, new, shared, size)
    return read_SKNRE.swapaxes(1, 2).reshape(sequences, new, heads * size)


@jax.custom_vjp
def _read(q_SKME: jax.Array, k_SKEC: jax.Array, v_SKCE: jax.Array, hidden_MC: jax.Array) -> jax.Array:
    """(S, K, M, E): values in the proportion of the softmax of the scores; those of -inf in `hidden_MC` not at all."""
    return _read_forward(q_SKME, k_SKEC, v_SKCE, hidden_MC)[0]


def _read_forward(
    q_SKME: jax.Array, k_SKEC: jax.Array, v_SKCE: jax.Array, hidden_MC: jax.Array
) -> tuple[jax.Array, tuple[jax.Array, ...]]:
    shares_SKMC = jax.nn.softmax((q_SKME @ k_SKEC).astype(jnp.float32) + hidden_MC, axis=-1).astype(v_SKCE.dtype)
    return _weighed(shares_SKMC, v_SKCE), (q_SKME, k_SKEC, v_SKCE, shares_SKMC)


def _weighed(shares_SKMC: jax.Array, v_SKCE: jax.Array) -> jax.Array:
    """(S, K, M, E): the product of the two; written out term by term where it would be many products of a few rows."""
    few, positions = shares_SKMC.shape[2], v_SKCE.shape[2]
    if few > FEW_ROWS or positions > FEW_POSITIONS:
        return shares_SKMC @ v_SKCE
    return functools.reduce(jnp.add, (shares_SKMC[..., at, None] * v_SKCE[:, :, None, at] for at in range(positions)))


def _read_backward(kept: tuple[jax.Array, ...], d_SKME: jax.Array) -> tuple[jax.Array | None, ...]:
    """The gradient by hand: a third faster here than what is derived, which lays the matrices out worse."""
    q_SKME, k_SKEC, v_SKCE, shares_SKMC = kept
    d_shares_SKMC = d_SKME @ v_SKCE.swapaxes(2, 3)
    d_scores_SKMC = shares_SKMC * (d_shares_SKMC - (d_shares_SKMC * shares_SKMC).sum(axis=-1, keepdims=True))
    d_k_SKEC, d_v_SKCE = q_SKME.swapaxes(2, 3) @ d_scores_SKMC, shares_SKMC.swapaxes(2, 3) @ d_SKME
    return d_scores_SKMC @ k_SKEC.swapaxes(2, 3), d_k_SKEC, d_v_SKCE, None


_read.defvjp(_read_forward, _read_backward)


def _rms_norm(x: jax.Array, scale: jax.Array) -> jax.Array:
    wide = x.astype(jnp.float32)
    return scale * (wide * jax.lax.rsqrt(jnp.mean(wide * wide, axis=-1, keepdims=True) + RMS_EPSILON)).astype(x.dtype)


def _rotation(size: int, start: Any, new: int, room: int) -> tuple[jax.Array, jax.Array]:
    """Cosine and sine of every new position's angles: (N, 1, E), halves repeated as Qwen2 does.

    They are taken from a table, not computed where they are used, which would be once per sequence and head.
    """
    frequency = ROPE_THETA ** -(np.arange(0, size, 2, dtype=np.float32) / size)
    positions = start + new if isinstance(start, int) else room
    angle = np.arange(positions, dtype=np.float32)[:, None, None] * np.tile(frequency, 2)
    cos_N1E, sin_N1E = (jax.lax.dynamic_slice_in_dim(table, start, new) for table in (np.cos(angle), np.sin(angle)))
    return cos_N1E, sin_N1E


def _rotate(x_SNHE: jax.Array, cos_N1E: jax.Array, sin_N1E: jax.Array) -> jax.Array:
    first, second = jnp.split(x_SNHE, 2, axis=-1)
    turned = x_SNHE * cos_N1E + jnp.concatenate([-second, first], axis=-1) * sin_N1E
    return turned.astype(x_SNHE.dtype)
