"""Wall seconds by phase. Whatever it tells goes under `seconds` in a record, and nowhere else."""

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Clock:
    """`with clock("rollout"): …` adds the block's seconds to `clock.seconds["rollout"]`."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, phase: str) -> Iterator[None]:
        """Time a block as that phase."""
        began = time.perf_counter()
        yield
        self.seconds[phase] = self.seconds.get(phase, 0.0) + time.perf_counter() - began
