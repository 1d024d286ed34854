import pytest

from rlaw.study.compute import Architecture, accounted_flops, forward_flops, training_flops
from rlaw.study.presets import LADDERS

QWEN25 = {name: size.architecture for name, size in LADDERS["qwen2.5-math"].sizes.items()}
#: non-embedding parameters as published in the Qwen2.5 model cards, billions
PUBLISHED = {"0.5B": 0.358, "1.5B": 1.310, "3B": 2.775, "7B": 6.526, "14B": 13.213, "32B": 31.207, "72B": 70.215}


@pytest.mark.parametrize("size", PUBLISHED)
def test_non_embedding_parameters_of_qwen25_are_the_published_ones(size):
    assert QWEN25[size].params / 1e9 == pytest.approx(PUBLISHED[size], abs=5e-4)


def test_total_parameters_of_qwen25_count_the_head_only_when_it_is_untied():
    assert QWEN25["0.5B"].params_total == pytest.approx(0.494e9, rel=1e-3)  # model card: 0.49B
    assert QWEN25["72B"].params_total == pytest.approx(72.7e9, rel=1e-3)  # model card: 72.7B


TINY = Architecture(hidden=4, layers=1, heads=2, kv_heads=1, head_dim=2, intermediate=8, vocab=10)


def test_parameters_of_a_tiny_model_agree_with_a_count_by_hand():
    attention = 4 * 4 + 4 + 2 * (4 * 2 + 2) + 4 * 4
    assert TINY.params == attention + 3 * 4 * 8 + 2 * 4 + 4
    assert TINY.params_total == TINY.params + 10 * 4


def test_forward_flops_of_a_tiny_model_agree_with_a_count_by_hand():
    weights = 4 * 4 + 2 * 4 * 2 + 4 * 4 + 3 * 4 * 8
    by_hand = 7 * (2 * weights + 4 * 4 * 3 + 2 * 4 * 10)
    assert forward_flops(TINY, tokens=7, context=3) == by_hand
    assert training_flops(TINY, tokens=7, context=3) == 3 * by_hand


def test_exact_forward_flops_approach_2n_per_token_for_a_wide_model():
    assert forward_flops(QWEN25["72B"], 1000, 500) == pytest.approx(2 * QWEN25["72B"].params * 1000, rel=0.03)


def test_accounting_models_differ_by_their_factor_only():
    assert accounted_flops("12N", 5, 7) == 2 * accounted_flops("6N", 5, 7) == 12 * 35
