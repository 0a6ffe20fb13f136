"""The verbs of the local CloudFormation, as users call them."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.support.projects import RENDER_PY

TEMPLATE = "Resources: {T: {Type: AWS::SNS::Topic, Properties: {TopicName: t}}}"
DEPLOY = """
import boto3, sys
stacks = boto3.client("cloudformation")
stacks.create_stack(StackName="s", TemplateBody=sys.argv[1])
print(stacks.describe_stacks(StackName="s")["Stacks"][0]["StackId"], end="")
"""


@pytest.fixture
def made(project):
    made = project()
    yield made
    made.run("emulator", "stop")


def test_shell_evaluates_the_variables_of_start(made):
    started = made.run("emulator", "start", "--env", "dev", "--set", "region=eu-west-1")
    assert started.returncode == 0, started.stderr
    *exports, unset = started.stdout.splitlines()
    lines = dict(line.removeprefix("export ").split("=", 1) for line in exports)
    assert unset.startswith("unset AWS_PROFILE ")
    assert lines["AWS_ENDPOINT_URL"].startswith("http://127.0.0.1:")
    assert started.stderr.startswith(
        f"local CloudFormation is running at {lines['AWS_ENDPOINT_URL']} (pid "
    )

    start = (
        f"{sys.executable} {RENDER_PY} emulator start --env dev --set region=eu-west-1 --project ."
    )
    script = f'eval "$({start})"; exec "$@"'
    command = ["sh", "-c", script, "sh", sys.executable, "-c", DEPLOY, TEMPLATE]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
    done = subprocess.run(
        command, cwd=made.folder, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("arn:aws:cloudformation:eu-west-1:123456789012:stack/s/")


def test_status_stop_and_reset_work(made):
    nothing = made.run("emulator", "status", "--format", "json")
    assert (nothing.returncode, json.loads(nothing.stdout)["running"]) == (1, False)
    assert "render.py emulator start" in made.run("emulator", "status").stdout
    assert (
        made.run("emulator", "stop").stderr
        == "the local CloudFormation of this project is not running\n"
    )
    assert made.run("emulator", "reset").stderr == "the local CloudFormation is empty\n"
    refused = made.run("emulator", "latency", "1")
    assert refused.returncode == 1
    assert "SW702 the local CloudFormation of this project is not running" in refused.stderr

    begun = json.loads(made.run("emulator", "start", "--env", "dev", "--format", "json").stdout)
    status = json.loads(made.run("emulator", "status", "--format", "json").stdout)
    assert status == {"running": True, "pid": begun["pid"], "url": begun["url"], "stacks": []}
    subprocess.run(
        [sys.executable, "-c", DEPLOY, TEMPLATE], env={**os.environ, **begun["variables"]}, check=True,
        capture_output=True,
    )  # fmt: skip
    assert made.run("emulator", "status").stdout.endswith("1 stacks\n  s\n")
    assert made.run("emulator", "reset").returncode == 0
    assert made.run("emulator", "status").stdout.endswith("0 stacks\n")

    assert (made.folder / ".stackwright/.gitignore").read_text() == "*\n"
    assert made.run("emulator", "stop").stderr == "stopped\n"
    assert made.run("emulator", "status").returncode == 1


def test_all_are_stopped_on_request(made, cache):
    assert made.run("emulator", "stop", "--all").stderr == "no local CloudFormation is running\n"
    made.run("emulator", "start", "--env", "dev")
    folder = (made.folder / ".stackwright/emulator").resolve()
    assert made.run("emulator", "stop", "--all").stderr == f"stopped {folder}\n"
    assert made.run("emulator", "status").returncode == 1


def test_fault_fails_the_named_operation(made):
    variables = json.loads(
        made.run("emulator", "start", "--env", "dev", "--format", "json").stdout
    )["variables"]
    named = ("--operation", "create", "--type", "AWS::SNS::Topic")
    done = made.run("emulator", "fault", "resource", "--reason", "no room", *named)
    assert (done.returncode, done.stdout) == (0, "")
    look = (
        DEPLOY
        + '\nprint([e.get("ResourceStatusReason") for e in stacks.describe_stack_events(StackName="s")'
    )
    look += '["StackEvents"] if e["ResourceStatus"] == "CREATE_FAILED"])'
    shown = subprocess.run(
        [sys.executable, "-c", look, TEMPLATE], env={**os.environ, **variables}, check=True, capture_output=True,
        text=True,
    )  # fmt: skip
    assert "['no room']" in shown.stdout


def test_requests_fail_until_faults_are_cleared(made):
    variables = json.loads(
        made.run("emulator", "start", "--env", "dev", "--format", "json").stdout
    )["variables"]
    code = (
        "import boto3, botocore.config as c\n"
        "s = boto3.client('cloudformation', config=c.Config(retries={'total_max_attempts': 1}))\n"
        "try: s.list_stacks(); print('fine')\nexcept Exception as error: print(error)"
    )

    def ask():
        command = [sys.executable, "-c", code]
        return subprocess.run(
            command, env={**os.environ, **variables}, check=True, capture_output=True, text=True
        ).stdout

    assert (
        made.run("emulator", "fault", "unhealthy", "--service", "web", "--image", ":2").returncode
        == 0
    )
    assert ask() == "fine\n"
    service = ("--service", "cloudformation", "--action", "ListStacks")
    assert made.run("emulator", "fault", "request", "--kind", "throttle", *service).returncode == 0
    assert "(Throttling)" in ask()
    assert made.run("emulator", "fault", "clear").returncode == 0
    assert ask() == "fine\n"


def test_operations_take_time_on_request(made):
    variables = json.loads(
        made.run("emulator", "start", "--env", "dev", "--format", "json").stdout
    )["variables"]
    assert made.run("emulator", "latency", "1000").returncode == 0
    look = DEPLOY + '\nprint(stacks.describe_stacks(StackName="s")["Stacks"][0]["StackStatus"])'
    command = [sys.executable, "-c", look, TEMPLATE]
    shown = subprocess.run(
        command, env={**os.environ, **variables}, check=True, capture_output=True, text=True
    )
    assert shown.stdout.endswith("CREATE_IN_PROGRESS\n")
    assert made.run("emulator", "latency", "-1").returncode == 1


def test_emulator_killed_at_an_event_can_be_restarted(made):
    variables = json.loads(
        made.run("emulator", "start", "--env", "dev", "--format", "json").stdout
    )["variables"]
    assert (
        made.run(
            "emulator", "fault", "kill", "--logical-id", "T", "--status", "CREATE_IN_PROGRESS"
        ).returncode
        == 0
    )
    command = [sys.executable, "-c", DEPLOY, TEMPLATE]
    failed = subprocess.run(
        command, env={**os.environ, **variables, "AWS_MAX_ATTEMPTS": "1"}, check=False, capture_output=True
    )  # fmt: skip
    assert failed.returncode != 0
    assert made.run("emulator", "status").returncode == 1
    assert made.run("emulator", "start", "--env", "dev").returncode == 0


def test_failed_start_has_a_hint(project):
    made = project()
    made.write({".stackwright/emulator": "in the way"})
    failed = made.run("emulator", "start", "--env", "dev")
    assert failed.returncode == 1
    assert "SW701 the emulator's folder cannot be written" in failed.stderr
    assert "Traceback" not in failed.stderr
