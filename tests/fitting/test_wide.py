"""Thousands of metrics and values of a megabyte: all is read, in bounded memory, and no message grows with them."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import rlaw
from rlaw.cli import main
from rlaw.engines.base import Workspace
from rlaw.engines.synthetic import SyntheticEngine
from rlaw.execution.worker import MOST_CHARACTERS, attempt
from rlaw.store import Store
from rlaw.store.records import Record, Step
from rlaw.study.plan import Run

KEYS = [f"actor/layer_{i}/grad_norm" for i in range(5000)]
LONG = "x" * 1_000_000
MOST_GB = 1.5  # the bar for ten million rows


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """JSON lines: 80 evaluations of four sizes with 5,000 metrics each, one of them with a note of a megabyte."""
    draws, path = np.random.default_rng(0), tmp_path_factory.mktemp("wide") / "log.jsonl"
    with path.open("w") as file:
        for model, params in (("a", 1e4), ("b", 1e5), ("c", 1e6), ("d", 1e7)):
            for step in range(20):
                flops = 6 * params * 1e4 * max(step, 0.5)
                row = {"model": model, "params": params, "step": step, "compute_flops": flops, "items": 500}
                row |= {"test_loss": 2 * flops**-0.05, "note": LONG if (model, step) == ("b", 7) else ""}
                file.write(json.dumps(row | dict(zip(KEYS, draws.normal(size=5000).round(6), strict=True))) + "\n")
    return path


#: starts a command and tells its peak memory: a process that the tests started themselves would begin with theirs
MEASURE = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[2:], stdout=open(sys.argv[1], "wb")).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(code)
"""


def ask(tmp_path: Path, *words: str) -> tuple[dict, float]:
    """What a command of its own process tells as JSON, and its peak memory in GB."""
    out, command = tmp_path / "out", [sys.executable, "-m", "rlaw", *words, "--json"]
    told = subprocess.run([sys.executable, "-c", MEASURE, str(out), *command], stdout=subprocess.PIPE, check=True)
    return json.loads(out.read_text()), int(told.stdout) * 1024 / 1e9


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet"])
def test_a_log_of_thousands_of_metrics_and_a_value_of_a_megabyte_is_fitted(wide, tmp_path, suffix):
    path = tmp_path / f"log{suffix}"
    if suffix == ".jsonl":
        path = wide
    elif suffix == ".csv":
        pl.read_ndjson(wide, infer_schema_length=None).write_csv(path)
    else:
        pl.read_ndjson(wide, infer_schema_length=None).write_parquet(path)
    told, gigabytes = ask(tmp_path, "fit", str(path), "--law", "power", "--axis", "compute")
    assert told["points"] == 4 * 19
    assert len(json.dumps(told)) < 100_000
    assert gigabytes < MOST_GB


@pytest.mark.parametrize(
    "words", [["--where", "nothing=1"], ["--where", "note=1"], ["--map", "step=nothing"], ["--map", f"step={KEYS[0]}"]]
)
def test_a_refusal_of_a_wide_log_is_short(wide, capsys, words):
    assert main(["fit", str(wide), "--law", "power", *words]) != 0
    said = capsys.readouterr()
    assert said.out == ""
    assert 20 < len(said.err) < 2000


def test_a_report_of_a_wide_log_is_no_larger_for_it(wide, tmp_path):
    page = tmp_path / "page.html"
    _, gigabytes = ask(tmp_path, "report", str(wide), "-o", str(page), "--draws", "20")
    assert gigabytes < MOST_GB
    assert page.stat().st_size < 3e6
    assert KEYS[17] not in page.read_text()


class WideEngine(SyntheticEngine):
    """Tells the seconds of 5,000 phases in every step, and may fail with a message of a megabyte."""

    def __init__(self, fails_at: int = 0) -> None:
        self.fails_at = fails_at

    def train(self, run: Run, workspace: Workspace) -> Iterator[Record]:
        for record in super().train(run, workspace):
            if isinstance(record, Step) and record.step == self.fails_at:
                raise MemoryError(LONG)
            yield replace(record, seconds=dict.fromkeys(KEYS, 0.001)) if isinstance(record, Step) else record


def test_a_store_of_wide_records_and_a_long_failure_is_read_by_everything(tmp_path, tiny_plan, capsys):
    store, events = Store.create(tmp_path / "store", tiny_plan), []
    for run, fails_at in zip(tiny_plan, (0, 0, 4), strict=True):
        attempt(run, store, WideEngine(fails_at), threading.Event(), events.append)
    store.settle()
    assert [status.state for status in store.runs()] == ["finished", "finished", "failed"]
    assert f"seconds_{KEYS[-1]}" in store.steps(tiny_plan.runs[0].label).columns
    assert len(rlaw.load(store.path).models) == 3
    failed = store.status(tiny_plan.runs[2].label)
    assert MOST_CHARACTERS < len(failed.text) < MOST_CHARACTERS + 100
    assert "1,000,000 characters in all" in failed.text
    assert max(len(event.text) for event in events) < MOST_CHARACTERS + 100
    for words in (["status", str(store.path)], ["show", str(store.path), failed.label]):
        assert main(words) == 0
        assert len(capsys.readouterr().out) < 10_000
