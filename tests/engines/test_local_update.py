"""An optimizer step is the same however its batch is cut, and whatever has no gradient is left out."""

import jax.numpy as jnp
import numpy as np
import pytest

jax = pytest.importorskip("jax", reason="the local engine is not installed: pip install 'rlaw[local]'")

from rlaw.engines.local import model, optimizer  # noqa: E402
from rlaw.engines.local.objective import advantages, token_weights  # noqa: E402
from rlaw.engines.local.update import Samples, completion_logprobs, group_logprobs, micro_batches, update  # noqa: E402
from rlaw.engines.rng import generator  # noqa: E402

PROMPTS, GROUP = 8, 4


@pytest.fixture(scope="module")
def run(make_run):
    return make_run(rl={"weight_decay": 0.1})


@pytest.fixture(scope="module")
def samples(run):
    """Half of the groups are all right or all wrong; the answers come from another policy than the one trained."""
    rng = generator(0, "samples")
    rewards = rng.integers(2, size=(PROMPTS, GROUP)).astype(np.float32)
    rewards[::2] = rewards[::2, :1]
    rewards[1::2, :2] = [0, 1]
    tokens = run.task.completion_tokens
    sequences = rng.integers(run.architecture.vocab, size=(PROMPTS, GROUP, run.sequence_tokens), dtype=np.int32)
    sequences[..., : run.task.prompt_tokens] = sequences[:, :1, : run.task.prompt_tokens]
    old = -3 + 0.2 * rng.standard_normal((PROMPTS, GROUP, tokens), np.float32)
    weights = token_weights(np.ones((PROMPTS, GROUP, tokens), np.float32), "dapo")
    return Samples(sequences, old, None, advantages(rewards, "group"), weights)


def stepped(run, samples, size, skip):
    policy = optimizer.start(model.init(run.architecture, generator(0, "init")), run.rl)
    cut, used = micro_batches(samples, size, skip)
    policy, told = update(run.architecture, run.rl, policy, cut, used, np.float32(1.0))
    # Adam's first moment after one step is a tenth of the clipped gradient: compare that, not the step it makes
    gradient = np.concatenate([np.asarray(x).ravel() for x in jax.tree.leaves(policy.moments[1].mu)])
    return gradient, np.array(told), policy


def test_skipping_groups_without_advantage_changes_the_gradient_by_rounding_alone(run, samples):
    whole, told, _ = stepped(run, samples, 8, skip=False)
    skipped, told_skipped, _ = stepped(run, samples, 8, skip=True)
    assert np.abs(whole).max() > 1e-3
    assert skipped == pytest.approx(whole, abs=1e-6)
    assert told_skipped == pytest.approx(told, abs=1e-6)
    assert (micro_batches(samples, 8, skip=False)[1], micro_batches(samples, 8, skip=True)[1]) == (4, 2)


@pytest.mark.parametrize("size", [12, 32])
def test_the_micro_batch_changes_the_gradient_by_rounding_alone(run, samples, size):
    expected, told, _ = stepped(run, samples, 8, skip=True)
    gradient, told_here, _ = stepped(run, samples, size, skip=True)
    assert gradient == pytest.approx(expected, abs=1e-6)
    assert told_here == pytest.approx(told, abs=1e-6)


@pytest.mark.parametrize("tokens", [1, 2, 3])
def test_reading_a_groups_prompt_once_gives_the_gradient_of_reading_every_sequence_whole(run, samples, tokens):
    arch, sequences = run.architecture, samples.sequences_N.copy()
    sequences[..., :-tokens] = sequences[:, :1, :-tokens]
    params = model.init(arch, generator(0, "init"))
    weights = generator(1, "weights").standard_normal((PROMPTS, GROUP, tokens), np.float32)

    def by_group(params):
        return (weights * group_logprobs(arch, params, sequences, tokens, 0.7)).sum()

    def one_by_one(params):
        flat = completion_logprobs(arch, params, sequences.reshape(PROMPTS * GROUP, -1), tokens, 0.7)
        return (weights.reshape(PROMPTS * GROUP, tokens) * flat).sum()

    (value, gradient), (expected, by_sequence) = (jax.value_and_grad(f)(params) for f in (by_group, one_by_one))
    assert float(value) == pytest.approx(float(expected), rel=1e-5)
    assert max(np.abs(x).max() for x in jax.tree.leaves(gradient)) > 0.1
    for ours, whole in zip(jax.tree.leaves(gradient), jax.tree.leaves(by_sequence), strict=True):
        assert np.asarray(ours) == pytest.approx(np.asarray(whole), abs=1e-5)


