"""Results that several viewers ask for at once, worked out by the first of them."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from threading import Lock
from typing import Any, TypeVar, cast

T = TypeVar("T")


class Kept:
    """The newest results by key: each is computed once, and whoever asks meanwhile waits for it. Errors are kept too.

    Args:
        most: how many are kept.
    """

    def __init__(self, most: int) -> None:
        self._most, self._lock = most, Lock()
        self._futures: OrderedDict[Hashable, Future[Any]] = OrderedDict()

    def once(self, key: Hashable, compute: Callable[[], T]) -> T:
        """What `compute` returned at the first call with this key.

        Raises:
            Exception: what `compute` raised.
        """
        with self._lock:
            found = self._futures.get(key)
            future = found or Future[Any]()
            self._futures[key] = future
            self._futures.move_to_end(key)
            while len(self._futures) > self._most:
                self._futures.popitem(last=False)
        if found is None:
            try:
                future.set_result(compute())
            except BaseException as error:  # those who wait must not wait for ever
                future.set_exception(error)
        return cast("T", future.result())
