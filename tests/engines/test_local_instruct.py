"""The instruct phase: the base's own well-formed answers, and a cache that no change of the recipe can fool."""

from dataclasses import replace

import numpy as np

from rlaw.engines.local import instruct, pretrain
from rlaw.recipe import Instruct

SECOND = Instruct(steps=20, batch_size=16, temperature=0.5)


def tuned(run):
    return replace(run, base=run.base.changed({"instruct": SECOND.model_dump()}))


def loss_at_step_0(run, params):
    problems = run.task.benchmark("held-out", 40)
    answers = [instruct.sample(run.architecture, params, problems.prompts_IP,
                               np.random.default_rng(seed).random((40, 8, 2), np.float32), 1.0, 64).completions_PGT
               for seed in range(4)]  # fmt: skip
    return 1 - np.mean([run.task.grade(problems, a[:, g]) for a in answers for g in range(8)])


def test_instruct_learns_from_well_formed_answers_right_and_wrong(make_run, cache):
    run = make_run()
    base, _ = pretrain.base(run, cache)
    documents = instruct.documents(tuned(run), base)
    problems, told = run.task.problems(documents[:, :3]), documents[:, 3:]
    assert len(documents) == 20 * 16
    assert run.task.is_well_formed(problems, told).all()
    assert not run.task.is_held_out(documents[:, :3]).any()
    right = run.task.grade(problems, told).mean()
    assert 0.1 < right < 0.95  # nobody looked


def test_an_instruct_variant_starts_lower_than_its_base_which_is_made_once(make_run, cache):
    run = make_run()
    base, facts = pretrain.base(run, cache)
    other, about = pretrain.base(tuned(run), cache)
    assert about.digest != facts.digest
    assert about.steps == facts.steps + 20
    assert about.tokens == facts.tokens + 20 * 16 * run.sequence_tokens
    assert loss_at_step_0(run, other) < loss_at_step_0(run, base)
    again, _ = pretrain.base(tuned(run), cache)
    assert np.array_equal(again["embedding"], other["embedding"])
    made = {path.name for path in (cache / "bases").iterdir() if path.is_dir()}
    assert {facts.digest, about.digest} <= made


def test_a_base_made_by_other_code_or_versions_is_another(make_run, monkeypatch):
    run = make_run()
    here = pretrain.build(run)
    assert here == pretrain.build(run)
    monkeypatch.setattr(pretrain.process, "threads", lambda: 64)
    assert pretrain.build(run) != here
