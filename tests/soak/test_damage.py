"""Whatever file of a store is cut short or changed: the truth, a prefix of it aloud, or an error that names it."""

import shutil
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_soak import KILLS, LOCAL

from rlaw.engines.local.engine import LocalEngine
from rlaw.errors import RlawError, RlawWarning, StoreError
from rlaw.execution.worker import attempt
from rlaw.store import Store
from rlaw.study.plan import Plan, plan
from rlaw.study.study import Study

#: every file that rlaw reads again, and the parts of what a store tells that come from it
FILES = {
    "study.json": ("document",),
    "index.sqlite": ("status",),
    "runs/LABEL/run.json": ("run",),
    "runs/LABEL/lock": ("status",),
    "runs/LABEL/tables.json": ("status", "evaluations", "steps"),
    "runs/LABEL/evaluations.parquet": ("evaluations",),
    "runs/LABEL/steps.parquet": ("steps",),
    "runs/LABEL/records.jsonl": ("records", "status"),
}


@pytest.fixture(scope="module")
def whole(make_small: Callable[[Path], Plan], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A store of one finished run, as small as it gets, and the run's label."""
    path = tmp_path_factory.mktemp("whole") / "store"
    return path, make_small(path).runs[0].label


def read(path: Path, label: str, name: str) -> dict[str, Any]:
    """What a store tells from a file, part by part; an error stands for a part that it refuses to tell."""
    parts: dict[str, Callable[[Store], Any]] = {
        "document": lambda store: store.document,
        "run": lambda store: store.run(label),
        "status": lambda store: store.runs(),
        "records": lambda store: store.records(label),
        "evaluations": lambda store: store.evaluations(label).to_dicts(),
        "steps": lambda store: store.steps(label).to_dicts(),
    }
    told: dict[str, Any] = {}
    for part in FILES[name]:
        try:
            told[part] = parts[part](Store.open(path))
        except RlawError as error:
            told[part] = error
    return told


def judge(path: Path, label: str, name: str, truth: dict[str, Any]) -> bool:
    """Whether the damage was noticed; raises when a part tells anything but the truth, a prefix, or the file's name."""
    damaged = path / name.replace("LABEL", label)
    whole_lines = damaged.name == "records.jsonl" and damaged.read_bytes()[-1:] in (b"", b"\n")  # nothing is torn then
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", RlawWarning)
        told = read(path, label, name)
    aloud = any(damaged.name in str(warning.message) for warning in said)
    for part, value in told.items():
        if isinstance(value, RlawError):
            assert isinstance(value, StoreError), value
            assert damaged.name in str(value), value
        elif value != truth[part]:
            assert damaged.name == "records.jsonl", f"{part} differs"
            assert aloud or whole_lines, f"{part} differs, and nothing was said"
            if part == "records":
                assert value == truth[part][: len(value)]
            else:
                assert value[0].state in ("interrupted", "planned")
    return aloud or told != truth


@pytest.fixture
def damage(whole: tuple[Path, str], tmp_path: Path) -> Callable[[str, Callable[[bytes], bytes]], bool]:
    source, label = whole
    truth, path = {name: read(source, label, name) for name in FILES}, tmp_path / "store"
    shutil.copytree(source, path)

    def change(name: str, how: Callable[[bytes], bytes]) -> bool:
        file = path / name.replace("LABEL", label)
        before = file.read_bytes()
        file.write_bytes(how(before))
        noticed = judge(path, label, name, truth[name])
        file.write_bytes(before)
        return noticed

    return change


def size(whole: tuple[Path, str], name: str) -> int:
    return (whole[0] / name.replace("LABEL", whole[1])).stat().st_size


@pytest.mark.parametrize("name", FILES, ids=lambda name: name.rpartition("/")[2])
def test_a_file_cut_at_any_byte_tells_no_wrong_number(whole, damage, name):
    n_bytes = size(whole, name)
    every = 1 if KILLS >= 200 or n_bytes < 4000 else 7
    noticed = [damage(name, lambda data, cut=cut: data[:cut]) for cut in range(0, n_bytes, every)]
    print(f"{name}: {len(noticed)} cuts of {n_bytes} bytes, {sum(noticed)} noticed, the others told the truth")
    if name in ("study.json", "runs/LABEL/run.json", "runs/LABEL/evaluations.parquet", "runs/LABEL/steps.parquet"):
        assert all(noticed)


def test_a_thousand_flipped_bits_tell_no_wrong_number(whole, damage):
    draws = np.random.default_rng(0)
    names = list(FILES)
    sizes = np.array([size(whole, name) for name in names])
    refused = 0
    for name in draws.choice(names, 1000, p=(shares := sizes**0.5) / shares.sum()):
        offset, bit = int(draws.integers(size(whole, name))), int(draws.integers(8))
        refused += damage(
            str(name), lambda data, at=offset, b=bit: data[:at] + bytes([data[at] ^ 1 << b]) + data[at + 1 :]
        )
    print(f"1000 bits: {refused} noticed, the others told the truth")
    assert refused > 500


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The local engine's checkpoints of a run that was stopped at step 1 and ended with step 2."""
    pytest.importorskip("jax", reason="the local engine is not installed: pip install 'rlaw[local]'")
    laid_out = plan(Study.model_validate({**LOCAL, "seeds": [0], "rl": {**LOCAL["rl"], "steps": 2}}))
    store = Store.create(tmp_path_factory.mktemp("checkpoints") / "store", laid_out)
    (run,) = laid_out
    for last in (1, 2):
        stop = threading.Event()
        attempt(
            run, store, LocalEngine(), stop, lambda e, at=last, stop=stop: stop.set() if e.step == at == 1 else None
        )
    return store.folder(run.label) / "checkpoints"


def test_a_checkpoint_cut_at_any_byte_is_passed_over_aloud(checkpoints):
    from rlaw.engines import checkpoint

    older, newer = sorted(checkpoints.iterdir())
    assert checkpoint.newest(checkpoints) == newer
    cuts = 0
    for file in sorted(newer.iterdir()):
        whole = file.read_bytes()
        for cut in range(0, len(whole), 1 if KILLS >= 200 else 997):
            file.write_bytes(whole[:cut])
            with pytest.warns(checkpoint.DamagedCheckpoint, match=f"{file.name}: .*; going on from {older.name}"):
                assert checkpoint.newest(checkpoints) == older
            cuts += 1
        file.write_bytes(whole)
    print(f"{cuts} cuts of the {len(list(newer.iterdir()))} files of a checkpoint, all noticed")
