"""The loopback server: CloudFormation is ours, every other service on the same port is moto's.

moto is imported with the first request that needs it, or by :meth:`Server.load`, so that the first
CloudFormation call is answered at once.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from io import BytesIO
from typing import Any
from urllib.parse import unquote, urlsplit

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response

from . import faults, protocol
from .account import EmulatedAccount
from .drift import Drifts
from .ecs import Ecs
from .engine import ApiError, LocalCloudFormation
from .functions import Functions, invoked
from .journal import Journal, RememberingServices, settle
from .moto_application import MotoApplication, read_server
from .registry import Blobs, LocalRegistry, is_registry
from .rollout import SCALABLE, SERVICE, ServiceRollouts
from .services import MIRRORS, MotoProvider, MotoServices, StoredParameters, looked_up

ADMIN = "/_stackwright/"
_TURN = 0.01
"""Seconds in which a request that waits gets its turn."""
_SCOPE = re.compile(r"Credential=[^/]+/\d+/[^/]+/([^/]+)/aws4_request")


class Application:
    """The WSGI application. One lock keeps CloudFormation's state whole; moto's services have their
    own.

    With ``mirror``, resources also exist in moto; without it, only in their stacks.
    """

    def __init__(
        self, engine: LocalCloudFormation, mirror: bool = True, journal: Journal | None = None
    ) -> None:
        self._engine, self._mirror, self._journal = engine, mirror, journal
        self._lock = threading.RLock()
        self._others: MotoApplication | None = None
        self._rollouts: ServiceRollouts | None = None
        self._clients: dict[str, Any] = {}
        self._blobs = Blobs(journal.folder / "blobs" if journal else None)
        self._registry = LocalRegistry(self._blobs, self._repositories)
        self._end, engine.die = engine.die, self._die
        self._functions, self._account = Functions(engine.pseudo), EmulatedAccount(engine.pseudo)
        if engine.fetch is None:
            engine.fetch = self.fetch
        self._attach()

    def _attach(self) -> None:
        """Let resources live in moto's services."""
        engine = self._engine
        if self._mirror and engine.provider is None:
            services = self._services()
            engine.operations.provider = MotoProvider(engine.identities, services)
            engine.operations.dynamic = partial(looked_up, services)
            engine.stored = engine.operations.stored = StoredParameters(services)
            engine.drifts, token = Drifts(services), engine.identities.uuid
            clock, place = engine.clock, engine.pseudo
            rollouts = ServiceRollouts(
                clock, services, place, engine.seconds, token, engine.pulls, engine.is_unhealthy
            )
            engine.operations.settling |= {SERVICE: rollouts.settle, SCALABLE: rollouts.bounded}
            self._rollouts = rollouts

    def load(self) -> None:
        """Read what deployments need, one service at a time, between requests; nothing that can be
        seen changes."""
        read_server()  # before the lock is taken, so that nobody waits for it
        for name in MIRRORS:
            self._engine.schemas.get(name)
        services = MotoServices(self._moto, self._engine.pseudo, self._clients)
        for service in sorted({mirror.service for mirror in MIRRORS.values()}):
            services.read(service)
            with self._lock:
                services.load(service)
            time.sleep(_TURN)

    def _services(self) -> MotoServices:
        if self._journal is None:
            return MotoServices(self._moto, self._engine.pseudo, self._clients)
        return RememberingServices(self._moto, self._engine.pseudo, self._clients, self._journal)

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        request, engine = _whole(environ), self._engine
        if request.path.startswith(ADMIN):
            return self._remembered(request, self._admin)(environ, start)
        scope = _SCOPE.search(request.headers.get("Authorization", ""))
        service = "registry" if is_registry(request) else scope.group(1) if scope else ""
        with self._lock:
            struck = self._struck(service, request)
        answer = self._served(struck, service, request)
        if engine.request_faults or engine.kills:
            self._keep_faults()
        return answer(environ, start)

    def _keep_faults(self) -> None:
        """Write down what faults are still to come."""
        if self._journal is not None:
            with self._lock:
                self._journal.keep_faults(
                    faults.as_data([*self._engine.request_faults, *self._engine.kills])
                )

    def _die(self) -> None:
        """End as a kill asks, which is not to strike again."""
        self._keep_faults()
        self._end()

    def restore(self) -> None:
        """Take up the faults that an earlier server left."""
        if self._journal is not None:
            for fault in faults.restored(self._journal.faults()):
                self._engine.fault(fault)

    def _struck(self, service: str, request: Request) -> list[faults.RequestFault]:
        waiting = self._engine.request_faults
        action = faults.action_of(request) if waiting else ""
        return [fault for fault in waiting if fault.strikes(service, action)]

    def _served(
        self, struck: list[faults.RequestFault], service: str, request: Request
    ) -> Response:
        """The answer, unless a fault comes before or after it."""
        for fault in struck:
            if not fault.after:
                found = self._suffer(fault, service, request)
                if found is not None:
                    return found
        answer = self._remembered(request, partial(self._answered, service))
        for fault in struck:
            if fault.after:
                answer = self._suffer(fault, service, request) or answer
        return answer

    def _suffer(
        self, fault: faults.RequestFault, service: str, request: Request
    ) -> Response | None:
        if fault.kind == "slow":
            time.sleep(fault.seconds)
            return None
        if fault.kind == "drop":
            _hang_up(request.environ)
        return faults.answer(fault, service, request, str(uuid.uuid4()))

    def _remembered(self, request: Request, answer: Callable[[Request], Response]) -> Response:
        """The answer; what changes something is written down, one at a time."""
        if self._journal is None or not self._journal.wants(request):
            return answer(request)
        if self._mirror:
            self._moto()  # time stands still within a change: loading must not count
        with self._lock, self._journal.change(request):
            return answer(request)

    def _answered(self, service: str, request: Request) -> Response:
        if service == "cloudformation":
            return self._cloudformation(request)
        if service == "registry":
            return self._registry.answer(request)
        with self._lock:
            self._engine.clock.advance()
        function = invoked(request) if service == "lambda" else None
        if function is not None:
            self._moto()
            return self._functions.invoke(request, function)
        found = self._account.answer(service, faults.action_of(request), request)
        if found is not None:
            return found
        if service == "ecs" and self._rollouts is not None:
            return self._ecs(self._rollouts, request)
        return self._passed(request, request.get_data())

    def _ecs(self, rollouts: ServiceRollouts, request: Request) -> Response:
        def passed(action: str, arguments: Mapping[str, Any]) -> Response:
            target = request.headers["X-Amz-Target"].rpartition(".")[0]
            return self._passed(
                request, json.dumps(arguments).encode(), HTTP_X_AMZ_TARGET=f"{target}.{action}"
            )

        arguments = request.get_json(force=True, silent=True)
        if "X-Amz-Target" not in request.headers or not isinstance(arguments, dict):
            return self._passed(request, request.get_data())
        with self._lock:
            return Ecs(rollouts, self._engine.page, passed).answer(
                faults.action_of(request), arguments
            )

    def _passed(self, request: Request, body: bytes, **changed: str) -> Response:
        """moto's answer; what it does not implement, no client can call."""
        environ = {
            **request.environ,
            **changed,
            "wsgi.input": BytesIO(body),
            "CONTENT_LENGTH": str(len(body)),
        }
        try:
            with (
                self._lock
            ):  # moto's services are not safe between threads, and share a source of randomness
                return Response.from_app(self._moto(), environ, buffered=True)
        except NotImplementedError as error:  # raised by moto
            return faults.unknown(request, str(error), str(uuid.uuid4()))

    def _admin(self, request: Request) -> Response:
        """``status`` (GET), ``reset``, ``fault`` (a fault's fields as JSON), ``clear`` (all
        faults), ``page`` (``size``: entries on a page) and ``latency`` (``realistic``: a factor),
        by POST."""
        action = request.path.removeprefix(ADMIN)
        posted = request.method == "POST"
        if (
            action == "status"
        ):  # without waiting for what is being done: whoever asks wants to know whether it lives
            alive = [
                stack.name for stack in list(self._engine.store.stacks.values()) if stack.alive
            ]
            return _json({"pid": os.getpid(), "stacks": alive})
        with self._lock:
            if action == "reset" and posted:
                if self._journal:
                    self._journal.forget()
                self._engine.realistic = 0.0
                self._engine.reset()
                self._keep_faults()
                self._blobs.forget()
                self._moto().reset()
                if self._journal:
                    settle(self._engine.pseudo)
                self._attach()
                return _json({})
            if action == "page" and posted:
                return self._page(request)
            if action == "latency" and posted:
                return self._latency(request)
            if action == "clear" and posted:
                self._engine.clear_faults()
                self._keep_faults()
                return _json({})
            if action == "fault" and posted:
                return self._fault(request)
        return _json({"error": "no such action"}, 404)

    def _latency(self, request: Request) -> Response:
        factor = (request.get_json(silent=True) or {}).get("realistic")
        if not isinstance(factor, int | float) or factor < 0:
            return _json(
                {"error": "realistic is 0 (off), 1 (as slow as AWS), or a factor between or above"},
                400,
            )
        self._engine.realistic = float(factor)
        return _json({})

    def _page(self, request: Request) -> Response:
        size = (request.get_json(silent=True) or {}).get("size")
        if not isinstance(size, int) or size < 1:
            return _json({"error": "size is the number of entries on a page, at least 1"}, 400)
        self._engine.page = size
        return _json({})

    def _fault(self, request: Request) -> Response:
        try:
            self._engine.fault(faults.parsed(request.get_json(silent=True)))
        except ValueError as error:
            return _json({"error": str(error)}, 400)
        self._keep_faults()
        return _json({})

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
            status, text = (
                error.status,
                protocol.error(error.code, error.message, error.status, request_id),
            )
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            status, text = 500, protocol.error("InternalFailure", reason, 500, request_id)
        return Response(text, status, {"x-amzn-RequestId": request_id}, mimetype="text/xml")

    def _moto(self) -> MotoApplication:
        with self._lock:
            if self._others is None:
                self._others = MotoApplication(self._engine.pseudo.account_id)
                self._others.reset()  # its state is the process's, an earlier server's too
                if self._journal:
                    settle(self._engine.pseudo)
            return self._others

    def _repositories(self) -> Any:
        """moto's ECR of this account and Region."""
        self._moto()
        from moto.ecr.models import ecr_backends

        return ecr_backends[self._engine.pseudo.account_id][self._engine.pseudo.region]

    def close(self) -> None:
        """Give back what is not kept."""
        self._blobs.close()

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


