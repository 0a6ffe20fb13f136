"""Who may speak to the emulator, what a full disk does to it, and when it ends."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st

from stackwright.emulator.server import lifecycle
from stackwright.emulator.server.access import is_loopback
from stackwright.emulator.server.lifecycle import STATE_FILE, RunningEmulator
from stackwright.emulator.server.running import list_folders
from stackwright.emulator.server.server import Server
from tests.support.clients import connect

TOPIC = "Resources: {T: {Type: AWS::SNS::Topic, Properties: {TopicName: t}}}"


def ask(
    url: str, path: str = "/", method: str = "POST", body: str = "", **headers: str
) -> tuple[int, str]:
    """Status and text of a request with exactly these headers (underscores are hyphens)."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=30)
    try:
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        for name, value in {
            "Host": parts.netloc,
            **named,
            "Content-Length": str(len(body)),
        }.items():
            connection.putheader(name, value)
        connection.endheaders(body.encode())
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


FORM = {
    "Content_Type": "application/x-www-form-urlencoded",
    "Authorization": "AWS4-HMAC-SHA256 Credential=local/20261130/us-east-1/cloudformation/aws4_request",
}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(token="secret") as running:
        yield running


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example"},
        {"Host": ""},
        {"Host": "10.0.0.7"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:1"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Host": "evil.example", "Origin": "http://evil.example"},
    ],
    ids=str,
)
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/_stackwright/reset", "{}"),
        ("/", "Action=ListStacks&Version=2010-05-15"),
        ("/v2/", ""),
        ("/2015-03-31/functions/f/invocations", "{}"),
    ],
)
def test_page_in_a_browser_is_refused(
    server: Server, headers: dict[str, str], path: str, body: str
) -> None:
    connect(server.url, "cloudformation").create_stack(
        StackName=f"s{abs(hash((str(headers), path)))}",
        TemplateBody="Resources: {W: {Type: AWS::CloudFormation::WaitConditionHandle}}",
    )
    before = len(list(server.engine.store.stacks.values()))
    status, text = ask(
        server.url,
        path,
        body=body,
        **{"Content_Type": "text/plain", "X_Stackwright_Token": "secret", **headers},
    )
    assert status == 403
    assert "the emulator answers" in json.loads(text)["error"]
    assert len(list(server.engine.store.stacks.values())) == before


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST", "[::1]", "127.8.9.1"])
def test_loopback_names_are_answered(server: Server, host: str) -> None:
    port = urlsplit(server.url).port
    assert ask(server.url, "/_stackwright/status", "GET", Host=f"{host}:{port}")[0] == 200


@pytest.mark.parametrize(
    "url", ["//evil.example", "//127.0.0.1@evil.example", "", "//[", "//1.2.3.4:80"]
)
def test_other_names_are_not_loopback(url: str) -> None:
    assert not is_loopback(url)


@pytest.mark.parametrize("token", ["", "wrong", "secre", "ü"])
@pytest.mark.parametrize("action", ["reset", "fault", "clear", "page", "latency", "nothing"])
def test_own_actions_need_the_token(server: Server, token: str, action: str) -> None:
    status, text = ask(
        server.url, f"/_stackwright/{action}", X_Stackwright_Token=token.encode().decode("latin-1")
    )
    assert status == 403
    assert "X-Stackwright-Token" in text


def test_status_without_the_token_names_no_stack(server: Server) -> None:
    assert json.loads(ask(server.url, "/_stackwright/status", "GET")[1]) == {"pid": os.getpid()}
    known = RunningEmulator(os.getpid(), server.url, "secret")
    assert "stacks" in known.admin("status")


# --- the folder


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "local"
    lifecycle.stop_emulator(tmp_path / "local")


def test_token_is_for_the_user_alone(folder: Path) -> None:
    lifecycle.start_emulator(folder)
    for file in folder.iterdir():
        if "token" in file.read_text():
            assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    assert "token" in (folder / STATE_FILE).read_text()


