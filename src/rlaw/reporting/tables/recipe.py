"""The hyper-parameters of a study: the paper's Table 2."""

from typing import Any

from rlaw.analysis.evidence import Evidence
from rlaw.errors import DataError
from rlaw.reporting.tables.base import Table

_SECTIONS = ("model", "task", "rl", "data", "evaluation", "fit")


def recipe(evidence: Evidence) -> Table:
    """Every setting that the runs were made with, as the study resolved it."""
    if evidence.store is None:
        raise DataError("the source is a table without the recipe")
    study = evidence.store.study.model_dump(mode="json")
    study["model"]["ladder"] = [size["name"] for size in study["model"]["ladder"]]
    rows = [(section, *line) for section in _SECTIONS for line in _lines(study[section])]
    rows += [("", *line) for line in _lines({"seeds": study["seeds"], "engine": study["engine"]["name"]})]
    for arm in study["arms"]:
        changes = [f"{part} {key} {value}" for part in ("rl", "data", "evaluation") for key, value in _lines(arm[part])]
        rows.append(("arm", arm["name"], "; ".join(changes) or "other sizes, variants or seeds alone"))
    caption = "Hyper-parameters (cf. Table 2), defaults included; arms change what they name."
    return Table("recipe", caption, ("section", "setting", "value"), tuple(rows))


def _lines(settings: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Settings with their values, those of sections within under dotted names."""
    found: list[tuple[str, str]] = []
    for name, value in settings.items():
        if isinstance(value, dict):
            found += _lines(value, f"{prefix}{name}.")
        elif isinstance(value, list):
            found.append((prefix + name, ", ".join(map(str, value))))
        elif value is not None:
            found.append((prefix + name, f"{value:g}" if isinstance(value, float) else str(value)))
    return found
