"""A store of 10,000 runs and 10 million rows: seconds and memory of what people ask of it.

    python benchmarks/store.py [RUNS] [FOLDER]    # prints the table and writes benchmarks/results/store.md

The runs are the synthetic engine's, five sizes: fifty are made in earnest, the others are those under other seeds
(their lines and checksums written anew), because making them all would measure the engine. Each question is put to a
fresh process of one thread, which tells its CPU seconds and its peak memory; the command line is timed from outside.
"""

import os

os.environ |= {"OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"}

import hashlib
import io
import json
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from pathlib import Path

import polars as pl

from rlaw.engines.synthetic import SyntheticEngine
from rlaw.execution.worker import attempt
from rlaw.store import Store, journal, records, tables
from rlaw.store.files import write_json
from rlaw.study import spec
from rlaw.study.plan import Run, plan
from rlaw.study.study import Study

RESULT = Path(__file__).parent / "results" / "store.md"
TEMPLATES = 50
STEPS, EVALUATIONS, ITEMS, SAMPLES = 972, 25, 64, 4
LADDER = [{"hidden": hidden, "layers": 2} for hidden in (16, 32, 64, 128, 256)]
BARS = {"status": "2 s", "frame": "60 CPU s, 1.5 GB"}
FRAME = "import sys, rlaw; frame = rlaw.load(sys.argv[1]); print(len(frame), file=sys.stderr)"
FLOOR = """
import hashlib, pathlib, sys
for path in pathlib.Path(sys.argv[1]).glob("runs/*/evaluations.parquet"):
    hashlib.sha256(path.read_bytes()).hexdigest()
"""


def main() -> None:
    n_runs = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    folder = Path(tempfile.mkdtemp(dir=sys.argv[2] if len(sys.argv) > 2 else None))
    try:
        lines = measured(folder / "store", n_runs)
    finally:
        shutil.rmtree(folder)
    print("\n".join(lines))
    RESULT.write_text("\n".join(lines) + "\n")


def measured(path: Path, n_runs: int) -> list[str]:
    rows = make(path, n_runs)
    gigabytes = sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) / 1e9
    lines = [
        "# A large store",
        "",
        f"`python benchmarks/store.py {n_runs}`: {platform.machine()}, Python {platform.python_version()}, polars "
        f"{pl.__version__}, one thread, load average {os.getloadavg()[0]:.0f} on {os.cpu_count()} cores: wall seconds "
        "are those of a machine as busy as that.",
        f"{n_runs:,} finished runs, {rows:,} records in their journals, {n_runs * EVALUATIONS:,} of them evaluations "
        f"of {ITEMS} items; {gigabytes:.1f} GB.",
        "",
        "| question | bar | wall seconds | CPU seconds | peak memory, GB |",
        "|---|---|---|---|---|",
    ]
    status = [sys.executable, "-m", "rlaw", "status", str(path)]
    index = path / "index.sqlite"
    lines += [row("`rlaw status`", BARS["status"], *ask(status, 5))]
    index.unlink()
    lines += [row("`rlaw status`, index deleted", "", *ask(status, 1))]
    Store.open(path).write_index()
    frame = [sys.executable, "-c", FRAME, str(path)]
    lines += [row("frame for a fit: `rlaw.load(STORE)`", BARS["frame"], *ask(frame, 3))]
    floor = [sys.executable, "-c", FLOOR, str(path)]
    lines += [row("floor of that: read the tables and hash them", "", *ask(floor, 3))]
    return lines


def row(what: str, bar: str, wall: float, cpu: float, gigabytes: float) -> str:
    return f"| {what} | {bar} | {wall:.2f} | {cpu:.2f} | {gigabytes:.2f} |"


def ask(command: list[str], repeats: int) -> tuple[float, float, float]:
    """Medians of wall and CPU seconds of a command, and its highest peak memory."""
    told = [once(command) for _ in range(repeats)]
    return statistics.median(t[0] for t in told), statistics.median(t[1] for t in told), max(t[2] for t in told)


def once(command: list[str]) -> tuple[float, float, float]:
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        _, code, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(code)
    assert process.returncode == 0
    return time.perf_counter() - began, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024 / 1e9


def make(path: Path, n_runs: int) -> int:
    """Write the store; gives how many records it holds. Without syncs: nothing of it must survive a crash."""
    os.fsync = os.fdatasync = lambda file: None
    laid_out = plan(study(n_runs // len(LADDER)))
    store = Store.create(path, laid_out)
    made: dict[str, list[Run]] = {}
    rows = 0
    for run in laid_out:
        known = made.setdefault(run.size.name, [])
        if len(known) < TEMPLATES // len(LADDER):
            attempt(run, store, SyntheticEngine(), threading.Event(), lambda event: None)
            known.append(run)
            rows += len(store.records(run.label))
        else:
            rows += copy(store, known[run.seed % len(known)], run)
    store.write_index()
    return rows


def study(seeds: int) -> Study:
    sections = {
        "name": "large",
        "model": {"ladder": LADDER},
        "task": {"name": "modular-chains"},
        "rl": {"steps": STEPS, "prompts": 8, "num_generations": 4},
        "evaluation": {"items": ITEMS, "samples": SAMPLES, "at": {"log_spaced": EVALUATIONS - 1}},
        "engine": "synthetic",
        "seeds": list(range(seeds)),
    }
    return Study.model_validate(sections)


def copy(store: Store, known: Run, run: Run) -> int:
    """Write a run as one that was made, under its own name and seed."""
    source, folder = store.folder(known.label), store.folder(run.label)
    folder.mkdir()
    bodies = [line.rpartition(b',"after"')[0] for line in (source / "records.jsonl").read_bytes().splitlines()]
    old, new = f'"run":"{known.id}"'.encode(), f'"run":"{run.id}"'.encode()
    bodies = [body.replace(old, new, 1) for body in bodies]
    bodies[0] = bodies[0].replace(f'"seed":{known.seed},'.encode(), f'"seed":{run.seed},'.encode())
    lines, after = [], records.FIRST
    for body in bodies:
        linked = body + b',"after":"%s"' % after.encode()
        after = f"{zlib.crc32(linked + b'}'):08x}"
        lines.append(linked + b',"crc":"%s"}\n' % after.encode())
    (folder / "records.jsonl").write_bytes(b"".join(lines))
    (folder / "lock").write_bytes(b"")
    write_run(folder, source, run)
    write_tables(folder, source, run)
    return len(bodies)


def write_run(folder: Path, source: Path, run: Run) -> None:
    document = json.loads((source / "run.json").read_text()) | {"run": spec.document(run)}
    document.pop("crc")
    write_json(folder / "run.json", document)


def write_tables(folder: Path, source: Path, run: Run) -> None:
    manifest = json.loads((source / tables.MANIFEST).read_text())
    manifest.pop("crc")
    for name in manifest["sha256"]:
        buffer = io.BytesIO()
        told = pl.read_parquet(source / name).with_columns(run=pl.lit(run.id), seed=pl.lit(run.seed, pl.Int64))
        told.write_parquet(buffer)
        (folder / name).write_bytes(buffer.getvalue())
        manifest["sha256"][name] = hashlib.sha256(buffer.getvalue()).hexdigest()
    manifest["status"] |= {"label": run.label, "id": run.id, "seed": run.seed}
    manifest["journal"] = list(journal.stamp(folder / "records.jsonl"))
    write_json(folder / tables.MANIFEST, manifest)


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))  # no question may need a file handle per run
    main()