def test_copy_of_a_folder_has_an_emulator_of_its_own(folder: Path, tmp_path: Path) -> None:
    original = lifecycle.start_emulator(folder)
    client = connect(original.url, "cloudformation")
    client.create_stack(StackName="s", TemplateBody=TOPIC)
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    assert lifecycle.find_emulator(copy) is None
    lifecycle.forget_state(copy)
    other = lifecycle.start_emulator(copy)
    try:
        assert other.url != original.url
        assert other.admin("status")["stacks"] == []
        other.admin("reset")
        assert original.admin("status")["stacks"] == ["s"]
        assert folder.resolve() in list_folders()
        assert copy.resolve() in list_folders()
    finally:
        lifecycle.stop_emulator(copy)
    assert copy.resolve() not in list_folders()


def test_moved_folder_keeps_its_emulator(tmp_path: Path) -> None:
    running = lifecycle.start_emulator(tmp_path / "before")
    (tmp_path / "before").rename(tmp_path / "after")
    assert lifecycle.find_emulator(tmp_path / "after") == running
    assert lifecycle.stop_emulator(tmp_path / "after")


def test_state_is_forgotten_without_a_server(folder: Path) -> None:
    running = lifecycle.start_emulator(folder)
    connect(running.url, "cloudformation").create_stack(StackName="s", TemplateBody=TOPIC)
    with pytest.raises(lifecycle.LifecycleError):
        lifecycle.forget_state(folder)
    lifecycle.stop_emulator(folder)
    lifecycle.forget_state(folder)
    assert lifecycle.start_emulator(folder).admin("status")["stacks"] == []


def test_damaged_state_says_the_line_and_the_way_out(folder: Path) -> None:
    running = lifecycle.start_emulator(folder)
    connect(running.url, "cloudformation").create_stack(StackName="s", TemplateBody=TOPIC)
    lifecycle.stop_emulator(folder)
    (file,) = folder.glob("state-*.jsonl")
    file.write_text(f"\0\n{file.read_text()}")
    with pytest.raises(lifecycle.LifecycleError, match=r"line 1 of .* is damaged.*emulator reset"):
        lifecycle.start_emulator(folder)
    lifecycle.forget_state(folder)
    assert lifecycle.start_emulator(folder).admin("status")["stacks"] == []


def wait_for_end(folder: Path) -> None:
    deadline = time.monotonic() + 30
    while lifecycle.find_emulator(folder) and time.monotonic() < deadline:
        time.sleep(0.2)


