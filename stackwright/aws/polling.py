"""When to ask AWS again: often while things move, seldom while they do not, never faster than AWS
allows.

CloudFormation documents no rate for its calls and throttles an account as a whole, so rounds are
spaced by how many calls one makes; what is throttled all the same is tried again by botocore.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

CALLS_A_SECOND = 5.0
"""What one deployment allows itself. An account was seen to be throttled at eight to ten reads a
second (https://github.com/aws/aws-cdk-cli/issues/1709), and others use it too."""


class Polling:
    """Rounds of asking: ``for _ in polling: …`` runs the first at once and waits before each other
    one.

    The time from the start of one round to the next is ``first`` seconds, then ``growth`` times as
    long each round, up to ``longest``; `changed` begins anew with ``first``. A round of which
    `called` says that it made n calls takes at least n / ``rate`` seconds. Iteration ends after
    ``deadline`` seconds, with one last round at that time; without one it never ends by itself.
    Raises nothing.
    """

    def __init__(
        self,
        *,
        first: float = 0.2,
        longest: float = 1.0,
        growth: float = 1.5,
        rate: float = CALLS_A_SECOND,
        deadline: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._first, self._longest, self._growth, self._rate = first, longest, growth, rate
        self._deadline, self._clock, self._sleep = deadline, clock, sleep
        self._wait, self._calls = first, 0

    def changed(self) -> None:
        """Something moved: more is likely to follow soon."""
        self._wait = self._first

    def called(self, count: int = 1) -> None:
        """This round has made ``count`` more calls; one call is assumed where nothing is said."""
        self._calls += count

    def __iter__(self) -> Iterator[float]:
        """The seconds since the first round."""
        began = self._clock()
        last = False
        while True:
            started = self._clock()
            self._calls = 0
            yield started - began
            if last:
                return
            pause = max(self._wait, self._calls / self._rate)
            self._wait = min(self._wait * self._growth, self._longest)
            due = started + pause
            if self._deadline is not None and due >= began + self._deadline:
                due, last = began + self._deadline, True
            now = self._clock()
            if due > now:
                self._sleep(due - now)
