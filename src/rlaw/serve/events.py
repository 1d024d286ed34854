"""What has changed, to every viewer: server-sent events, numbered, so that one who was away misses none."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Mapping
from typing import Any

KEPT = 1000
_HEARTBEAT_SECONDS = 15.0
_RETRY_MILLISECONDS = 2000


class Broadcast:
    """Events in order, the last `KEPT` of them kept for viewers that come back."""

    def __init__(self) -> None:
        self._events: deque[tuple[int, str]] = deque(maxlen=KEPT)
        self._more = asyncio.Condition()

    async def publish(self, number: int, document: Mapping[str, Any]) -> None:
        """Give every viewer an event; numbers rise."""
        async with self._more:
            self._events.append((number, json.dumps(document, allow_nan=False)))
            self._more.notify_all()

    async def follow(self, after: int, *, heartbeat_seconds: float = _HEARTBEAT_SECONDS) -> AsyncIterator[str]:
        """Every event after a number, as text of an event stream, for ever; a comment while there is none.

        One who was away for longer than events are kept gets the newest, which is all that a page needs.
        """
        yield f"retry: {_RETRY_MILLISECONDS}\n\n"
        while True:
            waiting = [(number, text) for number, text in self._events if number > after]
            for number, text in waiting:
                after = number
                yield f"id: {number}\nevent: change\ndata: {text}\n\n"
            if waiting:
                continue  # more may have come while these were sent
            try:
                async with asyncio.timeout(heartbeat_seconds), self._more:
                    while not any(number > after for number, _ in self._events):
                        await self._more.wait()
            except TimeoutError:
                yield ": still here\n\n"
