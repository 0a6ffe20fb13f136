"""Plans of a root: change sets on an emulator and in memory against the prediction, and their
removal."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from stackwright.aws import ChangeSet, ChangeSetRequest, StackEvent, StackResource, Validation
from stackwright.core.errors import AwsError, InputError
from stackwright.diff.model import Diff, Effect, TagDiff
from stackwright.emulator import RequestFault
from stackwright.plan import live_stack, plan
from stackwright.plan.freshness import find_stale_reason
from stackwright.plan.guardrails import ApprovalFlag, find_dangerous_changes
from stackwright.plan.live_stack import LiveStack
from stackwright.plan.model import (
    Certainty,
    ListedChange,
    PlannedChange,
    RootAction,
    RootPlan,
    SecretChange,
)
from stackwright.plan.plan_file import read_plan, save_plan
from stackwright.report.plan import PLAN_FORMATS, format_plan
from tests.support.aws import REGION, client
from tests.support.planning import (
    ARN,
    BEGAN,
    STACK,
    CountingBoto,
    FakeStacks,
    PlanningAccount,
    arn,
    change_set,
    changed,
    stack,
    target,
    whole,
)
from tests.support.projects import REPOSITORY

RECORDED = json.loads(
    (REPOSITORY / "tests/cfn/recorded/change-sets.json").read_text(encoding="utf-8")
)


def by_address(planned: RootPlan) -> dict[str, PlannedChange]:
    return {change.diff.address: change for change in planned.changes}


def short(planned: RootPlan) -> dict[str, tuple[str, str, str]]:
    return {
        change.diff.address: (str(change.effect), str(change.listed), str(change.certainty))
        for change in planned.changes
    }


# --- kinds


def test_first_deployment_adds_everything_and_discarding_leaves_nothing(
    account: PlanningAccount,
) -> None:
    planned = account.preview(target())
    assert (planned.kind, planned.made_stack, planned.live) == (RootAction.CREATE, True, {})
    assert short(planned) == {
        f"app/{address}": ("add", "both", "certain")
        for address in (
            "network:Files",
            "network:Group",
            "network:Vpc",
            "web:Login",
            "web:Rule",
            "web:Task",
        )
    }
    assert planned.changes[0].stateful
    assert planned.notes == ()
    made = account.aws.stack(STACK)
    assert made is not None
    assert (made.status, made.id) == ("REVIEW_IN_PROGRESS", planned.stack_id)
    plan.discard_change_sets(planned, account.aws)
    assert account.aws.stacks() == []
    plan.discard_change_sets(planned, account.aws)


def test_planned_change_set_can_be_executed(account: PlanningAccount) -> None:
    assert account.execute(account.preview(target())) == "CREATE_COMPLETE"
    again = account.preview(target(changed(("app/web", "sha256:1111", "sha256:2222"))))
    assert again.change_set
    assert account.execute(again) == "UPDATE_COMPLETE"


def test_update_lists_changes_by_address(account: PlanningAccount) -> None:
    account.deploy()
    planned = account.preview(target(parameters={"Level": "debug"}))
    assert short(planned) == {"app/web:Task": ("replace", "both", "certain")}
    (change,) = planned.changes
    assert (change.action, change.replacement, change.policy_action) == (
        "Modify",
        "True",
        "ReplaceAndDelete",
    )
    assert change.physical_id.endswith(":task-definition/web:1")
    (leaf,) = change.diff.properties
    assert leaf.path == 'ContainerDefinitions["web"].Environment["LEVEL"].Value'
    assert (leaf.before, leaf.after, leaf.replaces) == ("info", "debug", "yes")
    assert (planned.kind, planned.notes, planned.diff.losses) == (RootAction.UPDATE, (), ())
    plan.discard_change_sets(planned, account.aws)
    assert account.aws.change_sets(STACK) == []
    assert account.aws.stack(STACK) is not None


def test_noop_leaves_no_change_set_and_reads_no_tree(account: PlanningAccount) -> None:
    account.deploy()
    account.upload(target())
    account.aws.calls.clear()
    planned = plan.preview_root(
        target(), account.live(), account.aws, run="run", description="by tester"
    )
    assert (planned.kind, planned.changes, planned.change_set, planned.changes_anything) == (
        RootAction.NOTHING,
        (),
        None,
        False,
    )
    assert dict(account.aws.calls) == {
        "describe_stacks": 1, "create_change_set": 1, "describe_change_set": 1, "delete_change_set": 1,
    }  # fmt: skip
    assert account.aws.change_sets(STACK) == []


def test_changed_output_alone_is_a_change(account: PlanningAccount) -> None:
    account.deploy()
    more = "Outputs:\n  Level: {Value: !Ref Level}"
    planned = account.preview(target(changed(("app", "Outputs:", more))))
    assert (planned.kind, planned.changes) == (RootAction.UPDATE, ())
    assert [output.name for output in planned.diff.outputs] == ["Level"]


def test_removed_nested_stack_loses_its_data(account: PlanningAccount) -> None:
    account.deploy(changed(("app/network", "DeletionPolicy: Retain", "DeletionPolicy: Delete")))
    alone = {"app": "Resources: {Other: {Type: AWS::SNS::Topic}}\n"}
    planned = account.preview(target(alone))
    assert short(planned)["app/network:Files"] == ("remove", "both", "certain")
    assert short(planned)["app:Other"] == ("add", "both", "certain")
    losses = {loss.resource.address: loss for loss in planned.diff.losses}
    assert set(losses) == {"app/network:Files", "app/web:Login"}
    loss = losses["app/network:Files"]
    assert (loss.policy, loss.kept, loss.physical_id[:3]) == ("Delete", False, "fs-")
    assert by_address(planned)["app/network:Files"].policy_action == "Delete"
    assert "ITS DATA IS DELETED" in format_plan(whole(planned))


def test_inline_root_needs_no_bucket(account: PlanningAccount) -> None:
    wanted = target({"app": "Resources: {Topic: {Type: AWS::SNS::Topic}}\n"}, inline=True)
    planned = plan.preview_root(
        replace(wanted, urls={}), None, account.aws, run="run", description="by tester"
    )
    assert account.execute(planned) == "CREATE_COMPLETE"


def test_stack_tags_reach_resources(account: PlanningAccount) -> None:
    account.deploy()
    planned = account.preview(target(tags={"team": "news"}))
    assert planned.kind is RootAction.UPDATE
    assert {"app/network:Vpc", "app/web:Task"} <= set(by_address(planned))
    assert ListedChange.CLOUDFORMATION not in {change.listed for change in planned.changes}
    assert planned.diff.tags == (TagDiff("app", "team", None, "news"),)
    assert all(resource.retagged and resource.certain for resource in planned.diff.resources)


def test_stack_tags_that_cannot_change_replace_the_resource(account: PlanningAccount) -> None:
    vectors = {
        "app": "Resources: {X: {Type: AWS::OpenSearchServerless::Collection, Properties: {Name: vectors}}}"
    }
    account.deploy(vectors)
    planned = account.preview(target(vectors, tags={"team": "news"}))
    assert planned.diff.resources[0].effect is Effect.REPLACE
    (leaf,) = planned.diff.resources[0].properties
    assert (leaf.path, leaf.after, leaf.replaces) == ('Tags["team"].Value', "news", "yes")
    assert [finding.flag for finding in find_dangerous_changes(whole(planned))] == [
        ApprovalFlag.DATA_LOSS,
        ApprovalFlag.REPLACE,
    ]


# --- what the two do not agree on


def test_replacement_that_follows_an_unchanged_output_is_spurious(account: PlanningAccount) -> None:
    account.deploy()
    planned = account.preview(
        target(
            changed(
                (
                    "app/network",
                    "{CidrBlock: 10.0.0.0/16}",
                    "{CidrBlock: 10.0.0.0/16, EnableDnsSupport: true}",
                )
            )
        )
    )
    assert short(planned) == {
        "app/network:Vpc": ("change", "both", "certain"),
        "app/web:Rule": ("replace", "CloudFormation only", "spurious"),
    }
    assert [resource.address for resource in planned.diff.resources] == ["app/network:Vpc"]
    text = format_plan(whole(planned))
    assert (
        "Listed by CloudFormation, but will not happen: the values they depend on stay the same (1)"
        in text
    )
    assert "app/web: Rule" in text
    assert "Plan: 0 to add, 1 to change, 0 to replace, 0 to remove in 1 of 1 stacks." in text


def test_replacement_that_follows_a_replaced_sibling_is_real(account: PlanningAccount) -> None:
    account.deploy()
    planned = account.preview(
        target(changed(("app/network", "GroupDescription: web", "GroupDescription: other")))
    )
    assert short(planned) == {
        "app/network:Group": ("replace", "both", "certain"),
        "app/web:Rule": ("replace", "both", "certain"),
    }
    (leaf,) = by_address(planned)["app/web:Rule"].diff.properties
    assert (leaf.path, leaf.after_apply, leaf.causes) == (
        "GroupId",
        True,
        ("Network.Outputs.GroupId",),
    )


FOLLOWING = """
Resources:
  First: {Type: AWS::SSM::Parameter, Properties: {Name: first, Type: String, Value: one}}
  Second: {Type: AWS::SSM::Parameter, Properties: {Name: second, Type: String, Value: !GetAtt First.Value}}
