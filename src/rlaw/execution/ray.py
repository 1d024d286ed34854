"""Attempts on the nodes of a Ray cluster: one actor per attempt, which keeps a worker process on its node.

The run's state is on the disk and nowhere else, so that whatever Ray does with an actor, the next attempt resumes from
the newest checkpoint. A lost node moves its runs to others. The store must be on a file system that all nodes share.
"""

import logging
import os
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from rlaw.errors import EngineError, RlawError, UsageError
from rlaw.execution.base import LOST, MOVED, REFUSED, Attempt, Event, Executor, needs, open_store
from rlaw.execution.local import LocalExecutor
from rlaw.store import Store
from rlaw.study import spec
from rlaw.study.plan import Run

MOVES = 3  # of one run, before losing nodes is called its failure
_POLL_SECONDS = 1.0  # how long a relay waits for news before it says that there are none
_STOP_SECONDS = 2.0


class Relay:
    """Lives on the node: starts the worker there, and passes on its events. Its death closes the worker's input."""

    def __init__(self) -> None:
        self._executor = LocalExecutor(1)

    def start(
        self, run: dict[str, Any], store: str, digest: str, argv: tuple[str, ...], folder: str
    ) -> tuple[list[Event], bool]:
        """Begin the attempt in the driver's folder, where relative paths lead; first events, and whether more come."""
        with suppress(OSError):  # a node without that folder can do all that names no relative path
            os.chdir(folder)
        label, where = run["label"], Path(store)
        try:
            found = open_store(where, digest).digest
        except RlawError as error:
            return [_refused(label, f"{os.uname().nodename} does not see the store: {error}")], False
        if found != digest:
            return [_refused(label, f"{os.uname().nodename} sees another store under {store}")], False
        self._executor.start(Attempt(spec.run_of(run), where, argv))
        return [], True

    def poll(self) -> tuple[list[Event], bool]:
        """The next events, and whether more will come."""
        return self._executor.poll(_POLL_SECONDS), bool(self._executor.running)

    def stop(self) -> None:
        """Ask the worker to save and end."""
        self._executor.stop()

    def kill(self) -> None:
        """End the worker."""
        self._executor.kill()


@dataclass
class _Placed:
    """An attempt placed by Ray: its relay, the pending answer, how often it had to move."""

    attempt: Attempt
    relay: Any
    answer: Any
    begun: bool = False
    moves: int = 0


