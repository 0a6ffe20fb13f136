"""A server on the loopback interface."""

from __future__ import annotations

import secrets
import socket
import threading
import time
from contextlib import suppress

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from ..api.cloudformation import LocalCloudFormation
from ..world.settings import EmulatorSettings
from .access import AccessGuard
from .application import Application, EngineFactory
from .journal import Journal


class _Handler(WSGIRequestHandler):
    """Keeps connections open, as AWS does, and logs nothing."""

    protocol_version = "HTTP/1.1"

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Nothing: stderr is the command line's."""


def _find_port(wanted: int) -> int:
    """The wanted port where it is free, or another one below those that the kernel gives to clients
    at any moment, so that the next server finds it free."""
    for port in (wanted, *(20_000 + secrets.randbelow(12_000) for _ in range(20))):
        with socket.socket() as tried, suppress(OSError):
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind(("127.0.0.1", port))
            if port:
                return port
    return 0


class Server:
    """A running emulator on the loopback interface; ``url`` is for ``AWS_ENDPOINT_URL``.

    With a ``journal`` it starts with the state of an earlier one, on its port where that is free.
    With a ``token`` its own actions need that.
    """

    def __init__(
        self,
        settings: EmulatorSettings | None = None,
        port: int = 0,
        mirror: bool = True,
        journal: Journal | None = None,
        make_engine: EngineFactory = LocalCloudFormation,
        token: str | None = None,
    ) -> None:
        self._application = Application(settings, mirror, journal, make_engine)
        if journal is not None:
            self._application.replay(journal)
            port = port or _find_port(journal.port)
        self._guard = AccessGuard(self._application, token)
        self._server: BaseWSGIServer = make_server(
            "127.0.0.1", port, self._guard, threaded=True, request_handler=_Handler
        )
        # An idle client must not hold the exit. threaded=True makes a ThreadedWSGIServer, typed as
        # its base class.
        self._server.daemon_threads = True  # type: ignore[attr-defined]
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        )
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        if journal is not None:
            journal.served_on(self._server.server_port)

    @property
    def engine(self) -> LocalCloudFormation:
        """The local CloudFormation that it serves."""
        return self._application.engine

    @property
    def idle_seconds(self) -> float:
        """The time since the last request."""
        return time.monotonic() - self._guard.last_request

    def __enter__(self) -> Server:
        self._thread.start()
        return self

    def load(self) -> None:
        """Read now the code and data for which the first deployment would otherwise wait."""
        self._application.load()

    def __exit__(self, *_exception: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._application.close()
