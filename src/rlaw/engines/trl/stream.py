"""Records from a trainer that runs by callbacks, taken one by one by the caller.

TRL's trainer owns its loop, an engine's caller takes an iterator. So the trainer runs in a thread, which waits at every
record until the caller takes the next one: at most one of the two works at a time, and nothing happens past a record
that was not kept.
"""

import queue
import threading
from collections.abc import Callable, Iterator
from enum import Enum, auto

from rlaw.store.records import Record


class Order(Enum):
    """What the trainer's thread does next."""

    GO_ON = auto()
    SAVE = auto()
    DROP = auto()


class Stopped(BaseException):
    """Raised in the trainer's thread: the reader takes no more. No handler of exceptions catches it."""


class Stream:
    """`send` in the trainer's thread, iteration in the reader's."""

    def __init__(self) -> None:
        self._sent: queue.SimpleQueue[Record | BaseException | None] = queue.SimpleQueue()
        self._orders: queue.SimpleQueue[Order] = queue.SimpleQueue()

    def send(self, record: Record, save: Callable[[], object]) -> None:
        """Hand a record over and wait until the caller takes the next one.

        Raises:
            Stopped: the reader takes no more; `save` was called before unless the record was lost.
        """
        self._sent.put(record)
        order = self._orders.get()
        if order is Order.SAVE:
            save()
        if order is not Order.GO_ON:
            raise Stopped

    def records(self, work: Callable[["Stream"], None]) -> Iterator[Record]:
        """The records that `work` sends, run in a thread of its own; what it raises is raised here."""
        thread = threading.Thread(target=self._work, args=(work,), name="trainer", daemon=True)
        thread.start()
        order = Order.DROP
        try:
            while (item := self._sent.get()) is not None:
                if isinstance(item, BaseException):
                    raise item
                yield item
                self._orders.put(Order.GO_ON)
        except (GeneratorExit, KeyboardInterrupt):
            order = Order.SAVE
            raise
        finally:
            self._orders.put(order)
            thread.join()
            while order is Order.SAVE and not self._sent.empty():  # what went wrong while saving
                if isinstance(item := self._sent.get(), Exception):
                    raise item

    def _work(self, work: Callable[["Stream"], None]) -> None:
        try:
            work(self)
        except Stopped:
            pass
        except BaseException as error:
            self._sent.put(error)
            return
        self._sent.put(None)
