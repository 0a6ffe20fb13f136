"""Bad days, on the emulator, through the real command line: the right exit status and sentence,
nothing lost, and the same command afterwards succeeds.

"Nothing lost" is a comparison of everything that is there, resource by resource, with what the same
change leaves on a good day; and every release record says what is so.
"""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from stackwright.emulator import Fault, RequestFault
from stackwright.plan.plan_file import read_plan, save_plan
from tests.deploy.bad_days.project import ACCOUNT, FIRST_SECRET, PREFIX, SECOND_SECRET, SECRETS
from tests.deploy.bad_days.world import (
    BUCKET,
    SETTLED,
    Call,
    Run,
    World,
    encoded,
    losses,
    made,
    sample,
)

pytestmark = pytest.mark.timeout(1800)  # a loop over every call and line of a deployment

FULL = os.environ.get("HYPOTHESIS_PROFILE") == "full"
CHUNKS = 4
"""Into so many tests each loop is cut, so that workers share it."""
QUICK = 2
"""What each of them tries of its share without the full profile."""
EVERY = int(os.environ.get("BAD_DAYS_EVERY", "1"))
"""With the full profile, every which call and line is disturbed; 2 takes a minute less."""
VERSIONS: Mapping[str, Mapping[str, Any]] = {
    "first": {"title": "first", "secrets": SECRETS, "tag": "1.0"},
    "second": {"title": "second", "secrets": {**SECRETS, "API_KEY": SECOND_SECRET}, "tag": "2.0"},
}


@dataclass
class Days:
    """A world in which two versions of the system are deployed by turns, and what each leaves on a
    good day."""

    world: World
    now: str = ""
    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    good: dict[str, dict[str, Any]] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def prepare(self) -> None:
        """Deploy each version, the second time as it is done from then on, and keep what is
        there."""
        for name in ("first", "second"):
            self.world.become(**VERSIONS[name])
            self.files[name] = _files(self.world.project.folder)
            assert self.world.deploy().code == 0
        self.now = "second"
        for _ in range(2):
            wanted = self.turn()
            done = self.world.deploy()
            assert done.code == 0, done.said
            self.calls, self.lines = list(self.world.tap.calls), done.err.splitlines()
            self.good[wanted] = self.world.state()

    def turn(self) -> str:
        """Render the other version, which is to be deployed next; its name."""
        self.world.calm()
        if self.good and not all(self.world.status(root) in SETTLED for root in ("base", "app")):
            self.rebuild()  # a test has failed half-way
        self.now = "first" if self.now == "second" else "second"
        for path, content in self.files[self.now].items():
            (self.world.project.folder / path).write_bytes(content)
        self._forget_releases()
        self.world.tap.quiet()
        return self.now

    def _forget_releases(self) -> None:
        s3 = self.world.client("s3")
        listed = s3.list_objects_v2(Bucket=BUCKET, Prefix="releases/").get("Contents", [])
        for item in listed:
            s3.delete_object(Bucket=BUCKET, Key=item["Key"])

    def recover(self) -> list[str]:
        """Run the command again without faults; returns the problems that remain."""
        self.world.calm()
        done = self.world.again()
        problems = [] if done.code == 0 else [f"again: {done.code}: {done.err[-1500:]}"]
        problems += losses(self.world, self.good[self.now]) if self.good else []
        if problems:
            self.rebuild()
        return problems

    def rebuild(self) -> None:
        """A new account, so that what one day broke does not break the next."""
        self.world.reset()
        self.now = ""
        self.files, self.good = {}, {}
        self.prepare()


