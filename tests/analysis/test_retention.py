"""Retention: differences by hand, paired items, and stages in the order of their numbers."""

import json

import numpy as np
import polars as pl
import pytest
from scipy import stats

import rlaw
from rlaw.cli import main
from rlaw.errors import DataError

STAGES = {"base": ("0", ""), "chains": ("1-chains", "chains"), "tables": ("stage 2", "tables")}
RIGHT = {"chains": (5, 30, 18), "tables": (4, 9, 33)}  # of 40 items, the easiest ones first


def answers(seeds=1):
    rows = [
        {
            "stage": stage,
            "trained": trained,
            "benchmark": skill,
            "item": n,
            "correct": n < RIGHT[skill][at],
            "seed": seed,
        }
        for at, (stage, trained) in enumerate(STAGES.values())
        for skill in RIGHT
        for n in range(40)
        for seed in range(seeds)
    ]
    return pl.DataFrame(rows).sample(fraction=1.0, shuffle=True, seed=1)


def test_forgetting_and_transfer_are_differences_on_the_same_items():
    (order,) = rlaw.retention(answers()).orders
    assert order.stages == ("0", "1-chains", "stage 2")
    assert [entry.right for entry in order.matrix] == [5, 4, 30, 9, 18, 33]
    chains, tables = order.skills
    assert chains.forgetting.difference.value == pytest.approx(12 / 40)
    assert (chains.forgetting.since, chains.forgetting.to) == ("1-chains", "stage 2")
    assert chains.forgetting.p == pytest.approx(stats.binomtest(12, 12).pvalue)
    assert 0.1 < chains.forgetting.difference.low < 0.3 < chains.forgetting.difference.high < 0.5
    assert chains.backward.difference.value == pytest.approx(-12 / 40)
    assert chains.forward is None
    assert tables.forward.difference.value == pytest.approx(5 / 40)
    assert tables.backward is None
    assert tables.forgetting.difference.value == pytest.approx(-24 / 40)


def test_runs_that_differ_widen_the_interval():
    same, rng = answers(4), np.random.default_rng(0)
    level = pl.Series(rng.normal(0, 8, 12))  # right answers more or less, for each seed and stage
    at = pl.col("stage").replace_strict({"0": 0, "1-chains": 1, "stage 2": 2}, return_dtype=pl.Int64)
    base = at.replace_strict(dict(enumerate(RIGHT["chains"])), return_dtype=pl.Float64)
    place = (at * 4 + pl.col("seed")).replace_strict(dict(enumerate(level)), return_dtype=pl.Float64)
    apart = same.filter(pl.col("benchmark") == "chains").with_columns(correct=pl.col("item") < base + place)
    widths = []
    for table in (same, apart):
        found = rlaw.retention(table).orders[0].skills[0].backward.difference
        widths.append(found.high - found.low)
    assert widths[1] > 1.2 * widths[0]


def test_stages_without_numbers_have_no_order():
    with pytest.raises(DataError, match="stages after, before have no order"):
        rlaw.retention(pl.DataFrame({"stage": ["before", "after"], "benchmark": "b", "item": 1, "correct": [0, 1]}))


def test_the_command_prints_one_document_and_says_what_is_not_known(tmp_path, capsys):
    answers().drop("trained").write_csv(tmp_path / "x.csv")
    assert main(["retention", str(tmp_path / "x.csv"), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == 1
    assert document["orders"][0]["skills"][0]["backward"] is None
    assert {w["code"] for w in document["warnings"]} == {"trained-unknown", "one-run", "best-of-several"}
    assert main(["retention", str(tmp_path / "x.csv")]) == 0
    assert "chains: forgetting 30.0" in capsys.readouterr().out


def test_counts_of_evaluations_have_the_same_matrix_and_wider_intervals():
    table = answers().group_by("stage", "trained", "benchmark").agg(correct=pl.col("correct").sum(), items=pl.len())
    paired, counted = rlaw.retention(answers()), rlaw.retention(table)
    assert [e.right for e in counted.orders[0].matrix] == [e.right for e in paired.orders[0].matrix]
    assert counted.orders[0].matrix[0].accuracy == paired.orders[0].matrix[0].accuracy
    lows = [result.orders[0].skills[0].forgetting.difference.low for result in (counted, paired)]
    assert lows[0] < lows[1]
    assert "not-paired" in {w.code for w in counted.warnings}
    with pytest.raises(DataError, match=r"0\.5 right answers of 40"):
        rlaw.retention(table.with_columns(correct=pl.lit(0.5)))
