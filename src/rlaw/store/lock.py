"""One writer at a time. The kernel frees the lock of a dead process; the owner's name is for people and `status`."""

import fcntl
import json
import os
import socket
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

from rlaw.errors import StoreError
from rlaw.store.files import cannot_write

PATIENCE_SECONDS = 0.4
_PAUSE_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Owner:
    """The process that holds, or held, a lock.

    Attributes:
        pid: its process id, which the system may give to another process later.
        started: its start in clock ticks since boot, which tells the two apart; empty where there is no /proc.
        host: the machine it runs on.
        since: when it took the lock, UTC.
    """

    pid: int
    started: str
    host: str
    since: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host} since {self.since}"

    @property
    def alive(self) -> bool:
        """Whether the process still runs. One on another machine cannot be asked and counts as alive."""
        return self.host != socket.gethostname() or process_started(self.pid) == self.started


def process_started(pid: int) -> str | None:
    """When a process started, in clock ticks since boot; None when it is not there or has ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return None if Path("/proc/self").exists() else _started_without_proc(pid)
    except ProcessLookupError:
        return None
    state, *fields = stat.rpartition(")")[2].split()  # the name in brackets may hold spaces
    return None if state in "ZX" else fields[18]


def _started_without_proc(pid: int) -> str | None:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        return ""
    return ""


def owner_of(path: Path) -> Owner | None:
    """Who holds the lock, as far as its file tells; None when nobody living does. Changes nothing."""
    try:
        text = path.read_text()
        owner = Owner(**json.loads(text)) if text else None
    except (FileNotFoundError, ValueError, TypeError):  # not there, or being written this moment
        return None
    return owner if owner and owner.alive else None


class Lock:
    """Holds the lock on a file while the `with` block runs.

    Raises:
        StoreError: on entering, when another process holds it for longer than `patience_seconds`; names the owner.
    """

    def __init__(self, path: Path, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self.path = path
        self.patience_seconds = patience_seconds
        self._file = -1

    def __enter__(self) -> "Lock":
        deadline = time.monotonic() + self.patience_seconds
        try:
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            while not self._take():
                if time.monotonic() > deadline:
                    raise self._refused()
                time.sleep(_PAUSE_SECONDS)
            self._sign()
        except OSError as error:
            self._close()
            raise cannot_write(self.path, 0, error) from error
        except StoreError:
            self._close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        os.ftruncate(self._file, 0)
        self._close()

    def _take(self) -> bool:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _sign(self) -> None:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        me = Owner(os.getpid(), process_started(os.getpid()) or "", socket.gethostname(), now)
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, json.dumps(asdict(me)).encode(), 0)

    def _refused(self) -> StoreError:
        owner = owner_of(self.path)
        return StoreError(
            f"{self.path.parent} is being written by {owner or 'another process'}\n"
            f"  next: wait for it to end, or stop it; its lock goes when it does"
        )

    def _close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
