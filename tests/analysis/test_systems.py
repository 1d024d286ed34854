"""Systems on the same items: numbers computed by hand, failures that are not wrong answers, groups, weights."""

import json
import math

import numpy as np
import polars as pl
import pytest
from scipy import stats

import rlaw
from rlaw.cli import main
from rlaw.errors import DataError, UsageError
from rlaw.measurements import ledger


def rows(**systems):
    """A ledger of one benchmark: a string of outcomes for each system, R W U C T E N, blank where there is no row."""
    words = dict(zip("RWUCTEN", ledger.OUTCOMES, strict=True))
    made = [
        {"system": name, "benchmark": "gsm8k", "item": f"q{n}", "outcome": words[mark]}
        for name, marks in systems.items()
        for n, mark in enumerate(marks)
        if mark != " "
    ]
    return pl.DataFrame(made)


def test_p_is_mcnemars_and_is_corrected_for_three_pairs():
    a, b, c = "R" * 30 + "W" * 10, "R" * 14 + "W" * 26, "W" * 2 + "R" * 30 + "W" * 8
    result = rlaw.compare_systems(rows(a=a, b=b, c=c))
    pair = next(p for p in result.pairs if (p.a, p.b) == ("a", "b"))
    assert pair.difference.value == pytest.approx(16 / 40)
    assert pair.p == pytest.approx(stats.binomtest(16, 16).pvalue)
    assert pair.p_mid == pytest.approx(pair.p / 2)
    assert pair.p_holm == pytest.approx(3 * pair.p_mid)
    assert pair.difference.low < 0.4 < pair.difference.high
    assert result.groups == (("a", "c"), ("b",))
    assert result.verdict == "2 of 3 pairs differ after Holm's correction: the best group is a, c"


def test_a_failure_is_no_wrong_answer_and_bounds_hold_what_it_could_have_been():
    system = rlaw.compare_systems(rows(a="RRRRRWWTEU", b="RRRRRRRRRN")).system("a")
    assert system.accuracy.value == pytest.approx(0.5)
    assert system.of_completed.value == pytest.approx(5 / 7)
    assert system.bounds == pytest.approx((0.5, 0.8))
    assert system.outcomes == {
        "right": 5,
        "wrong": 2,
        "unparsed": 1,
        "cut": 0,
        "timeout": 1,
        "error": 1,
        "not_attempted": 0,
    }


def test_items_without_a_row_were_not_attempted_and_pairs_take_the_common_ones():
    result = rlaw.compare_systems(rows(a="RRRRWWWW", b="    RRRN"))
    assert result.system("b").accuracy.value == 1
    assert result.system("b").bounds == pytest.approx((3 / 8, 1.0))
    assert result.system("b").outcomes["not_attempted"] == 5
    assert result.pairs[0].items == 3
    assert result.pairs[0].difference.value == pytest.approx(1.0)
    assert "not-attempted" in {w.code for w in result.warnings}


def test_a_difference_that_failures_make_is_cautioned():
    result = rlaw.compare_systems(rows(a="RW" * 40, b="TT" * 20 + "RW" * 20))
    assert result.pairs[0].different
    assert result.pairs[0].completed.value == 0
    assert "failures-decide" in {w.code for w in result.warnings}


