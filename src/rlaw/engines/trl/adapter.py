"""A task in the form that TRL takes: prompts to tokenize, answers to grade. One class per kind of task.

Axes: I problems, T completion tokens.
"""

# pyright: reportMissingImports=false, reportMissingModuleSource=false

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from rlaw.engines.data import benchmark_texts, check_lengths, distinct_so_far, prompt_ids, training_data, training_texts
from rlaw.errors import EngineError
from rlaw.study.plan import Run
from rlaw.tasks import Task, TextTask

END = "<end>"


class TaskAdapter(Protocol):
    """The tokenizer of a run, and its task's problems in that tokenizer's tokens."""

    tokenizer: Any

    def prompts(self, problems: Any) -> list[Any]:
        """The dataset's `prompt` column: texts, or messages."""
        ...

    def ids(self, problems: Any) -> list[list[int]]:
        """The prompts' tokens, as TRL itself would make them."""
        ...

    def grade(self, problems: Any, completions: Sequence[Sequence[int]]) -> np.ndarray:
        """(I,) float32 rewards of one answer to each problem, end token included where there is one."""
        ...

    def ended(self, completion: Sequence[int]) -> bool:
        """Whether an answer came to its end, rather than to its longest allowed length."""
        ...

    def training(self, run: Run) -> tuple[Any, np.ndarray]:
        """The problems of all steps in order, and (I,) how many distinct ones have been met after each."""
        ...


class TokenAdapter:
    """An embedded task: one token a word, prompts and answers of fixed layout.

    TRL wants an end and a padding token. Where the task has none, the end is one beyond the vocabulary, which no model
    can draw, and nothing is ever padded.
    """

    def __init__(self, task: Task, checkpoint: str) -> None:
        from transformers import PreTrainedTokenizerFast

        self.task = task
        self.tokenizer = PreTrainedTokenizerFast.from_pretrained(checkpoint, padding_side="left")
        if task.end_token is None:
            self.tokenizer.add_special_tokens({"eos_token": END})
            self.tokenizer.pad_token = task.vocabulary[0]  # it must be one that the model has

    def prompts(self, problems: Any) -> list[Any]:
        """Words separated by spaces."""
        words = self.task.vocabulary
        return [" ".join(words[token] for token in prompt) for prompt in problems.prompts_IP.tolist()]

    def ids(self, problems: Any) -> list[list[int]]:
        """The tokens that the task made."""
        return problems.prompts_IP.tolist()

    def grade(self, problems: Any, completions: Sequence[Sequence[int]]) -> np.ndarray:
        """Rewards by the task's verifier."""
        completions_IT = np.full((len(completions), self.task.completion_tokens), self.task.end_token or 0, np.int32)
        for row, completion in zip(completions_IT, completions, strict=True):
            row[: len(completion)] = completion
        return self.task.grade(problems, completions_IT)

    def ended(self, completion: Sequence[int]) -> bool:
        """Always, where every answer fills its length."""
        return self.task.end_token in (None, completion[-1])

    def training(self, run: Run) -> tuple[Any, np.ndarray]:
        """What the local engine trains on, in its order."""
        data = training_data(run)
        return data.problems, data.distinct_I


class TextAdapter:
    """A task in words, with the checkpoint's own tokenizer and chat template."""

    def __init__(self, task: TextTask, checkpoint: str, revision: str | None) -> None:
        from transformers import AutoTokenizer

        self.task, self.reward = task, task.reward()
        self.tokenizer = AutoTokenizer.from_pretrained(checkpoint, revision=revision or "main", padding_side="left")
        if self.tokenizer.chat_template is None:
            raise EngineError(
                f"the tokenizer of {checkpoint} has no chat template, and task {task.name} asks in messages\n"
                f"  next: a checkpoint with a template, or a copy of it to whose tokenizer one was added"
            )
        if self.tokenizer.pad_token_id is None:
            self.tokenizer.pad_token = self.tokenizer.eos_token

    def prompts(self, problems: Any) -> list[Any]:
        """Messages; TRL applies the template."""
        return [problem.messages for problem in problems]

    def ids(self, problems: Any) -> list[list[int]]:
        """The messages through the template, up to where the answer begins."""
        return [prompt_ids(self.tokenizer, messages) for messages in self.prompts(problems)]

    def grade(self, problems: Any, completions: Sequence[Sequence[int]]) -> np.ndarray:
        """Rewards of the answers' text."""
        texts = self.tokenizer.batch_decode(completions, skip_special_tokens=True)
        grades = self.reward.grade(texts, [problem.ground_truth for problem in problems])
        return np.array([grade.score for grade in grades], np.float32)

    def ended(self, completion: Sequence[int]) -> bool:
        """The last token is the end token."""
        return completion[-1] == self.tokenizer.eos_token_id

    def training(self, run: Run) -> tuple[Any, np.ndarray]:
        """The task's pool, laid out as the study's data say.

        Raises:
            EngineError: a prompt, of training or of a benchmark, is longer than the study allows.
        """
        problems = training_texts(run)
        check_lengths(run, (problems, *benchmark_texts(run).values()), self.tokenizer)
        return problems, distinct_so_far(problem.prompt for problem in problems)


def task_adapter(run: Run, checkpoint: str, revision: str | None = None) -> TaskAdapter:
    """The run's task, with the tokenizer of the checkpoint that it starts from."""
    if isinstance(run.task, TextTask):
        return TextAdapter(run.task, checkpoint, revision)
    return TokenAdapter(run.task, checkpoint)
