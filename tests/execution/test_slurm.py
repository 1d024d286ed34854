"""A study as jobs: of a real Slurm where this machine has one, and of submitit's own stand-in for it anywhere."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading

import pytest

from rlaw.engines.synthetic import DELAY_VARIABLE
from rlaw.errors import EngineError, Interrupted
from rlaw.execution.local import LocalExecutor
from rlaw.execution.runner import run
from rlaw.store import Store
from rlaw.study import spec

submitit = pytest.importorskip("submitit", reason="submitit is not installed: `make test-cluster` installs it")
pytestmark = pytest.mark.filterwarnings("ignore")  # submitit's own

from rlaw.execution.slurm import Job, SlurmExecutor, _Files  # noqa: E402

HAS_SLURM = shutil.which("sbatch") and subprocess.run(["sinfo"], capture_output=True, check=False).returncode == 0
on_slurm = pytest.mark.skipif(not HAS_SLURM, reason="no Slurm answers on this machine")
CLUSTERS = ["local", pytest.param("slurm", marks=on_slurm)]
LONGER = {"steps": 40, "prompts": 8, "num_generations": 4}

DRIVER = """
import sys
from rlaw.execution.slurm import SlurmExecutor
from rlaw.study.plan import plan
from rlaw.execution.runner import run
from rlaw.store import Store
from rlaw.study import spec
store = Store.open(sys.argv[1])
def note(event):
    print(event.label, event.kind, event.step, flush=True)
run(plan(store.study), store, SlurmExecutor(store.path, 2), on_event=note)
"""


@pytest.fixture
def undisturbed(tmp_path, timeless_rows):
    """The rows of a plan that was run on this machine, by label."""

    def make(laid_out):
        store = Store.create(tmp_path / "undisturbed", laid_out)
        run(laid_out, store, LocalExecutor(2))
        return rows_of(store, laid_out, timeless_rows)

    return make


def rows_of(store, laid_out, timeless_rows):
    return {run.label: timeless_rows(store, run.label) for run in laid_out}


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_a_study_as_jobs_gives_the_records_of_one_machine(tmp_path, make_plan, undisturbed, timeless_rows, cluster):
    laid_out = make_plan()
    store = Store.create(tmp_path / "store", laid_out)
    told = []
    outcome = run(laid_out, store, SlurmExecutor(store.path, 2, cluster=cluster), on_event=told.append)
    assert outcome.complete, outcome
    assert sum(event.kind == "run_finished" for event in told) == len(laid_out)
    assert rows_of(store, laid_out, timeless_rows) == undisturbed(laid_out)


@on_slurm
def test_a_job_that_is_preempted_saves_and_is_queued_again(
    tmp_path, make_plan, undisturbed, timeless_rows, monkeypatch
):
    monkeypatch.setenv(DELAY_VARIABLE, "0.3")
    laid_out = make_plan(model={"ladder": [{"hidden": 16, "layers": 2}]}, rl=LONGER, fit={"laws": ["power"]})
    store = Store.create(tmp_path / "store", laid_out)
    executor = SlurmExecutor(store.path, 2)
    preempted = []

    def preempt(event):
        if event.kind == "step" and event.step == 5 and not preempted:
            preempted.append(event)
            next(iter(executor._jobs.values())).job._interrupt()

    outcome = run(laid_out, store, executor, on_event=preempt)
    monkeypatch.delenv(DELAY_VARIABLE)
    assert outcome.complete, outcome
    assert store.status(laid_out.runs[0].label).attempt == 2
    assert rows_of(store, laid_out, timeless_rows) == undisturbed(laid_out)


@on_slurm
def test_the_jobs_of_a_killed_driver_are_found_again_and_none_is_submitted_twice(
    tmp_path, make_plan, undisturbed, timeless_rows, monkeypatch
):
    monkeypatch.setenv(DELAY_VARIABLE, "0.3")
    laid_out = make_plan(rl=LONGER)
    store = Store.create(tmp_path / "store", laid_out)
    command = [sys.executable, "-c", DRIVER, str(store.path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as driver:
        assert driver.stdout is not None
        for line in driver.stdout:
            if " step 5" in line:
                driver.send_signal(signal.SIGKILL)
                break
    again = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    monkeypatch.delenv(DELAY_VARIABLE)
    assert again.returncode == 0, again.stderr
    assert [store.status(run.label).attempt for run in laid_out] == [1, 1, 1]
    assert rows_of(store, laid_out, timeless_rows) == undisturbed(laid_out)


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_stopping_saves_and_the_same_command_goes_on(
    tmp_path, make_plan, undisturbed, timeless_rows, cluster, monkeypatch
):
    monkeypatch.setenv(DELAY_VARIABLE, "0.1")
    laid_out = make_plan(rl=LONGER)
    store = Store.create(tmp_path / "store", laid_out)
    stop = threading.Event()

    def stop_at_five(event):
        if event.kind == "step" and event.step == 5 and not stop.is_set():
            stop.set()
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(Interrupted):
        run(laid_out, store, SlurmExecutor(store.path, 2, cluster=cluster), on_event=stop_at_five)
    assert "interrupted" in {status.state for status in store.runs()}
    monkeypatch.delenv(DELAY_VARIABLE)
    assert run(laid_out, store, SlurmExecutor(store.path, 2, cluster=cluster)).complete
    assert rows_of(store, laid_out, timeless_rows) == undisturbed(laid_out)


@on_slurm
def test_what_slurm_does_not_take_is_told_with_its_reason(tmp_path, make_plan):
    laid_out = make_plan()
    store = Store.create(tmp_path / "store", laid_out)
    executor = SlurmExecutor(store.path, 1, {"slurm_partition": "nosuch"})
    with pytest.raises(EngineError, match="does not take the job"):
        run(laid_out, store, executor)


def test_one_job_makes_its_whole_run_under_submitits_debugger(tmp_path, make_plan, undisturbed, timeless_rows):
    laid_out = make_plan()
    store, one = Store.create(tmp_path / "store", laid_out), laid_out.runs[0]
    files = _Files(tmp_path / "0.events", tmp_path / "0.stop")
    executor = submitit.AutoExecutor(tmp_path / "jobs", cluster="debug")
    executor.submit(Job(spec.document(one), store.path, (), files)).result()
    assert json.loads(files.events.read_text().splitlines()[-1])["kind"] == "run_finished"
    assert timeless_rows(store, one.label) == undisturbed(laid_out)[one.label]


def test_without_slurm_the_message_says_where_to_start(tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name, **_: None)
    with pytest.raises(EngineError, match="this machine has no Slurm"):
        SlurmExecutor(tmp_path)


def test_a_job_is_pickled_for_its_owner_alone_and_deleted_when_it_ends(tmp_path, make_plan):
    laid_out = make_plan()
    store, modes = Store.create(tmp_path / "store", laid_out), set()

    def note(event):
        modes.update(path.stat().st_mode & 0o777 for path in (store.path / "slurm").glob("**/*_submitted.pkl"))

    before = os.umask(0o022)
    try:
        assert run(laid_out, store, SlurmExecutor(store.path, 1, cluster="local"), on_event=note).complete
    finally:
        os.umask(before)
    assert modes == {0o600}
    assert not list((store.path / "slurm").glob("**/*_submitted.pkl"))
    label = laid_out.runs[0].label
    assert (store.folder(label) / "records.jsonl").stat().st_mode & 0o777 == 0o644  # as the user's umask has it
