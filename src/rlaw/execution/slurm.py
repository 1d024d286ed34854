"""Attempts as Slurm jobs, through submitit: one job per attempt, which keeps a worker process on its node.

Job and driver exchange files under `STORE/slurm`: the job appends its events, the driver leaves a stop file. So
the driver may die: its jobs go on, and the same command finds them again instead of submitting them twice.
"""

import json
import math
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from rlaw.errors import EngineError, UsageError
from rlaw.execution.base import ENDS, LOST, Attempt, Event, Executor, last_error, needs
from rlaw.execution.local import LocalExecutor
from rlaw.store.files import make_folder, read_json, write_json
from rlaw.study import spec
from rlaw.study.plan import Run

REQUEUES = 10  # of one job that ran out of its time or was preempted
_JOB_POLL_SECONDS = 0.2
_SIGNAL_SECONDS = 1.0
_QUEUE_SECONDS = 5.0  # between two questions to the scheduler, whatever the number of jobs
PRIVATE = 0o077  # umask of files for their owner alone
MINUTES = 24 * 60  # of a job, unless set otherwise; one that needs more saves and is queued again

_SQUEUE = ("/usr/bin/env", "squeue", "--me", "--noheader", "--format=%i")

Cluster = Literal["slurm", "local"]


class Job:
    """What a job does: work on an attempt with a worker process, and write its events into a file.

    submitit calls `checkpoint` when the time is up or the job is preempted: the worker saves, and the same job is
    queued again. The run's state is on the disk, so that nothing else has to be kept.
    """

    def __init__(
        self, run: dict[str, Any], store: Path, argv: tuple[str, ...], files: "_Files", umask: int | None = None
    ) -> None:
        self.run, self.store, self.argv, self.files, self.umask = run, store, argv, files, umask

    def __call__(self) -> None:
        """Work until the worker ends."""
        if self.umask is not None:
            os.umask(self.umask)  # a job inherits that of its submission, under which its pickle is private
        self._executor = LocalExecutor(1)
        self._executor.start(Attempt(spec.run_of(self.run), self.store, self.argv))
        if interrupted := self._work():
            time.sleep(_SIGNAL_SECONDS)  # a preempted worker can be done before `checkpoint` is called
            self._write(interrupted)

    def checkpoint(self) -> Any:
        """Let the worker save, and ask to be queued again."""
        from submitit.helpers import DelayedSubmission  # pyright: ignore[reportMissingImports]

        self._executor.stop()
        self._work()
        os.umask(PRIVATE)  # the job that is queued again is pickled here, with all that the study's settings hold
        return DelayedSubmission(Job(self.run, self.store, self.argv, self.files, self.umask))

    def _work(self) -> list[Event]:
        """Pass on the worker's events, but for interruptions, unless the job does not start the run again."""
        held = []
        while self._executor.running:
            if self.files.stop.exists():
                self._executor.stop()
            events = self._executor.poll(_JOB_POLL_SECONDS)
            held += [event for event in events if event.kind == "run_interrupted"]
            self._write([event for event in events if event.kind != "run_interrupted"])
        return held

    def _write(self, events: list[Event]) -> None:
        with self.files.events.open("ab") as file:
            file.write(b"".join(json.dumps(asdict(event)).encode() + b"\n" for event in events))


@dataclass
class _Submitted:
    """A job and how far its events have been read."""

    job: Any
    files: "_Files"
    read_bytes: int = 0


@dataclass(frozen=True)
class _Files:
    """The files that a job and its driver exchange."""

    events: Path
    stop: Path

    @classmethod
    def of(cls, folder: Path, attempt: int) -> "_Files":
        return cls(folder / f"{attempt}.events", folder / f"{attempt}.stop")


