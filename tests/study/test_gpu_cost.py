"""What a plan costs on GPUs, and the paper's study as a preset."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

import rlaw
from rlaw.cli import main
from rlaw.errors import BudgetExceeded, NotFound, UsageError
from rlaw.study import gpu_cost
from rlaw.study.gpus import PEAK_FLOPS
from rlaw.study.model import Resources
from rlaw.study.plan import plan
from rlaw.study.presets import LADDERS, study_file
from rlaw.study.study import Study


@pytest.fixture(scope="module")
def paper():
    with study_file("qwen2.5-math") as path:
        return plan(Study.load(path))


def test_the_preset_is_the_paper_s_study_with_its_arms(paper):
    main_runs = [run for run in paper if run.arm == "main"]
    assert len({(run.size.name, run.variant, run.seed) for run in main_runs}) == len(main_runs) == 7 * 2 * 3
    assert {run.size.name: run.resources.gpus for run in main_runs} == {
        "0.5B": 4, "1.5B": 4, "3B": 4, "7B": 4, "14B": 8, "32B": 16, "72B": 32,
    }  # fmt: skip
    arms = {run.arm: run for run in paper if run.arm != "main"}
    reuse = {run.data.reuse: run.data.pool_size(run.rl) for arm, run in arms.items() if arm.startswith("reuse")}
    assert reuse == {tau: 51_200 // tau for tau in (1, 2, 5, 20, 25, 50, 100)}
    assert sorted(run.rl.num_generations for arm, run in arms.items() if arm.startswith("group")) == [4, 16, 32]
    run = main_runs[0]
    assert (run.rl.prompts // run.rl.minibatches, run.rl.beta, run.rl.learning_rate) == (128, 0.001, 1e-6)
    assert run.evaluation.schedule(run.rl.steps) == tuple(range(106))


def test_planned_compute_of_a_base_run_is_the_published_one_within_a_quarter(paper):
    compared = gpu_cost.published(paper)
    assert [one.model for one in compared] == ["0.5B", "1.5B", "3B", "7B", "14B", "32B", "72B"]
    assert all(abs(one.difference) < gpu_cost.CLOSE for one in compared)


def test_every_run_of_the_paper_fits_the_memory_of_the_smallest_gpu(paper):
    assert all(gpu_cost.run_cost(run, "A100", 0.3, 1.0).fits for run in paper)


def test_memory_of_the_training_states_is_sixteen_bytes_a_parameter_over_the_gpus():
    shape = LADDERS["qwen2.5-math"].sizes["7B"].architecture
    one = gpu_cost.memory(shape, Resources(gpus=1), 6144)
    four = gpu_cost.memory(shape, Resources(gpus=4, micro_batch=2), 6144)
    assert one.states == 16 * shape.params_total == 4 * four.states
    assert four.logits == 2 * one.logits == 2 * 6144 * 152064 * 10
    assert one.peak > one.states


def test_gpu_hours_and_money_follow_from_the_executed_flops(paper):
    run = paper.runs[0]
    cost = gpu_cost.run_cost(run, "H100", 0.4, 2.0)
    assert cost.gpu_hours * 3600 * PEAK_FLOPS["H100"] * 0.4 == pytest.approx(run.executed_flops)
    assert (cost.usd, cost.wall_hours) == (pytest.approx(2 * cost.gpu_hours), pytest.approx(cost.gpu_hours / 4))
    passes = 12 * run.params * run.rl_tokens  # rollout, old log-probabilities, reference, update
    assert run.executed_flops - run.evaluation_flops == pytest.approx(passes)


def test_the_evaluations_of_a_plan_ask_no_more_than_a_benchmark_has(paper):
    run = paper.runs[0]
    items = 500 + 1319 + 500 + 30 + 40
    tokens = 106 * items * (run.lengths.prompt + run.lengths.response)
    assert run.evaluation_flops == pytest.approx(2 * run.params * tokens, rel=0.45)  # attention and head beside 2N


def test_a_gpu_or_a_price_that_makes_no_sense_is_refused():
    with pytest.raises(NotFound, match="no GPU is called 'RTX'"):
        gpu_cost.known_gpus(["rtx"], {}, 0.3)
    with pytest.raises(UsageError, match="positive prices"):
        gpu_cost.known_gpus(["h100"], {"H100": -1.0}, 0.3)


def test_plan_lists_every_type_of_gpu_and_what_was_assumed(capsys):
    command = ["plan", "qwen2.5-math", "--gpu", "H100", "--gpu", "b200", "--price", "H100=4", "--mfu", "0.2", "--json"]
    assert main(command) == 0
    document = json.loads(capsys.readouterr().out)
    assert list(document["gpu_totals"]) == ["H100", "B200"]
    assert document["assumed"]["gpus"]["H100"]["usd_per_gpu_hour"] == 4
    assert document["gpu_totals"]["H100"]["usd"] == pytest.approx(4 * document["gpu_totals"]["H100"]["gpu_hours"])
    assert len(document["on_gpus"]) == document["totals"]["runs"] == 52
    assert main(["plan", "qwen2.5-math"]) == 0
    text = capsys.readouterr().out
    assert "all runs fit" in text
    assert "6 x nominal parameters x tokens" in text


def test_init_writes_the_preset_s_file_and_a_plan_of_it_is_the_same(tmp_path, capsys, paper, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["init", "mine.yaml", "--preset", "qwen2.5-math"]) == 0
    assert [run.id for run in plan(Study.load(Path("mine.yaml")))] == [run.id for run in paper]
    assert main(["init", "other.yaml", "--preset", "none"]) == 3


def test_ten_thousand_runs_are_planned(paper):
    seeds = tuple(range(10_000 // 14))
    many = plan(paper.study.model_copy(update={"seeds": seeds, "arms": ()}))
    assert len(many) == 14 * len(seeds)
    assert len({run.id for run in many}) == len(many)


def test_a_plan_on_verl_has_hours_and_money_although_no_size_declares_gpus():
    shapes = [{**size.entry(name), "resources": None} for name, size in LADDERS["qwen2.5-math"].sizes.items()]
    with study_file("qwen2.5-math") as path:
        study = Study.load(path)
    model = type(study.model).model_validate({"family": "qwen2", "ladder": shapes})
    bare = plan(study.model_copy(update={"model": model, "arms": ()}))
    assert bare.on_gpus
    assert not bare.declares_gpus
    of_size = {run.size.name: gpu_cost.run_cost(run, "H100", 0.3, 2.5) for run in bare}
    assert all(cost.fits and cost.gpus == cost.min_gpus and cost.usd for cost in of_size.values())
    counts = [cost.gpus for cost in of_size.values()]
    assert counts == sorted(counts)
    assert counts[0] == 1
    assert counts[-1] > 70.2e9 * gpu_cost.STATE_BYTES / 80e9  # weights and moments alone take so many


def test_the_fewest_gpus_hold_the_run_and_one_less_does_not(paper):
    for run in {run.size.name: run for run in paper}.values():
        place = gpu_cost.Placement.of(run)
        least = gpu_cost.fewest(place, "H200")
        assert place.memory(least).peak <= 141e9
        if 1 < least.gpus <= 8:
            few = [Resources(gpus=least.gpus - 1, tensor_parallel=p, micro_batch=1) for p in (1, 2, 4, 8)
                   if (least.gpus - 1) % p == 0]  # fmt: skip
            assert all(place.memory(resources).peak > 141e9 for resources in few)


@pytest.mark.parametrize("cap", [{"compute": 1e9}, {"gpu_hours": 1e-4}, {"usd": 1e-4}])
def test_caps_that_end_before_the_first_step_of_any_run_are_refused_with_the_cheapest_start(cap, paper):
    budget = type(paper.study.budget).model_validate(cap)
    rates = gpu_cost.Rates.of((), {}, 0.3)
    gpu_cost.check_start(paper, rates)
    with pytest.raises(BudgetExceeded, match=r"cheapest start is .*, one step of main-0\.5B") as refused:
        gpu_cost.check_start(replace(paper, study=paper.study.model_copy(update={"budget": budget})), rates)
    assert refused.value.exit_code == 4


def test_plan_and_allocate_agree_on_the_same_size_and_steps_to_the_last_digit(capsys, paper):
    assert main(["plan", "qwen2.5-math", "--json"]) == 0
    planned = json.loads(capsys.readouterr().out)
    prompts = str(105 * 512)
    assert main(["allocate", "qwen2.5-math-base", "--data", prompts, "--draws", "20", "--json"]) == 0
    allocated = json.loads(capsys.readouterr().out)
    of_runs = {run.size.name: run.label for run in paper if run.arm == "main" and run.variant == "base"}
    for choice in allocated["choices"]:
        label = of_runs[choice["model"].removeprefix("Qwen2.5-")]
        assert choice["steps"] == 105
        assert choice["on_gpus"] == planned["on_gpus"][label]
        assert [choice["executed_flops"]] == [r["executed_flops"] for r in planned["runs"] if r["label"] == label]
    assert allocated["assumed"] == planned["assumed"]
    assert "12 for each parameter and token" in allocated["accounting_note"]
    assert "12 for each parameter and token" in planned["accounting_note"]


def test_gpu_hours_of_a_plan_buy_its_steps_in_allocate(paper):
    run = next(run for run in paper if run.size.name == "72B" and run.arm == "main")
    hours = gpu_cost.run_cost(run, "H100", 0.3, 2.5).gpu_hours
    bought = rlaw.allocate("qwen2.5-math-base", gpu_hours=hours, gpu="H100", draws=20)
    choice = bought.choice("Qwen2.5-72B")
    assert (choice.steps, choice.on_gpus["H100"].gpu_hours) == (105, hours)
    assert all(c.on_gpus["H100"].gpu_hours == pytest.approx(hours, rel=1e-3) for c in bought.choices)


def test_a_long_plan_lists_one_of_the_runs_that_differ_in_their_seed_alone(tmp_path, capsys):
    study = {
        "name": "many", "model": {"ladder": [{"hidden": h, "layers": 2} for h in (16, 32, 64)]},
        "task": {"name": "modular-chains"}, "engine": "synthetic", "seeds": list(range(400)),
    }  # fmt: skip
    text = tmp_path / "many.yaml"
    text.write_text(json.dumps(study))
    assert main(["plan", str(text), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["totals"]["runs"], len(document["runs"]), document["left_out"]) == (1200, 3, 1197)
    assert [run["alike"] for run in document["runs"]] == [400, 400, 400]
    assert document["totals"]["executed_flops"] == pytest.approx(
        400 * sum(r["executed_flops"] for r in document["runs"])
    )
    assert main(["plan", str(text)]) == 0
    assert "(400 like it)" in capsys.readouterr().out
