"""Who may speak to the emulator: programs of this machine, and no page in a browser.

A page of any site can send requests to 127.0.0.1, and read the answers where its own name resolves
to that address (DNS rebinding). Its requests name the page's host in ``Host`` or ``Origin``.
Source: https://owasp.org/www-community/attacks/DNS_Rebinding
"""

from __future__ import annotations

import hmac
import ipaddress
import json
import os
import time
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlsplit

from werkzeug.wrappers import Request, Response

from .lifecycle import ADMIN, TOKEN


class AccessGuard:
    """Passes requests of this machine's programs on to the application.

    With a ``token`` the emulator's own actions need it; the state file, which only its user can
    read, holds it. ``status`` without the token says only that an emulator answers.
    """

    def __init__(self, application: Any, token: str | None = None) -> None:
        self._application, self._token = application, token
        self.last_request = time.monotonic()

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        self.last_request = time.monotonic()
        request = Request(environ)
        refusal = self._refuse(request)
        if refusal is not None:
            return _json({"error": refusal}, 403)(environ, start)
        if request.path.startswith(ADMIN) and not self._is_admin(request):
            return self._answer_stranger(request)(environ, start)
        answered: Iterable[bytes] = self._application(environ, start)
        return answered

    def _refuse(self, request: Request) -> str | None:
        host = request.headers.get("Host", "")
        if not is_loopback(f"//{host}"):
            return f"the emulator answers requests to 127.0.0.1 and localhost, not to {host!r}"
        origin = request.headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc != host:
            return f"the emulator answers no page of {origin!r}"
        if request.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
            return "the emulator answers no page of another site"
        return None

    def _answer_stranger(self, request: Request) -> Response:
        if request.path == f"{ADMIN}status":
            return _json({"pid": os.getpid()})
        text = f"the emulator's own actions need the header {TOKEN}; its state file has the value"
        return _json({"error": text}, 403)

    def _is_admin(self, request: Request) -> bool:
        given = request.headers.get(TOKEN, "")
        return self._token is None or hmac.compare_digest(given.encode(), self._token.encode())


def _json(body: dict[str, Any], status: int = 200) -> Response:
    return Response(json.dumps(body), status, mimetype="application/json")


def is_loopback(url: str) -> bool:
    """Whether the host of a URL is this machine's loopback interface."""
    try:
        name = urlsplit(url).hostname or ""
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