class RayExecutor(Executor):
    """Workers on a Ray cluster. Closing it leaves the cluster as it is; one that it started itself ends with it.

    Args:
        address: of a cluster; None: the one that RAY_ADDRESS names, or that runs on this machine, or else a new one
            here for as long as this process lives.
        workers: most runs side by side; None: as many as the cluster has CPUs.
    """

    def __init__(self, address: str | None = None, workers: int | None = None) -> None:
        if workers is not None and workers < 1:
            raise UsageError(f"{workers} workers cannot do anything: `workers=` is 1 or more")
        self._ray = _connect(address)
        self.workers = workers or max(1, int(self._ray.cluster_resources().get("CPU", 1)))
        self._placed: dict[str, _Placed] = {}

    @property
    def running(self) -> tuple[str, ...]:
        """Labels of the runs whose workers live or wait for a place."""
        return tuple(self._placed)

    def check(self, run: Run) -> None:
        """Raises EngineError when no node could ever hold the run: Ray would wait for ever."""
        wanted = needs(run)
        if wanted.nodes > 1:
            raise EngineError(
                f"engine {run.engine.name} cannot spread over {wanted.nodes} nodes\n  run:  {run.label}\n"
                f"  next: engine verl can; or give its size resources that one node has"
            )
        nodes = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        if not any(n.get("CPU", 0) >= wanted.cpus and n.get("GPU", 0) >= wanted.gpus for n in nodes):
            here = "; ".join(f"{n.get('CPU', 0):g} CPUs and {n.get('GPU', 0):g} GPUs" for n in nodes)
            raise EngineError(
                f"no node of the Ray cluster has {wanted}\n  run:   {run.label}\n  nodes: {here}\n"
                f"  next:  add such a node, or leave this size out"
            )

    def start(self, attempt: Attempt) -> None:
        """Hand an attempt to Ray, which places it when a node has room."""
        self._place(attempt)

    def poll(self, timeout_seconds: float) -> list[Event]:
        """What happened since the last call; waits that long when nothing did."""
        waiting = {placed.answer: label for label, placed in self._placed.items()}
        if not waiting:
            return []
        answers = list(waiting)
        self._ray.wait(answers, num_returns=1, timeout=timeout_seconds)
        ready, _ = self._ray.wait(answers, num_returns=len(answers), timeout=0)
        return [event for answer in ready for event in self._take(waiting[answer])]

    def stop(self) -> None:
        """Ask every worker to save and end; what has no place yet is taken back."""
        for label, placed in list(self._placed.items()):
            placed.moves = MOVES
            if placed.begun:
                placed.relay.stop.remote()
            else:
                self._drop(label)

    def end(self, label: str) -> None:
        """End one run's worker now."""
        call = self._placed[label].relay.kill.remote()
        self._ray.wait([call], timeout=_STOP_SECONDS)
        self._drop(label)

    def kill(self) -> None:
        """End every worker now; one on a node that cannot be reached saves and ends when it notices."""
        calls = [placed.relay.kill.remote() for placed in self._placed.values() if placed.begun]
        if calls:
            self._ray.wait(calls, num_returns=len(calls), timeout=_STOP_SECONDS)
        for label in list(self._placed):
            self._drop(label)

    def close(self) -> None:
        """Leave the cluster."""
        self.kill()
        self._ray.shutdown()

    def _take(self, label: str) -> list[Event]:
        placed = self._placed[label]
        try:
            events, alive = self._ray.get(placed.answer)
        except self._ray.exceptions.RayActorError as error:
            return [self._moved(label, placed, error)]
        placed.begun = True
        if alive:
            placed.answer = placed.relay.poll.remote()
        else:
            self._drop(label)
        return events

    def _moved(self, label: str, placed: _Placed, error: Exception) -> Event:
        """Start it again elsewhere; it resumes from its newest checkpoint."""
        why = str(error).strip().partition("\n")[0]
        if placed.moves >= MOVES:
            self._drop(label)
            return Event(label=label, kind=LOST, text=f"its node was lost for the last time: {why}")
        self._place(placed.attempt, placed.moves + 1)
        return Event(label=label, kind=MOVED, text=f"its node was lost ({why}); it resumes elsewhere")

    def _place(self, attempt: Attempt, moves: int = 0) -> None:
        run, wanted, digest = spec.document(attempt.run), needs(attempt.run), Store.open(attempt.store).digest
        relay = self._ray.remote(Relay).options(num_cpus=wanted.cpus, num_gpus=wanted.gpus, max_restarts=0).remote()
        answer = relay.start.remote(run, str(attempt.store), digest, attempt.argv, os.getcwd())
        self._placed[attempt.run.label] = _Placed(attempt, relay, answer, moves=moves)

    def _drop(self, label: str) -> None:
        self._ray.kill(self._placed.pop(label).relay)


def _refused(label: str, text: str) -> Event:
    return Event(
        label=label, kind=REFUSED, text=f"{text}\n  next: keep the store on a file system that all nodes share"
    )


def _connect(address: str | None) -> Any:
    try:
        ray: Any = import_module("ray")
    except ImportError as error:
        raise EngineError("a Ray cluster needs Ray, which is not here\n  next: pip install 'rlaw[ray]'") from error
    try:
        # a cluster of our own shows its dashboard to this machine alone; of another's nothing changes
        ray.init(address=address, dashboard_host="127.0.0.1", logging_level=logging.ERROR, log_to_driver=False)
    except (ConnectionError, ValueError, RuntimeError) as error:
        why = str(error).strip().partition("\n")[0]
        raise EngineError(
            f"no Ray cluster answers at {address or 'this machine'}: {why}\n"
            f"  next: `ray start --head` on the first node, `ray start --address=HEAD:6379` on the others"
        ) from error
    return ray
