"""Problems in words on the TRL engine: a named checkpoint, its tokenizer and chat template, answers judged by text."""

import json
import string
from importlib.util import find_spec

import numpy as np
import pytest

from rlaw import engines
from rlaw.engines.base import Workspace
from rlaw.errors import EngineError
from rlaw.store.records import Evaluated, RunFinished, Step
from rlaw.study.plan import plan
from rlaw.study.study import Study

pytestmark = [
    pytest.mark.skipif(
        any(find_spec(name) is None for name in ("torch", "trl", "math_verify", "pyarrow")),
        reason="TRL or math-verify is not installed: rlaw[trl,math]",
    ),
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"),
]

TEMPLATE = (
    "{% for message in messages %}[{{ message.role }}]{{ message.content }}{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}"
)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A tiny Qwen2 of random weights with one token for every printable character."""
    import torch
    import transformers
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers

    folder = tmp_path_factory.mktemp("checkpoint")
    characters = ["<end>", "<unk>", *string.printable]
    special = dict(zip(("eos_token", "unk_token"), characters, strict=False))
    inner = Tokenizer(models.WordLevel({text: i for i, text in enumerate(characters)}, unk_token=characters[1]))
    inner.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    inner.decoder = decoders.Fuse()
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token=characters[0], chat_template=TEMPLATE, **special
    )
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    shape = dict(hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2)
    config = transformers.Qwen2Config(
        vocab_size=len(characters), num_key_value_heads=1, head_dim=8, eos_token_id=0, tie_word_embeddings=True, **shape
    )
    transformers.Qwen2ForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def mathematics(tmp_path_factory):
    """A folder as `rlaw data prepare` writes it: 80 problems to train on, 20 held out."""
    from rlaw.tasks.problems.prepare import Recipe, prepare

    root = tmp_path_factory.mktemp("mathematics")
    rows = [{"question": f"What is {i} + 1?", "answer": str(i + 1), "pass_rate": (i % 17) / 16} for i in range(100)]
    (root / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    prepare(root / "in.jsonl", root / "data", Recipe(held_out=20))
    return root / "data"


def make(checkpoint, mathematics, **task):
    study = {
        "name": "words",
        "model": {"ladder": [{"checkpoint": str(checkpoint)}]},
        "task": {"name": "mathematics", "folder": str(mathematics), "max_completion_length": 12, **task},
        "rl": {"steps": 2, "prompts": 8, "num_generations": 4, "minibatches": 2},
        "data": {"order": "curriculum"},
        "evaluation": {"items": 6, "samples": 2, "at": {"every": 2}},
        "engine": {"name": "trl", "micro_batch": 16},
        "fit": {"laws": ["power"]},
    }
    return plan(Study.model_validate(study)).runs[0]


def test_a_run_of_mathematics_is_trained_measured_and_finished(checkpoint, mathematics, tmp_path):
    run = make(checkpoint, mathematics)
    engines.get("trl").check(run)
    records = list(engines.get("trl").train(run, Workspace(tmp_path / "run", tmp_path / "cache")))
    assert isinstance(records[-1], RunFinished)
    steps = [record for record in records if isinstance(record, Step)]
    evaluations = [record for record in records if isinstance(record, Evaluated)]
    assert [one.step for one in steps] == [1, 2]
    assert [(one.step, one.items, len(one.correct)) for one in evaluations] == [(0, 6, 6), (2, 6, 6)]
    assert steps[-1].unique_prompts == 16
    for step in steps:
        assert step.prompt_tokens > 32 * len("[user]What is 1 + 1?[assistant]")
        assert 32 <= step.response_tokens <= 32 * 12
        assert 0 <= step.truncated_share <= 1
    assert evaluations[-1].tokens == sum(step.prompt_tokens + step.response_tokens for step in steps)


def test_answers_are_judged_by_their_text(checkpoint, mathematics):
    from rlaw.engines.trl.adapter import task_adapter

    adapter = task_adapter(make(checkpoint, mathematics), str(checkpoint))
    problems = adapter.task.benchmark("held-out", 4)
    texts = [f"so \\boxed{{{int(problem.ground_truth) + (i % 2)}}}" for i, problem in enumerate(problems)]
    completions = [[*adapter.tokenizer(text)["input_ids"], adapter.tokenizer.eos_token_id] for text in texts]
    assert np.array_equal(adapter.grade(problems, completions), [1, 0, 1, 0])
    assert all(adapter.ended(completion) for completion in completions)
    assert not adapter.ended(completions[0][:-1])


def test_prompts_longer_than_the_task_allows_are_refused_before_training(checkpoint, mathematics, tmp_path):
    run = make(checkpoint, mathematics, max_prompt_length=10)
    with pytest.raises(EngineError, match="longer than 10 tokens"):
        list(engines.get("trl").train(run, Workspace(tmp_path / "run", tmp_path / "cache")))