"""


def test_change_that_follows_an_attribute_is_predicted_though_not_listed(
    account: PlanningAccount,
) -> None:
    account.deploy({"app": FOLLOWING})
    planned = account.preview(target({"app": FOLLOWING.replace("Value: one", "Value: two")}))
    assert short(planned) == {
        "app:First": ("change", "both", "certain"),
        "app:Second": ("change", "prediction only", "certain"),
    }
    assert (
        "Second  [dim]AWS::SSM::Parameter[/]  [cyan]not listed by CloudFormation[/]"
        in format_plan(whole(planned))
    )
    assert len(planned.diff.resources) == 2


def described(resource: str, type_: str, **api: Any) -> dict[str, Any]:
    return {
        "Action": "Modify",
        "LogicalResourceId": resource,
        "ResourceType": type_,
        "Details": [],
        **api,
    }


def detail(
    path: str, recreation: str = "Never", evaluation: str = "Static", **values: Any
) -> dict[str, Any]:
    name = path.split("/")[2]
    known = {
        "Attribute": "Properties",
        "Name": name,
        "Path": path,
        "RequiresRecreation": recreation,
    }
    return {
        "Target": {**known, **values},
        "Evaluation": evaluation,
        "ChangeSource": "DirectModification",
    }


TOPIC = "Resources: {Topic: {Type: AWS::SNS::Topic, Properties: {DisplayName: a}}}\n"


def fake(*changes: Any, body: str = TOPIC, full: tuple[Any, ...] | None = None) -> FakeStacks:
    """A stack whose next change set holds these changes; ``full`` are those with property
    values."""
    made = FakeStacks(
        stack(), body, [StackResource("Topic", "arn:topic", "AWS::SNS::Topic", "CREATE_COMPLETE")]
    )
    made.replies.append(arn("one"))
    made.answers[arn("one")] = [change_set("one", "CREATE_COMPLETE", "", *changes)]
    if full is not None:
        made.full[arn("one")] = change_set("one", "CREATE_COMPLETE", "", *full)
    return made


def preview(made: FakeStacks, wanted: str = TOPIC, **options: Any) -> RootPlan:
    current = None
    if made.existing is not None:
        known = {resource.logical_id: resource for resource in made.listed}
        current = LiveStack.of("app", made.existing, made.body, known)
    return plan.preview_root(
        target({"app": wanted}), current, made, run="run", description="by tester", **options
    )


def test_change_listed_by_cloudformation_only_is_shown_as_listed() -> None:
    api = described("Topic", "AWS::SNS::Topic", Replacement="True", PolicyAction="ReplaceAndDelete")
    api["Details"] = [
        detail("/Properties/TopicName", "Always", BeforeValue="a", AfterValue="b"),
        detail(
            "/Properties/Tags/0/Value",
            AfterValue="{{changeSet:KNOWN_AFTER_APPLY}}",
            AttributeChangeType="Add",
        ),
    ]
    planned = preview(fake(api))
    assert short(planned) == {"app:Topic": ("replace", "CloudFormation only", "certain")}
    first, second = planned.changes[0].diff.properties
    assert (first.path, first.after_apply, first.exists_before) == ("Tags[0].Value", True, False)
    assert (second.path, second.before, second.after, second.replaces) == (
        "TopicName",
        "a",
        "b",
        "yes",
    )
    assert planned.notes == ("CloudFormation lists changes that are not predicted: app:Topic",)
    assert "only listed by CloudFormation" in format_plan(whole(planned))


def test_dynamic_change_is_conditional() -> None:
    api = described("Topic", "AWS::SNS::Topic", Replacement="Conditional")
    api["Details"] = [detail("/Properties/TopicName", "Always", "Dynamic")]
    (change,) = preview(fake(api)).changes
    assert (change.certainty, change.diff.may_replace, change.effect) == (
        Certainty.CONDITIONAL,
        True,
        Effect.CHANGE,
    )


def test_data_loss_listed_by_cloudformation_only_is_shown() -> None:
    body = "Resources: {Topic: {Type: AWS::EFS::FileSystem}}\n"
    api = described("Topic", "AWS::EFS::FileSystem", Replacement="True", PhysicalResourceId="fs-1")
    (loss,) = preview(fake(api, body=body), body).diff.losses
    assert (loss.resource.address, loss.kept, loss.physical_id) == ("app:Topic", False, "fs-1")


@pytest.mark.parametrize(
    ("said", "effect", "may_replace", "noted"),
    [
        ("True", Effect.REPLACE, False, True),
        ("Conditional", Effect.CHANGE, True, True),
        ("False", Effect.CHANGE, False, False),
    ],
)
def test_unexplained_replacement_is_believed(
    said: str, effect: Effect, may_replace: bool, noted: bool
) -> None:
    api = described("Topic", "AWS::SNS::Topic", Replacement=said)
    planned = preview(fake(api), TOPIC.replace("DisplayName: a", "DisplayName: b"))
    (change,) = planned.changes
    assert (change.effect, change.diff.may_replace, change.listed) == (
        effect,
        may_replace,
        ListedChange.BOTH,
    )
    assert planned.notes == (
        (f"app:Topic: CloudFormation lists Replacement {said}, the prediction says False",) * noted
    )


def test_predicted_replacement_stays_where_cloudformation_lists_none() -> None:
    api = described("Topic", "AWS::SNS::Topic", Replacement="False")
    planned = preview(fake(api), TOPIC.replace("DisplayName: a", "TopicName: b"))
    assert planned.changes[0].effect is Effect.REPLACE
    assert "the prediction says True" in planned.notes[0]


@pytest.mark.parametrize(
    ("requires", "effect", "may_replace"),
    [("Always", Effect.REPLACE, False), ("Conditionally", Effect.CHANGE, True)],
)
def test_unpredicted_property_that_replaces_is_believed(
    account: PlanningAccount, requires: str, effect: Effect, may_replace: bool
) -> None:
    """Beside a change in place, and a replacement predicted not to happen: CloudFormation's
    answer for the whole resource is the expected one."""
    account.deploy()
    account.aws = AlsoReplaced(REGION, requires)
    vpc = "{CidrBlock: 10.0.0.0/16}"
    planned = account.preview(
        target(
            changed(
                ("app/network", vpc, f"{vpc[:-1]}, EnableDnsSupport: true}}"),
                ("app/web", "CidrIp: 10.0.0.0/16", "CidrIp: 10.0.0.0/16, Description: web"),
            )
        )
    )
    change = by_address(planned)["app/web:Rule"]
    assert (change.effect, change.diff.may_replace, change.replacement) == (
        effect,
        may_replace,
        "True",
    )
    assert any("SourcePrefixListId" in note for note in planned.notes)


GROUP = """
Resources:
  Topic:
    Type: AWS::EC2::SecurityGroup
    Properties:
      GroupDescription: a
      SecurityGroupIngress: [{IpProtocol: tcp, FromPort: 443, ToPort: 443, CidrIp: 10.0.0.0/16}]
      Tags: [{Key: team, Value: a}]
