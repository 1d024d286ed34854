import json

import numpy as np
import polars as pl
import pytest

import rlaw
from rlaw.cli import main
from rlaw.errors import UsageError
from rlaw.fitting.sensitivity import sensitivity
from rlaw.measurements.frame import Frame
from rlaw.testing.studies import Truth, study


@pytest.fixture(scope="module")
def frame():
    return study(Truth(steps=60, drift=0.005, with_items=False), seed=0)


@pytest.fixture(scope="module")
def told(frame):
    return sensitivity(rlaw.fit("saturating", frame, axis="data", draws=200))


def test_each_size_is_left_out_in_turn_as_a_fit_that_holds_it_out(frame, told):
    assert [r.change for r in told.sizes] == list(frame.models)
    apart = rlaw.fit("saturating", frame, axis="data", hold_out="7B", intervals="none")
    refit = next(r for r in told.sizes if r.change == "7B")
    assert {name: refit.values[name].value for name in ("K_max", "N_0")} == {
        name: value.value for name, value in apart.parameters.items()
    }
    assert refit.values["k"].value == apart.k(72e9).value


def test_windows_start_late_or_end_early_and_are_fitted_as_asked(frame, told):
    assert [r.change for r in told.windows] == ["2:", "5:", "10:", "20:", "40:", "1:21", "1:40"]
    apart = rlaw.fit("saturating", frame, axis="data", window="10:", intervals="none")
    refit = next(r for r in told.windows if r.change == "10:")
    assert refit.values["K_max"].value == apart.parameters["K_max"].value


def test_windows_stay_within_the_data_and_earlier_starts_than_the_fits_own_are_tried(frame):
    late = Frame.of(frame.rows.filter(pl.col("step") >= 2), "late")
    fit = rlaw.fit("saturating", late, axis="data", window="5:35", draws=20)
    starts = [r.change for r in sensitivity(fit).windows]
    assert starts == ["2:35", "10:35", "20:35", "5:15", "5:25"]


def test_a_number_that_moves_to_the_end_of_its_interval_moves_one_half_width(told):
    for refit in told.sizes:
        for name, moved in refit.values.items():
            of = told.values[name]
            end = of.high if moved.value >= of.value else of.low
            assert moved.value == pytest.approx(of.value + abs(moved.half_widths) * (end - of.value))
            assert np.sign(moved.half_widths) == np.sign(moved.value - of.value)


def test_a_size_that_is_off_the_law_is_the_one_that_moves_it_most():
    frame = study(Truth(steps=60, drift=0.0, with_items=False), seed=0)
    bent = pl.when(pl.col("model") == "14B").then(pl.col("test_loss") * pl.col("step") ** -0.06)
    frame = Frame.of(frame.rows.with_columns(bent.otherwise("test_loss").alias("test_loss")), "bent")
    fit = rlaw.fit("saturating", frame, axis="data", draws=100)
    moved = {r.change: abs(np.log(r.values["N_0"].value / fit.parameters["N_0"].value)) for r in sensitivity(fit).sizes}
    assert max(moved, key=moved.__getitem__) == "14B"


def test_without_intervals_the_values_are_told_and_no_half_widths(frame):
    fit = rlaw.fit("saturating", frame, axis="data", intervals="none")
    told = sensitivity(fit)
    values = told.to_json()["sizes"][0]["values"]
    assert values["K_max"]["value"] > 0
    assert values["K_max"]["half_widths"] is None
    assert "(+" not in str(told)


def test_where_a_size_less_is_too_few_the_reason_is_told(frame):
    three = frame.where(model=("3B", "14B", "72B"))
    told = sensitivity(rlaw.fit("saturating", three, axis="data", draws=20))
    assert all(not r.values and "needs at least 3 sizes" in r.refused for r in told.sizes)
    assert "needs at least 3 sizes" in str(told)
    assert json.loads(json.dumps(told.to_json(), allow_nan=False)) == told.to_json()


def test_sizes_that_the_fit_held_out_stay_out(frame):
    fit = rlaw.fit("saturating", frame, axis="data", hold_out="largest", draws=20)
    told = sensitivity(fit)
    assert told.largest == "32B"
    assert "72B" not in {r.change for r in told.sizes}
    assert told.windows[0].values["K_max"].value == pytest.approx(
        rlaw.fit("saturating", frame, axis="data", hold_out="largest", window="2:", intervals="none")
        .parameters["K_max"]
        .value
    )


def test_a_law_without_shared_parameters_is_refused(frame):
    with pytest.raises(UsageError, match="shares no parameter"):
        sensitivity(rlaw.fit("power", frame, axis="data", intervals="none"))


def test_the_command_adds_one_key_and_two_tables_and_changes_nothing_else(capsys):
    command = ["fit", "qwen2.5-math-base", "--axis", "data", "--draws", "50"]
    assert main([*command, "--json"]) == 0
    plain = json.loads(capsys.readouterr().out)
    assert main([*command, "--sensitivity", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    added = document.pop("sensitivity")
    assert document == plain
    assert added["k_at"] == "Qwen2.5-72B"
    assert len(added["sizes"]) == 7
    assert set(added["windows"][0]) == {"window", "values", "identified", "refused"}
    assert main([*command, "--sensitivity"]) == 0
    text = capsys.readouterr().out
    assert "\nwithout " in text
    assert "\nwindow " in text
