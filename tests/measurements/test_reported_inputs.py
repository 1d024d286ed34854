"""Inputs of the kinds that people reported, each with the right outcome; the files lie outside of the project."""

import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import rlaw
from rlaw.errors import DataError, NotIdentifiable, RlawError, UsageError

CASES = Path(os.environ.get("RLAW_SHARED_DATA", Path(__file__).parents[2] / "../shared/data")).parent / "cases"
pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason=f"the reported inputs are not at {CASES}")
DATADECIDE = {"test_loss": "err", "data_size": "tokens"}


def fit(file, law="saturating", axis="data", where=None, **options):
    frame = rlaw.load(CASES / file, **options).where(**(where or {}))
    return rlaw.fit(law, frame, axis=axis, draws=50)


REFUSED = [
    ("20-counter-restarts/log.csv", {}, DataError, "column attempt: 1, 2"),
    ("21-compute-resets/log.csv", {"axis": "compute"}, NotIdentifiable, "the counter began again"),
    ("24-bits-per-byte/bpb.csv", {"law": "chinchilla"}, DataError, "on both sides of 1"),
    ("24-bits-per-byte/minus_one_to_one.csv", {}, DataError, "no share of wrong answers"),
    ("26-accuracy-as-loss/acc.csv", {}, DataError, "rises as RL goes on in 5 of 5 sizes: is it an accuracy"),
    ("27-cross-entropy/ce.csv", {}, DataError, "rlaw fits no other loss"),
    ("30-arms/arms.csv", {}, UsageError, "several values of arm"),
    ("35-correct-is-a-mean/mean.csv", {}, DataError, "line 2: 0.341 is no number of right answers"),
    ("36-wandb-ui/export.csv", {}, DataError, "does not say which model was trained"),
    ("38-lm-eval-json/results_2026-01-05T10-11-12.json", {}, DataError, "after which step"),
    ("39-jsonl-nan/torn.jsonl", {}, DataError, "line 205"),
    ("46-datadecide-layout/eval.csv", {}, DataError, "'test_loss': 'err'"),
    ("46-datadecide-layout/eval.csv", {"mapping": DATADECIDE}, DataError, "column task: arc_easy, hellaswag"),
]


@pytest.mark.parametrize(("file", "options", "error", "text"), REFUSED, ids=[row[0] for row in REFUSED])
def test_what_would_mislead_is_asked_about(file, options, error, text):
    with pytest.raises(error) as refused:
        fit(file, **options)
    assert text in str(refused.value)
    assert "next:" in str(refused.value)


FITTED = [
    ("00-base/base.csv", {}, 200, 0.207),
    ("26-accuracy-as-loss/acc.csv", {"measure": "accuracy"}, 200, 0.207),
    ("28-string-seeds/seeds.csv", {}, 600, 0.195),
    ("28-string-seeds/numbers.csv", {}, 600, 0.195),
    ("30-arms/arms.csv", {"where": {"arm": "grpo"}}, 200, 0.187),
    ("33-missing-words/step.csv", {}, 199, 0.207),
    ("33-missing-words/step_blank.csv", {}, 199, 0.207),
    ("33-missing-words/loss.csv", {}, 190, 0.206),
    ("39-jsonl-nan/bare.jsonl", {}, 188, 0.201),
    ("39-jsonl-nan/words_late.jsonl", {}, 199, 0.207),
    ("39-jsonl-nan/array.json", {}, 200, 0.207),
]


@pytest.mark.parametrize(("file", "options", "points", "K_max"), FITTED, ids=[row[0] for row in FITTED])
def test_what_can_be_read_is_fitted_whole(file, options, points, K_max):
    found = fit(file, **options)
    assert found.points == points
    assert found.parameters["K_max"].value == pytest.approx(K_max, abs=0.012)


def test_one_model_under_three_names_is_cautioned_by_every_command():
    frame = rlaw.load(CASES / "32-mixed-names/names.csv")
    results = (
        rlaw.fit("saturating", frame, axis="data", draws=20),
        rlaw.allocate(frame, compute=1e19, draws=20),
        rlaw.forecast(frame, "S-14B", anchor="first:10", axis="data", draws=20),
        rlaw.compare(frame, laws=["power"], axis="data", cut=10, draws=20),
    )
    for result in results:
        assert "7B (S-7B, org/S-7B, s-7b)" in next(w.text for w in result.warnings if w.code == "same-size")


def test_losses_of_zero_are_measurements():
    found = fit("34-zero-loss/aime.csv", law="power")
    assert found.points == 250
    assert "zero_loss" not in found.dropped
    log = rlaw.fit("power", rlaw.load(CASES / "34-zero-loss/aime.csv"), axis="data", space="log", intervals="none")
    assert "zero-losses" in {warning.code for warning in log.warnings}


@pytest.mark.parametrize("seed", range(3))
def test_shuffled_rows_give_the_same_result_or_a_refusal(seed):
    for file in sorted(CASES.glob("[0-4]*/*.csv")):
        raw = pl.read_csv(file, infer_schema=False)
        order = np.random.default_rng(seed).permutation(len(raw))
        results = []
        for rows in (raw, raw[order]):
            try:
                results.append(rlaw.fit("power", rlaw.load(rows), axis="data", draws=20).to_json())
            except RlawError as error:
                results.append(type(error))
        assert results[0] == results[1], file
