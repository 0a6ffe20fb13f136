"""Releases: unique numbers, the record, which release is live, and what a rollback needs."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from msgspec.structs import replace

from stackwright.artifacts import secrets
from stackwright.aws import Boto, Stack
from stackwright.core.cache import Cache
from stackwright.core.errors import AwsError, InputError
from stackwright.plan import live_stack
from stackwright.plan.live_stack import LiveStack
from stackwright.plan.model import Cause, Plan, RootAction
from stackwright.releases import release
from stackwright.releases.history import (
    find_live_release,
    find_previous_release,
    load_release,
    moved_roots,
    read_history,
    read_last_release,
    running_release,
)
from stackwright.releases.record import (
    Release,
    ReleaseResult,
    RootRelease,
    number_of,
    record_from_json,
    record_to_json,
    template_digest,
)
from stackwright.releases.restore import artifact_key, build_restored_stacks, find_missing_parts
from tests.support.aws import ACCOUNT, REGION, client, create_bucket, put_image
from tests.support.projects import REPOSITORY, Project
from tests.support.releasing import BEGAN, BUCKET, FILES, deploy, outcome, plan, targets

pytestmark = pytest.mark.usefixtures("cache")

Make = Callable[..., Project]
NAMES = {"app": "news/app"}


@pytest.fixture
def bucket(aws: Boto) -> str:
    return create_bucket(BUCKET)


def begin(made: Plan, aws: Boto) -> Release:
    return release.begin_release(made, aws, tool="0.1.0", secret_names=NAMES, started=BEGAN)


def history(aws: Boto) -> list[Release]:
    return list(read_history("dev", BUCKET, ACCOUNT, aws).releases)


def record(number: int, name: str) -> dict[str, object]:
    body = (
        client("s3")
        .get_object(Bucket=BUCKET, Key=f"releases/dev/{number:06d}/{name}")["Body"]
        .read()
    )
    content: dict[str, object] = json.loads(body)
    return content


# --- keeping


def test_release_records_who_deployed_what_and_when(project: Make, aws: Boto, bucket: str) -> None:
    app = targets(project(FILES), {"app": {"Image": "web@sha256:1", "Password": "hush"}})[1]
    made = plan(
        [app], images={"web": "host/web@sha256:1"}, secrets={"app": "v1"}, artifacts=("abc.zip",)
    )
    begun = begin(made, aws)
    ended = release.finish_release(begun, made, [outcome(app)], aws)
    assert (begun.number, begun.result, ended.result) == (1, None, ReleaseResult.DEPLOYED)
    assert history(aws) == [ended]
    assert (ended.by, ended.commit, ended.tool) == (
        f"arn:aws:iam::{ACCOUNT}:user/ada",
        "0123abcd4567",
        "0.1.0",
    )
    assert (ended.started, ended.seconds is not None) == (BEGAN, True)
    assert (ended.images, ended.secrets) == (
        {"web": "host/web@sha256:1"},
        {"app": ("news/app", "v1")},
    )
    assert ended.artifacts == ("abc.zip",)
    (root,) = ended.roots
    assert (root.stack, root.status, root.ok, root.seconds) == (
        "news-dev-app",
        "UPDATE_COMPLETE",
        True,
        60,
    )
    assert list(root.templates) == ["app", "app/topics"]
    assert [template.url for template in root.templates.values()] == list(app.urls.values())


def test_record_holds_no_noecho_value(project: Make, aws: Boto, bucket: str) -> None:
    app = targets(project(FILES), {"app": {"Image": "x", "Password": "hush"}})[1]
    made = plan([app])
    release.finish_release(begin(made, aws), made, [outcome(app)], aws)
    for name in ("started.json", "ended.json"):
        text = json.dumps(record(1, name))
        assert "hush" not in text
        assert '"hidden": ["Password"]' in text


def test_live_root_is_recorded_by_its_last_release(project: Make, aws: Boto, bucket: str) -> None:
    def recorded(made: Plan) -> bool:
        assert made.bucket
        return release.records_plan(
            read_last_release(made.environment, made.bucket, made.account, aws), made
        )

    made = plan(targets(project(FILES), {"app": {"Image": "a"}}), RootAction.NOTHING)
    assert not recorded(made)
    begun = begin(made, aws)
    assert not recorded(made)  # it was killed before its end
    release.finish_release(begun, made, [], aws)
    assert recorded(made)
    other = plan(targets(project(FILES), {"app": {"Image": "b"}}), RootAction.NOTHING)
    assert not recorded(other)
    release.finish_release(begin(made, aws), made, [], aws, failed="verification failed")
    assert not recorded(made)
    client("s3").put_object(Bucket=BUCKET, Key="releases/dev/000007/ended.json", Body=b"{")
    assert not recorded(made)


def test_records_are_read_once(project: Make, aws: Boto, bucket: str) -> None:
    made = plan(targets(project(FILES), {"app": {"Image": "a"}}), RootAction.NOTHING)
    place = (made.environment, BUCKET, made.account)
    kept = Cache("releases")

    class Counted(Boto):
        read = 0

        def read_object(self, bucket: str, key: str, account: str) -> bytes | None:
            self.read += 1
            return super().read_object(bucket, key, account)

    counted = Counted(REGION)
    assert read_last_release(*place, counted, kept) is None
    begun = begin(made, aws)
    for _ in range(2):
        assert read_last_release(*place, counted, kept) == begun
    assert counted.read == 1
    ended = release.finish_release(begun, made, [], aws)
    for _ in range(2):
        assert read_last_release(*place, counted, kept) == ended
    assert counted.read == 2
    (entry,) = (
        path for path in kept.folder.iterdir() if b'"result": "deployed"' in path.read_bytes()
    )
    entry.write_bytes(b"{")
    assert read_last_release(*place, counted, kept) == ended
    key = f"releases/{made.environment}/000001/ended.json"
    client("s3").put_object(Bucket=BUCKET, Key=key, Body=b"altered")
    assert read_last_release(*place, counted, kept) is None


def test_release_numbers_are_unique(project: Make, aws: Boto, bucket: str) -> None:
    made = plan(targets(project(FILES)))
    with ThreadPoolExecutor(8) as pool:
        numbers = list(pool.map(lambda _: begin(made, aws).number, range(8)))
    assert sorted(numbers) == list(range(1, 9))


def test_number_of_an_altered_record_is_not_reused(project: Make, aws: Boto, bucket: str) -> None:
    made = plan(targets(project(FILES)))
    assert begin(made, aws).number == 1
    client("s3").put_object(Bucket=BUCKET, Key="releases/dev/000007/started.json", Body=b"{")
    assert begin(made, aws).number == 8


def test_release_without_a_bucket_is_a_programming_error(project: Make, aws: Boto) -> None:
    with pytest.raises(ValueError, match="there is no bucket yet"):
        begin(plan([], bucket=None), aws)


@pytest.mark.parametrize(
    ("status", "failed", "result"),
    [
        ("UPDATE_COMPLETE", "", ReleaseResult.DEPLOYED),
        ("UPDATE_COMPLETE", "the service web is not stable", ReleaseResult.FAILED),
        ("UPDATE_ROLLBACK_COMPLETE", "", ReleaseResult.ROLLED_BACK),
        ("ROLLBACK_COMPLETE", "", ReleaseResult.ROLLED_BACK),
        ("UPDATE_ROLLBACK_FAILED", "", ReleaseResult.FAILED),
        ("CREATE_FAILED", "", ReleaseResult.FAILED),
    ],
)
def test_result_follows_from_the_outcomes(
    project: Make, aws: Boto, bucket: str, status: str, failed: str, result: ReleaseResult
) -> None:
    app = targets(project(FILES))[1]
    made = plan([app])
    ended = outcome(app, status)
    if not ended.ok:
        ended = replace(
            ended, cause=Cause("app:Name", "AWS::SSM::Parameter", "CREATE_FAILED", "no room")
        )
    ended_release = release.finish_release(begin(made, aws), made, [ended], aws, failed=failed)
    assert ended_release.result is result
    assert ended_release.cause == ("app:Name: no room" if not ended.ok else failed)


def test_root_without_changes_counts_as_deployed(project: Make, aws: Boto, bucket: str) -> None:
    base, app = targets(project(FILES))
    made = plan([base, app], RootAction.NOTHING)
    ended_release = release.finish_release(begin(made, aws), made, [], aws)
    assert (ended_release.result, [root.ok for root in ended_release.roots]) == (
        ReleaseResult.DEPLOYED,
        [True, True],
    )


# --- looking back


def test_history_is_newest_first_and_limited(project: Make, aws: Boto, bucket: str) -> None:
    made = plan(targets(project(FILES)))
    for _ in range(12):
        begin(made, aws)
    assert [release.number for release in history(aws)] == list(range(12, 0, -1))
    shown = read_history("dev", BUCKET, ACCOUNT, aws, limit=3)
    assert [release.number for release in shown.releases] == [12, 11, 10]
    assert read_history("prod", BUCKET, ACCOUNT, aws).releases == ()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"{", "cannot be read"),
        (b"[]", "no release record"),
        (b'{"version": 1}', "no release record"),
        (b'{"version": 2, "number": 1}', "a newer version of this tool wrote it"),
    ],
)
def test_unreadable_record_is_reported(
    project: Make, aws: Boto, bucket: str, content: bytes, why: str
) -> None:
    begin(plan(targets(project(FILES))), aws)
    client("s3").put_object(Bucket=BUCKET, Key="releases/dev/000002/started.json", Body=content)
    shown = read_history("dev", BUCKET, ACCOUNT, aws)
    assert [release.number for release in shown.releases] == [1]
    (problem,) = shown.problems
    assert (problem.code, problem.level) == ("SW841", "warning")
    assert "s3://news-artifacts/releases/dev/000002/started.json" in problem.message
    assert why in problem.message
    with pytest.raises(InputError, match="cannot be read"):
        load_release(2, "dev", BUCKET, ACCOUNT, aws)


def test_unknown_release_is_an_error(project: Make, aws: Boto, bucket: str) -> None:
    with pytest.raises(InputError, match="dev has no release 3") as caught:
        load_release(3, "dev", BUCKET, ACCOUNT, aws)
    assert caught.value.problems[0].hint == "there are no releases yet"
    begin(plan(targets(project(FILES))), aws)
    with pytest.raises(InputError, match="dev has no release 3") as caught:
        load_release(3, "dev", BUCKET, ACCOUNT, aws)
    assert "there are 1 to 1" in caught.value.problems[0].hint


def test_records_survive_being_written_and_read(project: Make, aws: Boto, bucket: str) -> None:
    begun = begin(plan(targets(project(FILES))), aws)
    assert record_from_json(record_to_json(begun)) == begun
    assert [number_of(key) for key in ("releases/dev/000012/ended.json", "a.zip", "releases/dev/x/ended.json")] == [
        12, None, None,
    ]  # fmt: skip


def test_running_deployment_is_reported_to_a_second_one(
    project: Make, aws: Boto, bucket: str
) -> None:
    roots = targets(project(FILES))
    made = plan(roots)
    begun = begin(made, aws)
    running = running_release(history(aws), {"news-dev-app"})
    assert running is not None
    assert (running.number, running.by, running.started, running.result) == (
        1,
        made.caller,
        BEGAN,
        ReleaseResult.RUNNING,
    )
    assert running_release(history(aws), {"other"}) is None
    release.finish_release(begun, made, [outcome(roots[1])], aws)
    assert running_release(history(aws), {"news-dev-app"}) is None


# --- what is live


def released(project: Project, aws: Boto, **parameters: str) -> Release:
    """Both roots deployed, as one release."""
    deploy(targets(project)[0])
    roots = targets(project, {"app": parameters})
    ends = [deploy(roots[1])]
    made = plan(roots)
    return release.finish_release(begin(made, aws), made, [outcome(roots[0]), *ends], aws)


def lives(aws: Boto) -> dict[str, live_stack.LiveStack | None]:
    return {root: live_stack.read_stack(f"news-dev-{root}", aws, root) for root in ("base", "app")}


def test_live_release_is_recognised(project: Make, aws: Boto) -> None:
    made = project(FILES)
    released(made, aws)
    released(made.write({"params/dev.yaml": "title: second\n"}), aws)
    live = find_live_release(history(aws), lives(aws))
    assert live is not None
    assert live.number == 2
    assert moved_roots(history(aws), lives(aws)) == []


def test_rollback_made_in_the_console_is_recognised(project: Make, aws: Boto) -> None:
    made = project(FILES)
    first = released(made, aws)
    released(made.write({"params/dev.yaml": "title: second\n"}), aws)
    url = first.roots[1].templates["app"].url
    client("cloudformation").update_stack(StackName="news-dev-app", TemplateURL=url)
    (problem,) = moved_roots(history(aws), lives(aws))
    assert problem.code == "SW848"
    assert "news-dev-app is as release 1 made it, not as release 2" in problem.message


def test_parameter_changed_elsewhere_is_recognised(project: Make, aws: Boto) -> None:
    released(project(FILES), aws, Image="a")
    changed = [{"ParameterKey": "Image", "ParameterValue": "b"}]
    client("cloudformation").update_stack(
        StackName="news-dev-app", UsePreviousTemplate=True, Parameters=changed
    )
    assert find_live_release(history(aws), lives(aws)) is None
    (problem,) = moved_roots(history(aws), lives(aws))
    assert "news-dev-app is as no release since 1 made it, not as release 1" in problem.message


def test_failed_root_is_not_expected_of_its_release(project: Make, aws: Boto) -> None:
    made = project(FILES)
    released(made, aws)
    roots = targets(made.write({"params/dev.yaml": "title: second\n"}))
    failed = plan(roots)
    release.finish_release(
        begin(failed, aws), failed, [outcome(roots[1], "UPDATE_ROLLBACK_COMPLETE")], aws
    )
    assert moved_roots(history(aws), lives(aws)) == []


def test_unfinished_release_differs_from_changes_by_others(project: Make, aws: Boto) -> None:
    made = project(FILES)
    released(made, aws)
    roots = targets(made.write({"params/dev.yaml": "title: second\n"}))
    interrupted = plan(roots)
    begin(interrupted, aws)
    deploy(roots[1])
    (problem,) = moved_roots(history(aws), lives(aws))
    assert (
        "news-dev-app is as release 2 asked for, which did not come to its end" in problem.message
    )
    assert problem.hint.startswith("the next deployment verifies the live stacks")
    moving = lives(aws)
    for live in moving.values():
        assert live
        object.__setattr__(live, "stack", replace(live.stack, status="UPDATE_IN_PROGRESS"))
    assert moved_roots(history(aws), moving) == []
    assert find_live_release(history(aws), moving) is None


def test_rolling_back_twice_goes_back_twice(project: Make, aws: Boto) -> None:
    made = project(FILES)
    first = released(made, aws)
    second = released(made.write({"params/dev.yaml": "title: second\n"}), aws)
    released(made.write({"params/dev.yaml": "title: third\n"}), aws)
    for wanted in (second, first):
        previous = find_previous_release(history(aws), lives(aws))
        assert previous is not None
        assert previous.number == wanted.number
        roots = build_restored_stacks(previous, aws)
        ends = [deploy(root) for root in roots]
        again = plan(roots)
        restoring = release.begin_release(
            again, aws, tool="1", secret_names=NAMES, restores=previous.number
        )
        release.finish_release(restoring, again, ends, aws)
    assert find_previous_release(history(aws), lives(aws)) is None


def bodies(number: int) -> str:
    return (
        f"Resources: {{A: {{Type: 'AWS::SNS::Topic', Properties: {{DisplayName: v{number}}}}}}}\n"
    )


def past(
    number: int, *roots: tuple[str, int], tags: str = "", hidden: tuple[str, ...] = ()
) -> Release:
    """A release that deployed the roots, each in its version."""
    made = tuple(
        RootRelease(
            name, f"news-{name}", {}, {}, {"cost": tags}, "update", hidden,
            digest=template_digest(bodies(version)), ok=True,
        )
        for name, version in roots
    )  # fmt: skip
    return Release(
        number, "dev", "1", "r", "b", BEGAN, "me", "", "0", made, result=ReleaseResult.DEPLOYED
    )


@pytest.mark.parametrize(
    ("releases", "restored"),
    [
        ([past(1, ("app", 1)), past(2, ("app", 2)), past(3, ("app", 2))], 1),
        ([past(1, ("app", 1)), past(2, ("app", 2), tags="a"), past(3, ("app", 2), tags="b")], 2),
        ([past(1, ("app", 1)), past(2, ("app", 2)), past(3, ("app", 2), ("web", 7))], 2),
        (
            [
                past(1, ("app", 1)),
                past(2, ("app", 2), hidden=("Token",)),
                past(3, ("app", 2), hidden=("Token",)),
            ],
            2,
        ),
    ],
    ids=["the same again", "other tags", "another root", "a NoEcho parameter that may differ"],
)
def test_rollback_target_is_the_release_before_the_live_one(
    releases: list[Release], restored: int
) -> None:
    """Of what cannot be told apart from what is live, the next one back is taken: not one too
    many."""
    *_, last = releases
    there = {
        root.root: LiveStack.of(
            root.root,
            Stack(
                f"arn:aws:cloudformation:r:1:stack/{root.stack}/x",
                root.stack,
                "UPDATE_COMPLETE",
                tags=root.tags,
            ),
            bodies({"app": 2, "web": 7}[root.root]),
        )
        for root in last.roots
    }
    previous = find_previous_release(releases, there)
    assert previous is not None
    assert previous.number == restored


# --- restoring


def test_release_restores_templates_parameters_and_tags(project: Make, aws: Boto) -> None:
    made = project(FILES)
    deploy(targets(made)[0])
    roots = targets(made, {"app": {"Image": "a", "Password": "hush"}})
    first = begin(plan(roots), aws)
    targets(made.write({"params/dev.yaml": "title: second\n"}))
    wanted = [
        replace(root, parameters={k: v for k, v in root.parameters.items() if k != "Password"})
        for root in roots
    ]
    assert build_restored_stacks(
        load_release(first.number, "dev", BUCKET, ACCOUNT, aws), aws
    ) == tuple(wanted)


def test_root_deployed_before_the_bucket_is_recorded(project: Make, aws: Boto) -> None:
    base = targets(project(FILES))[0]
    assert base.urls == {}
    deploy(base)
    begun = begin(plan([base]), aws)
    assert build_restored_stacks(begun, aws) == (base,)


def test_lost_and_altered_templates_are_reported_together(project: Make, aws: Boto) -> None:
    made = project(FILES)
    deploy(targets(made)[0])
    roots = targets(made)
    begun = begin(plan(roots), aws)
    keys = {name: artifact_key(url) for name, url in roots[1].urls.items()}
    client("s3").delete_object(Bucket=BUCKET, Key=keys["app"])
    client("s3").put_object(Bucket=BUCKET, Key=keys["app/topics"], Body=b"Resources: {}")
    with pytest.raises(AwsError) as caught:
        build_restored_stacks(begun, aws)
    assert [problem.message.partition(", s3:")[0] for problem in caught.value.problems] == [
        "the template of app", "the template of app/topics",
    ]  # fmt: skip
    assert [problem.message.rpartition(", ")[2] for problem in caught.value.problems] == [
        f"s3://{BUCKET}/{keys['app']}, does not exist any more".rpartition(", ")[2], "was altered",
    ]  # fmt: skip
    assert (
        caught.value.problems[0].hint
        == "deploy commit 0123abcd4567 instead: git checkout 0123abcd4567"
    )


def test_missing_parts_of_a_release_are_reported(aws: Boto, bucket: str) -> None:
    data = b"zip"
    name = f"{'0' * 64}.zip"
    client("s3").put_object(Bucket=BUCKET, Key=name, Body=data, ChecksumAlgorithm="SHA256")
    client("secretsmanager").create_secret(Name="news/app", SecretString="{}")
    client("ecr").create_repository(repositoryName="web")
    image = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/web@sha256:{'1' * 64}"
    other = image.replace("/web@", "/absent@")
    made = plan(
        [],
        images={"web": image, "other": other},
        secrets={"app": "f" * 32},
        artifacts=(name, "absent.zip"),
    )
    problems = find_missing_parts(begin(made, aws), aws)
    assert [problem.message for problem in problems] == [
        f"s3://{BUCKET}/{name} was altered",
        f"s3://{BUCKET}/absent.zip does not exist any more",
        f"the image {image} does not exist any more",
        f"the image {other} does not exist any more",
        f"version {'f' * 32} of the secret news/app does not exist any more",
    ]
    assert {problem.code for problem in problems} == {"SW842"}


def test_complete_release_has_no_missing_parts(aws: Boto, bucket: str) -> None:
    image = put_image("web", "1")
    version = client("secretsmanager").create_secret(Name="news/app", SecretString="{}")[
        "VersionId"
    ]
    begun = begin(plan([], images={"web": image}, secrets={"app": version}), aws)
    assert find_missing_parts(begun, aws) == []
    release.keep_release(begun, aws, None)
    labels = client("secretsmanager").describe_secret(SecretId="news/app")["VersionIdsToStages"][
        version
    ]
    assert "kept-000001" in labels


def test_secret_version_keeps_its_label_when_newer_ones_come(aws: Boto, bucket: str) -> None:
    first = client("secretsmanager").create_secret(Name="news/app", SecretString="{}")["VersionId"]
    secrets.keep_version("news/app", first, 1, aws)
    newer = [f"{number}" * 32 for number in (2, 3)]
    for version in newer:
        aws.put_secret_value("news/app", version, "{}")
    labels = client("secretsmanager").describe_secret(SecretId="news/app")["VersionIdsToStages"]
    assert labels == {first: ["kept-000001"], newer[0]: ["AWSPREVIOUS"], newer[1]: ["AWSCURRENT"]}
    secrets.keep_version("news/app", newer[1], 1, aws)  # of an environment that was made anew
    labels = client("secretsmanager").describe_secret(SecretId="news/app")["VersionIdsToStages"]
    assert labels == {first: [], newer[0]: ["AWSPREVIOUS"], newer[1]: ["AWSCURRENT", "kept-000001"]}


def test_secret_scheduled_for_deletion_is_missing(aws: Boto, bucket: str) -> None:
    version = client("secretsmanager").create_secret(Name="news/app", SecretString="{}")[
        "VersionId"
    ]
    client("secretsmanager").delete_secret(SecretId="news/app")
    (problem,) = find_missing_parts(begin(plan([], secrets={"app": version}), aws), aws)
    assert problem.message == "the secret news/app is being deleted"


FIRST_READ_IN_THREADS = """\
import sys
from concurrent.futures import ThreadPoolExecutor
from stackwright.releases.record import record_from_json
data = sys.stdin.buffer.read()
sys.setswitchinterval(1e-6)
with ThreadPoolExecutor(16) as pool:
    numbers = {record.number for record in pool.map(record_from_json, [data] * 64)}
assert len(numbers) == 1
"""


def test_first_records_can_be_read_in_threads() -> None:
    """With a decoder made in each thread, 2 to 5 of 40 runs ended in a segmentation fault."""
    data = record_to_json(past(1))
    command = [sys.executable, "-c", FIRST_READ_IN_THREADS]
    codes = [
        subprocess.run(command, input=data, cwd=REPOSITORY, check=False).returncode
        for _ in range(40)
    ]
    assert codes == [0] * 40
