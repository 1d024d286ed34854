"""One writer at a time. The kernel frees the lock of a dead process; the owner's name is for people and `status`.

Where the file system has no locks, files stand in for them (`Lease`), and a dead owner is known by its process number
and start.
"""

import errno
import fcntl
import json
import os
import socket
import time
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path

from rlaw.errors import RlawWarning, StoreError
from rlaw.store.files import aside, cannot_write, gone, same_file
from rlaw.store.provenance import now

PATIENCE_SECONDS = 0.4
_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.02, 0.5  # each pause is twice the one before
_WARN_AFTER_SECONDS = 10.0  # of waiting, whatever the patience
_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL)


class NoLocks(RlawWarning):
    """The file system has no locks; files stand in for them."""


class Waiting(RlawWarning):
    """Another process holds a lock that this one needs, and has held it for a while."""


@dataclass(frozen=True, slots=True)
class Owner:
    """The process that holds, or held, a lock.

    Attributes:
        pid: its process id, which the system may give to another process later.
        started: its start in clock ticks since boot, which differs between the two; empty where there is no /proc.
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
        """Whether the process still runs. One on another machine cannot be checked and counts as alive."""
        return not self.here or process_started(self.pid) == self.started

    @property
    def here(self) -> bool:
        """Whether it runs, or ran, on this machine."""
        return self.host == socket.gethostname()


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
    except PermissionError:  # it is another user's
        pass
    return ""


def owner_of(path: Path) -> Owner | None:
    """Who holds the lock, from its file; None when no living process does. Changes nothing."""
    try:
        signature = path.read_bytes()
        owner = Owner(**json.loads(signature)) if signature else None
    except (FileNotFoundError, ValueError, TypeError):  # none, or being written this moment
        return None
    return owner if owner and owner.alive else None


class Lease:
    """Files in place of a lock on `path`, where the file system has none, as on some network file systems.

    Files LOCK.1, LOCK.2, … stand for who held the lock, one after the other; the highest number holds it while its
    process lives and it is not empty. Each is made by linking a file that is complete already, which only one process
    can do for a number. A number is never used again, because only its successor's maker removes it: a process that
    read the numbers too early cannot take away what another has taken since.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._number = 0

    def take(self) -> bool:
        """Take the lease unless a living process holds it; never waits.

        Raises:
            OSError: the file system refused.
        """
        newest = max(self._numbers(), default=0)
        if owner_of(self._file(newest)):
            return False
        part = aside(self.path)
        part.write_bytes(_signature())
        try:
            os.link(part, self._file(newest + 1))
        except FileExistsError:  # another process was faster
            return False
        finally:
            part.unlink()
        if max(self._numbers()) != newest + 1:  # this number had come and gone before we looked
            self._file(newest + 1).unlink(missing_ok=True)
            return False
        self._number = newest + 1
        for number in self._numbers():
            if number < self._number:
                self._file(number).unlink(missing_ok=True)
        return True

    def release(self) -> None:
        """Give the lease back; its file stays, empty, for the number's sake."""
        if self._number:
            os.truncate(self._file(self._number), 0)
            self._number = 0

    @property
    def newest(self) -> Path:
        """The file that says who holds the lease, or held it last."""
        return self._file(max(self._numbers(), default=0))

    def _file(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")

    def _numbers(self) -> list[int]:
        ends = (path.name.rpartition(".")[2] for path in self.path.parent.glob(f"{self.path.name}.*"))
        return [int(end) for end in ends if end.isdigit()]


class Lock:
    """Holds the lock on a file while the `with` block runs.

    Args:
        path: of the lock's file, in a folder that is there.
        patience_seconds: how long to wait for another process; `math.inf` waits until it is done, and warns for whom.

    Raises:
        StoreError: on entering, when another process holds it for longer than `patience_seconds`; names the owner.
    """

    def __init__(self, path: Path, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self.path = path
        self.patience_seconds = patience_seconds
        self._file = -1
        self._lease = Lease(path)
        self._without_locks = False

    def __enter__(self) -> "Lock":
        try:
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            self._wait()
            self._sign()
        except OSError as error:
            self._close()
            raise cannot_write(self.path, 0, error) from error
        except BaseException:  # Ctrl-C while waiting, too
            self._close()
            raise
        return self

    def check(self) -> None:
        """Raise StoreError when the folder was moved or removed while the lock was held."""
        if not same_file(self._file, self.path):
            raise gone(self.path.parent)

    def __exit__(self, *_: object) -> None:
        os.ftruncate(self._file, 0)
        self._lease.release()
        self._close()

    def _wait(self) -> None:
        began, pause, warned = time.monotonic(), _PAUSE_SECONDS, False
        while not self._take():
            left = self.patience_seconds - (waited := time.monotonic() - began)
            if left <= 0:
                who, do = self._owner_text()
                raise StoreError(f"{self.path.parent} is being written by {who}\n  next: {do}")
            if waited > _WARN_AFTER_SECONDS and not warned:
                warned = True
                warnings.warn(
                    "waiting for {0}, which holds {2}; {1}".format(*self._owner_text(), self.path), Waiting, 4
                )
            time.sleep(min(pause, left))
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    def _take(self) -> bool:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            if not self._without_locks:
                text = "the file system of the store has no locks; files stand in for them, so that there is one writer"
                warnings.warn(text, NoLocks, stacklevel=1)  # from here: once for all locks of a command
                self._without_locks = True
            return self._lease.take()
        return True

    def _sign(self) -> None:
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, _signature(), 0)

    def _owner_text(self) -> tuple[str, str]:
        """Who holds it, and what to do about it."""
        owner = owner_of(self.path)
        do = "wait for it to end, or stop it; its lock goes when it does"
        if owner and not owner.here and self._lease.newest.exists():
            do += f". If {owner.host} will not come back, delete {self._lease.newest}"
        return str(owner or "another process"), do

    def _close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def _signature() -> bytes:
    me = Owner(os.getpid(), process_started(os.getpid()) or "", socket.gethostname(), now())
    return json.dumps(asdict(me)).encode()
