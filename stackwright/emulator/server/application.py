"""The WSGI application: CloudFormation is the emulator's own, every other service is moto's.

moto is imported with the first request that needs it, or by :meth:`Application.load`, so that the
first CloudFormation call is answered at once.
"""

from __future__ import annotations

import json
import re
import socket
import threading
import time
import traceback
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from io import BytesIO
from typing import Any

from werkzeug.wrappers import Request, Response

from ..api.cloudformation import LocalCloudFormation
from ..api.errors import ApiError
from ..services.account import EmulatedAccount
from ..services.backend import connect_moto
from ..services.ecs.actions import EcsActions
from ..services.ecs.rollouts import ServiceRollouts
from ..services.functions import Functions, invoked_function
from ..services.mirrors import MIRRORS
from ..services.moto_application import read_server
from ..services.moto_runtime import MotoRuntime
from ..services.moto_services import MotoServices
from ..services.registry import Blobs, LocalRegistry, is_registry
from ..world.backend import Backend, BackendContext, connect_schemas
from ..world.faults import RequestFault, restore_faults
from ..world.settings import EmulatorSettings
from . import protocol
from .admin import Admin
from .fault_answers import action_of, answer_failure, answer_fault, answer_unknown
from .journal import Journal, ReplayableServices, prepare_moto
from .lifecycle import ADMIN

_TURN = 0.01
"""Seconds between two services that are loaded, in which a waiting request gets its turn."""
EngineFactory = Callable[
    [EmulatorSettings, Callable[[BackendContext], Backend]], LocalCloudFormation
]
_SCOPE = re.compile(r"Credential=[^/]+/\d+/[^/]+/([^/]+)/aws4_request")


