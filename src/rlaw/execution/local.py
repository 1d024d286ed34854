"""Attempts as processes of this machine: one process per attempt, one thread each, so that results do not depend on
how many run side by side, a crash takes one run only, and memory goes back when a run ends."""

import json
import os
import selectors
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from rlaw.errors import EngineError, UsageError
from rlaw.execution.base import ENDS, LOST, OUT_OF_TIME, Attempt, Event, Executor, last_error
from rlaw.store.files import make_folder
from rlaw.study import spec

_ONE_THREAD = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "POLARS_MAX_THREADS",
)
_READ_BYTES = 65536
_EXIT_SECONDS = 5.0
_TAIL_BYTES = 65536  # of a worker's log that is searched for its last words


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass
class _Worker:
    """A process at work on one run, its events as far as they have come, and whether its end has been reported."""

    label: str
    process: subprocess.Popen[bytes]
    output: Path
    unread: bytes = b""
    ended: bool = False

    @property
    def events(self) -> IO[bytes]:
        return cast(IO[bytes], self.process.stdout)

    def take(self, data: bytes) -> list[Event]:
        *lines, self.unread = (self.unread + data).split(b"\n")
        events = [Event(**json.loads(line)) for line in lines]
        self.ended = self.ended or any(event.kind in ENDS for event in events)
        return events

    def lost(self) -> Event:
        code = self.process.returncode
        if code == OUT_OF_TIME:
            text = "ended before its engine could save; it resumes from its last checkpoint"
            return Event(label=self.label, kind="run_interrupted", text=text)
        if code < 0:
            hint = " (out of memory?)" if code == -signal.SIGKILL else ""
            text = f"its process was ended by {signal.Signals(-code).name}{hint}"
        else:
            said = last_error(_end_of(self.output))
            text = f"its process ended with code {code}, saying {said!r}; all it said: {self.output}"
        return Event(label=self.label, kind=LOST, text=text)


class LocalExecutor(Executor):
    """Worker processes on this machine, as many side by side as `workers` says, one per core by default."""

    queues = False

    def __init__(self, workers: int | None = None) -> None:
        if workers is not None and workers < 1:
            raise UsageError(f"{workers} workers cannot do anything: `workers=` is 1 or more")
        self.workers = workers or cores()
        self._selector = selectors.DefaultSelector()

    @property
    def running(self) -> tuple[str, ...]:
        """Labels of the runs whose workers live."""
        return tuple(worker.label for worker in self._workers())

    def start(self, attempt: Attempt) -> None:
        """Begin an attempt in a process of its own, and in a session of its own: Ctrl-C is for the parent to handle.

        Raises:
            StoreError: the run's folder cannot be made.
            EngineError: the system starts no process.
        """
        label = attempt.run.label
        folder = attempt.store / "runs" / label
        make_folder(folder, parents=False)
        environment = {**os.environ, **dict.fromkeys(_ONE_THREAD, "1")}
        try:
            with (folder / "worker.log").open("ab") as output:
                process = subprocess.Popen(
                    [sys.executable, "-P", "-m", "rlaw.execution.worker"],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=output,
                    env=environment,
                    start_new_session=True,
                )
        except OSError as error:
            raise EngineError(
                f"cannot start a worker for {label}: {error.strerror or error}\n"
                f"  next: fewer `workers=`, or higher limits of files and processes (ulimit -n, ulimit -u)"
            ) from error
        request = {"run": spec.document(attempt.run), "store": str(attempt.store), "argv": attempt.argv}
        worker = _Worker(label, process, folder / "worker.log")
        self._selector.register(worker.events, selectors.EVENT_READ, worker)
        pipe = cast(IO[bytes], process.stdin)  # stays open: closing it stops the worker
        with suppress(BrokenPipeError):  # it died already: `poll` reports it
            pipe.write(json.dumps(request).encode() + b"\n")
            pipe.flush()

    def poll(self, timeout_seconds: float) -> list[Event]:
        """What happened since the last call; waits that long when nothing did."""
        events: list[Event] = []
        for key, _ in self._selector.select(timeout_seconds):
            worker: _Worker = key.data
            data = os.read(worker.events.fileno(), _READ_BYTES)
            events += worker.take(data) if data else self._reap(worker)
        return events

    def stop(self) -> None:
        """Ask every worker to save and end: its standard input closes, as it would if this process died."""
        for worker in self._workers():
            if worker.process.stdin:
                worker.process.stdin.close()

    def end(self, label: str) -> None:
        """End one run's worker now."""
        self._end([worker for worker in self._workers() if worker.label == label])

    def kill(self) -> None:
        """End every worker now."""
        self._end(self._workers())

    def _end(self, workers: list[_Worker]) -> None:
        for worker in workers:
            worker.process.kill()
        for worker in workers:
            self._reap(worker)

    def _workers(self) -> list[_Worker]:
        return [key.data for key in self._selector.get_map().values()]

    def _reap(self, worker: _Worker) -> list[Event]:
        self._selector.unregister(worker.events)
        worker.events.close()
        if worker.process.stdin:
            worker.process.stdin.close()
        try:
            worker.process.wait(_EXIT_SECONDS)
        except subprocess.TimeoutExpired:
            worker.process.kill()
            worker.process.wait()
        return [] if worker.ended else [worker.lost()]


def _end_of(path: Path) -> str:
    """The end of a worker's log; empty where there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
            return file.read().decode(errors="replace")
    except OSError:
        return ""
