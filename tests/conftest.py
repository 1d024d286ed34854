"""Small studies of the synthetic engine, which trains nothing: everything that keeps, runs and tells can be real."""

import os
import resource
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from timeless import timeless

from rlaw.analysis.evidence import Evidence, gather
from rlaw.engines.synthetic import SyntheticEngine
from rlaw.execution import cache
from rlaw.execution.worker import attempt
from rlaw.fitting.fit import fit
from rlaw.measurements.load import load
from rlaw.store import Store
from rlaw.store.records import to_row
from rlaw.study.plan import Plan, plan
from rlaw.study.study import FitChoice, Study


@pytest.fixture(autouse=True, scope="session")
def _home(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Bases and compiled programs of the tests, apart from the user's own. Subprocesses inherit it."""
    os.environ[cache.VARIABLE] = str(tmp_path_factory.mktemp("home"))


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


@pytest.fixture
def quick() -> Callable[[pl.DataFrame], Evidence]:
    """Evidence with each size's own line and nothing else: all that the findings about sizes read."""

    def of(rows: pl.DataFrame) -> Evidence:
        frame = load(rows)
        evidence = Evidence(frame, frame.main(), FitChoice.model_validate({}))
        power = fit("power", evidence.main, axis=evidence.axis, draws=200, seed=0) if len(evidence.sizes) > 0 else None
        return Evidence(frame, evidence.main, evidence.choice, power=power)

    return of


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Five sizes, two seeds, two benchmarks and three arms by the synthetic engine."""
    study = Study.model_validate(
        {
            "name": "ladder",
            "question": "does the <report> tell what the engine follows?",
            "model": {"ladder": [{"hidden": hidden, "layers": 2} for hidden in (16, 32, 48, 80, 128)]},
            "task": {"name": "modular-chains"},
            "rl": {"steps": 40, "prompts": 16, "num_generations": 4},
            "evaluation": {
                "benchmarks": ["held-out", "uniform-operands"],
                "items": 256,
                "samples": 2,
                "at": {"log_spaced": 14},
            },
            "seeds": [0, 1],
            "arms": [
                {"name": "long", "rungs": ["24.9k"], "seeds": [0], "rl": {"steps": 80}},
                {"name": "reuse", "rungs": ["24.9k"], "seeds": [0], "data": {"reuse": 5}},
                {"name": "groups", "rungs": ["24.9k"], "seeds": [0], "rl": {"num_generations": 8}},
            ],
            "engine": "synthetic",
            "fit": {"laws": ["saturating", "power", "sigmoid"]},
            "contrasts": [
                {"name": "groups", "between": "arm=main,groups", "margin": 0.05},
                {"name": "reuse", "between": "tau=1,5", "axis": "step"},
            ],
        }
    )
    laid_out = plan(study)
    kept = Store.create(tmp_path_factory.mktemp("study") / "ladder", laid_out)
    for run in laid_out:
        attempt(run, kept, SyntheticEngine(), threading.Event(), lambda event: None)
    return kept


@pytest.fixture(scope="session")
def evidence(store: Store) -> Evidence:
    """Everything the store can speak of."""
    return gather(store.path, draws=200, seed=0)


@pytest.fixture
def unwritable(tmp_path: Path) -> Path:
    """A path below a file, where nothing can be written, not even by root."""
    (tmp_path / "file").write_text("in the way")
    return tmp_path / "file" / "below"
