"""Runs that survive anything: workers, parents and both killed at seeded moments, some in the middle of what they do.

`make soak` makes 200 deaths; RLAW_SOAK_KILLS says how many, a short soak when it is not set. An observer outside the
store keeps what was acknowledged (shim/sitecustomize.py), and judges (judge.py).
"""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import judge
import numpy as np
import pytest
from judge import Ledger
from ruamel.yaml import YAML

from rlaw.store import Store
from rlaw.store.lock import owner_of
from rlaw.study.plan import plan
from rlaw.study.study import Study

KILLS = int(os.environ.get("RLAW_SOAK_KILLS", "12"))
#: where a death is aimed: a part of the path, the most calls before it, and how
AIMS = (
    *(("records.jsonl", 60, how) for how in ("torn", "before", "after")),
    *(("checkpoints", 24, how) for how in ("before", "after")),
    *((name, 4, how) for name in ("run.json", "steps.parquet", "tables.json") for how in ("before", "after")),
    *(("index.sqlite", 2, how) for how in ("before", "after")),
)
KINDS = ("worker", "aimed", "both", "aimed", "parent", "aimed")
MOST_PER_COMMAND = 4
SYNTHETIC = {
    "name": "soak",
    "model": {"ladder": [{"hidden": hidden, "layers": 2} for hidden in (16, 32, 64)]},
    "task": {"name": "modular-chains"},
    "rl": {"steps": 25, "prompts": 8, "num_generations": 4},
    "evaluation": {"items": 8, "samples": 2, "at": {"every": 5}},
    "seeds": [0, 1],
    "engine": "synthetic",
}
LOCAL = {
    "name": "soak-local",
    "model": {
        "ladder": [{"hidden": 16, "layers": 2}],
        "variants": {"base": {"steps": 40, "batch_size": 16, "learning_rate": 1e-2}},
    },
    "task": {"name": "modular-chains", "modulus": 7, "operations": "1-2"},
    "rl": {"steps": 6, "prompts": 8, "num_generations": 4, "learning_rate": 3e-3},
    "evaluation": {"items": 8, "samples": 2, "at": {"every": 2}},
    "seeds": [0, 1],
    "engine": {"name": "local", "micro_batch": 8},
    "fit": {"laws": ["power"]},
}


class Soak:
    """A study that is run, and killed, again and again."""

    def __init__(self, folder: Path, study: dict, seed: int, delay: float) -> None:
        self.folder, self.delay = folder, delay
        self.study = folder / "study.yaml"
        with self.study.open("w") as file:
            YAML(typ="safe", pure=True).dump(study, file)
        self.draws = np.random.default_rng(seed)
        self.deaths: Counter[str] = Counter()
        self.round = self.commands = 0
        self.truth = Store.create(folder / "truth", plan(Study.load(self.study)))
        assert self.start(self.truth.path, ledger=None).wait() == 0

    @property
    def store(self) -> Path:
        return self.folder / f"store-{self.round}"

    @property
    def ledger(self) -> Path:
        return self.folder / f"ledger-{self.round}"

    def start(self, store: Path, ledger: Path | None, aim: str = "") -> subprocess.Popen[str]:
        """`rlaw run`, watched by the shim."""
        shim = Path(__file__).parent / "shim"
        more = {"SOAK_LEDGER": str(ledger), "RLAW_SYNTHETIC_DELAY": str(self.delay)} if ledger else {}
        aimed = {"SOAK_AIM": aim} if aim else {}
        paths = os.pathsep.join(filter(None, (str(shim), os.environ.get("PYTHONPATH"))))
        environment = {**os.environ, "PYTHONPATH": paths, "RLAW_HOME": str(self.folder / "home"), **more, **aimed}
        command = [sys.executable, "-m", "rlaw", "run", str(self.study), "--store", str(store), "--workers", "2"]
        with (self.folder / "said").open("a") as said:
            return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=said, text=True)

    def owners(self) -> list[int]:
        found = (owner_of(path) for path in self.store.glob("runs/*/lock"))
        return [owner.pid for owner in found if owner]

    def kill(self, pid: int, what: str) -> None:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            self.deaths[what] += 1

    def once(self) -> None:
        """One command, and what befalls it; a store whose runs are all done is judged, and another one begun."""
        what = KINDS[self.commands % len(KINDS)]
        self.commands += 1
        aim = ""
        if what == "aimed":
            where, most, how = AIMS[self.draws.integers(len(AIMS))]
            aim = f"{where}:{self.draws.integers(1, most + 1)}:{how}"
        before = len(Ledger.read(self.ledger).killed)
        process = self.start(self.store, self.ledger, aim)
        if what == "worker":
            self.kill_workers(process)
        elif what != "aimed":
            self.wait_for_a_worker(process)
            time.sleep(self.draws.uniform(0, 1))
            if process.poll() is None:
                self.kill(process.pid, what)
                for pid in self.owners() if what == "both" else ():
                    self.kill(pid, what)
        process.wait()
        ledger = self.without_orphans()
        self.deaths["aimed"] += len(ledger.killed) - before
        if process.returncode == 0:
            self.judge()

    def kill_workers(self, process: subprocess.Popen[str]) -> None:
        before = self.deaths["worker"]
        while process.poll() is None:
            time.sleep(self.draws.uniform(0.05, 0.8))
            for pid in self.owners()[:1] if self.deaths["worker"] < before + MOST_PER_COMMAND else ():
                self.kill(pid, "worker")

    def wait_for_a_worker(self, process: subprocess.Popen[str]) -> None:
        while process.poll() is None and not self.owners():
            time.sleep(0.01)

    def without_orphans(self) -> Ledger:
        """The ledger, once the workers of a dead parent have ended, as they must within the grace."""
        deadline = time.monotonic() + 15  # seconds, for a busy machine; a worker left alone goes on for longer
        while (ledger := Ledger.read(self.ledger)).alive() and time.monotonic() < deadline:
            time.sleep(0.02)
        assert ledger.alive() == []
        return ledger

    def judge(self) -> None:
        ledger, store = Ledger.read(self.ledger), Store.open(self.store)
        judge.check(store, ledger, self.truth)
        said = (self.folder / "said").read_text()
        for path in {path for aim, path in ledger.killed if aim.endswith("torn")}:
            assert f"{path}: last line cut short" in said, "a torn line was left out in silence"
        self.round += 1

    def end(self) -> None:
        """Let the last store be finished in peace, and judge it."""
        if self.store.exists():
            assert self.start(self.store, self.ledger).wait() == 0
            self.without_orphans()
            self.judge()


@pytest.mark.parametrize(
    ("study", "share", "delay", "seed"), [(SYNTHETIC, 0.75, 0.02, 0), (LOCAL, 0.25, 0, 1)], ids=["synthetic", "local"]
)
def test_whatever_dies_whenever_the_same_command_goes_on_to_the_same_end(tmp_path, study, share, delay, seed):
    if study["name"] == "soak-local":
        pytest.importorskip("jax", reason="the local engine is not installed: pip install 'rlaw[local]'")
    soak = Soak(tmp_path, study, seed, delay)
    while soak.deaths.total() < share * KILLS:
        soak.once()
    soak.end()
    print(f"{dict(soak.deaths)} deaths, {soak.round} stores, all as undisturbed")
