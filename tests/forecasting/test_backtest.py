import json

import numpy as np
import polars as pl
import pytest

import rlaw
from rlaw.cli import main
from rlaw.errors import NotFound, NotIdentifiable, UsageError
from rlaw.measurements.frame import Frame
from rlaw.testing.studies import Truth, study

AMONG = ("saturating", "power", "exponential")


@pytest.fixture(scope="module")
def frame():
    return study(Truth(steps=40, drift=0.005, with_items=False), seed=0)


def flat(noise):
    step = np.tile(np.arange(1, 41), 4)
    rng = np.random.default_rng(0)
    loss = np.repeat([0.9, 0.8, 0.7, 0.6], 40) + noise * rng.standard_normal(160)
    params = np.repeat([1e9, 2e9, 4e9, 8e9], 40)
    table = {"params": params, "step": step, "data_size": step * 512.0, "test_loss": loss}
    return Frame.of(pl.DataFrame(table), "flat")


def test_the_law_that_made_the_curves_wins_on_the_rest_of_them(frame):
    told = rlaw.compare(frame, laws=AMONG, cut=15, axis="data", draws=50)
    assert told.best == "saturating"
    assert "saturating wins on" in told.verdict
    assert told.score("saturating").mae < 0.5 * told.score("last-value").mae
    assert sum(r.points for r in told.score("power").sizes) == 7 * 25


def test_the_law_that_made_the_curves_wins_on_each_size_held_out_in_turn(frame):
    told = rlaw.compare(frame, laws=AMONG, hold_out="each", anchor=5, axis="data", draws=50)
    assert told.best == "saturating"
    assert [r.model for r in told.score("saturating").sizes] == list(frame.models)


def test_a_size_held_out_shapes_its_own_level_and_nothing_else(frame):
    bent = frame.rows.with_columns(
        pl.when((pl.col("model") == "72B") & (pl.col("step") <= 5))
        .then(pl.col("test_loss") * 1.1)
        .otherwise("test_loss")
        .alias("test_loss")
    )
    plain, moved = (
        rlaw.compare(f, laws=("saturating",), hold_out="largest", anchor=5, axis="data", draws=20)
        for f in (frame, Frame.of(bent, "bent"))
    )
    shift = moved.score("saturating").bias - plain.score("saturating").bias
    level = frame.rows.filter((pl.col("model") == "72B") & (pl.col("step") > 5))["test_loss"].mean()
    assert shift == pytest.approx(0.1 * level, rel=0.05)


def test_rolling_along_the_curves_asks_every_point_past_the_first_origin_once(frame):
    told = rlaw.compare(frame, laws=AMONG, rolling=True, axis="data", draws=50)
    assert told.protocol.startswith("rolling origin: the first 8, 13, 20, 32 points of each curve")
    assert told.best == "saturating"
    assert [r.model for r in told.score("saturating").sizes] == list(frame.models)
    assert {r.points for r in told.score("saturating").sizes} == {40 - 8}


def test_rolling_is_the_cut_protocol_at_each_origin_up_to_the_next(frame):
    rolled = rlaw.compare(frame, laws=("last-value",), rolling=True, axis="data", draws=20).score("last-value")
    rows = frame.rows.filter(pl.col("model") == "72B").sort("step")["test_loss"].to_numpy()
    errors = [
        abs(rows[origin - 1] - rows[i])
        for origin, until in ((8, 13), (13, 20), (20, 32), (32, 40))
        for i in range(origin, until)
    ]
    assert rolled.sizes[-1].mae == pytest.approx(np.mean(errors))


def test_points_yet_to_come_change_no_earlier_origin(frame):
    bent = frame.rows.with_columns(
        pl.when(pl.col("step") > 32).then(pl.col("test_loss") * 0.8).otherwise("test_loss").alias("test_loss")
    )
    whole, moved = (
        rlaw.compare(f, laws=("saturating",), rolling=True, axis="data", draws=20).score("saturating")
        for f in (frame, Frame.of(bent, "bent"))
    )
    for a, b in zip(whole.sizes, moved.sizes, strict=True):
        late = frame.rows.filter((pl.col("model") == a.model) & (pl.col("step") > 32))["test_loss"].sum()
        assert b.bias == pytest.approx(a.bias + 0.2 * late / 32)


