"""State across restarts: a journal of the requests that changed something, one JSON object a line
with its checksum, repeated at the start.

The requests, their order and their times determine the state, here and in moto, because moto's
random numbers are seeded anew for every change, and generated secrets, which are random on purpose,
are in the journal. A request is written before it is served, so that nothing is lost when the
server dies within one.
"""

from __future__ import annotations

import base64
import errno
import json
import os
import time
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from werkzeug.test import Client
from werkzeug.wrappers import Request

from ...cfn import Pseudo
from ...core import write_file
from ..services.functions import invoked_function
from ..services.moto_application import MotoApplication
from ..services.moto_services import MotoServices
from ..services.registry import changes_repository, is_registry
from .fault_answers import action_of
from .lifecycle import ADMIN, TOKEN

_READS = (
    "Batch",
    "Describe",
    "Estimate",
    "Filter",
    "Get",
    "HEAD",
    "Head",
    "List",
    "Lookup",
    "Simulate",
    "Validate",
)


class DamagedJournal(Exception):
    """The journal is not what was written; the text names the line."""


class Journal:
    """The journal in one file, which the first change creates; ``port`` is the last port served."""

    def __init__(self, file: Path) -> None:
        self._file, self._now = file, 0.0
        self._serial, self._busy, self._replaying = 0, False, False
        self._secrets: deque[str] = deque()
        self._entries: list[dict[str, Any]] = []
        self.port = 0
        for entry in _read(file):
            if "port" in entry:
                self.port = int(entry["port"])
            elif "secret" in entry:
                self._secrets.append(str(entry["secret"]))
            else:
                self._entries.append(entry)

    @property
    def folder(self) -> Path:
        """The folder beside the journal for larger files (blobs of images, faults)."""
        return self._file.with_name(f"{self._file.stem}.files")

    def source(self) -> float:
        """Seconds since the epoch; the time stands still during a change, also in a replay."""
        return self._now if self._busy else time.time()

    def wants(self, request: Request) -> bool:
        """Whether a request may change state that has to outlast the server."""
        if request.path.startswith(ADMIN):
            action = request.path.removeprefix(ADMIN)
            body = request.get_json(silent=True) if request.method == "POST" else None
            return action in ("clear", "latency") or (
                action == "fault"
                and isinstance(body, dict)
                and body.get("kind") in (None, "unhealthy")
            )
        if is_registry(request):
            return changes_repository(request)
        if invoked_function(request) is not None:  # a function's own requests are journaled
            return False
        action = action_of(request)
        return action != "GET" and not action.startswith(_READS)

    @contextmanager
    def change(self, request: Request) -> Iterator[None]:
        """Record a change, and let the time stand still while it is served."""
        if not self._replaying:
            self._now = time.time()
            self._append(_entry(request, self._now))
        self._serial += 1
        _seed(f"request {self._serial}", request)
        self._busy = True
        try:
            yield
        finally:
            self._busy = False

    def replay(self, application: Any) -> None:
        """Repeat all changes."""
        self._replaying = True
        client = Client(application)
        for entry in self._entries:
            self._now = float(entry["time"])
            headers = {
                key: value for key, value in entry["headers"].items() if key != "Content-Length"
            }
            body, base = (
                base64.b64decode(entry["body"]),
                f"http://{entry['headers'].get('Host', '127.0.0.1')}",
            )
            client.open(
                entry["url"], base_url=base, method=entry["method"], headers=headers, data=body
            )
        self._replaying = False

    def forget(self) -> None:
        """Delete the journal."""
        self._file.unlink(missing_ok=True)
        self._serial, self._entries = 0, []
        self._secrets.clear()
        if self.port:
            self._append({"port": self.port})

    def keep_faults(self, data: Sequence[Mapping[str, Any]]) -> None:
        """Record the faults of requests and the kills still to come; they are restored after the
        changes are repeated."""
        if self._replaying:
            return
        if not data:
            self._faults.unlink(missing_ok=True)
            return
        self._faults.parent.mkdir(exist_ok=True)
        write_file(self._faults, json.dumps(data))

    def faults(self) -> Sequence[Mapping[str, Any]]:
        """The faults that :meth:`keep_faults` recorded last."""
        try:
            data: Sequence[Mapping[str, Any]] = json.loads(self._faults.read_text("utf-8"))
        except (FileNotFoundError, ValueError):
            return []
        return data

    @property
    def _faults(self) -> Path:
        return self.folder / "faults.json"

    def secret(self, value: str) -> str:
        """A generated secret; while changes are repeated, the one that was generated at first."""
        if self._secrets:
            return self._secrets.popleft()
        self._append({"secret": value})
        return value

    def served_on(self, port: int) -> None:
        """Record the port, so that clients find the next server on it."""
        if port != self.port:
            self._append({"port": port})
            self.port = port

    def _append(self, entry: Mapping[str, Any]) -> None:
        """Write an entry whole or not at all. Raises OSError."""
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        with os.fdopen(os.open(self._file, flags, 0o600), "ab", buffering=0) as stream:
            size = os.fstat(stream.fileno()).st_size
            line = _line(entry)
            try:
                if stream.write(line) != len(line):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._file))
            except OSError:
                stream.truncate(size)
                raise