"""


@pytest.mark.parametrize("predicted", [True, False], ids=["beside a predicted change", "alone"])
def test_properties_listed_by_cloudformation_only_are_shown_and_need_approval(
    predicted: bool,
) -> None:
    api = described("Topic", "AWS::EC2::SecurityGroup", Replacement="False")
    ranges = {
        "BeforeValue": "10.0.0.0/16",
        "AfterValue": "0.0.0.0/0",
    }  # from Systems Manager, for example
    api["Details"] = [detail("/Properties/SecurityGroupIngress/0/CidrIp", **ranges)]
    if predicted:
        api["Details"].append(detail("/Properties/Tags/0/Value", BeforeValue="a", AfterValue="b"))
    wanted = GROUP.replace("Value: a", "Value: b") if predicted else GROUP
    planned = preview(fake(api, body=GROUP), wanted)
    (change,) = planned.changes
    opened = next(
        item for item in change.diff.properties if item.path == "SecurityGroupIngress[0].CidrIp"
    )
    assert (opened.before, opened.after) == ("10.0.0.0/16", "0.0.0.0/0")
    assert [finding.flag for finding in find_dangerous_changes(whole(planned))] == [
        ApprovalFlag.ACCESS
    ]
    (note,) = planned.notes
    assert "SecurityGroupIngress[0].CidrIp" in note or not predicted


class AlsoReplaced(CountingBoto):
    """What CloudFormation would list where the rule also takes a property that replaces it from
    Systems Manager."""

    def __init__(self, region: str, requires: str) -> None:
        super().__init__(region)
        self._requires = requires

    def change_set(self, change_set: str, *, values: bool) -> ChangeSet | None:
        described = super().change_set(change_set, values=values)
        for change in described.changes if described else ():
            if change["LogicalResourceId"] == "Rule":
                more = detail(
                    "/Properties/SourcePrefixListId",
                    self._requires,
                    BeforeValue="pl-1",
                    AfterValue="pl-2",
                )
                change["Details"].append(more)  # type: ignore[attr-defined]  # the list of botocore's answer
        return described


class AlsoOpened(CountingBoto):
    """What CloudFormation would list where the rule also takes its range from Systems Manager."""

    def change_set(self, change_set: str, *, values: bool) -> ChangeSet | None:
        described = super().change_set(change_set, values=values)
        for change in described.changes if described else ():
            if change["LogicalResourceId"] == "Rule":
                opened = detail(
                    "/Properties/CidrIp", BeforeValue="10.0.0.0/16", AfterValue="0.0.0.0/0"
                )
                change["Details"].append(opened)  # type: ignore[attr-defined]  # the list of botocore's answer
        return described


def test_replacement_is_spurious_only_as_far_as_predicted(account: PlanningAccount) -> None:
    account.deploy()
    account.aws = AlsoOpened(REGION)
    vpc = "{CidrBlock: 10.0.0.0/16}"
    planned = account.preview(
        target(changed(("app/network", vpc, f"{vpc[:-1]}, EnableDnsSupport: true}}")))
    )
    assert short(planned)["app/web:Rule"] == ("replace", "CloudFormation only", "certain")
    assert "CidrIp" in [
        change.path for change in by_address(planned)["app/web:Rule"].diff.properties
    ]
    assert ApprovalFlag.ACCESS in [
        finding.flag for finding in find_dangerous_changes(whole(planned))
    ]


MOVING_DATA = """
Parameters: {{Snap: {{Type: "AWS::SSM::Parameter::Value<String>", Default: /snap}}}}
Resources:
  Topic: {{Type: AWS::SNS::Topic, Properties: {{DisplayName: {name}}}}}
