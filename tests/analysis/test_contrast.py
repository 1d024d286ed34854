"""Contrasts of recipes: known differences are found, equal recipes and single runs are not called different."""

import json

import numpy as np
import polars as pl
import pytest
from scipy import stats

import rlaw
from rlaw.analysis.contrast.pooling import Pooled, difference, stated
from rlaw.cli import main
from rlaw.errors import DataError, UsageError

PARAMS = (1e9, 4e9, 16e9, 64e9)
STEPS = (1, 2, 3, 4, 6, 8, 11, 16, 23, 32)


def recipes(
    apart: dict[str, float],
    *,
    params=PARAMS,
    seeds: int = 3,
    scatter: float = 0.01,
    course: float = 0.0,
    noise: int = 0,
    speed: float = 1.0,
    **columns,
) -> pl.DataFrame:
    """Power laws of recipes: ln loss higher by `apart`, plus `course` for each unit of ln N; runs scatter in level."""
    rng = np.random.default_rng(noise)
    middle = np.log(params).mean()
    rows = []
    for n in params:
        for recipe, higher in apart.items():
            for seed in range(seeds):
                level = scatter * rng.standard_normal() + (higher + course * (np.log(n) - middle)) * bool(higher)
                for step in STEPS:
                    loss = 0.6 * (step / (speed if higher else 1.0)) ** -(0.05 + 0.02 * np.log(n / 1e9)) * np.exp(level)
                    row = {"n_params": n, "recipe": recipe, "seed": seed, "step": step, "test_loss": float(loss)}
                    rows.append(row | {"compute_flops": 6 * n * step * 1e6} | columns)
    return pl.DataFrame(rows)


def only(found: rlaw.Contrast):
    return found.pairs[0]


def test_a_real_difference_is_found_with_its_size_and_its_sign():
    table = recipes({"grpo": 0.0, "dapo": -0.1})
    pair = only(rlaw.contrast(table, "recipe=dapo,grpo"))
    true = np.mean([0.6 * 32 ** -(0.05 + 0.02 * np.log(n / 1e9)) * (np.exp(-0.1) - 1) for n in PARAMS])
    assert pair.verdict == "a_better"
    assert pair.delta_loss.low < true < pair.delta_loss.high < 0
    assert pair.probability > 0.99
    assert pair.paired_by == ("size", "seed")
    assert pair.runs == (12, 12)
    swapped = only(rlaw.contrast(table, "recipe=grpo,dapo"))
    assert swapped.verdict == "b_better"
    assert swapped.delta_loss.value == pytest.approx(-pair.delta_loss.value)
    assert swapped.p == pytest.approx(pair.p)


def test_the_order_of_the_rows_changes_nothing():
    table = recipes({"a": 0.0, "b": 0.02})
    first = rlaw.contrast(table, "recipe").to_json()
    assert rlaw.contrast(table.sample(fraction=1.0, shuffle=True, seed=1), "recipe").to_json() == first


@pytest.mark.parametrize("seeds", [2, 4])
def test_equal_recipes_are_called_different_in_about_one_of_twenty(seeds):
    rng = np.random.default_rng(0)
    found = []
    for _ in range(250):
        sizes = tuple(difference(*rng.standard_normal((2, seeds)), paired=True) for _ in range(5))
        found.append(Pooled(sizes, np.arange(5.0)).over_sizes().p < 0.05)
    assert 0.01 < np.mean(found) < 0.09


def test_of_one_size_the_difference_is_students():
    a, b = np.random.default_rng(1).standard_normal((2, 5))
    paired = Pooled((difference(a, b, paired=True),), np.array([0.0])).over_sizes()
    assert paired.p == pytest.approx(stats.ttest_rel(a, b).pvalue)
    apart = Pooled((difference(a, b, paired=False),), np.array([0.0])).over_sizes()
    assert apart.p == pytest.approx(stats.ttest_ind(a, b).pvalue)
    ends = stats.ttest_ind(a, b).confidence_interval(0.9)
    assert (apart.interval(0.9).low, apart.interval(0.9).high) == pytest.approx((ends.low, ends.high))
    known = stated(difference(a, b, paired=False), 1.0, np.inf, (5, 5))
    assert Pooled((known,), np.array([0.0])).over_sizes().scale[0] == pytest.approx(np.sqrt(2 / 5), rel=1e-3)


def test_scatter_from_size_to_size_widens_what_holds_over_sizes():
    rng = np.random.default_rng(2)
    calm = [difference(*(0.01 * rng.standard_normal((2, 3))), paired=True) for _ in range(6)]
    wild = [
        difference(rng.standard_normal() + 0.01 * rng.standard_normal(3), np.zeros(3), paired=True) for _ in "abcdef"
    ]
    quiet, loud = (Pooled(tuple(d), np.arange(6.0)).over_sizes().interval(0.9) for d in (calm, wild))
    assert loud.high - loud.low > 20 * (quiet.high - quiet.low)


