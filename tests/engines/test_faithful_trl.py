"""Our GRPO is TRL's: the same advantages, losses, gradients and whole steps, on the same tensors, by TRL's own code."""

import numpy as np
import pytest

jax = pytest.importorskip("jax", reason="the local engine is not installed: pip install 'rlaw[local]'")
torch = pytest.importorskip("torch", reason="torch is not installed: nothing to compare with")
trl = pytest.importorskip("trl", reason="TRL is not installed: nothing to compare with")

from rlaw.engines import checkpoint  # noqa: E402
from rlaw.engines.local import hugging_face, model, optimizer, rollout, update  # noqa: E402
from rlaw.engines.local.grpo import GRPO  # noqa: E402
from rlaw.engines.local.objective import advantages, token_weights  # noqa: E402
from rlaw.engines.local.state import TrainState  # noqa: E402
from rlaw.engines.rng import generator  # noqa: E402
from rlaw.engines.trl import settings  # noqa: E402
from rlaw.engines.trl.adapter import TokenAdapter  # noqa: E402
from rlaw.engines.trl.rollouts import Grader  # noqa: E402
from rlaw.engines.trl.trainer import Trainer  # noqa: E402

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"),
]

P, G = 6, 4


def make(make_run, **rl):
    """A run of one minibatch a step: TRL fills its minibatches at random."""
    shape = {"ladder": [{"hidden": 32, "layers": 2, "heads": 4, "kv_heads": 2}]}
    fixed = {"prompts": P, "num_generations": G, "minibatches": 1, "steps": 4}
    return make_run(model=shape, rl=fixed | rl, engine={"micro_batch": 6})


def weights_of(run):
    """Weights large enough for every part to matter, biases and norms away from where they start."""
    rng = generator(0, "test")
    fresh = model.init(run.architecture, rng)
    return jax.tree.map(lambda x: x * 4 + 0.1 * rng.standard_normal(x.shape, np.float32), fresh)


def trainer_of(run, params, folder, rollouts=None, rewards=None):
    """TRL's trainer on those weights; `rollouts` are answers to replay, one (P, G, T) array for each step."""
    import datasets
    import transformers

    checkpoint.write(folder / "base", lambda aside: hugging_face.save(aside, run, params))
    adapter = TokenAdapter(run.task, str(folder / "base"))
    grader = Grader(run, adapter)
    steps = iter(rollouts or ())

    def replay(prompts, trainer):
        completions = next(steps).reshape(len(prompts), -1).tolist()
        return {"prompt_ids": adapter.tokenizer(prompts)["input_ids"], "completion_ids": completions, "logprobs": None}

    def given(completion_ids, **_):
        return rewards.ravel().tolist()

    rows = {"prompt": adapter.prompts(grader.problems), "index": list(range(len(grader.problems)))}
    trainer = Trainer(
        run,
        model=transformers.AutoModelForCausalLM.from_pretrained(folder / "base", dtype=torch.float32),
        reward_funcs=grader if rewards is None else given,
        args=settings.config(run, folder / "out"),
        train_dataset=datasets.Dataset.from_dict(rows),
        processing_class=adapter.tokenizer,
        rollout_func=replay if rollouts else None,
    )
    trainer.remove_callback(transformers.PrinterCallback)
    return trainer


