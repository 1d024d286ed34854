"""One writer at a time where the file system has no locks, as on some network file systems.

Files LOCK.1, LOCK.2, … stand for who held the lock, one after the other; the highest number holds it while its process
lives and it is not empty. Each is made by linking a file that is complete already, which only one process can do for a
number. A number is never used again, because only its successor's maker removes it: nobody who looked too early can
take away what another has taken since.
"""

import os
from collections.abc import Callable
from pathlib import Path

from rlaw.files import aside


class Lease:
    """Files in place of a lock on `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._number = 0

    def take(self, signature: bytes, alive: Callable[[bytes], bool]) -> bool:
        """Take the lease unless a living process holds it; never waits.

        Args:
            signature: names this process; not empty.
            alive: whether the process that a signature names still runs.

        Raises:
            OSError: the file system refused.
        """
        newest = max(self._numbers(), default=0)
        held = self._read(newest)
        if held and alive(held):
            return False
        part = aside(self.path)
        part.write_bytes(signature)
        try:
            os.link(part, self._file(newest + 1))
        except FileExistsError:  # somebody was faster
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

    def _read(self, number: int) -> bytes:
        try:
            return self._file(number).read_bytes()
        except FileNotFoundError:
            return b""

    def _numbers(self) -> list[int]:
        ends = (path.name.rpartition(".")[2] for path in self.path.parent.glob(f"{self.path.name}.*"))
        return [int(end) for end in ends if end.isdigit()]
