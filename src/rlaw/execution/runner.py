"""Runs a plan: which run next, on how many workers, until all is done, the budget is spent, or it is stopped.

Largest runs start first, so that the last minutes are not one worker's alone (a plan lists the smallest first). Runs
that start from the same base wait for whichever is making it, while others go ahead. Runs that share their programs, as
the seeds of one size do, let another size go ahead while the first of them compiles, so that one compiles for all.
"""

import math
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rlaw import engines, units
from rlaw.errors import BudgetExceeded, Interrupted, RlawError, StoreError
from rlaw.execution.base import ENDS, GRACE_SECONDS, LOST, MOVED, NOTE, STOPPING, Attempt, Event, Executor
from rlaw.execution.local import LocalExecutor
from rlaw.execution.meter import Meter
from rlaw.store import DONE, Lock, State, Store
from rlaw.study.plan import Plan, Run, base_key

_POLL_SECONDS = 0.1
_MARGIN_SECONDS = 0.5
TRIES_AGAIN = 2  # of a run that falls silent
START_SECONDS = 60.0  # that a worker may take to say its first word, beyond the silence that is allowed


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a plan's runs, by label.

    Attributes:
        done: finished (or diverged) by now, `skipped` among them.
        skipped: were done before.
        failed: what ended otherwise, with its reason.
        left: failed earlier and were not tried again.
    """

    done: tuple[str, ...]
    skipped: tuple[str, ...]
    failed: dict[str, str]
    left: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether every run is done."""
        return not self.failed and not self.left


@dataclass
class _Work:
    """A plan being run: what is still to do, what has happened so far, and what it cost."""

    queue: list[Run]
    executor: Executor
    meter: Meter
    received: Sequence[int]  # signals that came while it was running
    on_event: Callable[[Event], Any]
    lock: Lock  # of the store
    silence: float  # seconds without an event after which a run is ended and tried again
    heard: dict[str, float] = field(default_factory=dict)
    tries: Counter[str] = field(default_factory=Counter)
    started: dict[str, Run] = field(default_factory=dict)
    making_base: set[str] = field(default_factory=set)
    compiling: set[str] = field(default_factory=set)
    ends: dict[str, Event] = field(default_factory=dict)

    def next_run(self) -> Run | None:
        """The first run in the queue whose base no other run is making; preferably its programs too."""
        bases = {base_key(self.started[label]) for label in self.making_base}
        programs = {self.started[label].programs for label in self.compiling}
        free = (run for run in self.queue if base_key(run) not in bases)
        rather = (run for run in self.queue if run.programs not in programs and base_key(run) not in bases)
        run = next(rather, None) or next(free, None)
        if run is not None:
            self.queue.remove(run)
            self.started[run.label] = run
            self.making_base.add(run.label)
            self.compiling.add(run.label)
        return run

    def until_done(self, store: Path, deadline: float, argv: tuple[str, ...]) -> str | None:
        """Keep the workers busy until all is done: None. What came first otherwise: the cap that is used up, or ""."""
        while self.queue or self.executor.running:
            cap = "budget.wall" if time.monotonic() > deadline else self.meter.over()
            if self.received or cap:
                self._wind_down()
                return cap or ""
            self.lock.check()
            while len(self.executor.running) < self.executor.workers and not self.received and (run := self.next_run()):
                self.executor.start(Attempt(run, store, argv))
                if not self.executor.queues:
                    self.heard[run.label] = time.monotonic() + START_SECONDS
            self._listen()
            self._end_the_silent()
        return None

    def _end_the_silent(self) -> None:
        """End runs that have been silent for too long: each starts again at its newest checkpoint, a few times."""
        for label in self.executor.running:
            silent = time.monotonic() - self.heard.get(label, math.inf)
            if silent < self.silence:
                continue
            self.executor.end(label)
            del self.heard[label]
            self.tries[label] += 1
            text = f"silent for {units.duration(silent)}, longer than budget.silence"
            again = self.tries[label] <= TRIES_AGAIN
            if again:
                self.queue.append(self.started[label])
            ended = f"{text}; it starts again" if again else f"{text}, for the {self.tries[label]}rd time"
            self._take(Event(label=label, kind=MOVED if again else LOST, text=ended))

    def _wind_down(self) -> None:
        """Let the workers save; a second signal, or the end of the grace, ends them at once."""
        self.executor.stop()
        self.on_event(Event(label="", kind=STOPPING))
        end = time.monotonic() + GRACE_SECONDS + _MARGIN_SECONDS
        before = len(self.received)
        while self.executor.running and time.monotonic() < end and len(self.received) <= max(before, 1):
            self._listen()

    def _listen(self) -> None:
        for event in self.executor.poll(_POLL_SECONDS):
            self._take(event)

    def _take(self, event: Event) -> None:
        if event.kind in ENDS:
            self.heard.pop(event.label, None)
        else:
            self.heard[event.label] = time.monotonic()
        if event.kind != NOTE:
            self._note(event)
        self.on_event(event)

    def _note(self, event: Event) -> None:
        if event.kind == "run_started":
            self.meter.started(event.label)
        else:
            self.making_base.discard(event.label)
        if event.kind == "step" or event.kind in ENDS:  # after a step everything is compiled
            self.compiling.discard(event.label)
        if event.kind in ENDS:
            self.ends[event.label] = event
        if event.kind in ENDS or event.kind == MOVED:
            self.meter.ended(event.label)
        self.meter.step(event.label, event.step)