class ReplayableServices(MotoServices):
    """moto's services, which give equal answers when changes are repeated."""

    def __init__(
        self,
        application: Callable[[], MotoApplication],
        pseudo: Pseudo,
        clients: dict[str, Any],
        journal: Journal,
    ) -> None:
        super().__init__(application, pseudo, clients)
        self._journal, self._count = journal, 0

    def call(self, service: str, operation: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        if not operation.startswith(("describe_", "get_", "head_", "list_")):
            self._count += 1
            _seed(f"call {self._count}")
        if operation == "create_secret" and "SecretString" in arguments:
            arguments = {
                **arguments,
                "SecretString": self._journal.secret(str(arguments["SecretString"])),
            }
        return super().call(service, operation, arguments)


def prepare_moto(pseudo: Pseudo) -> None:
    """Let moto create its own resources now, so that their ids do not depend on the first request:
    the default VPC, and AWS's managed policies."""
    from moto.ec2.models import ec2_backends
    from moto.iam.models import iam_backends

    _seed("default VPC")
    _ = ec2_backends[pseudo.account_id][pseudo.region]
    _seed("managed policies")
    _ = iam_backends[pseudo.account_id][pseudo.partition]


def _seed(text: str, request: Request | None = None) -> None:
    """Seed moto's random numbers. Requests to CloudFormation or the emulator itself do not need
    moto."""
    if request is not None and (
        "/cloudformation/" in request.headers.get("Authorization", "") or ADMIN in request.path
    ):
        return
    from moto.moto_api._internal import mock_random

    mock_random.seed(text)


def _entry(request: Request, now: float) -> dict[str, Any]:
    return {
        "time": now,
        "method": request.method,
        "url": request.full_path if request.query_string else request.path,
        "headers": {key: value for key, value in request.headers.items() if key != TOKEN},
        "body": base64.b64encode(request.get_data()).decode(),
    }


def _line(entry: Mapping[str, Any]) -> bytes:
    """An entry with the CRC-32 of its text."""
    text = json.dumps(entry)
    return f"{zlib.crc32(text.encode()):08x} {text}\n".encode()


def _read(file: Path) -> Iterator[dict[str, Any]]:
    """The entries of a journal. A last line that the end of the server cut off is removed.

    Raises:
        DamagedJournal: another line is not what was written.
    """
    try:
        data = file.read_bytes()
    except FileNotFoundError:
        return
    whole = data.rfind(b"\n") + 1
    for number, line in enumerate(data[:whole].split(b"\n")[:-1], 1):
        checksum, _, text = line.partition(b" ")
        if checksum != f"{zlib.crc32(text):08x}".encode():
            raise DamagedJournal(
                f"line {number} of {file} is damaged: the state of the local CloudFormation cannot "
                "be restored; emulator reset deletes it"
            )
        yield json.loads(text)
    if whole < len(data):
        os.truncate(file, whole)
