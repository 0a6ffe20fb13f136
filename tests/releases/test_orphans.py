"""Orphaned root stacks: noted, listed, and destroyed with their environment, by the real command
line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from stackwright.cfn.intrinsics import Pseudo
from stackwright.emulator import ApiError, EmulatorSettings, Fault, LocalCloudFormation, Server
from tests.support.aws import ACCOUNT, REGION, client, create_bucket
from tests.support.projects import Project

PARAMS = f"project: shop\nregion: {REGION}\nstacks: [base, app, extra]\n"
WITHOUT_EXTRA = PARAMS.replace(", extra", "")
TOPIC = "Resources:\n  Topic:\n    Type: AWS::SNS::Topic\n"
FILES = {
    "params/defaults.yaml": PARAMS,
    "templates/base.yaml.j2": """\
Resources:
  Bucket:
    Type: AWS::S3::Bucket
    DeletionPolicy: Retain
    UpdateReplacePolicy: Retain
    Properties: {BucketName: shop-artifacts}
  Topic:
    Type: AWS::SNS::Topic
Outputs:
  ArtifactBucketName:
    Value: !Ref Bucket
  TopicArn:
    Value: !Ref Topic
    Export: {Name: shop-topic}
""",
    "templates/app.yaml.j2": f"{TOPIC}Outputs:\n  Arn: {{Value: !Ref Topic, Export: {{Name: shop-app}}}}\n",
    "templates/extra.yaml.j2": f"{TOPIC}    Properties: {{DisplayName: !ImportValue shop-topic}}\n",
}
NOTE = "note: shop-dev-extra is deployed, but extra is no longer a root stack of dev"


class CountingCloudFormation(LocalCloudFormation):
    """Keeps its actions; ``narrow`` refuses the calls that need permission for all stacks."""

    narrow = False

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.asked: list[str] = []

    def call(self, action: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        self.asked.append(action)
        if self.narrow and (
            action == "ListImports" or (action == "DescribeStacks" and "StackName" not in arguments)
        ):
            raise ApiError("AccessDenied", "no")
        return super().call(action, arguments)


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[CountingCloudFormation]:
    settings = EmulatorSettings(Pseudo(region=REGION, account_id=ACCOUNT))
    with Server(settings, make_engine=CountingCloudFormation) as running:
        monkeypatch.setenv("AWS_ENDPOINT_URL", running.url)
        assert isinstance(running.engine, CountingCloudFormation)
        yield running.engine


@pytest.fixture
def shop(engine: CountingCloudFormation, project: Callable[..., Project]) -> Project:
    """A project with three deployed root stacks."""
    made = project({**FILES, "templates/main.yaml.j2": None})
    deploy(made)
    return made


def deploy(project: Project) -> str:
    """Render and deploy; returns stderr."""
    assert project.run("render", "--env", "dev", "--no-lint").returncode == 0
    done = project.run("deploy", "--env", "dev", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stderr


def remove_extra(shop: Project, parameters: str = WITHOUT_EXTRA) -> None:
    """Remove the last root stack from the parameters, and render."""
    shop.write({"params/defaults.yaml": parameters})
    assert shop.run("render", "--env", "dev", "--no-lint").returncode == 0


def names() -> list[str]:
    return sorted(
        stack["StackName"] for stack in client("cloudformation").describe_stacks()["Stacks"]
    )


EXTRA_OFF = PARAMS.replace("extra]", "{name: extra, when: 'more'}]") + "more: false\n"


@pytest.mark.parametrize("parameters", [WITHOUT_EXTRA, EXTRA_OFF], ids=["gone", "switched off"])
def test_orphaned_root_stack_is_noted(shop: Project, parameters: str) -> None:
    remove_extra(shop, parameters)
    planned = shop.run("plan", "--env", "dev", "--detailed-exitcode")
    assert planned.returncode == 0
    assert planned.stderr.count(NOTE) == 1
    assert "aws cloudformation delete-stack --stack-name shop-dev-extra" in planned.stderr
    for _ in range(3):  # also once the last release knows nothing of it
        assert deploy(shop).count(NOTE) == 1
    client("cloudformation").delete_stack(StackName="shop-dev-extra")
    assert NOTE not in deploy(shop)


def test_status_lists_orphaned_stacks(shop: Project) -> None:
    remove_extra(shop)
    for _ in range(2):
        text = shop.run("status", "--env", "dev")
        assert text.returncode == 0, text.stderr
        head = "No longer root stacks of dev"
        assert (
            text.stdout.index("shop-dev-app")
            < text.stdout.index(head)
            < text.stdout.index("shop-dev-extra")
        )
        status = json.loads(shop.run("status", "--env", "dev", "--format", "json").stdout)
        assert [(stack["name"], stack["status"]) for stack in status["orphaned"]] == [
            ("shop-dev-extra", "CREATE_COMPLETE")
        ]
        assert [stack["root"] for stack in status["stacks"]] == ["base", "app"]
        deploy(shop)


def test_destroy_deletes_orphaned_stacks_importers_first(
    shop: Project,
) -> None:
    remove_extra(shop)
    refused = shop.run("destroy", "--env", "dev")
    assert refused.returncode == 1
    assert "shop-dev-extra  CREATE_COMPLETE  (no longer a root stack of dev)" in refused.stderr
    assert names() == ["shop-dev-app", "shop-dev-base", "shop-dev-extra"]
    done = shop.run("destroy", "--env", "dev", "--yes-destroy", "dev")
    assert done.returncode == 0, done.stderr
    assert names() == []


def test_orphaned_stack_is_deleted_after_its_importers(
    shop: Project,
) -> None:
    shop.write(
        {
            "templates/extra.yaml.j2": FILES["templates/app.yaml.j2"].replace(
                "shop-app", "shop-extra"
            )
        }
    )
    deploy(shop)
    shop.write(
        {
            "templates/app.yaml.j2": FILES["templates/extra.yaml.j2"].replace(
                "shop-topic", "shop-extra"
            )
        }
    )
    remove_extra(shop)
    deploy(shop)
    done = shop.run("destroy", "--env", "dev", "--yes-destroy", "dev")
    assert (done.returncode, names()) == (0, []), done.stderr
    assert done.stderr.index("shop-dev-app: DELETE") < done.stderr.index("shop-dev-extra: DELETE")


def test_without_release_bucket_all_stacks_are_searched(
    engine: CountingCloudFormation, project: Callable[..., Project]
) -> None:
    files = {
        "templates/main.yaml.j2": None,
        "templates/app.yaml.j2": TOPIC,
        "templates/extra.yaml.j2": TOPIC,
    }
    shop = project({**files, "params/defaults.yaml": PARAMS.replace("base, ", "")})
    deploy(shop)
    remove_extra(shop, WITHOUT_EXTRA.replace("base, ", ""))
    assert NOTE in shop.run("plan", "--env", "dev").stderr
    assert "shop-dev-extra" in shop.run("status", "--env", "dev").stdout
    assert shop.run("destroy", "--env", "dev", "--yes-destroy", "dev").returncode == 0
    assert names() == []


def test_orphaned_stack_alone_is_destroyed(shop: Project) -> None:
    """Its releases are in a bucket that nothing names any more."""
    shop.write({"templates/extra.yaml.j2": TOPIC})
    deploy(shop)
    remove_extra(shop)
    for name in ("shop-dev-app", "shop-dev-base"):
        client("cloudformation").delete_stack(StackName=name)
    assert names() == ["shop-dev-extra"]
    assert "shop-dev-extra" in shop.run("status", "--env", "dev").stdout
    done = shop.run("destroy", "--env", "dev", "--yes-destroy", "dev")
    assert (done.returncode, names()) == (0, []), done.stderr


def test_stacks_of_others_are_kept(shop: Project) -> None:
    """Those of another environment whose name begins the same, and what others made, whatever it is
    called."""
    cloud = client("cloudformation")
    for name, environment, project in (
        ("shop-dev-two-app", "dev-two", "shop"),
        ("shop-dev-gone", "dev-two", "shop"),
        ("shop-dev-monitoring", "dev", "shop"),  # by another tool, tagged alike
        ("shop-dev-other", "dev", "other"),
        ("elsewhere", "dev", "shop"),
    ):
        made = [{"Key": "environment", "Value": environment}, {"Key": "project", "Value": project}]
        cloud.create_stack(StackName=name, TemplateBody=TOPIC, Tags=made)
    remove_extra(shop)
    assert deploy(shop).count("note:") == 1
    done = shop.run("destroy", "--env", "dev", "--yes-destroy", "dev")
    assert done.returncode == 0, done.stderr
    assert set(names()) >= {
        "shop-dev-two-app",
        "shop-dev-gone",
        "shop-dev-monitoring",
        "shop-dev-other",
        "elsewhere",
    }
    assert not {"shop-dev-base", "shop-dev-app", "shop-dev-extra"} & set(names())


@pytest.mark.parametrize(
    "command",
    [
        ("plan",),
        ("deploy", "--yes"),
        ("destroy", "--yes-destroy", "qa"),
        ("status",),
        ("rollback", "--yes"),
        ("drift",),
    ],
    ids=lambda command: command[0],
)
def test_environments_with_one_prefix_are_separate(shop: Project, command: tuple[str, ...]) -> None:
    """A new environment was copied from another one, its prefix too."""
    shop.write({"params/qa.yaml": "prefix: shop-dev\n"})
    shop.run("render", "--env", "qa", "--no-lint")
    before = client("cloudformation").describe_stacks()["Stacks"]
    refused = shop.run(command[0], "--env", "qa", *command[1:])
    assert refused.returncode == 1
    assert (
        "params/qa.yaml:1: error SW889 shop-dev-base belongs to the environment dev"
        in refused.stderr
    )
    assert client("cloudformation").describe_stacks()["Stacks"] == before
    assert "or, if qa is dev: tags: {environment: dev}" in refused.stderr
    shop.write({"params/qa.yaml": "prefix: shop-dev\ntags: {environment: dev}\n"})
    shop.run("render", "--env", "qa", "--no-lint")
    assert "SW889" not in shop.run("status", "--env", "qa").stderr


def test_release_with_an_orphaned_root_can_be_live_and_rolled_back(
    shop: Project,
) -> None:
    first = FILES["templates/app.yaml.j2"]
    for name in ("two", "three"):
        properties = f"SNS::Topic\n    Properties: {{DisplayName: {name}}}\n"
        shop.write({"templates/app.yaml.j2": first.replace("SNS::Topic\n", properties)})
        deploy(shop)
    remove_extra(shop)
    deploy(shop)
    back = shop.run("rollback", "2", "--env", "dev", "--yes")
    assert back.returncode == 0, back.stderr
    shown = json.loads(shop.run("history", "--env", "dev", "--format", "json").stdout)
    assert [release["number"] for release in shown if release["live"]] == [5]
    again = shop.run("rollback", "--env", "dev", "--yes")
    assert "release 1 of" in again.stderr, again.stderr
    assert again.returncode == 0


def test_stack_missing_from_the_restored_release_is_noted(shop: Project) -> None:
    more = PARAMS.replace("extra]", "extra, more]")
    shop.write({"params/defaults.yaml": more, "templates/more.yaml.j2": TOPIC})
    deploy(shop)
    back = shop.run("rollback", "1", "--env", "dev", "--yes")
    assert "not in release 1, and unchanged: shop-dev-more" in back.stderr


def test_export_imported_elsewhere_stops_destroy_before_any_deletion(shop: Project) -> None:
    body = f"{TOPIC}    Properties: {{DisplayName: !ImportValue shop-topic}}\n"
    client("cloudformation").create_stack(StackName="billing", TemplateBody=body)
    refused = shop.run("destroy", "--env", "dev", "--yes-destroy", "dev")
    assert refused.returncode == 1
    assert "SW828 shop-dev-base exports shop-topic, which billing imports" in refused.stderr
    assert names() == ["billing", "shop-dev-app", "shop-dev-base", "shop-dev-extra"]


def test_releases_are_used_without_permission_to_list_stacks(
    shop: Project, engine: CountingCloudFormation
) -> None:
    remove_extra(shop)
    deploy(shop)
    engine.narrow = True
    done = shop.run("destroy", "--env", "dev", "--yes-destroy", "dev")
    engine.narrow = False
    assert (done.returncode, names()) == (0, []), done.stderr


def test_noop_deployment_makes_no_more_calls(shop: Project, engine: CountingCloudFormation) -> None:
    engine.asked.clear()
    deploy(shop)
    assert sorted(engine.asked) == ["DescribeStacks"] * 3 + ["GetTemplate"] * 3


def test_refused_deletion_shows_its_reason_and_a_hint(
    shop: Project, engine: CountingCloudFormation
) -> None:
    """Who may not ask beforehand what imports an export learns it then; the stack stays as it
    was."""
    body = f"{TOPIC}    Properties: {{DisplayName: !ImportValue shop-topic}}\n"
    client("cloudformation").create_stack(StackName="billing", TemplateBody=body)
    engine.narrow = True
    stopped = shop.run("destroy", "--env", "dev", "--yes-destroy", "dev")
    assert stopped.returncode == 1
    said = stopped.stderr.partition("shop-dev-base: CREATE_COMPLETE after")[2].splitlines()[1:]
    assert said == [
        "  CloudFormation did not do it: Delete canceled. Cannot delete export shop-topic as it is in use by billing.",
        "delete the resource that uses it first",
        "then run this command again",
    ]
    assert shop.run("repair", "--env", "dev").stderr == "nothing to repair\n"


def test_orphaned_stack_can_be_deleted_without_stuck_resources(
    shop: Project, engine: CountingCloudFormation
) -> None:
    remove_extra(shop)
    engine.fault(Fault("in use by something", operation="delete", logical_id="Topic"))
    stopped = shop.run("destroy", "--env", "dev", "--yes-destroy", "dev")
    assert stopped.returncode == 1
    hint = (
        "aws cloudformation delete-stack --stack-name shop-dev-extra --retain-resources LOGICAL_ID"
    )
    assert stopped.stderr.splitlines()[-1] == f"then run this command again, or retain it: {hint}"


# --- history of one release


def test_history_of_a_release_shows_its_templates_and_the_way_back_in_the_console(
    shop: Project,
) -> None:
    shop.write({"params/dev.yaml": "tags: {team: a}\n"})
    deploy(shop)
    shop.write({"templates/app.yaml.j2": FILES["templates/app.yaml.j2"].replace("Arn:", "Id:")})
    deploy(shop)
    listed = shop.run("history", "--env", "dev")
    assert "history 3 --env dev" in listed.stdout, listed.stderr
    (release,) = json.loads(shop.run("history", "2", "--env", "dev", "--format", "json").stdout)
    assert release["number"] == 2
    shown = shop.run("history", "2", "--env", "dev")
    assert shown.returncode == 0, shown.stderr
    for root in release["roots"]:
        url = root["templates"][root["root"]]["url"]
        assert url.startswith("https://")
        assert f"stack {root['stack']}\n  template {root['root']}: {url}\n" in shown.stdout
    assert "update shop-dev-base, then shop-dev-app, then shop-dev-extra:" in shown.stdout
    assert "Replace existing template and Amazon S3 URL" in shown.stdout
    assert "rollback 2 --env dev" in shown.stdout
    absent = shop.run("history", "9", "--env", "dev")
    assert absent.returncode == 1
    assert "SW840 dev has no release 9" in absent.stderr


# --- history after a destroy


def destroyed(shop: Project) -> None:
    assert shop.run("destroy", "--env", "dev", "--yes-destroy", "dev").returncode == 0


def test_history_after_destroy_uses_the_bucket_of_the_templates(
    shop: Project,
) -> None:
    destroyed(shop)
    history = shop.run("history", "--env", "dev")
    assert history.returncode == 0
    assert "deployed" in history.stdout
    assert (
        history.stderr
        == "dev is not deployed; its earlier releases are kept in s3://shop-artifacts\n"
    )
    (row,) = json.loads(shop.run("history", "--env", "dev", "--format", "json").stdout)
    assert (row["number"], row["live"]) == (1, False)


def test_bucket_name_may_contain_the_account(shop: Project) -> None:
    name = f"shop-artifacts-{ACCOUNT}"
    create_bucket(name)
    destroyed(shop)
    base = FILES["templates/base.yaml.j2"].replace(
        "shop-artifacts", "!Sub 'shop-artifacts-${AWS::AccountId}'"
    )
    shop.write({"templates/base.yaml.j2": base})
    history = shop.run("history", "--env", "dev")
    assert (history.stdout, history.stderr) == (
        "",
        f"dev is not deployed, and s3://{name} holds no releases of it\n",
    )


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "shop-gone",
            "dev is not deployed, and the bucket shop-gone that would hold its releases does not exist\n",
        ),
        (
            "!ImportValue elsewhere",
            "dev is not deployed, and neither the parameters (deploy.bucket) nor the templates name "
            "the bucket that would hold its earlier releases\n",
        ),
    ],
)
def test_history_without_releases_names_the_bucket(shop: Project, name: str, said: str) -> None:
    destroyed(shop)
    shop.write(
        {"templates/base.yaml.j2": FILES["templates/base.yaml.j2"].replace("shop-artifacts", name)}
    )
    history = shop.run("history", "--env", "dev")
    assert (history.returncode, history.stdout, history.stderr) == (0, "", said)
    assert json.loads(shop.run("history", "--env", "dev", "--format", "json").stdout) == []


def test_history_without_a_bucket_is_empty(
    engine: CountingCloudFormation, project: Callable[..., Project]
) -> None:
    made = project(
        {
            **FILES,
            "templates/main.yaml.j2": None,
            "params/defaults.yaml": f"{PARAMS}deploy: {{bucket: own}}\n",
        }
    )
    client("cloudformation").create_stack(StackName="shop-dev-app", TemplateBody=TOPIC)
    create_bucket("own")
    assert made.run("history", "--env", "dev").stderr == "dev has no releases yet\n"
