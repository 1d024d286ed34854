"""Warm workers with hard limits, from the caller's side: safe in threads, under asyncio, in Ray workers.

Nothing here uses a signal of this process, forks it, or needs its main module to be importable.
"""

import atexit
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib.util import find_spec
from queue import Empty, SimpleQueue
from threading import Lock

from rlaw.errors import EngineError
from rlaw.rewards.base import Grade, Verdict
from rlaw.rewards.worker import BYTES, JUDGES

KEPT_VARIABLES = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "HOME", "TMPDIR")
SECONDS_TO_START = 120
ANSWERS_OF_A_WORKER = 20_000  # then a fresh one takes its place: what the parser learns is never forgotten
EACH = 0.1  # seconds that an answer has in any case; an honest one takes milliseconds


class _Purse:
    """The seconds of a batch beyond `EACH` for each of its answers: hostile ones use up each other's."""

    def __init__(self, seconds: float) -> None:
        self.left, self._lock = seconds, Lock()

    def limit(self, most: float) -> float:
        """Wall seconds that the next answer has."""
        return min(most, EACH + max(self.left, 0.0))

    def spend(self, seconds: float) -> None:
        """Take what an answer used."""
        with self._lock:
            self.left -= max(seconds - EACH, 0.0)


class Pool:
    """Workers that check answers, each killed and replaced when an answer takes it beyond its limit.

    Args:
        seconds: wall seconds for one answer, and for all of a batch beyond `EACH` for each.
        memory_mb: address space of one worker, MiB.
        workers: how many answers are checked at once.
        judge: which of `worker.JUDGES` checks them.
    """

    def __init__(self, seconds: float, memory_mb: int, workers: int, judge: str = "algebra") -> None:
        self.seconds, self.memory_mb, self.workers, self.judge = seconds, memory_mb, workers, judge
        self._lock = Lock()
        self._template: tuple[subprocess.Popen[bytes], socket.socket] | None = None
        self._idle: SimpleQueue[_Worker] = SimpleQueue()
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="rlaw-reward")
        for _ in range(workers):
            self._idle.put(self._spawn())
        atexit.register(self.close)

    def check(self, pairs: Sequence[tuple[str, str]]) -> list[Grade]:
        """A grade for each (answer, reference), in order; within `seconds` and `EACH` for each of them and worker."""
        purse = _Purse(self.seconds)
        return list(self._threads.map(lambda pair: self._check(pair, purse), pairs))

    def close(self) -> None:
        """End the workers. Answers that are being checked are not waited for."""
        atexit.unregister(self.close)
        self._threads.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            self._end_template()
        with suppress(Empty):  # a thread that still checks finds its worker ended, and closes its own socket
            while True:
                self._idle.get_nowait().channel.close()

    def _check(self, pair: tuple[str, str], purse: _Purse) -> Grade:
        worker = self._idle.get()
        start = time.monotonic()
        try:
            for _ in range(2):  # a worker may be killed from outside: a second death is caused by the answer
                try:
                    verdict, reason = worker.ask(pair, purse.limit(self.seconds))
                    if worker.checked >= ANSWERS_OF_A_WORKER or reason == "memory":
                        worker = self._fresh(worker)
                    return Grade(Verdict(verdict), reason)
                except TimeoutError:
                    worker = self._fresh(worker)
                    return Grade(Verdict.TIMEOUT, "time")
                except ConnectionError:
                    worker = self._fresh(worker)
            return Grade(Verdict.TIMEOUT, "worker died")
        finally:
            purse.spend(time.monotonic() - start)
            self._idle.put(worker)

    def _fresh(self, worker: "_Worker") -> "_Worker":
        """Another worker in the place of this one, which is killed."""
        worker.channel.close()
        return self._spawn(worker.pid)

    def _spawn(self, in_place_of: int = 0) -> "_Worker":
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs, self._lock:
            try:
                pid = self._ask_template(in_place_of, theirs)
            except OSError:  # there is none yet, or it was killed, and its workers with it
                self._end_template()
                self._template = self._start()
                pid = self._ask_template(0, theirs)
        return _Worker(ours, pid)

    def _ask_template(self, in_place_of: int, theirs: socket.socket) -> int:
        if self._template is None:
            raise ConnectionError("no template")
        control = self._template[1]
        socket.send_fds(control, [b"%d" % in_place_of], [theirs.fileno()])
        if not (reply := control.recv(64)):
            raise ConnectionError("the template ended")
        return int(reply)

    def _start(self) -> tuple[subprocess.Popen[bytes], socket.socket]:
        """A warm template: a new interpreter that knows our modules, and nothing of our secrets or our folder."""
        if find_spec(needed := JUDGES[self.judge]) is None:
            name = needed.replace("_", "-")
            raise EngineError(f"checking mathematics needs {name}\n  next: pip install 'rlaw[math]'")
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        environment = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
        environment["PYTHONPATH"] = os.pathsep.join(os.path.abspath(path) for path in sys.path if path)
        arguments = [str(theirs.fileno()), str(self.memory_mb), self.judge]
        with theirs:
            try:
                process = subprocess.Popen(  # noqa: S603 - our own module
                    [sys.executable, "-PBs", "-m", "rlaw.rewards.worker", *arguments],
                    pass_fds=[theirs.fileno()],
                    env=environment,
                    cwd="/",
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,  # Ctrl-C is ours to handle
                )
            except OSError as error:
                ours.close()
                raise EngineError(
                    f"cannot start a process that checks answers: {error.strerror or error}\n"
                    f"  next: higher limits of files and processes (ulimit -n, ulimit -u), or fewer workers"
                ) from error
        ours.settimeout(SECONDS_TO_START)
        try:
            reply = json.loads(ours.recv(BYTES) or b'{"failed": "it ended at once"}')
        except TimeoutError:
            reply = {"failed": f"no answer within {SECONDS_TO_START} s"}
        if "ready" not in reply:
            process.kill()
            process.wait()
            raise EngineError(f"the process that checks answers does not start: {reply['failed']}")
        return process, ours

    def _end_template(self) -> None:
        if self._template is not None:
            process, control = self._template
            self._template = None
            control.close()
            process.kill()  # the kernel ends its workers with it
            process.wait()


class _Worker:
    """One worker's socket and process."""

    def __init__(self, channel: socket.socket, pid: int) -> None:
        self.channel, self.pid, self.checked = channel, pid, 0

    def ask(self, pair: tuple[str, str], seconds: float) -> tuple[str, str]:
        """Verdict and reason; TimeoutError after `seconds`, ConnectionError when the worker is gone."""
        self.checked += 1
        message = json.dumps(pair, ensure_ascii=False).encode("utf-8", "surrogatepass")
        if len(message) > BYTES:
            return Verdict.UNPARSED, "too long"
        self.channel.settimeout(seconds)
        self.channel.send(message)
        if not (reply := self.channel.recv(BYTES)):
            raise ConnectionError("the worker ended")
        verdict, reason = json.loads(reply)
        return verdict, reason
