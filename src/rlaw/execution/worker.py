"""The process that makes one attempt at one run: `python -m rlaw.execution.worker`, started by an executor.

The request is one line of JSON on standard input, which then stays open: when it closes, the parent stops it, or is
dead. Events go to standard output, one line of JSON each; whatever else is printed goes to standard error.
"""

import json
import os
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, cast

from rlaw import engines
from rlaw.engines.base import Engine, Workspace
from rlaw.errors import EngineError, RlawWarning, StoreError
from rlaw.execution import cache
from rlaw.execution.base import GRACE_SECONDS, NOTE, OUT_OF_TIME, REFUSED, Event, open_store
from rlaw.store import RunLog, Store
from rlaw.store.lock import NoLocks
from rlaw.store.provenance import now
from rlaw.store.records import Evaluated, Record, RunFailed, RunFinished, RunInterrupted, RunStarted
from rlaw.study import spec
from rlaw.study.plan import Run
from rlaw.text import masked

MOST_CHARACTERS = 2000  # of a failure's message that a record keeps


class OtherCircumstances(RlawWarning):
    """A run goes on with other versions, threads or hardware."""


Send = Callable[[Event], None]


def attempt(
    run: Run, store: Store, engine: Engine, stop: threading.Event, send: Send, argv: Sequence[str] = ()
) -> None:
    """Train a run and keep every record; when `stop` is set, save and end. An engine's failure becomes a record.

    A run that is done is not started again: a worker may have waited for its lock, its parent killed, while another
    parent's worker finished it.

    Never raises for what an engine or a disk does: it is an event, REFUSED when it could not even be recorded.
    """
    patience = GRACE_SECONDS + 1  # a worker whose parent was killed may still be saving
    with _noting(run.label, send):
        try:
            with store.writer(run, argv=argv, patience_seconds=patience) as log:
                end = log.finished or _train(engine, log, cache.cache(), stop, send)
        except StoreError as error:
            send(Event(label=run.label, kind=REFUSED, text=str(error)))
            return
        if isinstance(end, RunFinished):
            try:
                store.compact(run.label)
            except StoreError as error:  # the run is done all the same; the next `settle` tries again
                send(Event(label=run.label, kind=NOTE, text=str(error)))
        send(_event(run.label, end))


@contextmanager
def _noting(label: str, send: Send) -> Iterator[None]:
    """Tells rlaw's own warnings as events; others go where they went."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", RlawWarning)
        warnings.simplefilter("ignore", NoLocks)  # whoever started this worker has had that warning
        others = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
            if issubclass(category, RlawWarning):
                send(Event(label=label, kind=NOTE, text=str(message)))
            else:
                others(message, category, *where, **more)

        warnings.showwarning = show
        yield


def _train(engine: Engine, log: RunLog, cache: Path, stop: threading.Event, send: Send) -> Record:
    """How the attempt ended; that record is kept, too."""
    step = 0
    try:
        # An iterator that can be closed: engines promise it, and write generators.
        workspace = Workspace(log.folder, cache, log.attempt, log.journal.lineage.step)
        stream = cast(Generator[Record], engine.train(log.run, workspace))
        for record in stream:
            try:
                log.journal.append(record)
            except StoreError as error:
                stream.throw(error)  # not close(): the engine must not save a checkpoint past a record that is lost
                raise
            if isinstance(record, RunStarted) and record.resumed_at:
                _compare_with_before(record, log)
            if isinstance(record, RunFinished | RunFailed):
                return record
            send(_event(log.run.label, record))
            step = _step_of(record, step)
            if stop.is_set():
                stream.close()
                end: Record = RunInterrupted(run=log.run.id, attempt=log.attempt, step=step, time=now())
                log.journal.append(end)
                return end
        raise EngineError(f"engine {engine.name} stopped after step {step} without a last record")
    except StoreError:
        raise
    except Exception as error:  # whatever an engine may raise is this run's failure, and the study goes on
        traceback.print_exc()
        end = RunFailed(
            run=log.run.id, attempt=log.attempt, step=step, cause=type(error).__name__, text=_text(error), time=now()
        )
        log.journal.append(end)
        return end


def _text(error: Exception) -> str:
    """Its message, cut short: what is kept is shown in tables and pages; the traceback has gone to standard error."""
    text = masked(str(error))
    cut = f"… ({len(text):,} characters in all; the worker's log has them)"
    return text if len(text) <= MOST_CHARACTERS else text[:MOST_CHARACTERS] + cut


def _compare_with_before(now: RunStarted, log: RunLog) -> None:
    """Warns when a run goes on under other circumstances than it had: bit for bit the same is not promised then."""
    before = next((r for r in reversed(log.journal.found.records) if isinstance(r, RunStarted)), now)
    versions = {"threads": (before.threads, now.threads)}
    for old, new in ((before.versions, now.versions), (before.hardware, now.hardware)):
        versions |= {name: (old.get(name, "none"), new.get(name, "none")) for name in {**old, **new}}
    if changed := [f"{name} {a} -> {b}" for name, (a, b) in versions.items() if a != b]:
        text = f"resumes at step {now.resumed_at} under other circumstances ({', '.join(changed)}): what follows is not"
        warnings.warn(f"{text} promised to be what it would have been, bit for bit", OtherCircumstances, stacklevel=2)


def _step_of(record: Record, step: int) -> int:
    return record.resumed_at if isinstance(record, RunStarted) else getattr(record, "step", step)


def _event(label: str, record: Record) -> Event:
    event = Event(label=label, kind=record.kind, step=_step_of(record, 0))
    if isinstance(record, Evaluated):
        return replace(event, test_loss=record.test_loss, benchmark=record.benchmark)
    if isinstance(record, RunFailed):
        return replace(event, text=f"{record.cause}: {record.text}")
    return replace(event, text="diverged") if isinstance(record, RunFinished) and record.diverged else event


def main() -> None:
    """Read the request, work, end."""
    send = _channel()
    request = json.loads(sys.stdin.buffer.readline())
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)  # a scheduler's, to all of a job; whoever started us stops us
    threading.Thread(target=_stop_with_parent, args=(stop,), daemon=True).start()
    threading.Thread(target=_end_in_time, args=(stop,), daemon=True).start()
    run = spec.run_of(request["run"])
    attempt(run, open_store(Path(request["store"])), engines.get(run.engine.name), stop, send, request["argv"])


def _channel() -> Send:
    """Keeps standard output for events alone: whatever a library prints goes to standard error."""
    pipe = os.dup(1)
    os.dup2(2, 1)

    def send(event: Event) -> None:
        line = json.dumps(asdict(event)).encode() + b"\n"
        try:
            while line:  # a signal can cut a long write short
                line = line[os.write(pipe, line) :]
        except BrokenPipeError:  # the parent is gone; closing of standard input says so, too
            return

    return send


def _stop_with_parent(stop: threading.Event) -> None:
    while os.read(0, 1):  # not sys.stdin: its lock would be held when the interpreter ends
        continue
    stop.set()


def _end_in_time(stop: threading.Event) -> None:
    """A worker ends within the grace after the signal to stop, whatever its engine is doing."""
    stop.wait()
    threading.Event().wait(GRACE_SECONDS)
    os._exit(OUT_OF_TIME)


if __name__ == "__main__":
    main()
