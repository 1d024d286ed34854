import json

import numpy as np
import polars as pl
import pytest

import rlaw
from rlaw.decisions.budget import budget
from rlaw.errors import BudgetExceeded, DataError, NotFound, NotIdentifiable, UsageError
from rlaw.measurements.frame import Frame
from rlaw.study.gpus import PEAK_FLOPS


def crossing_ladder(noise=0.002, seed=0):
    """Three sizes whose power laws over compute cross at known places; step s of size N costs 1e6 N FLOPs."""
    rng = np.random.default_rng(seed)
    tables = []
    for N, k, level in ((1e9, 0.04, 0.80), (2e9, 0.08, 0.84), (4e9, 0.10, 1.1)):
        step = np.arange(1, 61)
        compute = 1e6 * N * step
        loss = level * (compute / 1e15) ** -k + noise * rng.standard_normal(60)
        data = {"params": np.full(60, N), "step": step, "data_size": 256.0 * step, "compute_flops": compute}
        tables.append(pl.DataFrame(data | {"test_loss": loss}))
    return Frame.of(pl.concat(tables), "crossing")


@pytest.fixture(scope="module")
def ladder():
    return crossing_ladder()


def crossing(a, b):
    """Where two laws (level, k) over compute / 1e15 meet."""
    return 1e15 * (b[0] / a[0]) ** (1 / (b[1] - a[1]))


def test_crossovers_are_found_where_the_laws_meet(ladder):
    first, second = rlaw.allocate(ladder, compute=1e16).crossovers
    true = crossing((0.80, 0.04), (0.84, 0.08))
    assert (first.smaller, first.larger) == ("1B", "2B")
    assert first.compute_flops.low < true < first.compute_flops.high
    assert first.compute_flops.value == pytest.approx(true, rel=0.2)
    true = crossing((0.84, 0.08), (1.1, 0.10))
    assert true > 10 * 1e6 * 4e9 * 60  # beyond ten times the compute that was run
    assert second.compute_flops.value == np.inf
    assert second.to_json()["compute_flops"]["value"] is None
    assert "does not overtake" in second.text


def test_a_larger_size_that_is_always_ahead_is_told_so(ladder):
    better = pl.when(pl.col("model") == "2B").then(pl.col("test_loss") * 0.8).otherwise("test_loss").alias("test_loss")
    frame = Frame.of(ladder.rows.with_columns(better).drop("base_loss"), "ahead")
    first = rlaw.allocate(frame, compute=1e16, draws=200).crossovers[0]
    assert first.to_json()["compute_flops"] == {"value": None, "low": None, "high": None}
    assert "ahead from the first" in first.text


def test_the_best_size_changes_with_the_budget_and_the_probabilities_add_up(ladder):
    small, large = (rlaw.allocate(ladder, compute=c) for c in (2.2e15, 6e16))
    assert small.best == "1B"
    assert large.best == "2B"
    for told in (small, large):
        assert sum(c.probability_best for c in told.choices) == pytest.approx(1)
    assert large.choice("2B").probability_best > 0.9


def test_losses_steps_and_data_at_the_budget_are_those_of_the_curves(ladder):
    told = rlaw.allocate(ladder, compute=3e16)
    choice = told.choice("1B")
    assert choice.steps == pytest.approx(30)
    assert choice.data == pytest.approx(30 * 256)
    assert choice.loss.value == pytest.approx(0.80 * 30**-0.04, abs=0.003)
    assert choice.loss.low < choice.loss.value < choice.loss.high
    assert choice.axis_factor == 1
    assert choice.doubling.value == pytest.approx(0.80 * (60**-0.04 - 30**-0.04), abs=0.003)


def test_past_what_was_run_steps_grow_at_the_same_rate_and_a_caution_says_so(ladder):
    told = rlaw.allocate(ladder, compute=6e17, draws=200)
    choice = told.choice("1B")
    assert choice.steps == pytest.approx(600)
    assert choice.axis_factor == pytest.approx(10)
    assert "beyond-axis" in [w.code for w in told.warnings]


def test_a_data_budget_gives_every_size_the_same_prompts(ladder):
    told = rlaw.allocate(ladder, data=256 * 40, draws=200)
    assert {c.data for c in told.choices} == {256 * 40}
    assert [c.steps for c in told.choices] == pytest.approx([40] * 3)
    assert [c.compute_flops for c in told.choices] == pytest.approx([1e6 * N * 40 for N in (1e9, 2e9, 4e9)])
    assert len(told.crossovers) == 2


def test_without_a_compute_column_there_are_no_crossovers(ladder):
    frame = Frame.of(ladder.rows.drop("compute_flops", "base_loss"), "no compute")
    told = rlaw.allocate(frame, data=10_000, draws=50)
    assert told.crossovers == ()
    assert told.choices[0].compute_flops is None
    with pytest.raises(DataError, match="compute_flops"):
        rlaw.allocate(frame, compute=1e16)


