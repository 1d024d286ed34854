"""Measuring TRL's policy as every engine measures: every item of every benchmark answered several times."""

# pyright: reportMissingImports=false, reportMissingModuleSource=false

from typing import Any

import numpy as np
import torch

from rlaw.engines.clock import Clock
from rlaw.engines.progress import Progress
from rlaw.engines.rng import generator
from rlaw.engines.trl.adapter import Questions
from rlaw.store.records import Evaluated
from rlaw.study.compute import FACTORS, accounted_flops
from rlaw.study.plan import Run

AT_ONCE = 4  # micro-batches drawn at once: there are no activations to keep


def seed_of(run: Run, purpose: str, step: int) -> int:
    """Seed of torch's generator for one purpose at one step, so that nothing random depends on where a run resumed."""
    return int(generator(run.seed, purpose, step).integers(1 << 63))


class Evaluations:
    """The benchmarks of a run, and when they are asked."""

    def __init__(self, run: Run, attempt: int, questions: Questions) -> None:
        self.run, self.attempt, self.questions = run, attempt, questions
        self.schedule = frozenset(run.evaluation.schedule(run.rl.steps))
        self.benchmarks = {name: run.task.benchmark(name, run.evaluation.items) for name in run.evaluation.benchmarks}

    def of(self, at: Progress, model: Any) -> list[Evaluated]:
        """The evaluations of a position, one per benchmark; none when its step is not in the schedule."""
        names = self.benchmarks if at.step in self.schedule else ()
        return [self._one(at, model, name) for name in names]

    def _one(self, at: Progress, model: Any, benchmark: str) -> Evaluated:
        run, problems, clock = self.run, self.benchmarks[benchmark], Clock()
        samples, items = run.evaluation.samples, len(problems)
        with clock("evaluation"), torch.random.fork_rng():
            torch.manual_seed(seed_of(run, f"evaluation {benchmark}", at.step))
            completions = self._answer(model, self.questions.ids(problems))
            asked = problems.take(np.repeat(np.arange(items), samples))
            correct_I = self.questions.grade(asked, completions).reshape(items, samples).sum(axis=1).astype(int)
        lengths = [len(completion) for completion in completions]
        named = {name: accounted_flops(name, run.params, at.tokens) for name in FACTORS}
        return Evaluated(
            run=run.id,
            attempt=self.attempt,
            step=at.step,
            benchmark=benchmark,
            items=items,
            samples=samples,
            correct=correct_I.tolist(),
            test_loss=1 - correct_I.sum().item() / (items * samples),
            response_length=sum(lengths) / len(lengths),
            truncated_share=1 - sum(map(self.questions.ended, completions)) / len(completions),
            data_size=at.step * run.rl.prompts,
            tokens=at.tokens,
            compute_flops=named | {"exact": float(at.flops)},
            domain=run.task.domain(benchmark),
            seconds=clock.seconds,
        )

    def _answer(self, model: Any, prompts: list[list[int]]) -> list[list[int]]:
        """`samples` answers to each prompt, its answers side by side, cut after their end token."""
        training, completions = model.training, []
        at_once = max(1, AT_ONCE * self.run.micro_batch // self.run.evaluation.samples)
        model.eval()
        try:
            for first in range(0, len(prompts), at_once):
                completions += self._draw(model, prompts[first : first + at_once])
        finally:
            model.train(training)
        return completions

    @torch.no_grad()
    def _draw(self, model: Any, prompts: list[list[int]]) -> list[list[int]]:
        from transformers import GenerationConfig

        tokenizer, evaluation = self.questions.tokenizer, self.run.evaluation
        padded = tokenizer.pad({"input_ids": prompts}, return_tensors="pt").to(model.device)
        sampling = GenerationConfig(
            do_sample=True,
            temperature=evaluation.temperature,
            top_k=0,
            top_p=1.0,
            num_return_sequences=evaluation.samples,
            max_new_tokens=self.run.task.completion_tokens,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
            disable_compile=True,
        )
        drawn = model.generate(**padded, generation_config=sampling)[:, padded["input_ids"].shape[1] :]
        return [_to_the_end(answer, tokenizer.eos_token_id) for answer in drawn.tolist()]


def _to_the_end(answer: list[int], end: int) -> list[int]:
    return answer[: answer.index(end) + 1] if end in answer else answer
