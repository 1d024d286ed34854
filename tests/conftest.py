"""Small studies of the synthetic engine, which trains nothing: everything that keeps, runs and tells can be real."""

import os
import resource
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from rlaw import home
from rlaw.engines.synthetic import SyntheticEngine
from rlaw.executors.worker import attempt
from rlaw.plan import Plan, plan
from rlaw.records import timeless, to_row
from rlaw.store import Store
from rlaw.study import Study


@pytest.fixture(autouse=True, scope="session")
def _home(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Bases and compiled programs of the tests, apart from the user's own. Subprocesses inherit it."""
    os.environ[home.VARIABLE] = str(tmp_path_factory.mktemp("home"))


def synthetic_study(**changes: Any) -> dict[str, Any]:
    """A study file's content: three sizes, one seed, six steps, eight held-out problems; `changes` replace sections."""
    ladder = [{"hidden": hidden, "layers": 2} for hidden in (16, 32, 64)]
    return {
        "name": "tiny",
        "model": {"ladder": ladder},
        "task": {"name": "modular-chains"},
        "rl": {"steps": 6, "prompts": 8, "num_generations": 4},
        "evaluation": {"items": 8, "samples": 2, "at": {"every": 2}},
        "engine": "synthetic",
        **changes,
    }


@pytest.fixture(scope="session")
def tiny_plan() -> Plan:
    """Three runs of six steps."""
    return plan(Study.model_validate(synthetic_study()))


@pytest.fixture
def make_plan() -> Callable[..., Plan]:
    """Makes the plan of a synthetic study with sections replaced."""
    return lambda **changes: plan(Study.model_validate(synthetic_study(**changes)))


@pytest.fixture
def train_here() -> Callable[[Path, Plan], Store]:
    """Makes every run of a plan in this process, undisturbed, and keeps it in a new store."""

    def train(path: Path, laid_out: Plan) -> Store:
        store = Store.create(path, laid_out)
        for run in laid_out:
            attempt(run, store, SyntheticEngine(), threading.Event(), lambda event: None)
        return store

    return train


@pytest.fixture
def no_file_beyond() -> Callable[[int], AbstractContextManager[None]]:
    """A full disk, as this process sees it: no file can grow beyond a size in bytes."""

    @contextmanager
    def limited(n_bytes: int) -> Iterator[None]:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return limited


@pytest.fixture
def write_study(tmp_path: Path) -> Callable[..., Path]:
    """Writes the file of a synthetic study with sections replaced."""

    def write(name: str = "study.yaml", **changes: Any) -> Path:
        from ruamel.yaml import YAML

        path = tmp_path / name
        with path.open("w") as file:
            YAML(typ="safe", pure=True).dump(synthetic_study(**changes), file)
        return path

    return write


@pytest.fixture
def timeless_rows() -> Callable[..., list[dict[str, Any]]]:
    """A run's rows without what may differ between an undisturbed run and one that was resumed."""

    def read(store: Store, label: str) -> list[dict[str, Any]]:
        rows = [timeless(to_row(record)) for record in store.records(label)]
        return [{key: value for key, value in row.items() if key not in ("attempt", "resumed_at")} for row in rows]

    return read
