"""Numbers of parameters, and axes: what no model has is asked, what a known model's name says is taken and said."""

import polars as pl
import pytest
from ladder_table import HEADER, changed, rows, table

import rlaw
from rlaw.cli import main
from rlaw.errors import BudgetExceeded, DataError, NotIdentifiable, UsageError


def of(change):
    return rlaw.load(table(changed("n_params", change)))


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda v: f"{int(v) / 1e9:g}", r"row 1: 1 parameters of S-1B: is it 1 billion or million\?[\s\S]*1e9 or 1B"),
        (lambda v: f"{int(v) * 100}", "1e[+]11 parameters of S-1B, whose name says 1B"),
        (lambda v: f"{int(v) // 1000}", "1e[+]06 parameters of S-1B, whose name says 1B"),
    ],
)
def test_a_number_that_is_not_of_the_model_is_questioned(change, what):
    with pytest.raises(DataError, match=what):
        of(change)


def test_numbers_that_differ_from_the_name_as_they_do_are_taken():
    assert len(of(lambda v: f"{int(v) * 1.3:.0f}")) == 36
    moe = [["Qwen3-30B-A3B", *row[1:]] for row in changed("n_params", lambda _: "30500000000")]
    assert len(rlaw.load(table(moe[:12]))) == 12


def test_a_published_model_is_known_by_its_name_and_that_is_said():
    cells = [[row[0].replace("S-1B", "Qwen/Qwen2.5-1.5B").replace("S-", "qwen2.5-"), *row[2:]] for row in rows()]
    frame = rlaw.load(table(cells, [HEADER[0], *HEADER[2:]]))
    assert frame.rows["params"].unique().sort().to_list() == [1.5e9, 3e9, 7e9]
    assert frame.notes[0].code == "size-from-name"
    assert "rlaw's presets" in frame.notes[0].text
    unknown = rlaw.load(table([[f"my-{row[0]}", *row[2:]] for row in rows()], [HEADER[0], *HEADER[2:]]))
    assert unknown.rows["params"].null_count() == 36, "a size is not read from the name of an unknown model"


@pytest.mark.parametrize("cell", ["inf", "1.7976931348623157e308", "-inf"])
def test_an_axis_value_that_cannot_be_is_dropped_and_counted_with_its_row(cell):
    cells = rows()
    cells[5][5] = cell
    frame = rlaw.load(table(cells))
    assert frame.dropped == {"axis_not_finite": 1}


def test_the_largest_number_of_parameters_is_dropped_and_counted():
    cells = rows()
    cells[0][1] = "1.7976931348623157e308"
    assert rlaw.load(table(cells)).dropped == {"bad_params": 1}


def test_a_counter_that_restarts_with_a_declared_attempt_is_added_up():
    whole = table(rows()).with_columns(attempt=1 + (pl.col("step") > 6).cast(pl.Int64))
    half = whole.with_columns(
        pl.when(pl.col("step") > 6).then(pl.col(c) - pl.col(c).filter(pl.col("step") == 6).first().over("model"))
        .otherwise(pl.col(c)).alias(c)
        for c in ("data_size", "compute_flops")
    )  # fmt: skip
    frame = rlaw.load(half)
    assert [note.code for note in frame.notes] == ["added-up", "added-up"]
    assert frame.digest == rlaw.load(whole).digest
    with pytest.raises(NotIdentifiable, match="the counter began again"):
        rlaw.fit("power", rlaw.load(half.drop("attempt")), axis="data", intervals="none")


def test_sizes_places_and_budgets_far_outside_the_data_are_asked_for():
    frame = rlaw.load(table(rows()))
    ask = {"axis": "data", "draws": 20, "anchor": "none"}
    for target in ("2T", "5M"):
        with pytest.raises(UsageError, match=r"the size, .* times outside of the data[\s\S]*`far=True`"):
            rlaw.forecast(frame, target, **ask)
    with pytest.raises(UsageError, match="the place on the axis"):
        rlaw.forecast(frame, "S-7B", at=[1e9], **{**ask, "anchor": "first:5"})
    with pytest.raises(UsageError, match=r"the budget, 1\.0e30 FLOPs"):
        rlaw.allocate(frame, compute=1e30, draws=20)
    with pytest.raises(BudgetExceeded, match="the cheapest start is S-1B"):
        rlaw.allocate(frame, data=0.5, draws=20)
    rlaw.forecast(frame, "2T", far=True, **ask)


def test_the_command_line_names_the_flag(tmp_path, capsys):
    path = tmp_path / "data.csv"
    table(rows()).write_csv(path)
    assert main(["allocate", str(path), "--compute", "1e30"]) == 2
    assert "--far if it is meant" in capsys.readouterr().err
    assert main(["allocate", str(path), "--compute", "1e30", "--far", "--draws", "20"]) == 0
