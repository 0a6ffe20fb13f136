"""From a fresh copy of the project to a running system on this machine, and back: the real command
line, one story."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest

ROOT = Path(__file__).resolve().parents[2]
PARTS = (
    "render.py",
    "stackwright",
    "templates",
    "params",
    "env",
    "lambda",
    "build",
    "requirements.txt",
)
FIRST, SECOND = "value-one-of-a-key", "value-two-of-a-key"


class Machine:
    """A copy of the project, and what its command line and the local CloudFormation say."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.written: list[str] = []

    def run(self, *arguments: str, code: int = 0, text: str = "") -> str:
        """Output of a verb for ENV=local, messages included."""
        command = [sys.executable, "render.py", *arguments]
        done = subprocess.run(
            command,
            cwd=self.folder,
            input=text,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        self.written.append(done.stdout + done.stderr)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def data(self, *arguments: str, code: int = 0) -> Any:
        """What a verb prints as JSON."""
        command = [sys.executable, "render.py", *arguments, "--format", "json"]
        done = subprocess.run(
            command, cwd=self.folder, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == code, done.stderr
        return json.loads(done.stdout)

    def asked(self, answers: bytes, *arguments: str) -> tuple[int, str]:
        """Exit status and output of a verb on a terminal, on which ``answers`` are typed."""
        mine, theirs = pty.openpty()
        command = [sys.executable, "render.py", *arguments]
        environment = os.environ | {"TERM": "xterm", "NO_COLOR": "1"}
        with subprocess.Popen(
            command, cwd=self.folder, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env=environment,
        ) as process:  # fmt: skip
            os.close(theirs)
            os.write(mine, answers)
            out, _ = process.communicate(timeout=120)
        os.close(mine)
        self.written.append(out)
        return process.returncode, out

    def client(self, service: str) -> Any:
        url = json.loads((self.folder / ".stackwright/emulator/emulator.json").read_text())["url"]
        keys = {"aws_access_key_id": "local", "aws_secret_access_key": "local"}
        return boto3.client(service, region_name="us-east-2", endpoint_url=url, **keys)

    def running(self) -> dict[str, dict[str, Any]]:
        """Family -> the one container definition of what its service runs, by ECS's own API."""
        ecs = self.client("ecs")
        (cluster,) = ecs.list_clusters()["clusterArns"]
        names = ecs.list_services(cluster=cluster)["serviceArns"]
        services = ecs.describe_services(cluster=cluster, services=names)["services"]
        definitions = {}
        for service in services:
            definition = ecs.describe_task_definition(taskDefinition=service["taskDefinition"])[
                "taskDefinition"
            ]
            definitions[definition["family"]] = definition["containerDefinitions"][0]
        return definitions

    def edit(self, name: str, old: str, new: str) -> None:
        path = self.folder / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    folder = tmp_path / "project"
    folder.mkdir()
    for name in PARTS:
        source = ROOT / name
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "keys.env")
            shutil.copytree(source, folder / name, ignore=ignored)
        else:
            shutil.copy(source, folder / name)
    made = Machine(folder)
    yield made
    subprocess.run(
        [sys.executable, "render.py", "emulator", "stop"],
        cwd=folder,
        capture_output=True,
        check=False,
    )


def test_environment_lives_from_first_deployment_to_destroy(machine: Machine) -> None:
    code, out = machine.asked(b"no\n", "deploy")
    assert code == 1
    assert "Deploy local (account 123456789012, us-east-2)?" in out
    assert "cancelled; nothing was changed" in out
    assert machine.client("cloudformation").describe_stacks()["Stacks"] == []
    code, out = machine.asked(b"yes\n", "deploy")
    assert code == 0, out
    assert "local is deployed: release 1" in out
    first = machine.running()
    assert len(first) == 5
    assert "euglena-local-app" in machine.run("status")
    assert "app/gateway:Service                       1 of 1 targets healthy" in machine.run(
        "verify"
    )
    _the_aws_cli_sees_it(machine)

    assert "nothing to do" in machine.run("deploy", "--yes")

    _a_changed_secret_rolls_what_uses_it(machine, first)
    changed = machine.running()
    _a_changed_image_rolls_its_service_alone(machine, changed)

    out = machine.run("rollback", "1", "--yes")
    assert _bound(machine.running()) == _bound(first)
    assert [release["result"] for release in machine.data("history")] == ["deployed"] * 4
    _everything_goes_but_what_is_retained(machine)
    _what_is_retained_is_adopted_again(machine)
    for text in machine.written:
        assert FIRST not in text
        assert SECOND not in text


def _the_aws_cli_sees_it(machine: Machine) -> None:
    aws = shutil.which("aws")
    if aws is None:
        assert not os.environ.get("CI"), "the AWS CLI is not installed"
        return
    variables = machine.data("emulator", "start")["variables"]
    command = [
        aws,
        "cloudformation",
        "describe-stacks",
        "--query",
        "Stacks[].StackStatus",
        "--output",
        "json",
    ]
    done = subprocess.run(
        command, env={**os.environ, **variables}, capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == ["CREATE_COMPLETE"] * 14


def _a_changed_secret_rolls_what_uses_it(machine: Machine, before: Mapping[str, Any]) -> None:
    machine.edit(
        "env/local/keys.env", "OPENAI_API_KEY=local-openai_api_key", f"OPENAI_API_KEY={FIRST}"
    )
    out = machine.run("deploy", "--yes")
    assert "~ euglena-local/app: OPENAI_API_KEY, new version" in out
    assert "1 new secret version" in out
    after = machine.running()
    rolled = {family for family in after if after[family] != before[family]}
    assert rolled == {"euglena-local-gateway", "euglena-local-agent"}
    versions = {
        secret["valueFrom"].rpartition(":")[2] for secret in after["euglena-local-agent"]["secrets"]
    }
    secret = machine.client("secretsmanager").describe_secret(SecretId="euglena-local/app")
    assert ["AWSCURRENT"] in [
        secret["VersionIdsToStages"][version][:1] for version in versions if version
    ]


def _a_changed_image_rolls_its_service_alone(machine: Machine, before: Mapping[str, Any]) -> None:
    machine.edit(
        "params/local.yaml",
        "agent: {repository: euglena-local/agent}",
        "agent: {repository: euglena-local/agent, tag: 1.0.1}",
    )
    out = machine.run("deploy", "--yes")
    after = machine.running()
    assert {family for family in after if after[family] != before[family]} == {
        "euglena-local-agent"
    }
    assert before["euglena-local-agent"]["image"] != after["euglena-local-agent"]["image"]
    stacks = set(re.findall(r"^\d\d:\d\d:\d\d  ([a-z/-]+)", out, re.MULTILINE))
    assert stacks == {"app", "app/agent"}


def _bound(running: Mapping[str, Any]) -> dict[str, Any]:
    """What a service is bound to: the digest, and the version of each secret."""
    return {
        family: (
            container["image"],
            sorted(
                (secret["name"], secret["valueFrom"]) for secret in container.get("secrets", [])
            ),
        )
        for family, container in running.items()
    }


def _everything_goes_but_what_is_retained(machine: Machine) -> None:
    code, out = machine.asked(b"local\n", "destroy")
    assert code == 0, out
    assert machine.client("cloudformation").describe_stacks()["Stacks"] == []
    assert machine.client("ecs").list_clusters()["clusterArns"] == []
    assert machine.client("elbv2").describe_load_balancers()["LoadBalancers"] == []
    assert len(machine.client("ecr").describe_repositories()["repositories"]) == 5  # retained
    assert machine.client("s3").list_buckets()["Buckets"] != []  # retained
    assert "Kept outside of any stack\n    app/storage:FileSystem (AWS::EFS::FileSystem) fs-" in out


def _what_is_retained_is_adopted_again(machine: Machine) -> None:
    """With what preflight writes, copied into the parameters. The roots that are new then are new
    in an environment that exists: what they grant needs an approval."""
    (names,) = [check for check in machine.data("preflight", code=1) if check["name"] == "names"]
    assert names["state"] == "fail"
    entries = names["hint"].partition("to the parameters: ")[2]
    with (machine.folder / "params/local.yaml").open("a", encoding="utf-8") as file:
        file.write(f"{entries}\n")
    machine.run("import", "--yes")
    deployed = machine.run("deploy", "--yes", "--import-existing", "--allow-broader-access")
    assert "local is deployed: release" in deployed
    assert len(machine.running()) == 5
