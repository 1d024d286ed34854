import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlaw import units
from rlaw.errors import UsageError


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("7B", "count", 7e9),
        ("592k", "count", 592e3),
        ("0.5 M", "count", 5e5),
        ("1e18 FLOPs", "FLOPs", 1e18),
        ("20 PFLOPs", "FLOPs", 2e16),
        (3e20, "FLOPs", 3e20),
        ("500 GPU-h", "GPU-h", 500),
        ("500 GPU hours", "GPU-h", 500),
        ("15 min", "duration", 900),
        ("2 hours", "duration", 7200),
        ("90 s", "duration", 90),
        ("$1,200", "USD", 1200),
        ("2k USD", "USD", None),
    ],
)
def test_quantities_are_read_as_people_write_them(text, kind, value):
    if value is None:
        with pytest.raises(UsageError):
            units.parse(text, kind)
    else:
        assert units.parse(text, kind) == pytest.approx(value)


@pytest.mark.parametrize("text", ["", "seven", "7X", "-3", "0", "nan", "inf", True, None, "7B extra"])
def test_what_is_no_positive_quantity_is_refused_with_an_example(text):
    with pytest.raises(UsageError, match="write it like 7B"):
        units.parse(text, "count")


@given(st.floats(min_value=1, max_value=9e14))
def test_a_count_written_and_read_again_keeps_three_figures(value):
    assert units.parse(units.count(value), "count") == pytest.approx(value, rel=6e-3)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(3.21, "3.2 s"), (42, "42 s"), (75, "1 min 15 s"), (3599.7, "1 h 00 min"), (7290, "2 h 01 min")],
)
def test_durations_are_written_in_the_units_of_a_clock(seconds, text):
    assert units.duration(seconds) == text


def test_compute_and_bytes_are_written_in_two_or_three_figures():
    assert units.flops(2.63e13) == "2.6e13 FLOPs"
    assert units.flops(0) == "0 FLOPs"
    assert units.size(123_456) == "123 kB"
    assert units.size(12) == "12 bytes"
