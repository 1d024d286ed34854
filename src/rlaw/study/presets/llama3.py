"""Llama 3, text models: 1B and 3B are of release 3.2, the others of 3.1. Configurations only."""

from rlaw.study.compute import Architecture
from rlaw.study.presets.base import FAMILIES, Ladder, PublishedSize


def _size(
    name: str, hidden: int, layers: int, heads: int, head_dim: int, intermediate: int, release: str, *, tied: bool
) -> PublishedSize:
    base = f"meta-llama/Llama-{release}-{name}"
    return PublishedSize(
        Architecture(hidden, layers, heads, 8, head_dim, intermediate, 128256, tied, **FAMILIES["llama"]),
        nominal=float(name[:-1]) * 1e9,
        checkpoints={"base": base, "instruct": f"{base}-Instruct"},
    )


LADDER = Ladder(
    family="llama",
    about="Llama 3.2 1B and 3B, Llama 3.1 8B to 405B, base and instruct",
    source="The Llama 3 Herd of Models, arXiv 2407.21783, Table 3, and the model cards",
    sizes={
        "1B": _size("1B", 2048, 16, 32, 64, 8192, "3.2", tied=True),
        "3B": _size("3B", 3072, 28, 24, 128, 8192, "3.2", tied=True),
        "8B": _size("8B", 4096, 32, 32, 128, 14336, "3.1", tied=False),
        "70B": _size("70B", 8192, 80, 64, 128, 28672, "3.1", tied=False),
        "405B": _size("405B", 16384, 126, 128, 128, 53248, "3.1", tied=False),
    },
)
