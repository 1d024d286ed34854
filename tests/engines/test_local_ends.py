"""Answers that end when the model says so: what follows the end counts nowhere, and tokens and FLOPs are real ones."""

import json
from dataclasses import replace
from functools import cached_property
from typing import Literal

import numpy as np
import pytest

jax = pytest.importorskip("jax", reason="the local engine is not installed: pip install 'rlaw[local]'")

from rlaw.engines import Workspace, checkpoint  # noqa: E402
from rlaw.engines.local import hugging_face, optimizer, pretrain, rollout  # noqa: E402
from rlaw.engines.local.engine import LocalEngine  # noqa: E402
from rlaw.engines.local.grpo import step_flops  # noqa: E402
from rlaw.engines.local.objective import token_weights  # noqa: E402
from rlaw.engines.local.update import Samples, completion_logprobs, micro_batches, update  # noqa: E402
from rlaw.engines.rng import generator  # noqa: E402
from rlaw.store.records import BaseTrained, Evaluated, Step  # noqa: E402
from rlaw.study.compute import forward_flops, training_flops  # noqa: E402
from rlaw.tasks import ModularChains  # noqa: E402
from rlaw.tasks.base import Problems, Task  # noqa: E402


class EndedChains(Task):
    """Chains whose answer is one running value per operation, then the end token: two to four tokens."""

    name: Literal["ended-chains"] = "ended-chains"

    @property
    def prompt_tokens(self):
        return 4

    @property
    def completion_tokens(self):
        return 5  # one more than an answer needs

    @cached_property
    def chains(self):
        return ModularChains(modulus=7, operations=(1, 3))

    @property
    def vocabulary(self):
        return (*self.chains.vocabulary, "end")

    @property
    def end_token(self):
        return len(self.vocabulary) - 1

    def ended(self, prompts_IP, answers_IT):
        """The answers up to the last operation, then end tokens."""
        no_op = len(self.chains.vocabulary) - 1
        ended_IT = np.where(prompts_IP[:, 1:] == no_op, self.end_token, answers_IT)
        return np.pad(ended_IT, ((0, 0), (0, 2)), constant_values=self.end_token).astype(np.int32)

    def corpus(self, documents):
        prompts_IP, told_IT = np.split(self.chains.corpus(documents), [4], axis=1)
        return np.concatenate([prompts_IP, self.ended(prompts_IP, told_IT)], axis=1)

    def pool(self, size, seed):
        return self._ended(self.chains.pool(size, seed))

    def benchmark(self, name, items):
        return self._ended(self.chains.benchmark(name, items))

    def grade(self, problems, completions_IT):
        return (completions_IT == problems.answers_IT).all(axis=1).astype(np.float32)

    def _ended(self, problems):
        answers_IT = self.ended(problems.prompts_IP, problems.answers_IT)
        return Problems(problems.prompts_IP, answers_IT, problems.levels_I)


@pytest.fixture(scope="module")
def run(make_run):
    return replace(make_run(), task=EndedChains())


@pytest.fixture(scope="module")
def params(run, cache):
    return pretrain.base(run, cache)[0]


@pytest.fixture(scope="module")
def told(run, params):
    """Answers of a base that has learnt to end them; 40 groups of 8, which is several batches."""
    return rollout.answer(run, params, run.task.pool(40, seed=0), 8, 1.0, "test", 0)


def test_an_answer_ends_with_its_first_end_token_and_is_filled_up_with_it(run, told):
    end = run.task.end_token
    assert {2, 3, 4} <= set(told.lengths_PG.ravel())
    for answer, length in zip(told.completions_PGT.reshape(-1, 5), told.lengths_PG.ravel(), strict=True):
        assert end not in answer[: length - 1]
        assert length == 5 or answer[length - 1] == end
        assert (answer[length:] == end).all()


def test_lengths_tokens_and_truncation_are_those_of_the_answers(run, told):
    assert told.tokens == told.lengths_PG.sum() == told.mask_PGT.sum() < told.mask_PGT.size
    assert told.response_length == pytest.approx(told.lengths_PG.mean())
    never = ~(told.completions_PGT == run.task.end_token).any(axis=2)
    assert told.truncated_share == never.mean()


