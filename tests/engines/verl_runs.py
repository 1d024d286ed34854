"""Runs for the veRL engine: a preset's size, and a few problems of arithmetic in files."""

from pathlib import Path
from typing import Any

from rlaw.study.plan import Plan, plan
from rlaw.study.study import Study
from rlaw.tasks.problems import TextProblem, files
from rlaw.tasks.problems.base import prompt_of

RESOURCES = {"gpus": 2, "tensor_parallel": 1, "micro_batch": 2}


def problems(count: int, first: int = 0) -> list[TextProblem]:
    """Sums, each harder than the one before."""
    return [
        TextProblem((("user", prompt_of(f"What is {n} + {n}?")),), str(2 * n), "sums", n / 1000, n)
        for n in range(first, first + count)
    ]


def write_problems(folder: Path, *, train: int = 16, held_out: int = 3, gsm8k: int = 2) -> Path:
    """Training problems and two benchmarks, in veRL's layout."""
    folder.mkdir(exist_ok=True)
    for name, made in (
        ("train", problems(train)),
        ("held-out", problems(held_out, 100)),
        ("gsm8k", problems(gsm8k, 200)),
    ):
        files.write(folder / f"{name}.parquet", made, name)
    return folder


def study(folder: Path, **changes: Any) -> dict[str, Any]:
    """Four steps of four prompts on Qwen2.5-0.5B; `changes` replace sections."""
    size = {"name": "0.5B", "checkpoint": "Qwen/Qwen2.5-0.5B", "resources": RESOURCES}
    return {
        "name": "sums",
        "model": {"ladder": [size]},
        "task": {"name": "mathematics", "folder": str(folder), "max_prompt_length": 128, "max_completion_length": 64},
        "rl": {"steps": 4, "prompts": 4, "num_generations": 4, "minibatches": 2, "beta": 0.001, "learning_rate": 1e-6},
        "data": {"order": "curriculum"},
        "evaluation": {"benchmarks": ["held-out", "gsm8k"], "items": 3, "samples": 2, "at": {"every": 2}},
        "engine": "verl",
        "fit": {"laws": ["power"]},
        **changes,
    }


def planned(folder: Path, **changes: Any) -> Plan:
    """The plan of such a study."""
    return plan(Study.model_validate(study(folder, **changes)))
