"""The emulator's own actions, under ``/_stackwright/``."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

from werkzeug.wrappers import Request, Response

from ..api.cloudformation import LocalCloudFormation
from ..world.faults import parse_fault
from .lifecycle import ADMIN


class Admin:
    """Answers ``status`` (GET), and by POST ``reset``, ``fault`` (a fault's fields as JSON),
    ``clear`` (all faults), ``page`` (``size``: entries on a page) and ``latency`` (``realistic``: a
    factor).

    ``reset`` forgets everything, ``keep_faults`` records the faults still to come.
    """

    def __init__(
        self,
        engine: LocalCloudFormation,
        reset: Callable[[], None],
        keep_faults: Callable[[], None],
        lock: AbstractContextManager[Any],
    ) -> None:
        self._engine, self._reset_all = engine, reset
        self._keep_faults, self._lock = keep_faults, lock
        self._actions: Mapping[str, Callable[[Any], Response]] = {
            "clear": self._clear,
            "fault": self._fault,
            "latency": self._latency,
            "page": self._page,
            "reset": self._reset,
        }

    def answer(self, request: Request) -> Response:
        """The answer to one request."""
        action = request.path.removeprefix(ADMIN)
        if action == "status":  # without the lock: an emulator that is busy still answers
            return self._status()
        handler = self._actions.get(action) if request.method == "POST" else None
        if handler is None:
            return _json({"error": "no such action"}, 404)
        with self._lock:
            return handler(request.get_json(silent=True))

    def _status(self) -> Response:
        stacks = list(self._engine.store.stacks.values())
        return _json({"pid": os.getpid(), "stacks": [s.name for s in stacks if s.alive]})

    def _reset(self, _body: Any) -> Response:
        self._reset_all()
        return _json({})

    def _clear(self, _body: Any) -> Response:
        self._engine.clear_faults()
        self._keep_faults()
        return _json({})

    def _fault(self, body: Any) -> Response:
        try:
            self._engine.fault(parse_fault(body))
        except ValueError as error:
            return _json({"error": str(error)}, 400)
        self._keep_faults()
        return _json({})

    def _latency(self, body: Any) -> Response:
        factor = (body or {}).get("realistic")
        if not isinstance(factor, int | float) or factor < 0:
            text = "realistic is 0 (off), 1 (as slow as AWS), or a factor between or above"
            return _json({"error": text}, 400)
        self._engine.realistic = float(factor)
        return _json({})

    def _page(self, body: Any) -> Response:
        size = (body or {}).get("size")
        if not isinstance(size, int) or size < 1:
            return _json({"error": "size is the number of entries on a page, at least 1"}, 400)
        self._engine.pages.size = size
        return _json({})


def _json(body: dict[str, Any], status: int = 200) -> Response:
    return Response(json.dumps(body), status, mimetype="application/json")