def test_an_answer_without_an_end_is_truncated(run, params):
    """No end token can be drawn by a model to which it is infinitely unlikely."""
    flat = jax.tree.map(lambda x: x * 0, params)
    problems, uniforms = run.task.pool(4, seed=0), np.zeros((4, 2, 5), np.float32)
    drawn, *_ = rollout.sample(run.architecture, flat, problems.prompts_IP, uniforms, 1.0, 8, 4, run.task.end_token)
    assert (drawn == 0).all()  # every token as likely as any other: a uniform number of 0 draws the first
    assert run.task.answer_mask(drawn).all()


def test_prompts_read_in_parts_are_answered_alike(run, params):
    problems, uniforms = run.task.pool(8, seed=0), generator(1, "test").random((8, 2, 5), np.float32)
    arch, end = run.architecture, run.task.end_token
    at_once, in_parts, not_divided = (
        rollout.sample(arch, params, problems.prompts_IP, uniforms, 1.0, 16, read, end) for read in (8, 2, 3)
    )
    for others in (in_parts, not_divided):
        assert (others[0] == at_once[0]).all()
        np.testing.assert_allclose(others[1], at_once[1], atol=1e-5)


def test_a_batch_whose_answers_have_all_ended_is_drawn_no_further(run, params):
    """A temperature of 1e-4 is greedy: problems of one operation end after two tokens, and nothing is drawn then."""
    problems = run.task.benchmark("held-out", 40)
    easy = problems.take(np.flatnonzero(problems.levels_I == 1))
    uniforms = np.full((len(easy), 2, 5), 0.5, np.float32)
    arch, end = run.architecture, run.task.end_token
    drawn, logprobs, _ = rollout.sample(arch, params, easy.prompts_IP, uniforms, 1e-4, 2 * len(easy), len(easy), end)
    assert (drawn[..., 1] == end).all()
    assert (logprobs[..., 3:] == 0).all()  # one more token is drawn to see that all have ended
    assert (drawn[..., 3:] == 0).all()


def test_entropy_and_logprobs_are_of_the_answers_tokens_alone(run, params, told):
    whole = np.concatenate([np.repeat(run.task.pool(40, 0).prompts_IP, 8, 0), told.completions_PGT.reshape(-1, 5)], 1)
    expected = np.asarray(completion_logprobs(run.architecture, params, whole, 5, 1.0)).reshape(40, 8, 5)
    assert told.logprobs_PGT == pytest.approx(expected * told.mask_PGT, abs=1e-4)
    assert (told.logprobs_PGT[told.mask_PGT == 0] == 0).all()


def test_what_follows_the_end_has_no_gradient(run, params, told):
    prompts = np.repeat(run.task.pool(40, 0).prompts_IP[:, None], 8, axis=1)
    rng = np.random.default_rng(0)
    advantages = rng.standard_normal((40, 8)).astype(np.float32)
    other = np.where(told.mask_PGT > 0, told.completions_PGT, rng.integers(7, size=told.completions_PGT.shape))
    moments = []
    for completions in (told.completions_PGT, other):
        sequences = np.concatenate([prompts, completions], axis=2).astype(np.int32)
        samples = Samples(
            sequences, told.logprobs_PGT, None, advantages, token_weights(told.mask_PGT, run.rl.loss_type)
        )
        cut, used = micro_batches(samples, 8, skip=True)
        policy, _ = update(run.architecture, run.rl, optimizer.start(params, run.rl), cut, used, np.float32(1e-3))
        moments.append(np.concatenate([np.asarray(x).ravel() for x in jax.tree.leaves(policy.moments[1].mu)]))
    assert np.abs(moments[0]).max() > 1e-3
    assert moments[0] == pytest.approx(moments[1], abs=1e-7)


