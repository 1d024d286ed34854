"""Whole runs of the local engine, tiny: what they tell, that they repeat, and that they go on bit for bit."""

import json
import math
import os
import subprocess
import sys
from multiprocessing import get_context

import numpy as np
import pytest

jax = pytest.importorskip("jax", reason="the local engine is not installed: pip install 'rlaw[local]'")

from timeless import timeless  # noqa: E402

from rlaw.engines import Workspace, checkpoint  # noqa: E402
from rlaw.engines.data import training_data  # noqa: E402
from rlaw.engines.local import attempt, pretrain  # noqa: E402
from rlaw.engines.local.engine import LocalEngine  # noqa: E402
from rlaw.engines.local.grpo import step_flops  # noqa: E402
from rlaw.errors import EngineError  # noqa: E402
from rlaw.store.records import BaseTrained, Evaluated, RunFinished, RunStarted, Step, to_row  # noqa: E402
from rlaw.study.compute import accounted_flops  # noqa: E402


def train(run, folder, cache, attempt=1):
    return LocalEngine().train(run, Workspace(folder, cache, attempt))


def rows(records):
    """Without clock, attempt and the step resumed at: what must be the same however often a run was stopped."""
    told = {}
    for record in records:
        row = timeless(to_row(record))
        row = {key: value for key, value in row.items() if key not in ("attempt", "resumed_at")}
        key = (row["kind"], row.get("step"), row.get("benchmark"))
        assert told.setdefault(key, row) == row, "told twice, and differently"
    return told


def fixed_flops(run):
    """Of a step of a task whose answers all have the same length."""
    return step_flops(run, np.full((run.rl.prompts, run.rl.num_generations), run.task.completion_tokens))


@pytest.fixture(scope="module")
def whole(make_run, cache, tmp_path_factory):
    return list(train(make_run(), tmp_path_factory.mktemp("whole"), cache))


def test_records_come_in_order_and_evaluations_by_the_schedule(whole):
    kinds = [record.kind for record in whole]
    assert kinds[:3] == ["run_started", "base_trained", "evaluated"]
    assert kinds[3:] == ["step", "step", "evaluated"] * 3 + ["run_finished"]
    assert [r.step for r in whole if isinstance(r, Evaluated)] == [0, 2, 4, 6]


def test_the_first_record_says_what_is_run(whole, make_run):
    started, run = whole[0], make_run()
    assert isinstance(started, RunStarted)
    assert (started.run, started.model, started.params) == (run.id, run.size.name, run.params)
    assert (started.tau, started.group_size, started.steps, started.resumed_at) == (1.0, 4, 6, 0)
    assert {"rlaw", "jax", "optax"} <= set(started.versions)
    assert started.hardware["platform"] == jax.devices()[0].platform


def test_tokens_and_compute_add_up(whole, make_run):
    run, steps = make_run(), [r for r in whole if isinstance(r, Step)]
    for record in (r for r in whole if isinstance(r, Evaluated)):
        before = [s for s in steps if s.step <= record.step]
        assert record.tokens == sum(s.prompt_tokens + s.response_tokens for s in before)
        assert record.data_size == 16 * record.step
        assert record.compute_flops["exact"] == sum(sum(s.flops.values()) for s in before)
        for name in ("6N", "8N", "12N"):
            assert record.compute_flops[name] == accounted_flops(name, run.params, record.tokens)
    assert steps[-1].unique_prompts == len(np.unique(training_data(run).problems.prompts_IP, axis=0))


def test_correct_counts_per_item_give_the_loss(whole):
    for record in (r for r in whole if isinstance(r, Evaluated)):
        assert len(record.correct) == record.items == 40
        assert set(record.correct) <= {0, 1, 2}
        assert record.test_loss == 1 - sum(record.correct) / 80


def test_the_base_has_learnt_and_its_checkpoint_is_shared(whole, make_run, cache):
    (base,) = (r for r in whole if isinstance(r, BaseTrained))
    assert base.cross_entropy < math.log(22) - 0.5
    folder = cache / "bases" / base.digest
    assert {"config.json", "model.safetensors", "tokenizer.json", "base.json"} <= {p.name for p in folder.iterdir()}
    _, facts = pretrain.base(make_run(rl={"steps": 2}), cache)
    assert facts.digest == base.digest
    assert facts.seconds == base.seconds  # taken from the cache: not trained again


@pytest.mark.parametrize("damage", ["base.json", "model.safetensors"])
def test_a_base_that_is_damaged_or_of_another_version_is_made_anew(make_run, tmp_path, damage):
    run = make_run(model={"variants": {"base": {"steps": 5, "batch_size": 16}}})
    weights, facts = pretrain.base(run, tmp_path)
    folder = tmp_path / "bases" / facts.digest
    if damage == "base.json":
        checkpoint.write(folder, lambda aside: (aside / damage).write_text('{"of": "another version"}'))
    else:
        (folder / damage).write_bytes(b"")
    again, _ = pretrain.base(run, tmp_path)
    assert jax.tree.all(jax.tree.map(np.array_equal, weights, again))


