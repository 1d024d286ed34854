"""Threshold laws: what a run needs to reach a share of right answers, as a law of its task."""

import json
import math

import numpy as np
import polars as pl
import pytest
from scipy.integrate import quad
from scipy.optimize import minimize
from scipy.special import ndtr

import rlaw
from rlaw.cli import main
from rlaw.errors import DataError, NotIdentifiable, UsageError
from rlaw.fitting.threshold.crossing import crossing
from rlaw.fitting.threshold.likelihood import Design, fit
from rlaw.fitting.threshold.profile import ends

DEPTHS = (2, 3, 4, 6, 8)


def intervals(gammas=(1.8,), a=10.0, scatter=0.15, budget=math.inf, seeds=3, seed=0, width=0.05):
    """A row for each run, with the interval in which its crossing lies; `high` is empty past the budget."""
    rng, rows = np.random.default_rng(seed), []
    for g, gamma in enumerate(gammas):
        for depth in DEPTHS:
            for s in range(seeds):
                T = a * depth**gamma * math.exp(scatter * rng.standard_normal())
                never = budget < T
                ends = {"low": budget if never else T * (1 - width), "high": None if never else T * (1 + width)}
                rows.append({"logic": f"logic {g}", "depth": depth, "seed": s, **ends})
    return pl.DataFrame(rows, infer_schema_length=None)


def curves(gamma=1.2, a=8.0, last=200, seed=0, items=400):
    """Evaluations of every run, right answers counted."""
    rng, rows = np.random.default_rng(seed), []
    for depth in DEPTHS:
        for s in range(2):
            T = a * depth**gamma * math.exp(0.1 * rng.standard_normal())
            for step in range(0, last + 1, 5):
                rate = 0.25 + 0.73 * (1 - math.exp(-2.21 * step / T))
                rows.append({"depth": depth, "seed": s, "step": step, "correct": rng.binomial(items, rate)})
    return pl.DataFrame(rows).with_columns(items=items, compute=pl.col("step") * pl.col("depth") * 1e9)


def test_the_likelihood_is_the_integral_over_seeds_and_its_maximum_is_found():
    rng = np.random.default_rng(1)
    x, seeds = np.repeat(np.log(DEPTHS), 3), np.tile(np.arange(3), 5)
    y = 1 + 1.5 * x + 0.2 * rng.standard_normal(15) + np.array([-0.3, 0.0, 0.4])[seeds]
    low, high = y - 0.05, np.where(y > 4.2, np.inf, y + 0.05)
    low = np.where(y > 4.2, 4.2, low)
    X = np.stack([np.ones(15), x], axis=1)

    def minus(p):
        a, gamma, sigma, of_seeds = p[0], p[1], math.exp(p[2]), math.exp(p[3])
        total = 0.0
        for s in range(3):
            own = seeds == s
            mu = a + gamma * x[own]

            def product(b, own=own, mu=mu):
                inside = ndtr((high[own] - mu - b) / sigma) - ndtr((low[own] - mu - b) / sigma)
                return np.prod(inside) * math.exp(-0.5 * (b / of_seeds) ** 2) / (of_seeds * math.sqrt(2 * math.pi))

            total += math.log(max(quad(product, -2, 2, points=[-0.3, 0, 0.4], limit=200)[0], 1e-300))
        return -total

    ours = fit(low[None], high[None], Design(X, seeds))
    sigma, of_seeds = ours.sigma_S[0], ours.ratio_S[0] * ours.sigma_S[0]
    at = [*ours.beta_SP[0], math.log(sigma), math.log(of_seeds)]
    assert ours.log_likelihood_S[0] == pytest.approx(-minus(at), abs=0.1)  # quadrature, and what holds sigma
    best = minimize(minus, at, method="Nelder-Mead", options={"maxiter": 80})
    assert -best.fun - ours.log_likelihood_S[0] < 0.15
    assert ours.beta_SP[0, 1] == pytest.approx(best.x[1], abs=0.02)


def test_without_censoring_the_profile_interval_is_students():
    rng, x = np.random.default_rng(2), np.log(np.repeat(DEPTHS, 2))
    y = 1 + 2 * x + 0.2 * rng.standard_normal(10)
    X = np.stack([np.ones(10), x], axis=1)
    design = Design(X, np.arange(10))
    line = fit(y[None] - 1e-4, y[None] + 1e-4, design)
    low, high = ends(y[None] - 1e-4, y[None] + 1e-4, design, line, 1, 0.9)
    (_, slope), rest, *_ = np.linalg.lstsq(X, y, rcond=None)
    error = math.sqrt(rest[0] / 8 / np.sum((x - x.mean()) ** 2))
    assert line.beta_SP[0, 1] == pytest.approx(slope, abs=1e-3)
    assert [low[0], high[0]] == pytest.approx([slope - 1.8595 * error, slope + 1.8595 * error], abs=0.01)


