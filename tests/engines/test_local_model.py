"""The model: its size, its cache, and that it is transformers' Qwen2 to the last visible digit."""

import json
import math

import numpy as np
import pytest

jax = pytest.importorskip("jax", reason="the local engine is not installed: pip install 'rlaw[local]'")

from rlaw.engines import checkpoint  # noqa: E402
from rlaw.engines.local import hugging_face, model, rollout  # noqa: E402
from rlaw.engines.local.update import completion_logprobs  # noqa: E402
from rlaw.engines.rng import generator  # noqa: E402

whole_logits = jax.jit(model.whole_logits, static_argnums=(0, 3))
next_logits = jax.jit(model.next_logits, static_argnums=0)


@pytest.fixture(scope="module")
def run(make_run):
    """Two query heads share a key-value head, and there are two of these."""
    return make_run(model={"ladder": [{"hidden": 32, "layers": 2, "heads": 4, "kv_heads": 2}]})


@pytest.fixture(scope="module")
def params(run):
    """Weights large enough for every part to matter, biases and norms away from where they start."""
    rng = generator(0, "test")
    fresh = model.init(run.architecture, rng)
    return jax.tree.map(lambda x: x * 4 + 0.1 * rng.standard_normal(x.shape, np.float32), fresh)


def sequences(run, n=24):
    return generator(1, "sequences").integers(run.architecture.vocab, size=(n, run.sequence_tokens), dtype=np.int32)


def test_it_has_as_many_parameters_as_the_architecture_says(run):
    fresh = model.init(run.architecture, generator(0, "init"))
    assert sum(x.size for x in jax.tree.leaves(fresh)) == run.architecture.params_total
    assert run.architecture.params_total - run.params == fresh["embedding"].size


def test_no_position_sees_a_later_one(run, params):
    tokens = sequences(run)
    changed = tokens.copy()
    changed[:, -1] = (changed[:, -1] + 1) % run.architecture.vocab
    logits, altered = (whole_logits(run.architecture, params, x, tokens.shape[1])[0] for x in (tokens, changed))
    assert np.array_equal(logits[:, :-1], altered[:, :-1])
    assert not np.allclose(logits[:, -1], altered[:, -1])


def test_the_top_layer_computed_for_the_last_positions_alone_gives_the_same_logits(run, params):
    tokens = sequences(run)
    whole, _ = whole_logits(run.architecture, params, tokens, tokens.shape[1])
    part, _ = whole_logits(run.architecture, params, tokens, 2)
    assert np.asarray(part) == pytest.approx(np.asarray(whole[:, -2:]), abs=1e-4)


def test_reading_token_by_token_from_the_cache_equals_reading_at_once(run, params):
    tokens = sequences(run)
    arch, length = run.architecture, tokens.shape[1]
    whole, _ = whole_logits(arch, params, tokens, length)
    logits, memories = whole_logits(arch, params, tokens[:, :3], 3)
    parts, memories = [logits], [memory.roomier(length - 3) for memory in memories]
    for position in range(3, length):
        logits, memories = next_logits(arch, params, tokens[:, position], memories, position)
        parts.append(logits[:, None])
    assert np.concatenate(parts, axis=1) == pytest.approx(np.asarray(whole), abs=1e-4)


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_the_rollouts_logprobs_are_those_of_a_full_forward_pass(run, params, temperature):
    problems = run.task.pool(10, seed=0)
    told = rollout.answer(run, params, problems, 4, temperature, "test", 0)
    prompts = np.repeat(problems.prompts_IP[:, None], 4, axis=1)
    whole = np.concatenate([prompts, told.completions_PGT], axis=2).reshape(40, -1)
    expected = completion_logprobs(run.architecture, params, whole, run.task.completion_tokens, temperature)
    assert told.logprobs_PGT.reshape(40, -1) == pytest.approx(np.asarray(expected), abs=1e-4)


