"""How well `rlaw watch` judges runs whose end is known: forecasts registered at a quarter of each run.

    python benchmarks/watch.py bundled | ladder | simulated [RUNS] | STORE    # its row of results/watch.md

The bundled curves, each from itself, or against the other sizes (`ladder`); simulated runs of `benchmarks/health.py`
(30 unless it is given); or every run of a store. Coverage: share of the later points inside the 90 % band. Targets are
the losses that a run really had at a half, three quarters and the end of its steps (medians of five points about them);
the forecast of their step is compared with the step where the running median first had them. Stop: the rule at every
fourth evaluation, with the run's last step as its end; what it saves is the share of the steps after it, what it loses
the difference of the best median of five so far and until the end.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import sys
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl
from health import course_of, healthy

import rlaw
from rlaw.analysis.watch.futures import Scores, scores_of
from rlaw.analysis.watch.judgement import Costs, judge
from rlaw.analysis.watch.registered import register
from rlaw.errors import RlawError
from rlaw.measurements.courses import Course, courses
from rlaw.measurements.frame import Frame

RESULT = Path(__file__).parent / "results" / "watch.md"
DATA = "qwen2.5-math-base"
EVERY = 4
LEAST = 12  # evaluations of a run that is judged


@dataclass
class Cell:
    coverage: list[float] = field(default_factory=list)
    factors: list[float] = field(default_factory=list)
    held: list[bool] = field(default_factory=list)
    saved: list[float] = field(default_factory=list)
    lost: list[float] = field(default_factory=list)

    def row(self, name: str) -> str:
        factor = np.exp(np.median(np.abs(np.log(self.factors)))) if self.factors else np.nan
        bias = np.exp(np.median(np.log(self.factors))) if self.factors else np.nan
        stopped = [s > 0 for s in self.saved]
        lost = [v for v, s in zip(self.lost, stopped, strict=True) if s] or [0.0]
        return (
            f"| {name} | {len(self.coverage)} | {np.mean(self.coverage):.0%} ({min(self.coverage):.0%} to "
            f"{max(self.coverage):.0%}) | {factor:.2f} | {bias:.2f} | {np.mean(self.held):.0%} of {len(self.held)} | "
            f"{sum(stopped)} | {np.mean(self.saved):.0%} | {np.mean(lost):.4f} (most {max(lost):.4f}) |"
        )


def smooth(loss: np.ndarray) -> np.ndarray:
    """(n,) running medians of five."""
    return np.array([np.median(loss[max(0, i - 2) : i + 3]) for i in range(len(loss))])


def backtest(cell: Cell, course: Course, scores: Scores, against: Frame | None) -> None:
    n, last = len(scores.step), int(scores.step[-1])
    count = max(4, round(0.25 * n))
    forecast = register(course, scores, count, against=against, until=last)
    later = [forecast.place(s, v) == "inside" for s, v in zip(scores.step[count:], scores.loss[count:], strict=True)]
    cell.coverage.append(float(np.mean(later)))
    level, costs = smooth(scores.loss), Costs(1.0, np.nan)
    known = scores.first(count)
    for part in (0.5, 0.75, 1.0):
        target = level[min(int(part * n), n - 1)]
        really = scores.step[int(np.argmax(level <= target))]
        if level[:count].min() <= target:
            continue  # it had that when the forecast was made
        reach = judge(course, known, forecast, costs, against=against, target=1 - float(target), end=last).target
        assert reach is not None
        ends = [reach.low["steps"], reach.value["steps"], reach.high["steps"]]
        low, middle, high = (np.inf if v is None else known.step[-1] + v for v in ends)
        cell.factors.append(min(middle / really, 100.0))
        cell.held.append(bool(low <= really <= high))
    for i in range(count, n - 1, EVERY):
        now = judge(course, scores.first(i), forecast, costs, against=against, end=last)
        if now.advice == "stop":
            cell.saved.append(1 - now.step / last)
            cell.lost.append(float(level[:i].min() - level.min()))
            return
    cell.saved.append(0.0)
    cell.lost.append(0.0)


def run_of(frame: Frame, model: str) -> tuple[Course, Scores]:
    """A bundled curve as a run."""
    rows = frame.rows.filter((pl.col("model") == model) & (pl.col("step") > 0)).sort("step")
    scores = Scores("held-out", rows["step"].to_numpy(), rows["test_loss"].to_numpy(), None)
    bare = bare_course(model, float(rows["params"][0]), round(rows["data_size"][0] / rows["step"][0]))
    return bare, scores


def bare_course(model: str, params: float, prompts: int) -> Course:
    columns = {"step": np.arange(1.0, 2), "score": np.full(1, np.nan)}
    made = course_of(columns, model)
    return Course(model, DATA, made.steps, made.evaluations, model, params, prompts)


def bundled(cell: Cell, *, ladder: bool) -> None:
    """Every bundled curve, from itself or against the other sizes."""
    frame = rlaw.load(DATA)
    for model in frame.models:
        course, scores = run_of(frame, model)
        others = frame.where(model=tuple(m for m in frame.models if m != model)) if ladder else None
        backtest(cell, course, scores, others)


def main(part: str, runs: int) -> None:
    warnings.simplefilter("ignore")
    cell = Cell()
    if part in ("bundled", "ladder"):
        name = "bundled curves, " + ("against the other sizes" if part == "ladder" else "from themselves")
        bundled(cell, ladder=part == "ladder")
    elif part == "simulated":
        name = "simulated runs, from themselves"
        for seed in range(runs):
            try_one(cell, course_of(healthy(seed), f"run-{seed}"))
    else:
        name = f"{Path(part).name}, from themselves"
        for course in courses(Path(part))[0]:
            try_one(cell, course)
    head = "runs | number | coverage of 90 % bands | time to target, typical factor | bias | intervals that hold it | "
    head += "stopped | steps saved | pass rate lost by those"
    before = RESULT.read_text().splitlines() if RESULT.exists() else []
    kept = [line for line in before if line.startswith("| ") and not line.startswith((f"| {name} |", "| runs |"))]
    rows = [*kept, cell.row(name)]
    print(rows[-1])
    text = "\n".join([f"| {head} |", "|---" * 9 + "|", *sorted(rows)])
    note = "`python benchmarks/watch.py bundled`, `ladder`, `simulated 30`: see the script for what the columns are."
    RESULT.write_text(f"# Backtest of `rlaw watch`\n\n{note}\n\n{text}\n")


def try_one(cell: Cell, course: Course) -> None:
    """Judge a run that has evaluations enough."""
    try:
        scores = scores_of(course)
        if len(scores.step) >= LEAST:
            backtest(cell, course, scores, None)
    except RlawError as error:
        print(course.run, str(error).partition("\n")[0], file=sys.stderr)


if __name__ == "__main__":
    chosen, *number = sys.argv[1:] or ["bundled"]
    main(chosen, int(number[0]) if number else 30)
