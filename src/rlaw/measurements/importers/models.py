"""How many parameters a model has: from its configuration in a log, or from its name."""

import re
from collections.abc import Mapping
from typing import Any

from rlaw.measurements.sizes import sizes_in
from rlaw.study.presets import size_named
from rlaw.study.presets.base import shape_of

_EXPERTS = re.compile(r"\d+(?:\.\d+)?b[-_]a\d|\d+x\d+(?:\.\d+)?b", re.IGNORECASE)


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
    gives neither.
    """
    published = size_named(model)
    if published is not None:
        return float(published.architecture.params), "the published architecture of that model"
    name = model.rstrip("/").rpartition("/")[2]
    sizes = set() if _EXPERTS.search(name) else set(sizes_in(name))
    return (sizes.pop(), "the size in the model's name") if len(sizes) == 1 else None
