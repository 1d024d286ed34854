"""A study on a real two-node Ray cluster: the same records as on one machine, whatever node or driver is lost."""

import os
import signal
import subprocess
import sys
import time

import pytest

from rlaw.engines.synthetic import DELAY_VARIABLE
from rlaw.errors import EngineError
from rlaw.execution.base import MOVED, Needs
from rlaw.execution.local import LocalExecutor
from rlaw.execution.runner import run
from rlaw.store import Store
from rlaw.store.lock import owner_of

ray = pytest.importorskip("ray", reason="Ray is not installed: `make test-cluster` installs it")
pytestmark = pytest.mark.filterwarnings("ignore")  # Ray's own

#: a driver that can be killed; tells what it was told is kept
DRIVER = """
import sys
from rlaw.execution.ray import RayExecutor
from rlaw.study.plan import plan
from rlaw.execution.runner import run
from rlaw.store import Store
store = Store.open(sys.argv[1])
def note(event):
    print(event.label, event.kind, event.step, flush=True)
run(plan(store.study), store, RayExecutor(sys.argv[2], 2), on_event=note)
"""
SMALL_AND_REAL = {
    "model": {
        "ladder": [{"hidden": 16, "layers": 2}, {"hidden": 24, "layers": 2}],
        "variants": {"base": {"steps": 40}},
    },
    "rl": {"steps": 60, "prompts": 32, "num_generations": 4},
    "evaluation": {"items": 64, "samples": 1, "at": {"every": 10}},
    "fit": {"laws": ["power"]},
    "engine": "local",
}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    from ray.cluster_utils import Cluster

    os.environ[DELAY_VARIABLE] = "0.1"  # the workers' environment is their node's
    node = {"num_cpus": 1, "object_store_memory": 100 * 1024**2, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=node)
    cluster.add_node(num_cpus=1, object_store_memory=100 * 1024**2)
    yield cluster
    ray.shutdown()
    cluster.shutdown()
    del os.environ[DELAY_VARIABLE]


@pytest.fixture
def executor(cluster):
    from rlaw.execution.ray import RayExecutor

    executor = RayExecutor(cluster.address)
    yield executor
    executor.close()


def all_rows(store: Store, laid_out, timeless_rows):
    return {run.label: timeless_rows(store, run.label) for run in laid_out}


def test_a_study_on_two_nodes_gives_the_records_of_one_machine(tmp_path, executor, timeless_rows, make_plan):
    laid_out = make_plan()
    here, there = (Store.create(tmp_path / name, laid_out) for name in ("here", "there"))
    run(laid_out, here, LocalExecutor(2))
    nodes = set()
    outcome = run(laid_out, there, executor, on_event=lambda event: nodes.add(event.kind))
    assert executor.workers == 2
    assert outcome.complete
    assert all_rows(there, laid_out, timeless_rows) == all_rows(here, laid_out, timeless_rows)


def test_a_run_that_no_node_can_hold_is_refused_before_it_waits(tmp_path, executor, monkeypatch, make_plan):
    monkeypatch.setattr("rlaw.execution.ray.needs", lambda run: Needs(cpus=1, gpus=8))
    laid_out = make_plan()
    with pytest.raises(EngineError, match="no node of the Ray cluster has 1 CPU and 8 GPUs"):
        run(laid_out, Store.create(tmp_path / "store", laid_out), executor)


def test_a_killed_driver_leaves_nothing_behind_and_its_command_goes_on(tmp_path, cluster, timeless_rows, make_plan):
    laid_out = make_plan(rl={"steps": 40, "prompts": 8, "num_generations": 4})
    here, there = (Store.create(tmp_path / name, laid_out) for name in ("here", "there"))
    run(laid_out, here, LocalExecutor(2))
    command = [sys.executable, "-c", DRIVER, str(there.path), cluster.address]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as driver:
        assert driver.stdout is not None
        for line in driver.stdout:
            if " step 5" in line:
                driver.send_signal(signal.SIGKILL)
                break
    deadline = time.monotonic() + 30
    while any(owner_of(there.folder(label) / "lock") for label in there.labels()) and time.monotonic() < deadline:
        time.sleep(0.1)
    again = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    assert again.returncode == 0, again.stderr
    assert all_rows(there, laid_out, timeless_rows) == all_rows(here, laid_out, timeless_rows)
    assert any(there.status(label).attempt > 1 for label in there.labels())


def test_a_lost_node_moves_its_runs_and_the_records_are_those_of_an_undisturbed_study(
    tmp_path, cluster, executor, timeless_rows, make_plan
):
    laid_out = make_plan(**SMALL_AND_REAL)
    here, there = (Store.create(tmp_path / name, laid_out) for name in ("here", "there"))
    run(laid_out, here, LocalExecutor(2))
    lost, told = cluster.worker_nodes.copy().pop(), []

    def lose_a_node(event):
        told.append(event)
        if event.kind == "step" and event.step == 20 and lost in cluster.worker_nodes:
            cluster.remove_node(lost, allow_graceful=False)
            cluster.add_node(num_cpus=1, object_store_memory=100 * 1024**2)

    outcome = run(laid_out, there, executor, on_event=lose_a_node)
    assert outcome.complete, outcome
    assert [event.kind for event in told].count(MOVED) == 1
    assert sorted(there.status(run.label).attempt for run in laid_out) == [1, 2]
    assert all_rows(there, laid_out, timeless_rows) == all_rows(here, laid_out, timeless_rows)


def test_a_task_in_the_current_folder_is_found_on_every_node(tmp_path, executor, make_plan, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(
        "from rlaw.tasks.modular_chains import ModularChains\nclass Mine(ModularChains):\n    name: str\n"
    )
    laid_out = make_plan(task={"name": "mine.py:Mine"})
    outcome = run(laid_out, Store.create(tmp_path / "store", laid_out), executor)
    assert outcome.complete, outcome
