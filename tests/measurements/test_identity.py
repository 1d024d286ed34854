"""Rows of one curve and step with other values: never picked, whatever their order; named, chosen, or refused."""

import numpy as np
import polars as pl
import pytest
from ladder_table import HEADER, SIZES, changed, rows, table, text

import rlaw
from rlaw.cli import main
from rlaw.errors import DataError, UsageError

BOTH = [*rows(), *rows(0.9)]


def shuffled(cells, seed=0):
    return [cells[i] for i in np.random.default_rng(seed).permutation(len(cells))]


def with_column(name, values):
    """The rows once for each value, the losses a little lower each time."""
    cells = [[*row, value] for i, value in enumerate(values) for row in rows(1 - 0.05 * i)]
    return table(cells, [*HEADER, name])


@pytest.mark.parametrize(
    "cells", [BOTH, [row for pair in zip(rows(), rows(0.9), strict=True) for row in pair], shuffled(BOTH)]
)
def test_a_step_with_two_losses_is_refused_whatever_the_order(cells):
    with pytest.raises(
        DataError, match=r"36 rows give a step of a curve again with other values \(S-1B, step 0: loss 0"
    ):
        rlaw.load(table(cells)).one_law()


def test_rows_that_repeat_others_in_every_column_are_dropped_and_counted():
    frame = rlaw.load(table(shuffled([*rows(), *rows()])))
    assert frame.dropped == {"repeated_row": 36}
    assert frame.one_law().digest == rlaw.load(table(rows())).digest


@pytest.mark.parametrize("name", ["task", "recipe", "mixture", "prompt_template", "fold"])
def test_a_column_that_tells_rows_apart_is_named_and_chosen_or_declared(name):
    raw = with_column(name, ["a", "b"])
    with pytest.raises(
        DataError, match=rf"told apart by column {name}: a, b\n  next: `where\({name}='a'\)`.*'run'"
    ) as error:
        rlaw.load(raw).one_law()
    assert error.value.exit_code == 4
    chosen = rlaw.load(raw).where(**{name: "a"}).one_law()
    assert chosen.digest == rlaw.load(table(rows())).digest
    assert chosen.rows["base_loss"].unique().to_list() == [0.8]
    declared = rlaw.load(raw, mapping={"run": name}).one_law()
    assert len(declared) == 72
    assert declared.rows["run"].unique().sort().to_list() == ["a", "b"]


def test_two_columns_are_named_where_it_takes_two():
    cells = [
        [*row, d, t] for i, d in enumerate("xy") for j, t in enumerate("pq") for row in rows(1 - 0.1 * i - 0.03 * j)
    ]
    raw = table(cells, [*HEADER, "data", "task"])
    with pytest.raises(DataError, match=r"column data: x, y; column task: p, q\n  next: `where\(data='x'\)` and"):
        rlaw.load(raw).one_law()
    assert len(rlaw.load(raw).where(data="x", task="q").one_law()) == 36


def test_a_reading_of_single_rows_tells_nothing_apart():
    raw = table(shuffled(BOTH)).with_columns(wall_seconds=pl.int_range(72) * 1.37)
    with pytest.raises(DataError, match="no column tells them apart"):
        rlaw.load(raw).one_law()


def test_a_counter_that_began_again_is_another_attempt():
    with pytest.raises(
        DataError, match=r"the step counter began again.*column attempt: 1, 2\n.*`where\(attempt='1'\)`"
    ):
        rlaw.load(table(BOTH)).one_law()
    assert rlaw.load(table(BOTH)).where(attempt=1).one_law().digest == rlaw.load(table(rows())).digest
    assert rlaw.load(table(BOTH), mapping={"run": "attempt"}).one_law().rows["run"].n_unique() == 2


@pytest.mark.parametrize(
    "seeds",
    [
        ("default", "small aux 2"), ("0.5", "0.25"), ("", "0"), ("007", "7"), ("true", "false"), ("-1", "1"),
        ("18446744073709551615", "18446744073709551614"), ("340282366920938463463374607431768211455", "1"),
    ],
)  # fmt: skip
def test_any_value_is_a_seed(tmp_path, seeds):
    path = tmp_path / "data.csv"
    path.write_text(
        text(
            [
                row
                for s, scale in zip(seeds, (1, 0.9), strict=True)
                for row in changed("seed", lambda _, s=s: s, rows(scale))
            ]
        )
    )
    frame = rlaw.load(path).one_law()
    assert len(frame) == 72
    assert frame.rows["seed"].n_unique() == 2
    assert frame.dropped == {}