def test_pretraining_does_not_see_what_follows_the_end(run):
    documents = run.task.corpus(run.base.steps * run.base.batch_size)
    mask = run.task.answer_mask(documents[:, 4:])
    noise = np.random.default_rng(0).integers(7, size=mask.shape)
    noisy = np.concatenate([documents[:, :4], np.where(mask > 0, documents[:, 4:], noise)], axis=1)
    noisy = noisy.astype(np.int32)
    (one, losses), (other, _) = (pretrain.pretrain(run, text) for text in (documents, noisy))
    assert losses[-60:].mean() < 0.6 * losses[0]
    # an end token after the end is replaced by a value: the mask of the noisy text is the same all the same
    assert np.array_equal(run.task.answer_mask(noisy[:, 4:]), mask)
    assert jax.tree.all(jax.tree.map(lambda x, y: np.allclose(x, y, atol=1e-6), one, other))


def test_records_count_real_tokens_and_flops(run, cache, tmp_path):
    records = list(LocalEngine().train(run, Workspace(tmp_path, cache, 1)))
    arch, samples = run.architecture, run.rl.samples
    total = 0
    for step in (r for r in records if isinstance(r, Step)):
        assert step.prompt_tokens == samples * 4
        assert 2 * samples < step.response_tokens < 5 * samples
        assert step.response_length == step.response_tokens / samples
        assert step.flops["update"] < training_flops(arch, samples * 8, 4.5, samples * 5)
        total += step.prompt_tokens + step.response_tokens
    assert [r.tokens for r in records if isinstance(r, Evaluated)][-1] == total
    (base,) = (r for r in records if isinstance(r, BaseTrained))
    documents = run.task.corpus(run.base.steps * run.base.batch_size)
    assert base.tokens == documents.shape[0] * 4 + run.task.answer_mask(documents[:, 4:]).sum()
    assert base.base_flops < run.base_flops


def test_flops_of_answers_of_unequal_length_are_the_sum_over_them(run):
    arch, lengths = run.architecture, np.array([[2, 5], [3, 3]])
    flops = step_flops(replace(run, rl=run.rl.model_copy(update={"prompts": 2, "num_generations": 2})), lengths)
    reading = 2 * forward_flops(arch, 4, 2.5, 1)
    assert flops.rollout == reading + sum(forward_flops(arch, n - 1, 4 + n / 2) for n in lengths.ravel())
    assert flops.update == 3 * flops.rollout


def test_greedy_answers_are_those_of_transformers(run, params, tmp_path):
    torch = pytest.importorskip("torch", reason="torch is not installed: the comparison cannot be made")
    transformers = pytest.importorskip("transformers", reason="transformers is not installed: nothing to compare with")
    folder = tmp_path / "model"
    checkpoint.write(folder, lambda aside: hugging_face.save(aside, run, params))
    theirs = transformers.Qwen2ForCausalLM.from_pretrained(folder).eval()
    problems = run.task.benchmark("held-out", 40)
    ours = rollout.answer(run, params, problems, 1, 1e-4, "greedy", 0).completions_PGT[:, 0]
    prompts = torch.from_numpy(problems.prompts_IP).long()
    answers = theirs.generate(
        prompts, attention_mask=torch.ones_like(prompts), do_sample=False, temperature=None, max_new_tokens=5
    )
    answers = answers[:, 4:].numpy()  # generate stops when all have ended
    assert np.array_equal(ours[:, : answers.shape[1]], answers)
    assert (ours[:, answers.shape[1] :] == run.task.end_token).all()
    assert len({row.index(run.task.end_token) for row in ours.tolist() if run.task.end_token in row}) > 1
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    assert tokenizer.eos_token_id == tokenizer.pad_token_id == run.task.end_token
    assert len(tokenizer) == len(run.task.vocabulary)


def test_the_saved_configuration_names_the_end(run, params, tmp_path):
    checkpoint.write(tmp_path / "model", lambda folder: hugging_face.save(folder, run, params))
    for name in ("config", "generation_config"):
        document = json.loads((tmp_path / "model" / f"{name}.json").read_text())
        assert document["eos_token_id"] == document["pad_token_id"] == run.task.end_token