def test_runs_that_never_got_there_are_neither_dropped_nor_capped():
    fitted, dropped, capped = [], [], []
    for seed in range(20):
        rows = intervals(scatter=0.25, budget=330, seed=seed)
        fitted.append(rlaw.threshold(rows, draws=20).groups[0].gamma.value)
        x, crossed = np.log(rows["depth"].to_numpy()), rows["high"].is_not_null().to_numpy()
        y = np.log(rows["high"].fill_null(330).to_numpy())
        dropped.append(np.polyfit(x[crossed], y[crossed], 1)[0])
        capped.append(np.polyfit(x, y, 1)[0])
    assert np.mean(fitted) == pytest.approx(1.8, abs=0.08)
    assert np.mean(capped) < 1.7
    assert np.mean(dropped) < np.mean(fitted) - 0.05


def test_equal_gammas_are_not_told_apart_and_others_are():
    same = rlaw.threshold(intervals((1.5, 1.5), seed=3), by="logic", draws=200)
    assert same.equal_p > 0.05
    assert [pair.verdict for pair in same.pairs] == ["cannot tell"]
    other = rlaw.threshold(intervals((1.0, 1.8, 2.6), seed=3), by="logic", draws=200)
    assert other.equal_p < 0.02
    assert [pair.verdict for pair in other.pairs] == ["larger"] * 3
    for group, gamma in zip(other.groups, (1.0, 1.8, 2.6), strict=True):
        assert group.gamma.low < gamma < group.gamma.high
        assert group.doubling.value == pytest.approx(2**group.gamma.value)


def test_power_and_exponential_are_told_apart_by_aic_and_by_the_deepest():
    power = rlaw.threshold(intervals(scatter=0.1), draws=20)
    assert power.delta_aic > 4
    assert power.held_out["power"] < power.held_out["exponential"]
    instead = (0.5 * pl.col("depth")).exp() / pl.col("depth").pow(1.8)
    exponential = rlaw.threshold(intervals(scatter=0.1).with_columns(pl.col("low", "high") * instead), draws=20)
    assert exponential.delta_aic < -4
    assert "exponential-fits-better" in {w.code for w in exponential.warnings}


def test_a_budget_buys_the_depth_whose_law_it_is():
    result = rlaw.threshold(intervals(scatter=0.1, seed=1), budget=10 * 5**1.8, draws=20)
    (reached,) = result.reached
    assert reached.depth.low < 5 < reached.depth.high
    assert reached.depth.high / reached.depth.low < 1.3


def test_one_lucky_evaluation_is_no_crossing_and_a_fall_is_flagged():
    x, answers = np.arange(0, 60, 10.0), np.full(6, 300.0)
    lucky = crossing(x, np.array([0.2, 0.92, 0.6, 0.7, 0.8, 0.85]), answers, 0.9)
    assert (lucky.low, lucky.high) == (50, math.inf)
    back = crossing(x, np.array([0.2, 0.6, 0.95, 0.97, 0.99, 0.8]), answers, 0.9)
    assert (back.low, back.high, back.falls_back) == (10, 20, True)
    assert crossing(x, np.full(6, 0.95), answers, 0.9) is None
    assert crossing(x[1:], np.full(5, 0.95), answers[1:], 0.9).low == 0


def document(path, capsys, *options):
    assert main(["threshold", str(path), "--draws", "50", "--json", *options]) == 0
    return json.loads(capsys.readouterr().out)


def test_the_document_has_its_contract_and_no_order_of_rows_changes_it(tmp_path, capsys):
    rows = curves(last=70)
    rows.write_csv(tmp_path / "a.csv")
    rows.sample(fraction=1, shuffle=True, seed=4).rename({"step": "Step"}).write_csv(tmp_path / "b.csv")
    first, second = (document(tmp_path / name, capsys, "--in", "step") for name in ("a.csv", "b.csv"))
    assert [first[key] for key in ("runs", "groups", "exponential")] == [
        second[key] for key in ("runs", "groups", "exponential")
    ]
    assert first["schema"] == 1
    assert first["reach"] == 0.9
    assert {"low", "high", "censored", "run"} <= set(first["runs"][0])
    assert [run["high"] is None for run in first["runs"]] == [run["censored"] for run in first["runs"]]
    assert any(run["censored"] for run in first["runs"])
    (group,) = first["groups"]
    assert set(group["gamma"]) == set(group["a"]) == {"value", "low", "high"}
    assert group["gamma"]["low"] < 1.2 < group["gamma"]["high"]
    assert group["runs"] == 10
    assert group["censored"] == sum(run["censored"] for run in first["runs"])
    assert first["equal_gamma"]["p"] is None
    assert isinstance(first["exponential"]["delta_aic"], float)
    assert {"depth_for_budget", "warnings"} <= set(first)
    assert [other["reach"] for other in first["sensitivity"]] == [0.8, 0.95]


