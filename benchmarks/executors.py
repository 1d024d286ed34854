"""What running side by side gains, and what it costs: `python benchmarks/executors.py [OUTPUT]`.

1. Two workers against one on the same sweep of the local engine, bases and programs made beforehand: wall seconds, in
   alternation, medians. The bar is 0.6 of the time of one. Told beside it: the CPU seconds that the machine's other
   work took meanwhile, without which a ratio says little.
2. Overhead of a run that does next to nothing (synthetic engine, 2 steps): wall seconds per run beyond those that it
   takes in this process. The bar is 1 s.
3. A plan of 10,000 runs: CPU seconds to lay out, to ask a store what is left, to tell its status.
"""

import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

from rlaw import engines
from rlaw.execution.local import LocalExecutor
from rlaw.execution.runner import pending, run
from rlaw.execution.worker import attempt
from rlaw.store import Store
from rlaw.study.plan import plan
from rlaw.study.study import Study

RESULTS = Path(__file__).parent / "results" / "executors.md"
REPEATS = 3


def study(**changes):
    ladder = [{"hidden": 32, "layers": 3}]
    content = {
        "name": "bench",
        "model": {"ladder": ladder, "variants": {"base": {"steps": 50}}},
        "task": {"name": "modular-chains"},
        "rl": {"steps": 100, "prompts": 128, "num_generations": 4},
        "evaluation": {"items": 64, "samples": 1, "at": {"every": 50}},
        "fit": {"laws": ["power"]},
        "seeds": [0, 1, 2, 3],
        **changes,
    }
    return plan(Study.model_validate(content))


def busy_seconds():
    """CPU seconds of the whole machine so far."""
    user, nice, system, *_ = map(int, Path("/proc/stat").read_text().split("\n")[0].split()[1:5])
    return (user + nice + system) / 100


def sweep(folder, workers):
    """Wall seconds of the sweep, and CPU seconds of the machine meanwhile."""
    laid_out = study()
    store = Store.create(folder, laid_out)
    began, busy = time.perf_counter(), busy_seconds()
    assert run(laid_out, store, LocalExecutor(workers)).complete
    return time.perf_counter() - began, busy_seconds() - busy


def two_against_one(scratch):
    sweep(scratch / "warm", 2)
    seconds = {1: [], 2: []}
    for repeat in range(REPEATS):
        for workers in (1, 2):
            seconds[workers].append(sweep(scratch / f"{workers}-{repeat}", workers))
    wall = {workers: statistics.median(told[0] for told in values) for workers, values in seconds.items()}
    busy = {workers: statistics.median(told[1] for told in values) for workers, values in seconds.items()}
    share = {workers: busy[workers] / wall[workers] for workers in wall}
    return (
        f"| two workers against one, 4 runs | {wall[1]:.1f} s, {wall[2]:.1f} s: **{wall[2] / wall[1]:.2f}** | 0.6 | "
        f"cores busy in all: {share[1]:.1f} and {share[2]:.1f} of 2 |"
    )


def overhead(scratch):
    laid_out = study(engine="synthetic", rl={"steps": 2, "prompts": 8, "num_generations": 4}, seeds=list(range(20)))
    here, there = (Store.create(scratch / name, laid_out) for name in ("here", "there"))
    began = time.perf_counter()
    for one in laid_out:
        attempt(one, here, engines.get("synthetic"), threading.Event(), lambda event: None)
    alone = time.perf_counter() - began
    began = time.perf_counter()
    assert run(laid_out, there, LocalExecutor(1)).complete
    each = (time.perf_counter() - began - alone) / len(laid_out)
    return (
        f"| overhead of a run, one worker | **{each:.2f} s** | 1 s | process, imports, locks, run.json, tables, index |"
    )


def many_runs(scratch):
    began = time.process_time()
    laid_out = study(engine="synthetic", rl={"steps": 2, "prompts": 8, "num_generations": 4}, seeds=list(range(10_000)))
    planned = time.process_time() - began
    store = Store.create(scratch / "many", laid_out)
    began = time.process_time()
    assert len(pending(laid_out, store)) == 10_000
    asked = time.process_time() - began
    return f"| 10,000 runs: plan, what is left | **{planned:.1f} s**, {asked:.1f} s CPU | 5 s | nothing run yet |"


def main():
    output = Path(sys.argv[1]) if len(sys.argv) > 1 else RESULTS
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        rows = [two_against_one(scratch), overhead(scratch), many_runs(scratch)]
    text = "# Executors\n\n| what | measured | bar | told beside it |\n|---|---|---|---|\n" + "\n".join(rows) + "\n"
    output.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
