"""How often the rules of `rlaw health` are wrong: alarms on healthy runs, and planted faults that are not found.

    python benchmarks/health.py [RUNS] [STORE…]     # prints the table and writes results/health.md

RUNS healthy runs are simulated (200 unless it is given), of 60 to 600 steps and every kind of noise that logs of RL
show: rewards that rise by a power of the step or towards an asymptote, with noise that hangs together; entropy that
falls, KL that grows, answers that become longer with the reward, heavy tails of gradient norms and step times. Each
fault is then planted, alone, into as many of them. Every run of each STORE is judged as healthy, too.
"""

import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from rlaw.analysis.health.health import examine
from rlaw.analysis.health.rule import NotMeasured
from rlaw.analysis.health.rules import RULES
from rlaw.measurements.courses import MEASURED, Course, courses

RESULT = Path(__file__).parent / "results" / "health.md"
Fault = Callable[[np.random.Generator, dict[str, np.ndarray]], None]


def smooth_noise(rng: np.random.Generator, n: int, sd: float, memory: float) -> np.ndarray:
    """(n,) autoregressive noise."""
    shocks, out = rng.standard_normal(n) * sd, np.empty(n)
    out[0] = shocks[0]
    for i in range(1, n):
        out[i] = memory * out[i - 1] + np.sqrt(1 - memory**2) * shocks[i]
    return out


