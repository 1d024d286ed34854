"""Qwen3, dense: configurations only. There is no base of 32B."""

from rlaw.study.compute import Architecture
from rlaw.study.presets.base import FAMILIES, Ladder, PublishedSize


def _size(name: str, hidden: int, layers: int, heads: int, intermediate: int, *, tied: bool = False) -> PublishedSize:
    instruct = f"Qwen/Qwen3-{name}"
    return PublishedSize(
        Architecture(hidden, layers, heads, 8, 128, intermediate, 151936, tied, **FAMILIES["qwen3"]),
        nominal=float(name[:-1]) * 1e9,
        checkpoints={"instruct": instruct} if name == "32B" else {"base": f"{instruct}-Base", "instruct": instruct},
    )


LADDER = Ladder(
    family="qwen3",
    about="Qwen3 0.6B to 32B, dense, base and instruct (post-trained)",
    source="Qwen3 technical report, arXiv 2505.09388, Table 1, and the model cards",
    sizes={
        "0.6B": _size("0.6B", 1024, 28, 16, 3072, tied=True),
        "1.7B": _size("1.7B", 2048, 28, 16, 6144, tied=True),
        "4B": _size("4B", 2560, 36, 32, 9728, tied=True),
        "8B": _size("8B", 4096, 36, 32, 12288),
        "14B": _size("14B", 5120, 40, 40, 17408),
        "32B": _size("32B", 5120, 64, 64, 25600),
    },
)
