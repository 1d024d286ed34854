"""A store of one small run, for tests that read it thousands of times."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from rlaw.engines.synthetic import SyntheticEngine
from rlaw.execution.worker import attempt
from rlaw.store import Store
from rlaw.study.plan import Plan, plan
from rlaw.study.study import Study

SMALL = {
    "name": "small",
    "model": {"ladder": [{"hidden": 16, "layers": 2}]},
    "task": {"name": "modular-chains"},
    "rl": {"steps": 2, "prompts": 8, "num_generations": 4},
    "evaluation": {"items": 4, "samples": 2, "at": {"every": 1}},
    "fit": {"laws": ["power"]},
    "engine": "synthetic",
}


@pytest.fixture(scope="session")
def make_small() -> Callable[[Path], Plan]:
    """Makes a store of one finished run of two steps, settled."""

    def make(path: Path) -> Plan:
        laid_out = plan(Study.model_validate(SMALL))
        store = Store.create(path, laid_out)
        for run in laid_out:
            attempt(run, store, SyntheticEngine(), threading.Event(), lambda event: None)
        store.settle()
        return laid_out

    return make
