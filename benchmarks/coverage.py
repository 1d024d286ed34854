"""How often 90 % intervals hold the truth: simulated studies at the paper's design.

    python benchmarks/coverage.py [STUDIES]     # prints the table and writes benchmarks/results/coverage.md

Each study has seven sizes, 105 steps, 500 problems of unequal difficulty that every evaluation asks, answers drawn one
by one, and runs that drift about the law (`rlaw.testing.studies`). The parameters and k are told by a fit that has not
seen the largest size; the forecasts are the fitted loss after 105 steps, from a fit that has seen 50.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import sys
import time
from pathlib import Path

import numpy as np

import rlaw
from rlaw.fitting.interval import Interval
from rlaw.testing.studies import Truth, study

RESULT = Path(__file__).parent / "results" / "coverage.md"
DRAWS = 200
DESIGNS = {
    "1 run, answers to each item": Truth(runs=1),
    "3 runs, answers to each item": Truth(runs=3),
    "1 to 3 runs, answers to each item": Truth(runs=(3, 3, 3, 3, 2, 1, 1)),
    "3 runs, number of items only": Truth(runs=3, with_items=False),
    "1 run, strong drift": Truth(runs=1, drift=0.04),
}


def main(studies: int) -> None:
    lines = [
        "# Coverage of 90 % intervals",
        "",
        f"`python benchmarks/coverage.py {studies}`: {studies} simulated studies of each design, {DRAWS} draws, "
        "data axis, saturating law, loss space, equal weights. Share of studies whose interval holds the truth "
        f"(standard error {np.sqrt(0.09 / studies):.1%}); in brackets the median of value / truth - 1.",
        "",
    ]
    for i, (name, truth) in enumerate(DESIGNS.items()):
        began = time.process_time()
        told = [judged(truth, seed=10_000 * i + s) for s in range(studies)]
        if not i:
            lines += ["| design | " + " | ".join(told[0]) + " |", "|---" * (1 + len(told[0])) + "|"]
        cells = [f"{np.mean([t[q][0] for t in told]):.0%} ({np.median([t[q][1] for t in told]):+.1%})" for q in told[0]]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
        print(lines[-1], f"{time.process_time() - began:.0f} CPU s", file=sys.stderr)
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


def judged(truth: Truth, seed: int) -> dict[str, tuple[bool, float]]:
    """Of each quantity: whether its interval holds the truth, and the relative error of its value."""
    frame = study(truth, seed)
    others = rlaw.fit("saturating", frame, axis="data", hold_out="largest", draws=DRAWS)
    early = rlaw.fit("saturating", frame, axis="data", window=":50", draws=DRAWS)
    end = np.array([truth.steps])
    told = {
        "K_max": (others.parameters["K_max"], truth.K_max),
        "N_0": (others.parameters["N_0"], truth.N_0),
        "k(7B)": (others.k(7e9), truth.k(7e9)),
        "k(72B), not seen": (others.k(72e9), truth.k(72e9)),
    }
    for size, name in ((3, "7B"), (6, "72B")):
        model = early.curves.models[size]
        low, high = early.band(model, end * truth.prompts)
        value = early.predict(model, end * truth.prompts)
        told[f"L({name}) after 105 steps"] = (Interval(value[0], low[0], high[0]), truth.loss(size, end)[0])
    return {name: (i.low <= true <= i.high, i.value / true - 1) for name, (i, true) in told.items()}


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 500)
