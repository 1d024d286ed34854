"""What `rlaw run` says while it works, on stderr: a live table on a terminal, else a line now and then."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rlaw import units
from rlaw.cli import terminal

if TYPE_CHECKING:
    from rich.table import Table

    from rlaw.execution.base import Event
    from rlaw.store import Store
    from rlaw.study.plan import Plan

_LINE_EVERY_SECONDS = 10.0
_ENDED_SHOWN = 6
_ENOUGH_SHARE = 0.03  # of the work, before the pace so far is believed more than the estimate


@dataclass
class RunView:
    """A run as the display sees it: `seconds` is what the engine estimated for all of it."""

    label: str
    steps: int
    seconds: float
    state: str
    step: int = 0
    test_loss: float | None = None
    text: str = ""

    @property
    def share(self) -> float:
        """How much of it is done."""
        return 1.0 if self.state in ("finished", "diverged", "failed", "lost", "refused") else self.step / self.steps

    @property
    def seconds_left(self) -> float:
        """What is left of the estimate."""
        return (1 - self.share) * self.seconds


@dataclass
class Progress:
    """All runs of a plan, brought up to date by events; estimates the remaining time."""

    runs: dict[str, RunView]
    workers: int
    clock: Callable[[], float] = time.monotonic
    stopping: bool = False
    _began: float = field(init=False)
    _done_before: float = field(init=False)

    def __post_init__(self) -> None:
        self._began = self.clock()
        self._done_before = self._done_seconds()

    def note(self, event: "Event") -> None:
        """Bring one run up to date."""
        if event.kind == "stopping":
            self.stopping = True
            return
        if event.kind == "note":
            terminal.note(f"warning: {event.label}: {event.text}")
            return
        run = self.runs[event.label]
        run.step = max(run.step, event.step) if event.kind != "run_started" else event.step
        run.test_loss = event.test_loss if event.test_loss is not None else run.test_loss
        run.text = event.text
        ended = event.kind.removeprefix("run_")
        run.state = "pretraining" if event.kind == "run_started" and event.step == 0 else "running"
        if ended == "moved":
            run.state = "waiting"
        if ended in ("finished", "failed", "interrupted", "lost", "refused"):
            run.state = event.text if event.text == "diverged" else ended

    def _done_seconds(self) -> float:
        return sum(run.seconds - run.seconds_left for run in self.runs.values())

    @property
    def pace(self) -> float:
        """Seconds that pass for each second of the engines' estimates; 1 until enough is done to estimate it."""
        done = self._done_seconds() - self._done_before
        enough = done > _ENOUGH_SHARE * sum(run.seconds for run in self.runs.values())
        return (self.clock() - self._began) * self.workers / done if enough else 1.0

    @property
    def seconds_left(self) -> float:
        """Wall seconds to the end of all runs; 0 when the engines give no estimate."""
        left = [run.seconds_left for run in self.runs.values()]
        return self.pace * max(sum(left) / self.workers, *left)

    def summary(self) -> str:
        """One line: how many are done, how many run, when it ends."""
        states = [run.state for run in self.runs.values()]
        groups = {
            "done": ("finished", "diverged"),
            "running": ("running", "pretraining"),
            "failed": ("failed", "lost", "refused"),
        }
        counts = {name: sum(state in group for state in states) for name, group in groups.items()}
        parts = [f"{counts['done']} of {len(states)} runs done"]
        parts += [f"{counts[name]} {name}" for name in ("running", "failed") if counts[name]]
        left = self.seconds_left
        if self.stopping:
            parts.append("saving; Ctrl-C ends at once")
        return ", ".join(parts) + (f", about {units.duration(left)} left" if left and not self.stopping else "")


@contextmanager
def watching(plan: "Plan", store: "Store", workers: int, quiet: bool) -> Iterator[Callable[["Event"], None]]:
    """Shows progress while the block runs; gives what takes the events."""
    progress = _progress(plan, store, workers)
    if quiet:
        yield progress.note
    elif sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        with _live(progress):
            yield progress.note
    else:
        yield _Lines(progress)


def _progress(plan: "Plan", store: "Store", workers: int) -> Progress:
    from rlaw.execution.runner import estimate

    seconds = estimate(plan)
    states = {status.label: status for status in store.runs()}
    views = {}
    for run in plan:
        status = states[run.label]
        views[run.label] = RunView(
            run.label, run.rl.steps, seconds[run.label], status.state, status.step, status.test_loss
        )
    return Progress(views, workers)


class _Lines:
    """Progress as lines of a log: every start and end, and a summary now and then."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self._printed = progress.clock()

    def __call__(self, event: "Event") -> None:
        self.progress.note(event)
        if event.kind == "stopping":
            terminal.note(self.progress.summary())
            return
        if event.kind == "note":
            return
        run = self.progress.runs[event.label]
        now = self.progress.clock()
        if event.kind in ("step", "evaluated", "base_trained"):
            if now - self._printed < _LINE_EVERY_SECONDS:
                return
            text = f"step {run.step}/{run.steps}"
        else:
            text = event.kind.removeprefix("run_") + (f": {run.text}" if run.text else "")
        loss = f", test loss {run.test_loss:.4f}" if run.test_loss is not None else ""
        terminal.note(f"{run.label}: {text}{loss}; {self.progress.summary()}")
        self._printed = now


@contextmanager
def _live(progress: Progress) -> Iterator[None]:
    from rich.console import Console
    from rich.live import Live

    with Live(get_renderable=lambda: _table(progress), console=Console(stderr=True), refresh_per_second=2):
        yield


def _table(progress: Progress) -> "Table":
    """The running runs and the last that ended; the rest in the summary."""
    from rich.progress_bar import ProgressBar
    from rich.table import Table

    table = Table(box=None, caption=progress.summary(), caption_justify="left", pad_edge=False)
    for heading in ("run", "state", "", "step", "test loss", "left"):
        table.add_column(heading, no_wrap=True)
    views = list(progress.runs.values())
    ended = [run for run in views if run.share == 1.0][-_ENDED_SHOWN:]
    for run in (*ended, *(run for run in views if run.state in ("running", "pretraining"))):
        bar = ProgressBar(total=run.steps, completed=run.step, width=20)
        loss = f"{run.test_loss:.4f}" if run.test_loss is not None else ""
        left = units.duration(progress.pace * run.seconds_left) if run.seconds_left else ""
        table.add_row(terminal.clean(run.label), run.state, bar, f"{run.step}/{run.steps}", loss, left)
    return table