def test_doublings_to_a_target_are_counted_from_the_budget(ladder):
    loss = 0.84 * 64**-0.08  # what the 2B size has at 6.4e16
    told = rlaw.allocate(ladder, compute=1.6e16, target_loss=loss)
    assert told.doublings_needed.value == pytest.approx(2, abs=0.5)
    never = rlaw.allocate(ladder, compute=1.6e16, target_loss=0.01, draws=200)
    assert never.doublings_needed.value == np.inf
    assert never.to_json()["doublings_needed"]["value"] is None
    reached = rlaw.allocate(ladder, compute=1.6e16, target_loss=0.95, draws=200)
    assert reached.doublings_needed.value == 0


def test_hours_and_money_become_flops_by_the_share_of_the_peak_they_are_given():
    hours = budget(gpu_hours="100 GPU-h", gpu="h100", mfu=0.25)
    assert hours.amount == pytest.approx(100 * 3600 * PEAK_FLOPS["H100"] * 0.25)
    money = budget(usd="$300", gpu="H100", mfu=0.25, usd_per_gpu_hour=3)
    assert money.amount == pytest.approx(hours.amount)
    assert money.given["gpu_hours"] == pytest.approx(100)
    assert "100 H100 hours" in str(hours)


@pytest.mark.parametrize("given", [{}, {"compute": 1e20, "data": 1e4}])
def test_one_budget_is_needed(given):
    with pytest.raises(UsageError, match="one budget"):
        budget(**given)


def test_budgets_that_make_no_sense_are_refused(ladder):
    with pytest.raises(UsageError, match="`gpu=A100"):
        budget(usd=100)
    with pytest.raises(NotFound, match="V100"):
        budget(gpu_hours=1, gpu="V100")
    with pytest.raises(UsageError, match="mfu"):
        budget(gpu_hours=1, gpu="A100", mfu=1.5)
    with pytest.raises(UsageError, match="FLOPs"):
        budget(compute=-1)
    with pytest.raises(UsageError, match="between 0 and 1"):
        rlaw.allocate(ladder, compute=1e16, target_loss=2)


def test_the_document_is_valid_json_and_the_text_tells_the_best(ladder):
    told = rlaw.allocate(ladder, usd=1, gpu="A100", target_loss=0.5, draws=50)
    document = json.loads(json.dumps(told.to_json(), allow_nan=False))
    assert document["best"] == told.best
    assert f"best: {told.best}" in str(told)
    assert "assumed-mfu" in [w["code"] for w in document["warnings"]]


def test_the_papers_trade_off_between_32b_and_72b_is_found():
    told = rlaw.allocate(rlaw.load("qwen2.5-math-base"), compute=1e19)
    assert told.best == "Qwen2.5-32B"
    last = told.crossovers[-1].compute_flops
    assert 1e19 < last.value < 1e20  # the paper reads 1 to 3e19 off its figure


def test_wall_time_becomes_flops_by_gpus_or_by_a_measured_throughput():
    by_gpu = budget(wall="2 h", gpu="H100", gpus=8, mfu=0.25)
    assert by_gpu.amount == pytest.approx(2 * 8 * 3600 * PEAK_FLOPS["H100"] * 0.25)
    assert by_gpu.given["gpu_hours"] == pytest.approx(16)
    by_tokens = budget(wall=3600, tokens_per_second="40k@7B", flops_per_param_token=8)
    assert by_tokens.amount == pytest.approx(3600 * 40e3 * 7e9 * 8)
    with pytest.raises(UsageError, match="of which size"):
        budget(wall="1 h", tokens_per_second="40k")
    with pytest.raises(UsageError, match="tokens_per_second"):
        budget(wall="1 h")


def test_a_budget_of_unique_prompts_chooses_how_often_to_pass_over_them():
    told = rlaw.allocate(rlaw.load("qwen2.5-math-reuse"), unique_data=2048, draws=300)
    assert [c.tau for c in told.choices] == [1, 2, 5, 20, 25, 50, 100]
    assert [c.data for c in told.choices] == [2048 * c.tau for c in told.choices]
    assert told.choice("Qwen2.5-7B", 25).loss.high < told.choice("Qwen2.5-7B", 1).loss.low  # 25 passes beat one
    assert told.best_tau >= 20
    document = json.loads(json.dumps(told.to_json(), allow_nan=False))
    assert document["budget"] == {"unique_data": 2048}
    assert "assumed-reuse" in [w["code"] for w in document["warnings"]]
    assert f"tau {told.best_tau:g}" in str(told)


def test_at_equal_prompts_few_passes_cost_nothing_and_a_hundred_do():
    reuse = rlaw.load("qwen2.5-math-reuse")
    last = {
        tau: rlaw.allocate(reuse, unique_data=51_200 / tau, draws=200).choice("Qwen2.5-7B", tau) for tau in (1, 100)
    }
    assert last[1].data == last[100].data
    assert last[100].loss.low > last[1].loss.high


def test_data_of_one_tau_tell_nothing_of_reuse(ladder):
    with pytest.raises(NotIdentifiable, match="reuse factors"):
        rlaw.allocate(ladder, unique_data=1000)


