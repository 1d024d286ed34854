"""Equivalent doses with known answers; bounds outside of the doses; the published numbers tell nothing."""

import json
import math
from functools import cache

import numpy as np
import polars as pl
import pytest
from scipy.optimize import isotonic_regression

import rlaw
from rlaw.analysis.dose import equivalent, isotonic
from rlaw.cli import main
from rlaw.errors import DataError, NotIdentifiable, UsageError

#: percent right of n = 100, 200, 500 problems: (items, easy, mixed), one run each (arXiv 2604.18381)
PUBLISHED = {
    "counting": (200, (21.9, 40.0, 44.2), (44.2, 43.4, 35.5)),
    "graph": (500, (33.3, 32.9, 36.5), (29.1, 32.7, 34.0)),
    "spatial": (200, (49.9, 56.7, 53.1), (56.6, 54.3, 55.7)),
}
DOSES = (32, 64, 128, 256, 512, 1024)


def published(task):
    items, *arms = PUBLISHED[task]
    return pl.DataFrame(
        [
            {"arm": arm, "dose": dose, "seed": 0, "correct": round(percent * items / 100), "items": items}
            for arm, scores in zip(("easy", "mixed"), arms, strict=True)
            for dose, percent in zip((100, 200, 500), scores, strict=True)
        ]
    )


def runs(worth, *, seeds=4, items=2000, scatter=0.01, seed=0):
    """Arms whose doses are worth so many of the reference's, on a line in ln dose; `peak` falls after its middle."""
    rng = np.random.default_rng(seed)
    made = []
    for arm, ratio in worth.items():
        for n, dose in enumerate(DOSES):
            score = 0.2 + 0.1 * math.log2(dose * ratio / 32) if ratio else 0.3 + 0.08 * (3 - abs(n - 2))
            for k in range(seeds):
                p = min(max(score + scatter * rng.standard_normal(), 0.02), 0.98)
                made.append({"arm": arm, "dose": dose, "seed": k, "correct": rng.binomial(items, p), "items": items})
    return pl.DataFrame(made)


@cache
def judged(task):
    return rlaw.dose(published(task), draws=1000)


@pytest.mark.parametrize("task", PUBLISHED)
def test_the_published_numbers_cannot_tell_what_a_mixture_is_worth(task):
    result = judged(task)
    assert result.verdict == "cannot tell"
    assert result.reference == "easy"
    assert "one-seed" in {w.code for w in result.warnings}


def test_mixed_100_is_as_good_as_easy_500_and_half_of_the_draws_are_beyond():
    first = judged("counting").arm("mixed").equivalent[0]
    assert first.ratio.value == pytest.approx(5.0)
    assert first.ratio.low == pytest.approx(1.8, abs=0.15)
    assert math.isnan(first.ratio.high)
    assert first.out_of_range == pytest.approx(0.47, abs=0.05)


def test_the_fall_of_mixed_counting_is_no_sure_peak_and_no_other_arm_has_one():
    peaks = {(task, arm.arm): arm.peak_p for task in PUBLISHED for arm in judged(task).arms}
    assert peaks.pop(("counting", "mixed")) == pytest.approx(0.084, abs=0.03)
    assert all(p > 0.2 for p in peaks.values())


def test_graph_mixed_is_below_the_smallest_easy_dose_and_gets_a_bound():
    first = judged("graph").arm("mixed").equivalent[0]
    assert first.side == "below"
    assert math.isnan(first.ratio.value)
    assert first.out_of_range == pytest.approx(0.9, abs=0.05)


@pytest.mark.parametrize(
    ("wanted", "dose"), [(0.1, -math.inf), (0.2, 0.0), (0.3, 0.5), (0.5, 2.5), (0.7, 3.5), (0.9, math.inf)]
)
def test_an_isotonic_curve_is_inverted_to_the_middle_of_its_flat_parts(wanted, dose):
    x, score = np.arange(5.0), np.array([0.2, 0.4, 0.6, 0.4, 0.8])  # pooled: .2 .4 .5 .5 .8
    got = equivalent(x, score[None], np.ones(5), np.array([[wanted]]))[0, 0]
    assert got == pytest.approx(dose if wanted != 0.7 else 3 + 2 / 3)


def test_isotonic_curves_are_scipys():
    rng = np.random.default_rng(0)
    score, weights = rng.random((20, 7)), rng.random((20, 7)) + 0.1
    for row, got, w in zip(score, isotonic(score, weights), weights, strict=True):
        assert got == pytest.approx(isotonic_regression(row, weights=w).x)


