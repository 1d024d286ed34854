"""Two stores, one cache: a base is made once, whichever study comes first, and whether the file system has locks."""

import json
import subprocess
import sys
import threading

from rlaw.engines.local.engine import LocalEngine
from rlaw.execution import cache
from rlaw.execution.worker import attempt
from rlaw.store import Store
from rlaw.store.records import BaseTrained, RunFinished
from rlaw.study.plan import Plan, plan
from rlaw.study.study import Study

STUDY = {
    "name": "first",
    "model": {"ladder": [{"hidden": 16, "layers": 2}], "variants": {"base": {"steps": 20, "batch_size": 16}}},
    "task": {"name": "modular-chains", "modulus": 7, "operations": "1-2"},
    "rl": {"steps": 1, "prompts": 16, "num_generations": 4},
    "evaluation": {"items": 20},
    "engine": {"name": "local", "micro_batch": 8},
    "fit": {"laws": ["power"]},
}


def test_a_base_is_made_once_for_all_stores_and_lies_in_none(tmp_path, monkeypatch):
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "home"))
    told = {}
    for name, reuse in (("first", 1), ("second", 2)):
        laid_out: Plan = plan(Study.model_validate({**STUDY, "name": name, "data": {"reuse": reuse}}))
        store = Store.create(tmp_path / name, laid_out)
        attempt(laid_out.runs[0], store, LocalEngine(), threading.Event(), lambda event: None)
        records = store.records(laid_out.runs[0].label)
        assert any(isinstance(record, RunFinished) for record in records)
        told[name] = next(record for record in records if isinstance(record, BaseTrained))
        assert not (tmp_path / name / "cache").exists()
    assert told["first"].digest == told["second"].digest
    assert told["first"].seconds == told["second"].seconds  # of the making: the second one found it
    assert [path.name for path in (tmp_path / "home" / "bases").iterdir() if path.is_dir()] == [told["first"].digest]


#: makes the base of one run, on a file system without locks
MAKE = """
import errno, fcntl, json, sys
from pathlib import Path
from rlaw.engines.local import process
from rlaw.study.plan import plan
from rlaw.study.study import Study

def no_locks(*args):
    raise OSError(errno.ENOLCK, "No locks available")

fcntl.flock = no_locks
process.prepare(Path(sys.argv[1]))
from rlaw.engines.local import pretrain
print(json.dumps(pretrain.base(plan(Study.model_validate_json(sys.argv[2])).runs[0], Path(sys.argv[1]))[1].seconds))
"""


def test_two_processes_make_a_base_once_where_the_file_system_has_no_locks(tmp_path):
    command = [sys.executable, "-W", "ignore", "-c", MAKE, str(tmp_path), json.dumps(STUDY)]
    makers = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    told = [process.communicate() for process in makers]
    assert [process.returncode for process in makers] == [0, 0], told
    assert told[0][0] == told[1][0], "one made it, the other found it"
