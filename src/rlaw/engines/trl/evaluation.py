"""Measuring TRL's policy as every engine measures: every item of every benchmark answered several times."""

# pyright: reportMissingImports=false, reportMissingModuleSource=false

from typing import Any

import numpy as np
import torch

from rlaw.engines import base
from rlaw.engines.base import Measured
from rlaw.engines.rng import generator
from rlaw.engines.trl.adapter import TaskAdapter
from rlaw.study.plan import Run

AT_ONCE = 4  # micro-batches drawn at once: there are no activations to keep


def seed_of(run: Run, purpose: str, step: int) -> int:
    """Seed of torch's generator for one purpose at one step, so that nothing random depends on where a run resumed."""
    return int(generator(run.seed, purpose, step).integers(1 << 63))


class Evaluations(base.Evaluations):
    """Those of TRL's model."""

    def __init__(self, run: Run, attempt: int, adapter: TaskAdapter) -> None:
        super().__init__(run, attempt)
        self.adapter = adapter

    def measure(self, step: int, model: Any, benchmark: str, problems: Any) -> Measured:
        """Answer by `model`, its random numbers those of this step and benchmark alone."""
        samples, items = self.run.evaluation.samples, len(problems)
        with torch.random.fork_rng():
            torch.manual_seed(seed_of(self.run, f"evaluation {benchmark}", step))
            completions = self._answer(model, self.adapter.ids(problems))
        repeated = problems.take(np.repeat(np.arange(items), samples))
        correct_I = self.adapter.grade(repeated, completions).reshape(items, samples).sum(axis=1)
        lengths = [len(completion) for completion in completions]
        truncated_share = 1 - sum(map(self.adapter.ended, completions)) / len(completions)
        return Measured(correct_I, sum(lengths) / len(lengths), truncated_share)

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

        tokenizer, evaluation = self.adapter.tokenizer, self.run.evaluation
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
        end = tokenizer.eos_token_id
        return [answer[: answer.index(end) + 1] if end in answer else answer for answer in drawn.tolist()]
