"""Importers: foreign logs become one table. One file each; users register theirs (docs/extend.md)."""

from pathlib import Path

from rlaw import plugins
from rlaw.measurements.importers.base import Importer, LogFormat

__all__ = ["FORMATS", "Importer", "LogFormat", "choose", "get", "registered"]

#: formats of logs that come with rlaw (`logs.FORMATS`, by name)
FORMATS = (
    *("wandb", "mlflow-files", "mlflow", "tensorboard", "trainer-state", "inspect", "lm-eval"),
    *("opencompass", "verifiers", "metrics-csv", "metrics-jsonl", "verl-console", "console", "pairs"),
)


def get(name: str) -> Importer | LogFormat:
    """An importer by its registered name or a reference such as `file.py:IMPORTER`; a class is called.

    Raises:
        NotFound: there is none of that name.
        UsageError: it is no importer.
    """
    return plugins.make("importers", name, (Importer, LogFormat), ("auto", *FORMATS))


def registered() -> tuple[Importer | LogFormat, ...]:
    """The importers that installed packages register, by name."""
    return tuple(map(get, plugins.names("importers")))


def choose(path: Path) -> Importer | LogFormat | None:
    """The first registered importer that recognises a file or folder; None when none does."""
    return next((one for one in registered() if one.recognises(path)), None)
