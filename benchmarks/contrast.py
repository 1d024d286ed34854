"""How often equal recipes are called different, intervals hold the truth, and a real difference is found.

    python benchmarks/contrast.py [STUDIES] [SIZES RUNS]   # writes results/contrast.md when all designs are run
    python benchmarks/contrast.py rule                     # the rule alone, on normal numbers of runs

STUDIES simulated studies of two recipes in each of several designs: 3 to 7 sizes, 2 to 5 seeds, 16 evaluations that
all ask the same 300 problems. Runs scatter in two ways: by a level of their own, in units of the binomial standard
deviation, or by a slope of their own (in ratio to their size's), so that large sizes scatter more. Seeds are shared by
the recipes, or not.

* equal: nothing differs; "called different" is to be 5 %.
* real: the loss differs by a factor everywhere, 1.5 standard errors of the mean over sizes by the true scatter. Theory:
  what Student's t finds of it with the degrees of freedom of all runs, and with those of the sizes alone.
* sizes differ: the true difference scatters from size to size, as much as the mean of a size's runs does.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import sys
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import stats

from rlaw.analysis.contrast.contrast import SizeRuns, pair_of
from rlaw.analysis.contrast.pooling import _BELIEF, _RATIOS, Difference, Pooled
from rlaw.analysis.contrast.runs import Run
from rlaw.fitting.items import ability_of, chance

RESULT = Path(__file__).parent / "results" / "contrast.md"
STEP = np.unique(np.geomspace(1, 105, 16).round().astype(int))
ITEMS = 300
MIDDLE = float(np.log(STEP).mean())
DESIGNS = ((3, 2), (3, 5), (5, 3), (7, 2), (7, 5))
SCATTER = {"level": (0.03, 0.0), "slope": (0.01, 0.15)}
LOSS = np.linspace(0.003, 0.997, 500)
ABILITY = ability_of(LOSS, 2.0)
ANSWERS = 0.04  # standard deviation of a loss at the end by its answers, in binomial units, as `share` weighs them


@dataclass(frozen=True)
class Case:
    """One kind of study: sizes, runs of each recipe at each, how runs scatter, and what differs."""

    sizes: int
    runs: int
    scatter: str = "level"
    paired: bool = True
    apart: float = 0.0  # of ln loss, B less A
    sizes_apart: float = 0.0  # standard deviation of that from size to size

    @property
    def params(self) -> np.ndarray:
        return np.geomspace(0.5e9, 72e9, self.sizes)

    def loss(self, size: int, b: bool, differ: np.ndarray, turned: float = 1.0) -> np.ndarray:
        """The true loss of a recipe at a size, the slope of a run times a factor."""
        N = self.params[size]
        k = 0.14 / (1 + 13e9 / N)
        level = np.interp(np.log(N), np.log([0.5e9, 72e9]), np.log([0.85, 0.55])) - k * (MIDDLE - np.log(8.0))
        return np.exp(level - k * turned * (np.log(STEP) - MIDDLE) + b * (self.apart + differ[size]))

    def truth(self, differ: np.ndarray) -> np.ndarray:
        """(S,) the true difference of the loss at the end, A less B."""
        return np.array([(self.loss(s, False, differ) - self.loss(s, True, differ))[-1] for s in range(self.sizes)])

    @property
    def error(self) -> np.ndarray:
        """(S,) true standard error of a size's difference."""
        level, slope = SCATTER[self.scatter]
        found = []
        for s in range(self.sizes):
            end = self.loss(s, False, np.zeros(self.sizes))[-1]
            k = 0.14 / (1 + 13e9 / self.params[s])
            by_slope = end * k * slope * (np.log(STEP[-1]) - MIDDLE)
            found.append(np.sqrt((level**2 + ANSWERS**2) * end * (1 - end) + by_slope**2))
        return np.array(found) * np.sqrt(2 / self.runs)