def test_a_single_run_of_each_is_never_different_without_a_stated_spread():
    table = recipes({"a": 0.0, "b": 0.3}, seeds=1)
    found = rlaw.contrast(table, "recipe")
    assert only(found).verdict == "cannot_tell"
    assert "no-replicates" in {caution.code for caution in found.warnings}
    assert np.isnan(only(found).sizes[0].places[-1].probability_a_better)
    assert np.isnan(only(found).p)
    assert np.isfinite(only(found).delta_loss.low)  # by the scatter between sizes
    assert only(rlaw.contrast(table, "recipe", spread=0.01)).verdict == "a_better"
    assert only(rlaw.contrast(table, "recipe", spread=0.5)).verdict == "cannot_tell"
    shown = recipes({"main": 0.0}, seeds=4).drop("recipe")
    assert only(rlaw.contrast(table, "recipe", spread=shown)).verdict == "a_better"


def test_equivalent_takes_a_margin_that_holds_the_interval():
    table = recipes({"a": 0.0, "b": 0.001}, scatter=0.002)
    assert only(rlaw.contrast(table, "recipe", margin=0.02)).verdict == "equivalent"
    found = rlaw.contrast(table, "recipe")
    assert only(found).verdict == "cannot_tell"
    assert "no-margin" in {caution.code for caution in found.warnings}
    assert only(rlaw.contrast(recipes({"a": 0.0, "b": 0.1}), "recipe", margin=0.02)).verdict == "a_better"


@pytest.mark.parametrize(("course", "ranking"), [(0.03, "holds"), (-0.05, "fades"), (-0.12, "crosses")])
def test_what_becomes_of_the_ranking_with_size(course, ranking):
    table = recipes({"a": 0.0, "b": 0.12 if ranking != "crosses" else 0.001}, course=course, scatter=0.004)
    found = rlaw.contrast(table, "recipe", target="128B")
    pair = only(found)
    assert pair.ranking == ranking
    assert pair.at_target is not None
    assert pair.at_target.factor == pytest.approx(2.0)
    assert ("ranking-crosses" in {c.code for c in found.warnings}) == (ranking == "crosses")
    if ranking == "holds":
        assert pair.at_target.delta_loss.low < pair.at_target.delta_loss.value < 0


def test_a_faster_recipe_takes_less_compute_to_equal_loss():
    table = recipes({"a": 0.0, "b": 1e-9}, speed=0.5, scatter=0.001, params=PARAMS[2:])  # b learns half as fast
    pair = only(rlaw.contrast(table.with_columns(recipe=pl.col("recipe")), "recipe"))
    for size in pair.sizes:
        ratio = size.compute_ratio
        assert ratio.low < 2.0 < ratio.high or ratio.value == pytest.approx(2.0, rel=0.05)


def test_several_recipes_are_corrected_and_grouped():
    found = rlaw.contrast(recipes({"a": 0.0, "b": 0.001, "c": 0.2}), "recipe")
    assert [(p.a, p.b) for p in found.pairs] == [("a", "b"), ("a", "c"), ("b", "c")]
    assert all(pair.p_holm >= pair.p for pair in found.pairs)
    assert [set(group) for group in found.groups] == [{"a", "b"}, {"c"}]
    accuracy = {d.model: d for d in found.decision_accuracy}
    assert set(accuracy) == {"1B", "4B", "16B"}
    assert accuracy["1B"].accuracy > 0.6
    assert accuracy["1B"].compute_share == pytest.approx(1 / 64)


def test_runs_are_paired_by_seed_only_where_the_seeds_are_the_same():
    table = recipes({"a": 0.0, "b": 0.05})
    other = table.with_columns(seed=pl.col("seed") + 100 * (pl.col("recipe") == "b"))
    assert only(rlaw.contrast(other, "recipe")).paired_by == ("size",)
    one_less = table.filter(~((pl.col("seed") == 2) & (pl.col("recipe") == "b") & (pl.col("n_params") == 1e9)))
    found = rlaw.contrast(one_less, "recipe")
    assert only(found).paired_by == ("size", "seed")
    assert only(found).runs == (11, 11)
    assert "runs-left-out" in {caution.code for caution in found.warnings}


def test_answers_to_each_item_widen_what_only_these_items_show():
    """Recipe b fails half of the problems and a the other half: another benchmark would have had another difference."""
    rng = np.random.default_rng(3)
    hard = rng.random(40) < 0.5
    rows = []
    for recipe, wrong in (("a", hard), ("b", ~hard)):
        for seed in range(4):
            for step in (1, 2, 3, 4, 5):
                right = (rng.random(40) < np.where(wrong, 0.1, 0.9)).astype(int)
                row = {"n_params": 1e9, "recipe": recipe, "seed": seed, "step": step, "items": 40}
                rows.append(row | {"test_loss": 1 - right.mean(), "correct": right.tolist()})
    table = pl.DataFrame(rows)
    with_items, without = (only(rlaw.contrast(t, "recipe")) for t in (table, table.drop("correct")))
    assert with_items.paired_by == ("size", "seed", "item")
    assert with_items.delta_loss.high - with_items.delta_loss.low > 2 * (
        without.delta_loss.high - without.delta_loss.low
    )


