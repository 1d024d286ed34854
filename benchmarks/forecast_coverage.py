"""How far forecasts by "auto" are off, and how often their 90 % intervals hold what was then measured.

    python benchmarks/forecast_coverage.py [LADDERS]     # prints the tables and writes results/forecast_coverage.md

The bundled base curves, on which forecasts were designed, and LADDERS simulated ladders of each of six shapes, which
they were not: seven sizes, 500 problems that every evaluation asks, runs that drift, and sizes that scatter about their
law. Each is cut after a third of its steps, or a size is forecast from its first points and the other sizes.

* straight: the saturating law itself;
* instruct: smaller slopes, with a fast or slow beginning of each size's own;
* plateau: hardly moving for a time of each size's own, then falling;
* sigmoid: the same with an asymptote;
* floor: falling at once, towards an asymptote;
* late: quiet sigmoids after their bend alone, in a window that starts there.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import sys
import time
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

import rlaw
from rlaw.errors import RlawError
from rlaw.testing.studies import Truth, study

RESULT = Path(__file__).parent / "results" / "forecast_coverage.md"
DRAWS = 200
SIZES = ("1.5B", "14B", "72B")
BUDGETS = (3e18, 4e19, 1e21)
TOKENS = 8_000  # of a prompt, in simulated compute


@dataclass(frozen=True)
class Ladder(Truth):
    """A simulated ladder of some shape; sizes scatter about their law by the seed."""

    shape: str = "straight"
    seed: int = 0

    def loss(self, size: int, step: np.ndarray) -> np.ndarray:
        """The true loss of a size after some steps."""
        z = np.random.default_rng([self.seed, size]).standard_normal(3)
        N, t, u = self.sizes[size], np.asarray(step, float), size / (len(self.sizes) - 1)
        if self.shape == "straight":
            return 10 ** self.intercepts[size] * 512 ** -self.k(N) * t ** (-self.k(N) * np.exp(0.1 * z[0]))
        if self.shape == "instruct":
            first = (0.937, 0.903, 0.856, 0.738, 0.675, 0.62, 0.60)[size]
            drop, lasting = 0.025 + 0.025 * z[1], 4 * np.exp(0.4 * z[2])
            begin = (1 + drop * np.exp(-t / lasting)) / (1 + 0.8 * drop)
            return first * begin * t ** (-0.144 / (1 + 20e9 / N) * np.exp(0.1 * z[0]))
        if self.shape == "plateau":
            k, wait = 0.3 / (1 + 13e9 / N) * np.exp(0.1 * z[0]), 6 * np.exp(0.4 * z[1])
            return (0.975 - 0.2 * u) * (1 + t / wait) ** -k
        gain = (0.05 + 0.45 * u) * np.exp(0.1 * z[0])
        if self.shape == "floor":
            return 0.96 - 0.2 * u - gain * (1 - t ** -(0.45 * np.exp(0.15 * z[1])))
        middle = (12 if self.shape == "late" else 25) * np.exp(-0.4 * u + 0.2 * z[1])
        return 0.97 - 0.15 * u - gain * (1 - 1 / (1 + (t / middle) ** 1.45))


def ladder(shape: str, seed: int) -> Ladder:
    plain = Ladder(shape=shape, seed=seed, with_items=False)
    return replace(plain, items=4000, drift=0.003) if shape == "late" else plain


def main(ladders: int) -> None:
    began = time.process_time()
    cells: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    base = rlaw.load("qwen2.5-math-base")
    judge(cells, "base curves", base, cut=25, names=base.models)
    for shape in ("straight", "instruct", "plateau", "sigmoid", "floor"):
        for seed in range(ladders):
            truth = ladder(shape, seed)
            frame = study(truth, seed)
            judge(cells, shape, frame, cut=truth.steps // 3, names=SIZES)
            spend(cells, shape, frame, truth)
    for seed in range(2 * ladders):
        told = rlaw.compare(study(ladder("late", seed), seed), laws=["auto"], axis="data", window="20:", cut=29)
        keep(cells, "late", "a third of every curve", told.score("auto"))
    lines = table(cells)
    print("\n".join(lines))
    print(f"{time.process_time() - began:.0f} CPU s", file=sys.stderr)
    RESULT.write_text(
        "# Errors and coverage of forecasts\n\n"
        f"`python benchmarks/forecast_coverage.py {ladders}`: root mean square error of `auto`, and share of points "
        "inside their 90 % intervals, means over curves. Allocations: mean absolute error of the expected loss against "
        "the true one, and share of the intervals that hold it.\n\n" + "\n".join(lines) + "\n"
    )


def keep(cells, name: str, what: str, score) -> None:
    cells[what, name].append((score.rmse, score.coverage))


def judge(cells, name: str, frame, *, cut: int, names) -> None:
    """A third of every curve, then single sizes from their first points, their first point, or nothing."""
    told = rlaw.compare(frame, laws=["auto"], axis="data", cut=cut, draws=DRAWS).score("auto")
    keep(cells, name, "a third of every curve", told)
    for anchor, sizes in (("first:5", names), ("first:10", names), ("first:1", names[-1:]), ("none", names[-1:])):
        for size in sizes:
            try:
                score = rlaw.forecast(frame, size, anchor=anchor, axis="data", draws=DRAWS).held_out
            except RlawError as error:
                print(name, size, anchor, str(error).partition("\n")[0], file=sys.stderr)
                continue
            what = {"first:1": "its first point: 72B", "none": "blind: 72B"}.get(
                anchor, f"its {anchor}".replace(":", " ")
            )
            keep(cells, name, what, score)


def spend(cells, name: str, frame, truth: Ladder) -> None:
    """The expected losses of an allocation, within the data and up to ten times beyond, and the chosen size."""
    for budget in BUDGETS:
        told = rlaw.allocate(frame, compute=budget, draws=DRAWS)
        true = {}
        for choice in told.choices:
            step = np.array([budget / (6.0 * choice.params * truth.prompts * TOKENS)])
            if step < 1 or choice.axis_factor > 10:
                continue
            true[choice.model] = loss = float(truth.loss(truth.sizes.index(choice.params), step)[0])
            where = "budget within the data" if choice.axis_factor == 1 else "budget beyond the data"
            cells[where, name].append(
                (abs(choice.loss.value - loss), float(choice.loss.low <= loss <= choice.loss.high))
            )
        if told.best in true:
            cells["regret, and best size chosen", name].append(
                (true[told.best] - min(true.values()), float(true[told.best] == min(true.values())))
            )


def table(cells) -> list[str]:
    names = list(dict.fromkeys(name for _, name in cells))
    lines = ["| used | " + " | ".join(names) + " |", "|---" * (1 + len(names)) + "|"]
    for what in dict.fromkeys(what for what, _ in cells):
        found = [cells.get((what, name)) for name in names]
        row = [f"{np.mean([e for e, _ in f]):.4f}, {np.mean([c for _, c in f]):.0%}" if f else "" for f in found]
        lines.append(f"| {what} | " + " | ".join(row) + " |")
    return lines


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
