"""CPU seconds of a fit: variable projection beside CMA-ES, the original's method, over the same objective.

    python benchmarks/fit.py        # prints the table and writes benchmarks/results/fit.md

CMA-ES searches all nine numbers of the law as the paper writes them (K_max, N_0 and E of the seven sizes; mean square
error of the loss, every size the same total weight). Both run in this process on one thread; seconds are of process CPU
time, medians. A draw of the bootstrap is a whole fit of its own; a thousand of them share numpy's overhead.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import platform
import time
from collections.abc import Callable
from pathlib import Path

import cma
import numpy as np

import rlaw
from rlaw import laws
from rlaw.fitting.curves import Curves
from rlaw.fitting.objective import weights
from rlaw.fitting.selection import curves_of
from rlaw.fitting.solver import solve

RESULT = Path(__file__).parent / "results" / "fit.md"
LAW = laws.get("saturating")


def main() -> None:
    frame = rlaw.load("qwen2.5-math-base")
    lines = [
        "# CPU seconds of a fit",
        "",
        f"`python benchmarks/fit.py`: {platform.machine()}, Python {platform.python_version()},",
        f"numpy {np.__version__}, cma {cma.__version__}, one thread; Qwen2.5 base curves, saturating law, loss space.",
        "",
        "| axis | method | CPU seconds | objective (mean square) | K_max | N_0 |",
        "|---|---|---|---|---|---|",
    ]
    ratios, per_draw = [], []
    for axis in ("compute", "data"):
        curves, _ = curves_of(frame, axis=axis)
        ours, found = timed(lambda c=curves: by_projection(c), repeats=21)
        theirs, best = timed(lambda c=curves: by_evolution(c, seed=0), repeats=3)
        draws, _ = timed(lambda a=axis: rlaw.fit("saturating", frame, axis=a, draws=1000), repeats=3)
        ratios.append(theirs / ours)
        per_draw.append(theirs / (draws / 1000))
        lines += [
            f"| {axis} | variable projection | {ours:.4f} | {found[0]:.9f} | {found[1]:.5f} | {found[2] / 1e9:.3f} B |",
            f"| {axis} | CMA-ES | {theirs:.2f} | {best[0]:.9f} | {best[1]:.5f} | {best[2] / 1e9:.3f} B |",
            f"| {axis} | `rlaw.fit` with 1,000 bootstrap draws | {draws:.2f} | | | |",
        ]
    lines += [
        "",
        f"CMA-ES takes {ratios[0]:.0f} (compute) and {ratios[1]:.0f} (data) times the CPU time of one fit, and "
        f"{per_draw[0]:.0f} and {per_draw[1]:.0f} times that of one of the thousand fits of a bootstrap.",
    ]
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


def timed(work: Callable[[], object], repeats: int) -> tuple[float, tuple[float, float, float]]:
    """Median CPU seconds, and what the work gives."""
    seconds = []
    for _ in range(repeats):
        began = time.process_time()
        result = work()
        seconds.append(time.process_time() - began)
    return float(np.median(seconds)), result


def by_projection(curves: Curves) -> tuple[float, float, float]:
    found = solve(LAW, curves.at, curves.loss, weights(curves, "loss", "equal"), "loss")
    return found.objective[0], found.theta[0].item(), found.theta[1].item()


def by_evolution(curves: Curves, seed: int) -> tuple[float, float, float]:
    """The law's nine numbers as the paper writes them, searched together (N_0 as its logarithm)."""
    w, at = weights(curves, "loss", "equal"), curves.at
    log_x, params = np.log10(at.x[0]), at.params[0]

    def objective(v: np.ndarray) -> float:
        k = v[0] / (1 + 10 ** v[1] / params)
        return float(np.sum(w * (curves.loss - 10 ** (v[2:, None] - k * log_x)) ** 2))

    start = np.concatenate([[0.2, 10.0], np.zeros(len(params))])
    options = {"seed": seed + 1, "verbose": -9, "tolfun": 1e-13, "maxfevals": 1_000_000}
    result = cma.CMAEvolutionStrategy(start, 0.5, options).optimize(objective).result
    best = result.xbest
    return objective(best), float(best[0]), float(10 ** best[1])


if __name__ == "__main__":
    main()
