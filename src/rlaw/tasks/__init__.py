"""Tasks: families of problems with an exact verifier. One file each.

Two faces: an embedded task makes problems of tokens (`Task`), a text task reads problems in words (`TextTask`).
"""

from collections.abc import Mapping
from typing import Any

from rlaw import plugins
from rlaw.errors import EngineError, NotFound
from rlaw.tasks.base import Named, Problems, Task, TextTask
from rlaw.tasks.mathematics import Mathematics
from rlaw.tasks.modular_chains import ModularChains
from rlaw.tasks.problems import TextProblem, TextProblems
from rlaw.tasks.worked_chains import WorkedChains

AnyTask = Task | TextTask
TASKS: dict[str, type[AnyTask]] = {
    "modular-chains": ModularChains,
    "worked-chains": WorkedChains,
    "mathematics": Mathematics,
}


def names() -> tuple[str, ...]:
    """The names of all tasks."""
    return (*TASKS, *plugins.names("tasks"))


def get(name: str) -> type[AnyTask]:
    """The class of a task: a built-in one, one of an installed package, or a reference such as `file.py:Sorting`.

    Raises:
        NotFound: there is none of that name.
    """
    found = TASKS.get(name) or plugins.find("tasks", name, Named)
    if found is None:
        raise NotFound(f"no task is called {name!r}: `name` is one of {', '.join(names())}, or file.py:TASK")
    return found


def of(settings: Mapping[str, Any]) -> AnyTask:
    """The task that the settings name and describe; a pydantic error says what is wrong with them."""
    return get(settings["name"]).model_validate(settings)


def of_tokens(task: AnyTask) -> Task:
    """The task, for an engine that needs problems made of tokens.

    Raises:
        EngineError: its problems are words.
    """
    if isinstance(task, TextTask):
        raise EngineError(
            f"the problems of task {task.name} are words: this engine trains on tokens, with no tokenizer\n"
            f"  next: engine: trl or engine: verl in the study file, or an embedded task such as modular-chains"
        )
    return task


def of_text(task: AnyTask) -> TextTask:
    """The task, for an engine that needs problems in words.

    Raises:
        EngineError: its problems are tokens.
    """
    if isinstance(task, Task):
        raise EngineError(
            f"the problems of task {task.name} are tokens: this engine needs problems in words\n"
            f"  next: engine: local in the study file, or a text task such as mathematics"
        )
    return task


__all__ = [
    "AnyTask",
    "Problems",
    "Task",
    "TextProblem",
    "TextProblems",
    "TextTask",
    "get",
    "names",
    "of",
    "of_text",
    "of_tokens",
]
