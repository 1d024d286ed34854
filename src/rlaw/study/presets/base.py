"""Ladders of published models, one family each, and the shape of a checkpoint in a folder."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
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


def shape_in(folder: Path) -> Architecture | None:
    """The shape that `config.json` gives; None when there is no such file, or it is of another kind of model.

    Raises:
        ValueError: the file is damaged, or lacks a width.
    """
    path = folder / "config.json"
    if not path.is_file():
        return None
    try:
        return shape_of(json.loads(path.read_text(encoding="utf-8")))
    except (KeyError, AttributeError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} does not describe a model: {type(error).__name__} {error}") from error


def shape_of(config: Mapping[str, Any]) -> Architecture | None:
    """The shape that a model's configuration gives; None for another kind of model.

    Raises:
        KeyError: a width is missing.
    """
    blocks = FAMILIES.get(config.get("model_type") or "")
    if blocks is None:
        return None
    hidden, heads = config["hidden_size"], config["num_attention_heads"]
    return Architecture(
        hidden=hidden,
        layers=config["num_hidden_layers"],
        heads=heads,
        kv_heads=config.get("num_key_value_heads") or heads,
        head_dim=config.get("head_dim") or hidden // heads,
        intermediate=config["intermediate_size"],
        vocab=config["vocab_size"],
        tied_embeddings=config.get("tie_word_embeddings", False),
        **blocks,
    )
