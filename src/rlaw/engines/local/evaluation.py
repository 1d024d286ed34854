"""Measuring the policy: every item of every benchmark answered several times, right answers counted per item."""

from collections.abc import Iterator

from rlaw.engines.clock import Clock
from rlaw.engines.local.rollout import answer, grade
from rlaw.engines.local.state import Position
from rlaw.store.records import Evaluated
from rlaw.study.compute import FACTORS, accounted_flops
from rlaw.study.plan import Run
from rlaw.tasks import of_tokens


class Evaluations:
    """The benchmarks of a run, and when they are asked."""

    def __init__(self, run: Run, attempt: int) -> None:
        self.run, self.attempt = run, attempt
        self.schedule = frozenset(run.evaluation.schedule(run.rl.steps))
        self.task, items = of_tokens(run.task), run.evaluation.items
        self.benchmarks = {name: self.task.benchmark(name, items) for name in run.evaluation.benchmarks}

    def of(self, at: Position) -> Iterator[Evaluated]:
        """The evaluations of a position, one per benchmark; none when its step is not in the schedule."""
        if at.step in self.schedule:
            for benchmark in self.benchmarks:
                yield self._one(at, benchmark)

    def _one(self, at: Position, benchmark: str) -> Evaluated:
        run, evaluation, problems, clock = self.run, self.run.evaluation, self.benchmarks[benchmark], Clock()
        purpose = f"evaluation {benchmark}"
        with clock("evaluation"):
            rollout = answer(
                run, at.policy.params, problems, evaluation.samples, evaluation.temperature, purpose, at.step
            )
            correct_I = grade(self.task, problems, rollout).sum(axis=1).astype(int)
        named = {name: accounted_flops(name, run.params, at.tokens) for name in FACTORS}
        return Evaluated(
            run=run.id,
            attempt=self.attempt,
            step=at.step,
            benchmark=benchmark,
            items=evaluation.items,
            samples=evaluation.samples,
            correct=correct_I.tolist(),
            test_loss=1 - correct_I.sum().item() / (evaluation.items * evaluation.samples),
            response_length=rollout.response_length,
            truncated_share=rollout.truncated_share,
            data_size=at.step * run.rl.prompts,
            tokens=at.tokens,
            compute_flops=named | {"exact": float(at.flops)},
            domain=run.task.domain(benchmark),
            seconds=clock.seconds,
        )
