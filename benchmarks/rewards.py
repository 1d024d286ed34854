"""Checks of mathematics per second, and what hostile answers cost.

    python benchmarks/rewards.py [FOLDER]     # prints the tables and writes benchmarks/results/rewards.md

FOLDER holds gsm8k.parquet and math__math_500.parquet (default: ../shared/data/guru). Two warm workers; every answer is
new to them, so no cache of ours helps. CPU seconds are those of the workers and of this process, start-up excluded:
on a machine that others use as well they tell more than the clock.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import platform
import re
import sys
import time
from collections.abc import Callable
from contextlib import closing
from importlib.metadata import version
from pathlib import Path

from rlaw.rewards import Grade, answer, counts
from rlaw.rewards.math import MathReward
from rlaw.rewards.pool import Pool
from rlaw.tasks.problems import files

RESULT = Path(__file__).parent / "results" / "rewards.md"
FILES = {"GSM8K": "gsm8k.parquet", "MATH-500": "math__math_500.parquet"}
LIMIT, HOSTILE, WORKERS, MEMORY_MB = 2.0, 64, 2, 1024
TICKS = os.sysconf("SC_CLK_TCK")


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "../shared/data/guru")
    truths = {name: [p.ground_truth for p in files.read(folder / file)] for name, file in FILES.items()}
    lines = [
        "# Checks of mathematics",
        "",
        f"`python benchmarks/rewards.py`: {platform.machine()}, Python {platform.python_version()}, "
        f"mpmath {version('mpmath')}, math-verify {version('math-verify')}, {WORKERS} workers, {os.cpu_count()} cores;",
        f"load of the machine while it ran: {os.getloadavg()[0]:.1f} processes.",
        "",
        "| references | answers | checks | right | wrong | unparsed | timeout | checks/s | checks per CPU second |",
        "|---|---|---|---|---|---|---|---|---|",
        *throughput(truths),
        "",
        "`exact and algebra` is the reward as it is used: the same characters and two integers need no worker.",
        "`algebra alone` sends every pair to a worker, `math-verify` to one that asks math-verify.",
        "`one more`: the next integer; after anything else, + 1.",
        "",
        *hostile(),
    ]
    RESULT.write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


def throughput(truths: dict[str, list[str]]) -> list[str]:
    rows, seconds, cpu, checks = [], 0.0, 0.0, 0
    for name, references in truths.items():
        wanted = [answer.reference(truth) for truth in references]
        for kind, found in (("itself", wanted), ("one more", [wrong(text) for text in wanted])):
            boxed = [f"It is \\boxed{{{text}}}." for text in found]
            for way in ("exact and algebra", "algebra alone", "math-verify"):
                reward = MathReward(seconds=60, memory_mb=MEMORY_MB + len(rows), workers=WORKERS)  # a pool of its own
                pool = reward.pool if way != "math-verify" else Pool(60, MEMORY_MB, WORKERS, "plain_math_verify")
                if way == "exact and algebra":
                    grade = lambda r=reward, b=boxed, t=references: r.grade(b, t)  # noqa: E731
                else:
                    grade = lambda p=pool, f=found, w=wanted: p.check(list(zip(f, w, strict=True)))  # noqa: E731
                grades, took, used = measured(pool, grade)
                if way == "exact and algebra":
                    seconds, cpu, checks = seconds + took, cpu + used, checks + len(grades)
                pool.close()
                rows.append(row(f"{name}, {way}", kind, counts(grades), len(grades), took, used))
    total = f"{checks} | | | | | **{checks / seconds:.0f}** | **{checks / cpu:.0f}** |"
    return [*rows, f"| **all, exact and algebra** | both | {total}"]


def row(name: str, kind: str, found: dict[str, int], checks: int, took: float, used: float) -> str:
    verdicts = " | ".join(str(found[verdict]) for verdict in ("right", "wrong", "unparsed", "timeout"))
    return f"| {name} | {kind} | {checks} | {verdicts} | {checks / took:.0f} | {checks / max(used, 1e-3):.0f} |"


def measured(pool: Pool, grade: Callable[[], list[Grade]]) -> tuple[list[Grade], float, float]:
    """Grades, wall seconds, CPU seconds of this process and of the pool's."""
    start, cpu = time.perf_counter(), time.process_time() + cpu_of(pool)
    grades = grade()
    return grades, time.perf_counter() - start, time.process_time() + cpu_of(pool) - cpu


def cpu_of(pool: Pool) -> float:
    """CPU seconds so far of a pool's workers."""
    return sum(sum(map(int, stat(pid)[11:13])) for pid in pids(pool)) / TICKS


def pids(pool: Pool) -> list[int]:
    workers = [pool._idle.get() for _ in range(pool.workers)]
    for worker in workers:
        pool._idle.put(worker)
    return [worker.pid for worker in workers]


def stat(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def hostile() -> list[str]:
    start = time.perf_counter()
    with closing(Pool(LIMIT, MEMORY_MB, WORKERS)) as pool:
        ready = time.perf_counter() - start
        towers = [(f"{base}^{{9^{{9^{{9}}}}}}", r"\sqrt{2} + x") for base in range(11, 11 + HOSTILE)]
        start = time.perf_counter()
        found = counts(pool.check(towers))
        took = time.perf_counter() - start
        resident = max(int(re.findall(r"VmHWM:\s+(\d+)", Path(f"/proc/{p}/status").read_text())[0]) for p in pids(pool))
    return [
        f"{HOSTILE} power towers in a batch with a limit of {LIMIT:g} s: {found['timeout']} timeouts in {took:.2f} s.",
        f"A pool is ready after {ready:.1f} s; a worker holds {resident / 1024:.0f} MiB, {MEMORY_MB} at most.",
    ]


def wrong(text: str) -> str:
    return str(int(text) + 1) if re.fullmatch(r"-?\d+", text) else f"{text} + 1"


if __name__ == "__main__":
    main()
