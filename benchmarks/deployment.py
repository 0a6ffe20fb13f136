"""How a deployment compares with `sceptre launch` and `aws cloudformation deploy`, on the local
CloudFormation.

    python -m benchmarks.deployment                everything (some minutes) python -m
    benchmarks.deployment --runs 3       fewer rounds python -m benchmarks.deployment --calls
    also each API call of a deployment that changes nothing

All are the real command lines, on an emulator in this process that counts what it is asked. It
holds `build/prod`, deployed by us; peers get the very templates, parameters and tags that are
deployed. Runs alternate, A B A B …, and a ratio is the median of the pairwise ratios.

- **API calls** are requests as they arrive, those for images to the registry included; ours against
  those of `aws cloudformation deploy` for each root.
- **Beyond the operations** of a first deployment is all but the time from the first to the last
  event of each root stack by the emulator's clock. Templates are rendered, and what the functions
  require is fetched, before. It hardly depends on how slow resources are, so it is a larger part of
  operations that are scaled down: `--realistic 1` has the operations of AWS (a quarter of an hour
  for each of two runs).
- **Noticed**: from the root stack's last event by the emulator's clock until the process shows that
  status; and for us until it says how the operation ended, after functions run and the stack is
  protected again.

sceptre is installed into a virtual environment of its own; where it or the AWS CLI is missing, so
are its rows.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from threading import Thread
from typing import Any

import boto3
from rich import box
from rich.console import Console
from rich.table import Table
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Request

from stackwright.cfn import Pseudo
from stackwright.emulator import (
    ADMIN,
    Application,
    EmulatorSettings,
    RequestFault,
    action_of,
    local_settings,
)

HERE = Path(__file__).resolve().parent.parent
REGION, ACCOUNT, ENVIRONMENT, PREFIX = "us-east-2", "777788889999", "prod", "euglena-prod"
ROOTS = ("bootstrap", "foundation", "app")
PARTS = ("templates", "params", "env", "lambda", "build")
SERVICE, TAGS = "agent", ("1.0.0", "1.0.1")
"""Which service updates roll, and its image's tags in turn."""
LATENCY = 0.1
"""Seconds that each API call takes on top, in the rows that say so."""
FIRST, UPDATE = 0.075, 0.05
"""How slow resources are in first deployments (a minute of operations) and in updates, as a part of
what they take in AWS."""
MORE_CALLS = 10
"""Calls that a deployment may make beyond the peer's: what it looks at besides the roots. A choice,
of which one for each of five images."""
_SCOPE = re.compile(r"Credential=[^/]+/\d+/[^/]+/([^/]+)/")
Call = tuple[str, str]


