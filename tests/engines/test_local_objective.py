"""The GRPO objective on a 2 x 3 example worked out by hand: two prompts, three answers each, two tokens an answer."""

import numpy as np
import pytest

jax = pytest.importorskip("jax", reason="the local engine is not installed: pip install 'rlaw[local]'")

from rlaw.engines.local.objective import advantages, grpo_loss, token_weights  # noqa: E402
from rlaw.study.recipe import RL  # noqa: E402

# One right answer in the first group, none in the second. Mean 1/3; deviations 2/3, -1/3, -1/3; their squares sum to
# 6/9, over 3 - 1 that is 1/3, its root 0.577350. Advantages (2/3)/0.577450 and (-1/3)/0.577450 (0.0001 is added below).
REWARDS = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
ADVANTAGES = np.array([[1.154500, -0.577250, -0.577250], [0.0, 0.0, 0.0]])

# Ratios of the first group's tokens. Right answer: 1.5 is clipped to 1.2, 0.9 is kept. First wrong one: 0.5 is clipped
# to 0.8, 1.5 is kept (a bad answer that became likelier is pushed down however far it went). Second wrong one: 1, 1.
RATIOS = np.array([[[1.5, 0.9], [0.5, 1.5], [1.0, 1.0]], [[1.3, 0.7], [1.0, 1.0], [2.0, 0.1]]])
GAINS = np.array(
    [
        [[1.2 * 1.154500, 0.9 * 1.154500], [0.8 * -0.577250, 1.5 * -0.577250], [-0.577250, -0.577250]],
        [[0.0, 0.0], [0.0, 0.0], [0.0, 0.0]],
    ]
)


def loss_of(rl, mask=None, reference=None):
    mask = np.ones_like(RATIOS) if mask is None else mask
    old = np.full((6, 2), -1.0)
    logprobs = old + np.log(RATIOS.reshape(6, 2))
    weights = token_weights(mask, rl.loss_type).reshape(6, 2)
    loss, told = grpo_loss(logprobs, old, reference, advantages(REWARDS, rl.scale_rewards).reshape(6), weights, rl)
    return float(loss), told


def test_advantages_are_those_worked_out_by_hand():
    assert advantages(REWARDS, "group") == pytest.approx(ADVANTAGES, abs=1e-6)
    assert advantages(REWARDS, "none") == pytest.approx(np.array([[2 / 3, -1 / 3, -1 / 3], [0, 0, 0]]))


def test_the_token_mean_loss_is_the_one_worked_out_by_hand():
    loss, told = loss_of(RL(loss_type="dapo"))
    assert loss == pytest.approx(-GAINS.sum() / 12, abs=1e-6)
    # gains: 1.3854 + 1.03905 - 0.4618 - 0.865875 - 0.57725 - 0.57725 = -0.057725 over 12 tokens
    assert loss == pytest.approx(0.0048104, abs=1e-6)
    assert told.clip_share == pytest.approx(2 / 12)  # 1.5 of the right answer, 0.5 of a wrong one
    assert told.kl == 0


def test_the_mean_per_response_differs_once_answers_have_different_lengths():
    mask = np.ones_like(RATIOS)
    mask[0, 0, 1] = 0  # the right answer ended after one token
    by_token, _ = loss_of(RL(loss_type="dapo"), mask)
    by_answer, _ = loss_of(RL(loss_type="grpo"), mask)
    kept = (GAINS * mask).sum(axis=2)
    assert by_token == pytest.approx(-kept.sum() / 11, abs=1e-6)
    assert by_answer == pytest.approx(-(kept / mask.sum(axis=2)).sum() / 6, abs=1e-6)
    assert loss_of(RL(loss_type="grpo"))[0] == pytest.approx(loss_of(RL(loss_type="dapo"))[0], abs=1e-7)


def test_a_wider_upper_clip_range_lets_good_answers_go_further():
    loss, told = loss_of(RL(epsilon_high=0.4))
    assert loss == pytest.approx(-(GAINS.sum() + 0.2 * 1.154500) / 12, abs=1e-6)
    assert told.clip_share == pytest.approx(2 / 12)


def test_clipped_tokens_have_no_gradient():
    def loss(logprobs):
        old, rl = np.full((6, 2), -1.0), RL()
        weights = token_weights(np.ones((2, 3, 2)), "dapo").reshape(6, 2)
        return grpo_loss(logprobs, old, None, advantages(REWARDS, "group").reshape(6), weights, rl)[0]

    gradient = np.asarray(jax.grad(loss)(-1.0 + np.log(RATIOS.reshape(6, 2)))).reshape(2, 3, 2)
    expected = -RATIOS * ADVANTAGES[..., None] / 12
    expected[0, 0, 0] = expected[0, 1, 0] = 0
    assert gradient == pytest.approx(expected, abs=1e-6)


def test_the_kl_term_is_the_low_variance_estimator():
    reference = np.full((6, 2), -0.7)
    gap = reference - (-1.0 + np.log(RATIOS.reshape(6, 2)))
    kl = (np.exp(gap) - gap - 1).mean()
    without, _ = loss_of(RL())
    loss, told = loss_of(RL(beta=0.5), reference=reference)
    assert told.kl == pytest.approx(kl, rel=1e-5)
    assert loss == pytest.approx(without + 0.5 * kl, rel=1e-5)


@pytest.mark.parametrize("loss_type", ["dapo", "grpo"])
def test_weights_sum_to_one_and_are_nothing_after_an_answers_end(loss_type):
    mask = (np.arange(5) < np.array([[5, 3], [1, 4]])[..., None]).astype(float)
    weights = token_weights(mask, loss_type)
    assert weights.sum() == pytest.approx(1)
    assert (weights[mask == 0] == 0).all()
    assert (weights[mask == 1] > 0).all()
