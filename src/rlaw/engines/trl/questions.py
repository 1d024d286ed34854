"""A task as TRL meets it: prompts to tokenize, answers to grade. One class per face of a task.

Axes: I problems, T completion tokens.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from rlaw.errors import EngineError
from rlaw.plan import Run
from rlaw.tasks import Task, TextTask, of_text, of_tokens

END = "<end>"


class Questions(Protocol):
    """The tokenizer of a run, and its task's problems in that tokenizer's words."""

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


class TokenQuestions:
    """An embedded task: one token a word, prompts and answers of fixed layout.

    TRL wants an end token. Where the task has none, it gets one beyond the vocabulary, which no model can draw.
    """

    def __init__(self, task: Task, checkpoint: Path) -> None:
        from transformers import PreTrainedTokenizerFast

        self.task = task
        self.tokenizer = PreTrainedTokenizerFast.from_pretrained(checkpoint, padding_side="left")
        if self.tokenizer.eos_token_id is None:
            self.tokenizer.add_special_tokens({"eos_token": END})
        self.tokenizer.pad_token = self.tokenizer.eos_token

    def prompts(self, problems: Any) -> list[Any]:
        """Words parted by spaces."""
        words = self.task.vocabulary
        return [" ".join(words[token] for token in prompt) for prompt in problems.prompts_IP.tolist()]

    def ids(self, problems: Any) -> list[list[int]]:
        """The tokens that the task made."""
        return problems.prompts_IP.tolist()

    def grade(self, problems: Any, completions: Sequence[Sequence[int]]) -> np.ndarray:
        """What the task's verifier says."""
        completions_IT = np.full((len(completions), self.task.completion_tokens), self._fill, np.int32)
        for row, completion in zip(completions_IT, completions, strict=True):
            row[: len(completion)] = completion
        return self.task.grade(problems, completions_IT)

    def ended(self, completion: Sequence[int]) -> bool:
        """Always, where every answer fills its length."""
        return self._end is None or completion[-1] == self._end

    @property
    def _end(self) -> int | None:
        return getattr(self.task, "end_token", None)

    @property
    def _fill(self) -> int:
        return 0 if self._end is None else self._end


class TextQuestions:
    """A task in words, with the checkpoint's own tokenizer and chat template."""

    def __init__(self, task: TextTask, checkpoint: str) -> None:
        from transformers import AutoTokenizer

        name, _, revision = checkpoint.partition("@")
        self.task, self.reward = task, task.reward()
        self.tokenizer = AutoTokenizer.from_pretrained(name, revision=revision or None, padding_side="left")
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
        """The messages through the template, with the mark that the answer begins."""
        told = [
            self.tokenizer.apply_chat_template(prompt, add_generation_prompt=True, tokenize=True, return_dict=True)
            for prompt in self.prompts(problems)
        ]
        return [one["input_ids"] for one in told]

    def grade(self, problems: Any, completions: Sequence[Sequence[int]]) -> np.ndarray:
        """What the task's reward says of the answers' text."""
        texts = self.tokenizer.batch_decode(completions, skip_special_tokens=True)
        grades = self.reward.grade(texts, [problem.ground_truth for problem in problems])
        return np.array([grade.score for grade in grades], np.float32)

    def ended(self, completion: Sequence[int]) -> bool:
        """The last token is the end token."""
        return completion[-1] == self.tokenizer.eos_token_id


def questions(run: Run, checkpoint: str | Path) -> Questions:
    """The run's task, with the tokenizer of the checkpoint that it starts from."""
    if isinstance(run.task, TextTask):
        return TextQuestions(of_text(run.task), str(checkpoint))
    return TokenQuestions(of_tokens(run.task), Path(checkpoint))
