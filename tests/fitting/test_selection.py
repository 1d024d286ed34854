import numpy as np
import polars as pl
import pytest

from rlaw.errors import NotFound, NotIdentifiable, UsageError
from rlaw.fitting.curves import find_size
from rlaw.fitting.selection import curves_of, window_of, window_text
from rlaw.measurements.frame import Frame


def frame(**columns):
    table = {
        "params": [7e9, 7e9, 1e9, 1e9, 1e9],
        "step": [2, 1, 1, 2, 0],
        "seed": [0, 0, 0, 0, 0],
        "data_size": [200.0, 100.0, 100.0, 200.0, 0.0],
        "test_loss": [0.5, 0.6, 0.8, 0.7, 0.9],
        **columns,
    }
    return Frame.of(pl.DataFrame(table), "a table")


def test_sizes_come_smallest_first_with_their_points_in_step_order():
    curves, dropped = curves_of(frame(), axis="data")
    assert curves.models == ("1B", "7B")
    assert curves.loss.tolist() == [[0.8, 0.7], [0.6, 0.5]]
    assert curves.at.x[0].tolist() == [[100, 200], [100, 200]]
    assert dropped == {"axis_not_positive": 1}


def test_the_base_loss_of_a_size_is_its_loss_at_step_zero():
    curves, _ = curves_of(frame(), axis="data")
    assert curves.at.base_loss[0, :, 0] == pytest.approx([0.9, np.nan], nan_ok=True)


def test_short_sizes_are_padded_and_pads_are_not_present():
    curves, _ = curves_of(frame(step=[3, 1, 1, 2, 3], data_size=[300.0, 100.0, 100.0, 200.0, 300.0]), axis="data")
    assert curves.counts.tolist() == [3, 2]
    assert curves.present.tolist() == [[True, True, True], [True, True, False]]
    assert np.isfinite(curves.at.log_x).all()


def test_runs_of_a_size_are_numbered_by_seed():
    curves, _ = curves_of(frame(seed=[5, 5, 0, 3, 3], step=[2, 1, 1, 1, 2], data_size=[1.0] * 5), axis="data")
    assert curves.runs.tolist() == [2, 1]
    assert curves.run[0].tolist() == [0, 1, 1]


def test_answers_to_each_item_are_shares_of_the_samples():
    table = frame().rows.drop("correct", "samples")
    told = table.with_columns(correct=pl.Series([[2, 0, 1]] * 5), samples=pl.lit(2), items=pl.lit(3))
    curves, _ = curves_of(Frame.of(told, "x"), axis="data")
    assert curves.right is not None
    assert curves.right[0, 0].tolist() == [1.0, 0.0, 0.5]


def test_answers_to_different_items_are_not_mixed():
    told = (
        frame()
        .rows.drop("correct")
        .with_columns(correct=pl.Series([[1, 0, 1]] * 4 + [[1, 0]]), step=pl.col("step") + 1)
    )
    curves, _ = curves_of(Frame.of(told.with_columns(data_size=pl.lit(1.0)), "x"), axis="data")
    assert curves.right is None


def test_the_number_of_items_fills_in_where_the_frame_does_not_tell():
    told, _ = curves_of(frame(items=[100, None, 100, 100, 100]), axis="data", items=500)
    assert told.items.tolist() == [[100, 100], [500, 100]]


def test_a_loss_of_zero_is_kept_and_for_logarithms_stands_for_half_an_answer():
    zero = frame(test_loss=[0.5, 0.6, 0.8, 0.0, 0.9], items=[30] * 5)
    assert curves_of(zero, axis="data", logs=False)[0].loss.tolist() == [[0.8, 0.0], [0.6, 0.5]]
    assert curves_of(zero, axis="data")[0].loss[0, 1] == pytest.approx(0.5 / 31)
    with pytest.raises(NotIdentifiable, match="1 losses are 0, which has no logarithm"):
        curves_of(frame(test_loss=[0.5, 0.6, 0.8, 0.0, 0.9]), axis="data")


def test_an_axis_that_begins_to_count_again_is_refused_and_one_that_dips_is_not():
    steps = {"params": [1e9] * 8, "step": range(1, 9), "seed": [0] * 8, "test_loss": [0.9 - 0.05 * i for i in range(8)]}
    again = frame(**steps, data_size=[1.0, 2, 3, 4, 1, 2, 3, 4])
    with pytest.raises(NotIdentifiable, match=r"falls back from 4 to 1 \(1B, step 5\)[\s\S]*column attempt"):
        curves_of(again, axis="data")
    curves_of(again, axis="step")
    for dips in ([1.0, 2, 3, 4, 3.9, 5, 6, 7], [1.0, 2, 3, 4, 5, 6, 7, 6.8]):
        curves_of(frame(**steps, data_size=dips), axis="data")


def test_nothing_left_is_refused_with_the_reasons():
    with pytest.raises(NotIdentifiable, match=r"4 rows outside the window[\s\S]*window 50:"):
        curves_of(frame(), axis="data", window="50:")


def test_several_variants_are_not_fitted_together():
    with pytest.raises(UsageError, match=r"`where\(variant='"):
        curves_of(frame(variant=["base", "base", "instruct", "base", "base"]), axis="data")


@pytest.mark.parametrize(
    ("window", "ends"),
    [("5:100", (5, 100)), ("5:", (5, np.inf)), (":100", (1, 100)), (None, (1, np.inf)), ((2, None), (2, np.inf))],
)
def test_a_window_is_inclusive_and_either_end_may_be_left_out(window, ends):
    assert window_of(window) == ends


def test_a_window_is_told_as_it_is_written():
    assert [window_text(w) for w in ("5:", (5, None), (None, 9), None)] == ["5:", "5:", ":9", ":"]


def test_a_size_is_found_by_name_or_number_and_a_wrong_one_names_the_right_ones():
    curves, _ = curves_of(frame(), axis="data")
    assert [find_size(curves, which) for which in ("largest", "1B", "7e9", 7e9)] == [1, 0, 1, 1]
    with pytest.raises(NotFound, match=r"'3B'[\s\S]*1B, 7B|1B \(1B\), 7B"):
        find_size(curves, "3B")
