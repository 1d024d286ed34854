"""Real mathematics: problems in words from a folder of Parquet files, answers in \\boxed{}, judged by `rlaw.rewards`.

The benchmarks are those of arXiv 2509.25300, Table 1. Their files are not shipped: `rlaw data prepare` writes
`train.parquet` and `held-out.parquet` into a folder, and the others are put beside them in the same layout.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from rlaw import rewards
from rlaw.errors import SpecError
from rlaw.rewards.base import Reward
from rlaw.rewards.math import MathReward
from rlaw.tasks.base import Settings, TextTask
from rlaw.tasks.problems import files
from rlaw.tasks.problems.base import TextProblems
from rlaw.tasks.problems.subsets import subset

HELD_OUT = "held-out"


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A benchmark of the paper: how many problems it has, and why it is not offered, where it is not."""

    title: str
    items: int
    domain: Literal["in", "out"] = "in"
    refused: str = ""


_CODE = "its answers are programs, and rlaw does not run code that a model wrote"
_OTHER = "its answers are not mathematics, and rlaw has no verifier for them"
BENCHMARKS: dict[str, Benchmark] = {
    HELD_OUT: Benchmark("problems of the training distribution, held out: half easy, half hard", 500),
    "gsm8k": Benchmark("GSM8K, test split", 1319),
    "math-500": Benchmark("MATH-500", 500),
    "aime-2024": Benchmark("AIME 2024", 30),
    "amc-2023": Benchmark("AMC 2023", 40),
    "humaneval": Benchmark("HumanEval", 164, "out", _CODE),
    "zebra-puzzle": Benchmark("Zebra Puzzle", 200, "out", _OTHER),
    "super-gpqa": Benchmark("SuperGPQA", 200, "out", _OTHER),
}


class Verifier(Settings):
    """Limits of checking one answer; an answer that reaches one gets no reward and counts as a timeout."""

    seconds: float = Field(
        default=5.0,
        gt=0,
        description="wall seconds for one answer, and of a batch beyond 0.1 s for each; then a worker is killed",
    )
    memory_mb: int = Field(default=1024, ge=256, description="address space of one worker, MiB")


class Mathematics(TextTask):
    """Problems of mathematics; reward 1 when what a response puts in \\boxed{} is the reference answer."""

    benchmarks: ClassVar[tuple[str, ...]] = tuple(name for name, known in BENCHMARKS.items() if not known.refused)

    name: Literal["mathematics"] = "mathematics"
    folder: str = Field(description="where train.parquet, held-out.parquet and the benchmarks' files are")
    digest: str | None = Field(
        None, pattern="^[0-9a-f]{12}$", description="of train.parquet, as `rlaw data` prints it: checked when given"
    )
    verifier: Verifier = Verifier()
    reward_func: str | None = Field(
        None,
        exclude_if=lambda name: name is None,
        description="another reward than ours: a registered name, or file.py:REWARD",
    )

    def refusal(self, benchmark: str) -> str:
        known = BENCHMARKS.get(benchmark)
        if known is None or not known.refused:
            return super().refusal(benchmark)
        return f"benchmark {benchmark} ({known.title}) is not measured: {known.refused}"

    def items(self, benchmark: str, most: int) -> int:
        return min(most, BENCHMARKS[benchmark].items)

    def pool(self, size: int, seed: int) -> TextProblems:
        path = Path(self.folder) / "train.parquet"
        problems = files.read(path)
        if self.digest is not None and (found := files.digest(problems)) != self.digest:
            raise SpecError(
                f"{path} has digest {found}, the study's task.digest is {self.digest}: other problems\n"
                f"  next: prepare the data again with the same seed, or correct the digest"
            )
        if size > len(problems):
            raise SpecError(
                f"{path} holds {len(problems)} problems, the study's data asks for {size}\n"
                f"  next: a smaller data.pool, fewer rl.steps or more data.reuse"
            )
        return problems.take(subset(problems.levels_I, size, np.random.default_rng([seed, size])))

    def benchmark(self, name: str, items: int) -> TextProblems:
        problems = files.read(Path(self.folder) / f"{name}.parquet")
        return problems.take(range(min(items, len(problems))))

    def reward(self) -> Reward:
        if self.reward_func is None:
            return MathReward(self.verifier.seconds, self.verifier.memory_mb)
        return rewards.get(self.reward_func)
