"""A model as Hugging Face keeps a Qwen2: what transformers, vLLM, TRL and veRL load."""

import json
from pathlib import Path
from typing import Any

import jax
import numpy as np
from safetensors.numpy import load_file, save_file

from rlaw.engines.local.model import INIT_STD, RMS_EPSILON, ROPE_THETA, Params
from rlaw.study.compute import Architecture
from rlaw.study.plan import Run
from rlaw.tasks import of_tokens

WEIGHTS = "model.safetensors"


def save(folder: Path, run: Run, params: Params) -> None:
    """Write weights, configuration and tokenizer into an existing folder."""
    save_file(_to_qwen2(run.architecture, params), folder / WEIGHTS, metadata={"format": "pt"})
    documents = {
        "config": _config(run),
        "generation_config": _generation(run),
        "tokenizer": _tokenizer(run.task.vocabulary),
        "tokenizer_config": _tokenizer_config(run),
    }
    for name, document in documents.items():
        (folder / f"{name}.json").write_text(json.dumps(document, indent=1) + "\n")


def load(folder: Path, arch: Architecture) -> Params:
    """The weights that `save` wrote, bit for bit."""
    weights = load_file(folder / WEIGHTS)

    def layer(depth: int) -> Params:
        prefix = f"model.layers.{depth}."
        part = {name.removeprefix(prefix): x for name, x in weights.items() if name.startswith(prefix)}
        heads = [f"self_attn.{name}_proj." for name in "qkv"]
        return {
            "attention_norm": part["input_layernorm.weight"],
            "qkv": np.concatenate([part[name + "weight"] for name in heads]).T,
            "qkv_bias": np.concatenate([part[name + "bias"] for name in heads]),
            "out": part["self_attn.o_proj.weight"].T,
            "mlp_norm": part["post_attention_layernorm.weight"],
            "gate": part["mlp.gate_proj.weight"].T,
            "up": part["mlp.up_proj.weight"].T,
            "down": part["mlp.down_proj.weight"],
        }

    layers = [layer(depth) for depth in range(arch.layers)]
    embedding, norm = (weights[f"model.{name}.weight"] for name in ("embed_tokens", "norm"))
    return jax.device_put({"embedding": embedding, "layers": layers, "norm": norm})


def _to_qwen2(arch: Architecture, params: Params) -> dict[str, np.ndarray]:
    """Our weights under Qwen2's names: joined matrices split, (in, out) transposed to (out, in)."""
    params = jax.device_get(params)
    weights = {"model.embed_tokens.weight": params["embedding"], "model.norm.weight": params["norm"]}
    ends = np.cumsum([arch.heads, arch.kv_heads]) * arch.head_dim
    for depth, layer in enumerate(params["layers"]):
        prefix = f"model.layers.{depth}."
        weights[prefix + "input_layernorm.weight"] = layer["attention_norm"]
        weights[prefix + "post_attention_layernorm.weight"] = layer["mlp_norm"]
        weights[prefix + "self_attn.o_proj.weight"] = layer["out"].T
        weights[prefix + "mlp.gate_proj.weight"] = layer["gate"].T
        weights[prefix + "mlp.up_proj.weight"] = layer["up"].T
        weights[prefix + "mlp.down_proj.weight"] = layer["down"]
        for name, x in zip("qkv", np.split(layer["qkv"], ends, axis=1), strict=True):
            weights[f"{prefix}self_attn.{name}_proj.weight"] = x.T
        for name, x in zip("qkv", np.split(layer["qkv_bias"], ends), strict=True):
            weights[f"{prefix}self_attn.{name}_proj.bias"] = x
    return {name: np.ascontiguousarray(x) for name, x in sorted(weights.items())}


def _config(run: Run) -> dict[str, Any]:
    arch = run.architecture
    return {
        "architectures": ["Qwen2ForCausalLM"],
        "model_type": "qwen2",
        "vocab_size": arch.vocab,
        "hidden_size": arch.hidden,
        "intermediate_size": arch.intermediate,
        "num_hidden_layers": arch.layers,
        "num_attention_heads": arch.heads,
        "num_key_value_heads": arch.kv_heads,
        "head_dim": arch.head_dim,
        "hidden_act": "silu",
        "max_position_embeddings": run.sequence_tokens,
        "rms_norm_eps": RMS_EPSILON,
        "rope_theta": ROPE_THETA,
        "rope_parameters": {"rope_type": "default", "rope_theta": ROPE_THETA},  # transformers 5 reads it here
        "initializer_range": INIT_STD,
        "use_sliding_window": False,
        "attention_dropout": 0.0,
        "tie_word_embeddings": arch.tied_embeddings,
        "torch_dtype": "float32",
        "bos_token_id": None,
        **dict.fromkeys(("eos_token_id", "pad_token_id"), of_tokens(run.task).end_token),
    }


def _generation(run: Run) -> dict[str, Any]:
    """How the study samples answers when it evaluates; what follows an end token is filled up with it."""
    return {
        "do_sample": True,
        "temperature": run.evaluation.temperature,
        "max_new_tokens": run.task.completion_tokens,
        **dict.fromkeys(("eos_token_id", "pad_token_id"), of_tokens(run.task).end_token),
    }


def _tokenizer(vocabulary: tuple[str, ...]) -> dict[str, Any]:
    """One token per word, words parted by spaces.

    `PreTrainedTokenizerFast` reads and writes it. transformers 5's `AutoTokenizer` puts Qwen2's own rules in place of
    ours for every qwen2 model, and keeps the added tokens alone: hence every word is one, and it reads our text, too
    (what it writes lacks the spaces).
    """
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": token, "content": text, **_AS_A_WORD} for token, text in enumerate(vocabulary)],
        "normalizer": None,
        "pre_tokenizer": {"type": "WhitespaceSplit"},
        "post_processor": None,
        "decoder": None,
        "model": {
            "type": "WordLevel",
            "vocab": {text: token for token, text in enumerate(vocabulary)},
            "unk_token": "[UNK]",  # not in the vocabulary: an unknown word is an error
        },
    }


def _tokenizer_config(run: Run) -> dict[str, Any]:
    words, end = run.task.vocabulary, of_tokens(run.task).end_token
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": run.sequence_tokens,
        "clean_up_tokenization_spaces": False,
        "added_tokens_decoder": {str(token): {"content": text, **_AS_A_WORD} for token, text in enumerate(words)},
        **dict.fromkeys(("bos_token", "unk_token")),
        **dict.fromkeys(("eos_token", "pad_token"), None if end is None else words[end]),
    }


_AS_A_WORD = {"single_word": False, "lstrip": True, "rstrip": False, "normalized": False, "special": False}
