"""Importers: foreign logs become one table. One file each; users register theirs (docs/extend.md)."""

from pathlib import Path

from rlaw import plugins
from rlaw.measurements.importers.base import Importer

__all__ = ["FORMATS", "Importer", "choose", "get"]

#: formats of logs that come with rlaw (`logs.FORMATS`, by name)
FORMATS = (
    *("wandb", "mlflow-files", "mlflow", "tensorboard", "trainer-state", "inspect", "lm-eval"),
    *("opencompass", "verifiers", "metrics-csv", "metrics-jsonl", "verl-console", "console", "pairs"),
)


def get(name: str) -> Importer:
    """An importer by its registered name or a reference such as `file.py:IMPORTER`; a class is called.

    Raises:
        NotFound: there is none of that name.
        UsageError: it is no importer.
    """
    return plugins.make("importers", name, Importer, ("auto", *FORMATS))


def choose(path: Path) -> Importer | None:
    """The first registered importer that recognises a file or folder; None when none does."""
    return next((one for one in map(get, plugins.names("importers")) if one.recognises(path)), None)