def study(case: Case, seed: int) -> tuple[list[SizeRuns], np.ndarray]:
    """The runs of one simulated study as `rlaw.contrast` has them after reading, and the true differences."""
    rng = np.random.default_rng([seed, case.sizes, case.runs])
    difficulty = 2.0 * rng.standard_normal(ITEMS)
    differ = case.sizes_apart * rng.standard_normal(case.sizes)
    level, slope = SCATTER[case.scatter]
    sizes = []
    for s, N in enumerate(case.params):
        runs: tuple[list[Run], list[Run]] = ([], [])
        for b in (False, True):
            for r in range(case.runs):
                loss = case.loss(s, b, differ, np.exp(slope * rng.standard_normal()))
                loss = loss + level * np.sqrt(loss * (1 - loss)) * rng.standard_normal()
                ability = np.interp(loss, LOSS, ABILITY)
                wrong = (rng.random((len(STEP), ITEMS)) >= chance(ability, difficulty)).astype(float)
                x = 6.0 * N * STEP * 4e6
                answers = np.full(len(STEP), float(ITEMS))
                runs[b].append(Run(r, x, wrong.mean(axis=1), float(x[-1]), answers, wrong))
        sizes.append(SizeRuns(f"{N:.0f}", N, *runs, float(x[0]), float(x[-1]), case.paired))
    return sizes, case.truth(differ)


def judge(case: Case, studies: int) -> dict[str, float]:
    """Shares over studies of one case."""
    kept = defaultdict(list)
    for seed in range(studies):
        sizes, truth = study(case, seed)
        pair = pair_of(("a", "b"), sizes)[0]
        kept["different"].append(pair.verdict in ("a_better", "b_better"))
        kept["right way"].append(pair.verdict == "a_better")
        population = float(case.truth(np.zeros(case.sizes)).mean())
        kept["over sizes"].append(pair.delta_loss.low <= population <= pair.delta_loss.high)
        kept["width"].append(pair.delta_loss.high - pair.delta_loss.low)
        kept["k"].append(pair.delta_k.low <= 0.0 <= pair.delta_k.high)
        ends = [size.places[-1].delta_loss for size in pair.sizes]
        kept["single sizes"] += [e.low <= t <= e.high for e, t in zip(ends, truth, strict=True)]
        kept["largest size"].append(ends[-1].low <= truth[-1] <= ends[-1].high)
        kept["single different"] += [not e.low <= 0 <= e.high for e in ends]
        kept["value"].append(pair.delta_loss.value)
    shares = {name: float(np.mean(values)) for name, values in kept.items()}
    return shares | {"error": float(np.std(kept["value"]))}


def theory(case: Case) -> tuple[float, float]:
    """How often t finds 1.5 standard errors at the 5 % level: with the freedom of all runs, of the sizes alone."""
    of_runs = case.sizes * ((1 if case.paired else 2) * (case.runs - 1)) + case.sizes - 1
    found = []
    for freedom in (of_runs, case.sizes - 1):
        limit = stats.t.ppf(0.975, freedom)
        found.append(float(stats.nct.sf(limit, freedom, 1.5) + stats.nct.cdf(-limit, freedom, 1.5)))
    return found[0], found[1]


def apart(case: Case, errors: float) -> float:
    """The difference of ln loss that is so many standard errors of the mean over sizes."""
    mean_error = float(np.sqrt(np.sum(case.error**2))) / case.sizes
    ends = np.mean([case.loss(s, False, np.zeros(case.sizes))[-1] for s in range(case.sizes)])
    return errors * mean_error / float(ends)


