"""Changes that lose or unprotect data need an approval, and their harmless counterparts need none.

``data_losses.yaml`` and ``harmless_data.yaml`` hold changes of single resources, written from the
documentation of the services and without the table of protections. Changes that flow through
references, conditions, parameters and nested stacks are here. A sample is deployed through the
command line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from stackwright.cfn import Pseudo, holds_data
from stackwright.diff import diff_builds
from stackwright.emulator import EmulatorSettings, Server
from stackwright.plan import (
    Certainty,
    DesiredStack,
    ListedChange,
    Plan,
    PlannedChange,
    RootAction,
    RootPlan,
    find_dangerous_changes,
)
from stackwright.plan.guardrails import GuardrailFinding
from tests.support.aws import ACCOUNT
from tests.support.projects import Project

HERE = Path(__file__).parent
REGION = "us-east-1"
ATTRIBUTES = ("DeletionPolicy", "Metadata", "UpdateReplacePolicy")
CONDITIONS = {"Never": {"Fn::Equals": ["a", "b"]}, "Always": {"Fn::Equals": ["a", "a"]}}

Side = Mapping[str, Any] | None
Files = Mapping[str, str]


def read_cases(name: str) -> Iterator[tuple[str, str, Side, Side]]:
    """The type, the name and both sides of each change of a table."""
    table = yaml.safe_load((HERE / name).read_text("utf-8"))
    for type_, changes in table.items():
        for change, (before, after) in changes.items():
            yield type_, change, before, after


def template_of(type_: str, side: Side) -> str:
    """A template with the resource ``X``, and one that stays."""
    resources: dict[str, Any] = {"Keep": {"Type": "AWS::SNS::Topic"}}
    if side is not None:
        attributes = {key: value for key, value in side.items() if key in ATTRIBUTES}
        properties = {key: value for key, value in side.items() if key not in ATTRIBUTES}
        resources["X"] = {"Type": type_, **attributes, "Properties": properties}
    return yaml.safe_dump({"Conditions": CONDITIONS, "Resources": resources}, sort_keys=False)


def plan_of(before: Files, after: Files) -> Plan:
    """The plan of a root, as CloudFormation and the prediction agree on it."""
    diff = diff_builds(before, after, REGION, ACCOUNT)
    changes = tuple(
        PlannedChange(
            resource,
            ListedChange.BOTH,
            Certainty.CERTAIN,
            stateful=holds_data(resource.type, resource.before.get("Properties", {})),
        )
        for resource in diff.resources
    )
    desired = DesiredStack("app", "news-dev-app", {"app": after["app.yaml"]}, {}, {}, {})
    root = RootPlan(desired, RootAction.UPDATE, diff, changes)
    caller = f"arn:aws:iam::{ACCOUNT}:user/tester"
    return Plan("dev", ACCOUNT, REGION, caller, "", datetime(2026, 1, 1, tzinfo=UTC), (root,))


def find_in_table(name: str) -> Iterator[tuple[str, list[GuardrailFinding]]]:
    """What is found in each change of a table."""
    for type_, change, before, after in read_cases(name):
        sides = ({"app.yaml": template_of(type_, side)} for side in (before, after))
        yield f"{type_}: {change}", find_dangerous_changes(plan_of(*sides))


def test_tables_cover_many_types() -> None:
    losses = list(read_cases("data_losses.yaml"))
    assert len(losses) > 300
    assert len({type_ for type_, *_ in losses}) > 140
    assert len(list(read_cases("harmless_data.yaml"))) > 100


def test_changes_that_lose_or_unprotect_data_need_approval() -> None:
    assert [change for change, findings in find_in_table("data_losses.yaml") if not findings] == []


def test_harmless_counterparts_need_no_approval() -> None:
    alarms = {
        change: [finding.text for finding in findings]
        for change, findings in find_in_table("harmless_data.yaml")
        if findings
    }
    assert alarms == {}


# --- changes that flow through a template

ROOT = """
Parameters:
  Days: {Type: Number, Default: 365}
  Stage: {Type: String, Default: prod}
