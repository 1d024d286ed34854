"""One store of the synthetic engine, and evidence of tables."""

import threading
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from rlaw.engines.synthetic import SyntheticEngine
from rlaw.evidence import Evidence, gather
from rlaw.executors.worker import attempt
from rlaw.fit import fit
from rlaw.frame import load
from rlaw.plan import plan
from rlaw.store import Store
from rlaw.study import FitChoice, Study


@pytest.fixture
def quick() -> Callable[[pl.DataFrame], Evidence]:
    """Evidence with each size's own line and nothing else: all that the findings about sizes read."""

    def of(rows: pl.DataFrame) -> Evidence:
        frame = load(rows)
        seen = Evidence(frame, frame.main(), FitChoice.model_validate({}))
        power = fit("power", seen.main, axis=seen.axis, draws=200, seed=0) if len(seen.rungs) > 0 else None
        return Evidence(frame, seen.main, seen.choice, power=power)

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
        }
    )
    laid_out = plan(study)
    kept = Store.create(tmp_path_factory.mktemp("study") / "ladder", laid_out)
    for run in laid_out:
        attempt(run, kept, SyntheticEngine(), threading.Event(), lambda event: None)
    return kept


@pytest.fixture(scope="session")
def seen(store: Store) -> Evidence:
    """Everything the store can speak of."""
    return gather(store.path, draws=200, seed=0)


@pytest.fixture
def unwritable(tmp_path: Path) -> Path:
    """A path below a file, where nothing can be written, not even by root."""
    (tmp_path / "file").write_text("in the way")
    return tmp_path / "file" / "below"
