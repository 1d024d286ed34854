"""How often intervals of the equivalent-data ratio hold the truth, and how often peaks are found that are none.

    python benchmarks/dose.py [STUDIES] [DESIGN]   # prints the table; without DESIGN writes results/dose.md

STUDIES simulated studies of each design: an arm whose every dose is worth twice its number of the reference arm, on a
saturating curve; seeds that scatter in accuracy; items of one benchmark that all runs share, or new ones for each run.
Columns: the share of 90 % intervals that hold 2 where the equivalent dose lies among the reference's doses (it should
be 85 to 95 %); the share at the largest dose, which is worth more than any of the reference (a bound is honest where it
holds 2); the share of values that are no number; the share of arms with a peak at p < .05 where the curve saturates,
where it is flat (the hardest case: 3 to 7 %), and where it falls by 12 points after its middle (the power).
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.special import expit, logit

import rlaw
from rlaw.measurements.doses import DoseRun, Doses

RESULT = Path(__file__).parent / "results" / "dose.md"
DRAWS = 500


@dataclass(frozen=True)
class Design:
    doses: tuple[int, ...]
    seeds: int
    items: int
    scatter: float  # of seeds, standard deviation in accuracy
    shared: bool


SEVEN = (32, 64, 128, 256, 512, 1024, 2048)
DESIGNS = {
    "7 doses, 4 seeds, 200 items": Design(SEVEN, 4, 200, 0.02, False),
    "7 doses, 4 seeds, 200 shared items": Design(SEVEN, 4, 200, 0.02, True),
    "7 doses, 2 seeds, 500 items": Design(SEVEN, 2, 500, 0.03, False),
    "7 doses, 4 seeds, 500 shared items, no scatter": Design(SEVEN, 4, 500, 0.0, True),
    "3 doses, 8 seeds, 200 shared items": Design((100, 200, 500), 8, 200, 0.03, True),
}


def saturating(dose: np.ndarray) -> np.ndarray:
    return 0.25 + 0.4 * (1 - (1 + np.asarray(dose) / 60) ** -0.5)


def runs(design: Design, arm: str, score_K: np.ndarray, rng: np.random.Generator, easiness_I: np.ndarray):
    made = []
    for dose, score in zip(design.doses, score_K, strict=True):
        for _ in range(design.seeds):
            own = easiness_I if design.shared else rng.normal(0, 1.5, design.items)
            level = logit(np.clip(score + design.scatter * rng.standard_normal(), 0.02, 0.98))
            share_I = (rng.random(design.items) < expit(1.28 * level + own)).astype(float)
            known = share_I if design.shared else None
            made.append(DoseRun(arm, float(dose), float(share_I.sum()), float(design.items), known))
    return made


def judge(name: str, studies: int) -> str:
    design, kinds = DESIGNS[name], ("saturating", "flat", "falling")
    x = np.array(design.doses, float)
    curves = {"saturating": saturating(2 * x), "flat": np.full(len(x), 0.45), "falling": saturating(2 * x)}
    curves["falling"][len(x) // 2 + 1 :] -= 0.12
    inside, largest, numbers, peaks = [], [], [], {kind: [] for kind in kinds}
    for seed in range(studies):
        rng = np.random.default_rng([seed, len(name)])
        easiness_I = rng.normal(0, 1.5, design.items)
        made = runs(design, "a", saturating(x), rng, easiness_I)
        for kind in kinds:
            made += runs(design, kind, curves[kind], rng, easiness_I)
        result = rlaw.dose(Doses(tuple(made), "simulated", ""), draws=DRAWS, seed=seed)
        for one in result.arm("saturating").equivalent:
            holds = not (one.ratio.low > 2 or one.ratio.high < 2)  # an end that the data do not set is nan
            (inside if 2 * one.dose <= x[-1] else largest).append(holds)
            numbers.append(np.isfinite(one.ratio.value))
        for kind in kinds:
            peaks[kind].append(result.arm(kind).peak_p < 0.05)
    cells = [inside, largest, 1 - np.array(numbers), *peaks.values()]
    return f"| {name} | " + " | ".join(f"{np.mean(cell):.1%}" for cell in cells) + " |"


def main(studies: int, only: str | None) -> None:
    heads = ("design", "ratio held", "held at the largest dose", "no number", "saturating", "flat", "falling")
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    for name in DESIGNS:
        if only is None or only == name:
            lines.append(judge(name, studies))
            print(lines[-1], flush=True)
    if only is None:
        about = (
            f"`python benchmarks/dose.py {studies}`: {studies} simulated studies of each design, {DRAWS} draws; an arm "
        )
        about += "of twice the reference's worth, 90 % intervals; the last three columns: peaks found at p < .05.\n\n"
        RESULT.write_text("# Equivalent data and peaks\n\n" + about + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200, sys.argv[2] if len(sys.argv) > 2 else None)
