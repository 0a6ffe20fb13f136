"""The account of a bad day: the emulator in this process, all requests seen on their way, and the
tool run against it.

What is compared afterwards is everything that is there, resource by resource, with names in place
of what is random.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import IO, Any
from urllib.parse import parse_qsl, urlencode

import boto3
from botocore.config import Config
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Request

from stackwright.cfn.intrinsics import Pseudo
from stackwright.emulator import (
    AnyFault,
    Application,
    EmulatorSettings,
    LocalCloudFormation,
    action_of,
)
from tests.deploy.bad_days.project import ACCOUNT, FILES, FUNCTION, PREFIX, REGION, keys
from tests.deploy.bad_days.worker import FACTOR
from tests.support.projects import Project, small

WORKER = Path(__file__).with_name("worker.py")
BUCKET = f"{PREFIX}-artifacts"
SETTLED = ("CREATE_COMPLETE", "UPDATE_COMPLETE")
_SCOPE = re.compile(r"Credential=[^/]+/\d+/[^/]+/([^/]+)/aws4_request")
_VALUES = ("PutSecretValue", "GetSecretValue")
"""Requests that carry values of secrets, in what is asked or answered."""


@dataclass(frozen=True, slots=True)
class Call:
    """A request: the service as its signature names it (``registry`` for images), and the action or
    HTTP method."""

    service: str
    action: str


class Tap:
    """Sees every request before and after it is served; the emulator's own are passed on."""

    def __init__(self, application: Any) -> None:
        self._application = application
        self._lock = threading.Lock()
        self.calls: list[Call] = []
        self.log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the account
        self.before: Callable[[int, Call], None] = lambda _number, _call: None
        self.after: Callable[[int, Call], None] = lambda _number, _call: None

    def __call__(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        request = Request(environ)
        if request.path.startswith("/_stackwright/"):
            return self._application(environ, start)
        scope = _SCOPE.search(request.headers.get("Authorization", ""))
        service = "registry" if request.path.startswith("/v2/") else scope.group(1) if scope else ""
        body = request.get_data()
        environ["wsgi.input"], environ["CONTENT_LENGTH"] = (
            BytesIO(body),
            str(len(body)),
        )  # to be read once more
        environ.pop("HTTP_TRANSFER_ENCODING", None)
        call = Call(service, action_of(request))
        with self._lock:
            self.calls.append(call)
            number = len(self.calls)
            if call.action not in _VALUES:
                self.log.write(
                    f"{request.method} {request.full_path}\n{request.headers}\n".encode()
                    + body
                    + b"\n"
                )
        try:
            self.before(number, call)
            answer = b"".join(self._application(environ, start))
            if call.action not in _VALUES:
                with self._lock:
                    self.log.write(answer + b"\n")
            self.after(number, call)
        except ConnectionError:
            environ["werkzeug.socket"].shutdown(
                socket.SHUT_RDWR
            )  # else it would be kept for the next request
            raise
        return [answer]

    def quiet(self) -> None:
        """Forget what was seen so far, and what was to be done."""
        with self._lock:
            self.calls.clear()
        self.before = self.after = lambda _number, _call: None


class _Handler(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, type: str, message: str, *args: Any) -> None:
        """Nothing: connections are broken here on purpose."""


@dataclass(frozen=True, slots=True)
class Run:
    """How a run of the command line ended; ``code`` is minus the signal's number where one ended
    it."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        """Everything it wrote."""
        return self.out + self.err


@dataclass
class World:
    """The emulator, a project, and a process that runs the tool on both."""

    project: Project
    engine: LocalCloudFormation
    tap: Tap
    url: str
    control: socket.socket
    clients: dict[str, Any] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    """What CloudFormation takes for each operation on a resource: the last of them, in seconds of
    the emulator."""
    said: IO[bytes] = field(default_factory=tempfile.TemporaryFile)
    runs: int = 0

    # --- running

    def environment(self, **more: str) -> dict[str, str]:
        """Variables of a run; empty values of ``more`` remove a variable."""
        variables = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.project.folder.parent / "home"),
            "NO_COLOR": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "STACKWRIGHT_REGISTRY": self.url.removeprefix("http://"),
        }
        return {name: value for name, value in {**variables, **more}.items() if value}

    def run(
        self,
        *arguments: str,
        on_start: Callable[[int], None] = lambda _pid: None,
        on_line: Callable[[int, str], None] = lambda _pid, _line: None,
        file_size: int | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> Run:
        """The command line in a process of its own; the callbacks get its id, and each line of its
        messages."""
        verb, *rest = arguments
        order = {
            "arguments": [verb, "--env", "dev", *rest],
            "folder": str(self.project.folder),
            "environment": self.environment(**(environment or {})),
            "file_size": file_size,
        }
        with tempfile.TemporaryFile() as out:
            reading, writing = os.pipe()
            socket.send_fds(self.control, [json.dumps(order).encode()], [out.fileno(), writing])
            os.close(writing)
            pid = int(self._receive_line())
            on_start(pid)
            lines = []
            with os.fdopen(reading, encoding="utf-8", errors="replace") as messages:
                for line in messages:
                    lines.append(line)
                    on_line(pid, line)
            code = int(self._receive_line())
            out.seek(0)
            done = Run(code, out.read().decode(errors="replace"), "".join(lines))
        self.said.write(done.said.encode())
        self.runs += 1
        assert "Traceback" not in done.said, done.said
        return done

    def _receive_line(self) -> str:
        received = b""
        while not received.endswith(b"\n"):
            piece = self.control.recv(1)
            assert piece, "the worker has ended"
            received += piece
        return received.decode()

    def deploy(self, *arguments: str, **how: Any) -> Run:
        """``deploy --yes``, the replacements of the tests' own changes allowed."""
        return self.run("deploy", "--yes", *arguments, **how)

    def again(self) -> Run:
        """Repeat the deployment after a bad day until it succeeds: where an operation is still under
        way, the tool says to watch it, which is done first."""
        done = self.deploy()
        if done.code and "watch" in done.err:
            self.run("watch")
            done = self.deploy()
        return done

    def fault(self, fault: AnyFault) -> None:
        """Let something fail."""
        self.engine.fault(fault)

    def calm(self) -> None:
        """Nothing fails any more, nothing takes long, nothing more is seen to."""
        del self.seconds[1:]
        self.engine.clear_faults()
        self.tap.quiet()

    def reset(self) -> None:
        """An empty account."""
        self.calm()
        _post(f"{self.url}/_stackwright/reset")

    # --- the project

    def write(self, files: Mapping[str, str]) -> None:
        """Change the sources, and render them as a reviewer would have."""
        self.project.write(files)
        done = self.run("render")
        assert done.code == 0, done.said

    def become(
        self, title: str = "first", secrets: Mapping[str, str] | None = None, tag: str = "1.0"
    ) -> None:
        """One of the versions of the system: title (of a topic, of a task definition, of the
        function's code), the values of keys.env, and the image's tag."""
        defaults = FILES["params/defaults.yaml"].replace("title: first", f"title: {title}")
        changed = {"params/defaults.yaml": defaults.replace("tag: '1.0'", f"tag: '{tag}'")}
        changed["lambda/scaler/main.py"] = FUNCTION % title
        if secrets is not None:
            changed["env/dev/keys.env"] = keys(secrets)
        self.write(changed)

    # --- what is there

    def client(self, service: str) -> Any:
        """A client of the tests' own."""
        if service not in self.clients:
            settled = {
                "aws_access_key_id": "x",
                "aws_secret_access_key": "x",
                "region_name": REGION,
            }
            config = Config(retries={"total_max_attempts": 1})
            self.clients[service] = boto3.client(
                service, endpoint_url=self.url, config=config, **settled
            )
        return self.clients[service]

    def settle(self) -> None:
        """Wait until nothing is under way."""
        while any(stack.busy for stack in self.engine.store.stacks.values()):
            time.sleep(0.002)
            self.engine.call("ListStacks", {})
        for _ in range(50):  # ECS goes on after CloudFormation
            services = self.services()
            if all(len(service["deployments"]) == 1 for service in services):
                return
            time.sleep(0.01)

    def services(self) -> list[dict[str, Any]]:
        """The ECS services of the cluster."""
        if not any(
            stack.name.startswith(f"{PREFIX}-app") and stack.alive
            for stack in self.engine.store.stacks.values()
        ):
            return []
        try:
            answer = self.client("ecs").describe_services(
                cluster=PREFIX, services=[f"{PREFIX}-web"]
            )
        except self.client("ecs").exceptions.ClusterNotFoundException:
            return []
        return [service for service in answer["services"] if service["status"] != "INACTIVE"]

    def status(self, root: str) -> str:
        """The status of a root stack; empty where there is none."""
        stack = self.engine.store.stack(f"{PREFIX}-{root}")
        return stack.status if stack else ""

    def state(self) -> dict[str, Any]:
        """Everything that is there, with names in place of random ids."""
        self.settle()
        text = json.dumps(_everything(self), sort_keys=True, default=str)
        for value, name in sorted(self._names().items(), key=lambda pair: -len(pair[0])):
            text = text.replace(json.dumps(value)[1:-1], name)
        text = re.sub(r"(task-definition/[\w-]+):\d+", r"\1:N", text)
        state: dict[str, Any] = json.loads(text)
        return state

    def _names(self) -> dict[str, str]:
        """Physical ids and attributes that are random -> what they belong to."""
        names: dict[str, str] = {}
        for stack in self.engine.store.stacks.values():
            if not stack.alive:
                continue
            names[stack.id] = f"<{_path(stack, self.engine)}>"
            names[stack.id.rpartition("/")[2]] = f"<id of {_path(stack, self.engine)}>"
            for name, resource in stack.resources.items():
                values = {"id": resource.physical_id, **resource.attributes}
                for key, value in values.items():
                    if isinstance(value, str) and len(value) > 8:
                        names.setdefault(value, f"<{_path(stack, self.engine)}:{name}.{key}>")
        for version, content in self.versions().items():
            names[version] = f"<version with {content[:12]}>"
        return names

    def versions(self) -> dict[str, str]:
        """Version ids of the secret -> a hash of what each holds."""
        manager = self.client("secretsmanager")
        try:
            listed = manager.list_secret_version_ids(
                SecretId=f"{PREFIX}/app", IncludeDeprecated=True
            )["Versions"]
        except (
            manager.exceptions.ResourceNotFoundException,
            manager.exceptions.InvalidRequestException,
        ):
            return {}
        return {version["VersionId"]: self._hashed(version["VersionId"]) for version in listed}

    def _hashed(self, version: str) -> str:
        answer = self.client("secretsmanager").get_secret_value(
            SecretId=f"{PREFIX}/app", VersionId=version
        )
        return hashlib.sha256(answer["SecretString"].encode()).hexdigest()

    def records(self) -> dict[int, dict[str, Any]]:
        """The release records: number -> what the last of it says, ``started`` alone or
        ``ended``."""
        s3, records = self.client("s3"), {}
        try:
            listed = s3.list_objects_v2(Bucket=BUCKET, Prefix="releases/").get("Contents", [])
        except s3.exceptions.NoSuchBucket:
            return {}
        for item in sorted(listed, key=lambda item: item["Key"].endswith("ended.json")):
            data = json.load(s3.get_object(Bucket=BUCKET, Key=item["Key"])["Body"])
            records[int(item["Key"].split("/")[2])] = {
                **data,
                "record": item["Key"].rpartition("/")[2],
            }
        return records


def _path(stack: Any, engine: LocalCloudFormation) -> str:
    """``app/Web`` of a stack."""
    if stack.parent_id is None:
        return str(stack.name).removeprefix(f"{PREFIX}-")
    parent = engine.store.stacks[stack.parent_id]
    name = next(
        (n for n, resource in parent.resources.items() if resource.physical_id == stack.id), "?"
    )
    return f"{_path(parent, engine)}/{name}"


def _everything(world: World) -> dict[str, Any]:
    engine = world.engine
    stacks = {
        _path(stack, engine): _stack(stack) for stack in engine.store.stacks.values() if stack.alive
    }
    pending = [
        e.name for e in engine.store.change_sets.values() if e.execution != "EXECUTE_COMPLETE"
    ]
    state: dict[str, Any] = {"stacks": stacks, "change sets": pending}
    services = world.services()
    state["services"] = [
        {
            "running": (service["desiredCount"], service["runningCount"], service["pendingCount"]),
            "deployments": [(d["status"], d["rolloutState"]) for d in service["deployments"]],
            "task definition": _task_definition(world, service["taskDefinition"]),
        }
        for service in services
    ]
    state["function"] = _function(world)
    state["secret"] = _secret(world)
    state["images"] = _images(world)
    state["objects"] = _objects(world)
    return state


def _stack(stack: Any) -> dict[str, Any]:
    definition = stack.definition
    return {
        "status": stack.status if stack.status not in SETTLED else "settled",
        "template": definition.text if definition else None,
        "parameters": dict(definition.parameters) if definition else None,
        "tags": dict(definition.tags) if definition else None,
        "outputs": {output.key: output.value for output in stack.outputs},
        "resources": {
            name: [
                resource.type,
                resource.status.replace("CREATE_", "UPDATE_"),
                resource.physical_id,
                resource.properties,
            ]
            for name, resource in stack.resources.items()
            if resource.status != "DELETE_COMPLETE"
        },
    }


def _task_definition(world: World, arn: str) -> Any:
    definition = world.client("ecs").describe_task_definition(taskDefinition=arn)["taskDefinition"]
    return [definition["family"], definition["containerDefinitions"]]


def _function(world: World) -> Any:
    functions = world.client("lambda")
    try:
        function = functions.get_function(FunctionName=f"{PREFIX}-scaler")
    except functions.exceptions.ResourceNotFoundException:
        return None
    held = functions.get_function_concurrency(FunctionName=f"{PREFIX}-scaler").get(
        "ReservedConcurrentExecutions"
    )
    return {"code": function["Configuration"]["CodeSha256"], "concurrency": held}


def _secret(world: World) -> Any:
    manager = world.client("secretsmanager")
    try:
        secret = manager.describe_secret(SecretId=f"{PREFIX}/app")
    except manager.exceptions.ResourceNotFoundException:
        return None
    contents = world.versions()
    current = [
        version
        for version, labels in secret["VersionIdsToStages"].items()
        if "AWSCURRENT" in labels
    ]
    return {
        "current": [contents[version] for version in current],
        "deleted": "DeletedDate" in secret,
    }


def _images(world: World) -> Any:
    ecr = world.client("ecr")
    try:
        images = ecr.describe_images(repositoryName=f"{PREFIX}/web")["imageDetails"]
    except ecr.exceptions.RepositoryNotFoundException:
        return None
    return sorted((image["imageDigest"], sorted(image.get("imageTags", ()))) for image in images)


def _objects(world: World) -> Any:
    s3 = world.client("s3")
    try:
        listed = s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])
    except s3.exceptions.NoSuchBucket:
        return None
    return sorted(item["Key"] for item in listed if not item["Key"].startswith("releases/"))


