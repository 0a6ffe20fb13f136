"""The loopback server: CloudFormation is ours, every other service on the same port is moto's.

moto is imported with the first request that needs it, so that the first CloudFormation call is answered at once.
"""

from __future__ import annotations

import json
import os
import re
import threading
import uuid
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any
from urllib.parse import unquote, urlsplit

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server
from werkzeug.test import Client
from werkzeug.wrappers import Request, Response

from . import protocol
from .bucket_policies import leave_conditions_out
from .engine import ApiError, Engine
from .resources import Fault
from .rollout import SERVICE, Rollouts
from .services import MotoProvider, Services, StoredParameters, looked_up

ADMIN = "/_stackwright/"
_SCOPE = re.compile(r"Credential=[^/]+/\d+/[^/]+/([^/]+)/aws4_request")
_Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class Application:
    """The WSGI application. One lock keeps CloudFormation's state whole; moto's services have their own.

    With ``mirror``, resources also exist in moto; without it, only in their stacks.
    """

    def __init__(self, engine: Engine, mirror: bool = True) -> None:
        self._engine, self._mirror = engine, mirror
        self._lock = threading.RLock()
        self._others: _Wsgi | None = None
        if engine.fetch is None:
            engine.fetch = self.fetch
        self._attach()

    def _attach(self) -> None:
        """Let resources live in moto's services."""
        engine = self._engine
        if self._mirror and engine.provider is None:
            services = Services(self._moto, engine.pseudo)
            engine.operations.provider = MotoProvider(engine.identities, services)
            engine.operations.dynamic = partial(looked_up, services)
            engine.stored = engine.operations.stored = StoredParameters(services)
            token = engine.identities.uuid
            rollouts = Rollouts(engine.clock, services, engine.pseudo, engine.latency, token, engine.pulls)
            engine.operations.settling[SERVICE] = rollouts.settle

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        if environ.get("PATH_INFO", "").startswith(ADMIN):
            return self._admin(Request(environ))(environ, start)
        scope = _SCOPE.search(environ.get("HTTP_AUTHORIZATION", ""))
        if scope is None or scope.group(1) != "cloudformation":
            with self._lock:
                self._engine.clock.advance()
            return self._moto()(environ, start)
        return self._cloudformation(Request(environ))(environ, start)

    def _admin(self, request: Request) -> Response:
        """``status`` (GET), ``reset`` and ``fault`` (POST; a fault's fields as JSON)."""
        action = request.path.removeprefix(ADMIN)
        with self._lock:
            if action == "status":
                alive = [stack.name for stack in self._engine.store.stacks.values() if stack.alive]
                return Response(json.dumps({"pid": os.getpid(), "stacks": alive}), mimetype="application/json")
            if action == "reset" and request.method == "POST":
                self._engine.reset()
                Client(self._moto()).post("/moto-api/reset")
                self._attach()
                return Response("{}", mimetype="application/json")
            if action == "fault" and request.method == "POST":
                try:
                    self._engine.fault(Fault(**request.get_json()))
                except TypeError as error:
                    return Response(json.dumps({"error": str(error)}), 400, mimetype="application/json")
                return Response("{}", mimetype="application/json")
        return Response('{"error": "no such action"}', 404, mimetype="application/json")

    def _cloudformation(self, request: Request) -> Response:
        request_id = str(uuid.uuid4())
        status = 200
        try:
            action, arguments = protocol.parse_request(request.get_data(as_text=True))
            with self._lock:
                result = self._engine.call(action, arguments)
                text = protocol.answer(action, result, request_id)
        except protocol.Malformed as error:
            status, text = 400, protocol.error("MalformedInput", str(error), 400, request_id)
        except ApiError as error:
            status, text = error.status, protocol.error(error.code, error.message, error.status, request_id)
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            status, text = 500, protocol.error("InternalFailure", reason, 500, request_id)
        return Response(text, status, {"x-amzn-RequestId": request_id}, mimetype="text/xml")

    def _moto(self) -> _Wsgi:
        with self._lock:
            if self._others is None:
                from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

                leave_conditions_out()
                self._others = DomainDispatcherApplication(create_backend_app)
                Client(self._others).post("/moto-api/reset")  # its state is the process's, an earlier server's too
            return self._others

    def fetch(self, url: str) -> str:
        """The text of an object in moto's S3, named by a path-style or virtual-hosted URL.

        Raises:
            OSError: it is not there.
        """
        from moto.s3.models import s3_backends

        pseudo = self._engine.pseudo
        bucket, key = bucket_and_key(url)
        backend = s3_backends[pseudo.account_id][pseudo.partition]
        try:
            found = backend.get_object(bucket, key)
        except Exception:
            found = None
        if found is None:
            raise FileNotFoundError("Access Denied")
        return str(found.value.decode("utf-8"))


def bucket_and_key(url: str) -> tuple[str, str]:
    """Bucket and key of an S3 URL: ``s3://``, path-style (also of a loopback endpoint), or virtual-hosted."""
    parts = urlsplit(url)
    path = unquote(parts.path.lstrip("/"))
    host = parts.hostname or ""
    if parts.scheme == "s3":
        return host, path
    hosted = re.fullmatch(r"(.+)\.s3[.-].*amazonaws\.com(\.cn)?", host)
    if hosted:
        return hosted.group(1), path
    bucket, _, key = path.partition("/")
    return bucket, key


class _Handler(WSGIRequestHandler):
    """Keeps connections open, as AWS does, and keeps quiet."""

    protocol_version = "HTTP/1.1"

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Nothing: stderr is the command line's."""


class Server:
    """A running emulator on the loopback interface; ``url`` is for ``AWS_ENDPOINT_URL``."""

    def __init__(self, engine: Engine, port: int = 0, mirror: bool = True) -> None:
        application = Application(engine, mirror)
        self._server: BaseWSGIServer = make_server(
            "127.0.0.1", port, application, threaded=True, request_handler=_Handler
        )
        self._server.daemon_threads = True  # type: ignore[attr-defined]  # an idle client must not hold the exit
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Server:
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