def test_tokens_are_drawn_as_often_as_the_model_says(run, params):
    problem = run.task.pool(1, seed=0)
    told = rollout.answer(run, params, problem, 4000, 1.0, "test", 0)
    probs = np.exp(told.logprobs_PGT[0, :, 0])
    for token in np.unique(told.completions_PGT[0, :, 0]):
        drawn = told.completions_PGT[0, :, 0] == token
        p = float(probs[drawn][0])
        assert drawn.mean() == pytest.approx(p, abs=4.5 * math.sqrt(p * (1 - p) / 4000))
    assert told.entropy > 0


def test_what_is_drawn_depends_on_seed_purpose_and_step_alone(run, params):
    problems = run.task.pool(10, seed=0)
    one, same, later = (rollout.answer(run, params, problems, 4, 1.0, "test", step) for step in (3, 3, 4))
    assert np.array_equal(one.completions_PGT, same.completions_PGT)
    assert not np.array_equal(one.completions_PGT, later.completions_PGT)


def test_weights_come_back_from_a_folder_bit_for_bit(run, params, tmp_path):
    checkpoint.write(tmp_path / "model", lambda folder: hugging_face.save(folder, run, params))
    again = hugging_face.load(tmp_path / "model", run.architecture)
    assert jax.tree.all(jax.tree.map(np.array_equal, params, again))


@pytest.fixture(scope="module")
def qwen2(run, params, tmp_path_factory):
    """The saved model, loaded by transformers."""
    pytest.importorskip("torch", reason="torch is not installed: the comparison with transformers cannot be made")
    transformers = pytest.importorskip("transformers", reason="transformers is not installed: nothing to compare with")
    folder = tmp_path_factory.mktemp("hf") / "model"
    checkpoint.write(folder, lambda aside: hugging_face.save(aside, run, params))
    loaded, told = transformers.Qwen2ForCausalLM.from_pretrained(folder, output_loading_info=True)
    assert not told["missing_keys"]
    assert not told["unexpected_keys"]
    tokenizers = (transformers.PreTrainedTokenizerFast, transformers.AutoTokenizer)
    return loaded.eval(), [tokenizer.from_pretrained(folder) for tokenizer in tokenizers]


def test_logits_are_those_of_transformers_qwen2(run, params, qwen2):
    import torch

    tokens = sequences(run)
    ours, _ = whole_logits(run.architecture, params, tokens, tokens.shape[1])
    with torch.no_grad():
        theirs = qwen2[0](torch.from_numpy(tokens).long()).logits.numpy()
    assert np.abs(theirs).max() > 1
    assert np.asarray(ours) == pytest.approx(theirs, abs=1e-4)


def test_greedy_answers_are_those_of_transformers_qwen2(run, params, qwen2):
    import torch

    problems = run.task.benchmark("held-out", 64)
    ours = rollout.answer(run, params, problems, 1, 1e-4, "greedy", 0).completions_PGT[:, 0]
    prompts = torch.from_numpy(problems.prompts_IP).long()
    theirs = qwen2[0].generate(
        prompts, attention_mask=torch.ones_like(prompts), do_sample=False, temperature=None, max_new_tokens=2
    )
    assert np.array_equal(ours, theirs[:, problems.prompts_IP.shape[1] :].numpy())


def test_the_saved_tokenizer_reads_and_writes_our_tokens(run, qwen2):
    (plain, auto), words = qwen2[1], run.task.vocabulary
    assert len(plain) == len(auto) == len(words)
    for prompt in run.task.pool(20, seed=0).prompts_IP.tolist():
        text = " ".join(words[token] for token in prompt)
        assert plain(text)["input_ids"] == auto(text)["input_ids"] == prompt
        assert plain.decode(prompt) == text


def test_the_saved_configuration_says_what_was_trained(run, params, tmp_path):
    checkpoint.write(tmp_path / "model", lambda folder: hugging_face.save(folder, run, params))
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    assert config["architectures"] == ["Qwen2ForCausalLM"]
    assert (config["hidden_size"], config["num_attention_heads"], config["num_key_value_heads"]) == (32, 4, 2)
    assert config["rope_theta"] == config["rope_parameters"]["rope_theta"] == 1000.0
    assert config["tie_word_embeddings"] is True