def test_idle_emulator_ends_and_its_state_stays(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STACKWRIGHT_EMULATOR_IDLE_SECONDS", "3")
    running = lifecycle.start_emulator(folder)
    connect(running.url, "cloudformation").create_stack(StackName="s", TemplateBody=TOPIC)
    deadline = time.monotonic() + 60
    while (folder / STATE_FILE).exists() and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not (folder / STATE_FILE).exists()
    assert lifecycle.start_emulator(folder).admin("status")["stacks"] == ["s"]


def test_emulator_ends_with_its_folder(tmp_path: Path) -> None:
    running = lifecycle.start_emulator(tmp_path / "gone")
    shutil.rmtree(tmp_path / "gone")
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            os.waitpid(running.pid, os.WNOHANG)
            os.kill(running.pid, 0)
        except (ProcessLookupError, ChildProcessError):
            return
        time.sleep(0.2)
    pytest.fail("it runs still")


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can mount a small disk"
)
def test_full_disk_is_an_error_and_loses_nothing(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this machine mounts no tmpfs")
    try:
        folder = disk / "local"
        client = connect(lifecycle.start_emulator(folder).url, "cloudformation")
        made: list[str] = []

        def fill() -> None:
            for number in range(200):
                body = f"{TOPIC} # {'x' * 20_000}"
                client.create_stack(StackName=f"s{number}", TemplateBody=body)
                made.append(f"s{number}")

        with pytest.raises(ClientError, match="cannot write its state: No space left on device"):
            fill()
        assert made
        lifecycle.stop_emulator(folder)
        shutil.move(folder, tmp_path / "local")
        again = lifecycle.start_emulator(tmp_path / "local")
        assert again.admin("status")["stacks"] == made
        lifecycle.stop_emulator(tmp_path / "local")
    finally:
        lifecycle.stop_emulator(disk / "local")
        subprocess.run(["umount", "-l", str(disk)], check=False)


# --- errors are CloudFormation's


@pytest.mark.parametrize(
    ("action", "member"),
    [
        ("ListImports", "exportName"),
        ("CreateStack", "stackName"),
        ("DescribeChangeSet", "changeSetName"),
        ("DescribeStackDriftDetectionStatus", "stackDriftDetectionId"),
    ],
)
def test_missing_member_is_named_as_aws_does(server: Server, action: str, member: str) -> None:
    status, text = ask(server.url, body=f"Action={action}&Version=2010-05-15", **FORM)
    assert status == 400
    assert "<Code>ValidationError</Code>" in text
    assert (
        f"1 validation error detected: Value null at '{member}' failed to satisfy constraint: "
        "Member must not be null" in text
    )


ACTIONS = st.sampled_from(
    [
        "CreateStack", "UpdateStack", "DeleteStack", "DescribeStacks", "DescribeStackEvents", "DescribeEvents",
        "DescribeStackResources", "ListStacks", "ListStackResources", "CreateChangeSet", "DescribeChangeSet",
        "ExecuteChangeSet", "DeleteChangeSet", "ListChangeSets", "GetTemplate", "GetTemplateSummary",
        "ValidateTemplate", "ListExports", "ListImports", "SetStackPolicy", "GetStackPolicy", "DetectStackDrift",
        "DescribeStackResourceDrifts", "ContinueUpdateRollback", "RollbackStack", "CancelUpdateStack",
        "UpdateTerminationProtection", "CreateStackRefactor", "DescribeType", "Nonsense", "",
    ]
)  # fmt: skip
TEXTS = st.one_of(
    st.text(max_size=30),
    st.sampled_from(
        [
            "s",
            "s/x",
            "{}",
            "[]",
            "null",
            "Resources:",
            "Resources: {A: {Type: 1}}",
            "Resources: {A: {Type: AWS::SNS::Topic, Properties: {Ref: A}}}",
            "Resources: {A: {Type: AWS::SSM::Parameter, Properties: {Tags: {a: b}}}}",
            "{Resources: {A: &a [*a]}}",
            "Outputs: {O: {Value: !Ref X}}",
            "Transform: [1]",
            "true",
            "-1",
            "9" * 400,
            "arn:aws:cloudformation:us-east-1:123456789012:stack/s/x",
            "\0",
            "\ud800",
        ]
    ),
)
NAMES = st.sampled_from(
    [
        "StackName", "TemplateBody", "TemplateURL", "ChangeSetName", "ChangeSetType", "Parameters.member.1.ParameterKey",
        "Parameters.member.1.ParameterValue", "Parameters.member.x", "Tags.member.1.Key", "Tags.member.1.Value", "ExportName",
        "NextToken", "Capabilities.member.1", "RoleARN", "StackPolicyBody", "ResourcesToSkip.member.1", "LogicalResourceId",
        "ClientRequestToken", "OnFailure", "TimeoutInMinutes", "EnableTerminationProtection", "ResourcesToImport.member.1.ResourceType",
        "RollbackConfiguration.MonitoringTimeInMinutes", "NotificationARNs.member.1", "Type", "TypeName", "StackDriftDetectionId",
    ]
)  # fmt: skip


@settings(max_examples=1000)
@given(action=ACTIONS, fields=st.dictionaries(NAMES, TEXTS, max_size=6))
def test_no_request_is_answered_with_a_500(
    server: Server, action: str, fields: dict[str, str]
) -> None:
    body = urlencode({"Action": action, **fields}, errors="surrogatepass")
    status, text = ask(server.url, body=body, **FORM)
    assert status < 500, text
    assert text.startswith("<"), text


# --- functions


def test_function_that_does_not_end_is_killed_with_its_children(tmp_path: Path) -> None:
    from stackwright.emulator.services.function_process import run_process

    code = "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']); time.sleep(60)"
    started = time.monotonic()
    with pytest.raises(subprocess.TimeoutExpired):
        run_process([sys.executable, "-c", code], b"", {}, tmp_path, 2)
    assert time.monotonic() - started < 20


def test_function_sees_its_own_variables_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from stackwright.emulator.services.function_process import find_user, run_process

    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush")
    code = "import os; print(sorted(os.environ), os.getuid())"
    (tmp_path / "task").mkdir()
    output = run_process(
        [sys.executable, "-c", code], b"", {"A": "1"}, tmp_path / "task", 30
    ).decode()
    assert "AWS_SECRET_ACCESS_KEY" not in output
    assert "'A'" in output
    if find_user():
        assert not output.strip().endswith(" 0")