def test_empty_seeds_are_one_group_and_whole_numbers_stay_numbers(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text(text([*changed("seed", lambda _: "NA"), *changed("seed", lambda _: "", rows(0.9))]))
    with pytest.raises(DataError, match="give a step of a curve again"):
        rlaw.load(path).one_law()
    assert rlaw.load(table(rows())).rows.schema["seed"] == pl.Int64


def test_arms_are_never_fitted_together():
    raw = with_column("arm", ["grpo", "dapo"])
    with pytest.raises(UsageError, match=r"several values of arm \(dapo, grpo\)[\s\S]*`where\(arm='dapo'\)`"):
        rlaw.load(raw).one_law()
    assert len(rlaw.load(raw).where(arm="grpo").one_law()) == 36


@pytest.mark.parametrize("name", ["recipe", "learning_rate"])
def test_recipes_of_runs_with_seeds_of_their_own_are_asked_about(name):
    raw = with_column(name, ["a", "a ", "b", "b "]).with_columns(seed=pl.int_range(144) // 36)
    raw = raw.with_columns(pl.col(name).str.strip_chars())
    with pytest.raises(UsageError, match=rf"column {name} tells runs of one size apart \(a, b\)"):
        rlaw.load(raw).one_law()
    assert len(rlaw.load(raw).where(**{name: "b"}).one_law()) == 72


def test_names_of_runs_are_no_recipes():
    raw = with_column("wandb_name", ["a", "b"]).with_columns(seed=pl.int_range(72) // 36)
    named = raw.with_columns(wandb_name=pl.concat_str("model", "wandb_name"))
    assert len(rlaw.load(named).one_law()) == 72
    assert len(rlaw.load(raw).one_law()) == 72, "the other name of a seed"


def test_one_size_under_several_names_is_cautioned_and_no_ladder_by_itself():
    cells = [[f"{row[0]}-seed{s}", *row[1:]] for s in range(3) for row in rows(1 - 0.01 * s)]
    frame = rlaw.load(table(cells))
    assert [note.code for note in frame.notes] == ["same-size"]
    assert "7B (S-7B-seed0, S-7B-seed1, S-7B-seed2)" in frame.notes[0].text
    one_size = rlaw.load(table([row for row in cells if row[1] == str(SIZES["S-7B"])]))
    with pytest.raises(rlaw.errors.NotIdentifiable, match="needs at least 3 sizes"):
        rlaw.fit("saturating", one_size, axis="data", intervals="none")


def test_where_given_twice_for_one_column_means_either(tmp_path, capsys):
    path = tmp_path / "data.csv"
    path.write_text(text([row for s in "012" for row in changed("seed", lambda _, s=s: s, rows(1 - 0.02 * int(s)))]))
    common = ["fit", str(path), "--axis", "data", "--intervals", "none"]
    assert main([*common, "--where", "seed=0", "--where", "seed=2"]) == 0
    assert "66 points of 3 sizes" in capsys.readouterr().out
    assert main([*common, "--map", "seed=step", "--map", "seed=model"]) == 2
    assert "write it once" in capsys.readouterr().err


def test_the_option_to_type_is_quoted_for_the_shell(tmp_path, capsys):
    path = tmp_path / "data.csv"
    with_column("eval task", ["arc easy", "hella swag"]).write_csv(path)
    assert main(["fit", str(path), "--axis", "data"]) == 4
    assert "--where 'eval task=arc easy'" in capsys.readouterr().err
    assert main(["fit", str(path), "--axis", "data", "--intervals", "none", "--where", "eval task=arc easy"]) == 0


def test_a_report_and_a_figure_ask_for_the_benchmark(tmp_path, capsys):
    path = tmp_path / "data.csv"
    with_column("benchmark", ["math", "code"]).write_csv(path)
    page = ["-o", str(tmp_path / "page.html"), "--draws", "20"]
    assert main(["report", str(path), *page]) == 2
    assert "--where benchmark=code" in capsys.readouterr().err
    picture = ["figure", "loss-data", str(path), "-o", str(tmp_path / "loss.svg"), "--draws", "20"]
    assert main(picture) == 2
    assert main([*picture, "--where", "benchmark=math"]) == 0
    assert main(["table", "benchmarks", str(path), "--where", "benchmark=math", "--draws", "20"]) in (0, 4)
