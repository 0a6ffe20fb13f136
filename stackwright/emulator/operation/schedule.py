"""Steps in the order of their dependencies."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial

Done = Callable[[bool], None]
"""Called once with whether a step, a schedule or an operation succeeded."""


class Schedule:
    """Runs steps in the order of their dependencies, as many side by side as possible.

    ``needs`` are the steps that each step waits for. ``begin(name, end)`` starts one step and calls
    ``end(ok)`` when it has ended. After a failure no further step starts, ``cancel(name)`` is
    called for every running step, and ``done(False)`` ends the schedule.
    """

    def __init__(
        self,
        needs: Mapping[str, Iterable[str]],
        begin: Callable[[str, Done], None],
        done: Done,
        cancel: Callable[[str], None] | None = None,
    ) -> None:
        self._waiting = {
            name: {need for need in needed if need in needs} for name, needed in needs.items()
        }
        self._running: dict[str, None] = {}
        self._begin, self._done, self._cancel = begin, done, cancel
        self._ended = False

    def start(self) -> None:
        """Start every step that waits for nothing."""
        while not self._ended:
            name = next((name for name, needs in self._waiting.items() if not needs), None)
            if name is None:
                break
            del self._waiting[name]
            self._running[name] = None
            self._begin(name, partial(self._finish, name))
        if not self._waiting and not self._running:
            self._end(True)

    def _finish(self, name: str, ok: bool) -> None:
        if self._ended or name not in self._running:
            return
        del self._running[name]
        if not ok:
            self.stop()
            return
        for needs in self._waiting.values():
            needs.discard(name)
        self.start()

    def _end(self, ok: bool) -> None:
        if not self._ended:
            self._ended = True
            self._done(ok)

    def stop(self) -> None:
        """Cancel the running steps and end as failed."""
        self._cancel_running()
        self._end(False)

    def abandon(self) -> None:
        """Cancel the running steps without calling ``done``: another operation takes over."""
        self._ended = True
        self._cancel_running()

    def _cancel_running(self) -> None:
        for name in list(self._running):
            if self._cancel:
                self._cancel(name)
