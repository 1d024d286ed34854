"""All randomness of a run: a generator per (seed, purpose, index), so that nothing random has to be saved."""

import zlib

import numpy as np


def generator(seed: int, purpose: str, index: int = 0) -> np.random.Generator:
    """The generator of one purpose ("init", "rollout", …) at one index (mostly a step), independent of all others."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(zlib.crc32(purpose.encode()), index)))