def _post(url: str) -> None:
    import urllib.request

    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    opener.open(urllib.request.Request(url, b"{}", method="POST"), timeout=30).close()  # noqa: S310 - loopback


def made(folder: Path) -> tuple[World, Callable[[], None]]:
    """A world with an empty account, and what ends it."""
    began, monotonic = time.time(), time.monotonic()
    seconds = [0.3]
    settings = EmulatorSettings(
        Pseudo(region=REGION, account_id=ACCOUNT),
        source=lambda: began + (time.monotonic() - monotonic) * FACTOR,
        latency=lambda _type, _operation: seconds[-1],
    )
    application = Application(settings)
    tap = Tap(application)
    server = make_server("127.0.0.1", 0, tap, threaded=True, request_handler=_Handler)
    server.daemon_threads = True  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    mine, theirs = socket.socketpair()
    command = [sys.executable, str(WORKER), str(theirs.fileno())]
    worker = subprocess.Popen(command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
    theirs.close()
    (folder / "home").mkdir(parents=True, exist_ok=True)
    unused = {"templates/main.yaml.j2": None}
    project = small(folder / "project", {**FILES, **unused})
    world = World(
        project,
        application.engine,
        tap,
        f"http://127.0.0.1:{server.server_port}",
        mine,
        seconds=seconds,
    )

    def end() -> None:
        mine.close()
        worker.wait(30)
        for client in world.clients.values():
            client.close()
        server.shutdown()
        thread.join()
        server.server_close()
        application.close()
        world.said.close()
        tap.log.close()

    return world, end


def encoded(value: str) -> set[bytes]:
    """A value as it may be written: as it is, in JSON, in a URL or form, in base64 at any offset,
    or in hex."""
    raw = value.encode()
    forms = {
        raw,
        json.dumps(value)[1:-1].encode(),
        urlencode({"": value})[1:].encode(),
        raw.hex().encode(),
    }
    forms.add(urlencode(dict(parse_qsl(f"v={value}")) or {"v": value})[2:].encode())
    for lead in range(3):
        whole = base64.b64encode(b"\0" * lead + raw)
        forms.add(whole[(lead * 8 + 5) // 6 : (len(raw) + lead) * 8 // 6].rstrip(b"="))
    return {form for form in forms if len(form) > 8}


def losses(world: World, wanted: Mapping[str, Any]) -> list[str]:
    """Differences from the wanted state after a bad day, in words; none if all is well."""
    state = world.state()
    wrong = [
        f"{key}: {state[key]!r}, not {wanted[key]!r}" for key in wanted if state[key] != wanted[key]
    ]
    return [problem[:3000] for problem in (*wrong, *record_losses(world))]


def record_losses(world: World) -> list[str]:
    """Release records that disagree with the stacks."""
    records = world.records()
    if not records:
        return ["no release was recorded"]
    wrong = []
    if sorted(records) != list(range(1, len(records) + 1)):
        wrong.append(f"numbers: {sorted(records)}")
    last = records[max(records)]
    if last["record"] != "ended.json" or last["result"] != "deployed":
        wrong.append(f"the last record is {last['record']}: {last.get('result')}")
    current = world.client("secretsmanager").describe_secret(SecretId=f"{PREFIX}/app")[
        "VersionIdsToStages"
    ]
    for name, version in last["secrets"].values():
        labels = current.get(version, [])
        if "AWSCURRENT" not in labels or not any(label.startswith("kept-") for label in labels):
            wrong.append(
                f"the last record has version {version} of {name}, whose labels are {labels}"
            )
    for root in last["roots"]:
        stack = world.engine.store.stack(root["stack"])
        live = dict(stack.definition.parameters) if stack and stack.definition else {}
        if any(live.get(name) != value for name, value in root["parameters"].items()):
            wrong.append(
                f"the last record has {root['parameters']} for {root['stack']}, which has {live}"
            )
    return wrong


def sample(items: Sequence[Any], count: int) -> list[Any]:
    """So many of them, from the first to the last."""
    if count >= len(items):
        return list(items)
    return [items[round(index * (len(items) - 1) / (count - 1))] for index in range(count)]
