"""Presets: ladders of published models, one family in each file; and whole studies, a YAML file each."""

from contextlib import AbstractContextManager
from importlib import resources
from pathlib import Path
from typing import Any

from rlaw import plugins
from rlaw.study.presets import llama3, qwen3, qwen25
from rlaw.study.presets.base import FAMILIES, Ladder, PublishedSize, shape_in

LADDERS: dict[str, Ladder] = {"qwen2.5-math": qwen25.LADDER, "qwen3": qwen3.LADDER, "llama3": llama3.LADDER}

STUDIES = ("qwen2.5-math",)


def study_file(name: str) -> AbstractContextManager[Path]:
    """The study file of a preset."""
    return resources.as_file(resources.files(__name__) / f"{name}.yaml")


def size_of(checkpoint: str) -> PublishedSize | None:
    """The published size that a Hugging Face id (a revision may follow @) is the weights of."""
    name = checkpoint.partition("@")[0]
    sizes = (size for ladder in LADDERS.values() for size in ladder.sizes.values())
    return next((size for size in sizes if name in size.checkpoints.values()), None)


def size_named(model: str) -> PublishedSize | None:
    """The published size of that name, in any letter case, with or without its organisation and a revision after @."""
    name = model.partition("@")[0].rstrip("/").rpartition("/")[2].casefold()
    sizes = (size for ladder in LADDERS.values() for size in ladder.sizes.values())
    return next((s for s in sizes if name in (c.rpartition("/")[2].casefold() for c in s.checkpoints.values())), None)


def resolve(model: dict[str, Any]) -> dict[str, Any]:
    """A study's `model` section with its `preset` written out: `{preset: qwen3, sizes: [8B, 14B]}`.

    Raises:
        ValueError: no such preset or size, or a ladder beside it.
    """
    from rlaw.study.recipe import placed  # pydantic and numpy: not for `rlaw --help`

    rest = {key: value for key, value in model.items() if key not in ("preset", "sizes")}
    if "preset" not in model:
        return model
    if "ladder" in rest or "family" in rest:
        raise ValueError("preset names the family and its ladder: leave `ladder` and `family` out, or preset")
    name = str(model["preset"])
    with placed():
        ladder = LADDERS.get(name) or plugins.find("ladders", name, Ladder)
    if ladder is None:
        there = ", ".join((*LADDERS, *plugins.names("ladders")))
        raise ValueError(f"no preset is called {name!r}: there are {there}, or file.py:LADDER")
    sizes = model.get("sizes", list(ladder.sizes))
    if not isinstance(sizes, list) or any(size not in ladder.sizes for size in sizes):
        raise ValueError(f"sizes is a list of {', '.join(ladder.sizes)} (it says {sizes!r})")
    return {**rest, "family": ladder.family, "ladder": [r for r in ladder.entries() if r["name"] in sizes]}


__all__ = ["FAMILIES", "LADDERS", "STUDIES", "Ladder", "PublishedSize", "resolve", "shape_in", "size_of", "study_file"]