Mappings: {Kept: {prod: {Hours: 168}, dev: {Hours: 24}}}
Conditions: {IsProd: !Equals [!Ref Stage, prod]}
Resources:
  Keep: {Type: AWS::SNS::Topic}
  Logs: {Type: AWS::Logs::LogGroup, Properties: {RetentionInDays: !Ref Days}}
  Files:
    Type: AWS::S3::Bucket
    Condition: IsProd
    DeletionPolicy: !If [IsProd, Retain, Delete]
  Table:
    Type: AWS::DynamoDB::Table
    Properties:
      KeySchema: [{AttributeName: id, KeyType: HASH}]
      DeletionProtectionEnabled: !If [IsProd, true, false]
      StreamSpecification: !If [IsProd, {StreamViewType: KEYS_ONLY}, !Ref AWS::NoValue]
  Stream:
    Type: AWS::Kinesis::Stream
    Properties: {RetentionPeriodHours: !FindInMap [Kept, !Ref Stage, Hours]}
  Subnets:
    Type: AWS::RDS::DBSubnetGroup
    Properties: {DBSubnetGroupName: one, DBSubnetGroupDescription: d, SubnetIds: [a, b]}
  Database:
    Type: AWS::RDS::DBInstance
    Properties: {Engine: postgres, DBSubnetGroupName: !Ref Subnets}
  Data:
    Type: AWS::CloudFormation::Stack
    Properties: {TemplateURL: ./app/data.yaml, Parameters: {Protected: "true", Days: "30"}}
"""
DATA = """
Parameters: {Protected: {Type: String}, Days: {Type: Number}}
Conditions: {IsProtected: !Equals [!Ref Protected, "true"]}
Resources:
  Keep: {Type: AWS::SNS::Topic}
  Orders:
    Type: AWS::RDS::DBCluster
    DeletionPolicy: !If [IsProtected, Retain, Delete]
    Properties:
      Engine: aurora-mysql
      DeletionProtection: !Ref Protected
      BackupRetentionPeriod: !Ref Days
"""
NESTED = """  Data:
    Type: AWS::CloudFormation::Stack
    Properties: {TemplateURL: ./app/data.yaml, Parameters: {Protected: "true", Days: "30"}}
