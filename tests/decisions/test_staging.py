"""Staged studies: the cheap sizes are run first, and the next one only while the declared rule says go."""

import threading

import pytest

from rlaw.decisions import staging
from rlaw.engines.synthetic import SyntheticEngine
from rlaw.errors import BudgetExceeded, EngineError, SpecError, UsageError
from rlaw.execution.local import LocalExecutor
from rlaw.execution.meter import Meter
from rlaw.execution.runner import run
from rlaw.execution.worker import attempt
from rlaw.store import Store
from rlaw.study.plan import plan
from rlaw.study.study import Study

SIZES = {"ladder": [{"hidden": hidden, "layers": 2} for hidden in (16, 24, 32, 48, 64)]}
LONG = {"steps": 60, "prompts": 64, "num_generations": 4}
OFTEN = {"items": 400, "samples": 2, "at": {"every": 3}}


@pytest.fixture
def staged(tmp_path, make_plan):
    """Runs a staged study of five sizes of the synthetic law; gives its store, outcome and decisions."""

    def go(stage, folder="store", **changes):
        laid_out = make_plan(
            **{"model": SIZES, "rl": LONG, "evaluation": OFTEN, "seeds": [0, 1], "stage": stage, **changes}
        )
        path = tmp_path / folder
        store = Store.open(path) if path.exists() else Store.create(path, laid_out)
        return store, *staging.run(laid_out, store, LocalExecutor(2))

    return go


def models(store):
    return {status.model for status in store.runs() if status.state == "finished"}


def test_sizes_that_promise_enough_are_run_to_the_last(staged):
    store, outcome, decisions = staged({"gain_per_doubling": 0.005})
    assert [decision.go for decision in decisions] == [True] * 5
    assert [decision.rule for decision in decisions] == ["start"] * 3 + ["gain-per-doubling"] * 2
    assert len(models(store)) == 5
    assert outcome.complete
    assert outcome.skipped == ()
    for decision in decisions[3:]:
        assert decision.low <= decision.loss <= decision.high < 1
        assert decision.value >= 0.005
        assert decision.next_flops > 0


def test_a_size_that_promises_too_little_is_not_run_and_the_reason_is_kept(staged):
    store, outcome, decisions = staged({"gain_per_doubling": 0.5})
    assert [decision.go for decision in decisions] == [True, True, True, False]
    assert len(models(store)) == 3
    assert outcome.complete
    assert "for each doubling of the compute, and the rule asks for 0.5" in decisions[-1].reason
    assert staging.decisions(store) == decisions


def test_the_same_command_comes_to_the_same_decisions_and_runs_nothing_twice(staged):
    store, _, decisions = staged({"gain_per_doubling": 0.5})
    _, outcome, again = staged({"gain_per_doubling": 0.5})
    assert again == decisions
    assert outcome.skipped == outcome.done
    assert {status.attempt for status in store.runs()} == {0, 1}


def test_a_forecast_of_the_largest_size_that_is_sure_enough_ends_the_study(staged):
    sure = staged({"interval_width": 0.9}, "sure")
    assert [decision.go for decision in sure[2]] == [True, True, True, False]
    assert sure[2][-1].value == sure[2][-1].high - sure[2][-1].low < 0.9
    unsure = staged({"interval_width": 1e-6}, "unsure")
    assert all(decision.go for decision in unsure[2])


def test_the_compute_cap_is_a_reason_to_stop_even_among_the_first_sizes(staged, make_plan):
    whole = make_plan(model=SIZES, rl=LONG, evaluation=OFTEN, seeds=[0, 1])
    two = sum(run.rl_flops("8N") + run.base_flops + run.evaluation_flops for run in whole.runs[:4])
    store, outcome, decisions = staged({"gain_per_doubling": 0.0}, budget={"compute": two * 1.01})
    assert [decision.rule for decision in decisions] == ["start", "start", "budget"]
    assert not decisions[-1].go
    assert len(models(store)) == 2
    assert outcome.complete


@pytest.mark.parametrize(("then", "sizes"), [("stop", 3), ("go", 5)])
def test_sizes_without_a_law_stop_the_study_unless_it_says_go(
    tmp_path, make_plan, train_here, monkeypatch, then, sizes
):
    monkeypatch.setattr(
        "rlaw.engines.synthetic.efficiency", lambda params, tau=1.0: 0.1
    )  # a slope that size does not move
    stage = {"gain_per_doubling": 0.0, "without_a_law": then}
    laid_out = make_plan(model=SIZES, rl=LONG, evaluation=OFTEN, stage=stage, seeds=[0, 1])
    store = train_here(tmp_path / "whole", laid_out) if then == "go" else Store.create(tmp_path / "store", laid_out)
    if then == "stop":
        for one in laid_out.runs[:6]:
            attempt(one, store, SyntheticEngine(), threading.Event(), lambda event: None)
    _, decisions = staging.run(laid_out, store, LocalExecutor(2))
    assert len([decision for decision in decisions if decision.go]) == sizes
    if then == "stop":
        assert decisions[-1].reason.startswith("the sizes so far show no law")
        assert decisions[-1].value is None


def test_a_study_without_a_rule_cannot_be_staged(staged):
    with pytest.raises(UsageError, match="declares no rule"):
        staged(None)


@pytest.mark.parametrize(
    "stage", [{}, {"gain_per_doubling": 0.1, "interval_width": 0.1}, {"start": 2, "interval_width": 0.1}]
)
def test_a_stage_declares_exactly_one_rule_and_three_sizes_at_least(write_study, stage):
    with pytest.raises(SpecError, match="stage"):
        Study.load(write_study(model=SIZES, stage=stage))


def test_gpu_hours_and_money_are_counted_while_runs_go_on(make_plan, tmp_path, monkeypatch):
    monkeypatch.setenv("RLAW_SYNTHETIC_DELAY", "0.05")
    ladder = [{"hidden": 16, "layers": 2, "resources": {"gpus": 8}}]
    laid_out = make_plan(
        model={"ladder": ladder}, rl=LONG, fit={"laws": ["power"]}, budget={"gpu_hours": 8 * 0.5 / 3600}
    )
    store = Store.create(tmp_path / "store", laid_out)
    with pytest.raises(BudgetExceeded, match=r"budget\.gpu_hours.*is used up"):
        run(laid_out, store, LocalExecutor(1))
    assert store.runs()[0].state == "interrupted"
    assert Meter.of(laid_out, store).gpu_hours > 0


def test_the_meter_adds_up_what_the_plan_said(make_plan, train_here, tmp_path):
    laid_out = make_plan()
    store = train_here(tmp_path / "store", laid_out)
    assert Meter.of(laid_out, store).compute_flops == pytest.approx(laid_out.total_flops)
    assert Meter.of(plan(laid_out.study), Store.create(tmp_path / "new", laid_out)).compute_flops == 0


def test_every_size_is_checked_before_the_first_one_is_trained(tmp_path, make_plan, monkeypatch):
    def refuse_the_largest(self, run):
        if run.size.hidden == 64:
            raise EngineError("no room for the largest")

    monkeypatch.setattr(SyntheticEngine, "check", refuse_the_largest)
    laid_out = make_plan(model=SIZES, rl=LONG, evaluation=OFTEN, stage={"gain_per_doubling": 0.001})
    store = Store.create(tmp_path / "store", laid_out)
    with pytest.raises(EngineError, match="no room for the largest"):
        staging.run(laid_out, store, LocalExecutor(1))
    assert not any(status.attempt for status in store.runs())
