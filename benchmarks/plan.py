"""Seconds to plan ten thousand runs, and to tell what they cost.

    python benchmarks/plan.py       # prints the table and writes benchmarks/results/plan.md

CPU seconds of one process, medians of three. The bar is 5 s for the plan.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import platform
import time
from pathlib import Path
from statistics import median

from rlaw.study import gpu_cost
from rlaw.study.plan import Plan, plan
from rlaw.study.presets import study_file
from rlaw.study.study import Study

RESULT = Path(__file__).parent / "results" / "plan.md"
RUNS = 10_000
SIZES_AND_VARIANTS = 14


def main() -> None:
    with study_file("qwen2.5-math") as path:
        paper = Study.load(path)
    many = paper.model_copy(update={"seeds": tuple(range(-(-RUNS // SIZES_AND_VARIANTS))), "arms": ()})
    laid_out, planned = _seconds(lambda: plan(many))
    _, told = _seconds(lambda: _tell(laid_out))
    lines = [
        "# CPU seconds of a plan",
        "",
        f"`python benchmarks/plan.py`: {platform.machine()}, Python {platform.python_version()}, one thread; "
        f"{len(laid_out):,} runs.",
        "",
        "| | CPU seconds |",
        "|---|---|",
        f"| plan: every run, its id, in order | {planned:.2f} |",
        f"| FLOPs, memory, GPU-hours and money of every run | {told:.2f} |",
    ]
    RESULT.write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


def _tell(laid_out: Plan) -> float:
    return laid_out.total_flops + sum(gpu_cost.run_cost(run, "H100", 0.3, 2.5).usd for run in laid_out)


def _seconds(call):
    taken = []
    for _ in range(3):
        began = time.process_time()
        value = call()
        taken.append(time.process_time() - began)
    return value, median(taken)


if __name__ == "__main__":
    main()