Outputs:
  Name: {{Value: abc}}
  Snap: {{Value: !Ref Snap}}
"""
MOVING_WEB = """
Parameters: {User: {Type: String, NoEcho: true}, Name: {Type: String}, Snap: {Type: String}}
Resources:
  Db:
    Type: AWS::RDS::DBInstance
    UpdateReplacePolicy: Delete
    Properties: {DBName: !Sub "${User}${Name}", DBInstanceClass: db.t4g.micro, Engine: postgres}
  Table:
    Type: AWS::DynamoDB::Table
    UpdateReplacePolicy: Delete
    Properties:
      TableName: !Sub "x-${Snap}"
      KeySchema: [{AttributeName: id, KeyType: HASH}]
      AttributeDefinitions: [{AttributeName: id, AttributeType: S}]
      BillingMode: PAY_PER_REQUEST
"""
MOVING_APP = """
Parameters: {User: {Type: String, NoEcho: true}}
Resources:
  Data: {Type: AWS::CloudFormation::Stack, Properties: {TemplateURL: app/data}}
  Web:
    Type: AWS::CloudFormation::Stack
    Properties:
      TemplateURL: app/web
      Parameters: {User: !Ref User, Name: !GetAtt Data.Outputs.Name, Snap: !GetAtt Data.Outputs.Snap}
