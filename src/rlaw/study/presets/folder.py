"""The shape of a checkpoint in a folder, from its config.json in Hugging Face layout."""

import json
from pathlib import Path

from rlaw.study.compute import Architecture
from rlaw.study.presets.base import FAMILIES


def shape_in(folder: Path) -> Architecture | None:
    """The shape that `config.json` tells; None when there is no such file, or it is of another kind of model.

    Raises:
        ValueError: the file is damaged, or lacks a width.
    """
    path = folder / "config.json"
    if not path.is_file():
        return None
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        blocks = FAMILIES.get(told.get("model_type"))
        if blocks is None:
            return None
        hidden, heads = told["hidden_size"], told["num_attention_heads"]
        return Architecture(
            hidden=hidden,
            layers=told["num_hidden_layers"],
            heads=heads,
            kv_heads=told.get("num_key_value_heads") or heads,
            head_dim=told.get("head_dim") or hidden // heads,
            intermediate=told["intermediate_size"],
            vocab=told["vocab_size"],
            tied_embeddings=told.get("tie_word_embeddings", False),
            **blocks,
        )
    except (KeyError, AttributeError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} does not describe a model: {type(error).__name__} {error}") from error
