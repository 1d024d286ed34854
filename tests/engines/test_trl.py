"""The TRL engine: TRL's GRPOTrainer really trains, our records come out of it, and nothing is lost in between."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec

import pytest
from timeless import timeless

from rlaw import engines
from rlaw.engines.base import Workspace
from rlaw.errors import EngineError, StoreError
from rlaw.store.records import Evaluated, RunFinished, RunStarted, Step, to_row

needs_trl = pytest.mark.skipif(
    any(find_spec(name) is None for name in ("jax", "torch", "trl")), reason="TRL is not installed: rlaw[trl]"
)
pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning", "ignore::ResourceWarning"
)


@pytest.fixture(scope="module")
def run(make_run):
    """Six steps of two minibatches."""
    return make_run(engine={"name": "trl"})


def trained(run, folder, cache, attempt=1):
    return list(engines.get("trl").train(run, Workspace(folder, cache, attempt)))


def told(records):
    """Steps and evaluations without clock and attempt."""
    rows = [timeless(to_row(record)) for record in records if isinstance(record, Step | Evaluated)]
    return [{key: value for key, value in row.items() if key != "attempt"} for row in rows]


@pytest.fixture(scope="module")
def undisturbed(run, cache, tmp_path_factory):
    """The folder of a whole run, and its records."""
    folder = tmp_path_factory.mktemp("undisturbed")
    return folder, trained(run, folder, cache)


@needs_trl
def test_records_come_in_step_order_with_the_studys_evaluations(run, undisturbed):
    records = undisturbed[1]
    assert isinstance(records[0], RunStarted)
    assert isinstance(records[-1], RunFinished)
    steps = [(record.kind, record.step) for record in records if isinstance(record, Step | Evaluated)]
    expected = [("evaluated", 0)]
    for step in range(1, 7):
        expected += [("step", step)] + [("evaluated", step)] * (step % 2 == 0)
    assert steps == expected


@needs_trl
def test_a_step_tells_what_trl_did(run, undisturbed):
    steps = [record for record in undisturbed[1] if isinstance(record, Step)]
    assert [step.learning_rate for step in steps] == pytest.approx([3e-3 * min(1, i / 5) for i in range(1, 7)])
    for step in steps:
        assert (step.prompt_tokens, step.response_tokens) == (16 * 4 * 3, 16 * 4 * 2)
        assert 0 < step.reward_mean < 1
        assert step.grad_norm > 0
        assert step.flops["update"] == 3 * step.flops["old_logprobs"] > 0
        assert step.flops["reference"] == 0
        assert min(step.seconds[phase] for phase in ("rollout", "grade", "old_logprobs", "update")) > 0


@needs_trl
def test_trl_meets_the_problems_that_the_local_engine_meets_in_the_same_order(make_run, undisturbed):
    from rlaw.engines.data import training_data

    data = training_data(make_run())
    steps = [record for record in undisturbed[1] if isinstance(record, Step)]
    assert [step.unique_prompts for step in steps] == data.distinct_I[15::16].tolist()


@needs_trl
def test_a_run_stopped_and_resumed_ends_at_the_same_weights(run, cache, tmp_path, undisturbed):
    first = []
    stream = engines.get("trl").train(run, Workspace(tmp_path, cache, 1))
    for record in stream:
        first.append(record)
        if isinstance(record, Step) and record.step == 3:
            stream.close()
    rest = trained(run, tmp_path, cache, attempt=2)
    assert rest[0].resumed_at == 3
    assert told(first)[:-1] + told(rest) == told(undisturbed[1])
    assert rest[-1].weights == undisturbed[1][-1].weights != ""


@needs_trl
def test_a_finished_run_asked_for_again_tells_its_end_and_trains_nothing(run, cache, undisturbed):
    folder, records = undisturbed
    again = trained(run, folder, cache, attempt=2)
    assert told(again) == told(records)[-2:]
    assert again[-1].weights == records[-1].weights


@needs_trl
def test_what_could_not_be_recorded_is_in_no_checkpoint(run, cache, tmp_path):
    stream = engines.get("trl").train(run, Workspace(tmp_path, cache, 1))
    next(record for record in stream if isinstance(record, Step) and record.step == 2)
    with pytest.raises(StoreError, match="the disk is full"):
        stream.throw(StoreError("the disk is full"))
    assert not list(tmp_path.glob("checkpoints/*"))


@needs_trl
def test_the_kl_term_is_measured_against_the_base(make_run, cache, tmp_path):
    run = make_run(engine={"name": "trl"}, rl={"beta": 0.1, "steps": 2, "num_iterations": 2})
    steps = [record for record in trained(run, tmp_path, cache) if isinstance(record, Step)]
    assert 0 < steps[0].kl < steps[1].kl
    assert steps[0].flops["reference"] == steps[0].flops["old_logprobs"]
    assert steps[0].flops["update"] == 2 * 3 * steps[0].flops["reference"]
    assert steps[0].seconds["reference"] > 0


@needs_trl
def test_a_checkpoint_that_the_study_names_is_where_rl_starts(run, make_run, cache, tmp_path, undisturbed):
    folder = undisturbed[0] / "checkpoints" / "step-000006"
    named = replace(run, size=run.size.model_copy(update={"checkpoint": str(folder)}))
    records = trained(named, tmp_path, cache)
    assert not [record for record in records if record.kind == "base_trained"]
    start = next(record for record in records if isinstance(record, Evaluated))
    end = undisturbed[1][-2]
    assert (start.step, end.step) == (0, 6)
    assert start.test_loss == pytest.approx(end.test_loss, abs=0.3)  # 80 answers, drawn anew


@needs_trl
def test_trls_tokenizer_reads_our_prompts_as_the_task_wrote_them(run, undisturbed):
    from rlaw.engines.trl.adapter import TokenAdapter

    folder, problems = undisturbed[0] / "checkpoints" / "step-000006", run.task.pool(200, seed=0)
    adapter = TokenAdapter(run.task, str(folder))
    assert adapter.tokenizer(adapter.prompts(problems))["input_ids"] == adapter.ids(problems)
    assert adapter.tokenizer.eos_token_id == len(run.task.vocabulary)


@needs_trl
@pytest.mark.parametrize("settings", [{"beta": 0.1}, {"shuffle_dataset": True}, {"no_such_setting": 1}])
def test_settings_that_the_study_decides_or_trl_lacks_are_refused_before_anything_is_spent(make_run, settings):
    run = make_run(engine={"name": "trl", "settings": settings})
    with pytest.raises(EngineError, match=next(iter(settings))):
        engines.get("trl").check(run)


@needs_trl
def test_every_setting_of_the_recipe_is_one_of_trls(run, tmp_path):
    from rlaw.engines.trl import settings

    config = settings.config(run, tmp_path)
    for name, value in settings.recipe(run).items() - {("report_to", "none")}:
        assert getattr(config, name) == (pytest.approx(value) if isinstance(value, float) else value), name
    assert config.steps_per_generation * config.per_device_train_batch_size == run.rl.samples


@pytest.mark.skipif(find_spec("trl") is not None, reason="TRL is installed")
def test_without_trl_the_engine_says_what_to_install(run):
    with pytest.raises(EngineError, match=r"pip install 'rlaw\[trl\]'"):
        engines.get("trl").check(run)


@needs_trl
@pytest.mark.slow
def test_rlaw_run_trains_with_trl_saves_on_ctrl_c_and_goes_on(write_study, tmp_path):
    from rlaw.store import Store

    path = write_study(
        model={"ladder": [{"hidden": 16, "layers": 2}], "variants": {"base": {"steps": 50}}},
        task={"name": "modular-chains", "modulus": 7, "operations": "1-2"},
        rl={"steps": 40, "prompts": 8, "num_generations": 4},
        evaluation={"items": 8, "samples": 1, "at": [20]},
        engine={"name": "trl", "micro_batch": 32},
        fit={"laws": ["power"]},
    )
    command = [sys.executable, "-m", "rlaw", "run", str(path), "--store", str(tmp_path / "store"), "--workers", "1"]
    environment = {**os.environ, "RLAW_HOME": str(tmp_path / "home")}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    store, steps = None, 0
    while steps < 2 and process.poll() is None:
        signal.sigtimedwait([], 0.2)
        if store is None and (tmp_path / "store" / "study.json").exists():
            store = Store.open(tmp_path / "store")
        if store is not None:
            steps = max((status.step for status in store.runs()), default=0)
    process.send_signal(signal.SIGINT)
    error = process.communicate()[1]
    assert process.returncode == 130, error
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    store = Store.open(tmp_path / "store")
    (status,) = store.runs()
    assert (status.state, status.step) == ("finished", 40)
    assert status.attempt == 2
    (begin,) = [record for record in store.records(status.label) if isinstance(record, RunStarted)]
    assert begin.resumed_at >= 2