"""


@pytest.mark.parametrize(
    ("user", "snap", "lost"), [("bob", "one", "Db"), ("alice", "two", "Table")]
)
def test_values_from_outside_that_may_have_moved_are_not_spurious(
    account: PlanningAccount, user: str, snap: str, lost: str
) -> None:
    """A NoEcho parameter and an SSM parameter read the same on both sides, whatever they are."""

    def files(name: str) -> dict[str, str]:
        return {"app": MOVING_APP, "app/data": MOVING_DATA.format(name=name), "app/web": MOVING_WEB}

    client("ssm").put_parameter(Name="/snap", Value="one", Type="String")
    account.deploy(files("one"), {"User": "alice"})
    client("ssm").put_parameter(Name="/snap", Value=snap, Type="String", Overwrite=True)
    planned = account.preview(target(files("two"), {"User": user}))
    assert (lost, ApprovalFlag.DATA_LOSS) in {
        (finding.logical_id, finding.flag) for finding in find_dangerous_changes(whole(planned))
    }


def test_opaque_nested_stack_needs_approval() -> None:
    """A macro keeps everything from being predicted, and a nested stack without changes
    CloudFormation from looking."""
    said = described(
        "Data", "AWS::CloudFormation::Stack", Replacement="False", PhysicalResourceId=ARN
    )
    inner = f"Nested change set {arn('inner')} was not successfully created: Currently in FAILED."
    made = FakeStacks(stack(), TOPIC, replies=[arn("one"), arn("flat")])
    made.answers[arn("one")] = [change_set("one", "FAILED", inner)]
    made.answers[arn("inner")] = [
        change_set("inner", "FAILED", "The submitted information didn't contain changes.")
    ]
    made.answers[arn("flat")] = [change_set("flat", "CREATE_COMPLETE", "", said)]
    planned = preview(made, "Transform: Acme\n" + TOPIC)
    assert [request.nested for request in made.requests] == [True, False]
    assert short(planned) == {"app:Data": ("change", "CloudFormation only", "conditional")}
    (finding,) = find_dangerous_changes(whole(planned))
    assert finding.flag is ApprovalFlag.DATA_LOSS
    assert "changes in a way that cannot be predicted" in finding.text
    assert not any("so they are predicted" in note for note in planned.notes)
    assert any(
        "does not look into the nested stacks, and there is no prediction" in note
        for note in planned.notes
    )


def test_removed_nested_stack_is_shown_without_prediction() -> None:
    """A macro keeps everything from being predicted; what CloudFormation lists of the nested stack
    is all there is."""
    api = {
        "Action": "Remove",
        "LogicalResourceId": "Data",
        "ResourceType": "AWS::CloudFormation::Stack",
    }
    planned = preview(
        fake({**api, "PolicyAction": "Delete", "PhysicalResourceId": ARN}),
        "Transform: Acme\n" + TOPIC,
    )
    assert short(planned) == {"app:Data": ("remove", "CloudFormation only", "certain")}
    assert [
        (finding.flag, finding.logical_id) for finding in find_dangerous_changes(whole(planned))
    ] == [(ApprovalFlag.DATA_LOSS, "Data")]
    added = preview(fake({**api, "Action": "Add"}), "Transform: Acme\n" + TOPIC)
    assert short(added) == {"app:Data": ("add", "CloudFormation only", "certain")}
    assert [finding.flag for finding in find_dangerous_changes(whole(added))] == [
        ApprovalFlag.ACCESS
    ]


def test_resources_of_either_description_of_a_change_set_are_kept() -> None:
    bare = [
        described("Topic", "AWS::SNS::Topic"),
        described("Other", "AWS::SNS::Topic", Action="Remove"),
    ]
    bare[0]["Details"] = [detail("/Properties/DisplayName"), detail("/Properties/KmsMasterKeyId")]
    with_values = described("Topic", "AWS::SNS::Topic")
    with_values["Details"] = [detail("/Properties/DisplayName", BeforeValue="a", AfterValue="b")]
    planned = preview(fake(*bare, full=(with_values,)))
    assert list(by_address(planned)) == ["app:Other", "app:Topic"]
    first, second = by_address(planned)["app:Topic"].diff.properties
    assert (first.path, first.before, first.after) == ("DisplayName", "a", "b")
    assert (second.path, second.after_apply) == ("KmsMasterKeyId", True)


def test_template_with_macros_is_planned_as_cloudformation_lists_it() -> None:
    macro = "Transform: Acme::Macro\n" + TOPIC
    planned = preview(fake(described("Topic", "AWS::SNS::Topic")), macro)
    assert short(planned) == {"app:Topic": ("change", "CloudFormation only", "conditional")}
    (note,) = planned.notes
    assert note.startswith("No prediction, the changes are as CloudFormation lists them: ")
    assert "Acme::Macro" in note


def recorded() -> list[Any]:
    return [pytest.param(case, id=str(index)) for index, case in enumerate(RECORDED)]


@pytest.mark.parametrize("case", recorded())
def test_recorded_change_sets_agree_with_the_prediction(case: Any) -> None:
    """Every change that AWS listed is in the plan with AWS's action; none that the prediction
    cannot explain."""
    before, after = case["before"], case["after"]
    body = json.dumps(before["template"])
    made = FakeStacks(stack(parameters=texts(before["parameters"])), body)
    made.listed = [
        StackResource(name, f"id-{name}", resource["Type"], "CREATE_COMPLETE")
        for name, resource in before["template"]["Resources"].items()
    ]
    made.replies.append(arn("one"))
    made.answers[arn("one")] = [change_set("one", "CREATE_COMPLETE", "", *case["changes"])]
    current = LiveStack.of(
        "app", made.existing, body, {resource.logical_id: resource for resource in made.listed}
    )  # type: ignore[arg-type]
    wanted = target({"app": json.dumps(after["template"])}, texts(after["parameters"]))
    planned = plan.preview_root(wanted, current, made, run="run", description="by tester")
    listed = {
        change.diff.logical_id: change
        for change in planned.changes
        if change.listed is not ListedChange.PREDICTION
    }
    assert {name: change.action for name, change in listed.items()} == {
        change["LogicalResourceId"]: change["Action"] for change in case["changes"]
    }
    assert planned.notes == ()


def texts(parameters: Any) -> dict[str, str]:
    return {name: str(value) for name, value in (parameters or {}).items()}


# --- what fails

NESTED = f"Nested change set {arn('inner')} was not successfully created: Currently in FAILED."
NO_CHANGES = "The submitted information didn't contain changes. Submit different information to create a change set."


def failing(*reasons: str) -> FakeStacks:
    """A change set that fails for the first reason, the nested one that it names for the second,
    and so on."""
    made = fake()
    names = ["one", "inner", "innermost"]
    for name, reason in zip(names, reasons, strict=False):
        made.answers[arn(name)] = [
            change_set(name, "CREATE_IN_PROGRESS"),
            change_set(name, "FAILED", reason),
        ]
        made.answers[arn(name)][1] = replace(
            made.answers[arn(name)][1], stack_name=f"{STACK}-{name}"
        )  # type: ignore[type-var]
    return made


@pytest.mark.parametrize(
    "reasons",
    [
        [NO_CHANGES],
        ["No updates are to be performed."],
        [NESTED, NO_CHANGES],
        [NESTED, NESTED.replace("inner", "innermost"), "No updates are to be performed."],
    ],
    ids=["change set", "update", "nested", "nested in nested"],
)
def test_every_wording_of_no_changes_is_a_noop(reasons: list[str]) -> None:
    made = failing(*reasons)
    assert preview(made).kind is RootAction.NOTHING
    assert made.gone == [arn("one")]


@pytest.mark.parametrize(
    "reason",
    [
        "Template error: Fn::Select  cannot select nonexistent value at index 1",
        f"ChangeSet limit exceeded for stack {ARN}",
        NO_CHANGES,
    ],
)
def test_nested_stacks_that_cloudformation_cannot_read_are_predicted(reason: str) -> None:
    made = failing(NESTED, reason)
    made.replies.append(arn("flat"))
    made.answers[arn("flat")] = [
        change_set("flat", "CREATE_COMPLETE", "", described("Topic", "AWS::SNS::Topic"))
    ]
    planned = preview(made, TOPIC.replace("DisplayName: a", "DisplayName: b"))
    assert [(request.nested, request.name) for request in made.requests] == [
        (True, "run-1"),
        (False, "run-flat-1"),
    ]
    assert (planned.change_set, short(planned)["app:Topic"]) == (
        arn("flat"),
        ("change", "both", "certain"),
    )
    (note,) = planned.notes
    assert (
        note
        == "CloudFormation does not look into the nested stacks, so their changes are only predicted; "
        f"its reason: {reason}"
    )
    assert made.gone == [arn("one")]


@pytest.mark.parametrize(
    ("reasons", "message"),
    [
        (
            ["Parameters: [X] must have values."],
            f"refuses the change to {STACK}-one: Parameters: [X] must have values",
        ),
        (
            [NESTED, "Template format error."],
            f"{STACK}-one (in the nested stack {STACK}-inner): Template format error",
        ),
        ([NESTED, ""], f"refuses the change to {STACK}-one: {NESTED}"[:-1]),
        ([""], f"refuses the change to {STACK}-one: no reason, status FAILED"),
    ],
)
def test_refusal_gives_the_reason_of_the_nested_change_set(
    reasons: list[str], message: str
) -> None:
    made = failing(*reasons)
    with pytest.raises(AwsError) as caught:
        preview(made)
    (problem,) = caught.value.problems
    assert problem.code == "SW803"
    assert problem.message.endswith(message)
    assert "nothing was changed" in problem.hint
    assert made.gone == [arn("one")]


def test_early_validation_names_the_resources() -> None:
    made = failing(
        "The following hook(s)/validation failed: [AWS::EarlyValidation::ResourceExistenceCheck]."
    )
    made.invalid = [Validation("Bucket", "AWS::S3::Bucket", "it exists already")]
    with pytest.raises(AwsError) as caught:
        preview(made)
    assert [problem.message for problem in caught.value.problems][1:] == [
        "Bucket (AWS::S3::Bucket): it exists already"
    ]
    made = failing(
        "The following hook(s)/validation failed: [AWS::EarlyValidation::ResourceExistenceCheck]."
    )
    made.invalid = None
    with pytest.raises(AwsError) as caught:
        preview(made)
    (problem,) = caught.value.problems
    assert "EarlyValidation" in problem.message
    assert "cloudformation:DescribeEvents would show which" in problem.hint


def test_change_set_deleted_by_somebody_is_an_error() -> None:
    made = fake()
    made.answers[arn("one")] = [change_set("one", "CREATE_PENDING"), None]
    with pytest.raises(
        AwsError, match="the change set one was deleted while it was being created"
    ) as caught:
        preview(made)
    assert caught.value.problems[0].code == "SW804"


def test_refused_first_creation_leaves_no_stack() -> None:
    made = failing("Template format error.")
    made.existing = None
    with pytest.raises(AwsError, match="Template format error"):
        preview(made)
    assert made.gone[-1] == ARN
    assert made.existing is None


def test_interruption_leaves_nothing() -> None:
    made = fake()
    made.existing = None
    made.answers[arn("one")] = [change_set("one", "CREATE_IN_PROGRESS")]

    def interrupted(_text: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        preview(made, progress=interrupted)
    assert made.gone == [arn("one"), ARN]


class NoResponse(FakeStacks):
    """A change set is made, and the answer that names it is still awaited."""

    def create_change_set(self, request: ChangeSetRequest) -> str:
        super().create_change_set(request)
        self.others = [(arn("one"), request.name), (arn("theirs"), "somebody-else-1")]
        raise KeyboardInterrupt

    def delete_change_set(self, change_set: str) -> None:
        super().delete_change_set(change_set)
        self.others = [other for other in self.others if other[0] != change_set]


def test_interruption_before_the_answer_leaves_nothing_of_ours() -> None:
    made = NoResponse(stack(), TOPIC, replies=[arn("one")])
    with pytest.raises(KeyboardInterrupt):
        preview(made)
    assert (made.gone, made.others) == ([arn("one")], [(arn("theirs"), "somebody-else-1")])


@dataclass
class Refusing(FakeStacks):
    """Change sets that CloudFormation does not delete while they are being created, as AWS does
    not."""

    interrupted: bool = False

    def change_set(self, change_set: str, *, values: bool) -> ChangeSet | None:
        if not self.interrupted:
            self.interrupted = True
            raise KeyboardInterrupt
        return super().change_set(change_set, values=values)

    def delete_change_set(self, change_set: str) -> None:
        now = self.answers[change_set][0]
        if now and (now.status == "CREATE_IN_PROGRESS" or now.execution != "AVAILABLE"):
            error = AwsError.of("SW408", f"Cannot delete ChangeSet in status {now.status}")
            error.code = "InvalidChangeSetStatus"
            raise error
        super().delete_change_set(change_set)


def test_interruption_during_creation_leaves_nothing() -> None:
    made = Refusing(replies=[arn("one")])
    made.answers[arn("one")] = [
        change_set("one", status) for status in ("CREATE_IN_PROGRESS", "CREATE_COMPLETE")
    ]
    with pytest.raises(KeyboardInterrupt):
        preview(made)
    assert made.gone == [arn("one"), ARN]


def test_executed_change_set_is_not_discarded() -> None:
    made = Refusing(existing=stack("CREATE_IN_PROGRESS"), interrupted=True)
    made.answers[arn("one")] = [change_set("one", execution="EXECUTE_IN_PROGRESS")]
    plan.discard_change_sets(
        RootPlan(target({"app": TOPIC}), RootAction.CREATE, Diff(), (), arn("one"), ARN, {}, True),
        made,
    )
    assert made.gone == []


@dataclass
class Undeletable(FakeStacks):
    """Where the role that plans may not delete stacks."""

    def delete_stack(self, stack: str, token: str, retain: Sequence[str] = ()) -> None:
        raise AwsError.of("SW403", "not allowed: cloudformation:DeleteStack")


def test_failed_clean_up_is_reported_after_the_first_error() -> None:
    made = Undeletable(replies=[arn("one")])
    made.answers[arn("one")] = [change_set("one", "FAILED", "Parameters: [X] must have values.")]
    with pytest.raises(AwsError) as caught:
        preview(made)
    assert [problem.code for problem in caught.value.problems] == ["SW803", "SW806"]
    assert (
        f"{STACK}, which holds nothing, stays in REVIEW_IN_PROGRESS"
        in caught.value.problems[1].message
    )


def test_lost_answer_makes_no_second_change_set(account: PlanningAccount) -> None:
    account.deploy()
    account.engine.fault(
        RequestFault(
            "drop", service="cloudformation", action="CreateChangeSet", times=1, after=True
        )
    )
    planned = account.preview(target(parameters={"Level": "debug"}))
    assert [change_set for change_set, _ in account.aws.change_sets(STACK)] == [planned.change_set]


CALLS = range(1, 40)
"""More than a preview makes: the loops below end where nothing is left to disturb."""


def test_connection_lost_at_any_call_changes_nothing(
    account: PlanningAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    account.deploy()
    wanted = target(parameters={"Level": "debug"})
    expected = short(account.preview(wanted))
    monkeypatch.setattr("time.sleep", lambda _seconds: None)  # botocore waits between tries
    for number in CALLS:
        account.aws.calls.clear()
        account.engine.fault(RequestFault("drop", service="cloudformation", every=number, times=1))
        planned = account.preview(wanted)
        assert short(planned) == expected
        plan.discard_change_sets(planned, account.aws)
        account.engine.clear_faults()
        if number > account.aws.calls.total():
            break
    assert 15 < number < CALLS[-1]
    assert [name for _, name in account.aws.change_sets(STACK)] == ["run-1"]


@pytest.mark.parametrize("exists", [False, True], ids=["create", "update"])
def test_call_without_permission_leaves_nothing_behind(
    account: PlanningAccount, exists: bool
) -> None:
    if exists:
        account.deploy()
    wanted = target(parameters={"Level": "debug"})
    account.upload(wanted)
    refused = []
    for number in CALLS:
        account.aws.deny(number)
        planned = None
        with suppress(AwsError):
            planned = plan.preview_root(
                wanted,
                live_stack.read_stack(STACK, account.aws, "app"),
                account.aws,
                run="run",
                description="by tester",
            )
        if not account.aws.refused:
            break
        refused.append(account.aws.refused)
        account.aws.deny(0)
        if planned:  # it does without the findings of early validation
            plan.discard_change_sets(planned, account.aws)
        assert account.aws.change_sets(STACK) == [] if exists else account.aws.stack(STACK) is None
    assert {"describe_stacks", "create_change_set", "describe_change_set"} <= set(refused)
    assert ("get_template" in refused) == exists


def test_change_sets_of_one_run_are_numbered(account: PlanningAccount) -> None:
    account.deploy()
    for _ in range(2):
        account.preview(target(parameters={"Level": "debug"}))
    assert sorted(name for _, name in account.aws.change_sets(STACK)) == ["run-1", "run-2"]


# --- the state of the stack


@pytest.mark.parametrize(
    "status",
    ["ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED", "UPDATE_FAILED",
     "UPDATE_ROLLBACK_FAILED", "IMPORT_ROLLBACK_FAILED"],
)  # fmt: skip
def test_stuck_stack_is_refused_with_its_recovery(status: str) -> None:
    made = fake()
    made.existing = stack(status)
    with pytest.raises(AwsError, match=f"{STACK} is in {status}: ") as caught:
        preview(made)
    (problem,) = caught.value.problems
    assert (problem.code, "repair" in problem.hint) == ("SW801", True)
    assert made.requests == []


@pytest.mark.parametrize(
    "status",
    [
        "CREATE_COMPLETE",
        "UPDATE_COMPLETE",
        "UPDATE_ROLLBACK_COMPLETE",
        "IMPORT_COMPLETE",
        "IMPORT_ROLLBACK_COMPLETE",
    ],
)
def test_stack_at_rest_is_planned(status: str) -> None:
    made = fake(described("Topic", "AWS::SNS::Topic"))
    made.existing = stack(status)
    assert preview(made).kind is RootAction.UPDATE


def test_busy_stack_is_refused_with_owner_and_time() -> None:
    made = fake()
    since = datetime(2026, 11, 3, 9, 31, 5, tzinfo=UTC)
    made.existing = stack("UPDATE_IN_PROGRESS", updated=since, change_set=arn("theirs"))
    made.answers[arn("theirs")] = [change_set("theirs", description="by ada, commit 0123abc")]
    with pytest.raises(AwsError) as caught:
        preview(made)
    (problem,) = caught.value.problems
    expected = (
        f"{STACK} is in UPDATE_IN_PROGRESS since 2026-11-03 09:31:05 UTC, by ada, commit 0123abc"
    )
    assert (problem.code, problem.message) == ("SW802", expected)
    assert "watch" in problem.hint


@pytest.mark.parametrize(("token", "who"), [("t-1", ", by the request t-1"), ("", "")])
def test_busy_stack_without_description_is_named_by_its_token(token: str, who: str) -> None:
    made = fake()
    made.existing = stack("DELETE_IN_PROGRESS")
    made.newest = StackEvent(
        "e", ARN, STACK, STACK, ARN, "", "DELETE_IN_PROGRESS", "", BEGAN, token
    )
    with pytest.raises(AwsError) as caught:
        preview(made)
    expected = f"{STACK} is in DELETE_IN_PROGRESS since 2026-11-03 09:30:00 UTC{who}"
    assert caught.value.problems[0].message == expected


def test_operation_that_began_after_the_stack_was_read_is_reported(
    account: PlanningAccount,
) -> None:
    account.deploy()
    before = account.live()
    first = account.preview(target(parameters={"Level": "debug"}))
    account.engine.latency = lambda _type, _operation: 60.0
    account.execute(first)
    with pytest.raises(AwsError, match=r"is in UPDATE_IN_PROGRESS since .*, by tester") as caught:
        plan.preview_root(
            target(parameters={"Level": "warn"}),
            before,
            account.aws,
            run="other",
            description="by other",
        )
    assert caught.value.problems[0].code == "SW802"


def test_stack_under_review_by_others_survives_a_preview(account: PlanningAccount) -> None:
    theirs = account.preview(target(parameters={"Level": "debug"}))
    ours = account.preview(target())
    assert ours.kind is RootAction.CREATE
    plan.discard_change_sets(ours, account.aws)
    assert [arn for arn, _ in account.aws.change_sets(STACK)] == [theirs.change_set]
    plan.discard_change_sets(theirs, account.aws)
    assert account.aws.stack(STACK) is None


# --- requests


def test_request_holds_name_template_parameters_and_tags() -> None:
    made = fake(described("Topic", "AWS::SNS::Topic"))
    preview(made, revert_drift=True)
    (request,) = made.requests
    assert (request.stack, request.kind, request.revert_drift, request.nested) == (
        ARN,
        "UPDATE",
        True,
        True,
    )
    assert (request.description, request.name) == ("by tester", "run-1")
    assert request.url is not None


def test_reverted_drift_makes_no_notes() -> None:
    api = described("Topic", "AWS::SNS::Topic", Action="SyncWithActual")
    planned = preview(fake(api), revert_drift=True)
    assert planned.notes == ()
    assert "was changed by hand and now matches the template" in format_plan(whole(planned))


def test_import_change_set_adopts_resources() -> None:
    made = fake(described("New", "AWS::SNS::Topic", Action="Import", PhysicalResourceId="arn:new"))
    wanted = TOPIC.replace(
        "{Topic:", "{New: {Type: AWS::SNS::Topic, DeletionPolicy: Retain}, Topic:"
    )
    imports = [
        {
            "ResourceType": "AWS::SNS::Topic",
            "LogicalResourceId": "New",
            "ResourceIdentifier": {"TopicArn": "x"},
        }
    ]
    planned = preview(made, wanted, imports=imports)
    assert (planned.kind, made.requests[0].kind, made.requests[0].nested) == (
        RootAction.IMPORT,
        "IMPORT",
        False,
    )
    assert planned.changes[0].action == "Import"
    text = format_plan(whole(planned))
    assert "will adopt existing resources" in text
    assert "adopted unchanged: arn:new" in text


def test_parameter_without_a_value_keeps_its_value() -> None:
    made = fake(described("Topic", "AWS::SNS::Topic"))
    made.existing = stack(parameters={"Password": "****", "Level": "info", "Other": "x"})
    declared = """Parameters:
  Password: {Type: String, NoEcho: true, Default: x}
  Level: {Type: String}
  Other: {Type: String, Default: y}