def test_a_sigmoid_shows_whether_the_gain_is_in_the_ceiling():
    rows = []
    rng = np.random.default_rng(4)
    for recipe, floor in (("a", 0.3), ("b", 0.4)):
        for seed in range(3):
            for step in np.unique(np.geomspace(1, 500, 25).round()):
                loss = floor + 0.4 / (1 + (step / 20) ** 1.5) + 0.002 * rng.standard_normal()
                rows.append({"n_params": 1e9, "recipe": recipe, "seed": seed, "step": int(step), "test_loss": loss})
    asymptote = only(rlaw.contrast(pl.DataFrame(rows), "recipe")).delta_asymptote
    assert asymptote.low < -0.1 < asymptote.high < 0
    assert np.isnan(only(rlaw.contrast(recipes({"a": 0.0, "b": 0.1}), "recipe")).delta_asymptote.value)


def test_two_sources_are_contrasted_by_themselves(tmp_path):
    for recipe, higher in (("a", 0.0), ("b", 0.1)):
        recipes({recipe: higher}).drop("recipe").write_csv(tmp_path / f"{recipe}.csv")
    found = rlaw.contrast([tmp_path / "a.csv", tmp_path / "b.csv"])
    assert found.factor == "data"
    assert only(found).verdict == "a_better"
    with pytest.raises(UsageError, match="given twice"):
        rlaw.contrast([tmp_path / "a.csv", tmp_path / "a.csv"])


def test_what_else_tells_runs_apart_is_asked_about_or_said():
    table = pl.concat([recipes({"a": 0.0, "b": 0.1}, benchmark=b) for b in ("math", "code")])
    with pytest.raises(UsageError, match=r"several values of benchmark \(code, math\).*\n.*where\(benchmark='code'\)"):
        rlaw.contrast(table, "recipe")
    assert only(rlaw.contrast(table, "recipe", where={"benchmark": "code"})).verdict == "a_better"
    mixed = recipes({"a": 0.0, "b": 0.1}).with_columns(tau=pl.when(pl.col("recipe") == "a").then(1.0).otherwise(4.0))
    found = rlaw.contrast(mixed, "recipe")
    assert [c.text for c in found.warnings if c.code == "differs-also"] == [
        "the runs of a and b differ also in tau (1, 4)"
    ]


@pytest.mark.parametrize(
    ("between", "message"),
    [
        ("colour", "no runs that differ in colour"),
        ("recipe=a", "two values"),
        ("recipe=a,c", "no row has recipe = c"),
        ("benchmark", "one value only"),
        (None, "takes a factor"),
        ("", "takes a factor"),
        ("test_loss", "no runs that differ in test_loss"),
    ],
)
def test_a_factor_that_is_none_is_refused_with_what_there_is(between, message):
    with pytest.raises(UsageError, match=message):
        rlaw.contrast(recipes({"a": 0.0, "b": 0.1}), between)


def test_recipes_without_a_size_in_common_are_refused():
    table = pl.concat([recipes({"a": 0.0}, params=PARAMS[:2]), recipes({"b": 0.0}, params=PARAMS[2:])])
    with pytest.raises(DataError, match="no size was run with both a and b"):
        rlaw.contrast(table, "recipe")


def test_the_command_prints_the_document_that_was_agreed(tmp_path, capsys):
    path = tmp_path / "runs.csv"
    recipes({"a": 0.0, "b": 0.1}).write_csv(path)
    command = ["contrast", str(path), "--between", "recipe=a,b", "--margin", "0.01", "--target", "100B", "--at", "1e17"]
    assert main([*command, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert {"schema", "factor", "pairs", "groups", "warnings"} <= set(document)
    assert document["schema"] == 1
    (pair,) = document["pairs"]
    assert list(pair) == [
        *("a", "b", "paired_by", "runs", "sizes", "overall", "interaction", "at_target", "verdict"),
    ]
    assert pair["runs"] == {"a": 12, "b": 12}
    size = pair["sizes"][0]
    assert {"model", "delta_loss", "probability_a_better", "compute_ratio"} <= set(size)
    for interval in (size["delta_loss"], size["compute_ratio"], pair["overall"]["delta_k"], pair["interaction"]):
        assert {"value", "low", "high"} <= set(interval)
    assert {"delta_k", "delta_loss", "probability_a_better", "p_holm"} <= set(pair["overall"])
    assert {"value", "low", "high", "probability_a_better"} <= set(pair["at_target"])
    assert main(command) == 0
    assert "verdict: a is better than b" in capsys.readouterr().out