def healthy(seed: int) -> dict[str, np.ndarray]:
    """The columns of one healthy run; `score` is held out, NaN where it was not evaluated."""
    rng = np.random.default_rng([seed, 1])
    n = int(np.exp(rng.uniform(np.log(60), np.log(600))))
    step = np.arange(1, n + 1.0)
    start, top = rng.uniform(0.05, 0.5), rng.uniform(0.6, 0.95)
    if rng.random() < 0.5:
        true = 1 - (1 - start) * step ** -rng.uniform(0.08, 0.35)
    else:
        true = start + (top - start) * (1 - np.exp(-step / (n * rng.uniform(0.25, 0.8))))
    reward = np.clip(true + smooth_noise(rng, n, rng.uniform(0.005, 0.035), rng.uniform(0, 0.5)), 0, 1)
    gain = (true - true[0]) / max(float(np.ptp(true)), 1e-9)
    length = rng.uniform(200, 3000) * (1 + rng.uniform(-0.3, 1.5) * gain) * np.exp(rng.normal(0, 0.05, n))
    evaluated = np.arange(n) % max(int(rng.integers(5, 21)), n // 40) == 0
    score = np.where(evaluated, rng.binomial(500, np.clip(true - 0.05, 0.01, 0.99)) / 500, np.nan)
    group = rng.uniform(0.5, 1.0)
    return {
        "step": step,
        "reward_mean": reward,
        "score": score,
        "zero_variance_share": np.clip(group * (true**6 + (1 - true) ** 6) + rng.normal(0, 0.03, n), 0, 1),
        "entropy": rng.uniform(0.2, 1.2) * (1 - rng.uniform(0, 0.65) * gain) * np.exp(rng.normal(0, 0.05, n)),
        "kl": rng.uniform(0.002, 0.15) * (step / n) ** rng.uniform(0.5, 1.3) * np.exp(rng.normal(0, 0.15, n)),
        "clip_share": rng.uniform(0.0005, 0.12) * np.exp(rng.normal(0, 0.2, n)),
        "grad_norm": rng.uniform(0.05, 3) * (1 - 0.4 * gain) * np.exp(rng.standard_t(8, n) * rng.uniform(0.1, 0.3)),
        "response_length": length,
        "truncated_share": np.clip(rng.uniform(0, 0.1) * np.exp(rng.normal(0, 0.3, n)), 0, 1),
        "loss": rng.normal(0, 0.02, n),
        "seconds": rng.uniform(5, 300) * (0.5 + 0.5 * length / length[0]) * np.exp(rng.standard_t(4, n) * 0.04),
    }


def course_of(columns: dict[str, np.ndarray], name: str) -> Course:
    """The columns as a run."""
    steps = pl.DataFrame({"step": columns["step"].astype(int)} | {
        c: columns.get(c, np.full(len(columns["step"]), np.nan)) for c in (*MEASURED, "tokens")
    })  # fmt: skip
    steps = steps.with_columns(pl.col(c).fill_nan(None) for c in steps.columns if c not in columns and c != "step")
    asked = np.isfinite(columns["score"])
    n = int(asked.sum())
    scores = pl.DataFrame(
        {"benchmark": ["test"] * n, "step": columns["step"][asked].astype(int), "score": columns["score"][asked],
         "items": [500] * n}
    )  # fmt: skip
    return Course(name, "simulated", steps, scores)


def late(rng: np.random.Generator, n: int, first: float = 0.3, last: float = 0.7) -> np.ndarray:
    """(n,) how far a fault has grown: 0 until it sets in, 1 a tenth of the run after."""
    onset = rng.uniform(first, last) * n
    return np.clip((np.arange(n) - onset) / (0.1 * n), 0, 1)


def _idle(level: float) -> Fault:
    def plant(rng: np.random.Generator, c: dict[str, np.ndarray]) -> None:
        grown = late(rng, len(c["step"]))
        c["zero_variance_share"] = (1 - grown) * c["zero_variance_share"] + grown * rng.uniform(0.88, 1.0)
        c["reward_mean"] = (1 - grown) * c["reward_mean"] + grown * level

    return plant


def _entropy(rng: np.random.Generator, c: dict[str, np.ndarray]) -> None:
    c["entropy"] = c["entropy"] * np.exp(-late(rng, len(c["step"])) * rng.uniform(3, 5))


def _kl(rng: np.random.Generator, c: dict[str, np.ndarray]) -> None:
    c["kl"] = c["kl"] + late(rng, len(c["step"])) ** 2 * np.exp(rng.uniform(np.log(1.5), np.log(50)))


def _clip(rng: np.random.Generator, c: dict[str, np.ndarray]) -> None:
    c["clip_share"] = c["clip_share"] + late(rng, len(c["step"])) * rng.uniform(0.35, 0.7)


def _spikes(rng: np.random.Generator, c: dict[str, np.ndarray]) -> None:
    where = rng.choice(np.arange(10, len(c["step"])), rng.integers(2, 6), replace=False)
    c["grad_norm"][where] *= np.exp(rng.uniform(np.log(12), np.log(200), len(where)))


def _length(rng: np.random.Generator, c: dict[str, np.ndarray]) -> None:
    c["response_length"] = c["response_length"] * (1 + late(rng, len(c["step"])) * rng.uniform(4.5, 10))


def _truncated(rng: np.random.Generator, c: dict[str, np.ndarray]) -> None:
    c["truncated_share"] = np.clip(c["truncated_share"] + late(rng, len(c["step"])) * rng.uniform(0.25, 0.8), 0, 1)


def _over(rng: np.random.Generator, c: dict[str, np.ndarray]) -> None:
    n = len(c["step"])
    since = np.clip(np.arange(n) / n - rng.uniform(0.3, 0.5), 0, 1)
    share = np.clip(c["score"] - since * rng.uniform(0.3, 0.8), 0.01, 1)
    c["score"] = np.where(np.isfinite(share), np.clip(share, 0, 1), np.nan)
    c["reward_mean"] = np.clip(c["reward_mean"] + 0.4 * since, 0, 1)


def _plateau(rng: np.random.Generator, c: dict[str, np.ndarray]) -> None:
    n = len(c["step"])
    onset = int(rng.uniform(0.2, 0.5) * n)
    noise = smooth_noise(rng, n - onset, rng.uniform(0.005, 0.035), rng.uniform(0, 0.5))
    c["reward_mean"][onset:] = np.clip(c["reward_mean"][max(onset - 5, 0) : onset + 1].mean() + noise, 0, 1)


def _never(rng: np.random.Generator, c: dict[str, np.ndarray]) -> None:
    n = len(c["step"])
    c["reward_mean"] = rng.uniform(0.05, 0.6) + smooth_noise(rng, n, rng.uniform(0.005, 0.035), rng.uniform(0, 0.5))


def _collapse(rng: np.random.Generator, c: dict[str, np.ndarray]) -> None:
    grown = late(rng, len(c["step"]), 0.4, 0.8)
    c["reward_mean"] = c["reward_mean"] * (1 - grown * rng.uniform(0.75, 1.0))


def _nan(rng: np.random.Generator, c: dict[str, np.ndarray]) -> None:
    at = int(rng.integers(1, len(c["step"])))
    c[str(rng.choice(["loss", "grad_norm", "reward_mean"]))][at : at + int(rng.integers(1, 30))] = np.nan


def _slow(rng: np.random.Generator, c: dict[str, np.ndarray]) -> None:
    c["seconds"] = c["seconds"] * (1 + late(rng, len(c["step"])) * rng.uniform(0.9, 4))


FAULTS: dict[str, tuple[str, Fault]] = {
    "too easy": ("zero-variance-too-easy", _idle(0.97)),
    "too hard": ("zero-variance-too-hard", _idle(0.02)),
    "entropy falls to 5 % or less": ("entropy-collapse", _entropy),
    "KL grows to 1.5 to 50": ("kl-growth", _kl),
    "35 % or more clipped": ("clip-share", _clip),
    "2 to 5 gradient spikes of 12 to 200 times": ("gradient-spikes", _spikes),
    "answers 5.5 to 11 times as long": ("length-explosion", _length),
    "25 % or more truncated": ("truncation", _truncated),
    "held-out score falls, reward rises": ("over-optimisation", _over),
    "reward stands still from 20 to 50 % of the run on": ("plateau", _plateau),
    "reward never rises": ("plateau", _never),
    "reward collapses": ("reward-collapse", _collapse),
    "NaN at a step": ("nan", _nan),
    "steps take 1.9 to 5 times as long": ("step-time-drift", _slow),
}


def judged(name: str, found: list[Course]) -> tuple[str, Counter]:
    """A line of the table of healthy runs, and how many of them broke each rule."""
    alarms = [[alarm.rule for alarm in examine(course).alarms] for course in found]
    wrong = Counter(rule for rules in alarms for rule in rules)
    share = sum(map(bool, alarms)) / max(len(alarms), 1)
    listed = ", ".join(f"{rule} {n}" for rule, n in wrong.most_common()) or "none"
    return f"| {name} | {len(found)} | {share:.1%} | {listed} |", wrong


def main(runs: int, stores: list[str]) -> None:
    lines = ["| runs | number | with any alarm | which |", "|---|---|---|---|"]
    lines.append(judged("healthy, simulated", [course_of(healthy(s), f"run-{s}") for s in range(runs)])[0])
    for store in stores:
        lines.append(judged(Path(store).name, courses(Path(store))[0])[0])
    lines += ["", "| planted fault | found | by rule |", "|---|---|---|"]
    for name, (rule, plant) in FAULTS.items():
        found = 0
        for seed in range(runs):
            columns = {c: v.copy() for c, v in healthy(seed + 100_000).items()}
            plant(np.random.default_rng([seed, 2]), columns)
            course = course_of(columns, name)
            if rule == "nan":
                course = with_nan(course, columns)
            found += breaks(rule, course)
        lines.append(f"| {name} | {found / runs:.1%} | {rule} |")
    text = "\n".join(lines)
    print(text)
    thresholds = "\n".join(f"| {rule.name} | {rule.threshold} | {rule.source} |" for rule in RULES)
    RESULT.write_text(
        f"# Wrong alarms and missed faults of `rlaw health`\n\n`python benchmarks/health.py {runs}`\n\n{text}\n\n"
        f"| rule | threshold | source |\n|---|---|---|\n{thresholds}\n"
    )


def breaks(name: str, course: Course) -> bool:
    """Whether a run breaks a rule."""
    try:
        return next(rule for rule in RULES if rule.name == name).check(course) is not None
    except NotMeasured:
        return False


def with_nan(course: Course, columns: dict[str, np.ndarray]) -> Course:
    """The run with NaN as logged, which a table of healthy columns has nowhere."""
    broken = [pl.Series(c, columns[c]) for c in ("loss", "grad_norm", "reward_mean")]
    return replace(course, steps=course.steps.with_columns(broken))


if __name__ == "__main__":
    first, *rest = sys.argv[1:] or ["200"]
    main(int(first), rest)
