"""Attention: rotary positions, and what queries read from keys and values.

Axes: T tokens of S sequences, N of each, one sequence after the other; C positions of a memory; H query heads,
K key-value heads, R = H / K, E size of a head, W = (H + 2 K) E the joined q, k and v; M = N R rows that read, all query
heads of one key-value head.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rlaw.study.compute import Architecture

ROPE_THETA = 1000.0  # the base of the rotary embedding: these models read tens of tokens, not thousands
#: up to so many of either, sums written out are 1.4 to 3 times as fast as products of matrices (a CPU; not at 4, 128)
FEW_ROWS, FEW_POSITIONS = 4, 64


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


def remember(k_TKE: jax.Array, v_TKE: jax.Array, sequences: int) -> KeyValues:
    """The memory of so many sequences, whose tokens these are."""
    k_SNKE, v_SNKE = (x.reshape(sequences, -1, *x.shape[1:]) for x in (k_TKE, v_TKE))
    return KeyValues(k_SNKE.transpose(0, 2, 3, 1), v_SNKE.transpose(0, 2, 1, 3))


def turns(arch: Architecture, positions: int) -> tuple[np.ndarray, np.ndarray]:
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


def attend(q_THE: jax.Array, memory: KeyValues, first: Any = None) -> jax.Array:
    """(T, H E): what every query reads from its own and all earlier positions.

    The first query is at position `first`; left out, the last one is at the memory's last position.
    """
    sequences, kv_heads, positions, size = memory.values.shape
    new, shared = len(q_THE) // sequences, q_THE.shape[1] // kv_heads
    first = positions - new if first is None else first
    q_SNKRE = q_THE.reshape(sequences, new, kv_heads, shared, size) / float(np.sqrt(size))
    q_SKME = q_SNKRE.swapaxes(1, 2).reshape(sequences, kv_heads, new * shared, size)
    seen_NC = jnp.arange(positions) <= first + jnp.arange(new)[:, None]
    hidden_MC = jnp.repeat(jnp.where(seen_NC, 0.0, -jnp.inf), shared, axis=0)
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
