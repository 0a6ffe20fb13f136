"""watch, events, repair and destroy as users call them, in processes of their own, on the
emulator."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time

import pytest

from stackwright.deploy.operation.apply import apply_plan
from stackwright.emulator import Fault
from tests.support.aws import REGION
from tests.support.clock import WallClock
from tests.support.emulator import clocked_account, nested, resources, topic
from tests.support.processes import default_signals
from tests.support.projects import RENDER_PY

FILES = {
    "params/defaults.yaml": f"stacks: [main, {{app: [storage]}}]\nprefix: news\nregion: {REGION}\ntitle: news\n",
    "templates/app.yaml.j2": "Resources:\n  {{ nested_stacks() }}\n",
    "templates/app/storage.yaml.j2": "Resources:\n\n  T:\n    Type: AWS::SNS::Topic\n",
}


@pytest.fixture
def latency():
    """Seconds by type and operation; nothing takes any time unless a test says so."""
    return {}


@pytest.fixture
def account(monkeypatch, latency):
    """An account on the wall clock, for processes of their own, with the times of ``latency``."""
    with clocked_account(
        monkeypatch, clock=WallClock(), latency=lambda *key: latency.get(key, 0.0)
    ) as made:
        yield made


@pytest.fixture
def news(project):
    return project(FILES)


def bucket(name, **more):
    return {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": name}, **more}


def app(title="a", **more):
    kept = bucket("news-kept", DeletionPolicy="Retain")
    return {
        "app": resources(A=topic(title), Storage=nested("app/storage")),
        "app/storage": resources(T=topic(title), Lost=bucket("news-lost"), Kept=kept, **more),
    }


def deploy(account, texts, root="app", **rest):
    plan = account.plan(texts, root=root)
    return apply_plan(
        plan, account.aws, token=f"t{account.time():.6f}", follower=account.follower, **rest
    )


def status(account, root="app"):
    stack = account.aws.stack(f"news-{root}")
    return stack.status if stack else None


# --- destroy


def test_destroy_lists_lost_data_and_needs_the_name(account, news):
    deploy(account, {"main": resources(T=topic())}, "main")
    deploy(account, app(), protect=True)
    refused = news.run("destroy", "--env", "dev")
    assert refused.returncode == 1
    assert "SW827 not a terminal: add " in refused.stderr
    assert "--yes-destroy dev" in refused.stderr
    lines = refused.stderr.splitlines()
    assert lines.index("news-app  CREATE_COMPLETE  (termination protection is on)") < lines.index(
        "news-main  CREATE_COMPLETE"
    )
    lost, kept = lines.index("  Lost data"), lines.index("  Kept outside of any stack")
    assert lines[lost + 1] == "    - app/storage:Lost (AWS::S3::Bucket) news-lost"
    assert lines[kept + 1] == "    app/storage:Kept (AWS::S3::Bucket) news-kept: Retain"
    assert "    2 AWS::SNS::Topic" in lines
    wrong = news.run("destroy", "--env", "dev", "--yes-destroy", "prod")
    assert (wrong.returncode, "'prod' is not 'dev'; nothing was deleted" in wrong.stderr) == (
        1,
        True,
    )
    assert (status(account), account.aws.stack("news-app").protected) == ("CREATE_COMPLETE", True)

    done = news.run("destroy", "--env", "dev", "--yes-destroy", "dev")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert (status(account), status(account, "main")) == (None, None)
    assert done.stderr.index("news-app: DELETE_COMPLETE") < done.stderr.index(
        "news-main: DELETE_COMPLETE"
    )
    assert done.stderr.endswith("dev is destroyed\n")
    again = news.run("destroy", "--env", "dev", "--yes-destroy", "dev")
    assert (again.returncode, again.stderr) == (0, "dev has no stacks\n")


def test_full_bucket_stops_destroy_with_the_command_to_empty_it(account, news):
    deploy(account, {"main": resources(T=topic())}, "main")
    deploy(account, app())
    account.engine.fault(
        Fault("The bucket you tried to delete is not empty", operation="delete", logical_id="Lost")
    )
    stopped = news.run("destroy", "--env", "dev", "--yes-destroy", "dev")
    assert stopped.returncode == 1
    assert (
        "app/storage:Lost (AWS::S3::Bucket) was the first to fail (DELETE_FAILED)" in stopped.stderr
    )
    assert "aws s3 rb s3://news-lost --force" in stopped.stderr
    assert (status(account), status(account, "main")) == ("DELETE_FAILED", "CREATE_COMPLETE")
    assert news.run("destroy", "--env", "dev", "--yes-destroy", "dev").returncode == 0
    assert (status(account), status(account, "main")) == (None, None)


# --- repair


def test_repair_does_nothing_for_healthy_or_missing_stacks(account, news):
    assert news.run("repair", "--env", "dev").stderr == "nothing to repair\n"
    deploy(account, app())
    done = news.run("repair", "--env", "dev")
    assert (done.returncode, done.stderr) == (0, "nothing to repair\n")
    wrong = news.run("repair", "--env", "dev", "--root", "ap")
    assert wrong.returncode == 1
    assert "SW032 dev has no root stack ap" in wrong.stderr
    assert "one of: main, app" in wrong.stderr


def test_repair_deletes_a_failed_first_creation(account, news):
    account.engine.fault(Fault("no room", operation="create", logical_id="T"))
    deploy(account, app())
    assert status(account) == "ROLLBACK_COMPLETE"
    asked = news.run("repair", "--env", "dev")
    assert asked.returncode == 1
    assert "news-app is in ROLLBACK_COMPLETE: its first creation failed" in asked.stderr
    assert "--yes-delete news-app" in asked.stderr
    wrong = news.run("repair", "--env", "dev", "--yes-delete", "news-main")
    assert (wrong.returncode, status(account)) == (1, "ROLLBACK_COMPLETE")
    done = news.run("repair", "--env", "dev", "--yes-delete", "news-app")
    assert (done.returncode, status(account)) == (0, None), done.stderr
    assert deploy(account, app()).ok


def test_repair_discards_an_unexecuted_change_set(account, news):
    account.plan(app())
    assert news.run("repair", "--env", "dev").returncode == 1
    assert status(account) == "REVIEW_IN_PROGRESS"
    done = news.run("repair", "--env", "dev", "--yes")
    assert (done.returncode, status(account)) == (0, None), done.stderr
    assert "news-app is discarded" in done.stderr


def test_repair_continues_a_failed_rollback(account, news):
    texts = {"app": resources(A=topic(), B=topic(DependsOn="A"))}
    deploy(account, texts)
    account.engine.fault(Fault("no", operation="update", logical_id="B"))
    account.engine.fault(Fault("not back", operation="update", logical_id="A", nth=2))
    deploy(account, {"app": resources(A=topic("b"), B=topic("b", DependsOn="A"))})
    assert status(account) == "UPDATE_ROLLBACK_FAILED"
    asked = news.run("repair", "--env", "dev", "--root", "app")
    assert asked.returncode == 1
    assert "  app:A (AWS::SNS::Topic): not back" in asked.stderr
    assert "--skip ADDRESS" in asked.stderr
    done = news.run("repair", "--env", "dev", "--yes", "--skip", "app:A")
    assert (done.returncode, status(account)) == (0, "UPDATE_ROLLBACK_COMPLETE"), done.stderr
    assert deploy(account, {"app": resources(A=topic("c"), B=topic("c"))}).ok


def test_repair_retries_a_failed_deletion_without_stuck_resources(account, news):
    deploy(account, {"app": resources(A=topic(), B=bucket("news-b"))})
    for _ in range(2):
        account.engine.fault(Fault("in use by something", operation="delete", logical_id="B"))
    account.aws.delete_stack("news-app", "d")
    assert status(account) == "DELETE_FAILED"
    once = news.run("repair", "--env", "dev", "--yes-delete", "news-app")
    assert (once.returncode, status(account)) == (1, "DELETE_FAILED")
    assert "delete the resource that uses it first" in once.stderr
    assert "--retain LOGICAL_ID" in once.stderr
    done = news.run("repair", "--env", "dev", "--yes-delete", "news-app", "--retain", "B")
    assert (done.returncode, status(account)) == (0, None), done.stderr


# --- events and watch


def test_events_shows_the_last_operation(account, news):
    deploy(account, app())
    account.engine.fault(Fault("no room", operation="update", logical_id="T"))
    deploy(account, app("b"))
    text = news.run("events", "--env", "dev", "--root", "app")
    assert text.returncode == 0
    lines = text.stdout.splitlines()
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  app  UPDATE_IN_PROGRESS  User Initiated", lines[0]
    )
    assert lines[-1].endswith("  app  UPDATE_ROLLBACK_COMPLETE")
    failed = news.run("events", "--env", "dev", "--failed", "--format", "json")
    events = json.loads(failed.stdout)
    assert [event["address"] for event in events if event["reason"] == "no room"] == [
        "app/storage:T"
    ]
    assert all(event["status"].endswith("_FAILED") for event in events)
    assert (
        json.loads(news.run("events", "--env", "dev", "--root", "main", "--format", "json").stdout)
        == []
    )


def watched_to_the_end(account, news):
    """Exit status and messages of `watch`; time passes once it has seen the operation, an hour at a
    time."""
    with news.start("watch", "--env", "dev") as process:
        seen = ""
        for line in process.stderr:
            seen += line
            if line.endswith("_IN_PROGRESS\n") or "_IN_PROGRESS  " in line:
                account.time.ahead += 3600
    return process.returncode, seen


def test_watch_follows_an_operation_begun_elsewhere(account, news, latency):
    assert "SW826 dev has no stacks yet" in news.run("watch", "--env", "dev").stderr
    deploy(account, app())
    unchanged = news.run("watch", "--env", "dev")
    assert (unchanged.returncode, unchanged.stderr.splitlines()[-1]) == (
        0,
        "no operation is in progress",
    )
    latency["AWS::SNS::Topic", "update"] = (
        3600.0  # still under way when a slow machine has begun to watch
    )
    plan = account.plan(app("b"))
    account.aws.execute_change_set(plan.change_set, "elsewhere")
    code, seen = watched_to_the_end(account, news)
    assert code == 0
    assert "app/storage:T  UPDATE_COMPLETE" in seen
    assert "news-app: UPDATE_COMPLETE after" in seen

    account.engine.fault(Fault("no room", operation="update", logical_id="T"))
    plan = account.plan(app("c"))
    account.aws.execute_change_set(plan.change_set, "elsewhere")
    code, failing = watched_to_the_end(account, news)
    assert code == 1
    where = "templates/app/storage.yaml.j2:3"
    assert (
        f"app/storage:T (AWS::SNS::Topic) at {where} was the first to fail (UPDATE_FAILED)"
        in failing
    )


# --- interruptions


class Terminal:
    """A command on a terminal of its own: what it printed so far, and keys that are pressed."""

    def __init__(self, project, *arguments):
        self.master, slave = pty.openpty()
        command = [sys.executable, str(RENDER_PY), *arguments, "--project", str(project.folder)]
        environment = {**os.environ, "TERM": "xterm", "COLUMNS": "200"}
        with default_signals():
            self.process = subprocess.Popen(
                command,
                stdin=slave,
                stdout=slave,
                stderr=slave,
                env=environment,
                start_new_session=True,
            )
        os.close(slave)
        self.text = ""

    def until(self, wanted):
        """Read until that text is there."""
        deadline = time.monotonic() + 60
        while wanted not in self.text and time.monotonic() < deadline:
            if select.select([self.master], [], [], 0.1)[0]:
                try:
                    self.text += os.read(self.master, 65536).decode(errors="replace")
                except OSError:
                    break
        assert wanted in self.text, self.text

    def type(self, text):
        os.write(self.master, text.encode())

    def interrupt(self, number=signal.SIGINT):
        self.process.send_signal(number)

    def end(self):
        with contextlib.suppress(OSError):
            while os.read(self.master, 65536):
                pass
        return self.process.wait(60)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        os.close(self.master)


@pytest.fixture
def slow(account, latency):
    """An update that is under way for an hour."""
    deploy(account, app())
    latency["AWS::SNS::Topic", "update"] = 3600.0
    plan = account.plan(app("b"))
    account.aws.execute_change_set(plan.change_set, "elsewhere")
    return account


def test_second_interrupt_asks_whether_to_cancel(slow, news):
    with Terminal(news, "watch", "--env", "dev", "--root", "app") as terminal:
        terminal.until("UPDATE_IN_PROGRESS")
        terminal.interrupt()
        terminal.until(f"continues in CloudFormation; follow it again: {RENDER_PY} watch --env dev")
        terminal.until("press Ctrl-C again within 5 s")
        assert status(slow) == "UPDATE_IN_PROGRESS"
        terminal.interrupt()
        terminal.until("Cancel the update of news-app and roll it back?")
        terminal.type("y\n")
        terminal.until("is being rolled back")
        assert terminal.end() == 130
    assert status(slow).startswith("UPDATE_ROLLBACK")


def test_interrupt_without_terminal_detaches(slow, news):
    for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)):
        with news.start("watch", "--env", "dev") as process:
            for line in process.stderr:
                if "app:A  UPDATE_IN_PROGRESS" in line:
                    break
            process.send_signal(number)
            rest = process.communicate(timeout=60)[1]
        assert process.returncode == code
        assert ("follow it again" in rest) == (number == signal.SIGINT)
        assert "Traceback" not in rest
    assert status(slow) == "UPDATE_IN_PROGRESS"


def test_destroy_asks_for_the_name_on_a_terminal(account, news):
    deploy(account, app())
    for typed, code, left in (("nothing", 1, "CREATE_COMPLETE"), ("dev", 0, None)):
        with Terminal(news, "destroy", "--env", "dev") as terminal:
            terminal.until("To destroy dev (account 123456789012, us-east-2), type dev:")
            terminal.type(f"{typed}\n")
            assert terminal.end() == code
        assert status(account) == left


# --- deploy, where a stack is stuck or busy


def test_deploy_tells_for_how_long_a_stack_is_being_updated(slow, news):
    assert news.run("render", "--env", "dev", "--no-lint").returncode == 0
    time.sleep(1)
    with Terminal(news, "deploy", "--env", "dev") as terminal:
        terminal.until("news-app is being updated for ")
        terminal.until("Follow it to its end, then deploy?")
        terminal.type("n\n")
        assert terminal.end() == 1


def test_deploy_recovers_a_stuck_stack_first(account, news):
    account.engine.fault(Fault("no room", operation="create", logical_id="T"))
    deploy(account, {"app": resources(T=topic())})
    files = {
        "params/dev.yaml": "stacks: [app]\n",
        "templates/app.yaml.j2": FILES["templates/app/storage.yaml.j2"],
    }
    assert news.write(files).run("render", "--env", "dev", "--no-lint").returncode == 0
    refused = news.run("deploy", "--env", "dev", "--yes")
    assert refused.returncode == 1
    assert "news-app is ROLLBACK_COMPLETE" in refused.stderr
    assert "repair --env dev" in refused.stderr
    with Terminal(news, "deploy", "--env", "dev") as terminal:
        terminal.until("To delete news-app, type news-app:")
        terminal.type("news-app\n")
        terminal.until("Deploy dev")
        terminal.type("y\n")
        terminal.until("CREATE_COMPLETE after")
        assert terminal.end() == 0
    assert status(account) == "CREATE_COMPLETE"
