"""Starting, finding and stopping the emulator in the background, and recovering from a dead one."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from stackwright.emulator.server import lifecycle
from stackwright.emulator.server.lifecycle import STATE_FILE, LifecycleError
from tests.support.clients import connect

TOPIC = "Resources: {T: {Type: AWS::SNS::Topic, Properties: {TopicName: t}}}"


@pytest.fixture
def folder(tmp_path):
    yield tmp_path / "local"
    lifecycle.stop_emulator(tmp_path / "local")


@pytest.fixture
def clients():
    made = []

    def make(url, service="cloudformation"):
        made.append(connect(url, service, "eu-west-1"))
        return made[-1]

    yield make
    for client in made:
        client.close()


def test_start_find_and_stop(folder, clients):
    assert lifecycle.find_emulator(folder) is None
    assert not lifecycle.stop_emulator(folder)
    started = lifecycle.start_emulator(folder, "eu-west-1")
    assert started.url.startswith("http://127.0.0.1:")
    assert lifecycle.start_emulator(folder) == lifecycle.find_emulator(folder) == started

    cloudformation, sns = clients(started.url), clients(started.url, "sns")
    cloudformation.create_stack(StackName="s", TemplateBody=TOPIC)
    assert started.admin("status")["stacks"] == ["s"]
    assert sns.list_topics()["Topics"][0]["TopicArn"] == "arn:aws:sns:eu-west-1:123456789012:t"
    started.admin("reset")
    assert started.admin("status")["stacks"] == []
    assert sns.list_topics()["Topics"] == []

    started.admin("fault", {"reason": "no", "operation": "create"})
    cloudformation.create_stack(StackName="s", TemplateBody=TOPIC)
    assert (
        cloudformation.describe_stacks(StackName="s")["Stacks"][0]["StackStatus"]
        == "ROLLBACK_COMPLETE"
    )
    with pytest.raises(LifecycleError, match="refuses"):
        started.admin("fault", {"reason": "no", "colour": "red"})
    with pytest.raises(LifecycleError, match="no such action"):
        started.admin("fly")

    assert lifecycle.stop_emulator(folder)
    assert not (folder / STATE_FILE).exists()
    with pytest.raises(LifecycleError, match="does not answer"):
        started.admin("status")


def test_files_of_killed_emulator_are_removed(folder):
    first = lifecycle.start_emulator(folder)
    os.kill(first.pid, signal.SIGKILL)
    os.waitpid(first.pid, 0)
    assert (folder / STATE_FILE).exists()
    second = lifecycle.start_emulator(folder)
    assert second.pid != first.pid


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"pid": "x", "url": 1}'])
def test_broken_state_file_is_removed(tmp_path, text):
    (tmp_path / STATE_FILE).write_text(text, encoding="utf-8")
    assert lifecycle.find_emulator(tmp_path) is None
    assert not (tmp_path / STATE_FILE).exists()


@pytest.mark.parametrize(
    "text", ["xx\n", "", "{}", None, '{"pid": 1, "url": "http://127.0.0.1:9"}']
)
def test_emulator_with_damaged_file_is_found_and_stopped(folder, text):
    first = lifecycle.start_emulator(folder, "eu-west-1")
    if text is None:
        (folder / STATE_FILE).unlink()
    else:
        (folder / STATE_FILE).write_text(text, encoding="utf-8")
    assert lifecycle.find_emulator(folder) == first
    assert lifecycle.start_emulator(folder) == first
    with pytest.raises(LifecycleError, match="runs for 123456789012 in eu-west-1"):
        lifecycle.start_emulator(folder, "us-east-1")
    assert lifecycle.stop_emulator(folder)
    with pytest.raises(LifecycleError, match="does not answer"):
        first.admin("status")


def test_second_process_cannot_serve_folder(folder):
    first = lifecycle.start_emulator(folder)
    for file in folder.glob("emulator*"):
        file.write_text("xx\n", encoding="utf-8")
    with pytest.raises(
        LifecycleError, match=r"another process serves .* but does not say where; end it"
    ):
        lifecycle.start_emulator(folder)
    assert first.admin("status")["pid"] == first.pid
    command = [sys.executable, "-m", "stackwright.emulator", str(folder)]
    second = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert second.returncode == 1
    assert "another process serves" in second.stderr
    assert "Traceback" not in second.stderr
    os.kill(first.pid, signal.SIGTERM)
    os.waitpid(first.pid, 0)
    assert lifecycle.start_emulator(folder).pid != first.pid


def test_unresponsive_emulator_is_not_replaced(folder, monkeypatch):
    first = lifecycle.start_emulator(folder)
    os.kill(first.pid, signal.SIGSTOP)
    try:
        monkeypatch.setattr(lifecycle, "_ANSWER_SECONDS", 0.2)
        with pytest.raises(
            LifecycleError, match=rf"process {first.pid} serves .* but does not answer; end it"
        ):
            lifecycle.start_emulator(folder)
    finally:
        os.kill(first.pid, signal.SIGCONT)
    monkeypatch.undo()
    assert lifecycle.find_emulator(folder) == first


def test_restart_at_once(folder):
    for _ in range(3):
        first = lifecycle.start_emulator(folder)
        assert lifecycle.stop_emulator(folder)
        assert lifecycle.find_emulator(folder) is None
        assert lifecycle.start_emulator(folder).pid != first.pid
        assert lifecycle.stop_emulator(folder)


def test_other_server_on_port_is_not_the_emulator(folder, tmp_path):
    other = lifecycle.start_emulator(folder)
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / STATE_FILE).write_text(
        json.dumps({"pid": other.pid + 1, "url": other.url, "token": other.token}), encoding="utf-8"
    )
    assert lifecycle.find_emulator(mine) is None
    assert lifecycle.find_emulator(folder) == other


def test_failed_start_names_log(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.executable", "/bin/false")
    began = time.monotonic()
    with pytest.raises(LifecycleError, match=r"does not start; its log is .*emulator\.log"):
        lifecycle.start_emulator(tmp_path / "x")
    assert time.monotonic() - began < 20