def estimate(plan: Plan) -> dict[str, float]:
    """Wall seconds of every run on one worker, by label, from the engines' measured throughput.

    What runs share, such as a base, is counted at the first of them.
    """
    counted: set[str] = set()
    seconds = {}
    alone = {kind: engines.get(run.engine.name).estimate_seconds(run) for kind, run in plan.kinds.items()}
    for run in plan:
        shared = engines.get(run.engine.name).shared_seconds(run)
        again = sum(part for key, part in shared.items() if key in counted)
        seconds[run.label] = alone[run.kind] - again
        counted |= shared.keys()
    return seconds


def pending(plan: Plan, store: Store | None, *, retry_failed: bool = False) -> list[Run]:
    """The runs still to do, longest first: neither done nor, unless they shall be tried again, failed."""
    over = (*DONE,) if retry_failed else (*DONE, "failed")
    states = _states(plan, store)
    seconds = estimate(plan)
    todo = [run for run in plan if states[run.label] not in over]
    return sorted(todo, key=lambda run: (-seconds[run.label], -run.base_flops - run.rl_flops("8N"), run.label))


def check(plan: Plan, store: Store | None, executor: Executor, *, retry_failed: bool = False) -> list[Run]:
    """The runs still to do, after their engines and the executor have agreed to them. Changes nothing.

    Args:
        plan: what to run.
        store: what keeps the records so far; None: there is nothing yet.
        executor: where the runs would be made.
        retry_failed: whether runs that failed earlier are to do.

    Raises:
        EngineError: an engine lacks something, or a run could never be placed.
    """
    queue = pending(plan, store, retry_failed=retry_failed)
    for choice in {(run.engine.name, run.arm, run.size.name, run.variant): run for run in queue}.values():
        engines.get(choice.engine.name).check(choice)
    for choice in {run.size.name: run for run in queue}.values():
        executor.check(choice)
    return queue


def run(
    plan: Plan,
    store: Store,
    executor: Executor | None = None,
    *,
    retry_failed: bool = False,
    argv: Sequence[str] = (),
    on_event: Callable[[Event], Any] = lambda event: None,
) -> Outcome:
    """Run all that is left of a plan. The same call again resumes where this one ended.

    Args:
        plan: what to run.
        store: keeps the records; made by `Store.create` with the same plan.
        executor: where the runs are made; processes of this machine, one per core, when None.
        retry_failed: try runs again that failed earlier.
        argv: the command, for the record.
        on_event: is called with everything that happens, in this thread.

    Raises:
        BudgetExceeded: the plan costs more than the study allows (nothing was run), or the wall time is used up.
        EngineError: an engine lacks something (nothing was run).
        Interrupted: SIGINT or SIGTERM; running runs were saved.
        StoreError: another process runs this store's study, or the store was moved or removed meanwhile.
    """
    plan.check_budget()
    executor = executor or LocalExecutor()
    with store.lock() as lock, _catching_signals() as received:
        queue, budget = check(plan, store, executor, retry_failed=retry_failed), plan.study.budget
        work = _Work(queue, executor, Meter.of(plan, store), received, on_event, lock, budget.silence or math.inf)
        deadline = time.monotonic() + (math.inf if budget.wall is None else budget.wall)
        try:
            reason = work.until_done(store.path.absolute(), deadline, tuple(argv))
        finally:
            executor.kill()
            lock.check()
            if not received:  # who presses Ctrl-C does not wait for a cache; the next command makes it
                with suppress(StoreError):  # a run that cannot write reports it itself
                    store.settle()
        if reason is not None:
            raise _stopped(_done(plan, store, work), plan, received, reason)
        return _outcome(plan, store, work)


def _done(plan: Plan, store: Store, work: _Work) -> int:
    """How many runs are done, without opening a journal: thousands of them would hold a Ctrl-C up."""
    finished = {label for label, event in work.ends.items() if event.kind == "run_finished"}
    return sum(run.label in finished or store.has_tables(run.label) for run in plan)


def _outcome(plan: Plan, store: Store, work: _Work) -> Outcome:
    states = _states(plan, store)
    labels = [run.label for run in plan]
    ended = {label: event for label, event in work.ends.items() if event.kind != "run_finished"}
    return Outcome(
        done=tuple(label for label in labels if states[label] in DONE),
        skipped=tuple(label for label in labels if states[label] in DONE and label not in work.started),
        failed={label: event.text or "interrupted" for label, event in ended.items()},
        left=tuple(label for label in labels if states[label] == "failed" and label not in work.started),
    )


def _states(plan: Plan, store: Store | None) -> dict[str, State]:
    known: dict[str, State] = {status.label: status.state for status in (store.runs() if store else ())}
    return {run.label: known.get(run.label, "planned") for run in plan}


def _stopped(done: int, plan: Plan, received: Sequence[int], cap: str) -> RlawError:
    so_far = f"{done} of {len(plan)} runs are done, and what was measured of the others is saved"
    if not received:
        if cap != "budget.wall":
            return BudgetExceeded(f"{cap}, is used up: {so_far}\n  next: a larger budget, and the same command resumes")
        wall = units.duration(plan.study.budget.wall or 0)
        return BudgetExceeded(
            f"budget.wall, {wall}, is used up: {so_far}\n  next: the same command resumes it for as long"
        )
    name = signal.Signals(received[0]).name
    error = Interrupted(f"stopped by {name}: {so_far}\n  next: the same command resumes from there")
    error.exit_code = 128 + received[0]  # as shells have it: 130 for Ctrl-C, 143 for SIGTERM
    return error


@contextmanager
def _catching_signals() -> Iterator[list[int]]:
    """Notes SIGINT and SIGTERM while the block runs. In a thread other than the main one it changes nothing."""
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield received
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda n, _: received.append(n)) for number in numbers}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