def test_what_fills_up_a_micro_batch_has_no_weight(samples):
    cut, used = micro_batches(samples, 12, skip=True)
    assert cut.weights_T.shape == (3, 3, GROUP, 2)
    assert used == 2
    assert np.count_nonzero(cut.weights_T.any(axis=3)) == PROMPTS // 2 * GROUP
    assert cut.weights_T.sum() == pytest.approx(0.5)  # the skipped half keeps its share of the mean


def test_a_batch_without_any_advantage_has_no_gradient_and_is_still_a_step(run, samples):
    nothing = samples._replace(advantages=np.zeros_like(samples.advantages))
    assert micro_batches(nothing, 8, skip=True)[1] == 0
    gradient, told, policy = stepped(run, nothing, 8, skip=True)
    assert not gradient.any()
    assert not told.any()
    assert policy.moments[1].count == 1


def test_the_optimizer_is_adamw_on_a_clipped_gradient(run):
    settings = run.rl.model_copy(update={"max_grad_norm": 0.5, "weight_decay": 0.1})
    weight, gradient, rate = np.float32(2.0), np.float32(3.0), 0.01
    policy = optimizer.start({"w": jnp.asarray(weight)}, settings)
    m = v = 0.0
    for step in (1, 2, 3):
        policy = optimizer.step(policy, jnp.asarray([gradient]), rate, settings)
        clipped = 0.5  # of 3.0
        m, v = 0.9 * m + 0.1 * clipped, 0.95 * v + 0.05 * clipped**2
        direction = m / (1 - 0.9**step) / (np.sqrt(v / (1 - 0.95**step)) + 1e-8)
        weight = weight - rate * (direction + 0.1 * weight)
        assert float(policy.params["w"]) == pytest.approx(weight, rel=1e-5)


def test_learning_rates_warm_up_and_then_stay_or_fall_to_a_tenth(run):
    rl = run.rl.model_copy(update={"warmup_steps": 5, "learning_rate": 1.0})
    assert [optimizer.constant_rate(rl, 16, step) for step in (1, 4, 5, 6, 100)] == [0.2, 0.8, 1, 1, 1]
    rates = optimizer.cosine_rates(run.base, 16)
    peak = run.base.peak_rate(16)
    assert rates.argmax() == run.base.warmup_steps - 1
    assert rates[[0, 19, -1]] == pytest.approx([peak / 20, peak, peak / 10], rel=1e-6)
    assert (np.diff(rates[20:]) < 0).all()


def test_in_bfloat16_the_gradient_is_that_of_float32_within_its_precision(run, samples):
    gradients = []
    for dtype in ("float32", "bfloat16"):
        policy = optimizer.start(model.init(run.architecture, generator(0, "init")), run.rl)
        cut, used = micro_batches(samples, 8, skip=True)
        policy, _ = update(run.architecture, run.rl, policy, cut, used, np.float32(1.0), dtype=dtype)
        assert {x.dtype for x in jax.tree.leaves(policy.params)} == {np.dtype("float32")}
        gradients.append(np.concatenate([np.asarray(x).ravel() for x in jax.tree.leaves(policy.moments[1].mu)]))
    wide, narrow = gradients
    assert not np.array_equal(wide, narrow)
    assert np.linalg.norm(narrow - wide) < 0.02 * np.linalg.norm(wide)