def test_the_command_rolls_and_tells_its_protocol(capsys):
    command = ["compare", "qwen2.5-math-base", "--axis", "data", "--rolling", "--laws", "power", "--draws", "20"]
    assert main([*command, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["protocol"].startswith("rolling origin: the first 21, 33, 53, 84 points")
    assert {len(law["rungs"]) for law in document["laws"]} == {7}
    assert main([*command, "--cut", "25"]) == 2


def test_curves_too_short_to_roll_along_are_refused(frame):
    with pytest.raises(NotIdentifiable, match="too few to roll"):
        rlaw.compare(frame, rolling=True, window=":9", axis="data")


def test_where_nothing_is_learned_the_verdict_is_that_no_law_holds():
    told = rlaw.compare(flat(noise=0.01), laws=AMONG, cut=15, axis="data", draws=50)
    assert "no law holds here" in told.verdict


def test_a_law_that_the_data_cannot_tell_is_named_with_the_reason():
    two = flat(noise=0.01).where(model=("1B", "2B"))
    told = rlaw.compare(two, laws=AMONG, cut=15, axis="data", draws=20)
    assert "3 sizes" in told.skipped["saturating"]
    assert "power" in {s.law for s in told.laws}


def test_the_baselines_are_judged_even_when_not_asked_for(frame):
    told = rlaw.compare(frame, laws=("power",), cut=15, axis="data", draws=20)
    assert {s.law for s in told.laws} == {"power", "constant", "last-value"}


def test_intervals_of_the_true_law_cover_new_points_about_as_often_as_they_say():
    covered = [
        rlaw.compare(
            study(Truth(steps=40, drift=0.0, with_items=False), s), laws=("power",), cut=20, draws=100, axis="data"
        )
        .score("power")
        .coverage
        for s in range(5)
    ]
    assert 0.8 < np.mean(covered) <= 1.0


def test_the_document_has_the_keys_of_schema_1(frame):
    document = rlaw.compare(frame, laws=("power",), cut=15, draws=20, axis="data").to_json()
    assert {"schema", "protocol", "laws", "best", "verdict"} <= set(document)
    assert {"law", "mae", "rmse", "coverage", "log_score", "rungs"} <= set(document["laws"][0])
    assert {"model", "mae"} <= set(document["laws"][0]["rungs"][0])
    assert json.loads(json.dumps(document, allow_nan=False)) == document


def test_the_order_of_rows_changes_nothing(frame):
    shuffled = Frame.of(frame.rows.sample(fraction=1.0, shuffle=True, seed=3), frame.source)
    first, second = (
        rlaw.compare(f, laws=("saturating",), cut=15, draws=20, axis="data").to_json() for f in (frame, shuffled)
    )
    assert first == second


def test_a_protocol_is_cut_or_hold_out_and_there_must_be_something_to_ask(frame):
    with pytest.raises(UsageError, match="either cut"):
        rlaw.compare(frame, cut=5, hold_out="largest", axis="data")
    with pytest.raises(UsageError, match="or rolling"):
        rlaw.compare(frame, cut=5, rolling=True, axis="data")
    with pytest.raises(NotIdentifiable, match="nothing to predict"):
        rlaw.compare(frame, cut=40, axis="data")
    with pytest.raises(NotFound, match="'9B'"):
        rlaw.compare(frame, hold_out="9B", axis="data")


@pytest.mark.parametrize("broken", [("S",), ("S", "M", "L")])
def test_sizes_whose_runs_all_broke_down_are_left_out_of_the_backtest(broken):
    rows = [
        {"model": name, "n_params": n, "step": step, "data_size": 512.0 * step, "seed": seed}
        | {"test_loss": 0.5 + 0.01 * step if name in broken else 0.9 * step ** -(0.1 + 0.02 * seed)}
        for name, n in (("S", 1e6), ("M", 1e7), ("L", 1e8))
        for seed in (0, 1)
        for step in range(1, 21)
    ]
    frame = rlaw.load(pl.DataFrame(rows), measure="loss")
    if len(broken) == 3:
        with pytest.raises(NotIdentifiable, match="broke down"):
            rlaw.compare(frame, laws=["power"], axis="data", cut=5, draws=50)
        return
    power = next(
        score
        for score in rlaw.compare(frame, laws=["power"], axis="data", cut=5, draws=50).laws
        if score.law == "power"
    )
    assert [size.model for size in power.sizes] == ["M", "L"]


def test_one_size_cannot_be_held_out_and_is_told_what_it_can_be_judged_by():
    one = rlaw.load("qwen2.5-math-base").where(model="Qwen2.5-7B")
    for which in ("each", "largest"):
        with pytest.raises(
            NotIdentifiable, match=r"there is one size, Qwen2\.5-7B.*\n  next: `cut=K`, its first K of 105"
        ):
            rlaw.compare(one, laws=["power"], hold_out=which, axis="data")
    scores = rlaw.compare(one, laws=["auto", "power"], cut=25, draws=50, axis="data").laws
    assert {s.law for s in scores} >= {"auto", "power"}
