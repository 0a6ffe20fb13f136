"""Lambda's Invoke: the function's own code from its zip, in a Python of its own on this machine.

It runs with this process's Python and packages (boto3 among them, as in Lambda), its own
environment variables, and AWS_ENDPOINT_URL pointing here.
docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
"""

from __future__ import annotations

import base64
import io
import json
import os
import re
import subprocess
import sys
import threading
import time
import uuid
import zipfile
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import unquote

from werkzeug.wrappers import Request, Response

from ...cfn import Pseudo
from .function_process import run_process

_PATH = re.compile(r"/\d{4}-\d\d-\d\d/functions/([^/]+)/invocations")
_BOOTSTRAP = Path(__file__).with_name("bootstrap.py")
_LOG_TAIL = 4096  # bytes of the log that an answer carries


def invoked_function(request: Request) -> str | None:
    """The name or ARN of the function that a request invokes; None for other requests."""
    match = _PATH.fullmatch(request.path) if request.method == "POST" else None
    return unquote(match.group(1)) if match else None


@dataclass
class FunctionRun:
    """One run of a function: ``payload`` is the JSON of its answer, ``failed`` whether that is an
    error."""

    payload: str
    failed: bool
    log: str


class Functions:
    """The functions of one account and Region, as moto holds them."""

    def __init__(self, pseudo: Pseudo) -> None:
        self._pseudo = pseudo

    def _backend(self, service: str) -> Any:
        from moto.backends import get_backend

        backends: Any = get_backend(service)  # type: ignore[call-overload]
        return backends[self._pseudo.account_id][self._pseudo.region]

    def invoke(self, request: Request, name: str) -> Response:
        """The answer to an invocation. The function may call the emulator: no lock may be held."""
        try:
            function = self._backend("lambda").get_function(name, request.args.get("Qualifier"))
        except Exception as error:  # moto's own kinds
            return _refuse(404, "ResourceNotFoundException", str(getattr(error, "message", error)))
        try:
            event = json.loads(request.get_data() or b"{}")
        except ValueError as error:
            text = f"Could not parse request body into json: {error}"
            return _refuse(400, "InvalidRequestContentException", text)
        if str(function.reserved_concurrency) == "0":
            reason = {"Reason": "ReservedFunctionConcurrentInvocationLimitExceeded", "Type": "User"}
            return _refuse(429, "TooManyRequestsException", "Rate Exceeded.", **reason)
        if not zipfile.is_zipfile(io.BytesIO(function.code_bytes)):
            return _refuse(
                502, "InvalidZipFileException", "Lambda could not unzip the deployment package."
            )
        kind = request.headers.get("X-Amz-Invocation-Type", "RequestResponse")
        if kind == "DryRun":
            return Response(status=204)
        arguments = (function, event, f"http://{request.host}")
        if kind == "Event":
            threading.Thread(target=self._run, args=arguments, daemon=True).start()
            return Response(status=202)
        return _answer(self._run(*arguments), request.headers.get("X-Amz-Log-Type") == "Tail")

    def _run(self, function: Any, event: Any, url: str) -> FunctionRun:
        request_id = str(uuid.uuid4())
        stream = f"{time.strftime('%Y/%m/%d')}/[$LATEST]{uuid.uuid4().hex}"
        start = time.monotonic()
        if str(function.run_time).startswith("python"):
            run = self._run_process(
                function, event, self._variables(function, url, request_id, stream), request_id
            )
        else:
            run = _fail(
                "Runtime.InvalidEntrypoint", "functions run in Python only here", request_id
            )
        milliseconds = (time.monotonic() - start) * 1000
        start_line = f"START RequestId: {request_id} Version: $LATEST\n"
        end_line = f"END RequestId: {request_id}\n"
        report = f"REPORT RequestId: {request_id}\tDuration: {milliseconds:.2f} ms\n"
        run.log = f"{start_line}{run.log}{end_line}{report}"
        self._write(function, stream, run.log)
        return run

    def _run_process(
        self, function: Any, event: Any, variables: dict[str, str], request_id: str
    ) -> FunctionRun:
        seconds = float(function.timeout)
        with TemporaryDirectory(prefix="stackwright-") as temporary:
            code, result = Path(temporary, "task"), Path(temporary, "result")
            with zipfile.ZipFile(io.BytesIO(function.code_bytes)) as archive:
                archive.extractall(code)
            command = [sys.executable, "-c", _BOOTSTRAP.read_text(encoding="utf-8"), str(result)]
            variables |= {"LAMBDA_TASK_ROOT": str(code), "HOME": temporary}
            try:
                log = run_process(command, json.dumps(event).encode(), variables, code, seconds)
            except subprocess.TimeoutExpired as error:
                text = f"RequestId: {request_id} Error: Task timed out after {seconds:.2f} seconds"
                return _fail("Sandbox.Timedout", text, request_id, error.stdout or b"")
            if not result.exists():
                text = f"RequestId: {request_id} Error: Runtime exited without providing a reason"
                return _fail("Runtime.ExitError", text, request_id, log)
            outcome = json.loads(result.read_text(encoding="utf-8"))
        failed = "error" in outcome
        return FunctionRun(
            json.dumps(outcome["error"]) if failed else outcome["payload"], failed, _text(log)
        )

    def _variables(self, function: Any, url: str, request_id: str, stream: str) -> dict[str, str]:
        """The environment variables of a function.

        docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
        """
        region = self._pseudo.region
        place = {"AWS_REGION": region, "AWS_DEFAULT_REGION": region, "AWS_ENDPOINT_URL": url}
        keys = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}
        files = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
        name = function.function_name
        known = {
            "_HANDLER": function.handler,
            "AWS_EXECUTION_ENV": f"AWS_Lambda_{function.run_time}",
            "AWS_LAMBDA_FUNCTION_NAME": name,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_size),
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_LOG_GROUP_NAME": _group(function),
            "AWS_LAMBDA_LOG_STREAM_NAME": stream,
        }
        invocation = {
            "_INVOKED_ARN": function.function_arn,
            "_REQUEST_ID": request_id,
            "_TIMEOUT": str(function.timeout),
        }
        given = {key: str(value) for key, value in function.environment_vars.items()}
        basic = {
            "PATH": os.environ.get("PATH", ""),
            "LANG": "en_US.UTF-8",
            "TZ": ":UTC",
            "no_proxy": "127.0.0.1",
        }
        return {**basic, **place, **keys, **files, **given, **known, **invocation}

    def _write(self, function: Any, stream: str, log: str) -> None:
        """Write a log to the function's log group, where that exists."""
        logs, group, now = self._backend("logs"), _group(function), int(time.time() * 1000)
        if group in logs.groups:
            logs.create_log_stream(group, stream)
            events = [{"timestamp": now, "message": line} for line in log.splitlines() if line]
            logs.put_log_events(group, stream, events)


def _group(function: Any) -> str:
    config = getattr(function, "logging_config", None) or {}
    return str(config.get("LogGroup") or f"/aws/lambda/{function.function_name}")


def _text(log: bytes) -> str:
    text = log.decode(errors="replace")
    return text if text.endswith("\n") or not text else f"{text}\n"


def _fail(kind: str, message: str, request_id: str, log: bytes = b"") -> FunctionRun:
    error = {"errorType": kind, "errorMessage": message, "requestId": request_id}
    return FunctionRun(json.dumps(error), failed=True, log=f"{_text(log)}{message}\n")


def _answer(run: FunctionRun, with_log: bool) -> Response:
    headers = {"X-Amz-Executed-Version": "$LATEST"}
    if run.failed:
        headers["X-Amz-Function-Error"] = "Unhandled"
    if with_log:
        headers["X-Amz-Log-Result"] = base64.b64encode(run.log.encode()[-_LOG_TAIL:]).decode()
    return Response(run.payload, headers=headers, content_type="application/json")


def _refuse(status: int, code: str, message: str, **more: str) -> Response:
    body = json.dumps({"Type": "User", "Message": message, "message": message, **more})
    return Response(body, status, {"x-amzn-ErrorType": code}, content_type="application/json")