def test_a_step_that_costs_more_at_larger_depth_gives_a_larger_gamma_in_compute():
    in_steps, in_flops = (rlaw.threshold(curves(), along=along, draws=20) for along in ("step", "compute"))
    assert in_flops.groups[0].gamma.value == pytest.approx(in_steps.groups[0].gamma.value + 1, abs=0.05)


def test_scores_counts_losses_and_percent_are_the_same_runs(tmp_path):
    rows = curves()
    share = rows.with_columns(score=pl.col("correct") / pl.col("items")).drop("correct", "items")
    loss = share.with_columns(test_loss=1 - pl.col("score")).drop("score")
    percent = share.with_columns(score=pl.col("score") * 100)
    expected = rlaw.threshold(share, along="step", draws=20)
    for table, measure in ((loss, None), (percent, "percent")):
        again = rlaw.threshold(table, along="step", draws=20, measure=measure)
        assert [(r.low, r.high) for r in again.runs] == [(r.low, r.high) for r in expected.runs]
    with pytest.raises(DataError, match="it looks like percent"):
        rlaw.threshold(percent, along="step")


def test_benchmarks_of_a_frame_give_the_depth(make_plan, train_here, tmp_path):
    rows = curves().with_columns(
        model=pl.lit("m"), n_params=1e6, benchmark=pl.format("depth-{}", "depth"), score=pl.col("correct") / 400
    )
    frame = rlaw.load(rows.rename({"score": "accuracy"}).drop("depth", "correct", "items"), measure="accuracy")
    result = rlaw.threshold(frame, along="step", draws=20)
    assert {run.value for run in result.runs} == set(DEPTHS)
    store = train_here(tmp_path / "store", make_plan())
    with pytest.raises(NotIdentifiable, match="4 distinct values of params"):
        rlaw.threshold(store.path, of="params", along="tokens", reach=0.99)
    with pytest.raises(DataError, match="does not have the resource gpu-hours"):
        rlaw.threshold(store.path, of="params", along="gpu-hours")


def test_too_few_depths_are_refused_and_a_group_of_them_has_no_law(tmp_path, capsys):
    few = intervals().filter(pl.col("depth") < 6)
    few.write_csv(tmp_path / "few.csv")
    assert main(["threshold", str(tmp_path / "few.csv"), "--json"]) == 4
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "not-identifiable"
    both = pl.concat([intervals((1.5, 1.5)).filter((pl.col("depth") < 6) | (pl.col("logic") == "logic 0"))])
    result = rlaw.threshold(both, by="logic", draws=20)
    assert math.isnan(result.group("logic 1").gamma.value)
    assert "few-depths" in {w.code for w in result.warnings}
    assert result.to_json()["groups"][1]["gamma"] == {"value": None, "low": None, "high": None}


@pytest.mark.parametrize(
    ("rows", "options", "error", "text"),
    [
        ({"depth": [0], "low": [1], "high": [2]}, {}, DataError, "must be above 0"),
        ({"depth": [1], "low": [3], "high": [2]}, {}, DataError, "from 3 to 2 is none"),
        ({"depth": ["deep"], "low": [1], "high": [2]}, {}, DataError, "'deep' is no number"),
        ({"depth": [1], "low": [1], "high": [2]}, {"by": "logic"}, DataError, "no column for `by=logic`"),
        ({"depth": [1], "low": [1], "high": [2]}, {"of": "size"}, DataError, "no column for `of=size`"),
        ({"depth": [1], "low": [1], "high": [2]}, {"reach": 90}, UsageError, "between 0 and 1"),
        ({"depth": [1, 1], "step": [1, 1], "score": [0.1, 0.2]}, {"along": "step"}, DataError, "step 1 twice"),
        ({"depth": [1, 1], "step": [1, 2], "cost": [5, 4], "score": [0.1, 0.2]}, {"along": "cost"}, DataError, "falls"),
        ({"depth": [1], "step": [1], "score": [0.1]}, {"along": "tokens"}, DataError, "no column for the resource tok"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_with_a_reason(rows, options, error, text, tmp_path):
    pl.DataFrame(rows).write_csv(tmp_path / "rows.csv")
    with pytest.raises(error, match=text):
        rlaw.threshold(tmp_path / "rows.csv", **options)