def test_two_trainings_of_a_run_are_equal_but_for_the_clock(whole, make_run, tmp_path):
    again = list(train(make_run(), tmp_path / "run", tmp_path / "another-cache"))
    assert [timeless(to_row(r)) for r in again] == [timeless(to_row(r)) for r in whole]


def test_another_seed_is_another_run(whole, make_run, cache, tmp_path):
    other = list(train(make_run(seeds=[1]), tmp_path, cache))
    assert [r.reward_mean for r in other if isinstance(r, Step)] != [
        r.reward_mean for r in whole if isinstance(r, Step)
    ]


@pytest.mark.parametrize("stop_after", [("step", 1), ("step", 2), ("evaluated", 2), ("step", 5), ("evaluated", 6)])
def test_a_run_that_was_closed_goes_on_bit_for_bit(whole, make_run, cache, tmp_path, stop_after):
    stream, told = train(make_run(), tmp_path, cache), []
    for record in stream:
        told.append(record)
        if (record.kind, getattr(record, "step", None)) == stop_after:
            break
    stream.close()
    resumed = list(train(make_run(), tmp_path, cache, attempt=2))
    assert resumed[0].resumed_at == stop_after[1]
    assert {record.attempt for record in resumed} == {2}
    assert rows(told + resumed) == rows(whole)


def test_whatever_became_of_the_last_record_it_is_told_again(whole, make_run, cache, tmp_path):
    stream = train(make_run(), tmp_path, cache)
    kept = []
    for record in stream:
        if (record.kind, getattr(record, "step", None)) == ("step", 2):
            break  # this one gets lost, and its evaluation was never asked for
        kept.append(record)
    stream.close()
    assert rows(kept + list(train(make_run(), tmp_path, cache, attempt=2))) == rows(whole)


def test_a_damaged_newest_checkpoint_costs_steps_and_nothing_else(whole, make_run, cache, tmp_path):
    for stop in (2, 5):
        stream = train(make_run(), tmp_path, cache)
        next(r for r in stream if isinstance(r, Step) and r.step == stop)
        stream.close()
    weights = tmp_path / "checkpoints" / "step-000005" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x7f")
    with pytest.warns(checkpoint.DamagedCheckpoint, match=r"model\.safetensors: damaged.*going on from step-000002"):
        resumed = list(train(make_run(), tmp_path, cache, attempt=3))
    assert resumed[0].resumed_at == 2
    assert rows(whole) | rows(resumed) == rows(whole)
    assert resumed[-1].weights == whole[-1].weights


def test_a_run_closed_before_its_first_step_leaves_no_checkpoint(make_run, cache, tmp_path):
    stream = train(make_run(), tmp_path, cache)
    next(r for r in stream if isinstance(r, Evaluated))
    stream.close()
    assert list((tmp_path / "checkpoints").iterdir()) == []


def test_a_finished_run_started_again_tells_the_same_end(whole, make_run, cache, tmp_path):
    assert list(train(make_run(), tmp_path, cache))[-1].weights == whole[-1].weights
    again = list(train(make_run(), tmp_path, cache, attempt=2))
    assert [r.kind for r in again] == ["run_started", "base_trained", "step", "evaluated", "run_finished"]
    assert again[-1].weights == whole[-1].weights
    assert (tmp_path / again[-1].checkpoint / "manifest.json").exists()


def test_rl_earns_a_tiny_model_more_reward(make_run, cache, tmp_path):
    run = make_run(rl={"steps": 200, "learning_rate": 1e-3}, evaluation={"at": []})
    rewards = [r.reward_mean for r in train(run, tmp_path, cache) if isinstance(r, Step)]
    noise = math.sqrt(0.25 / (25 * run.rl.samples))
    assert np.mean(rewards[-25:]) > np.mean(rewards[:25]) + 4 * noise


def test_a_kl_term_is_measured_and_holds_the_policy_back(make_run, cache, tmp_path):
    free, held = (make_run(rl={"beta": beta, "num_iterations": 2, "learning_rate": 1e-2}) for beta in (1e-6, 3.0))
    kl = {}
    for run in (free, held):
        steps = [r for r in train(run, tmp_path / run.id, cache) if isinstance(r, Step)]
        kl[run.id] = steps[-1].kl
        assert all(s.kl >= 0 and s.flops["reference"] == fixed_flops(run).reference > 0 for s in steps)
    assert 0 < kl[held.id] < kl[free.id] / 2


def test_without_a_reference_there_is_no_kl(whole):
    assert all(r.kl is None and r.flops["reference"] == 0 for r in whole if isinstance(r, Step))


def test_a_run_that_diverges_is_told_as_such_and_ends(make_run, cache, tmp_path):
    run = make_run(rl={"learning_rate": 1e30})
    records = list(train(run, tmp_path, cache))
    assert isinstance(records[-1], RunFinished)
    assert records[-1].diverged
    last = [r for r in records if isinstance(r, Step)][-1]
    assert last.step == records[-1].step < 6
    assert not math.isfinite(last.loss)


