"""Writing problems in an order of their own, with no more than a part of them in memory."""

import json
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from rlaw.tasks.problems import files
from rlaw.tasks.problems.base import TextProblem

PARTS = 64  # that an order is laid out in; one is in memory at a time
SMALLEST = 4096  # problems of a part


def write_ordered(path: Path, source: Iterable[TextProblem], order_N: np.ndarray, split: str) -> tuple[int, str]:
    """Write the source's problems at the places `order_N`, in that order; returns how many, and their digest.

    Reads the source once: each problem goes to the part of the order that it belongs to, then each part is sorted.
    """
    per_part = max(SMALLEST, -(-len(order_N) // PARTS))
    with TemporaryDirectory(dir=path.parent, prefix=".order-") as scratch:
        parts = [Path(scratch) / str(part) for part in range(-(-len(order_N) // per_part))]
        _deal(source, order_N, parts, per_part)
        return files.write(path, _collect(parts), split)


def _deal(source: Iterable[TextProblem], order_N: np.ndarray, parts: list[Path], per_part: int) -> None:
    wanted = {int(place): position for position, place in enumerate(order_N)}
    with ExitStack() as stack:
        opened = [stack.enter_context(part.open("w", encoding="utf-8")) for part in parts]
        for place, problem in enumerate(source):
            if (position := wanted.get(place)) is not None:
                content = [position, problem.prompt, problem.ground_truth, problem.source, problem.level, problem.index]
                opened[position // per_part].write(json.dumps(content) + "\n")


def _collect(parts: list[Path]) -> Iterator[TextProblem]:
    for part in parts:
        with part.open(encoding="utf-8") as file:
            rows = sorted(map(json.loads, file), key=lambda row: row[0])
        for _, prompt, truth, source, level, index in rows:
            yield TextProblem(tuple((role, content) for role, content in prompt), truth, source, level, index)
