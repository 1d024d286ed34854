"""The shape of a checkpoint in a folder, from its config.json in Hugging Face layout."""

import json
from pathlib import Path

from rlaw.study.compute import Architecture
from rlaw.study.presets.base import FAMILIES


def shape_in(folder: Path) -> Architecture | None:
    """The shape that `config.json` gives; None when there is no such file, or it is of another kind of model.

    Raises:
        ValueError: the file is damaged, or lacks a width.
    """
    path = folder / "config.json"
    if not path.is_file():
        return None
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        blocks = FAMILIES.get(config.get("model_type"))
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
    except (KeyError, AttributeError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} does not describe a model: {type(error).__name__} {error}") from error
