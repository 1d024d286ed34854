"""What a log holds, in its trainer's own names, and the runs that are read from it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import polars as pl

from rlaw.measurements.raw import Note

State = Literal["finished", "cut", "failed"]


@dataclass(frozen=True)
class Facts:
    """What a log says of its run beside its entries.

    Attributes:
        model: the name that the log gives it.
        params: non-embedding parameters, counted from the architecture that the log prints.
        planned_steps: how many there would be.
        prompts: of a step.
        group_size: answers to a prompt.
        items: problems of a benchmark; under "" those of any other.
        finished: whether the log says so.
        cut: whether the log would say how the run ended, and does not.
        cause: of a failure, as the log names it.
        settings: of the run, as far as the log or a file beside it has them; kept in a store on request alone.
    """

    model: str | None = None
    params: float | None = None
    planned_steps: int | None = None
    prompts: int | None = None
    group_size: int | None = None
    items: dict[str, int] = field(default_factory=dict)
    finished: bool = False
    cut: bool = False
    cause: str | None = None
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class RunLog:
    """The entries of one run as they were logged.

    Attributes:
        name: of the run.
        entries: a row for each entry, in the order of the log; `step` and the trainer's own names, numbers as such.
        facts: what else the log says.
        left: names that were let go, since the log is large and they mean nothing here.
    """

    name: str
    entries: pl.DataFrame
    facts: Facts = field(default_factory=Facts)
    left: tuple[str, ...] = ()


@dataclass(frozen=True)
class Log:
    """One file or folder as read.

    Attributes:
        format: of the file, such as "verl-console".
        trainer: that wrote it; "" when its names are nobody's.
        dropped: entries that could not be read, by reason.
    """

    path: Path
    format: str
    trainer: str
    runs: tuple[RunLog, ...]
    dropped: dict[str, int] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True)
class ImportedRun:
    """One run in rlaw's names.

    Attributes:
        steps: a row for each training entry of the last lineage: step, reward_mean and what else is known.
        evaluations: a row for each held-out score of the last lineage, as the table of measurements has them.
        earlier: entries of attempts that a later one replaced, with the column `attempt`.
        params_from: where the number of parameters is from.
        prompts, group_size: of a step, where the log says.
        attempts: how often the run was started.
        lag: updates of the weights behind a training reward, fewer than its step.
        dropped: entries that are no rows of `steps` or `evaluations`, by reason.
        unknown: names of the log that have no meaning here.
        settings: of the run, as `Facts.settings`.
    """

    name: str
    model: str | None
    params: float | None
    params_from: str
    prompts: int | None
    group_size: int | None
    steps: pl.DataFrame
    evaluations: pl.DataFrame
    earlier: pl.DataFrame
    tokens: int | None
    attempts: int
    state: State
    cause: str | None
    lag: int
    dropped: dict[str, int]
    unknown: tuple[str, ...]
    settings: dict[str, Any] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()
