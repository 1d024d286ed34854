"""The instruct phase: the base's own well-formed answers, and a cache that no change of the recipe can fool."""

import sys
from dataclasses import replace

import numpy as np

from rlaw.engines.local import pretrain, rollout, sft
from rlaw.study.recipe import Instruct

SECOND = Instruct(steps=100, batch_size=16, warmup_steps=5, learning_rate=3e-3, temperature=0.3)


def tuned(run):
    return replace(run, base=run.base.changed({"instruct": SECOND.model_dump()}))


def loss_at_step_0(run, params):
    problems = run.task.benchmark("held-out", 40)
    answers = rollout.answer(run, params, problems, 32, 1.0, "test", 0)
    return 1 - rollout.grade(run.task, problems, answers).mean()


def test_instruct_learns_from_well_formed_answers_right_and_wrong(make_run, cache):
    run = make_run()
    base, _ = pretrain.base(run, cache)
    documents = sft.documents(tuned(run), base)
    problems, told = run.task.problems(documents[:, :3]), documents[:, 3:]
    assert len(documents) == 100 * 16
    assert run.task.is_well_formed(problems, told).all()
    assert not run.task.is_held_out(documents[:, :3]).any()
    right = run.task.grade(problems, told).mean()
    assert 0.1 < right < 0.95  # nothing checked them


def test_an_instruct_variant_starts_lower_than_its_base_which_is_made_once(make_run, cache):
    run = make_run()
    base, facts = pretrain.base(run, cache)
    other, about = pretrain.base(tuned(run), cache)
    assert about.digest != facts.digest
    assert about.steps == facts.steps + 100
    assert about.tokens == facts.tokens + 100 * 16 * run.sequence_tokens
    assert loss_at_step_0(run, other) < loss_at_step_0(run, base)
    again, _ = pretrain.base(tuned(run), cache)
    assert np.array_equal(again["embedding"], other["embedding"])
    made = {path.name for path in (cache / "bases").iterdir() if path.is_dir()}
    assert {facts.digest, about.digest} <= made


def test_all_code_that_makes_a_base_is_in_its_digest(make_run):
    of_no_other_test = {"ladder": [{"hidden": 24, "layers": 2}]}  # compiled already, no code would run
    run, ran = make_run(model=of_no_other_test), set()
    sys.setprofile(lambda frame, *_: ran.add(frame.f_globals.get("__name__")))
    try:
        params, _ = pretrain.pretrain(run, run.task.corpus(run.base.documents))
        pretrain.supervised(tuned(run), params, sft.settings(tuned(run)), sft.documents(tuned(run), params))
    finally:
        sys.setprofile(None)
    assert {"rlaw.engines.local.model", "rlaw.engines.local.update"} <= ran
    makes = {name for name in ran if name and name.startswith("rlaw.engines")}
    assert makes - {*pretrain.CODE, "rlaw.engines.local.settings"} == set()  # they hold the precision


def test_a_base_made_by_other_code_or_versions_is_another(make_run, monkeypatch):
    run = make_run()
    here = pretrain.build(run)
    assert here == pretrain.build(run)
    monkeypatch.setattr(pretrain.process, "threads", lambda: 64)
    assert pretrain.build(run) != here