@pytest.mark.parametrize("scale", ["group", "none"])
def test_advantages_are_trls(make_run, tmp_path, scale):
    run = make(make_run, scale_rewards=scale)
    rng = generator(1, "rewards")
    rewards_PG = rng.choice([0.0, 0.5, 1.0], size=(P, G)).astype(np.float32)
    rewards_PG[0] = 1.0  # a group without any
    answers = rng.integers(run.architecture.vocab, size=(P, G, run.task.completion_tokens))
    trainer = trainer_of(run, weights_of(run), tmp_path, [answers], rewards_PG)
    trainer.model.train()
    rows = [trainer.train_dataset[i // G] for i in range(P * G)]
    theirs = trainer._generate_and_score_completions(rows)["advantages"].numpy()
    assert np.abs(theirs).max() > 0.3
    assert advantages(rewards_PG, scale).ravel() == pytest.approx(theirs, abs=1e-5)


@pytest.mark.parametrize("loss_type", ["dapo", "grpo"])
@pytest.mark.parametrize("beta", [0.0, 0.3])
def test_clipped_loss_kl_and_gradients_are_trls(make_run, tmp_path, loss_type, beta):
    run = make(make_run, loss_type=loss_type, beta=beta, epsilon_high=0.3, temperature=0.8)
    params, (Q, T) = weights_of(run), (run.task.prompt_tokens, run.task.completion_tokens)
    rng = generator(2, "tensors")
    sequences = rng.integers(run.architecture.vocab, size=(P * G, Q + T), dtype=np.int32)
    sequences[:, :Q] = np.repeat(sequences[::G, :Q], G, axis=0)  # a group answers one prompt
    mask = np.ones((P * G, T), np.float32)
    mask[rng.random(P * G) < 0.4, -1] = 0  # some answers end early
    now = np.asarray(update.completion_logprobs(run.architecture, params, sequences, T, run.rl.temperature))
    old, reference = (now + 0.3 * rng.standard_normal(now.shape, np.float32) for _ in range(2))
    advantage = rng.standard_normal(P * G, np.float32)

    weights = token_weights(mask[:, None], loss_type)[:, 0]
    flat = update.Samples(sequences, old, reference if beta else None, advantage, weights)
    samples = jax.tree.map(lambda x: x.reshape(P, G, *x.shape[1:]), flat)
    (ours, told), gradient = jax.value_and_grad(update._loss, argnums=2, has_aux=True)(
        run.architecture, run.rl, params, samples
    )

    trainer = trainer_of(run, params, tmp_path)
    trainer.model.train()
    trainer.current_gradient_accumulation_steps = 1
    trainer.args.steps_per_generation = 1
    tensors = {
        "prompt_ids": sequences[:, :Q].astype(np.int64),
        "prompt_mask": np.ones((P * G, Q), np.int64),
        "completion_ids": sequences[:, Q:].astype(np.int64),
        "completion_mask": mask.astype(np.int64),
        "advantages": advantage,
        "old_per_token_logps": old,
        "ref_per_token_logps": reference,
        "num_items_in_batch": np.asarray(mask.sum()),
    }
    theirs = trainer._compute_loss(trainer.model, {name: torch.as_tensor(x) for name, x in tensors.items()})
    theirs.backward()

    metrics = trainer._metrics["train"]
    assert float(ours) == pytest.approx(theirs.item(), rel=1e-5, abs=1e-6)
    assert 0.05 < metrics["clip_ratio/region_mean"][0] < 0.95
    if loss_type == "dapo":  # TRL tells means over tokens, whatever the loss weighs
        assert float(told.clip_share) == pytest.approx(metrics["clip_ratio/region_mean"][0], abs=1e-6)
        if beta:
            assert float(told.kl) == pytest.approx(metrics["kl"][0], rel=1e-5)
    of_theirs = {name: p.grad.numpy() for name, p in trainer.model.named_parameters()}
    of_ours = hugging_face._to_qwen2(run.architecture, jax.tree.map(np.asarray, gradient))
    assert of_ours.keys() == of_theirs.keys()
    scale = max(np.abs(x).max() for x in of_theirs.values())
    for name, x in of_ours.items():
        assert np.abs(x - of_theirs[name]).max() < 1e-5 * scale, name


@pytest.mark.parametrize(
    "rl",
    [
        {"loss_type": "dapo", "warmup_steps": 3, "max_grad_norm": 0.2},
        {"loss_type": "grpo", "beta": 0.1, "num_iterations": 2, "weight_decay": 0.1, "learning_rate": 1e-3},
    ],
    ids=["clipped gradient, warm-up", "KL, two passes, decay"],
)
def test_whole_steps_on_the_same_rollouts_end_at_the_same_weights(make_run, tmp_path, rl):
    run = make(make_run, **rl)
    params = weights_of(run)
    recipe, at = GRPO(run, params, 1), TrainState(policy=optimizer.start(params, run.rl))
    answers, records = [], []
    for step in range(1, run.rl.steps + 1):
        problems = recipe.data.of_step(step, P)
        drawn = rollout.answer(run, at.policy.params, problems, G, run.rl.temperature, "rollout", step)
        answers.append(drawn.completions_PGT)
        at = recipe.step(at)
        records.append(at.record)
    trainer = trainer_of(run, params, tmp_path, answers)
    trainer.train()

    logs = [one for one in trainer.state.log_history if "loss" in one]
    passes = settings.updates(run)
    norms = [np.mean([one["grad_norm"] for one in logs[i : i + passes]]) for i in range(0, len(logs), passes)]
    assert [record.grad_norm for record in records] == pytest.approx(norms, rel=1e-4)
    assert [record.learning_rate for record in records] == pytest.approx(
        [one["learning_rate"] for one in logs[::passes]]
    )
    before = hugging_face._to_qwen2(run.architecture, params)
    after = hugging_face._to_qwen2(run.architecture, jax.tree.map(np.asarray, at.policy.params))
    moved = max(np.abs(after[name] - before[name]).max() for name in after)
    assert moved > 1e-3
    for name, x in trainer.model.named_parameters():
        assert np.abs(after[name] - x.detach().numpy()).max() < 1e-2 * moved, name