class Application:
    """One emulator for all requests. One lock keeps the state of CloudFormation whole, and moto's.

    With ``mirror`` resources also exist in moto, without it only in their stacks. A ``journal``
    records every change. ``make_engine`` makes the CloudFormation that it serves.
    """

    def __init__(
        self,
        settings: EmulatorSettings | None = None,
        mirror: bool = True,
        journal: Journal | None = None,
        make_engine: EngineFactory = LocalCloudFormation,
    ) -> None:
        settings = settings or EmulatorSettings()
        self._pseudo, self._mirror, self._journal = settings.pseudo, mirror, journal
        self._lock = threading.RLock()
        prepare = partial(prepare_moto, settings.pseudo) if journal else lambda: None
        self._moto = MotoRuntime(settings.pseudo, self._lock, prepare)
        self._clients: dict[str, Any] = {}
        self._rollouts: ServiceRollouts | None = None
        self._blobs = Blobs(journal.folder / "blobs" if journal else None)
        self._registry = LocalRegistry(self._blobs, self._moto.repositories)
        self._functions = Functions(settings.pseudo)
        self._account = EmulatedAccount(settings.pseudo)
        self._end_process = settings.die
        self.engine = make_engine(
            replace(
                settings,
                fetch=settings.fetch or self._moto.fetch,
                source=journal.source if journal else settings.source,
                die=self._die,
            ),
            self._connect if mirror else connect_schemas,
        )
        self._admin = Admin(self.engine, self._reset, self._keep_faults, self._lock)

    def _connect(self, context: BackendContext) -> Backend:
        """Let resources exist in moto's services."""
        backend, self._rollouts = connect_moto(context, self._services())
        return backend

    def _services(self) -> MotoServices:
        if self._journal is None:
            return MotoServices(self._moto.application, self._pseudo, self._clients)
        return ReplayableServices(
            self._moto.application, self._pseudo, self._clients, self._journal
        )

    def load(self) -> None:
        """Read the code and data that deployments need, one service at a time, between requests; it
        changes no state."""
        read_server()  # before the lock is taken, so that no request waits for it
        for name in MIRRORS:
            self.engine.world.schemas.get(name)
        services = MotoServices(self._moto.application, self._pseudo, self._clients)
        for service in sorted({mirror.service for mirror in MIRRORS.values()}):
            services.read(service)
            with self._lock:
                services.load(service)
            time.sleep(_TURN)

    def close(self) -> None:
        """Remove temporary files."""
        self._blobs.close()

    # --- requests

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        request = _buffer(environ)
        if request.path.startswith(ADMIN):
            return self._journaled(request, self._admin.answer)(environ, start)
        scope = _SCOPE.search(request.headers.get("Authorization", ""))
        service = "registry" if is_registry(request) else scope.group(1) if scope else ""
        faults = self.engine.faults
        with self._lock:
            action = action_of(request) if faults.requests else ""
            struck = [fault for fault in faults.requests if fault.strikes(service, action)]
        try:
            answer = self._answer_struck(struck, service, request)
        except ConnectionAbortedError:  # a fault that drops the connection
            raise
        except Exception as error:
            traceback.print_exc()
            answer = answer_failure(error, service, request, str(uuid.uuid4()))
        if faults.requests or faults.kills:
            self._keep_faults()
        return answer(environ, start)

    def _answer_struck(
        self, struck: list[RequestFault], service: str, request: Request
    ) -> Response:
        """The answer, unless a fault comes before or after it."""
        for fault in struck:
            if not fault.after:
                error = self._suffer(fault, service, request)
                if error is not None:
                    return error
        answer = self._journaled(request, partial(self._answer, service))
        for fault in struck:
            if fault.after:
                answer = self._suffer(fault, service, request) or answer
        return answer

    def _suffer(self, fault: RequestFault, service: str, request: Request) -> Response | None:
        if fault.kind == "slow":
            time.sleep(fault.seconds)
            return None
        if fault.kind == "drop":
            _hang_up(request.environ)
        return answer_fault(fault, service, request, str(uuid.uuid4()))

    def _journaled(self, request: Request, answer: Callable[[Request], Response]) -> Response:
        """The answer; requests that change something are journaled, one at a time."""
        if self._journal is None or not self._journal.wants(request):
            return answer(request)
        if self._mirror:
            self._moto.application()  # time stands still within a change: loading must not count
        with self._lock, self._journal.change(request):
            return answer(request)

    def _answer(self, service: str, request: Request) -> Response:
        if service == "cloudformation":
            return self._answer_cloudformation(request)
        if service == "registry":
            return self._registry.answer(request)
        with self._lock:
            self.engine.clock.advance()
        function = invoked_function(request) if service == "lambda" else None
        if function is not None:
            self._moto.application()
            return self._functions.invoke(request, function)
        answer = self._account.answer(service, action_of(request), request)
        if answer is not None:
            return answer
        if service == "ecs" and self._rollouts is not None:
            return self._answer_ecs(self._rollouts, request)
        return self._answer_by_moto(request, request.get_data())

    def _answer_cloudformation(self, request: Request) -> Response:
        request_id = str(uuid.uuid4())
        status = 200
        try:
            action, arguments = protocol.parse_request(request.get_data(as_text=True))
            with self._lock:
                result = self.engine.call(action, arguments)
                text = protocol.format_result(action, result, request_id)
        except protocol.MissingMember as error:
            status = 400
            text = protocol.format_error("ValidationError", str(error), 400, request_id)
        except protocol.Malformed as error:
            status = 400
            text = protocol.format_error("MalformedInput", str(error), 400, request_id)
        except ApiError as error:
            status = error.status
            text = protocol.format_error(error.code, error.message, error.status, request_id)
        except Exception as error:
            traceback.print_exc()
            reason, status = f"{type(error).__name__}: {error}", 500
            text = protocol.format_error("InternalFailure", reason, 500, request_id)
        return Response(text, status, {"x-amzn-RequestId": request_id}, mimetype="text/xml")

    def _answer_ecs(self, rollouts: ServiceRollouts, request: Request) -> Response:
        def pass_on(action: str, arguments: Mapping[str, Any]) -> Response:
            target = request.headers["X-Amz-Target"].rpartition(".")[0]
            body = json.dumps(arguments).encode()
            return self._answer_by_moto(request, body, HTTP_X_AMZ_TARGET=f"{target}.{action}")

        arguments = request.get_json(force=True, silent=True)
        if "X-Amz-Target" not in request.headers or not isinstance(arguments, dict):
            return self._answer_by_moto(request, request.get_data())
        with self._lock:
            ecs = EcsActions(rollouts, self.engine.pages.size, pass_on)
            return ecs.answer(action_of(request), arguments)

    def _answer_by_moto(self, request: Request, body: bytes, **changed: str) -> Response:
        """moto's answer; an action that moto does not implement does not exist here."""
        environ = {
            **request.environ,
            **changed,
            "wsgi.input": BytesIO(body),
            "CONTENT_LENGTH": str(len(body)),
        }
        try:
            with self._lock:  # moto is not safe between threads, which share its random numbers
                return Response.from_app(self._moto.application(), environ, buffered=True)
        except NotImplementedError as error:  # raised by moto
            return answer_unknown(request, str(error), str(uuid.uuid4()))

    # --- state

    def _reset(self) -> None:
        if self._journal:
            self._journal.forget()
        self._blobs.forget()
        self._moto.reset()
        self.engine.realistic = 0.0
        self.engine.reset()
        self._keep_faults()

    def _keep_faults(self) -> None:
        """Record the faults still to come."""
        if self._journal is not None:
            with self._lock:
                self._journal.keep_faults(self.engine.faults.serialize())

    def _die(self) -> None:
        """End the process as a kill asks; the kill does not strike again after the restart."""
        self._keep_faults()
        self._end_process()

    def replay(self, journal: Journal) -> None:
        """Repeat the changes of an earlier server, and take over its faults."""
        journal.replay(self)
        for fault in restore_faults(journal.faults()):
            self.engine.fault(fault)


def _buffer(environ: dict[str, Any]) -> Request:
    """A request whose body can be read twice, by us and by moto."""
    body = Request(environ).get_data()
    environ["wsgi.input"], environ["CONTENT_LENGTH"] = BytesIO(body), str(len(body))
    environ.pop("HTTP_TRANSFER_ENCODING", None)
    return Request(environ)


def _hang_up(environ: dict[str, Any]) -> None:
    """Close the connection without an answer.

    Raises:
        ConnectionAbortedError: always, so that nothing is answered.
    """
    connection = environ.get("werkzeug.socket")
    if connection is not None:
        connection.shutdown(socket.SHUT_RDWR)
    raise ConnectionAbortedError("dropped on request")
