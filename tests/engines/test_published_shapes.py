"""The presets' parameter counts against transformers, which builds every model without weights."""

import pytest

torch = pytest.importorskip("torch", reason="needs torch and transformers: make test-verl")
pytest.importorskip("transformers", reason="needs torch and transformers: make test-verl")
pytestmark = pytest.mark.filterwarnings("ignore")

from rlaw.study.presets import LADDERS  # noqa: E402

SIZES = [(ladder, size) for ladder, known in LADDERS.items() for size in known.sizes]


@pytest.mark.parametrize(("ladder", "size"), SIZES)
def test_transformers_counts_the_same_parameters(ladder, size):
    from transformers import AutoConfig, AutoModelForCausalLM

    shape = LADDERS[ladder].sizes[size].architecture
    config = AutoConfig.for_model(
        LADDERS[ladder].family,
        hidden_size=shape.hidden,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        head_dim=shape.head_dim,
        intermediate_size=shape.intermediate,
        vocab_size=shape.vocab,
        tie_word_embeddings=shape.tied_embeddings,
    )
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    counts = {name: parameter.numel() for name, parameter in model.named_parameters()}
    assert sum(counts.values()) == shape.params_total
    outside = sum(count for name, count in counts.items() if "embed_tokens" not in name and "lm_head" not in name)
    assert outside == shape.params