def main() -> None:
    """Run the benchmarks and print a Markdown table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=5, help="rounds of runs")
    parser.add_argument(
        "--calls",
        action="store_true",
        help="list the API calls of a deployment that changes nothing",
    )
    parser.add_argument(
        "--realistic", type=float, default=FIRST, help="of first deployments; 1: as slow as in AWS"
    )
    options = parser.parse_args()
    console = Console(width=160)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with Cloud() as cloud:
            rows = list(
                first_deployment(Ours(folder / "first", cloud), cloud, 0.0, options.realistic)
            )
        with Cloud() as cloud:
            ours = Ours(folder / "second", cloud)
            rows += first_deployment(ours, cloud, LATENCY, options.realistic)
            peers = found_peers(cloud, folder)
            rows += no_change(ours, peers, cloud, options.runs)
            listed, counted = calls(ours, peers, cloud)
            rows += [*counted, *noticing(ours, peers, cloud, options.runs)]
    console.print(table(rows))
    if options.calls:
        console.print(listed)


# --- what is printed


@dataclass(frozen=True)
class Row:
    """One measurement. ``ours`` and ``theirs`` have the unit that ``what`` names, ``ratio`` is ours
    by theirs. None is what was not measured, or has no target."""

    what: str
    ours: float
    peer: str = ""
    theirs: float | None = None
    ratio: float | None = None
    target: str = ""
    met: bool | None = None


def table(rows: Iterable[Row]) -> Table:
    """The rows as a table, which is Markdown."""
    found = _columns("what", "ours", "peer", "theirs", "ratio", "target", "met")
    for row in rows:
        met = "" if row.met is None else "yes" if row.met else "NO"
        found.add_row(
            row.what,
            _number(row.ours),
            row.peer,
            _number(row.theirs),
            _number(row.ratio),
            row.target,
            met,
        )
    return found


def _columns(*names: str) -> Table:
    found = Table(box=box.MARKDOWN)
    for name in names:
        found.add_column(
            name, justify="left" if name in ("what", "peer", "service", "call") else "right"
        )
    return found


def _number(value: float | None) -> str:
    return "" if value is None else str(value) if isinstance(value, int) else f"{value:.2f}"


def against(
    what: str, peer: str, pairs: Sequence[tuple[float, float]], bound: float | None = None
) -> Row:
    """The row of paired runs: medians, and the median of the pairwise ratios, which is to be at
    most ``bound``."""
    ratio = statistics.median(mine / theirs for mine, theirs in pairs)
    mine, theirs = (statistics.median(side) for side in zip(*pairs, strict=True))
    target, met = ("", None) if bound is None else (f"ratio ≤ {bound}", ratio <= bound)
    return Row(what, mine, peer, theirs, ratio, target, met)


# --- what is measured


def first_deployment(ours: Ours, cloud: Cloud, latency: float, realistic: float) -> Iterator[Row]:
    """A first deployment of everything on a fresh emulator: what it adds to the operations (percent
    of their seconds), and when it sees their ends (seconds)."""
    cloud.set(latency, realistic)
    done = run(ours.deploy(), cloud)
    cloud.set()
    spans = {root: cloud.span(root) for root in ROOTS}
    operations = sum(ended - began for began, ended in spans.values())
    beyond = 100 * (done.seconds - operations) / operations
    what = f"first deployment, {_taking(latency)}"
    yield Row(
        f"{what}: beyond the operations' {operations:.0f} s, %",
        beyond,
        target="≤ 15",
        met=beyond <= 15,
    )
    says = (ours.says.replace("app", root) for root in ROOTS)
    late = max(done.said(each) - spans[root][1] for root, each in zip(ROOTS, says, strict=True))
    yield Row(f"{what}: latest noticing of a root's end, s", late, target="≤ 1.5", met=late <= 1.5)


def no_change(ours: Ours, peers: Sequence[Contender], cloud: Cloud, runs: int) -> Iterator[Row]:
    """Deployments of what is deployed already, in seconds."""
    for latency in (0.0, LATENCY):
        cloud.set(latency)
        for peer in peers:
            pairs = [(_unchanged(ours, cloud), _unchanged(peer, cloud)) for _ in range(runs)]
            yield against(f"no change, {_taking(latency)}, s", peer.name, pairs, peer.bound)
    cloud.set()


def calls(ours: Ours, peers: Sequence[Contender], cloud: Cloud) -> tuple[Table, list[Row]]:
    """The API calls of deployments without changes, listed by service and operation; and ours
    against the AWS CLI's."""
    counted = {each.name: _counted(each, cloud) for each in (ours, *peers)}
    listed = _columns("service", "call", *counted)
    for key in sorted(set().union(*counted.values())):
        listed.add_row(*key, *(str(each[key] or "") for each in counted.values()))
    listed.add_row("all", "", *(str(each.total()) for each in counted.values()))
    mine, rows = counted[ours.name].total(), []
    for peer in peers:
        theirs = counted[peer.name].total()
        target, met = (
            (f"≤ theirs + {MORE_CALLS}", mine <= theirs + MORE_CALLS)
            if isinstance(peer, Cli)
            else ("", None)
        )
        rows.append(
            Row("no change, API calls", mine, peer.name, theirs, mine / theirs, target, met)
        )
    return listed, rows


def noticing(ours: Ours, peers: Sequence[Contender], cloud: Cloud, runs: int) -> Iterator[Row]:
    """Updates that give a service another image, each undoing the one before: seconds until the end
    is noticed."""
    late: dict[str, list[float]] = {each.name: [] for each in (ours, *peers)}
    over: list[float] = []
    turn = 0
    for number in range(runs):
        for each in (ours, *peers):
            turn += 1
            cloud.set(
                LATENCY, UPDATE * (1 + 0.618 * number % 1)
            )  # so that ends fall anywhere between two looks
            done = run(each.update(TAGS[turn % 2]), cloud)
            cloud.set()
            ended = cloud.span("app")[1]
            late[each.name].append(done.said(each.says) - ended)
            over += [done.said(ours.concludes) - ended] if each is ours else []
    mine = statistics.median(late[ours.name])
    what = f"update, {_taking(LATENCY)}: end noticed after, s"
    for peer in peers:
        theirs = statistics.median(late[peer.name])
        yield Row(what, mine, peer.name, theirs, mine / theirs)
    latest = max(late[ours.name])
    yield Row(f"{what}, the latest", latest, target="≤ 1.5", met=latest <= 1.5)
    told = max(over)
    yield Row(
        "update: end told as the result, s, the latest", told, target="≤ 1.5", met=told <= 1.5
    )