def test_iso_compute_and_iso_loss_are_the_same_frontier(ladder):
    told = rlaw.allocate(ladder, data=256 * 40, target_loss=0.7, draws=300)
    for at in told.iso_compute:
        assert at.losses[at.best].value == min(loss.value for loss in at.losses.values())
    asked = next(i for i in told.iso_loss if i.loss == 0.7)
    assert asked.cheapest == "2B"
    true = 1e15 * (0.84 / 0.7) ** (1 / 0.08)
    assert asked.compute_flops["2B"].low < true < asked.compute_flops["2B"].high
    assert asked.to_json()["compute_flops"]["1B"]["where"] == "beyond reach" or asked.compute_flops["1B"].value > true


def test_a_size_that_the_budget_pays_no_step_of_is_no_choice(ladder):
    told = rlaw.allocate(ladder, compute=1.5e15, draws=100)
    assert [c.model for c in told.choices] == ["1B"]  # a step of 2B costs 2e15
    assert all(c.steps >= 1 for c in told.choices)
    caution = next(w for w in told.warnings if w.code == "cannot-begin")
    assert "2B (0.75 of 1 steps)" in caution.text
    with pytest.raises(BudgetExceeded, match=r"no size can begin with it(.|\n)*1B \(0\.5 of 1 steps\)"):
        rlaw.allocate(ladder, compute=5e14)


def test_a_size_without_enough_steps_for_an_evaluation_is_no_choice(ladder):
    rare = Frame.of(ladder.rows.filter(pl.col("step") % 10 == 0).drop("base_loss"), "every tenth step")
    told = rlaw.allocate(rare, compute=2.5e16, draws=50)
    assert [c.model for c in told.choices] == ["1B", "2B"]  # 4B has six steps, and is evaluated after ten
    assert "4B (6.3 of 10 steps)" in next(w for w in told.warnings if w.code == "cannot-begin").text


def test_a_budget_a_hundred_times_beyond_the_data_is_refused_unless_it_is_asked_for(ladder):
    with pytest.raises(UsageError, match=r"times outside of the data(.|\n)*`far=True`"):
        rlaw.allocate(ladder, compute=1e21)
    told = rlaw.allocate(ladder, compute=1e21, far=True, draws=50)
    assert min(c.axis_factor for c in told.choices) > 100


def test_the_problems_of_an_evaluation_widen_every_interval_and_leave_the_choice(ladder):
    asked = Frame.of(ladder.rows.with_columns(items=pl.lit(200)).drop("base_loss"), "200 problems")
    plain, wide = (rlaw.allocate(f, compute=3e16, draws=400) for f in (ladder, asked))
    error = 0.5 * np.sqrt(0.8 * 0.2 / 200)  # about half of the binomial variance is that of the problems
    for before, after in zip(plain.choices, wide.choices, strict=True):
        assert after.loss.high - after.loss.low > max(before.loss.high - before.loss.low, 3 * error)
        assert after.loss.low <= after.loss.value <= after.loss.high
    assert wide.best == plain.best
    assert [c.probability_best for c in wide.choices] == pytest.approx(
        [c.probability_best for c in plain.choices], abs=0.1
    )


def test_a_loss_beyond_the_data_has_room_for_a_slope_that_fades(ladder):
    choice = rlaw.allocate(ladder, compute=6e17, draws=400).choice("1B")
    last = 0.80 * 60**-0.04
    assert choice.loss.high > choice.loss.value + 0.3 * (last - choice.loss.value)
    assert 0 <= choice.loss.low < choice.loss.high <= 1


def test_sizes_of_no_study_execute_twice_what_they_count_and_unknown_shapes_are_placed_by_their_states(ladder):
    result = rlaw.allocate(ladder, compute=1e16, gpu="H100", draws=20)
    choice = result.choice("2B")
    assert choice.executed_flops == pytest.approx(2e16)  # 12 of 6
    cost = choice.on_gpus["H100"]
    assert cost.gpu_hours == pytest.approx(2e16 / (PEAK_FLOPS["H100"] * 0.3 * 3600))
    assert cost.usd == pytest.approx(2.5 * cost.gpu_hours)
    assert (cost.min_gpus, cost.memory.peak) == (1, pytest.approx(2e9 * 18))  # 16 bytes of states, 2 of rollout weights
    assert "executed" in str(result)


def test_the_steps_of_a_store_cost_what_the_plan_of_its_study_says(store):
    from rlaw.study import gpu_cost
    from rlaw.study.plan import plan

    runs = {run.size.name: run for run in plan(store.study) if run.arm == "main" and run.variant == "base"}
    steps = next(iter(runs.values())).rl.steps
    prompts = steps * next(iter(runs.values())).rl.prompts
    frame = rlaw.load(store.path).where(variant="base", benchmark="held-out")
    result = rlaw.allocate(frame, data=prompts, draws=20)
    for choice in result.choices:
        assert choice.steps == steps
        assert choice.on_gpus["H100"] == gpu_cost.run_cost(runs[choice.model], "H100", 0.3, 2.5)