"""
    preview(made, declared + TOPIC)
    assert made.requests[0].kept == ("Password", "Level")
    assert made.requests[0].parameters == {}


# --- what must not be seen

SECRET = "correct-horse-battery"


def test_values_of_noecho_parameters_are_hidden_everywhere(account: PlanningAccount) -> None:
    account.deploy(parameters={"Password": f"{SECRET}-1"})
    shown = changed(("app", "Outputs:", "Outputs:\n  Password: {Value: !Sub 'x ${Password}'}"))
    planned = account.preview(target(shown, {"Password": f"{SECRET}-2", "Level": "debug"}))
    assert short(planned)["app/web:Login"] == ("change", "CloudFormation only", "certain")
    (leaf,) = by_address(planned)["app/web:Login"].diff.properties
    assert (leaf.before, leaf.after) == ("(hidden)", "(hidden)")
    (output,) = [output for output in planned.diff.outputs if output.name == "Password"]
    assert output.after == "(hidden)"
    later = plan.predict_root(target(shown, {"Password": f"{SECRET}-3"}), account.live())
    for made in (whole(planned), whole(later)):
        for text in [*(format_plan(made, style) for style in PLAN_FORMATS), save_plan(made)]:
            assert SECRET not in text
    assert read_plan(save_plan(whole(planned))).roots[0].desired.parameters == {"Level": "debug"}


def test_dynamic_references_stay_references(account: PlanningAccount) -> None:
    files = changed(("app/web", "${Password}", "none"))
    account.deploy(files)
    planned = account.preview(
        target(changed(("app/web", "SecretString:user", "SecretString:name"), files=files))
    )
    text = format_plan(whole(planned), "json")
    assert "{{resolve:secretsmanager:other:SecretString:name}}" in text
    assert "ada" not in text


def test_saved_plan_of_an_unreadable_template_holds_no_parameters() -> None:
    wanted = target({"app": "Transform: Acme::Macro\n" + TOPIC}, {"Password": SECRET})
    assert SECRET not in save_plan(whole(plan.predict_root(wanted, None)))


# --- without a change set


def test_root_with_missing_inputs_is_predicted(account: PlanningAccount) -> None:
    files = changed(("app", "{Type: String, Default: info}", "{Type: String}"))
    first = plan.predict_root(target(files, missing=("Level",)), None)
    assert (first.kind, len(first.changes), first.stack_id, first.change_set) == (
        RootAction.LATER,
        6,
        None,
        None,
    )
    assert {change.listed for change in first.changes} == {ListedChange.PREDICTION}
    text = format_plan(whole(first))
    assert "app (news-dev-app) will be created once Level is known: 6 to add" in text
    assert "not listed by CloudFormation" not in text
    account.deploy(files, {"Level": "info"})
    calls = dict(account.aws.calls)
    later = plan.predict_root(target(files, missing=("Level",)), account.live())
    assert short(later) == {"app/web:Task": ("change", "prediction only", "conditional")}
    assert later.changes[0].diff.may_replace
    assert account.aws.calls["create_change_set"] == calls["create_change_set"]
    assert "will be updated once Level is known: 1 to change" in format_plan(whole(later))


# --- a plan that does not hold any more


def test_plan_is_stale_after_another_update(account: PlanningAccount) -> None:
    account.deploy()
    ours = account.preview(target(parameters={"Level": "debug"}))
    assert find_stale_reason(ours, account.live(), account.aws) is None
    account.execute(account.preview(target(parameters={"Level": "warn"})))
    reason = find_stale_reason(ours, account.live(), account.aws)
    assert reason is not None
    assert reason.startswith(f"{STACK} was updated meanwhile")


def test_plan_of_a_first_creation_is_stale_once_the_stack_exists(account: PlanningAccount) -> None:
    ours = account.preview(target())
    assert find_stale_reason(ours, account.live(), account.aws) is None
    account.execute(account.preview(target()))
    assert find_stale_reason(ours, account.live(), account.aws) == f"{STACK} was created meanwhile"


@pytest.mark.parametrize(
    ("now", "answer", "reason"),
    [
        ({}, [], None),
        ({"id": ARN[:-1] + "0"}, [], "was deleted and created again"),
        (
            {"updated": BEGAN + timedelta(days=1)},
            [],
            "was updated meanwhile (2026-11-04T09:30:00+00:00)",
        ),
        ({"status": "UPDATE_IN_PROGRESS"}, [], "was CREATE_COMPLETE and is UPDATE_IN_PROGRESS"),
        ({"parameters": {"A": "b"}}, [], "the parameters of news-dev-app have changed"),
        ({}, [None], "was deleted, by somebody or by another update"),
        (
            {},
            [change_set("one", execution="OBSOLETE")],
            "cannot be executed any more: it is OBSOLETE",
        ),
    ],
)
def test_stale_reason_names_what_moved(
    now: dict[str, Any], answer: list[Any], reason: str | None
) -> None:
    made = fake(described("Topic", "AWS::SNS::Topic"))
    planned = preview(made)
    made.answers[arn("one")] = answer or made.answers[arn("one")]
    current = LiveStack.of("app", replace(stack(), **now), TOPIC)
    said = find_stale_reason(planned, current, made)
    assert said is None if reason is None else reason in str(said)
    assert find_stale_reason(planned, None, made) == f"{STACK} does not exist any more"


# --- the saved plan


def saved_text() -> str:
    api = described("Topic", "AWS::SNS::Topic", Replacement="True")
    api["Details"] = [detail("/Properties/TopicName", "Always", BeforeValue="a", AfterValue="b")]
    planned = preview(fake(api), TOPIC.replace("DisplayName: a", "DisplayName: b"))
    change = SecretChange("news/app", "v2", "v1", ("NEW",), ("OLD",), ())
    return save_plan(
        whole(planned, images={"web": "host/web@sha256:1"}, secret_changes=(change,), bucket="b")
    )


def test_saved_plan_reads_as_it_was_made(account: PlanningAccount) -> None:
    account.deploy()
    planned = account.preview(target(parameters={"Level": "debug"}, tags={"team": "news"}))
    again = read_plan(save_plan(whole(planned)))
    assert again == whole(planned)
    for style in PLAN_FORMATS:
        assert format_plan(again, style) == format_plan(whole(planned), style)
    assert save_plan(again) == save_plan(whole(planned))
    assert account.execute(again.roots[0]) == "UPDATE_COMPLETE"


def test_saved_plan_holds_every_value() -> None:
    made = read_plan(saved_text())
    assert made.secret_changes[0].before == "v1"
    assert made.roots[0].changes[0].diff.properties[-1].after == "b"
    assert made.roots[0].desired.body.startswith("Resources:")


@given(st.data())
def test_any_damaged_character_of_a_saved_plan_is_detected(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(SAVED) - 1))
    other = data.draw(
        st.characters(min_codepoint=33, max_codepoint=126).filter(
            lambda letter: letter != SAVED[at]
        )
    )
    with pytest.raises(InputError) as caught:
        read_plan(SAVED[:at] + other + SAVED[at + 1 :])
    assert caught.value.problems[0].code == "SW805"


SAVED = saved_text()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not JSON"),
        ("[]", "is not a saved plan"),
        ('{"format": "other"}', "is not a saved plan"),
        ("[" * 100_000, "is not JSON"),
        (
            SAVED.replace('"version": 3', '"version": 2'),
            "has version 2, and this tool reads version 3",
        ),
        (
            SAVED.replace("host/web@sha256:1", "host/web@sha256:2"),
            "its checksum does not match",
        ),
        (SAVED[:-100], "is not JSON"),
    ],
    ids=["empty", "list", "foreign", "deep", "version", "changed", "cut"],
)
def test_text_that_is_no_saved_plan_is_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read_plan(text)
    assert caught.value.problems[0].code == "SW805"
