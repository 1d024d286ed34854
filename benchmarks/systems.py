"""How often systems that are the same are put into different groups, and how often real differences are found.

    python benchmarks/systems.py [STUDIES] [DESIGN]   # prints the table; without DESIGN writes results/systems.md

STUDIES simulated ledgers of each design: items scatter in difficulty (logits, standard deviation 1.5), every system
answers all of them, and 4 % of its answers fail. In the first column all systems are the same: the share of ledgers in
which any pair differs is the size of the test, which should be 3 to 7 % at 5 %. In the second the first system is
better by 8 points, the share in which it differs from the second one is the power. The third: how often the 95 %
interval of the difference of the first two holds the truth.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import sys
from pathlib import Path

import numpy as np
import polars as pl
from scipy.special import expit

import rlaw

RESULT = Path(__file__).parent / "results" / "systems.md"
#: name -> systems, items, samples
DESIGNS = {
    "2 systems, 500 items": (2, 500, 1),
    "3 systems, 500 items": (3, 500, 1),
    "6 systems, 300 items": (6, 300, 1),
    "12 systems, 300 items": (12, 300, 1),
    "3 systems, 100 items, 4 samples": (3, 100, 4),
    "6 systems, 100 items, 4 samples": (6, 100, 4),
}
_GAIN = 0.08


def ledger(systems: int, items: int, samples: int, gain: float, seed: int) -> tuple[pl.DataFrame, float]:
    """A simulated ledger, and how many more answers of the first system are right in truth."""
    rng = np.random.default_rng(seed)
    difficulty_I = rng.normal(0, 1.5, items)
    shift_S = np.zeros(systems)
    shift_S[0] = gain / 0.155  # logits for one point of accuracy at this scatter
    p_SI = 0.96 * expit(shift_S[:, None] - difficulty_I)
    u_SIK = rng.random((systems, items, samples))
    outcome = np.where(u_SIK < p_SI[..., None], "right", np.where(u_SIK > 0.96, "timeout", "wrong"))
    s, i, k = np.indices(outcome.shape).reshape(3, -1)
    rows = pl.DataFrame({"system": s, "item": i, "sample": k, "outcome": outcome.ravel()})
    grid = np.random.default_rng(0).normal(0, 1.5, 200_000)
    return rows, float(0.96 * (expit(shift_S[0] - grid) - expit(-grid)).mean())


def judge(name: str, studies: int) -> str:
    false, found, held = 0, 0, 0
    for seed in range(studies):
        rows, _ = ledger(*DESIGNS[name], 0.0, seed)
        false += any(pair.different for pair in rlaw.compare_systems(rows).pairs)
        rows, truth = ledger(*DESIGNS[name], _GAIN, seed + studies)
        pair = next(p for p in rlaw.compare_systems(rows).pairs if {p.a, p.b} == {"0", "1"})
        sign = 1 if pair.a == "0" else -1
        found += pair.different and pair.difference.value * sign > 0
        held += pair.difference.low <= sign * truth <= pair.difference.high
    return f"| {name} | {false / studies:.1%} | {found / studies:.1%} | {held / studies:.1%} |"


def main(studies: int, only: str | None) -> None:
    lines = ["| design | same: any pair differs | 8 points better: found | interval holds |", "|---|---|---|---|"]
    for name in DESIGNS:
        if only is None or only == name:
            lines.append(judge(name, studies))
            print(lines[-1], flush=True)
    if only is None:
        about = (
            f"`python benchmarks/systems.py {studies}`: {studies} simulated ledgers of each design; standard error of "
        )
        about += f"a share of 5 %: {np.sqrt(0.05 * 0.95 / studies):.1%}."
        RESULT.write_text(f"# Systems that are the same, and that are not\n\n{about}\n\n" + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 500, sys.argv[2] if len(sys.argv) > 2 else None)
