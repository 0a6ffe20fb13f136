"""A management API made by hand on loopback: one answer to every connection."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

DOCUMENT: dict[str, Any] = {
    "name": "agent.mandates",
    "state": "running",
    "messages_ready": 4,
    "messages_unacknowledged": 2,
    "consumers": 3,
    "message_stats": {"publish": 9, "publish_details": {"rate": 0.0, "avg_rate": 0.15}},
}


def response(status: str, body: bytes, headers: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body


def ok(document: object) -> bytes:
    return response("200 OK", json.dumps(document).encode())


@contextmanager
def server(
    answer: Callable[[socket.socket, str], None], context: ssl.SSLContext | None = None
) -> Iterator[int]:
    """Answers every connection with `answer(socket, path)`; gives its port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            try:
                connection.settimeout(5)
                if context:
                    connection = context.wrap_socket(connection, server_side=True)
                request = connection.recv(65536).decode(errors="replace")
                answer(connection, request.split(" ")[1] if request else "")
            except OSError:
                pass  # the client left, which is what some of these tests are about
            finally:
                connection.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)


def sends(data: bytes) -> Callable[[socket.socket, str], None]:
    return lambda connection, _: connection.sendall(data)