def main(studies: int, designs) -> None:
    began = time.process_time()
    rows, real, between = [], [], []
    for sizes, runs in designs:
        for scatter in SCATTER:
            for paired in (True, False) if scatter == "level" else (True,):
                case = Case(sizes, runs, scatter, paired)
                own = judge(case, studies)
                what = f"| {sizes} | {runs} | {scatter} | {'seed' if paired else 'run'} |"
                shares = ("different", "over sizes", "single sizes", "largest size", "k")
                rows.append(f"{what} " + " | ".join(f"{own[name]:.1%}" for name in shares) + " |")
                print(rows[-1], f"{time.process_time() - began:.0f} CPU s", flush=True)
        case = Case(sizes, runs)
        case = Case(sizes, runs, apart=apart(case, 1.5))
        own, (of_runs, of_sizes) = judge(case, studies), theory(case)
        true = abs(float(case.truth(np.zeros(sizes)).mean())) / own["error"]
        what = f"| {sizes} | {runs} | {true:.2f} | {own['right way']:.1%}"
        real.append(f"{what} | {of_runs:.1%}, {of_sizes:.1%} | {own['over sizes']:.1%} |")
        print(real[-1], flush=True)
        case = Case(sizes, runs)
        ends = [case.loss(s, False, np.zeros(sizes))[-1] for s in range(sizes)]
        own = judge(Case(sizes, runs, sizes_apart=float(np.mean(case.error / ends))), studies)
        shares = " | ".join(f"{own[name]:.1%}" for name in ("different", "over sizes", "single sizes"))
        between.append(f"| {sizes} | {runs} | {shares} |")
        print(between[-1], flush=True)
    lines = [
        "# Size, power and coverage of contrasts",
        "",
        f"`python benchmarks/contrast.py {studies}`: {studies} simulated studies of each design, two recipes, 300 "
        "shared problems, 16 evaluations; 90 % intervals, verdicts at the 5 % level. "
        f"{time.process_time() - began:.0f} CPU s.",
        "",
        "Equal recipes: how often they are called different, and how often intervals of the difference hold it.",
        "",
        "| sizes | seeds | runs scatter by | paired by | called different | loss over sizes | loss at single sizes "
        "| at the largest | k |",
        "|---|---|---|---|---|---|---|---|---|",
        *rows,
        "",
        "A real difference of about 1.5 standard errors of the mean over sizes (of what scatters over studies), runs "
        "scattering by level, paired by seed. Theory: Student's t with the degrees of freedom of all runs, and with "
        "those of the sizes alone.",
        "",
        "| sizes | seeds | standard errors | found | theory | loss over sizes |",
        "|---|---|---|---|---|---|",
        *real,
        "",
        "Recipes equal on average whose difference scatters from size to size as a size's mean does by its runs.",
        "",
        "| sizes | seeds | called different | loss over sizes | loss at single sizes |",
        "|---|---|---|---|---|",
        *between,
        "",
    ]
    if designs == DESIGNS:
        RESULT.write_text("\n".join(lines))


def rule(studies: int = 10_000) -> list[str]:
    """How often equal recipes are called different where runs are normal numbers: `Pooled`, for all studies at once."""
    rows = []
    for sizes, runs in ((3, 2), (3, 3), (3, 5), (5, 2), (5, 3), (7, 2), (7, 5)):
        shares = []
        for times, ratio in ((1, 0.0), (3, 0.0), (1, 0.5), (1, 1.0), (1, 3.0)):
            rng = np.random.default_rng([sizes, runs])
            spread = np.geomspace(1, times, sizes)
            spread /= np.sqrt(np.mean(spread**2))
            own, between = rng.standard_normal((2, studies, sizes))
            value = (own * spread + between * ratio) / np.sqrt(runs)
            squares = spread**2 * rng.chisquare(runs - 1, (studies, sizes))
            shares.append(float(np.mean(_p(value, squares, runs) < 0.05)))
        one = tuple(Difference(v, 1 / runs, q, runs - 1, floor=0.25) for v, q in zip(value[0], squares[0], strict=True))
        assert np.isclose(_p(value[:1], squares[:1], runs)[0], Pooled(one, np.arange(sizes) * 1.0).over_sizes().p)
        rows.append(f"| {sizes} | {runs} | " + " | ".join(f"{share:.1%}" for share in shares) + " |")
    return rows


def _p(value: np.ndarray, squares: np.ndarray, runs: int) -> np.ndarray:
    """(studies,) p-values of (studies, sizes) differences of so many pairs each, and their squares about the mean."""
    sizes = value.shape[1]
    within, mean = sizes * (runs - 1), value.mean(axis=1)
    left = np.sum((value - mean[:, None]) ** 2, axis=1)
    logs, scales = [], []
    for ratio, belief in zip(_RATIOS, _BELIEF, strict=True):
        variance = (1 + ratio) / runs
        total = np.maximum(squares.sum(axis=1), 0.25 * within) + left / variance
        freedom = within + sizes - 1
        logs.append(np.log(belief) - 0.5 * (sizes - 1) * np.log(variance) - 0.5 * freedom * np.log(total))
        scales.append(np.sqrt(total / freedom * variance / sizes))
    weight = np.exp(np.array(logs) - np.max(logs, axis=0))
    tails = 2 * stats.t.sf(np.abs(mean) / np.array(scales), within + sizes - 1)
    return np.sum(weight / weight.sum(axis=0) * tails, axis=0)


if __name__ == "__main__":
    if sys.argv[1:] == ["rule"]:
        print("\n".join(rule()))
        sys.exit()
    numbers = [int(text) for text in sys.argv[1:]]
    main(numbers[0] if numbers else 200, ((numbers[1], numbers[2]),) if len(numbers) > 2 else DESIGNS)