"""


@pytest.mark.parametrize(
    ("old", "new", "addresses"),
    [
        ("Default: 365", "Default: 1", {"app:Logs"}),
        (
            "Default: prod",
            "Default: dev",
            {"app:Files", "app:Table", "app:Stream"},
        ),
        ("Hours: 168", "Hours: 48", {"app:Stream"}),
        ("Condition: IsProd\n    DeletionPolicy: !If [IsProd, Retain, Delete]", "", {"app:Files"}),
        ("!If [IsProd, Retain, Delete]", "!If [IsProd, Delete, Retain]", {"app:Files"}),
        ("  Files:\n", "  Objects:\n", {"app:Files"}),
        ("DBSubnetGroupName: one", "DBSubnetGroupName: two", {"app:Subnets", "app:Database"}),
        ('Protected: "true"', 'Protected: "false"', {"app/data:Orders"}),
        ('Days: "30"', 'Days: "1"', {"app/data:Orders"}),
        ("[IsProtected, Retain, Delete]", "[IsProtected, Snapshot, Delete]", {"app/data:Orders"}),
        ("  Orders:\n", "  Sales:\n", {"app/data:Orders"}),
        (NESTED, "", {"app/data:Orders"}),
        ("  Data:\n", "  Store:\n", {"app/data:Orders"}),
        ("Retain, Delete]\n    Properties:", "Delete, Delete]\n    Properties:", {"app/data:Orders"}),
    ],
)  # fmt: skip
def test_changes_that_flow_through_a_template_need_approval(
    old: str, new: str, addresses: set[str]
) -> None:
    before = {"app.yaml": ROOT, "app/data.yaml": DATA}
    after = {name: text.replace(old, new) for name, text in before.items()}
    if new == "" and old == NESTED:
        after.pop("app/data.yaml")
    assert before != after
    findings = find_dangerous_changes(plan_of(before, after))
    assert {finding.address for finding in findings} == addresses


# --- through the command line

COMMANDS = {
    "Bucket": ("AWS::S3::Bucket", "expiration loses its tag filter", "expires more objects"),
    "Archive": (
        "AWS::S3::Bucket",
        "policies removed",
        "is deleted with the stack, where it was kept",
    ),
    "Registry": ("AWS::ECR::Repository", "fewer images kept", "keeps fewer images"),
    "Queue": ("AWS::SQS::Queue", "kept shorter", "keeps messages for fewer seconds"),
    "Log": ("AWS::Logs::LogGroup", "kept shorter", "keeps log entries for fewer days"),
    "Key": (
        "AWS::KMS::Key",
        "pending window cut",
        "can be recovered for fewer days after its deletion",
    ),
    "Secret": ("AWS::SecretsManager::Secret", "generated anew", "is generated anew"),
    "Stream": ("AWS::Kinesis::Stream", "kept shorter", "keeps records for fewer hours"),
    "Files": ("AWS::EFS::FileSystem", "backups off", "is no longer backed up"),
    "Pool": ("AWS::Cognito::UserPool", "deletion protection off", "can be deleted"),
    "Volume": ("AWS::EC2::Volume", "removed", "is removed, and its data is deleted"),
    "Catalog": ("AWS::Glue::Database", "removed", "is removed, and its data is deleted"),
}
"""Changes of ``data_losses.yaml`` that are deployed together, and the words of each refusal."""
DEFAULTS = "project: demo\nregion: us-east-1\nstacks: [app]\n"
REQUIRED: Mapping[str, Mapping[str, Any]] = {
    "Key": {"KeyPolicy": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": {"Fn::Sub": "arn:aws:iam::${AWS::AccountId}:root"}}, "Action": "kms:*", "Resource": "*"}]}},
    "Stream": {"ShardCount": 1},
    "Catalog": {"CatalogId": {"Ref": "AWS::AccountId"}},
}  # fmt: skip
"""Properties of the resources above that their services require."""


@pytest.fixture
def emulated(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    settings = EmulatorSettings(Pseudo(region=REGION, account_id=ACCOUNT))
    with Server(settings, mirror=True) as running:
        monkeypatch.setenv("AWS_ENDPOINT_URL", running.url)
        yield


def deployable(side: int) -> str:
    """A template with the resources of `COMMANDS`, before (0) or after (1) their changes."""
    cases = {(type_, change): sides for type_, change, *sides in read_cases("data_losses.yaml")}
    resources: dict[str, Any] = {"Keep": {"Type": "AWS::SNS::Topic"}}
    for name, (type_, change, _) in COMMANDS.items():
        made = yaml.safe_load(template_of(type_, cases[type_, change][side]))["Resources"].get("X")
        if made:
            made["Properties"] |= REQUIRED.get(name, {})
            resources[name] = {"DeletionPolicy": "Delete", "UpdateReplacePolicy": "Delete"} | made
    text = yaml.safe_dump({"Resources": resources}, sort_keys=False, default_style='"')
    return f"{{% raw %}}{text}{{% endraw %}}"


@pytest.mark.usefixtures("emulated")
def test_deployment_of_dangerous_changes_is_refused(project: Callable[..., Project]) -> None:
    files = {"params/defaults.yaml": DEFAULTS, "templates/main.yaml.j2": None}
    app = project({**files, "templates/app.yaml.j2": deployable(0)})
    app.invoke("render", "--env", "dev")
    assert app.invoke("deploy", "--env", "dev", "--yes").exit_code == 0
    app.write({"templates/app.yaml.j2": deployable(1)}).invoke("render", "--env", "dev")
    result = app.invoke("deploy", "--env", "dev", "--yes")
    assert result.exit_code == 1
    refusals = [f"SW821 needs approval: {name} {words}" for name, (*_, words) in COMMANDS.items()]
    assert [refusal for refusal in refusals if refusal not in result.output] == []
