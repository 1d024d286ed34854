"""How the programs of a run are compiled on a CPU: in about two thirds of the time that XLA takes left alone.

XLA compiles each of a program's hundred kernels on its own. It optimises them further than short loops around matrix
products repay, and brings them there by a way that some repay, writing answers, and others do not, training
(measured, with what it costs: docs/engines.md).
"""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import jax
import numpy as np

R = TypeVar("R")

WRITES = {"xla_backend_optimization_level": 1}
TRAINS = {**WRITES, "xla_cpu_use_fusion_emitters": False}


def jit(options: dict[str, Any], **settings: Any) -> Callable[[Callable[..., R]], Callable[..., R]]:
    """A decorator: `jax.jit` with these compiler options, where they are for this device and known to this XLA.

    The device is looked up at the first call, not before: the look-up chooses it, for every importer of this.
    """

    def decorate(function: Callable[..., R]) -> Callable[..., R]:
        @functools.cache
        def program() -> Callable[..., R]:
            return jax.jit(function, **settings, compiler_options=options if _are_known(*options.items()) else None)

        @functools.wraps(function)
        def call(*arrays: Any, **others: Any) -> R:
            return program()(*arrays, **others)

        return call

    return decorate


@functools.cache
def _are_known(*options: tuple[str, Any]) -> bool:
    if jax.default_backend() != "cpu":
        return False
    try:
        jax.jit(lambda: np.float32(0), compiler_options=dict(options))()
    except jax.errors.JaxRuntimeError:
        return False
    return True
