"""How many parameters a model has: from its configuration in a log, or from its name."""

import re
from collections.abc import Mapping
from typing import Any

from rlaw.study.presets import LADDERS
from rlaw.study.presets.base import shape_of

_IN_NAME = re.compile(r"(?<![A-Za-z0-9.])(\d+(?:[.p]\d+)?) ?([BbMm])(?![A-Za-z0-9])")
_EXPERTS = re.compile(r"\d+(?:\.\d+)?b[-_]a\d|\d+x\d+(?:\.\d+)?b")
_SCALE = {"b": 1e9, "m": 1e6}


def params_of(config: Mapping[str, Any]) -> float | None:
    """Non-embedding parameters of the model that a configuration describes; None where it lacks a width."""
    try:
        shape = shape_of(config)
    except (KeyError, TypeError, ZeroDivisionError):
        return None
    return None if shape is None else float(shape.params)


def params_of_name(model: str) -> tuple[float, str] | None:
    """Parameters of a model by its name, and where they are from; None for a name that holds no size.

    A published model of the presets has its non-embedding parameters; of any other name it is the size that it holds,
    such as 7B in `my-7B-sft`, which counts all parameters. A name with two sizes (a mixture of experts, `30B-A3B`)
    tells neither.
    """
    name = model.rstrip("/").rpartition("/")[2].casefold()
    for ladder in LADDERS.values():
        for size in ladder.sizes.values():
            if name in (checkpoint.rpartition("/")[2].casefold() for checkpoint in size.checkpoints.values()):
                return float(size.architecture.params), "the published architecture of that model"
    if _EXPERTS.search(name):
        return None
    found = {(number, unit.lower()) for number, unit in _IN_NAME.findall(model.rstrip("/").rpartition("/")[2])}
    if len(found) != 1:
        return None
    number, unit = found.pop()
    return float(number.replace("p", ".")) * _SCALE[unit], "the size in the model's name"