@pytest.mark.parametrize(
    ("table", "counts", "code"),
    [
        ({"correct": [True, False, None]}, (1, 1, 1, 0), "no-verdict"),
        ({"correct": ["1", "0", "ERROR: quota"]}, (1, 1, 0, 1), "no-verdict"),
        ({"correct": [True, False, False], "predicted": ["4", "5", "ERROR: out of quota"]}, (1, 1, 0, 1), "marked"),
        ({"is_correct": [True, False, False], "predicted": ["4", "5", None]}, (1, 1, 1, 0), "marked"),
        ({"correct": [1, 0, 0], "error": [None, "", "RateLimitError"]}, (1, 1, 0, 1), "marked"),
    ],
)
def test_what_a_table_writes_for_a_failure_is_understood_and_said(table, counts, code):
    made = ledger.read(pl.DataFrame({"system": ["a"] * 3, "item": [1, 2, 3], **table}))
    found = dict(made.rows["outcome"].value_counts().iter_rows())
    assert tuple(found.get(name, 0) for name in ("right", "wrong", "unparsed", "error")) == counts
    assert any(code in note.code for note in made.notes)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"item": [1, 2], "correct": [0.5, 1.0]}, r"column correct, row 1: '0.5' is no outcome"),
        ({"item": [1, None], "correct": [0, 1]}, r"column item, row 2: empty"),
        ({"item": [1, 2], "outcome": ["right", "failed"]}, r"'failed' is no outcome"),
        ({"item": [1, 2], "outcome": ["right", "right"], "correct": [1, 0]}, r"the outcome is right, and correct says"),
        ({"item": [1, 1], "sample": [0, 0], "correct": [1, 0]}, r"answers an item and sample that another row"),
        ({"item": [1, 2], "correct": [1, 0], "seconds": [1.0, -2.0]}, r"-2 is below 0"),
        ({"correct": [1, 0]}, "no column item"),
        ({"item": [1, 2]}, "no column outcome, and no column correct"),
    ],
)
def test_a_cell_that_cannot_be_understood_is_refused_with_its_place(table, message):
    with pytest.raises(DataError, match=message):
        ledger.read(pl.DataFrame({"system": ["a", "a"], **table}))


def test_attempts_are_one_answer_and_all_of_them_cost():
    table = pl.DataFrame(
        {"system": ["a"] * 3, "item": [1, 1, 2], "attempt": [2, 1, 1], "outcome": ["right", "error", "wrong"]}
    ).with_columns(seconds=pl.Series([3.0, 4.0, 5.0]))
    system = rlaw.compare_systems(table).systems[0]
    assert system.outcomes["error"] == 0
    assert system.seconds.per_right.value == pytest.approx(12.0)


def test_doubling_every_row_narrows_nothing_as_items_are_the_clusters():
    rng = np.random.default_rng(0)
    right = rng.random((2, 60)) < 0.5
    once = rows(**{name: "".join("RW"[not r] for r in row) for name, row in zip("ab", right, strict=True)})
    single, double = (rlaw.compare_systems(table) for table in (once, pl.concat([once, once])))
    assert double.systems[0].accuracy.high == pytest.approx(single.systems[0].accuracy.high, abs=0.01)
    assert double.pairs[0].difference.low == pytest.approx(single.pairs[0].difference.low, abs=1e-9)
    assert "several-samples" in {w.code for w in double.warnings}


def test_the_order_of_rows_changes_nothing():
    table = rows(a="RWRRWTRW", b="RRWWRRWE", c="WWRRRRRR").with_columns(usd=pl.int_range(24) * 0.1)
    documents = {
        json.dumps(rlaw.compare_systems(table.sample(fraction=1, shuffle=True, seed=n)).to_json()) for n in (1, 2)
    }
    assert len(documents) == 1


def two_benchmarks():
    parts = [rows(a="R" * 8 + "W" * 2, b="R" * 5 + "W" * 5), rows(a="RRWW", b="RRRW")]
    return pl.concat([parts[0], parts[1].with_columns(benchmark=pl.lit("bbh"))])


def test_no_mean_of_percentages_without_named_weights():
    plain = rlaw.compare_systems(two_benchmarks())
    assert plain.to_json()["systems"][0]["mean"] is None
    assert plain.weights == pytest.approx({"bbh": 4 / 14, "gsm8k": 10 / 14})
    assert "weights" in {w.code for w in plain.warnings}
    equal = rlaw.compare_systems(two_benchmarks(), weights="equal")
    assert equal.system("a").mean.value == pytest.approx((0.8 + 0.5) / 2)
    assert equal.system("b").mean.value == pytest.approx((0.5 + 0.75) / 2)
    assert equal.pairs[0].difference.value == pytest.approx(0.3 / 2 - 0.25 / 2)
    assert rlaw.compare_systems(two_benchmarks(), weights="items").system("a").mean.value == pytest.approx(10 / 14)
    with pytest.raises(UsageError, match="none for gsm8k"):
        rlaw.compare_systems(two_benchmarks(), weights={"bbh": 1.0})


