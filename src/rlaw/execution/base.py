"""What every executor is: it makes attempts at runs somewhere else, and reports what happens there."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from rlaw.errors import NotFound
from rlaw.store import Store
from rlaw.study.plan import Run

#: the process ended without an event: killed, out of memory, a crash below Python
LOST = "lost"
#: the store could not be read or written, so that not even the failure could be recorded
REFUSED = "refused"
#: the runner asked all workers to save and end; of no run in particular
STOPPING = "stopping"
#: the node was lost, or the run was silent for too long: it is started again, and nothing ends
MOVED = "run_moved"
#: something a person should know, named in `text`; the run goes on
NOTE = "note"
#: kinds of events after which nothing more comes from a run
ENDS = ("run_finished", "run_failed", "run_interrupted", LOST, REFUSED)
#: from the signal to stop to the hard end of a worker; the engine saves within it
GRACE_SECONDS = 3.0
#: how long a worker looks for a store that its driver has made: other machines can see new names late
VISIBLE_SECONDS = 5.0
_LOOK_SECONDS = 0.2
#: exit code of a worker whose engine was not done within the grace
OUT_OF_TIME = 75
SAID_CHARACTERS = 500  # of a lost worker's last words that an event has


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt to make: the run, the store that keeps it, and the command it is made for."""

    run: Run
    store: Path
    argv: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Needs:
    """What a run's worker takes of each node it is on, for as long as the run lasts."""

    cpus: int = 1
    gpus: int = 0
    nodes: int = 1

    def __str__(self) -> str:
        return f"{self.cpus} CPU{'s' * (self.cpus != 1)} and {self.gpus} GPU{'s' * (self.gpus != 1)}"


def needs(run: Run) -> Needs:
    """What the size declares. Of a run on veRL only the driver is placed here: it asks Ray for its GPUs itself."""
    resources = run.resources
    if run.engine.name == "verl":
        return Needs(resources.cpus)
    return Needs(resources.cpus, min(resources.gpus, resources.gpus_per_node), resources.nodes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something happened in a run.

    Attributes:
        label: of the run; empty for STOPPING.
        kind: of the record that was kept just now, or LOST, REFUSED, MOVED, NOTE or STOPPING; also `run_interrupted`,
            without a record, when the engine was not done within the grace.
        step: RL steps done.
        test_loss: of an evaluation.
        benchmark: of an evaluation.
        text: of a failure or a note, what and why.
    """

    label: str
    kind: str
    step: int = 0
    test_loss: float | None = None
    benchmark: str = ""
    text: str = ""


def open_store(path: Path, digest: str = "") -> Store:
    """The store that the driver has made, as soon as this machine sees it.

    Args:
        path: of the store.
        digest: of the study that it must keep by now; "": of any. What is kept after VISIBLE_SECONDS is given all the
            same.

    Raises:
        NotFound: there is none after VISIBLE_SECONDS.
        StoreError: it is damaged, or of a newer rlaw.
    """
    deadline = time.monotonic() + VISIBLE_SECONDS
    while True:
        late = time.monotonic() > deadline
        try:
            store = Store.open(path)
        except NotFound:
            if late:
                raise
        else:
            if late or digest in ("", store.digest):
                return store
        time.sleep(_LOOK_SECONDS)


def last_error(text: str) -> str:
    """The last thing that went wrong in what a process said: its last line that is not indented, as advice is."""
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    last = next((line for line in reversed(lines) if not line[0].isspace()), lines[-1] if lines else "")
    return last if len(last) <= SAID_CHARACTERS else f"{last[:SAID_CHARACTERS]}…"


class Executor(Protocol):
    """Runs attempts side by side. It neither chooses nor retries what failed; a run is worked on once at a time."""

    workers: int
    #: whether an attempt may wait for a place after it was started
    queues: bool = True

    def check(self, run: Run) -> None:
        """Raises EngineError when the run could never be placed."""

    @property
    def running(self) -> tuple[str, ...]:
        """Labels of the runs whose workers live."""
        ...

    def start(self, attempt: Attempt) -> None:
        """Begin an attempt on a free worker; returns at once."""
        ...

    def poll(self, timeout_seconds: float) -> list[Event]:
        """What happened since the last call; waits that long when nothing did."""
        ...

    def stop(self) -> None:
        """Ask every worker to save and end, which it does within GRACE_SECONDS; returns at once."""
        ...

    def end(self, label: str) -> None:
        """End one run's worker now, without an event."""
        ...

    def kill(self) -> None:
        """End every worker now; what was acknowledged is kept all the same."""
        ...

    def close(self) -> None:
        """End what lives, and leave."""
        self.kill()
