"""The commands that plan, run and tell a study: one document on stdout, progress on stderr, the right exit code."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rlaw.cli import main
from rlaw.cli.progress import Progress, RunView
from rlaw.engines.synthetic import DELAY_VARIABLE
from rlaw.execution.base import Event
from rlaw.store import Store
from rlaw.store.files import write_json
from rlaw.study.plan import plan
from rlaw.study.study import Study


def command(*args: object) -> list[str]:
    return [sys.executable, "-m", "rlaw", *map(str, args)]


def told(capsys) -> dict:
    """The one JSON document on stdout."""
    return json.loads(capsys.readouterr().out)


@pytest.fixture
def finished(tmp_path, tiny_plan, train_here) -> Path:
    """A store of the tiny study whose runs are all done."""
    return train_here(tmp_path / "store", tiny_plan).path


def test_init_writes_a_study_that_plans_and_never_overwrites(tmp_path, capsys):
    path = tmp_path / "study.yaml"
    assert main(["init", str(path)]) == 0
    study = Study.load(path)
    assert len(plan(study)) == 3
    assert study.rl.width_scaling is not None
    path.write_text("mine")
    assert main(["init", str(path)]) == 2
    assert "is there already" in capsys.readouterr().err
    assert path.read_text() == "mine"


def test_the_schema_names_every_section_and_the_settings_of_every_task(capsys):
    assert main(["init", "--schema"]) == 0
    schema = told(capsys)
    assert set(schema["properties"]) == set(Study.model_fields)
    assert "modulus" in schema["$defs"]["modular-chains"]["properties"]
    assert schema["additionalProperties"] is False
    wall = schema["$defs"]["SpendingCaps"]["properties"]["wall"]["anyOf"]
    assert {"type": "string"} in wall  # an editor must not mark `15 min` as wrong
    assert {"type": "string"} in schema["properties"]["engine"]["anyOf"]


def test_plan_tells_every_run_and_writes_nothing(tmp_path, write_study, capsys):
    study = write_study()
    assert main(["plan", str(study), "--json"]) == 0
    document = told(capsys)
    laid_out = plan(Study.load(study))
    assert document["schema"] == 1
    assert [(r["id"], r["label"], r["params"]) for r in document["runs"]] == [
        (r.id, r.label, r.params) for r in laid_out
    ]
    assert document["totals"]["flops"] == laid_out.total_flops
    assert [path.name for path in tmp_path.iterdir()] == ["study.yaml"]


def test_plan_tells_when_it_costs_more_than_the_study_allows(write_study, capsys):
    assert main(["plan", str(write_study(budget={"compute": "8e10 FLOPs"}))]) == 0
    assert "more than the study's budget.compute of 8.0e10 FLOPs" in capsys.readouterr().out
    assert main(["plan", str(write_study(budget={"compute": "1e18 FLOPs"}))]) == 0
    assert "budget.compute" not in capsys.readouterr().out


def test_caps_that_count_gpus_are_said_to_stop_nothing_where_no_size_declares_one(tmp_path, write_study, capsys):
    capped = str(write_study(budget={"gpu_hours": 5, "usd": 20}))
    assert main(["plan", capped]) == 0
    assert "budget.gpu_hours and budget.usd will stop nothing: no size declares GPUs" in capsys.readouterr().out
    assert main(["run", capped, "--store", str(tmp_path / "store"), "--json"]) == 0
    captured = capsys.readouterr()
    assert captured.err.count("warning: budget.gpu_hours and budget.usd will stop nothing") == 1
    assert len(json.loads(captured.out)["done"]) == 3
    ladder = [{"hidden": hidden, "layers": 2, "resources": {"gpus": 1}} for hidden in (16, 32, 64)]
    assert main(["plan", str(write_study(model={"ladder": ladder}, budget={"usd": 20}))]) == 0
    assert "stop nothing" not in capsys.readouterr().out


def test_a_dry_run_on_gpus_tells_gpu_hours_and_no_time_of_local_cores(tmp_path, capsys):
    assert main(["run", "qwen2.5-math", "--store", str(tmp_path / "store"), "--dry-run"]) == 0
    text = capsys.readouterr().out
    assert "H100-h" in text or "A100-h" in text
    assert "workers" not in text
    assert main(["run", "qwen2.5-math", "--store", str(tmp_path / "store"), "--dry-run", "--json"]) == 0
    document = told(capsys)
    assert (document["workers"], document["totals"]["wall_seconds"]) == (None, None)
    assert document["gpu_totals"]["H100"]["gpu_hours"] > 1000


def test_plan_tells_what_a_store_has_done(write_study, finished, capsys):
    longer = write_study("longer.yaml", seeds=[0, 1])
    assert main(["plan", str(longer), "--store", str(finished), "--json"]) == 0
    document = told(capsys)
    assert document["totals"]["done"] == 3
    assert sorted(run["state"] for run in document["runs"]) == ["finished"] * 3 + ["planned"] * 3


def test_a_dry_run_touches_nothing(tmp_path, write_study, capsys):
    assert main(["run", str(write_study()), "--store", str(tmp_path / "store"), "--dry-run", "--json"]) == 0
    assert told(capsys)["totals"]["runs"] == 3
    assert not (tmp_path / "store").exists()


def test_run_tells_one_document_and_progress_goes_to_stderr(tmp_path, write_study, capsys):
    store = tmp_path / "store"
    assert main(["run", str(write_study()), "--store", str(store), "--json"]) == 0
    captured = capsys.readouterr()
    document = json.loads(captured.out)
    assert {r["state"] for r in document["runs"]} == {"finished"}
    assert sorted(document["done"]) == sorted(Store.open(store).labels())
    assert captured.err.count("started; ") == 3
    assert "3 of 3 runs done" in captured.err
    assert "\x1b" not in captured.err


def test_run_again_skips_what_is_done(write_study, finished, capsys):
    assert main(["run", str(write_study()), "--store", str(finished), "--json"]) == 0
    captured = capsys.readouterr()
    assert len(json.loads(captured.out)["skipped"]) == 3
    assert captured.err == ""


def test_run_refuses_another_study_and_extends_when_asked(write_study, finished, capsys):
    more = write_study("more.yaml", seeds=[0, 1])
    assert main(["run", str(more), "--store", str(finished), "--json"]) == 2
    captured = capsys.readouterr()
    assert json.loads(captured.out)["error"]["exit_code"] == 2
    assert "seeds: [0] -> [0, 1]" in captured.err
    assert main(["run", str(more), "--store", str(finished), "--extend", "--quiet", "--json"]) == 0
    document = told(capsys)
    assert (len(document["done"]), len(document["skipped"])) == (6, 3)


def test_a_failed_run_gives_exit_code_1_and_its_cause(tmp_path, write_study, capsys):
    study, store = write_study(), tmp_path / "store"
    label = plan(Study.load(study)).runs[0].label
    folder = Store.create(store, plan(Study.load(study))).folder(label)
    (folder / "checkpoints").mkdir(parents=True)
    write_json(folder / "checkpoints" / "state.json", {"stage": 5})  # sealed, but not what the engine looks for
    assert main(["run", str(study), "--store", str(store), "--quiet"]) == 1
    assert f"{label}: KeyError" in capsys.readouterr().out
    assert main(["run", str(study), "--store", str(store), "--quiet"]) == 1
    assert f"failed earlier and left: {label}" in capsys.readouterr().out
    (folder / "checkpoints" / "state.json").unlink()
    assert main(["run", str(study), "--store", str(store), "--quiet", "--retry-failed"]) == 0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_command_with_its_code_and_one_document(tmp_path, write_study, number, code):
    study = write_study(rl={"steps": 100, "prompts": 8, "num_generations": 4})
    environment = {**os.environ, DELAY_VARIABLE: "0.05"}
    args = command("run", study, "--store", tmp_path / "store", "--json")
    with subprocess.Popen(args, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert "started" in process.stderr.readline()
        time.sleep(0.4)
        began = time.monotonic()
        process.send_signal(number)
        out, err = process.communicate()
    assert time.monotonic() - began < 5
    assert process.returncode == code
    assert json.loads(out)["error"]["code"] == "interrupted"
    assert "the same command resumes" in err
    assert "Traceback" not in err
    states = [status.state for status in Store.open(tmp_path / "store").runs()]
    assert "interrupted" in states
    assert "running" not in states


def test_status_counts_and_lists(finished, capsys):
    assert main(["status", str(finished), "--json"]) == 0
    document = told(capsys)
    assert document["counts"] == {"finished": 3}
    assert [r["step"] for r in document["runs"]] == [6, 6, 6]
    assert main(["status", str(finished)]) == 0
    assert "3 finished" in capsys.readouterr().out


def test_show_spec_prints_a_study_whose_run_has_the_same_id(tmp_path, finished, capsys):
    for label in Store.open(finished).labels():
        assert main(["show", str(finished), label, "--spec"]) == 0
        path = tmp_path / "one.yaml"
        path.write_text(capsys.readouterr().out)
        (run,) = plan(Study.load(path))
        assert label.endswith(run.id)


def test_show_tells_a_run_by_any_part_that_only_it_has(finished, capsys):
    label = Store.open(finished).labels()[0]
    assert main(["show", str(finished), label.rpartition("-")[2], "--json"]) == 0
    document = told(capsys)
    assert document["status"]["label"] == label
    assert [e["step"] for e in document["evaluations"]] == [0, 2, 4, 6]
    assert len(document["attempts"]) == 1
    assert main(["show", str(finished), "main"]) == 2
    assert main(["show", str(finished), "nothing-like-it"]) == 3


def test_doctor_measures_and_names_what_is_missing(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("rlaw.cli.doctor._version", lambda package: None if package == "optax" else "1.0")
    assert main(["doctor", "--store", str(tmp_path / "not" / "yet"), "--json"]) == 0
    document = told(capsys)
    assert document["gflops_per_core"] > 0.1
    assert document["store"] == {**document["store"], "path": str(tmp_path), "writable": True}
    local = next(extra for extra in document["extras"] if extra["name"] == "local")
    assert local["missing"] == ["optax"]
    assert "local: pip install 'rlaw[local]'" in document["cannot"]


@pytest.mark.parametrize(
    ("args", "code", "text"),
    [
        (["status", "no-such-store"], 3, "is not a store"),
        (["plan", "no-such-study.yaml"], 3, "no study file"),
        (["run", "study.yaml", "--workers", "0"], 2, "workers"),
        (["run", "study.yaml", "--store", "/dev/null/store"], 1, "cannot write"),
        (["run", "broken.yaml"], 2, "broken.yaml:3"),
        (["init", "/dev/null/study.yaml"], 1, "cannot write"),
    ],
)
def test_every_mistake_is_one_clear_message(args, code, text, tmp_path, write_study, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_study()
    (tmp_path / "broken.yaml").write_text("name: tiny\nmodel: {ladder: [{hidden: 16, layers: 2}]}\nmodle: 1\n")
    assert main(args) == code
    captured = capsys.readouterr()
    assert text in captured.err
    assert captured.out == ""


class Clock:
    """Seconds that pass when told."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_time_left_follows_the_pace_once_there_is_one():
    clock = Clock()
    runs = {name: RunView(name, steps=10, seconds=100.0, state="planned") for name in "abcd"}
    progress = Progress(runs, workers=2, clock=clock)
    assert progress.seconds_left == 200  # four runs of 100 s on two workers
    for name in "ab":
        progress.note(Event(label=name, kind="step", step=10))
        progress.note(Event(label=name, kind="run_finished", step=10))
    clock.now = 300.0  # three times slower than estimated
    assert progress.seconds_left == pytest.approx(300.0)
    assert progress.summary() == "2 of 4 runs done, about 5 min 00 s left"


