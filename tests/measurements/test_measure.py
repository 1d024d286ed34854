"""Losses that are none: what lies outside of the range, or moves the wrong way, is a question and never a deletion."""

import polars as pl
import pytest
from ladder_table import HEADER, changed, rows, table

import rlaw
from rlaw.errors import DataError, UsageError

PLAIN = pytest.approx(rlaw.load(table(rows())).rows["test_loss"].to_list(), abs=1e-9)


def of(change, name="test_loss", **options):
    return rlaw.load(table(changed("test_loss", change), [*HEADER[:6], name]), **options)


@pytest.mark.parametrize(
    ("change", "looks"),
    [
        (lambda v: f"{float(v) + 0.4}", "on both sides of 1 looks like a cross-entropy"),
        (lambda v: f"{float(v) + 1.5}", "above 1 looks like a cross-entropy"),
        (lambda v: f"{100 * float(v)}", "looks like percent"),
        (lambda v: f"{100 - 100 * float(v)}", "looks like an accuracy in percent"),
        (lambda v: f"{1 - 4 * float(v)}", "a reward"),
        (lambda v: f"{1000 * float(v)}", "a perplexity or a count"),
    ],
)
def test_values_outside_the_range_are_named_with_what_they_look_like(change, looks):
    with pytest.raises(DataError, match=r"column test_loss, row \d+: .* is no share of wrong answers") as told:
        of(change)
    assert looks in str(told.value)


def test_one_slip_is_asked_about_and_not_deleted():
    cells = rows()
    cells[4][6] = "57.5"
    with pytest.raises(DataError, match=r"row 5: 57\.5 .* 1 of 36 values lie outside[\s\S]*correct it"):
        rlaw.load(table(cells))


def test_a_loss_that_rises_in_every_size_is_asked_whether_it_is_an_accuracy():
    with pytest.raises(DataError, match=r"rises as RL goes on in 3 of 3 sizes: is it an accuracy\?[\s\S]*measure=loss"):
        of(lambda v: f"{1 - float(v)}")
    assert of(lambda v: f"{1 - float(v):.6f}", measure="accuracy").rows["test_loss"].to_list() == PLAIN
    assert len(of(lambda v: f"{1 - float(v)}", measure="loss")) == 36


@pytest.mark.parametrize("name", ["accuracy", "pass_rate", "val_acc", "Exact_Match"])
def test_a_column_that_counts_right_answers_is_converted_and_said(name):
    frame = of(lambda v: f"{1 - float(v):.6f}", name)
    assert frame.rows["test_loss"].to_list() == PLAIN
    assert [note.code for note in frame.notes] == ["accuracy"]
    mapped = of(lambda v: f"{1 - float(v):.6f}", "val/math/accuracy", mapping={"test_loss": "val/math/accuracy"})
    assert mapped.rows["test_loss"].to_list() == PLAIN


def test_percent_is_converted_when_it_is_asked_for():
    assert of(lambda v: f"{100 * float(v):.4f}", measure="percent").rows["test_loss"].to_list() == PLAIN
    accuracy = of(lambda v: f"{100 - 100 * float(v):.4f}", "accuracy", measure="percent")
    assert accuracy.rows["test_loss"].to_list() == PLAIN
    with pytest.raises(DataError, match="no value of the column is above 1"):
        of(lambda v: v, measure="percent")
    with pytest.raises(UsageError, match="one of loss, accuracy, percent"):
        of(lambda v: v, measure="error")


def test_an_accuracy_that_falls_everywhere_and_two_of_them_are_asked_about():
    with pytest.raises(DataError, match="an accuracy falls as RL goes on in 3 of 3 sizes"):
        of(lambda v: v, "accuracy")
    raw = table(rows()).with_columns(accuracy=1 - pl.col("test_loss"), pass_rate=1 - pl.col("test_loss"))
    with pytest.raises(DataError, match="columns accuracy and pass_rate may each be the measure"):
        rlaw.load(raw.drop("test_loss"))
    assert rlaw.load(raw).rows["test_loss"].to_list() == PLAIN, "a test_loss is what it is called"


def counts(**columns):
    raw = table(rows()).with_columns(items=pl.lit(500), correct=(500 * (1 - pl.col("test_loss"))).round())
    return rlaw.load(raw.drop("test_loss").with_columns(**columns))


@pytest.mark.parametrize(
    ("columns", "what"),
    [
        ({"correct": pl.lit(0.38)}, r"0\.38 is no number of right answers: it looks like a mean"),
        ({"correct": pl.lit(12.5)}, r"12\.5 is no number of right answers"),
        ({"correct": pl.lit(501)}, "501 right answers of 500"),
        ({"correct": pl.lit(-1)}, "-1 right answers of 500"),
        ({"items": pl.lit(0)}, "column items, row 1: 0 is no number of them"),
        ({"items": pl.lit(500.5)}, "500.5 is no whole number"),
    ],
)
def test_right_answers_that_cannot_be_are_named(columns, what):
    with pytest.raises(DataError, match=what):
        counts(**columns)


def test_right_answers_may_be_written_as_fractions_and_are_shared_by_samples():
    assert counts(correct=pl.col("correct").cast(pl.String), items=pl.lit("500.0")).digest == counts().digest
    four = counts(correct=pl.col("correct") * 4, samples=pl.lit(4))
    assert four.rows["test_loss"].to_list() == pytest.approx(counts().rows["test_loss"].to_list())


def test_a_loss_and_right_answers_that_contradict_each_other_are_refused():
    raw = table(rows()).with_columns(items=pl.lit(500), correct=pl.lit(100))
    with pytest.raises(DataError, match=r"the loss is 0\.8, and by correct and items it is 0\.8|the loss is"):
        rlaw.load(raw)


def test_rounding_beyond_the_range_is_forgiven():
    cells = rows()
    cells[0][6] = "1.0000000002"
    assert rlaw.load(table(cells)).rows["test_loss"].max() == 1.0