class SlurmExecutor(Executor):
    """Jobs of a Slurm cluster that shares the store's file system.

    Args:
        store: the store's folder; job files and logs go to `slurm` in it.
        workers: most jobs at a time.
        parameters: what submitit's executor takes, as `slurm_partition`, `timeout_min`, `slurm_account`.
        cluster: "slurm"; "local" makes the same jobs as processes of this machine.
    """

    def __init__(
        self, store: Path, workers: int = 16, parameters: dict[str, Any] | None = None, cluster: Cluster = "slurm"
    ) -> None:
        if workers < 1:
            raise UsageError(f"{workers} workers cannot do anything: `workers=` is 1 or more")
        self.workers, self.cluster, self.parameters = workers, cluster, parameters or {}
        self.folder = store.absolute() / "slurm"
        self._executor, self._queue = _open(self.folder, cluster), _Queue()
        self._jobs: dict[str, _Submitted] = {}

    @property
    def running(self) -> tuple[str, ...]:
        """Labels of the runs whose jobs wait or work."""
        return tuple(self._jobs)

    def check(self, run: Run) -> None:
        """Raises EngineError when a run takes several nodes; whether one has what it needs, Slurm says itself."""
        if run.resources.nodes > 1:
            raise EngineError(
                f"a run over {run.resources.nodes} nodes is not one Slurm job here\n  run:  {run.label}\n"
                f"  next: start a Ray cluster over the nodes of an allocation, and use --executor ray with engine verl"
            )

    def start(self, attempt: Attempt) -> None:
        """Submit an attempt; one whose job an earlier driver submitted, and which still lives, is taken over.

        Raises:
            EngineError: Slurm does not take the job.
        """
        label = attempt.run.label
        make_folder(self.folder / label)
        self._jobs[label] = self._taken_over(label) or self._submitted(attempt)

    def poll(self, timeout_seconds: float) -> list[Event]:
        """What happened since the last call; waits that long when nothing did."""
        events = self._news()
        if not events:
            time.sleep(timeout_seconds)
            events = self._news()
        return events

    def stop(self) -> None:
        """Ask every worker to save and end; a job that still waits in the queue is taken back."""
        for label, submitted in list(self._jobs.items()):
            submitted.files.stop.touch()
            if not submitted.files.events.exists():
                submitted.job.cancel(check=False)
                _forget(self._jobs.pop(label))

    def end(self, label: str) -> None:
        """Cancel one run's job; the stop file keeps it from being taken over while it ends."""
        submitted = self._jobs.pop(label)
        submitted.files.stop.touch()
        submitted.job.cancel(check=False)
        _forget(submitted)

    def kill(self) -> None:
        """Cancel every job."""
        for submitted in self._jobs.values():
            submitted.job.cancel(check=False)
            _forget(submitted)
        self._jobs.clear()

    def _submitted(self, attempt: Attempt) -> _Submitted:
        label, folder = attempt.run.label, self.folder / attempt.run.label
        number = len(list(folder.glob("*.job")))
        files, wanted = _Files.of(folder, number), needs(attempt.run)
        fitting = {"name": f"rlaw-{label}", "cpus_per_task": wanted.cpus, "gpus_per_node": wanted.gpus}
        self._executor.update_parameters(**{"timeout_min": MINUTES, **fitting, **self.parameters})
        try:
            with _private_files() as umask:
                made = Job(spec.document(attempt.run), attempt.store, attempt.argv, files, umask)
                job = self._executor.submit(made)
        except Exception as error:  # submitit's own class, which is not here where it is not installed
            raise EngineError(
                f"Slurm does not take the job of {label}: {last_error(str(error))}\n"
                f"  next: check partition, account, time and GPUs (rlaw run --help), or try sbatch by hand"
            ) from error
        write_json(folder / f"{number}.job", {"job_id": str(job.job_id), "cluster": self.cluster})
        self._queue.add(str(job.job_id))
        return _Submitted(job, files)

    def _taken_over(self, label: str) -> _Submitted | None:
        """The newest job of a run, when it is alive and was not stopped."""
        folder = self.folder / label
        number = len(list(folder.glob("*.job"))) - 1
        if number < 0 or self.cluster != "slurm":
            return None
        from submitit import SlurmJob  # pyright: ignore[reportMissingImports]

        submitted, files = read_json(folder / f"{number}.job"), _Files.of(folder, number)
        job: Any = SlurmJob(self.folder / submitted["job_id"], submitted["job_id"])
        return None if files.stop.exists() or job.job_id not in self._queue.ids() else _Submitted(job, files)

    def _news(self) -> list[Event]:
        return [event for label in list(self._jobs) for event in self._events_of(label)]

    def _events_of(self, label: str) -> list[Event]:
        submitted = self._jobs[label]
        over = self._over(submitted.job)  # checked before the last read: a job's events come before its end
        events = _read(submitted)
        if any(event.kind in ENDS for event in events):
            _forget(self._jobs.pop(label))
        elif over and not events:
            _forget(self._jobs.pop(label))
            job = submitted.job
            why = f"it said {last_error(job.stderr() or '')!r}; all it said: {job.paths.stderr}"
            return [Event(label=label, kind=LOST, text=f"its job ended without a word: {why}")]
        return events

    def _over(self, job: Any) -> bool:
        return job.job_id not in self._queue.ids() if self.cluster == "slurm" else job.done()


class _Queue:
    """The jobs that are pending or running in Slurm: one query for all of them, and not too often."""

    def __init__(self) -> None:
        self._queried_at, self._ids = -math.inf, frozenset[str]()

    def ids(self) -> frozenset[str]:
        if time.monotonic() - self._queried_at > _QUEUE_SECONDS:
            answer = subprocess.run(_SQUEUE, capture_output=True, text=True, check=False)  # noqa: S603 (a fixed command)
            if answer.returncode == 0:  # a scheduler that does not answer has lost nothing
                self._queried_at, self._ids = time.monotonic(), frozenset(answer.stdout.split())
        return self._ids

    def add(self, job_id: str) -> None:
        """A job that was submitted since the last question."""
        self._ids |= {job_id}


@contextmanager
def _private_files() -> Iterator[int]:
    """New files are their owner's alone: a job is pickled with the study's settings as they are. Yields the umask."""
    before = os.umask(PRIVATE)
    try:
        yield before
    finally:
        os.umask(before)


def _forget(submitted: _Submitted) -> None:
    """Delete the pickled job: it has been read, or will not be."""
    with suppress(OSError):
        submitted.job.paths.submitted_pickle.unlink()


def _read(submitted: _Submitted) -> list[Event]:
    """The whole lines that came since the last look."""
    with suppress(FileNotFoundError), submitted.files.events.open("rb") as file:
        file.seek(submitted.read_bytes)
        *lines, rest = file.read().split(b"\n")
        submitted.read_bytes = file.tell() - len(rest)
        return [Event(**json.loads(line)) for line in lines]
    return []


def _open(folder: Path, cluster: Cluster) -> Any:
    try:
        import submitit  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise EngineError("Slurm jobs need submitit, which is not here\n  next: pip install 'rlaw[slurm]'") from error
    try:
        patience = {"slurm_max_num_timeout": REQUEUES} if cluster == "slurm" else {}
        return submitit.AutoExecutor(folder / "%j", cluster=cluster, **patience)
    except RuntimeError as error:
        raise EngineError(
            f"this machine has no Slurm: {error}\n  next: start this on a login node, or --executor local"
        ) from error