def test_progress_shows_how_runs_ended():
    runs = {name: RunView(name, steps=10, seconds=0.0, state="planned") for name in "abcd"}
    progress = Progress(runs, workers=2)
    progress.note(Event(label="a", kind="run_started"))
    assert runs["a"].state == "pretraining"
    progress.note(Event(label="a", kind="base_trained"))
    progress.note(Event(label="b", kind="run_finished", step=10, text="diverged"))
    progress.note(Event(label="c", kind="run_failed", step=3, text="ValueError: no"))
    progress.note(Event(label="d", kind="lost"))
    assert [run.state for run in runs.values()] == ["running", "diverged", "failed", "lost"]
    assert progress.summary() == "1 of 4 runs done, 1 running, 2 failed"


def test_a_torn_line_is_one_warning_in_plain_words(finished, capsys):
    label = Store.open(finished).labels()[0]
    with (finished / "runs" / label / "records.jsonl").open("ab") as file:
        file.write(b'{"kind":"st')
    done = subprocess.run(command("status", finished), capture_output=True, text=True, check=True)
    assert done.stderr.splitlines() == [
        f"warning: {finished}/runs/{label}/records.jsonl: last line cut short, 11 bytes left out"
    ]
    assert "3 finished" in done.stdout


def test_a_store_is_fitted_over_the_steps_that_its_study_declared(tmp_path, make_plan, train_here, capsys):
    store = train_here(tmp_path / "declared", make_plan(fit={"laws": ["power"], "window": "2:"}))

    def window(*options):
        assert main(["fit", str(store.path), "--law", "power", "--intervals", "none", *options, "--json"]) == 0
        return json.loads(capsys.readouterr().out)["window"]

    assert window() == "2:"
    assert window("--window", "1:") == "1:"
