"""The synthetic engine follows the law it states, with the noise of honest evaluations."""

import numpy as np
import pytest
from timeless import timeless

from rlaw.engines.base import Workspace
from rlaw.engines.synthetic import K_MAX, N_0, SyntheticEngine, efficiency, start_loss, true_loss
from rlaw.errors import RlawWarning
from rlaw.store.records import Evaluated, Step, to_row


def evaluations(run, folder):
    return [r for r in SyntheticEngine().train(run, Workspace(folder, folder)) if isinstance(r, Evaluated)]


def test_the_worked_example_of_the_docstring_holds():
    assert efficiency(N_0) == K_MAX / 2 == 0.225
    assert start_loss(N_0) == 0.86
    assert true_loss(N_0, 100) == pytest.approx(0.305, abs=5e-4)
    assert true_loss(N_0, 0) == true_loss(N_0, 1) == 0.86


def test_evaluations_scatter_about_the_law_as_binomials_do(make_plan, tmp_path):
    changes = {"rl": {"steps": 40, "prompts": 8, "num_generations": 4}, "seeds": list(range(10))}
    plan = make_plan(evaluation={"items": 500, "samples": 1, "at": {"every": 5}}, **changes)
    errors = []
    for run in plan:
        for r in evaluations(run, tmp_path / run.label):
            errors.append(r.test_loss - true_loss(run.params, r.step))
            assert r.compute_flops["8N"] == 8 * run.params * r.tokens
            assert r.test_loss == 1 - sum(r.correct) / 500
    # of 270 evaluations of 500 answers: unbiased, and no wider than independent answers of chance 1/2
    assert abs(np.mean(errors)) < 3 * 0.5 / np.sqrt(500 * len(errors))
    assert 0.005 < np.std(errors) < 0.5 / np.sqrt(500)


def test_hard_items_are_hard_in_every_run_and_at_every_step(make_plan, tmp_path):
    plan = make_plan(evaluation={"items": 200, "samples": 20, "at": {"every": 2}})
    shares = np.array([np.array(r.correct) / 20 for run in plan for r in evaluations(run, tmp_path / run.label)])
    assert np.corrcoef(shares).min() > 0.4  # independent items would give about 0


def test_reuse_slows_learning():
    assert efficiency(N_0, tau=101) == efficiency(N_0) / 2


def test_two_trainings_of_a_run_are_equal_but_for_the_clock(tiny_plan, tmp_path):
    run = tiny_plan.runs[0]
    first, second = (
        [timeless(to_row(r)) for r in SyntheticEngine().train(run, Workspace(tmp_path / name, tmp_path))]
        for name in ("first", "second")
    )
    assert first == second


def test_a_checkpoint_is_only_as_new_as_what_was_kept(tiny_plan, tmp_path):
    run, workspace = tiny_plan.runs[0], Workspace(tmp_path, tmp_path)
    stream = SyntheticEngine().train(run, workspace)
    for record in stream:
        if isinstance(record, Step) and record.step == 4:
            break
    stream.close()
    assert next(SyntheticEngine().train(run, workspace)).resumed_at == 3
    stream = SyntheticEngine().train(run, workspace)
    assert [next(stream).kind for _ in range(4)] == ["run_started", "step", "evaluated", "step"]
    with pytest.raises(OSError, match="disk"):
        stream.throw(OSError("disk"))
    assert next(SyntheticEngine().train(run, workspace)).resumed_at == 3


def test_a_damaged_checkpoint_starts_the_run_over(tiny_plan, tmp_path):
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "state.json").write_text('{"st')
    with pytest.warns(RlawWarning, match=r"state\.json is damaged(.|\n)*starting from the first step"):
        assert next(SyntheticEngine().train(tiny_plan.runs[0], Workspace(tmp_path, tmp_path))).resumed_at == 0
