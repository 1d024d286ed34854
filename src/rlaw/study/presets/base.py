"""What a preset ladder is: the published shapes of one family, and where the weights are."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from rlaw.study.compute import Architecture

#: what the blocks of a family have, beside the widths that each size names
FAMILIES: dict[str, dict[str, bool]] = {
    "qwen2": {"attention_bias": True, "qk_norm": False},
    "qwen3": {"attention_bias": False, "qk_norm": True},
    "llama": {"attention_bias": False, "qk_norm": False},
}


@dataclass(frozen=True, slots=True)
class PublishedSize:
    """One published model size.

    Attributes:
        architecture: its shape; the vocabulary is that of the embedding, padding rows included.
        nominal: parameters, as the model's name gives them.
        checkpoints: where the weights of each variant are (Hugging Face ids).
        resources: what one run needs; the fields of `rlaw.study.recipe.Resources`.
        lengths: mean tokens that plans assume; the fields of `rlaw.study.recipe.Lengths`.
    """

    architecture: Architecture
    nominal: float
    checkpoints: Mapping[str, str]
    resources: Mapping[str, int] | None = None
    lengths: Mapping[str, float] | None = None

    def entry(self, name: str) -> dict[str, Any]:
        """The size as an entry of a study file's ladder."""
        names = {"nominal": self.nominal, "checkpoint": dict(self.checkpoints)}
        parts = {key: dict(part) for key in ("resources", "lengths") if (part := getattr(self, key))}
        return {"name": name, **asdict(self.architecture), **names, **parts}


@dataclass(frozen=True, slots=True)
class Ladder:
    """The sizes of one family, smallest first."""

    family: str
    about: str
    source: str
    sizes: Mapping[str, PublishedSize] = field(default_factory=dict)

    def entries(self) -> list[dict[str, Any]]:
        """The ladder of a study file."""
        return [size.entry(name) for name, size in self.sizes.items()]
