"""Threshold laws on simulated studies: bias and coverage of gamma, size of the test of equal gammas, and wrong ways.

    python benchmarks/threshold.py [STUDIES [DESIGN …]]     # prints rows; results/threshold.md is of all designs

Two groups of five depths (2, 3, 4, 6, 8) and three seeds, gamma 1.8 in both; ln T scatters by 0.2 from run to run, or
by 0.14 from run to run and 0.14 from seed to seed. Evaluations every 10 steps on 300 problems; a curve rises from 0.25
to 0.98 as 1 - exp(-step) does, and passes the threshold of 0.9 at T. Runs end at a budget that all share, or at budgets
of their own (spread evenly in log step), so that about 18 % or 40 % never get there.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rlaw.fitting.threshold.crossing import crossing
from rlaw.fitting.threshold.draws import Evaluations
from rlaw.fitting.threshold.model import Model, Runs, deep_enough

RESULT = Path(__file__).parent / "results" / "threshold.md"
GAMMA, A, DEPTHS, SEEDS, GROUPS, ITEMS, EVERY, DRAWS = 1.8, 10.0, (2, 3, 4, 6, 8), 3, 2, 300, 10, 199
RISE = -np.log(1 - 0.65 / 0.73)  # so that the curve is at 0.9 at T
D = np.tile(np.repeat(np.array(DEPTHS, float), SEEDS), GROUPS)
GROUP = np.repeat(np.arange(GROUPS), len(DEPTHS) * SEEDS)
SEED = np.tile(np.arange(SEEDS), GROUPS * len(DEPTHS)) + SEEDS * GROUP


@dataclass(frozen=True)
class Setting:
    """How runs scatter, and the steps at which they end: (least, most), equal for one that all share."""

    of_runs: float
    of_seeds: float
    ends: tuple[float, float]


DESIGNS = {
    "18 %, runs scatter": Setting(0.2, 0.0, (350, 350)),
    "18 %, runs and seeds scatter": Setting(0.14, 0.14, (350, 350)),
    "40 %, budgets of their own": Setting(0.2, 0.0, (40, 900)),
    "40 %, budgets of their own, runs and seeds scatter": Setting(0.14, 0.14, (40, 900)),
    "40 %, one budget": Setting(0.2, 0.0, (195, 195)),
}


def study(setting: Setting, rng: np.random.Generator) -> tuple[Runs, np.ndarray]:
    """The runs of one simulated study, read off their noisy curves; and each run's first step at 0.9, or minus its last
    one."""
    ln_T = np.log(A) + GAMMA * np.log(D) + setting.of_runs * rng.standard_normal(len(D))
    ln_T += setting.of_seeds * rng.standard_normal(GROUPS * SEEDS)[SEED]
    ends = np.exp(rng.uniform(*np.log(setting.ends), size=len(D)))
    found, places, first = [], [], []
    for T, end in zip(np.exp(ln_T), ends, strict=True):
        x = np.arange(0, end + 1e-9, EVERY)
        rate = 0.25 + 0.73 * (1 - np.exp(-RISE * x / T))
        score = rng.binomial(ITEMS, rate) / ITEMS
        found.append(crossing(x, score, np.full(len(x), float(ITEMS)), 0.9))
        first.append(x[np.argmax(score >= 0.9)] if (score >= 0.9).any() else -x[-1])
        places.append(x[1:])
    low, high = np.array([(c.low, c.high) for c in found]).T
    limits = np.where(np.isinf(high), low, np.inf if setting.ends[0] < setting.ends[1] else setting.ends[0])
    return Runs(low, high, D, GROUP, SEED, Evaluations(tuple(places), limits)), np.array(first)


def wrong_ways(first: np.ndarray) -> tuple[float, float]:
    """Gamma by least squares on the first evaluation at 0.9, censored runs (negative) dropped, or taken as crossing."""
    own, x = GROUP == 0, np.log(D)
    kept, y = own & (first > 0), np.log(np.abs(first))
    return float(np.polyfit(x[kept], y[kept], 1)[0]), float(np.polyfit(x[own], y[own], 1)[0])


def judge(name: str, studies: int) -> str:
    """One row of the table."""
    rng, rows, refused, censored = np.random.default_rng([7, list(DESIGNS).index(name)]), [], 0, []
    began = time.process_time()
    for _ in range(studies):
        runs, first = study(DESIGNS[name], rng)
        censored.append(1 - runs.crossed_I.mean())
        groups = [runs.group_I == g for g in range(GROUPS)]
        if any(len(deep_enough(runs.low_I[g], runs.high_I[g], runs.D_I[g])) < 4 for g in groups):
            refused += 1
            continue
        model = Model(runs, draws=DRAWS)
        profile, drawn = model.interval(GROUPS), model.bootstrap(GROUPS)
        pair = model.differences[0].gamma
        rows.append((
            profile.value, profile.low < GAMMA < profile.high, drawn.low < GAMMA < drawn.high, model.equal_p < 0.05,
            pair.low < 0 < pair.high, profile.high - profile.low, *wrong_ways(first),
        ))  # fmt: skip
    value, inside, drawn, rejected, level, width, dropped, capped = np.array(rows, float).T
    seconds = time.process_time() - began
    cells = [
        name, f"{np.mean(censored):.0%}", f"{refused / studies:.0%}",
        f"{np.median(value):.3f} ({np.median(value) / GAMMA - 1:+.1%})",
        f"{inside.mean():.1%}", f"{drawn.mean():.1%}", f"{np.median(width):.2f}", f"{rejected.mean():.1%}",
        f"{level.mean():.1%}", f"{np.median(dropped):.2f}", f"{np.median(capped):.2f}", f"{seconds:.0f}",
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |"


def main() -> None:
    studies = int(sys.argv[1]) if len(sys.argv) > 1 else 400
    chosen = sys.argv[2:] or list(DESIGNS)
    head = [
        "design", "never got there", "refused", "median gamma", "profile interval covers", "bootstrap interval covers",
        "median width", "equal gammas rejected at 5 %", "90 % interval of the difference covers", "dropped", "capped",
        "CPU s",
    ]  # fmt: skip
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for name in chosen:
        lines.append(judge(name, studies))
        print(lines[-1], flush=True)
    if not sys.argv[2:]:
        RESULT.write_text("\n".join([f"`python benchmarks/threshold.py {studies}`", "", *lines, ""]))


if __name__ == "__main__":
    main()