def test_a_curriculum_goes_from_easy_to_hard_in_every_pass(make_run):
    run = make_run(data={"order": "curriculum", "reuse": 2})
    levels = training_data(run).problems.levels_I
    half = len(levels) // 2
    assert (np.diff(levels[:half]) >= 0).all()
    assert (np.diff(levels[half:]) >= 0).all()


def test_reuse_shows_every_problem_that_often(make_run):
    data = training_data(make_run(data={"reuse": 3}))
    _, counts = np.unique(data.problems.prompts_IP, axis=0, return_counts=True)
    assert (counts % 3 == 0).all()
    assert data.distinct_I[-1] == len(counts)


def test_exact_flops_are_near_the_accounting_models(make_run):
    run = make_run(model={"ladder": [{"hidden": 128, "layers": 3}]}, task={"modulus": 31, "operations": "1-4"})
    step = fixed_flops(run)
    tokens = run.rl.samples * run.sequence_tokens
    assert 0.4 * 6 * run.params * tokens < step.update < 6 * run.params * tokens
    assert step.update == 3 * step.rollout  # in either a prompt is read once for its whole group


def test_checking_names_a_missing_package(make_run, monkeypatch):
    monkeypatch.setattr("rlaw.engines.base.find_spec", lambda name: None if name == "jax" else object())
    with pytest.raises(EngineError, match=r"needs jax(.|\n)*pip install 'rlaw\[local\]'"):
        LocalEngine().check(make_run())


def test_estimates_grow_with_size_and_steps(make_run):
    engine = LocalEngine()
    seconds = [
        engine.estimate_seconds(make_run(model={"ladder": [{"hidden": hidden, "layers": 3}]}, rl={"steps": steps}))
        for hidden, steps in ((16, 100), (64, 100), (128, 100), (128, 1000), (512, 1000))
    ]
    assert seconds == sorted(seconds)
    assert seconds[0] > 0


def _base_seconds(run, cache):
    return pretrain.base(run, cache)[1].seconds


def test_two_processes_that_need_the_same_base_make_it_once(make_run, tmp_path):
    run = make_run(model={"variants": {"base": {"steps": 30, "batch_size": 8}}})
    with get_context("spawn").Pool(2) as pool:
        first, second = pool.starmap(_base_seconds, [(run, tmp_path)] * 2)
    assert first == second
    assert len([path for path in (tmp_path / "bases").iterdir() if path.is_dir()]) == 1


def test_a_fresh_process_uses_one_thread(tmp_path):
    script = f"""
import json, pathlib, time
from rlaw.engines.local import process
process.prepare(pathlib.Path({str(tmp_path)!r}))
import jax, jax.numpy as jnp
x = jnp.ones((1024, 1024))
f = jax.jit(lambda x: jax.lax.fori_loop(0, 20, lambda i, y: jnp.tanh(y @ x / 1024), x))
f(x).block_until_ready()
cpu, wall = time.process_time(), time.perf_counter()
f(x).block_until_ready()
print(json.dumps([process.threads(), time.process_time() - cpu, time.perf_counter() - wall]))
"""
    environment = {k: v for k, v in os.environ.items() if k not in ("XLA_FLAGS", "NPROC")}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    threads, cpu, wall = json.loads(done.stdout)
    assert threads == 1
    assert cpu < 1.2 * wall + 0.02


def test_checkpoints_are_kept_now_and_then(make_run, cache, tmp_path, monkeypatch):
    monkeypatch.setattr(attempt, "SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    stream = train(make_run(), tmp_path, cache)
    next(r for r in stream if isinstance(r, Step) and r.step == 4)
    assert sorted(p.name for p in (tmp_path / "checkpoints").iterdir()) == ["step-000002", "step-000003"]
    stream.close()


def test_a_run_in_bfloat16_learns_as_one_in_float32_and_starts_from_the_same_base(make_run, cache, tmp_path):
    rewards, digests = [], []
    for dtype in ("float32", "bfloat16"):
        run = make_run(engine={"settings": {"dtype": dtype}}, rl={"steps": 60, "learning_rate": 1e-3})
        LocalEngine().check(run)
        records = list(train(run, tmp_path / dtype, cache))
        rewards.append(np.mean([r.reward_mean for r in records if isinstance(r, Step)]))
        digests += [r.digest for r in records if isinstance(r, BaseTrained)]
    assert digests[0] == digests[1]
    assert rewards[1] == pytest.approx(rewards[0], abs=5 * math.sqrt(0.5 / (60 * 64)))


@pytest.mark.parametrize("settings", [{"dtype": "float16"}, {"beta": 0.1}])
def test_a_setting_that_the_engine_does_not_have_is_refused(make_run, settings):
    with pytest.raises(EngineError, match="the local engine has one setting, dtype"):
        LocalEngine().check(make_run(engine={"settings": settings}))
