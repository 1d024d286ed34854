"""Sending a trainer to a Ray cluster as a job: a real cluster on loopback, a short program in veRL's place."""

import sys
import time

import pytest

pytest.importorskip("ray.job_submission", reason="needs ray[default]: make test-verl")
pytestmark = pytest.mark.filterwarnings("ignore")

from verl_runs import planned, write_problems  # noqa: E402

from rlaw.engines.verl.launch import RayJob  # noqa: E402
from rlaw.errors import EngineError  # noqa: E402


@pytest.fixture(scope="module")
def address():
    import ray

    about = ray.init(num_cpus=1, include_dashboard=True, dashboard_host="127.0.0.1", object_store_memory=80_000_000)
    yield f"http://{about.dashboard_url}"
    ray.shutdown()


@pytest.fixture
def run(tmp_path):
    return planned(write_problems(tmp_path / "problems")).runs[0]


def ended(job):
    while job.alive():
        time.sleep(0.2)
    return job.fault()


def test_a_job_s_environment_arrives_its_failure_is_told_and_the_next_attempt_ends_what_is_left(address, run, tmp_path):
    mark = tmp_path / "mark"
    write = f"import os; open({str(mark)!r}, 'w').write(os.environ['VERL_FILE_LOGGER_PATH'])"
    assert ended(RayJob(address, run, 1, [sys.executable, "-c", write], {"VERL_FILE_LOGGER_PATH": "here"})) == ""
    assert mark.read_text() == "here"
    told = ended(RayJob(address, run, 2, [sys.executable, "-c", "print('out of memory'); exit(3)"], {}))
    assert "FAILED" in told
    assert "out of memory" in told
    left = RayJob(address, run, 3, [sys.executable, "-c", "import time; time.sleep(600)"], {})
    last = RayJob(address, run, 4, [sys.executable, "-c", "pass"], {})
    assert "STOPPED" in ended(left)
    assert ended(last) == ""


def test_an_address_where_no_cluster_answers_is_told(run):
    with pytest.raises(EngineError, match=r"no Ray cluster answers at http://127\.0\.0\.1:9"):
        RayJob("http://127.0.0.1:9", run, 1, ["true"], {})