def _taking(latency: float) -> str:
    return f"{1000 * latency:.0f} ms a call"


def _unchanged(contender: Contender, cloud: Cloud) -> float:
    """Seconds of a deployment that finds nothing to change, which it has to say."""
    found = [run(command, cloud) for command in contender.unchanged()]
    for done in found:
        done.said(contender.nothing)
    return sum(done.seconds for done in found)


def _counted(contender: Contender, cloud: Cloud) -> Counter[Call]:
    before = len(cloud.calls)
    _unchanged(contender, cloud)
    return Counter(cloud.calls[before:])


@dataclass(frozen=True)
class Done:
    """A process that has ended: its ``lines`` with the time (seconds since the epoch) of each."""

    seconds: float
    lines: Sequence[tuple[float, str]]

    def said(self, pattern: str) -> float:
        """When it first said so; exits where it never did."""
        for at, line in self.lines:
            if re.search(pattern, line):
                return at
        sys.exit(f"nothing says {pattern!r}:\n" + "".join(line for _, line in self.lines[-40:]))


def run(command: Sequence[str], cloud: Cloud) -> Done:
    """Run a command to its end, and keep what it says; exits where it fails."""
    began = time.time()
    with subprocess.Popen(
        command,
        cwd=HERE,
        env=cloud.variables,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        assert process.stdout is not None
        lines = [(time.time(), line) for line in process.stdout]
    if process.returncode:
        sys.exit(f"{' '.join(command[:6])} …\n" + "".join(line for _, line in lines[-40:]))
    return Done(time.time() - began, lines)


# --- the emulator


class _Handler(WSGIRequestHandler):
    """Keeps connections open, as AWS does, and keeps quiet."""

    protocol_version = "HTTP/1.1"

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Nothing: the table is all that is printed."""


class Cloud:
    """A fresh account on an emulator in this process. ``calls`` are the API calls so far,
    ``variables`` point processes here."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        settings = EmulatorSettings(Pseudo(region=REGION, account_id=ACCOUNT))
        self._application = Application(settings)
        self._application.load()
        self._server = make_server(
            "127.0.0.1", 0, self._answer, threaded=True, request_handler=_Handler
        )
        # An idle client must not hold the exit. threaded=True makes a ThreadedWSGIServer, typed as
        # its base class.
        self._server.daemon_threads = True  # type: ignore[attr-defined]
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        # Peers are compiled when they are installed; Python by itself keeps what it compiles of
        # ours too.
        dropped = ("AWS_", "PYTHONDONTWRITEBYTECODE")
        kept = {key: value for key, value in os.environ.items() if not key.startswith(dropped)}
        self.variables = {
            **kept,
            **local_settings(self.url, REGION, ACCOUNT),
            "PYTHONUNBUFFERED": "1",
            "COLUMNS": "200",
        }

    def __enter__(self) -> Cloud:
        Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._application.close()

    def _answer(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        environ["wsgi.input"] = BytesIO(
            Request(environ).get_data()
        )  # read here, and again by the emulator
        request = Request(environ, populate_request=False)
        if not request.path.startswith(ADMIN):
            scope = _SCOPE.search(request.headers.get("Authorization", ""))
            self.calls.append((scope[1] if scope else "registry", action_of(request)))
            environ["wsgi.input"].seek(0)
        return self._application(environ, start)

    def set(self, latency: float = 0.0, realistic: float = 0.0) -> None:
        """Let each call take ``latency`` seconds more, and operations ``realistic`` times what they
        take in AWS."""
        self._application.engine.clear_faults()
        self._application.engine.realistic = realistic
        if latency:
            self._application.engine.fault(RequestFault("slow", seconds=latency))

    def client(self, service: str) -> Any:
        """boto3's client, as a context manager."""
        keys = {"aws_access_key_id": "x", "aws_secret_access_key": "x", "region_name": REGION}
        return closing(boto3.client(service, endpoint_url=self.url, **keys))  # type: ignore[call-overload]  # typed for literal names

    def stack(self, root: str) -> Mapping[str, Any]:
        """What DescribeStacks says of a root stack."""
        with self.client("cloudformation") as client:
            found: Mapping[str, Any] = client.describe_stacks(StackName=f"{PREFIX}-{root}")[
                "Stacks"
            ][0]
            return found

    def span(self, root: str) -> tuple[float, float]:
        """When the last operation on a root stack began and ended, in seconds since the epoch."""
        name = f"{PREFIX}-{root}"
        with self.client("cloudformation") as client:
            pages = client.get_paginator("describe_stack_events").paginate(StackName=name)
            events = [
                each
                for page in pages
                for each in page["StackEvents"]
                if each["LogicalResourceId"] == name
            ]
        times = [each["Timestamp"].timestamp() for each in events]
        began = next(
            at for at, each in zip(times, events, strict=True)
            if each["ResourceStatus"] in ("CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS")
        )  # fmt: skip
        return began, times[0]


# --- who deploys


class Contender(ABC):
    """A deployer. ``nothing`` and ``says`` are what it says where there is nothing to do, and at
    the end of an update of ``app``; ``bound`` is the target for ours by its seconds, if there is
    one."""

    name: str
    nothing: str
    says: str
    bound: float | None = None

    @abstractmethod
    def unchanged(self) -> Sequence[Sequence[str]]:
        """The commands, one after the other, that deploy what is deployed."""

    @abstractmethod
    def update(self, tag: str) -> Sequence[str]:
        """The command that gives the service the image of this tag."""


class Ours(Contender):
    """The command line on a copy of the project, which has a certificate that exists, and keys."""

    name, nothing, says = "ours", "nothing to do", r"^[\d:]+  app  \w+_COMPLETE\s*$"
    concludes = rf"^{PREFIX}-app: \w+ after"

    def __init__(self, folder: Path, cloud: Cloud) -> None:
        self._folder, self._cloud = folder, cloud
        for part in PARTS:
            if (HERE / part).exists():
                shutil.copytree(
                    HERE / part,
                    folder / part,
                    ignore=shutil.ignore_patterns("__pycache__", "keys.env"),
                )
        with cloud.client("acm") as acm:
            arn = acm.request_certificate(DomainName="example.com")["CertificateArn"]
        place = folder / "env" / ENVIRONMENT
        self._edit(place / "aws.env", place / "aws.env", r"(?<=^CERTIFICATE_ARN=).*", arn)
        self._edit(place / "keys.env.example", place / "keys.env", r"(?<==)$", "made-up")
        for verb, *more in (("render",), ("package", "--out", str(folder / "dist"))):
            run(self._command(verb, *more), cloud)

    @staticmethod
    def _edit(source: Path, to: Path, pattern: str, new: str) -> None:
        text = source.read_text(encoding="utf-8")
        to.write_text(re.sub(pattern, new, text, flags=re.MULTILINE), encoding="utf-8")

    def _command(self, verb: str, *more: str) -> list[str]:
        render = str(HERE / "render.py")
        return [
            sys.executable,
            render,
            verb,
            "--env",
            ENVIRONMENT,
            "--project",
            str(self._folder),
            *more,
        ]

    def deploy(self) -> Sequence[str]:
        """The command that deploys the project as it is."""
        return self._command("deploy", "--yes")

    def unchanged(self) -> Sequence[Sequence[str]]:
        """See `Contender`."""
        return [self.deploy()]

    def update(self, tag: str) -> Sequence[str]:
        """See `Contender`."""
        file = self._folder / f"params/{ENVIRONMENT}.yaml"
        self._edit(file, file, rf"(?<={PREFIX}/{SERVICE})[^}}]*", f", tag: {tag}")
        run(self._command("render"), self._cloud)
        return self.deploy()


class _Peer(Contender):
    """What a peer needs to deploy the same: templates, parameters and tags of the stacks as they
    are now."""

    _parameter = f"{SERVICE.title()}Image"

    def __init__(self, folder: Path, cloud: Cloud) -> None:
        self._folder, self._cloud = folder, cloud
        self._stacks = {root: cloud.stack(root) for root in ROOTS}
        with cloud.client("cloudformation") as client:
            self._bodies = {
                root: client.get_template(StackName=f"{PREFIX}-{root}")["TemplateBody"]
                for root in ROOTS
            }

    def _parameters(self, root: str) -> dict[str, str]:
        found = self._stacks[root].get("Parameters", ())
        return {each["ParameterKey"]: each["ParameterValue"] for each in found}

    def _tags(self, root: str) -> dict[str, str]:
        return {each["Key"]: each["Value"] for each in self._stacks[root].get("Tags", ())}

    def _image(self, tag: str) -> str:
        """The reference by digest."""
        uri = self._parameters("app")[self._parameter].partition("@")[0]
        with self._cloud.client("ecr") as ecr:
            name = uri.partition("/")[2]
            found = ecr.describe_images(repositoryName=name, imageIds=[{"imageTag": tag}])[
                "imageDetails"
            ][0]
        return f"{uri}@{found['imageDigest']}"


class Sceptre(_Peer):
    """`sceptre launch` of a project with the three stacks, wired by their outputs."""

    name, nothing, bound = "sceptre launch", "No updates to perform", 0.5
    says = rf"{PREFIX}-app AWS::CloudFormation::Stack \w+_COMPLETE"

    def __init__(self, command: str, folder: Path, cloud: Cloud) -> None:
        super().__init__(folder, cloud)
        self._command = command
        for part in ("config/prod", "templates"):
            (folder / part).mkdir(parents=True)
        (folder / "config/config.yaml").write_text(
            f"project_code: {PREFIX.partition('-')[0]}\nregion: {REGION}\n", encoding="utf-8"
        )
        for root, body in self._bodies.items():
            (folder / f"templates/{root}.yaml").write_text(body, encoding="utf-8")
            self._configure(root, self._parameters(root))

    def _configure(self, root: str, parameters: Mapping[str, str]) -> None:
        lines = [
            f"template: {{path: {root}.yaml, type: file}}",
            f"stack_tags: {json.dumps(self._tags(root))}",
        ]
        lines += ["parameters:" if parameters else "parameters: {}"]
        given = {
            each["OutputKey"]: f"!stack_output prod/{earlier}.yaml::{each['OutputKey']}"
            for earlier in ROOTS[: ROOTS.index(root)]
            for each in self._stacks[earlier].get("Outputs", ())
        }
        lines += [
            f"  {key}: {given.get(key, json.dumps(value))}" for key, value in parameters.items()
        ]
        (self._folder / f"config/prod/{root}.yaml").write_text(
            "\n".join(lines) + "\n", encoding="utf-8"
        )

    def unchanged(self) -> Sequence[Sequence[str]]:
        """See `Contender`."""
        return [[self._command, "--dir", str(self._folder), "launch", "-y", "prod"]]

    def update(self, tag: str) -> Sequence[str]:
        """See `Contender`."""
        self._configure("app", {**self._parameters("app"), self._parameter: self._image(tag)})
        return self.unchanged()[0]


class Cli(_Peer):
    """`aws cloudformation deploy`, a command for each root."""

    name, nothing = "aws cloudformation deploy", "No changes to deploy"
    says = "Successfully created/updated stack"

    def __init__(self, command: str, folder: Path, cloud: Cloud) -> None:
        super().__init__(folder, cloud)
        self._command = command
        folder.mkdir()
        for root, body in self._bodies.items():
            (folder / f"{root}.yaml").write_text(body, encoding="utf-8")

    def _deploy(self, root: str, parameters: Mapping[str, str]) -> Sequence[str]:
        command = [self._command, "cloudformation", "deploy", "--stack-name", f"{PREFIX}-{root}"]
        command += [
            "--template-file",
            str(self._folder / f"{root}.yaml"),
            "--capabilities",
            "CAPABILITY_NAMED_IAM",
        ]
        command += ["--no-fail-on-empty-changeset"]
        for option, values in (("--parameter-overrides", parameters), ("--tags", self._tags(root))):
            command += (
                [option, *(f"{key}={value}" for key, value in values.items())] if values else []
            )
        return command

    def unchanged(self) -> Sequence[Sequence[str]]:
        """See `Contender`."""
        return [self._deploy(root, self._parameters(root)) for root in ROOTS]

    def update(self, tag: str) -> Sequence[str]:
        """See `Contender`."""
        return self._deploy("app", {**self._parameters("app"), self._parameter: self._image(tag)})


def found_peers(cloud: Cloud, folder: Path) -> list[Contender]:
    """The peers that are installed or can be, for the stacks as they are deployed."""
    sceptre, aws = _sceptre(HERE / ".stackwright" / "sceptre"), shutil.which("aws")
    found: list[Contender] = [Sceptre(sceptre, folder / "sceptre", cloud)] if sceptre else []
    return [*found, *([Cli(aws, folder / "aws", cloud)] if aws else [])]


def _sceptre(folder: Path) -> str | None:
    """The command, installed once; None where it cannot be."""
    command = folder / "bin/sceptre"
    if not command.exists():
        venv.create(folder, with_pip=True, clear=True)
        install = [
            str(folder / "bin/pip"),
            "install",
            "-q",
            "--disable-pip-version-check",
            "sceptre",
        ]
        subprocess.run(install, capture_output=True, check=False)
    return str(command) if command.exists() else None


if __name__ == "__main__":
    main()
