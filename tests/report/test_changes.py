"""The lines below a resource, and how changes are counted."""

from __future__ import annotations

import json
from typing import Any

import pytest

from stackwright.diff.model import Diff, Effect, PropertyDiff, ResourceDiff, TagDiff
from stackwright.report.changes.counts import Count, count_changes, summarize_diff
from stackwright.report.changes.lines import PropertyLine, identify, list_lines
from stackwright.report.diff import diff_as_markdown, diff_as_text

ARN = "arn:aws:secretsmanager:us-east-2:123456789012:secret:news/app-a1b2c3"
OLD, NEW = "eff583f7-9e76-4b30-8099-824a686a7880", "29a1b656-04df-48c3-9873-a9cb880c6a5b"


def added(type_: str, properties: dict[str, Any], **attributes: Any) -> ResourceDiff:
    after = {"Properties": properties, **attributes}
    return ResourceDiff("app", "R", type_, Effect.ADD, after=after)


def texts(resource: ResourceDiff, *, verbose: bool = False) -> list[str]:
    return [line.text for line in list_lines(resource, verbose=verbose)]


# --- new resources

POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::news/*"},
        {"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": {"Bool": {"a": "b"}}},
    ],
}
ENVIRONMENT = [{"Name": f"KEY_{index}", "Value": "value"} for index in range(34)]
CONTAINER = {
    "Name": "web",
    "Environment": ENVIRONMENT,
    "Image": "nginx:1.27",
    "Privileged": True,
    "LogConfiguration": {
        "LogDriver": "awslogs",
        "Options": {"awslogs-group": "news", "x": "y" * 40},
    },
}


@pytest.mark.parametrize(
    ("resource", "lines"),
    [
        (
            added("AWS::Lambda::Url", {"TargetFunctionArn": "${Api.Arn}", "AuthType": "NONE"}),
            ['AuthType: "NONE"', 'TargetFunctionArn: "${Api.Arn}"'],
        ),
        (added("AWS::IAM::Role", {"Path": "/", "RoleName": "news"}), ['RoleName: "news"']),
        (added("AWS::IAM::Role", {"Path": "/news/"}), ['Path: "/news/"']),
        (
            added("AWS::SSM::Parameter", {"Value": "x" * 100}),
            [f'Value: "{"x" * 60}…"'],
        ),
        (
            added("AWS::S3::BucketPolicy", {"PolicyDocument": POLICY}),
            [
                "PolicyDocument: allows s3:GetObject on arn:aws:s3:::news/*",
                "PolicyDocument: denies * on * under a condition",
            ],
        ),
        (
            added("AWS::Logs::ResourcePolicy", {"PolicyDocument": json.dumps(POLICY)}),
            [
                "PolicyDocument: allows s3:GetObject on arn:aws:s3:::news/*",
                "PolicyDocument: denies * on * under a condition",
            ],
        ),
        (
            added(
                "AWS::IAM::Role", {"Policies": [{"PolicyName": "read", "PolicyDocument": POLICY}]}
            ),
            [
                'Policies["read"]: allows s3:GetObject on arn:aws:s3:::news/*; denies * on * under a '
                "condition"
            ],
        ),
        (
            added("AWS::ECS::TaskDefinition", {"ContainerDefinitions": [CONTAINER]}),
            [
                'ContainerDefinitions["web"]: {Image: "nginx:1.27", Name: "web", Privileged: true, '
                "Environment: [34 values], LogConfiguration: {2 values}}"
            ],
        ),
        (
            added("Custom::X", {"Map": {f"Key{index}": "v" * 20 for index in range(9)}}),
            [*(f'Map.Key{index}: "{"v" * 20}"' for index in range(5)), "Map: … 4 more"],
        ),
        (
            added(
                "Custom::X", {"Rules": [{"Port": port, "Cidr": "10.0.0.0/8"} for port in range(9)]}
            ),
            [
                *(f'Rules[{port}]: {{Cidr: "10.0.0.0/8", Port: {port}}}' for port in range(5)),
                "Rules: … 4 more",
            ],
        ),
        (
            added("Custom::X", {"Names": ["n" * 48] * 9}),
            [f'Names: ["{"n" * 48}", "{"n" * 48}", "{"n" * 48}", … 6 more]'],
        ),
        (
            added("Custom::X", {}, DeletionPolicy="Retain", Metadata={"a": "b"}),
            ['DeletionPolicy: "Retain"'],
        ),
    ],
    ids=[
        "scalars",
        "default",
        "no default",
        "long text",
        "policy",
        "policy in text",
        "policies",
        "containers",
        "map",
        "list of maps",
        "list of texts",
        "attributes",
    ],
)
def test_new_resource_is_listed_in_a_short_form(resource: ResourceDiff, lines: list[str]) -> None:
    assert texts(resource) == lines
    assert {line.sign for line in list_lines(resource)} == {"+"}


def test_verbose_lists_every_leaf() -> None:
    container = added("AWS::ECS::TaskDefinition", {"ContainerDefinitions": [CONTAINER]})
    lines = texts(container, verbose=True)
    assert 'ContainerDefinitions[0].Environment[33].Name: "KEY_33"' in lines
    assert f'ContainerDefinitions[0].LogConfiguration.Options.x: "{"y" * 40}"' in lines
    assert texts(added("AWS::IAM::Role", {"Path": "/"}), verbose=True) == ['Path: "/"']


# --- removed resources


@pytest.mark.parametrize(
    ("type_", "properties", "physical_id", "name"),
    [
        ("AWS::SQS::Queue", {"QueueName": "news"}, "", "news"),
        ("AWS::SSM::Parameter", {"Name": "/news/a"}, "", "/news/a"),
        ("AWS::RDS::DBInstance", {"DBInstanceIdentifier": "news"}, "", "news"),
        ("AWS::SQS::Queue", {}, "", ""),
        ("AWS::SQS::Queue", {"QueueName": "news"}, "https://sqs/1/news", "https://sqs/1/news"),
        (
            "AWS::ECS::Service",
            {},
            f"arn:aws:ecs:us-east-2:1:service/{'c' * 20}/web",
            f"…1:service/{'c' * 20}/web",
        ),
    ],
)
def test_removed_resource_is_named(
    type_: str, properties: dict[str, Any], physical_id: str, name: str
) -> None:
    removed = ResourceDiff(
        "app", "R", type_, Effect.REMOVE, before={"Properties": properties}, physical_id=physical_id
    )
    assert identify(removed) == name
    assert texts(removed) == []


# --- secrets


def version(key: str, secret: str = ARN, container: str = "web") -> PropertyDiff:
    path = f'ContainerDefinitions["{container}"].Secrets["{key}"].ValueFrom'
    sides = [f"{secret}:{key}::{version}" for version in (OLD, NEW)]
    return PropertyDiff(path, *sides, replaces="yes")


def test_new_version_of_a_secret_is_one_line() -> None:
    other = ARN.replace("news/app", "news/db")
    task = ResourceDiff(
        "app",
        "Task",
        "AWS::ECS::TaskDefinition",
        Effect.REPLACE,
        properties=(
            version("A"),
            version("B", other),
            version("C"),
            version("D"),
            version("E", "${SecretArn}", "side"),
            PropertyDiff("Cpu", "1", "2", replaces="yes"),
        ),
    )
    assert list_lines(task) == [
        PropertyLine(
            "~",
            'ContainerDefinitions["web"].Secrets: news/app, version eff583f7… → 29a1b656… (3 values)',
        ),
        PropertyLine(
            "~", 'ContainerDefinitions["web"].Secrets: news/db, version eff583f7… → 29a1b656…'
        ),
        PropertyLine(
            "~", 'ContainerDefinitions["side"].Secrets: ${SecretArn}, version eff583f7… → 29a1b656…'
        ),
        PropertyLine("~", 'Cpu: "1" → "2"'),
    ]
    assert len(list_lines(task, verbose=True)) == 6


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (f"{ARN}:A::{OLD}", f"{ARN}:B::{OLD}"),
        (f"{ARN}:A::{OLD}", f"{ARN}:A::"),
        (f"{ARN}:A:AWSCURRENT:", f"{ARN}:A:AWSPREVIOUS:"),
        ("http://a:1:2:3", "http://a:1:2:4"),
        (
            f"amqp://{{{{resolve:secretsmanager:{ARN}:SecretString:password}}}}@a:{OLD}",
            f"amqp://{{{{resolve:secretsmanager:{ARN}:SecretString:password}}}}@b:{NEW}",
        ),
    ],
    ids=["key", "no version", "stage", "no secret", "part of a text"],
)
def test_other_changes_of_a_reference_are_shown_whole(before: str, after: str) -> None:
    change = PropertyDiff('Secrets["A"].ValueFrom', before, after)
    resource = ResourceDiff("app", "R", "T", Effect.CHANGE, properties=(change,))
    assert texts(resource)[0].startswith('Secrets["A"].ValueFrom: ')


# --- counts

REVISION = ResourceDiff(
    "app",
    "Task",
    "AWS::ECS::TaskDefinition",
    Effect.REPLACE,
    properties=(PropertyDiff("Cpu", "1", "2", replaces="yes"),),
)
MAYBE = ResourceDiff(
    "app", "Maybe", "AWS::ECS::TaskDefinition", Effect.CHANGE, certain=False, may_replace=True
)
TAGGED = ResourceDiff("app", "Topic", "AWS::SNS::Topic", Effect.CHANGE, retagged=True)
TAG = TagDiff("app", "owner", None, "alice")


def test_revisions_and_tags_are_counted_apart() -> None:
    counts = count_changes((REVISION, REVISION, MAYBE, TAGGED))
    assert counts == {
        Count.ADD: 0,
        Count.CHANGE: 1,
        Count.REVISION: 2,
        Count.TAG: 1,
        Count.REPLACE: 0,
        Count.REMOVE: 0,
    }
    assert summarize_diff(Diff((REVISION, REVISION, MAYBE, TAGGED))) == (
        "Plan: 0 to add, 1 to change, 2 new revisions, 1 to tag, 0 to replace, 0 to remove. "
        "(1 known only after apply)"
    )


def test_revision_is_not_red() -> None:
    text = diff_as_text(Diff((REVISION, MAYBE)))
    assert "red" not in text
    assert "[yellow]  ~[/] Task  [dim]AWS::ECS::TaskDefinition[/]  [yellow]new revision[/]" in text
    assert "new revision, if a value known after apply differs" in text
    markdown = diff_as_markdown(Diff((REVISION,)))
    assert "<code>app</code>: 1 new revision</summary>" in markdown
    assert '! ~ Task AWS::ECS::TaskDefinition (new revision)\n      ~ Cpu: "1" → "2"\n' in markdown


def test_tags_are_a_line_of_their_own() -> None:
    diff = Diff((TAGGED, REVISION), tags=(TAG, TagDiff("app", "team", "a", None)))
    line = "tags: + owner=alice, - team=a on 1 resource"
    for text in (diff_as_text(diff), diff_as_markdown(diff)):
        assert line in text
        assert "AWS::SNS::Topic" not in text
    assert "tags: + owner=alice on the stack alone" in diff_as_text(Diff(tags=(TAG,)))
    assert diff_as_text(Diff(tags=(TAG,))) != diff_as_text(Diff())


def test_resource_that_changes_besides_its_tags_is_listed() -> None:
    changed = ResourceDiff(
        "app",
        "Topic",
        "AWS::SNS::Topic",
        Effect.CHANGE,
        retagged=True,
        properties=(PropertyDiff("DisplayName", "a", "b"),),
    )
    text = diff_as_text(Diff((changed,), tags=(TAG,)))
    assert "AWS::SNS::Topic" in text
    assert "tags: + owner=alice on 1 resource" in text
    assert "Plan: 0 to add, 1 to change, 0 to replace" in text


def tagged(logical_id: str, *leaves: PropertyDiff, **options: Any) -> ResourceDiff:
    return ResourceDiff(
        "app", logical_id, "AWS::SQS::Queue", Effect.CHANGE, properties=leaves, **options
    )


OWNER = PropertyDiff('Tags["owner"].Value', None, "alice", exists_before=False)
WHOLE = PropertyDiff("Tags", None, [{"Key": "owner", "Value": "alice"}], exists_before=False)
MAP = PropertyDiff("Tags.owner", None, "alice", exists_before=False)
LENGTH = PropertyDiff("DelaySeconds", 1, 2)


@pytest.mark.parametrize("leaf", [OWNER, WHOLE, MAP], ids=["item", "list", "entry"])
def test_tags_of_resources_are_gathered_with_those_of_the_stack(leaf: PropertyDiff) -> None:
    both = tagged("Both", leaf, LENGTH, retagged=True)
    diff = Diff((tagged("Own", leaf), tagged("Inherits", retagged=True), both), tags=(TAG,))
    text = diff_as_text(diff)
    assert "tags: + owner=alice on 3 resources" in text
    assert text.count("tags: ") == 1
    assert "Own" not in text
    assert "DelaySeconds: 1 → 2" in text
    assert "1 to change, 2 to tag" in text


def test_tags_of_other_resources_have_a_line_of_their_own() -> None:
    team = PropertyDiff('Tags["team"].Value', "a", "b")
    text = diff_as_text(Diff((tagged("A", OWNER), tagged("B", OWNER, team))))
    assert "tags: + owner=alice on 2 resources" in text
    assert "tags: ~ team=a → b on 1 resource" in text


def test_tags_of_two_roots_are_one_line() -> None:
    queues = [
        ResourceDiff(root, "Q", "AWS::SQS::Queue", Effect.CHANGE, retagged=True)
        for root in ("a", "b")
    ]
    tags = tuple(TagDiff(root, "owner", None, "alice") for root in ("a", "b"))
    assert (
        diff_as_text(Diff(tuple(queues), tags=tags)).count("tags: + owner=alice on 2 resources")
        == 1
    )


def test_tags_that_replace_are_listed() -> None:
    forced = PropertyDiff('Tags["owner"].Value', None, "alice", exists_before=False, replaces="yes")
    replaced = ResourceDiff(
        "app", "A", "AWS::OpenSearchServerless::Collection", Effect.REPLACE, properties=(forced,)
    )
    text = diff_as_text(Diff((replaced,)))
    assert 'Tags["owner"].Value: "alice"' in text
    assert "1 to replace" in text
    assert "tags: " not in text
