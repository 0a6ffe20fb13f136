"""The clock: it runs planned callbacks while a request is answered.

So no thread is needed, and a run with the same requests and seed always gives the same events.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count


class Clock:
    """Runs callbacks when they are due.

    ``source`` gives the present in seconds since the epoch. While a callback runs, ``now`` is the
    time for which it was planned, so that events carry the time at which AWS would log them.
    """

    def __init__(self, source: Callable[[], float]) -> None:
        self.source = source
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._serial = count()
        self._now: float | None = None

    @property
    def now(self) -> float:
        """Seconds since the epoch."""
        return self.source() if self._now is None else self._now

    def after(self, seconds: float, callback: Callable[[], None]) -> None:
        """Plan a callback; callbacks of one time run in the order in which they were planned."""
        heapq.heappush(self._queue, (self.now + seconds, next(self._serial), callback))

    def advance(self) -> None:
        """Run the callbacks that are due."""
        present = self.source()
        while self._queue and self._queue[0][0] <= present:
            due, _, callback = heapq.heappop(self._queue)
            self._now = due
            try:
                callback()
            finally:
                self._now = None

    @property
    def idle(self) -> bool:
        """Whether no callback is planned."""
        return not self._queue
