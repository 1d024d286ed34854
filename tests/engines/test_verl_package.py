"""The installed veRL itself: takes our configurations, reads our data, calls our reward, writes the logs that we read.

It cannot train without CUDA, so nothing here trains; `make test-verl` installs it and runs this.
"""

import json
import math
import subprocess
import sys

import pytest

pytest.importorskip("verl", reason="needs veRL: make test-verl")
pytest.importorskip("transfer_queue", reason="needs what veRL's trainer imports: make test-verl")
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.filterwarnings("default::UserWarning")]

from verl_runs import RESOURCES, planned, write_problems  # noqa: E402

from rlaw import engines  # noqa: E402
from rlaw.engines.base import Workspace  # noqa: E402
from rlaw.engines.data import check_lengths, distinct_so_far, training_texts  # noqa: E402
from rlaw.engines.progress import Progress  # noqa: E402
from rlaw.engines.verl import attempt, checkpoint, engine, prepare, settings  # noqa: E402
from rlaw.engines.verl.paths import Paths  # noqa: E402
from rlaw.engines.verl.recorder import Recorder  # noqa: E402
from rlaw.engines.verl.validate import compose  # noqa: E402
from rlaw.errors import EngineError  # noqa: E402
from rlaw.store.records import Evaluated, Step  # noqa: E402
from rlaw.study.plan import plan  # noqa: E402
from rlaw.study.presets import study_file  # noqa: E402
from rlaw.study.study import Study  # noqa: E402

TEMPLATE = "{% for m in messages %}{{ m['role'] }} : {{ m['content'] }} {% endfor %}assistant :"


@pytest.fixture
def folder(tmp_path):
    return write_problems(tmp_path / "problems")


@pytest.fixture
def run(folder):
    return planned(folder).runs[0]


@pytest.fixture
def paths(tmp_path):
    made = Paths.of(Workspace(tmp_path / "a 'run'", tmp_path / "cache", 1))
    made.attempt.mkdir(parents=True)
    return made


