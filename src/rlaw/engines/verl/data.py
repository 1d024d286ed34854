"""What veRL trains and validates on: Parquet files in its layout, in the study's order."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rlaw.engines.data import schedule
from rlaw.engines.verl.paths import Paths
from rlaw.errors import EngineError
from rlaw.files import make_folder, write_atomically
from rlaw.study.plan import Run
from rlaw.tasks import of_text
from rlaw.tasks.problems import TextProblem, TextProblems


def problems(run: Run) -> TextProblems:
    """The problems of a whole run, in the order they are met: `reuse` passes over the pool."""
    whole = of_text(run.task).pool(run.data.pool_size(run.rl) * run.data.reuse, run.seed)
    return whole.take(schedule(run, whole.levels_I))


def distinct(met: TextProblems) -> list[int]:
    """How many distinct problems are among the first 1, 2, … of them."""
    seen: set[tuple[tuple[str, str], ...]] = set()
    counts = []
    for problem in met:
        seen.add(problem.prompt)
        counts.append(len(seen))
    return counts


def write(run: Run, paths: Paths, met: TextProblems) -> None:
    """Write both files and the task's settings; what an earlier attempt wrote is written again, the same."""
    make_folder(paths.run)
    asked = [
        (name, index, problem)
        for name in run.evaluation.benchmarks
        for index, problem in enumerate(of_text(run.task).benchmark(name, run.evaluation.items))
    ]
    _parquet(paths.train, [_row(problem, "train", index) for index, problem in enumerate(met)])
    _parquet(paths.validation, [_row(problem, name, index) for name, index, problem in asked])
    write_atomically(paths.task, json.dumps(run.task.model_dump(mode="json")).encode())


def check_lengths(run: Run, groups: Sequence[TextProblems], tokenizer: Any) -> None:
    """Refuse prompts longer than the study allows: veRL would end in the middle of the run.

    Raises:
        EngineError: how many there are, and the longest.
    """
    most = run.task.prompt_tokens
    prompts = {problem.prompt: problem.messages for group in groups for problem in group}
    lengths = [len(_ids(tokenizer, messages)) for messages in prompts.values()]
    if long := [length for length in lengths if length > most]:
        raise EngineError(
            f"{len(long)} of {len(lengths)} prompts are longer than {most} tokens, the longest has {max(long)}\n"
            f"  run:  {run.label}\n"
            f"  next: a larger task.max_prompt_length, or leave these problems out of the files"
        )


def _ids(tokenizer: Any, messages: list[dict[str, str]]) -> Sequence[int]:
    told = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=True, return_dict=True)
    return told["input_ids"]


def _row(problem: TextProblem, split: str, index: int) -> dict[str, Any]:
    return {
        "data_source": problem.source,
        "prompt": problem.messages,
        "ability": "math",
        "reward_model": {"style": "rule", "ground_truth": problem.ground_truth},
        "extra_info": {"split": split, "index": index},
    }


def _parquet(path: Path, rows: list[dict[str, Any]]) -> None:
    import polars as pl

    aside = path.with_suffix(".tmp")
    pl.DataFrame(rows).write_parquet(aside)
    aside.replace(path)
