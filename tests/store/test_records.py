import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from timeless import timeless

from rlaw.errors import StoreError
from rlaw.store import records

FAILED = records.RunFailed(run="r", attempt=1, step=3, cause="crash", text="worker gone", time="t")
WEIRD = st.text(st.characters(codec="utf-8"), max_size=300)


def step(**changes):
    same = dict.fromkeys(
        ("reward_mean", "reward_std", "zero_variance_share", "loss", "kl", "entropy", "clip_share", "grad_norm"), 0.5
    )
    whole = dict.fromkeys(("prompts", "data_size", "unique_prompts", "prompt_tokens", "response_tokens"), 4)
    rest = {"learning_rate": 1e-3, "response_length": 4.0, "truncated_share": 0.0, "flops": {"rollout": 1}}
    return records.Step(**{"run": "r", "attempt": 1, "step": 1, **same, **whole, **rest, **changes})


@given(WEIRD, WEIRD)
def test_any_text_survives_a_line(cause, text):
    record = records.RunFailed(run="r", attempt=1, step=3, cause=cause, text=text)
    line = records.encode(record)
    assert line.count(b"\n") == 1
    assert records.decode(line) == record


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_any_float_survives_a_line_to_the_last_bit(value):
    decoded = records.decode(records.encode(step(loss=value)))
    assert struct.pack("<d", decoded.loss) == struct.pack("<d", value) or math.isnan(value) == math.isnan(decoded.loss)
    assert math.isnan(value) or decoded.loss == value


def test_a_line_is_valid_json_when_the_loss_is_not_a_number():
    import json

    row = json.loads(records.encode(step(loss=float("nan"), grad_norm=float("inf"))))
    assert row["loss"] is None
    assert row["nonfinite"] == {"loss": "nan", "grad_norm": "inf"}


def test_every_truncation_and_every_flipped_bit_of_a_line_is_noticed():
    line = records.encode(FAILED)
    for end in range(len(line)):
        with pytest.raises(StoreError):
            records.decode(line[:end])
    for bit in range(8 * len(line)):
        flipped = bytearray(line)
        flipped[bit // 8] ^= 1 << bit % 8
        try:
            assert records.decode(bytes(flipped)) == FAILED, f"bit {bit} changed the record in silence"
        except StoreError:
            continue


def test_a_record_without_its_clock_fields_is_what_two_runs_share():
    row = records.to_row(step(seconds={"rollout": 1.5}))
    assert "seconds" in row
    assert "seconds" not in timeless(row)
    assert timeless(row)["step"] == 1


def test_keys_of_a_newer_version_are_left_out():
    row = {**records.to_row(FAILED), "unheard_of": 1}
    assert records.of_row(row) == FAILED


@pytest.mark.parametrize(
    ("change", "told"), [({"kind": "dreamt"}, "kind 'dreamt'"), ({"kind": "base_trained"}, "record without digest")]
)
def test_a_record_of_another_version_is_named(change, told):
    with pytest.raises(StoreError, match=told):
        records.of_row({**records.to_row(FAILED), **change})