@pytest.fixture(scope="module")
def tokenizer():
    """One token a word, with a chat template."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    unknown, end = "<unk>", "<end>"
    words = Tokenizer(models.WordLevel({unknown: 0, end: 1}, unk_token=unknown))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(
        tokenizer_object=words, unk_token=unknown, eos_token=end, pad_token=end, chat_template=TEMPLATE
    )


def composed(run, paths, resume=None):
    return compose(settings.overrides(run, settings.places(run, paths, "Qwen/Qwen2.5-0.5B", resume)))


def test_verl_takes_the_configuration_of_every_size_and_arm_of_the_paper_s_study(paths):
    with study_file("qwen2.5-math") as path:
        runs = plan(Study.load(path)).runs
    for run in {(run.size.name, run.arm): run for run in runs}.values():
        settings.check(run)
        config = composed(run, paths)
        actor, rollout = config["actor_rollout_ref"]["actor"], config["actor_rollout_ref"]["rollout"]
        assert config["trainer"]["nnodes"] * config["trainer"]["n_gpus_per_node"] == run.resources.gpus
        assert (actor["use_kl_loss"], actor["kl_loss_coef"], actor["kl_loss_type"]) == (True, 0.001, "low_var_kl")
        assert (actor["ppo_mini_batch_size"], actor["optim"]["lr"]) == (128, 1e-6)
        assert (rollout["n"], rollout["val_kwargs"]["temperature"]) == (run.rl.num_generations, 0.7)
        assert (config["data"]["shuffle"], config["data"]["train_batch_size"]) == (False, 512)


def test_every_name_that_is_set_is_one_of_verl_s_and_arrives_with_its_value(run, paths):
    resume = (2, str(paths.checkpoints / "global_step_2"))
    config = composed(run, paths, resume)
    told = {**settings.recipe(run), **settings.places(run, paths, "Qwen/Qwen2.5-0.5B", resume)}
    for key, value in told.items():
        at = config
        for part in key.lstrip("+").split("."):
            at = at[part]
        assert at == value, key


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"actor_rollout_ref.rollout.gpu_memory": 0.5}, "Could not override"),
        ({"actor_rollout_ref.actor.ulysses_sequence_parallel_size": 2,
          "actor_rollout_ref.model.use_remove_padding": False}, "use_remove_padding"),
    ],
)  # fmt: skip
def test_settings_that_verl_refuses_are_refused_in_its_words_before_the_gpus_are_asked_for(folder, given, told):
    run = planned(folder, engine={"name": "verl", "settings": given}).runs[0]
    with pytest.raises(EngineError, match=f"(?s)veRL refuses engine.settings: .*{told}"):
        engines.get("verl").check(run)


def test_the_tested_version_is_a_supported_one():
    assert not any("another version" in reason for reason in engine.missing())


def test_verl_s_own_dataset_reads_our_problems_in_the_study_s_order(run, paths, tokenizer):
    from omegaconf import OmegaConf
    from verl.utils.dataset.rl_dataset import RLHFDataset

    met = training_texts(run)
    prepare.write(run, paths, met)
    check_lengths(run, [met], tokenizer)
    config = OmegaConf.create({**composed(run, paths)["data"], "cache_dir": str(paths.attempt)})
    train = RLHFDataset(str(paths.train), tokenizer, config)
    assert len(train) == 16
    assert [train[i]["reward_model"]["ground_truth"] for i in range(16)] == [problem.ground_truth for problem in met]
    assert list(train[0]["raw_prompt"]) == met[0].messages
    held_out = RLHFDataset(str(paths.validation), tokenizer, config)
    assert held_out[3]["extra_info"]["split"] == "gsm8k"


def test_verl_loads_our_reward_from_its_file_and_gets_score_item_and_verdict(run, paths):
    from omegaconf import OmegaConf
    from verl.trainer.ppo.reward import get_custom_reward_fn

    prepare.write(run, paths, training_texts(run))
    grade = get_custom_reward_fn(OmegaConf.create(composed(run, paths)))
    assert grade is not None
    about = {"split": "gsm8k", "index": 1, "num_turns": 2, "rollout_reward_scores": {}}
    told = grade(data_source="sums", solution_str=r"\boxed{402}", ground_truth="402", extra_info=about)
    assert told == {"score": 1.0, "acc": 1.0, "item": "gsm8k/1", "verdict": "right"}


ANSWERS = [  # item, answer, verdict: two samples of three held-out and two GSM8K problems, one answer never came
    ("held-out/0", "the answer is 200", "right"), ("held-out/0", "200", "right"),
    ("held-out/1", "202", "right"), ("held-out/1", "7", "wrong"),
    ("held-out/2", "x", "unparsed"), ("held-out/2", "9^9^9", "timeout"),
    ("gsm8k/0", "400", "right"), ("gsm8k/0", "1", "wrong"), ("gsm8k/1", "2", "wrong"),
]  # fmt: skip


def rollouts_of(run, step):
    """16 rollouts of a step as veRL holds them: prompt 3's group is all wrong, prompt 0's all right."""
    import torch
    from verl import DataProto

    torch.manual_seed(step)
    answers, prompt, response = run.rl.samples, 10, run.task.completion_tokens
    lengths = torch.randint(5, response, (answers,))
    lengths[0] = response
    mask = (torch.arange(response) < lengths[:, None]).long()
    rewards = torch.tensor([1, 1, 1, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0], dtype=torch.float32)
    scores = torch.zeros(answers, response)
    scores[torch.arange(answers), lengths - 1] = rewards
    batch = DataProto.from_single_dict(
        {
            "prompts": torch.ones(answers, prompt, dtype=torch.long),
            "responses": torch.ones(answers, response, dtype=torch.long),
            "attention_mask": torch.cat([torch.ones(answers, prompt, dtype=torch.long), mask], dim=1),
            "response_mask": mask,
            "token_level_scores": scores,
            "token_level_rewards": scores,
            "advantages": scores,
            "returns": scores,
        }
    )
    batch.meta_info["global_token_num"] = (prompt + lengths).tolist()
    return batch, rewards.tolist(), lengths


def write_like_verl(run, paths, steps):
    """A training as veRL tells it: its metrics, its logger, its dumps; only the numbers are ours."""
    import numpy as np
    from verl.trainer.ppo.metric_utils import (
        compute_data_metrics,
        compute_throughout_metrics,
        compute_timing_metrics,
        process_validation_metrics,
    )
    from verl.trainer.ppo.v1.trainer_base import PPOTrainer
    from verl.utils.tracking import Tracking

    tracking = Tracking("sums", run.label, default_backend=["file"], config={})
    write = PPOTrainer._write_generations

    def validate(step):
        items, texts, verdicts = zip(*ANSWERS, strict=True)
        scores = [float(verdict == "right") for verdict in verdicts]
        extra = {"acc": scores, "item": list(items), "verdict": list(verdicts), "uid": [f"{i}_0_0" for i in range(9)]}
        write(texts, texts, texts, scores, extra, str(paths.answers), step)
        told = process_validation_metrics(["sums"] * 9, list(items), {"acc": scores, "item": list(items)})
        return {f"val-core/sums/acc/{name}": value for name, value in told["sums"]["acc"].items()}

    first, last = steps
    if first == 1:
        tracking.log(data=validate(0), step=0)
    for step in range(first, last + 1):
        batch, rewards, lengths = rollouts_of(run, step)
        timing = {"gen": 2.0, "old_log_prob": 0.5, "ref": 0.5, "update_actor": 1.5, "step": 5.0}
        metrics = {
            "actor/pg_loss": np.float64(0.25), "actor/kl_loss": np.float32(0.5), "actor/entropy": 1.5, "actor/lr": 1e-6,
            "actor/pg_clipfrac": 0.01, "actor/grad_norm": np.float64(0.75),
            **compute_data_metrics(batch, use_critic=False), **compute_timing_metrics(batch, timing),
            **compute_throughout_metrics(batch, timing, n_gpus=2), **(validate(step) if step % 2 == 0 else {}),
        }  # fmt: skip
        texts = ["?"] * len(rewards)
        uids = [f"{i // 4}_{i % 4}_0" for i in range(len(rewards))]
        write(texts, texts, texts, rewards, {"uid": uids}, str(paths.rollouts), step)
        tracking.log(data=metrics, step=step)
    tracking.logger["file"].finish()
    return lengths


class Ended:
    """A training that is over."""

    def alive(self):
        return False

    def fault(self):
        return "it stopped"

    def stop(self):
        return None


@pytest.fixture
def recorder(run, tokenizer):
    distinct = distinct_so_far(problem.prompt for problem in training_texts(run)).tolist()
    return Recorder(run, 1, distinct, {"held-out": 3, "gsm8k": 2}, tokenizer)


@pytest.fixture
def train(run, paths, recorder, monkeypatch):
    monkeypatch.setattr("rlaw.engines.verl.log.DUMP_SECONDS", 0.1)  # one answer of ANSWERS never comes
    monkeypatch.setenv("VERL_FILE_LOGGER_PATH", str(paths.log))

    def records(steps=(1, 4), at=None):
        lengths = write_like_verl(run, paths, steps)
        return lengths, list(attempt.records(recorder, paths, at or Progress(), Ended()))

    return records


def test_what_verl_logs_and_dumps_becomes_records_with_the_counts_of_every_item(run, train):
    _, records = train()
    measured = [record for record in records if isinstance(record, Evaluated)]
    assert [(one.step, one.benchmark) for one in measured] == [
        (step, name) for step in (0, 2, 4) for name in ("held-out", "gsm8k")
    ]
    held_out, gsm8k = measured[:2]
    assert (held_out.correct, held_out.items, held_out.samples, held_out.unjudged) == ([2, 1, 0], 3, 2, 1)
    assert held_out.test_loss == pytest.approx(1 - 3 / 6)
    assert (gsm8k.correct, gsm8k.unjudged) == ([1, 0], 1)
    assert held_out.response_length == pytest.approx((4 + 1 + 1 + 1 + 1 + 5) / 6)
    assert (held_out.tokens, held_out.data_size) == (0, 0)


def test_a_step_has_verl_s_own_numbers_and_what_its_rollouts_say(run, train):
    lengths, records = train((1, 4))
    steps = [record for record in records if isinstance(record, Step)]
    assert [one.step for one in steps] == [1, 2, 3, 4]
    last = steps[-1]
    assert last.prompt_tokens == 16 * 10
    assert last.response_tokens == int(lengths.sum())
    assert (last.reward_mean, last.zero_variance_share) == (pytest.approx(7 / 16), 0.5)
    assert last.reward_std == pytest.approx(math.sqrt(7 / 16 * 9 / 16))
    assert (last.loss, last.kl, last.grad_norm) == (pytest.approx(0.25 + 0.001 * 0.5), 0.5, 0.75)
    assert last.truncated_share == pytest.approx(1 / 16)
    assert last.seconds == {"rollout": 2.0, "old_logprobs": 0.5, "reference": 0.5, "update": 1.5}
    tokens = sum(one.prompt_tokens + one.response_tokens for one in steps)
    end = records[-1]
    assert isinstance(end, Evaluated)
    assert end.tokens == tokens
    assert end.compute_flops["6N"] == 6 * run.params * tokens
    assert end.compute_flops["exact"] == sum(sum(one.flops.values()) for one in steps)


def test_a_later_attempt_goes_on_with_the_counts_of_the_earlier_one(run, paths, train):
    with pytest.raises(EngineError, match=r"veRL ended after step 2 of 4: it stopped"):
        train((1, 2))
    at = checkpoint.acknowledged(paths.checkpoints)[2]
    _, records = train((3, 4), at)
    assert [record.step for record in records if isinstance(record, Step)] == [3, 4]
    end = records[-1]
    assert isinstance(end, Evaluated)
    assert end.tokens == at.tokens + sum(r.prompt_tokens + r.response_tokens for r in records if isinstance(r, Step))
    assert not any(paths.rollouts.iterdir())  # large, and read


def test_the_command_line_check_of_a_configuration_answers_in_json(run, paths):
    told = settings.overrides(run, settings.places(run, paths, "model", None))
    ask = [sys.executable, "-m", "rlaw.engines.verl.validate"]
    done = subprocess.run(ask, input=json.dumps(told), capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["actor_rollout_ref"]["rollout"]["n"] == RESOURCES["gpus"] * 2