def _whole(environ: dict[str, Any]) -> Request:
    """A request whose body can be read twice, by us and by moto."""
    body = Request(environ).get_data()
    environ["wsgi.input"], environ["CONTENT_LENGTH"] = BytesIO(body), str(len(body))
    environ.pop("HTTP_TRANSFER_ENCODING", None)
    return Request(environ)


def _json(body: dict[str, Any], status: int = 200) -> Response:
    return Response(json.dumps(body), status, mimetype="application/json")


def _hang_up(environ: dict[str, Any]) -> None:
    """Close the connection without an answer.

    Raises:
        ConnectionAbortedError: always, so that nothing is answered.
    """
    connection = environ.get("werkzeug.socket")
    if connection is not None:
        connection.shutdown(socket.SHUT_RDWR)
    raise ConnectionAbortedError("dropped on request")


def bucket_and_key(url: str) -> tuple[str, str]:
    """Bucket and key of an S3 URL: ``s3://``, path-style (also of a loopback endpoint), or
    virtual-hosted."""
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


def _free(wanted: int) -> int:
    """The port of the last server, or another one below those that the kernel hands out to clients
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

    With a ``journal`` it begins with what an earlier one left, on its port where that is free.
    """

    def __init__(
        self,
        engine: LocalCloudFormation,
        port: int = 0,
        mirror: bool = True,
        journal: Journal | None = None,
    ) -> None:
        self._application = application = Application(engine, mirror, journal)
        if journal is not None:
            engine.clock.source = engine.source = journal.source
            journal.replay(application)
            application.restore()
            port = port or _free(journal.port)
        self._server: BaseWSGIServer = make_server(
            "127.0.0.1", port, application, threaded=True, request_handler=_Handler
        )
        self._server.daemon_threads = True  # type: ignore[attr-defined]  # an idle client must not hold the exit
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        )
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        if journal is not None:
            journal.served_on(self._server.server_port)

    def __enter__(self) -> Server:
        self._thread.start()
        return self

    def load(self) -> None:
        """Read now what the first deployment would otherwise wait for."""
        self._application.load()

    def __exit__(self, *_exception: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._application.close()