def test_a_known_ratio_comes_back_with_its_direction_and_a_peak_is_found():
    result = rlaw.dose(runs({"a": 1, "b": 2, "peak": 0}), draws=500)
    for one in result.arm("b").equivalent[:-1]:
        assert one.ratio.low < 2 and not one.ratio.high < 2  # noqa: PT018 - an end that the data do not set is nan
        assert one.ratio.value == pytest.approx(2, rel=0.2)
    last = result.arm("b").equivalent[-1]
    assert (last.side, last.ratio.low) == ("above", pytest.approx(1.0))
    assert math.isnan(last.ratio.high)
    assert result.arm("b").verdict == "worth more"
    assert result.arm("peak").peak_p_holm < 0.01
    assert result.arm("a").peak_p > 0.2
    assert "b is worth more" in result.verdict
    assert "peak peaks" in result.verdict


def test_arms_that_are_the_same_cannot_be_told_apart():
    assert rlaw.dose(runs({"a": 1, "b": 1}, items=200, scatter=0.03), draws=500).verdict == "cannot tell"


def test_the_order_of_rows_changes_nothing_and_json_has_the_keys():
    table = runs({"a": 1, "b": 2}, items=200)
    documents = [rlaw.dose(table.sample(fraction=1, shuffle=True, seed=n), draws=300).to_json() for n in (1, 2)]
    assert documents[0] == documents[1]
    document = json.loads(json.dumps(documents[0], allow_nan=False))
    assert {"schema", "reference", "arms", "verdict", "warnings"} <= set(document)
    assert set(document["arms"][1]["doses"][0]) == {"dose", "score", "runs"}
    assert {"dose", "ratio", "out_of_range"} <= set(document["arms"][1]["equivalent"][0])
    assert document["arms"][1]["equivalent"][-1]["ratio"]["value"] is None
    assert "p" in document["arms"][0]["peak"]


def test_shared_items_are_drawn_together_and_narrow_the_ratio():
    rng = np.random.default_rng(3)
    hard = rng.normal(0, 2.5, 300)
    rows = [
        {
            "arm": arm,
            "dose": dose,
            "seed": seed,
            "item": i,
            "correct": rng.random() < 1 / (1 + math.exp(hard[i] - level)),
        }
        for arm, ratio in (("a", 1), ("b", 2))
        for dose in DOSES[:4]
        for seed in range(2)
        for i, level in ((i, math.log2(dose * ratio / 32) - 1) for i in range(300))
    ]
    answers = pl.DataFrame(rows)
    counted = answers.group_by("arm", "dose", "seed").agg(correct=pl.col("correct").sum(), items=pl.len())
    widths = []
    for table in (answers, counted):
        ratio = rlaw.dose(table, draws=400).arm("b").equivalent[1].ratio
        assert ratio.low < 2 < ratio.high
        widths.append(math.log(ratio.high / ratio.low))
    assert widths[0] < widths[1]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"correct": [0.5, 0.6]}, None, None),
        ({"correct": [300, 5]}, DataError, "300 right answers of 200"),
        ({"dose": [100, 100]}, DataError, "stand twice"),
        ({"dose": [100, None]}, DataError, "column dose, row 2: empty"),
        ({"arm": ["x", "y"]}, NotIdentifiable, "has one dose"),
        ({"dose": [0, 100]}, NotIdentifiable, "has one dose"),
        ({"benchmark": ["p", "q"]}, UsageError, "holds several benchmarks"),
    ],
)
def test_a_table_that_gives_no_curve_is_refused(change, error, message):
    table = {"arm": ["x", "x"], "dose": [100, 200], "seed": [0, 0], "correct": [20, 30], "items": [200, 200], **change}
    if error is None:
        assert rlaw.dose(pl.DataFrame(table)).verdict == "cannot tell"
    else:
        with pytest.raises(error, match=message):
            rlaw.dose(pl.DataFrame(table))


def test_evaluations_are_runs_by_their_last_one(tmp_path, capsys):
    rows = [
        {
            "model": "m",
            "n_params": 1e9,
            "arm": arm,
            "seed": seed,
            "step": step,
            "data_size": 64 * step * tau,
            "tau": tau,
        }
        | {"items": 400, "test_loss": 0.9 - 0.05 * step - 0.1 * (tau > 1) - 0.01 * seed}
        for arm, tau in (("once", 1), ("often", 4))
        for seed in range(2)
        for step in (1, 2, 4)
    ]
    path = tmp_path / "evals.csv"
    pl.DataFrame(rows).write_csv(path)
    assert main(["dose", str(path), "--of", "unique_data", "--json"]) == 4
    assert "has one dose" in json.loads(capsys.readouterr().out)["error"]["text"]
    many = pl.concat(
        [pl.DataFrame(rows), pl.DataFrame(rows).filter(pl.col("step") < 3).with_columns(seed=pl.lit(7, pl.Int64))]
    )
    many.write_csv(path)
    assert main(["dose", str(path), "--of", "data_size", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [point["dose"] for point in document["arms"][0]["doses"]] == [512, 1024]
    assert [point["runs"] for point in document["arms"][0]["doses"]] == [1, 2]