def test_kendalls_w_is_one_where_benchmarks_agree_and_its_p_counts_all_orders():
    order = {name: "R" * n + "W" * (8 - n) for n, name in enumerate("abcd", 2)}
    table = pl.concat([rows(**order).with_columns(benchmark=pl.lit(name)) for name in "xyz"])
    found = rlaw.compare_systems(table).consistency
    assert found.w == pytest.approx(1.0)
    assert found.p == pytest.approx(24**-2, abs=0.001)
    assert (found.benchmarks, found.systems) == (3, 4)


def test_times_of_timeouts_are_at_least_what_they_took():
    table = rows(a="RRRRTTTTTT", b="RRRRRRRRRR").with_columns(
        seconds=pl.Series([*range(1, 5), *[60] * 6, *range(1, 11)])
    )
    result = rlaw.compare_systems(table)
    capped, free = result.system("a").times, result.system("b").times
    assert math.isnan(capped.median)
    assert (capped.at_least, capped.capped) == (60, 6)
    assert (free.median, free.p90) == (5, 9)
    assert result.to_json()["systems"][1]["seconds"]["median"] is None


def test_the_front_has_no_system_that_another_beats_at_both():
    table = rows(a="RRRR", b="RRRW", c="RRWW", d="RRRW")
    table = table.join(pl.DataFrame({"system": list("abcd"), "usd": [3.0, 1.0, 2.0, 1.5]}), on="system")
    result = rlaw.compare_systems(table)
    assert result.front == ("b", "a")
    assert result.system("a").usd.per_right.value == pytest.approx(3.0)
    assert result.system("c").usd.per_right.value == pytest.approx(4.0)


def test_the_interval_of_a_share_is_wilsons_where_items_have_one_answer():
    from rlaw.analysis.systems.accuracy import share_interval

    found = share_interval(np.array([1.0] * 12 + [0.0] * 8), np.ones(20), 0.95)
    wilson = stats.binomtest(12, 20).proportion_ci(method="wilson")
    assert (found.low, found.high) == pytest.approx((wilson.low, wilson.high), rel=0.02)
    assert share_interval(np.ones(5), np.ones(5), 0.95).low < 0.6


def test_the_command_prints_one_document(tmp_path, capsys):
    path = tmp_path / "ledger.jsonl"
    two_benchmarks().rename({"system": "framework"}).write_ndjson(path)
    command = ["compare-systems", str(path), "--map", "system=framework", "--weights", "bbh=1,gsm8k=3"]
    assert main([*command, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == 1
    assert {"systems", "pairs", "groups"} <= set(document)
    assert document["systems"][0]["mean"]["value"] == pytest.approx(0.8 * 0.75 + 0.5 * 0.25)
    assert main(command) == 0
    assert "cannot tell the 2 systems apart" in capsys.readouterr().out
    assert main([*command[:-1], "bbh=x"]) == 2
    assert main(["compare-systems", str(path)]) == 4
    assert "--map system=framework" in capsys.readouterr().err


def test_large_json_lines_are_read_as_small_ones_are(tmp_path, monkeypatch):
    two_benchmarks().write_ndjson(tmp_path / "x.jsonl")
    small = ledger.read(tmp_path / "x.jsonl")
    monkeypatch.setattr(ledger, "_LARGE", 0)
    assert ledger.read(tmp_path / "x.jsonl").rows.equals(small.rows)
    (tmp_path / "y.jsonl").write_text(
        '{"system": "a", "item": 1, "correct": NaN}\n{"system": "a", "item": 2, "correct": true}'
    )
    assert ledger.read(tmp_path / "y.jsonl").rows["outcome"].to_list() == ["unparsed", "right"]
    (tmp_path / "z.jsonl").write_text('{"system": "a", "item": 1, "correct": 1}\n{"system": "a"')
    with pytest.raises(DataError, match="line 2"):
        ledger.read(tmp_path / "z.jsonl")