def _files(folder: Path) -> dict[str, bytes]:
    """The files of a version of the project, its build included."""
    places = ("params", "templates", "lambda", "env", "build")
    paths = [path for place in places for path in (folder / place).rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


@pytest.fixture(name="days")
def on_a_calm_day(shared_days: Days) -> Days:
    """The shared days without faults of an earlier test."""
    shared_days.world.calm()
    return shared_days


@pytest.fixture(scope="module")
def shared_days(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Days]:
    world, end = made(tmp_path_factory.mktemp("bad-days"))
    prepared = Days(world)
    try:
        prepared.prepare()
        yield prepared
        _no_value_was_written(world)
    finally:
        end()


def _no_value_was_written(world: World) -> None:
    """Of no run, in no file, no message and no request but those that put or get values."""
    folder = world.project.folder
    texts = {f"{path}": path.read_bytes() for path in folder.parent.rglob("*") if path.is_file()}
    texts = {name: text for name, text in texts.items() if not name.endswith("keys.env")}
    for name, log in (("messages", world.said), ("requests", world.tap.log)):
        log.seek(0)
        texts[name] = log.read()
    assert len(texts["requests"]) > 100_000
    for value in {*SECRETS.values(), FIRST_SECRET, SECOND_SECRET}:
        for form in encoded(value):
            assert [name for name, text in texts.items() if form in text] == []


# --- the loops: everywhere, one at a time


def share(count: int, chunk: int, every: int) -> list[int]:
    """The numbers from 1, each or every nth, that this chunk tries."""
    mine = list(range(1, count + 1, every))[chunk::CHUNKS]
    return mine if FULL else sample(mine, QUICK)


def disturbed(
    days: Days, count: int, chunk: int, disturb: Callable[[int], Run], every: int = 1
) -> list[str]:
    """Turn and disturb once for each number of the share; everything that went wrong, by number."""
    wrong = []
    for number in share(count, chunk, every):
        days.turn()
        done = disturb(number)
        problems = (
            []
            if done.code in (0, 1, -signal.SIGKILL)
            else [f"exit {done.code}: {done.err[-1500:]}"]
        )
        if done.code == 1 and not any(
            mark in done.err for mark in ("error ", "first to fail", "[fail] ")
        ):
            problems.append(f"it does not say why: {done.err[-1500:]}")
        wrong += [f"{number}: {problem}" for problem in (*problems, *days.recover())]
    return wrong


chunks = pytest.mark.parametrize("chunk", range(CHUNKS))


def _hang_up(_number: int, _call: Call) -> None:
    raise ConnectionAbortedError


@chunks
@pytest.mark.parametrize("after", [False, True], ids=["no response", "served"])
def test_connection_dropped_at_any_call(days: Days, chunk: int, after: bool) -> None:
    def disturb(number: int) -> Run:
        def hook(at: int, call: Call) -> None:
            if at == number:
                _hang_up(at, call)

        setattr(days.world.tap, "after" if after else "before", hook)
        done = days.world.deploy()
        assert done.code == 0, done.said  # one is tried again
        return done

    assert (
        disturbed(days, len(days.calls), chunk, disturb, every=4 * EVERY if after else EVERY) == []
    )


@chunks
def test_network_lost_for_a_while_at_any_call(days: Days, chunk: int) -> None:
    def disturb(number: int) -> Run:
        days.world.tap.before = lambda at, call: (
            _hang_up(at, call) if number <= at < number + 24 else None
        )
        return days.world.deploy()

    assert disturbed(days, len(days.calls), chunk, disturb, every=20 * EVERY) == []


@chunks
def test_kill_at_any_printed_line(days: Days, chunk: int) -> None:
    def disturb(number: int) -> Run:
        seen: list[str] = []

        def hook(pid: int, line: str) -> None:
            seen.append(line)
            if len(seen) == number:
                os.kill(pid, signal.SIGKILL)

        return days.world.deploy(on_line=hook)

    assert disturbed(days, len(days.lines), chunk, disturb, every=EVERY) == []


@chunks
def test_kill_at_any_call(days: Days, chunk: int) -> None:
    def disturb(number: int) -> Run:
        pids: list[int] = []

        def hook(at: int, call: Call) -> None:
            if at == number:
                os.kill(pids[0], signal.SIGKILL)
                _hang_up(at, call)

        days.world.tap.before = hook
        return days.world.deploy(on_start=pids.append)

    assert disturbed(days, len(days.calls), chunk, disturb, every=10 * EVERY) == []


@chunks
def test_any_denied_call(days: Days, chunk: int) -> None:
    used = sorted(
        {(call.service, call.action) for call in days.calls if call.service != "registry"}
    )

    def disturb(number: int) -> Run:
        service, action = used[number - 1]
        days.world.fault(RequestFault("denied", service=service, action=action))
        done = days.world.deploy()
        if done.code:
            assert "not allowed" in done.err, (service, action, done.said)
        return done

    assert disturbed(days, len(used), chunk, disturb) == []


# --- by name


@dataclass(frozen=True)
class Day:
    """One bad day: what happens before or during a deployment, and how that ends."""

    name: str
    happens: Callable[[World], None]
    code: int
    says: str
    environment: Mapping[str, str] = field(default_factory=dict)
    recorded: str | None = None
    """The result in the release record."""


def nothing(_world: World) -> None:
    """The environment alone is bad."""


def faults(*given: Any) -> Callable[[World], None]:
    """Let these fail."""

    def happens(world: World) -> None:
        for fault in given:
            world.fault(fault)

    return happens


def at(action: str, nth: int, deed: Callable[[World], None]) -> Callable[[World], None]:
    """Do something when the deployment calls ``action`` for the nth time."""

    def happens(world: World) -> None:
        seen: list[Call] = []

        def hook(_number: int, call: Call) -> None:
            if call.action == action:
                seen.append(call)
                if len(seen) == nth:
                    deed(world)

        world.tap.before = hook

    return happens


def expire(world: World) -> None:
    world.fault(RequestFault("expired"))


def expire_while_it_is_followed(world: World) -> None:
    def hook(_number: int, call: Call) -> None:
        if call.action == "DescribeStackEvents" and world.status("app") == "UPDATE_IN_PROGRESS":
            expire(world)

    world.tap.before = hook


def delete_secret(world: World) -> None:
    world.client("secretsmanager").delete_secret(SecretId=f"{PREFIX}/app", RecoveryWindowInDays=7)


def restore_secret(world: World) -> None:
    world.client("secretsmanager").restore_secret(SecretId=f"{PREFIX}/app")


FAILING = Fault("no room", operation="update", logical_id="Service")
BROKEN_ROLLBACK = (
    Fault("no room", operation="update", logical_id="Scaler"),
    Fault("still no room", operation="update", logical_id="Topic", nth=2),
)

DAYS = [
    Day(
        "no credentials",
        nothing,
        1,
        "SW401 no AWS credentials",
        {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""},
    ),
    Day(
        "another Region",
        nothing,
        1,
        "SW405 the AWS configuration is for the Region eu-west-1",
        {"AWS_REGION": "eu-west-1"},
    ),
    Day(
        "an unknown profile",
        nothing,
        1,
        "SW409 the AWS configuration is wrong",
        {"AWS_PROFILE": "nobody"},
    ),
    Day(
        "nobody listens",
        nothing,
        1,
        "SW406 no answer to sts:GetCallerIdentity",
        {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"},
    ),
    Day(
        "expired from the start",
        faults(RequestFault("expired")),
        1,
        "SW402 the credentials have expired",
    ),
    Day(
        "expired while it is followed",
        expire_while_it_is_followed,
        1,
        "lost contact with",
    ),
    Day(
        "expired after the first root",
        at("PutSecretValue", 1, expire),
        1,
        "SW402 the credentials have expired",
    ),
    Day(
        "throttled at every third call", faults(RequestFault("throttle", every=3)), 0, "is deployed"
    ),
    Day("5xx in bursts", faults(RequestFault("error", every=2, times=30)), 0, "is deployed"),
    Day(
        "answers that come late",
        faults(RequestFault("slow", every=5, seconds=0.2)),
        0,
        "is deployed",
    ),
    Day(
        "S3 is down",
        faults(RequestFault("error", service="s3")),
        1,
        "SW407 AWS is busy or failing, s3:",
    ),
    Day(
        "the clock is off",
        faults(RequestFault("skewed")),
        1,
        "SW411 the clock of this machine is wrong",
    ),
    Day(
        "a nested resource fails",
        faults(FAILING),
        1,
        "app/web:Service (AWS::ECS::Service)",
        recorded="rolled back",
    ),
    Day(
        "a resource of the first root fails",
        faults(Fault("no room", operation="update", logical_id="Secret")),
        1,
        "base:Secret (AWS::SecretsManager::Secret)",
        recorded="rolled back",
    ),
    Day(
        "what is replaced cannot be deleted",
        faults(Fault("in use", operation="delete", logical_id="TaskDefinition")),
        0,
        "is deployed",
    ),
    Day(
        "the secret is deleted",
        delete_secret,
        1,
        "SW425 the secret news-dev/app is scheduled for deletion on",
    ),
]


@pytest.mark.parametrize("day", DAYS, ids=lambda day: day.name)
def test_random_faults_of_a_day(days: Days, day: Day) -> None:
    world = days.world
    days.turn()
    day.happens(world)
    done = world.deploy(environment=day.environment)
    assert done.code == day.code, done.said
    assert day.says in done.said
    if day.recorded:
        records = world.records()
        assert records[max(records)]["result"] == day.recorded
    world.calm()
    if day.happens is delete_secret:
        restore_secret(world)
    assert days.recover() == []


def test_check_messages_are_not_truncated(days: Days) -> None:
    days.turn()
    days.world.fault(RequestFault("denied", service="ecs", action="DescribeServices"))
    done = days.world.run("verify", "--deadline", "0")
    assert done.code == 1
    (line,) = done.out.splitlines()
    assert line.startswith("[fail]  service  all  not allowed"), line
    assert line.endswith("is not authorized to perform this action"), line


def test_another_account_is_refused(days: Days) -> None:
    days.turn()
    done = days.world.deploy("--set", "account_id=999999999999")
    assert (done.code, "SW404 the credentials are for account 123456789012" in done.err) == (
        1,
        True,
    ), done.said
    assert days.recover() == []


def test_account_is_checked_before_any_other_call(
    days: Days,
) -> None:
    world, asked = days.world, Call("sts", "GetCallerIdentity")
    assert world.deploy().code == 0
    for account, first in (("", True), ("999999999999", True), (ACCOUNT, False)):
        world.tap.quiet()
        assert "nothing to do" in world.deploy(environment={"AWS_ACCOUNT_ID": account}).err
        assert (world.tap.calls[0] == asked, world.tap.calls.count(asked)) == (first, int(first))
    liar = world.deploy(
        "--set", "account_id=999999999999", environment={"AWS_ACCOUNT_ID": "999999999999"}
    )
    assert (liar.code, "SW404 the credentials are for account 123456789012" in liar.err) == (
        1,
        True,
    ), liar.said


def test_disabled_root_is_not_awaited(days: Days) -> None:
    world = days.world
    assert world.deploy().code == 0
    defaults = (world.project.folder / "params/defaults.yaml").read_text(encoding="utf-8")
    extra = "Resources:\n  Extra: {Type: AWS::SNS::Topic}\n"
    try:
        world.write(
            {
                "params/defaults.yaml": defaults.replace(
                    "  - app: [data, web]\n",
                    "  - app: [data, web]\n  - {name: extra, when: 'false'}\n",
                ),
                "templates/extra.yaml.j2": extra,
            }
        )
        done = world.deploy()
        assert ("nothing to do" in done.err, "preflight" in done.err) == (True, False), done.said
    finally:
        (world.project.folder / "templates/extra.yaml.j2").unlink(missing_ok=True)
        world.write({"params/defaults.yaml": defaults})


def test_failed_rollback_is_repaired(days: Days) -> None:
    world = days.world
    days.turn()
    faults(*BROKEN_ROLLBACK)(world)
    done = world.deploy()
    assert done.code == 1
    assert "UPDATE_ROLLBACK_FAILED" in done.err
    assert world.status("app") == "UPDATE_ROLLBACK_FAILED"
    world.calm()
    again = world.deploy()
    assert (again.code, "repair" in again.err) == (1, True), again.said
    assert world.run("repair", "--yes").code == 0
    assert days.recover() == []


def test_failed_first_creation_is_deleted_and_created_again(days: Days) -> None:
    world = days.world
    world.reset()
    faults(Fault("no room", operation="create", logical_id="Service"))(world)
    done = world.deploy()
    assert (done.code, world.status("app")) == (1, "ROLLBACK_COMPLETE")
    assert "app/web:Service (AWS::ECS::Service)" in done.err
    assert "repair" in world.deploy().err
    world.calm()
    assert world.run("repair", "--yes-delete", f"{PREFIX}-app").code == 0
    days.rebuild()


def test_failed_first_creation_leaves_no_conflicting_resource(days: Days) -> None:
    world = days.world
    world.reset()
    faults(Fault("no room", operation="create", logical_id="Secret"))(world)
    assert (world.deploy().code, world.status("base")) == (1, "ROLLBACK_COMPLETE")
    assert world.client("s3").list_buckets()["Buckets"] == []  # though its DeletionPolicy is Retain
    world.calm()
    assert world.run("repair", "--yes-delete", f"{PREFIX}-base").code == 0
    days.rebuild()


def test_interrupt_and_hangup_detach(days: Days) -> None:
    for number, code in ((signal.SIGINT, 130), (signal.SIGHUP, 129), (signal.SIGTERM, 143)):
        days.turn()
        days.world.seconds.append(60.0)  # still under way, however late the signal is sent
        signals = [number] * (2 if number == signal.SIGINT else 1)  # Ctrl-C as people press it

        def hook(pid: int, line: str, signals: list[signal.Signals] = signals) -> None:
            if (
                "app/data:Topic  UPDATE_IN_PROGRESS" in line
            ):  # which is written once more where writing it is disturbed
                while signals:
                    os.kill(pid, signals.pop())

        done = days.world.deploy(on_line=hook)
        assert done.code == code, done.said
        if number == signal.SIGINT:
            assert "detached: the operation on news-dev-app continues" in done.err
            assert "watch --env dev" in done.err
        newest, *_ = json.loads(days.world.run("history", "--format", "json").out)
        assert newest["result"] in ("interrupted", "running"), newest
        assert days.recover() == []


def save_plan_file(days: Days, *options: str) -> Path:
    """The plan of the other version, in a file."""
    days.turn()
    path = days.world.project.folder.parent / "plan.json"
    done = days.world.run("plan", "--out", str(path), *options)
    assert done.code == 0, done.said
    return path


def test_failure_discards_change_sets_of_later_roots(days: Days) -> None:
    days.turn()
    days.world.fault(Fault("no room", operation="update", logical_id="Secret"))
    done = days.world.deploy()
    assert done.code == 1, done.said
    assert "was the first to fail (UPDATE_FAILED):\n    no room" in done.err
    assert (
        days.world.client("cloudformation").list_change_sets(StackName=f"{PREFIX}-app")["Summaries"]
        == []
    )
    assert days.recover() == []


@pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name
)
def test_terminated_plan_leaves_nothing(days: Days, number: signal.Signals) -> None:
    days.turn()
    days.world.fault(
        RequestFault("slow", service="cloudformation", action="CreateChangeSet", seconds=3.0)
    )

    def hook(pid: int, line: str) -> None:
        if "creating change set for news-dev-app" in line:
            os.kill(pid, number)

    done = days.world.run("plan", on_line=hook)
    assert done.code == 128 + number, done.said
    cloud = days.world.client("cloudformation")
    assert [
        cloud.list_change_sets(StackName=f"{PREFIX}-{root}")["Summaries"]
        for root in ("base", "app")
    ] == [[], []]
    assert days.recover() == []


def test_key_without_a_value_is_refused_before_any_change(days: Days) -> None:
    days.turn()
    file = days.world.project.folder / "env/dev/keys.env"
    whole = file.read_text(encoding="utf-8")
    file.write_text(re.sub("(?m)^API_KEY=.*", "API_KEY=", whole), encoding="utf-8")
    params = days.world.project.folder / "params/defaults.yaml"
    before = params.read_text(encoding="utf-8")
    days.world.write({"params/defaults.yaml": re.sub("tag: '[^']*'", "tag: '9.9'", before)})
    days.world.tap.quiet()
    done = days.world.deploy()
    assert (done.code, "SW421 API_KEY is missing or empty" in done.err) == (1, True), done.said
    assert days.world.tap.calls == []
    file.write_text(whole, encoding="utf-8")
    days.world.write({"params/defaults.yaml": before})
    assert days.recover() == []


def test_plan_with_a_deleted_change_set_is_refused(days: Days) -> None:
    path = save_plan_file(days, "--keep")
    cloud = days.world.client("cloudformation")
    stack = f"{PREFIX}-app"
    for summary in cloud.list_change_sets(StackName=stack)["Summaries"]:
        cloud.delete_change_set(StackName=stack, ChangeSetName=summary["ChangeSetName"])
    done = days.world.deploy("--plan", str(path))
    assert (
        done.code,
        "SW888 the plan is stale: the change set of news-dev-app was deleted" in done.err,
    ) == (1, True)
    assert days.recover() == []


def test_plan_overtaken_by_another_deployment_is_refused(days: Days) -> None:
    path = save_plan_file(days, "--keep")
    assert days.world.deploy().code == 0
    done = days.world.deploy("--plan", str(path))
    assert (done.code, "SW888 the plan is stale" in done.err) == (1, True), done.said
    assert days.recover() == []


@pytest.mark.parametrize("gone", [False, True], ids=["root added", "root removed"])
def test_plan_of_other_root_stacks_is_refused(days: Days, gone: bool) -> None:
    days.turn()
    file = days.world.project.folder / "params/defaults.yaml"
    text = file.read_text(encoding="utf-8")
    more = {"params/defaults.yaml": text.replace("  - base\n", "  - base\n  - extra\n")}
    extra = {"templates/extra.yaml.j2": "Resources: {Topic: {Type: AWS::SNS::Topic}}\n"}
    if gone:
        days.world.write({**more, **extra})
    path = days.world.project.folder.parent / "plan.json"
    assert days.world.run("plan", "--out", str(path)).code == 0
    days.world.write({"params/defaults.yaml": text} if gone else {**more, **extra})
    done = days.world.deploy("--plan", str(path))
    assert (done.code, "SW888 the plan is stale: its root stacks are base, " in done.err) == (
        1,
        True,
    ), done.said
    (days.world.project.folder / "templates/extra.yaml.j2").unlink()
    days.world.write({"params/defaults.yaml": text})
    assert days.world.deploy().code == 0
    days.rebuild()  # the bucket has a template more than a version has


@pytest.mark.parametrize("keep", [True, False])
def test_saved_plan_keeps_a_noecho_parameter(days: Days, keep: bool) -> None:
    world, template = days.world, "templates/app.yaml.j2"
    whole = (world.project.folder / template).read_text(encoding="utf-8")
    names = ("AppSecretArn", "AppSecretVersionId", "WebImage")
    hidden = "".join(
        f"  {name}: {{Type: String, NoEcho: {str(name == names[-1]).lower()}}}\n" for name in names
    )
    world.write({template: whole.replace("  {{ wired_parameters() }}\n", hidden)})
    assert world.deploy().code == 0
    world.become("third", tag=str(VERSIONS[days.now]["tag"]))
    path = world.project.folder.parent / "plan.json"
    assert world.run("plan", "--out", str(path), *(["--keep"] * keep)).code == 0
    done = world.deploy("--plan", str(path))
    assert done.code == 0, done.said
    assert "change set of news-dev-app" not in done.err or not keep
    done = world.run("rollback", "--yes")
    assert "not recorded, so the live values stay: WebImage of news-dev-app" in done.err, done.said
    world.write({template: whole})
    days.rebuild()


def test_saved_plan_with_unknown_values_binds_the_changes(days: Days) -> None:
    """The image is not in the registry when it is planned: the deployment sends it, and finds out
    more."""
    world = days.world
    days.turn()
    assert world.deploy().code == 0
    params = (world.project.folder / "params/defaults.yaml").read_text(encoding="utf-8")
    world.write({"params/defaults.yaml": re.sub("tag: '[^']*'", "tag: '8.0'", params)})
    path = world.project.folder.parent / "plan.json"
    done = world.run("plan", "--out", str(path))
    assert done.code == 0, done.said
    assert "not fixed by the plan: WebImage of news-dev-app" in done.err
    assert "[skip] image web" in done.err
    done = world.deploy("--plan", str(path))
    assert done.code == 0, done.said

    world.write({"params/defaults.yaml": re.sub("tag: '[^']*'", "tag: '8.1'", params)})
    assert world.run("plan", "--out", str(path)).code == 0
    made = read_plan(path.read_text(encoding="utf-8"))  # as if the prediction had been incomplete
    without = [
        tuple(change for change in root.changes if change.diff.logical_id != "Service")
        for root in made.roots
    ]
    roots = tuple(
        replace(root, changes=fewer) for root, fewer in zip(made.roots, without, strict=True)
    )
    path.write_text(save_plan(replace(made, roots=roots)), encoding="utf-8")
    done = world.deploy("--plan", str(path))
    assert done.code == 1, done.said
    assert (
        "SW888 the plan does not have these changes of news-dev-app: app/web:Service (change)"
        in done.err
    )
    days.rebuild()


def test_image_deleted_between_plan_and_apply_is_refused(days: Days) -> None:
    path = save_plan_file(days)
    ecr = days.world.client("ecr")
    tag = str(VERSIONS[days.now]["tag"])
    digest = ecr.describe_images(repositoryName=f"{PREFIX}/web", imageIds=[{"imageTag": tag}])[
        "imageDetails"
    ][0]
    ecr.batch_delete_image(
        repositoryName=f"{PREFIX}/web", imageIds=[{"imageDigest": digest["imageDigest"]}]
    )
    done = days.world.deploy("--plan", str(path))
    assert done.code == 1, done.said
    assert f"{PREFIX}/web" in done.err
    assert days.recover() == []


def test_unlistable_releases_discard_the_change_sets(days: Days) -> None:
    days.turn()

    def hook(_at: int, call: Call) -> None:
        if call.action == "CreateChangeSet":
            days.world.fault(RequestFault("denied", service="s3", action="GET"))

    days.world.tap.before = hook
    done = days.world.deploy()
    assert (done.code, "not allowed: s3:ListObjectsV2" in done.err) == (1, True), done.said
    cloud = days.world.client("cloudformation")
    for root in ("base", "app"):
        assert cloud.list_change_sets(StackName=f"{PREFIX}-{root}")["Summaries"] == []
    assert days.recover() == []


def test_template_altered_between_plan_and_apply_is_refused(days: Days) -> None:
    path = save_plan_file(days, "--keep")
    s3 = days.world.client("s3")
    keys = [content["Key"] for content in s3.list_objects_v2(Bucket=BUCKET)["Contents"]]
    for key in keys:
        if key.endswith((".yaml", ".zip")):
            s3.put_object(Bucket=BUCKET, Key=key, Body=b"altered")
    done = days.world.deploy("--plan", str(path))
    assert done.code == 0, done.said
    assert days.recover() == []


def test_simultaneous_deployments_do_not_mix(days: Days) -> None:
    world = days.world
    days.turn()
    world.seconds.append(60.0)

    def leave(pid: int, line: str) -> None:
        if "app/data:Topic  UPDATE_IN_PROGRESS" in line:
            os.kill(pid, signal.SIGKILL)

    assert world.deploy(on_line=leave).code == -signal.SIGKILL
    second = world.deploy()
    assert second.code == 1, second.said
    assert f"{PREFIX}-app is being updated since" in second.err
    assert "by arn:aws:" in second.err
    assert days.recover() == []


def test_full_disk_is_an_error(days: Days) -> None:
    world = days.world
    days.turn()
    path = world.project.folder.parent / "full.json"
    done = world.run("plan", "--out", str(path), file_size=8192)
    assert (done.code, "SW885 cannot be written: File too large" in done.err) == (1, True), (
        done.said
    )
    assert list(path.parent.glob("*full.json*")) == []
    assert (
        world.client("cloudformation").list_change_sets(StackName=f"{PREFIX}-app")["Summaries"]
        == []
    )
    done = world.deploy(file_size=0)
    assert (done.code, "SW030 cannot write: File too large" in done.err) == (1, True), done.said
    assert days.recover() == []


def test_stack_deleted_during_its_creation_is_reported(days: Days) -> None:
    world = days.world
    world.reset()
    world.seconds.append(60.0)  # still under way, however late it is deleted
    cloud = world.client("cloudformation")

    def hook(_pid: int, line: str) -> None:
        if "app/data:Topic  CREATE_IN_PROGRESS" in line:
            cloud.delete_stack(StackName=f"{PREFIX}-app")
            del world.seconds[1:]

    done = world.deploy(on_line=hook)
    assert done.code == 1, done.said
    assert "DELETE_COMPLETE" in done.err
    assert world.again().code == 0
    days.rebuild()


def test_next_deployment_protects_unprotected_stacks(days: Days) -> None:
    """Those of a deployment that was interrupted, or where protection is asked for later: nothing
    else changes."""
    world, params = days.world, "params/defaults.yaml"
    whole = (world.project.folder / params).read_text(encoding="utf-8")
    world.write({params: f"{whole}deploy: {{protect: true}}\n"})
    for said in ("verifying the live stacks, and recording them as a release", "nothing to do"):
        done = world.deploy()
        assert done.code == 0, done.said
        assert said in done.err
        cloud = world.client("cloudformation")
        for root in ("base", "app"):
            (stack,) = cloud.describe_stacks(StackName=f"{PREFIX}-{root}")["Stacks"]
            assert stack["EnableTerminationProtection"]
        assert (
            "LogicalResourceId/Bucket"
            in cloud.get_stack_policy(StackName=f"{PREFIX}-base")["StackPolicyBody"]
        )
    world.write({params: whole})
    days.rebuild()


def test_protected_stacks_are_deleted_after_confirmation(days: Days) -> None:
    world = days.world
    cloud = world.client("cloudformation")
    for root in ("base", "app"):
        cloud.update_termination_protection(
            StackName=f"{PREFIX}-{root}", EnableTerminationProtection=True
        )
    refused = world.run("destroy")
    assert (refused.code, "SW827" in refused.err, world.status("app") != "") == (1, True, True)
    assert world.run("destroy", "--yes-destroy", "dev").code == 0
    assert [world.status(root) for root in ("base", "app")] == ["", ""]
    days.rebuild()


def test_manual_changes_are_detected_and_reverted(days: Days) -> None:
    days.turn()
    assert days.world.deploy().code == 0
    logs = days.world.client("logs")
    logs.put_retention_policy(logGroupName=f"/{PREFIX}/web", retentionInDays=1)
    detected = days.world.run("drift", "--format", "json")
    assert (
        detected.code,
        [drift["stack"] for drift in json.loads(detected.out) if drift["resources"]],
    ) == (
        2,
        ["app/data"],
    )
    status = days.world.run("status", "--format", "json")
    assert {stack["root"]: stack["drift"] for stack in json.loads(status.out)["stacks"]}[
        "app"
    ] == "DRIFTED"
    done = days.world.run("drift", "--format", "json", "--revert", "--yes")
    assert done.code == 0, done.said
    assert [drift["stack"] for drift in json.loads(done.out) if drift["resources"]] == ["app/data"]
    assert "news-dev-app" in done.err  # the plan, which is not for a machine
    (group,) = logs.describe_log_groups(logGroupNamePrefix=f"/{PREFIX}/web")["logGroups"]
    assert group["retentionInDays"] == 7
    assert days.recover() == []


def test_export_in_use_is_reported(days: Days) -> None:
    world = days.world
    template = "templates/base.yaml.j2"
    whole = (world.project.folder / template).read_text(encoding="utf-8")
    exported = whole.replace(
        "    Value: !Ref Secret\n", "    Value: !Ref Secret\n    Export: {Name: news-secret}\n"
    )
    world.write({template: exported})
    assert world.deploy().code == 0
    body = "Resources: {T: {Type: AWS::SNS::Topic, Properties: {DisplayName: !ImportValue news-secret}}}"
    world.client("cloudformation").create_stack(StackName="other", TemplateBody=body)
    world.settle()
    world.write({template: whole})
    done = world.deploy()
    assert done.code == 1, done.said
    assert "news-secret" in done.err
    world.client("cloudformation").delete_stack(StackName="other")
    world.settle()
    assert world.deploy().code == 0
    days.rebuild()


def test_failed_change_set_is_reported(days: Days) -> None:
    world = days.world
    template = "templates/app.yaml.j2"
    whole = (world.project.folder / template).read_text(encoding="utf-8")
    world.write({template: f"{whole}  Missing:\n    Value: !ImportValue nobody-exports-this\n"})
    done = world.deploy()
    assert done.code == 1, done.said
    assert "SW811 app imports the export nobody-exports-this, which no stack has" in done.err
    assert (
        world.client("cloudformation").list_change_sets(StackName=f"{PREFIX}-app")["Summaries"]
        == []
    )
    world.write({template: whole})
    days.rebuild()
