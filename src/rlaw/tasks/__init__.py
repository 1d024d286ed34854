"""Tasks: families of problems with an exact verifier. One file each."""

from collections.abc import Mapping
from typing import Any

from rlaw.tasks.base import Problems, Task
from rlaw.tasks.modular_chains import ModularChains

TASKS: dict[str, type[Task]] = {"modular-chains": ModularChains}


def names() -> tuple[str, ...]:
    """The names of all tasks."""
    return tuple(TASKS)


def of(settings: Mapping[str, Any]) -> Task:
    """The task that the settings name and describe; a pydantic error tells what is wrong with them."""
    return TASKS[settings["name"]].model_validate(settings)


__all__ = ["Problems", "Task", "names", "of"]
