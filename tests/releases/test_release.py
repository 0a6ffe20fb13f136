"""Releases: numbers that nobody gets twice, what is kept of them, which is live, and what one needs
to be restored."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

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
    found: dict[str, object] = json.loads(body)
    return found


# --- keeping


def test_a_release_says_who_did_what_when(project: Make, aws: Boto, bucket: str) -> None:
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
    assert [each.url for each in root.templates.values()] == list(app.urls.values())


def test_a_noecho_value_is_in_no_record(project: Make, aws: Boto, bucket: str) -> None:
    app = targets(project(FILES), {"app": {"Image": "x", "Password": "hush"}})[1]
    made = plan([app])
    release.finish_release(begin(made, aws), made, [outcome(app)], aws)
    for name in ("started.json", "ended.json"):
        text = json.dumps(record(1, name))
        assert "hush" not in text
        assert '"hidden": ["Password"]' in text


def test_what_is_live_is_recorded_by_the_last_release_that_deployed_it(
    project: Make, aws: Boto, bucket: str
) -> None:
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


def test_a_record_that_was_read_is_not_read_again(
    project: Make, aws: Boto, bucket: str, tmp_path: Path
) -> None:
    made = plan(targets(project(FILES), {"app": {"Image": "a"}}), RootAction.NOTHING)
    place = (made.environment, BUCKET, made.account)
    kept = Cache(tmp_path, "releases")

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


def test_numbers_are_given_once(project: Make, aws: Boto, bucket: str) -> None:
    made = plan(targets(project(FILES)))
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: begin(made, aws).number, range(8)))
    assert sorted(found) == list(range(1, 9))


def test_a_number_is_not_given_again_after_its_record_was_altered(
    project: Make, aws: Boto, bucket: str
) -> None:
    made = plan(targets(project(FILES)))
    assert begin(made, aws).number == 1
    client("s3").put_object(Bucket=BUCKET, Key="releases/dev/000007/started.json", Body=b"{")
    assert begin(made, aws).number == 8


def test_a_release_without_a_bucket_is_a_mistake_of_ours(project: Make, aws: Boto) -> None:
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
def test_results(
    project: Make, aws: Boto, bucket: str, status: str, failed: str, result: ReleaseResult
) -> None:
    app = targets(project(FILES))[1]
    made = plan([app])
    ended = outcome(app, status)
    if not ended.ok:
        ended = replace(
            ended, cause=Cause("app:Name", "AWS::SSM::Parameter", "CREATE_FAILED", "no room")
        )
    found = release.finish_release(begin(made, aws), made, [ended], aws, failed=failed)
    assert found.result is result
    assert found.cause == ("app:Name: no room" if not ended.ok else failed)


def test_a_root_without_changes_counts_as_deployed(project: Make, aws: Boto, bucket: str) -> None:
    base, app = targets(project(FILES))
    made = plan([base, app], RootAction.NOTHING)
    found = release.finish_release(begin(made, aws), made, [], aws)
    assert (found.result, [root.ok for root in found.roots]) == (
        ReleaseResult.DEPLOYED,
        [True, True],
    )


# --- looking back


def test_history_is_newest_first_and_limited(project: Make, aws: Boto, bucket: str) -> None:
    made = plan(targets(project(FILES)))
    for _ in range(12):
        begin(made, aws)
    assert [each.number for each in history(aws)] == list(range(12, 0, -1))
    found = read_history("dev", BUCKET, ACCOUNT, aws, limit=3)
    assert [each.number for each in found.releases] == [12, 11, 10]
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
def test_a_record_that_cannot_be_read(
    project: Make, aws: Boto, bucket: str, content: bytes, why: str
) -> None:
    begin(plan(targets(project(FILES))), aws)
    client("s3").put_object(Bucket=BUCKET, Key="releases/dev/000002/started.json", Body=content)
    found = read_history("dev", BUCKET, ACCOUNT, aws)
    assert [each.number for each in found.releases] == [1]
    (problem,) = found.problems
    assert (problem.code, problem.level) == ("SW841", "warning")
    assert "s3://news-artifacts/releases/dev/000002/started.json" in problem.message
    assert why in problem.message
    with pytest.raises(InputError, match="cannot be read"):
        load_release(2, "dev", BUCKET, ACCOUNT, aws)


def test_a_release_that_is_not_there(project: Make, aws: Boto, bucket: str) -> None:
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


def test_a_second_deployment_hears_of_the_first(project: Make, aws: Boto, bucket: str) -> None:
    roots = targets(project(FILES))
    made = plan(roots)
    begun = begin(made, aws)
    found = running_release(history(aws), {"news-dev-app"})
    assert found is not None
    assert (found.number, found.by, found.started, found.result) == (
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


def test_the_live_release_is_recognised(project: Make, aws: Boto) -> None:
    made = project(FILES)
    released(made, aws)
    released(made.write({"params/dev.yaml": "title: second\n"}), aws)
    found = find_live_release(history(aws), lives(aws))
    assert found is not None
    assert found.number == 2
    assert moved_roots(history(aws), lives(aws)) == []


def test_a_rollback_made_in_the_console_is_recognised(project: Make, aws: Boto) -> None:
    made = project(FILES)
    first = released(made, aws)
    released(made.write({"params/dev.yaml": "title: second\n"}), aws)
    url = first.roots[1].templates["app"].url
    client("cloudformation").update_stack(StackName="news-dev-app", TemplateURL=url)
    (problem,) = moved_roots(history(aws), lives(aws))
    assert problem.code == "SW848"
    assert "news-dev-app is as release 1 made it, not as release 2" in problem.message


def test_a_parameter_changed_elsewhere_is_recognised(project: Make, aws: Boto) -> None:
    released(project(FILES), aws, Image="a")
    changed = [{"ParameterKey": "Image", "ParameterValue": "b"}]
    client("cloudformation").update_stack(
        StackName="news-dev-app", UsePreviousTemplate=True, Parameters=changed
    )
    assert find_live_release(history(aws), lives(aws)) is None
    (problem,) = moved_roots(history(aws), lives(aws))
    assert "news-dev-app is as no release since 1 made it, not as release 1" in problem.message


def test_a_root_that_failed_in_a_release_is_not_expected_of_it(project: Make, aws: Boto) -> None:
    made = project(FILES)
    released(made, aws)
    roots = targets(made.write({"params/dev.yaml": "title: second\n"}))
    failed = plan(roots)
    release.finish_release(
        begin(failed, aws), failed, [outcome(roots[1], "UPDATE_ROLLBACK_COMPLETE")], aws
    )
    assert moved_roots(history(aws), lives(aws)) == []


def test_what_did_not_come_to_its_end_is_told_apart_from_what_others_changed(
    project: Make, aws: Boto
) -> None:
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
    for found in moving.values():
        assert found
        object.__setattr__(found, "stack", replace(found.stack, status="UPDATE_IN_PROGRESS"))
    assert moved_roots(history(aws), moving) == []
    assert find_live_release(history(aws), moving) is None


def test_rolling_back_twice_goes_back_twice(project: Make, aws: Boto) -> None:
    made = project(FILES)
    first = released(made, aws)
    second = released(made.write({"params/dev.yaml": "title: second\n"}), aws)
    released(made.write({"params/dev.yaml": "title: third\n"}), aws)
    for wanted in (second, first):
        found = find_previous_release(history(aws), lives(aws))
        assert found is not None
        assert found.number == wanted.number
        roots = build_restored_stacks(found, aws)
        ends = [deploy(each) for each in roots]
        again = plan(roots)
        restoring = release.begin_release(
            again, aws, tool="1", secret_names=NAMES, restores=found.number
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
def test_the_release_before_what_is_live(releases: list[Release], restored: int) -> None:
    """Of what cannot be told apart from what is live, the next one back is taken: not one too
    many."""
    *_, last = releases
    there = {
        each.root: LiveStack.of(
            each.root,
            Stack(
                f"arn:aws:cloudformation:r:1:stack/{each.stack}/x",
                each.stack,
                "UPDATE_COMPLETE",
                tags=each.tags,
            ),
            bodies({"app": 2, "web": 7}[each.root]),
        )
        for each in last.roots
    }
    found = find_previous_release(releases, there)
    assert found is not None
    assert found.number == restored


# --- restoring


def test_what_a_release_restores(project: Make, aws: Boto) -> None:
    made = project(FILES)
    deploy(targets(made)[0])
    roots = targets(made, {"app": {"Image": "a", "Password": "hush"}})
    first = begin(plan(roots), aws)
    targets(made.write({"params/dev.yaml": "title: second\n"}))
    wanted = [
        replace(each, parameters={k: v for k, v in each.parameters.items() if k != "Password"})
        for each in roots
    ]
    assert build_restored_stacks(
        load_release(first.number, "dev", BUCKET, ACCOUNT, aws), aws
    ) == tuple(wanted)


def test_a_root_that_was_deployed_before_there_was_a_bucket_is_in_the_record(
    project: Make, aws: Boto
) -> None:
    base = targets(project(FILES))[0]
    assert base.urls == {}
    deploy(base)
    begun = begin(plan([base]), aws)
    assert build_restored_stacks(begun, aws) == (base,)


def test_templates_that_are_lost_or_altered_are_told_together(project: Make, aws: Boto) -> None:
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


def test_what_is_missing_for_a_restoration(aws: Boto, bucket: str) -> None:
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
    found = find_missing_parts(begin(made, aws), aws)
    assert [problem.message for problem in found] == [
        f"s3://{BUCKET}/{name} was altered",
        f"s3://{BUCKET}/absent.zip does not exist any more",
        f"the image {image} does not exist any more",
        f"the image {other} does not exist any more",
        f"version {'f' * 32} of the secret news/app does not exist any more",
    ]
    assert {problem.code for problem in found} == {"SW842"}


def test_nothing_is_missing_where_all_is_there(aws: Boto, bucket: str) -> None:
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


def test_a_version_keeps_its_label_when_newer_ones_come(aws: Boto, bucket: str) -> None:
    first = client("secretsmanager").create_secret(Name="news/app", SecretString="{}")["VersionId"]
    secrets.keep_version("news/app", first, 1, aws)
    newer = [f"{number}" * 32 for number in (2, 3)]
    for version in newer:
        aws.put_secret_value("news/app", version, "{}")
    found = client("secretsmanager").describe_secret(SecretId="news/app")["VersionIdsToStages"]
    assert found == {first: ["kept-000001"], newer[0]: ["AWSPREVIOUS"], newer[1]: ["AWSCURRENT"]}
    secrets.keep_version("news/app", newer[1], 1, aws)  # of an environment that was made anew
    found = client("secretsmanager").describe_secret(SecretId="news/app")["VersionIdsToStages"]
    assert found == {first: [], newer[0]: ["AWSPREVIOUS"], newer[1]: ["AWSCURRENT", "kept-000001"]}


def test_a_secret_that_is_being_deleted_is_missing(aws: Boto, bucket: str) -> None:
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
