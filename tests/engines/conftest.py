"""A run of the local engine small enough to train in a test, and a cache of compiled programs for all of them."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rlaw.engines.local import process
from rlaw.study.plan import Run, plan
from rlaw.study.study import Study

# Read when jax is first imported. The same programs, built in half the time: nothing here runs long enough to mind.
os.environ.update(process.ONE_THREAD)
os.environ.setdefault("XLA_FLAGS", f"{process.ONE_THREAD_XLA} --xla_backend_optimization_level=0")

TINY: dict[str, Any] = {
    "name": "tiny",
    "model": {
        "ladder": [{"hidden": 16, "layers": 2}],
        "variants": {"base": {"steps": 600, "batch_size": 16, "learning_rate": 1e-2}},
    },
    "task": {"name": "modular-chains", "modulus": 7, "operations": "1-2"},
    "rl": {"steps": 6, "prompts": 16, "num_generations": 4, "learning_rate": 3e-3},
    "evaluation": {"items": 40, "samples": 2, "at": {"every": 2}},
    "engine": {"name": "local", "micro_batch": 8},
    "fit": {"laws": ["power"]},
}


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bases and compiled programs, shared by all tests of a session: both are addressed by their content."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def make_run() -> Callable[..., Run]:
    """Makes the tiny run with keys of its sections replaced: `make_run(rl={"beta": 0.1})`."""

    def make(**changes: Any) -> Run:
        sections = {name: {**TINY.get(name, {}), **change} for name, change in changes.items() if name != "seeds"}
        seeds = {"seeds": changes["seeds"]} if "seeds" in changes else {}
        return plan(Study.model_validate({**TINY, **sections, **seeds})).runs[0]

    return make
