"""A deployer that knows nothing of us: sceptre launches, updates and deletes a project on the
emulator."""

from __future__ import annotations

import os
import subprocess
import venv
from pathlib import Path

import pytest

from stackwright.cfn.intrinsics import Pseudo
from stackwright.emulator.server.server import Server
from stackwright.emulator.world.settings import EmulatorSettings
from tests.support.clients import Clients
from tests.support.projects import REPOSITORY

FOLDER = REPOSITORY / ".stackwright/sceptre"
SCEPTRE = FOLDER / "bin/sceptre"
INSTALL = f"python -m venv {FOLDER.name} && {FOLDER.name}/bin/pip install sceptre"
REGION = "eu-west-1"

QUEUE = """\
Resources:
  Queue: {Type: AWS::SQS::Queue}
Outputs:
  QueueName: {Value: !GetAtt Queue.QueueName}
"""
FILES = {
    "config/config.yaml": f"project_code: shop\nregion: {REGION}\n",
    "config/dev/base.yaml": "template: {path: base.yaml, type: file}\nparameters: {Name: news}\n",
    "config/dev/app/work.yaml": (
        "template: {path: work.yaml, type: file}\nparameters:\n  Topic: !stack_output dev/base.yaml::TopicArn\n"
    ),
    "templates/base.yaml": """\
Parameters:
  Name: {Type: String}
Resources:
  Topic: {Type: AWS::SNS::Topic, Properties: {TopicName: !Ref Name}}
Outputs:
  TopicArn: {Value: !Ref Topic}
""",
    "templates/work.yaml": """\
Parameters:
  Topic: {Type: String}
Resources:
  Inner:
    Type: AWS::CloudFormation::Stack
    Properties: {TemplateURL: "https://s3.eu-west-1.amazonaws.com/templates/queue.yaml"}
  Where:
    Type: AWS::SSM::Parameter
    Properties: {Type: String, Value: !Sub "${Topic} ${Inner.Outputs.QueueName}"}
""",
}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def sceptre():
    """The command, installed once into an environment of its own."""
    if not SCEPTRE.exists():
        venv.create(FOLDER, with_pip=True, clear=True)
        command = [FOLDER / "bin/pip", "install", "-q", "--disable-pip-version-check", "sceptre"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            message = f"sceptre cannot be installed ({INSTALL}): {done.stderr[-300:]}"
            pytest.fail(message) if os.environ.get("CI") == "true" else pytest.skip(message)
    return SCEPTRE


@pytest.fixture
def cloud():
    settings = EmulatorSettings(Pseudo(region=REGION))
    with Server(settings) as server, Clients(server.url, REGION) as clients:
        clients("s3").create_bucket(
            Bucket="templates", CreateBucketConfiguration={"LocationConstraint": REGION}
        )
        clients("s3").put_object(Bucket="templates", Key="queue.yaml", Body=QUEUE)
        yield clients


def stacks(client):
    return {
        stack["StackName"]: stack["StackStatus"] for stack in client.describe_stacks()["Stacks"]
    }


def test_sceptre_launches_updates_and_deletes(sceptre, cloud, tmp_path: Path):
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    keys = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_CONFIG_FILE": os.devnull}
    kept = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [sceptre, "--dir", str(tmp_path), *arguments], capture_output=True, text=True, check=False, timeout=180,
            env={**kept, **keys, "AWS_ENDPOINT_URL": cloud.url},
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    run("launch", "-y", "dev")
    statuses = stacks(cloud("cloudformation"))
    inner = next(name for name in statuses if name.startswith("shop-dev-app-work-Inner-"))
    assert statuses == dict.fromkeys(
        ["shop-dev-base", "shop-dev-app-work", inner], "CREATE_COMPLETE"
    )

    run("launch", "-y", "dev")
    assert set(stacks(cloud("cloudformation")).values()) == {"CREATE_COMPLETE"}, (
        "nothing changed, nothing updated"
    )

    config = tmp_path / "config/dev/base.yaml"
    config.write_text(config.read_text().replace("news", "sport"), encoding="utf-8")
    run("launch", "-y", "dev")
    assert stacks(cloud("cloudformation"))["shop-dev-base"] == "UPDATE_COMPLETE"
    assert [
        topic["TopicArn"].rpartition(":")[2] for topic in cloud("sns").list_topics()["Topics"]
    ] == ["sport"]
    assert stacks(cloud("cloudformation"))["shop-dev-app-work"] == "UPDATE_COMPLETE"

    run("delete", "-y", "dev")
    assert stacks(cloud("cloudformation")) == {}
    assert cloud("sns").list_topics()["Topics"] == []
