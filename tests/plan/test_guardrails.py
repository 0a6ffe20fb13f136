"""Which changes need an approval, how findings read, and which option approves them.

Each plan is predicted from two templates.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
import yaml
from msgspec.structs import replace

from stackwright.cfn.schema import Schemas
from stackwright.core.errors import DeployError
from stackwright.core.model import Location
from stackwright.deploy import Approvals
from stackwright.diff.diff import diff_builds
from stackwright.diff.model import Effect, PropertyDiff, ResourceDiff
from stackwright.plan.guardrails import (
    ApprovalFlag,
    FindingKind,
    find_dangerous_changes,
    parse_approval,
    require_approval,
)
from stackwright.plan.guardrails.paths import Item, PropertyPath, parse_path, value_at
from stackwright.plan.model import (
    Certainty,
    DesiredStack,
    ListedChange,
    Plan,
    PlannedChange,
    RootAction,
    RootPlan,
)

REGION, ACCOUNT = "us-east-2", "123456789012"
BUCKET = {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "one"}}
TOPIC = {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": "one"}}
CLUSTER = {"Type": "AWS::ECS::Cluster", "Properties": {"ClusterName": "one"}}


def template(resources):
    held = {"Keep": {"Type": "AWS::SQS::Queue"}, **resources}
    return yaml.safe_dump(
        {"Conditions": {"Never": {"Fn::Equals": ["a", "b"]}}, "Resources": held}, sort_keys=False
    )


def plan_of(before, after, kind=RootAction.UPDATE, **changes):
    """A plan of the root ``app``, as CloudFormation and the prediction agree on it."""
    texts = [{"app.yaml": template(side)} for side in (before, after)]
    diff = diff_builds(*texts, REGION, ACCOUNT)
    schemas = Schemas(REGION)
    listed = tuple(
        PlannedChange(
            resource,
            ListedChange.BOTH,
            Certainty.CERTAIN,
            stateful=bool((known := schemas.get(resource.type)) and known.stateful),
            **changes,
        )
        for resource in diff.resources
    )
    target = DesiredStack("app", "news-prod-app", {"app": texts[1]["app.yaml"]}, {}, {}, {})
    root = RootPlan(target, kind, diff, listed)
    now = datetime(2026, 1, 1, tzinfo=UTC)
    return Plan("prod", ACCOUNT, REGION, "arn:aws:iam::123456789012:user/me", "", now, (root,))


def flags(before, after, **rest):
    return [
        (finding.logical_id, finding.flag)
        for finding in find_dangerous_changes(plan_of({"X": before}, {"X": after}, **rest))
    ]


def with_properties(resource, **properties):
    return {**resource, "Properties": {**resource["Properties"], **properties}}


def kept(resource, policy="Retain"):
    return {**resource, "DeletionPolicy": policy, "UpdateReplacePolicy": policy}


# --- data and replacements


@pytest.mark.parametrize(
    ("before", "after", "wanted"),
    [
        (TOPIC, with_properties(TOPIC, DisplayName="d"), []),
        (TOPIC, with_properties(TOPIC, TopicName="two"), [ApprovalFlag.REPLACE]),
        (
            BUCKET,
            with_properties(BUCKET, BucketName="two"),
            [ApprovalFlag.DATA_LOSS, ApprovalFlag.REPLACE],
        ),
        (kept(BUCKET), kept(with_properties(BUCKET, BucketName="two")), [ApprovalFlag.REPLACE]),
    ],
    ids=["in place", "replaced", "replaced with its data", "replaced, data kept"],
)
def test_replacements_need_approval(before, after, wanted):
    assert [flag for _, flag in flags(before, after)] == wanted


def test_removal_of_stateful_resource_needs_approval():
    for policy, flag in [("Delete", ApprovalFlag.DATA_LOSS), ("Retain", ApprovalFlag.REPLACE)]:
        findings = find_dangerous_changes(plan_of({"X": kept(BUCKET, policy)}, {}))
        assert [finding.flag for finding in findings] == [flag], policy
    assert find_dangerous_changes(plan_of({"X": TOPIC}, {})) == []


def test_revisions_and_followers_are_replaced_without_approval():
    task = {"Type": "AWS::ECS::TaskDefinition", "Properties": {"Family": "f", "Cpu": "256"}}
    assert flags(task, with_properties(task, Cpu="512")) == []
    sub = {
        "Type": "AWS::SNS::Subscription",
        "Properties": {"TopicArn": {"Ref": "T"}, "Protocol": "sms"},
    }
    findings = find_dangerous_changes(
        plan_of({"T": TOPIC, "S": sub}, {"T": with_properties(TOPIC, TopicName="two"), "S": sub})
    )
    assert [finding.option for finding in findings] == ["--approve T:replacement"]


def test_replacement_listed_by_cloudformation_only_counts_unless_spurious():
    planned = plan_of(
        {"X": TOPIC}, {"X": with_properties(TOPIC, TopicName="two")}, replacement="True"
    )
    change = planned.roots[0].changes[0]
    bare = replace(
        change, diff=replace(change.diff, properties=()), listed=ListedChange.CLOUDFORMATION
    )

    def with_change(one):
        return replace(planned, roots=(replace(planned.roots[0], changes=(one,)),))

    assert [finding.flag for finding in find_dangerous_changes(with_change(bare))] == [
        ApprovalFlag.REPLACE
    ]
    assert find_dangerous_changes(with_change(replace(bare, certainty=Certainty.SPURIOUS))) == []
    assert find_dangerous_changes(with_change(replace(bare, certainty=Certainty.CONDITIONAL))) == []
    assert (
        find_dangerous_changes(
            with_change(replace(change, certainty=Certainty.SPURIOUS, stateful=True))
        )
        == []
    )


def test_policy_action_of_the_change_set_decides_whether_data_is_kept():
    change = {"X": BUCKET}, {"X": with_properties(BUCKET, BucketName="two")}
    assert {
        finding.flag
        for finding in find_dangerous_changes(plan_of(*change, policy_action="ReplaceAndDelete"))
    } == {
        ApprovalFlag.DATA_LOSS,
        ApprovalFlag.REPLACE,
    }
    assert [
        finding.flag
        for finding in find_dangerous_changes(plan_of(*change, policy_action="ReplaceAndRetain"))
    ] == [ApprovalFlag.REPLACE]


def test_new_stack_needs_no_approval():
    change = (
        {"X": BUCKET, "G": group([])},
        {"X": with_properties(BUCKET, BucketName="two"), "G": group([WORLD])},
    )
    assert find_dangerous_changes(plan_of(*change, kind=RootAction.CREATE)) == []
    assert find_dangerous_changes(plan_of(*change, kind=RootAction.LATER)) == []
    later = plan_of(*change, kind=RootAction.LATER)
    live = replace(later, roots=(replace(later.roots[0], stack_id="arn"),))
    assert len(find_dangerous_changes(live)) == 3


# --- access


def role(*statements, **more):
    policy = {
        "PolicyName": "p",
        "PolicyDocument": {"Version": "2012-10-17", "Statement": list(statements)},
    }
    return {
        "Type": "AWS::IAM::Role",
        "Properties": {"AssumeRolePolicyDocument": {}, "Policies": [policy], **more},
    }


def allow(action="s3:GetObject", resource="arn:aws:s3:::a/*", **more):
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action="s3:*", **more):
    return {"Effect": "Deny", "Action": action, "Resource": "*", **more}


def bucket_policy(statement):
    """One statement need not be in a list."""
    return {
        "Type": "AWS::S3::BucketPolicy",
        "Properties": {
            "Bucket": "b",
            "PolicyDocument": {"Statement": {**statement, "Principal": "*"}},
        },
    }


def when(operator, *values):
    """A list, so that one value is compared with several item by item."""
    return {operator: {"aws:SourceAccount": list(values)}}


IF = {"StringEquals": {"aws:SourceAccount": ACCOUNT}}
ARN = "arn:aws:iam::aws:policy/AdministratorAccess"
READ_ALL_BUT = {"NotAction": "iam:*", "Resource": "arn:aws:s3:::a/*"}


@pytest.mark.parametrize(
    ("before", "after", "wider"),
    [
        (role(allow()), role(allow(), allow("s3:PutObject")), True),
        (role(allow(), allow("s3:PutObject")), role(allow()), False),
        (
            role(allow(), deny(), allow("s3:PutObject")),
            role(allow("s3:PutObject"), allow(), deny()),
            False,
        ),
        (role(allow(), deny()), role(allow("s3:PutObject"), deny(), allow()), True),
        (role(allow()), role(allow(), {"Effect": "Deny", "Action": "*", "Resource": "*"}), False),
        (role(allow(), {"Effect": "Deny", "Action": "*", "Resource": "*"}), role(allow()), True),
        (role(allow("s3:GetObject")), role(allow("s3:*")), True),
        (role(allow("s3:*")), role(allow("s3:GetObject")), False),
        (role(allow("s3:GetObject")), role(allow(["s3:GetObject", "s3:PutObject"])), True),
        (role(allow(["s3:Get*", "s3:PutObject"])), role(allow(["s3:GetObject"])), False),
        (role(allow(resource="arn:aws:s3:::a/*")), role(allow(resource="*")), True),
        (role(allow(resource="*")), role(allow(resource="arn:aws:s3:::a/*")), False),
        (
            role(allow(Condition=when("StringEquals", "1"))),
            role(allow(Condition=when("StringEquals", "1", "2"))),
            True,
        ),
        (
            role(allow(Condition=when("StringEquals", "1", "2"))),
            role(allow(Condition=when("StringEquals", "1"))),
            False,
        ),
        (
            role(allow(Condition=when("StringLike", "a*"))),
            role(allow(Condition=when("StringLike", "ab"))),
            False,
        ),
        (
            role(allow(Condition=when("StringNotLike", "a*"))),
            role(allow(Condition=when("StringNotLike", "ab"))),
            True,
        ),
        (
            role(allow(Condition=when("StringNotEquals", "1"))),
            role(allow(Condition=when("StringNotEquals", "1", "2"))),
            False,
        ),
        (
            role(deny(Condition=when("StringEquals", "1", "2"))),
            role(deny(Condition=when("StringEquals", "1"))),
            True,
        ),
        (
            role(deny(Condition=when("StringEquals", "1"))),
            role(deny(Condition=when("StringEquals", "1", "2"))),
            False,
        ),
        (
            role(deny(Condition=when("NotIpAddress", "1"))),
            role(deny(Condition=when("NotIpAddress", "1", "2"))),
            True,
        ),
        (role(allow(Condition=IF)), role(allow()), True),
        (role(allow()), role(allow(Condition=IF)), False),
        (role(allow()), role({**allow(), "Effect": "Deny"}), False),
        (role({**allow(), "Effect": "Deny"}), role(allow()), True),
        (role(allow(), deny()), role(allow(), deny("s3:PutObject")), True),
        (role(allow(), deny("s3:PutObject")), role(allow(), deny()), False),
        (role(deny()), role(deny(Condition=IF)), True),
        (role(deny(Condition=IF)), role(deny()), False),
        (role(deny(["s3:Get*", "s3:Put*"])), role(deny(["s3:Get*"])), True),
        (role(deny(), allow()), role(deny(), allow("s3:Get*")), True),
        (role(deny(), allow("s3:Get*")), role(deny(), allow()), False),
        (role(allow()), role({**READ_ALL_BUT, "Effect": "Allow"}), True),
        (role({**READ_ALL_BUT, "Effect": "Allow"}), role(allow("iam:PassRole")), True),
        (
            role(allow(["s3:GetObject", "s3:PutObject"])),
            role(allow(), allow("s3:PutObject")),
            False,
        ),
        (
            role(allow(), allow("s3:PutObject")),
            role(allow(["s3:GetObject", "s3:PutObject"])),
            False,
        ),
        (role(allow(Sid="A"), deny(Sid="B")), role(deny(Sid="C"), allow(Sid="D")), False),
        (
            role(deny(NotResource="arn:aws:s3:::a/*")),
            role(deny(NotResource=["arn:aws:s3:::a/*", "b"])),
            True,
        ),
        (bucket_policy(deny()), bucket_policy(deny("s3:Get*")), True),
        (bucket_policy(deny("s3:Get*")), bucket_policy(deny()), False),
        (role(allow()), role(allow(), ManagedPolicyArns=[ARN]), True),
        (role(allow(), ManagedPolicyArns=[ARN]), role(allow()), False),
        (role(allow(), PermissionsBoundary=ARN), role(allow()), True),
        (role(allow()), role(allow(), PermissionsBoundary=ARN), False),
        (role(allow()), role(allow(), Description="d"), False),
    ],
)
def test_wider_policies_need_approval(before, after, wider):
    assert [flag for _, flag in flags(before, after)] == [ApprovalFlag.ACCESS] * wider


NONE = {"Ref": "AWS::NoValue"}


def chosen(otherwise, then=NONE):
    """The first, by a condition that does not hold."""
    return {"Fn::If": ["Never", then, otherwise]}


def document(value):
    """A role with one policy, whose document is given as it is."""
    return {
        "Type": "AWS::IAM::Role",
        "Properties": {"Policies": [{"PolicyName": "p", "PolicyDocument": value}]},
    }


@pytest.mark.parametrize(
    "make",
    [
        lambda one, other: role(chosen(NONE, other), other, one),
        lambda one, other: role(other, chosen(one, other)),
        lambda one, other: role(
            {**other, "Sid": "A"}, chosen(NONE, {**other, "Sid": "S"}), {**one, "Sid": "S"}
        ),
        lambda one, other: document({"Statement": chosen([other, one], [one, other])}),
        lambda one, other: document({"Statement": chosen(one, other)}),
        lambda one, other: document(
            chosen({"Statement": [other, one]}, {"Statement": [one, other]})
        ),
        lambda one, other: document({"Fn::Sub": json.dumps({"Statement": [other, one]})}),
    ],
    ids=[
        "after one that is dropped",
        "in a branch",
        "by name",
        "list",
        "no list",
        "document",
        "text",
    ],
)
def test_statement_is_judged_as_resolved(make):
    few, more = ["s3:GetObject"], ["s3:GetObject", "s3:PutObject"]
    for kind, other, wider, narrower in ((allow, deny, few, more), (deny, allow, more, few)):
        before, after = (
            make(kind(wider), other("sns:Publish")),
            make(kind(narrower), other("sns:Publish")),
        )
        assert [flag for _, flag in flags(before, after)] == [ApprovalFlag.ACCESS], kind.__name__
        assert flags(after, before) == [], kind.__name__


@pytest.mark.parametrize(
    "effect", [{"Fn::ImportValue": "effect"}, {"Fn::Sub": "${Keep.QueueName}"}]
)
def test_statement_with_unknown_effect_is_judged_both_ways(effect):
    def said(*actions):
        return role({**allow(list(actions)), "Effect": effect})

    assert flags(said("s3:Get*"), said("s3:Get*", "s3:Put*")) == [("X", ApprovalFlag.ACCESS)]
    assert flags(said("s3:Get*", "s3:Put*"), said("s3:Get*")) == [("X", ApprovalFlag.ACCESS)]
    assert flags(role(), said("s3:Get*")) == [("X", ApprovalFlag.ACCESS)]
    assert flags(said("s3:Get*"), role()) == [("X", ApprovalFlag.ACCESS)]


@pytest.mark.parametrize("name", ["a.Statement.b", 'a"].Statement["b', "a]b", "a.Statement[0]"])
def test_names_that_look_like_paths_hide_no_opening(name):
    def called(statement):
        held = role({**statement, "Sid": name})
        return with_properties(
            held, Policies=[{**held["Properties"]["Policies"][0], "PolicyName": name}]
        )

    for before, after in (
        (allow(Condition=IF), allow()),
        (deny(), deny(Condition=IF)),
        (allow("s3:Get*"), allow("*")),
    ):
        assert flags(called(before), called(after)) == [("X", ApprovalFlag.ACCESS)]
        assert flags(called(after), called(before)) == []


def test_statement_change_listed_by_cloudformation_only_needs_approval():
    planned = plan_of({"X": role(allow(["s3:Get*"]))}, {"X": role(allow(["s3:Get*", "s3:Put*"]))})
    root = planned.roots[0]
    (change,) = root.changes
    leaf = PropertyDiff(
        "Policies[0].PolicyDocument.Statement[0].Action[1]", "s3:Put*", None, exists_after=False
    )
    bare = replace(
        change, diff=replace(change.diff, properties=(leaf,)), listed=ListedChange.CLOUDFORMATION
    )
    assert [
        finding.flag
        for finding in find_dangerous_changes(
            replace(planned, roots=(replace(root, changes=(bare,)),))
        )
    ] == [ApprovalFlag.ACCESS]


WORLD = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "CidrIp": "0.0.0.0/0"}
OFFICE = {**WORLD, "CidrIp": "192.0.2.0/24"}


def group(ingress, **more):
    properties = {"GroupDescription": "g", "SecurityGroupIngress": ingress, **more}
    return {"Type": "AWS::EC2::SecurityGroup", "Properties": properties}


@pytest.mark.parametrize(
    ("before", "after", "wider"),
    [
        (group([OFFICE]), group([WORLD]), True),
        (group([WORLD]), group([OFFICE]), False),
        (group([OFFICE]), group([OFFICE, WORLD]), True),
        (group([OFFICE, WORLD]), group([OFFICE]), False),
        (group([OFFICE]), group([{**OFFICE, "FromPort": 80}]), True),
        (group([{**OFFICE, "FromPort": 80}]), group([OFFICE]), False),
        (group([OFFICE]), group([{**OFFICE, "ToPort": 444}]), True),
        (group([OFFICE]), group([{**OFFICE, "IpProtocol": "-1"}]), True),
        (group([OFFICE]), group([{**OFFICE, "Description": "office"}]), False),
        (group([], SecurityGroupEgress=[OFFICE]), group([]), True),
        (group([OFFICE]), group([OFFICE], Tags=[{"Key": "a", "Value": "b"}]), False),
    ],
)
def test_wider_security_groups_need_approval(before, after, wider):
    assert [flag for _, flag in flags(before, after)] == [ApprovalFlag.ACCESS] * wider


@pytest.mark.parametrize(
    "rules", [chosen([WORLD], []), [chosen(WORLD)], [WORLD]], ids=["list", "item", "plain"]
)
def test_rules_of_new_group_are_found_below_conditions(rules):
    (finding,) = find_dangerous_changes(plan_of({}, {"X": group(rules)}))
    assert (finding.flag, "0.0.0.0/0" in finding.text) == (ApprovalFlag.ACCESS, True)


def test_new_granting_resources_need_approval_and_name_the_grant():
    ingress = {"Type": "AWS::EC2::SecurityGroupIngress", "Properties": {**WORLD, "GroupId": "sg-1"}}
    permission = {
        "Type": "AWS::Lambda::Permission",
        "Properties": {"Action": "lambda:InvokeFunction", "FunctionName": "f", "Principal": "*"},
    }
    findings = find_dangerous_changes(
        plan_of({}, {"I": ingress, "P": permission, "R": role(allow()), "T": TOPIC})
    )
    assert [(finding.logical_id, finding.flag) for finding in findings] == [
        (name, ApprovalFlag.ACCESS) for name in "IPR"
    ]
    assert "opens tcp/443 to 0.0.0.0/0" in findings[0].text
    assert "allows lambda:InvokeFunction on f to *" in findings[1].text
    rule = {key: value for key, value in WORLD.items() if key != "CidrIp"}
    attribute = {"Fn::GetAtt": ["T", "TopicName"]}
    for peer, text in (
        (attribute, "one"),
        ({"Fn::GetAtt": "T.TopicArn"}, "${T}"),
        ({"Ref": "T"}, "${T}"),
    ):
        ingress = {
            "Type": "AWS::EC2::SecurityGroupIngress",
            "Properties": {**rule, "SourceSecurityGroupId": peer},
        }
        (finding,) = find_dangerous_changes(plan_of({"T": TOPIC}, {"T": TOPIC, "I": ingress}))
        assert f"opens tcp/443 to {text}" in finding.text
    assert "allows s3:GetObject" in findings[2].text


def policy(type_, *statements, **more):
    return {
        "Type": type_,
        "Properties": {"PolicyDocument": {"Statement": list(statements)}, **more},
    }


HIDDEN_DOCUMENT = {"Fn::ImportValue": "document"}
READ = allow()


@pytest.mark.parametrize(
    ("held", "opens"),
    [
        ([allow(), deny()], True),
        ([allow()], False),
        ([allow(), chosen(NONE, deny())], False),
        ([allow(), chosen(deny())], True),
        ([{**allow(), "Effect": {"Fn::ImportValue": "effect"}}], True),
        (HIDDEN_DOCUMENT, True),
        ([allow(), HIDDEN_DOCUMENT], True),
    ],
    ids=["denies", "allows", "dropped", "in a branch", "unknown", "nothing known", "one not known"],
)
@pytest.mark.parametrize(
    "type_",
    [
        "AWS::IAM::Policy",
        "AWS::IAM::ManagedPolicy",
        "AWS::IAM::RolePolicy",
        "AWS::IAM::UserPolicy",
        "AWS::IAM::GroupPolicy",
        "AWS::S3::BucketPolicy",
        "AWS::SQS::QueuePolicy",
        "AWS::SNS::TopicPolicy",
    ],
)
def test_removing_a_denying_policy_needs_approval(type_, held, opens):
    gone = {"Type": type_, "Properties": {"PolicyDocument": {"Statement": held}}}
    assert [finding.flag for finding in find_dangerous_changes(plan_of({"X": gone}, {}))] == [
        ApprovalFlag.ACCESS
    ] * opens
    assert find_dangerous_changes(plan_of({"X": kept(gone)}, {})) == []


@pytest.mark.parametrize("type_", ["AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"])
@pytest.mark.parametrize("name", ["Roles", "Users", "Groups"])
def test_attaching_policy_to_another_holder_needs_approval(type_, name):
    def attached(*names, held=(READ,)):
        return policy(type_, *held, **{name: list(names)})

    new = {"Ref": "Keep"}
    for before, after in (
        (["A"], ["A", "B"]),
        (["A"], ["B"]),
        (["A", "B"], ["A", new]),
        ([], ["A"]),
    ):
        assert flags(attached(*before), attached(*after)) == [("X", ApprovalFlag.ACCESS)], after
    assert flags(policy(type_, allow()), attached("A")) == [("X", ApprovalFlag.ACCESS)]
    for before, after in ((["A", "B"], ["B"]), (["A", "B"], ["B", "A"])):
        assert flags(attached(*before), attached(*after)) == [], after
    assert flags(attached("A", held=(deny(),)), attached("A", "B", held=(deny(),))) == []
    denies, unread = (allow(), chosen(deny())), (HIDDEN_DOCUMENT,)
    assert flags(attached("A", "B", held=denies), attached("B", held=denies)) == [
        ("X", ApprovalFlag.ACCESS)
    ]
    assert flags(attached("A", "B", held=unread), attached("B", held=unread)) == [
        ("X", ApprovalFlag.ACCESS)
    ]


@pytest.mark.parametrize(
    ("type_", "name"),
    [
        ("AWS::S3::BucketPolicy", "Bucket"),
        ("AWS::SQS::QueuePolicy", "Queues"),
        ("AWS::SNS::TopicPolicy", "Topics"),
        ("AWS::SecretsManager::ResourcePolicy", "SecretId"),
    ],
)
def test_resource_policy_on_another_resource_needs_approval(type_, name):
    def guarding(*statements):
        def on(*targets):
            named = list(targets) if name.endswith("s") else targets[0]
            return policy(type_, *statements, **{name: named})

        return on

    allowing, denying = guarding(allow()), guarding(deny())
    assert ("X", ApprovalFlag.ACCESS) in flags(allowing("a"), allowing("b"))
    assert ("X", ApprovalFlag.ACCESS) in flags(denying("a"), denying("b"))
    if name.endswith("s"):
        assert flags(allowing("a"), allowing("a", "b")) == [("X", ApprovalFlag.ACCESS)]
        assert flags(denying("a", "b"), denying("b")) == [("X", ApprovalFlag.ACCESS)]
        assert flags(allowing("a", "b"), allowing("b")) == []
        assert flags(denying("a"), denying("a", "b")) == []


@pytest.mark.parametrize(
    ("changes", "wider"),
    [
        ({"Action": "lambda:invokeFunction"}, False),
        ({"Action": "lambda:*"}, True),
        ({"FunctionName": "g"}, True),
        ({"Principal": "*"}, True),
        ({"SourceArn": "arn:aws:s3:::b"}, True),
        ({"SourceAccount": ACCOUNT}, False),
    ],
)
def test_wider_function_permission_needs_approval(changes, wider):
    permission = {
        "Type": "AWS::Lambda::Permission",
        "Properties": {
            "Action": "lambda:InvokeFunction",
            "FunctionName": "f",
            "Principal": "s3.amazonaws.com",
            "SourceArn": "arn:aws:s3:::a",
        },
    }
    found = flags(permission, with_properties(permission, **changes))
    assert (("X", ApprovalFlag.ACCESS) in found) is wider


@pytest.mark.parametrize(
    ("type_", "name"),
    [
        ("AWS::EC2::VPCEndpoint", "PolicyDocument"),
        ("AWS::EFS::FileSystem", "FileSystemPolicy"),
        ("AWS::KMS::Key", "KeyPolicy"),
    ],
)
def test_return_to_an_open_default_policy_needs_approval(type_, name):
    guarded = {"Type": type_, "Properties": {name: {"Statement": [allow()]}}}
    (text,) = texts(guarded, {"Type": type_, "Properties": {}})
    assert text.startswith(f"X loses its {name}; the default policy gives ")


@pytest.mark.parametrize("name", ["Role", "User", "Group"])
def test_moving_policy_to_another_holder_needs_approval(name):
    def attached(to):
        return policy(f"AWS::IAM::{name}Policy", allow(), PolicyName="p", **{f"{name}Name": to})

    assert ("X", ApprovalFlag.ACCESS) in flags(attached("a"), attached("b"))
    role_ = {
        "Type": "AWS::IAM::Role",
        "Properties": {"RoleName": "a", "AssumeRolePolicyDocument": {}},
    }
    assert flags(role_, with_properties(role_, RoleName="b")) == [("X", ApprovalFlag.REPLACE)]


@pytest.mark.parametrize(
    ("type_", "name", "others"),
    [
        ("AWS::IAM::User", "Groups", {"UserName": "u"}),
        ("AWS::IAM::UserToGroupAddition", "Users", {"GroupName": "g"}),
        ("AWS::IAM::InstanceProfile", "Roles", {}),
    ],
)
def test_joining_group_or_profile_needs_approval(type_, name, others):
    """And who leaves is no longer denied anything, which a role of instances is not: they are left
    with nothing."""

    def members(*names):
        return {"Type": type_, "Properties": {name: list(names), **others}}

    for before, after in ((["A"], ["A", "B"]), (["A"], ["B"]), ([], ["A"])):
        assert flags(members(*before), members(*after)) == [("X", ApprovalFlag.ACCESS)], after
    assert flags(members("A", "B"), members("B", "A")) == []
    leaves = [] if name == "Roles" else [("X", ApprovalFlag.ACCESS)]
    assert flags(members("A", "B"), members("B")) == leaves


def test_new_and_removed_group_memberships_need_approval():
    def addition(group="g"):
        return {
            "Type": "AWS::IAM::UserToGroupAddition",
            "Properties": {"GroupName": group, "Users": ["u"]},
        }

    assert flags(addition(), addition("h")) == [("X", ApprovalFlag.ACCESS)]
    (came,) = find_dangerous_changes(plan_of({}, {"X": addition()}))
    assert "adds u to the group g" in came.text
    (went,) = find_dangerous_changes(plan_of({"X": addition()}, {}))
    assert "takes u out of the group g" in went.text
    user = {"Type": "AWS::IAM::User", "Properties": {"Groups": ["g", "h"]}}
    (joined,) = find_dangerous_changes(plan_of({}, {"X": user}))
    assert "joins the group g; joins the group h" in joined.text
    assert find_dangerous_changes(plan_of({"X": user}, {})) == []
    profile = {"Type": "AWS::IAM::InstanceProfile", "Properties": {"Roles": ["r"]}}
    assert find_dangerous_changes(plan_of({}, {"X": profile})) == []


def test_unreadable_policy_is_judged_both_ways():
    one = {"Type": "AWS::SQS::QueuePolicy", "Properties": {"PolicyDocument": HIDDEN_DOCUMENT}}
    for known in (policy("AWS::SQS::QueuePolicy"), policy("AWS::SQS::QueuePolicy", deny())):
        assert flags(known, one) == [("X", ApprovalFlag.ACCESS)]
        assert flags(one, known) == [("X", ApprovalFlag.ACCESS)]
    (finding,) = find_dangerous_changes(plan_of({}, {"X": one}))
    assert "may allow ${ImportValue document}" in finding.text
    text = json.dumps({"Statement": allow("logs:*")})
    (finding,) = find_dangerous_changes(
        plan_of(
            {}, {"X": {"Type": "AWS::Logs::ResourcePolicy", "Properties": {"PolicyDocument": text}}}
        )
    )
    assert "allows logs:*" in finding.text


def test_removed_policy_with_unknown_statements_needs_approval():
    planned = plan_of({"X": policy("AWS::SQS::QueuePolicy", allow())}, {})
    root = planned.roots[0]
    bare = replace(
        root.changes[0], diff=ResourceDiff("app", "X", "AWS::SQS::QueuePolicy", Effect.REMOVE)
    )
    assert find_dangerous_changes(planned) == []
    (finding,) = find_dangerous_changes(replace(planned, roots=(replace(root, changes=(bare,)),)))
    assert "may no longer deny anything" in finding.text


def test_statement_that_follows_a_replaced_resource_is_not_wider():
    statement = allow(resource={"Fn::GetAtt": ["T", "TopicArn"]})
    changed = with_properties(TOPIC, TopicName="two")
    findings = find_dangerous_changes(
        plan_of({"T": TOPIC, "R": role(statement)}, {"T": changed, "R": role(statement)})
    )
    assert [finding.option for finding in findings] == ["--approve T:replacement"]


def test_reference_to_another_resource_needs_approval():
    def rule(source):
        peer = {"Fn::GetAtt": [source, "GroupId"]}
        properties = {**OFFICE, "GroupId": "sg-1", "SourceSecurityGroupId": peer}
        del properties["CidrIp"]
        return {"Type": "AWS::EC2::SecurityGroupIngress", "Properties": properties}

    def access(resource):
        return role(allow(resource={"Fn::Sub": f"arn:aws:s3:::${{{resource}}}/*"}))

    one, two = group([]), group([])
    findings = find_dangerous_changes(
        plan_of({"A": one, "X": rule("A")}, {"A": one, "B": two, "X": rule("B")})
    )
    assert [(finding.logical_id, finding.flag) for finding in findings] == [
        ("X", ApprovalFlag.ACCESS)
    ]
    findings = find_dangerous_changes(
        plan_of({"A": BUCKET, "X": access("A")}, {"A": BUCKET, "B": TOPIC, "X": access("B")})
    )
    assert [(finding.logical_id, finding.flag) for finding in findings] == [
        ("X", ApprovalFlag.ACCESS)
    ]
    cluster = with_properties(
        CLUSTER, ClusterName="two"
    )  # whose Ref is known: it is its identifier
    service = {
        "Type": "AWS::ECS::Service",
        "Properties": {"Cluster": {"Ref": "A"}, "TaskDefinition": "t"},
    }
    (follower,) = [change for change in plan_of({"A": CLUSTER, "X": service}, {"A": cluster, "X": service}).roots[0].changes
                   if change.diff.logical_id == "X"]  # fmt: skip
    (leaf,) = follower.diff.properties
    for before, physical, own in (("one", "one", False), ("other", "one", True)):
        plan = plan_of(
            {"A": CLUSTER, "X": service}, {"A": cluster, "X": service}, physical_id=physical
        )
        said = replace(leaf, before=before, after="${A}", after_apply=True)
        root = plan.roots[0]
        changes = tuple(
            replace(change, diff=replace(change.diff, properties=(said,)))
            if change.diff.logical_id == "X"
            else change
            for change in root.changes
        )
        findings = find_dangerous_changes(replace(plan, roots=(replace(root, changes=changes),)))
        assert ("X" in [finding.logical_id for finding in findings]) is own
    renamed = group([], GroupName="other")
    findings = find_dangerous_changes(
        plan_of({"A": one, "X": rule("A")}, {"A": renamed, "X": rule("A")})
    )
    assert "X" not in [finding.logical_id for finding in findings]


# --- approval


def test_refusal_names_option_and_line_of_each_finding():
    findings = find_dangerous_changes(
        plan_of(
            {"X": BUCKET, "G": group([])},
            {"X": with_properties(BUCKET, BucketName="two"), "G": group([WORLD])},
        )
    )
    with pytest.raises(DeployError) as refused:
        require_approval(
            findings,
            locate=lambda stack, name: (
                Location(f"templates/{stack}.yaml.j2", 7) if name == "X" else None
            ),
        )
    problems = refused.value.problems
    assert {(problem.code, problem.hint) for problem in problems} == {
        ("SW820", "if you mean it, add --approve X:replacement (or --allow-replace X)"),
        ("SW821", "if you mean it, add --approve X:data (or --allow-data-loss)"),
        ("SW822", "if you mean it, add --approve G:access (or --allow-broader-access)"),
    }
    assert {str(where) for problem in problems for where in problem.where} == {
        "templates/app.yaml.j2:7"
    }
    assert all(problem.message.startswith("needs approval: ") for problem in problems)
    (lost,) = Approvals(replace=frozenset("X"), access=True).missing(findings)
    assert lost.text.endswith("its data is deleted")
    (replaced,) = Approvals(replace=frozenset("Y"), loss=True, access=True).missing(findings)
    assert replaced.text == "X is replaced: BucketName cannot change in place"
    assert Approvals(replace=frozenset(["app:X"]), loss=True, access=True).missing(findings) == []
    require_approval([])


def test_logical_id_of_several_stacks_is_approved_by_address_only():
    one = plan_of(
        {"X": TOPIC, "Y": TOPIC}, {name: with_properties(TOPIC, TopicName="two") for name in "XY"}
    )
    root = one.roots[0]

    def named(stack):
        changes = tuple(
            replace(change, diff=replace(change.diff, stack=stack)) for change in root.changes
        )
        target = replace(root.desired, root=stack, stack=f"news-prod-{stack}")
        return replace(root, desired=target, changes=changes)

    both = replace(
        one, roots=(named("app"), replace(named("web"), changes=named("web").changes[:1]))
    )
    findings = find_dangerous_changes(both)
    assert [finding.broad_option for finding in findings] == [
        "--allow-replace app:X",
        "--allow-replace Y",
        "--allow-replace web:X",
    ]
    for names, unapproved in [
        (["X", "Y"], ["app:X", "web:X"]),
        (["app:X", "Y"], ["web:X"]),
        (["app:X", "web:X", "app:Y"], []),
    ]:
        for approvals in (
            Approvals(replace=frozenset(names)),
            Approvals(named=tuple(map(parse_approval, names))),
        ):
            assert [finding.name for finding in approvals.missing(findings)] == unapproved


def test_typed_name_approves_only_the_findings_shown():
    replaced, lost = find_dangerous_changes(
        plan_of({"X": BUCKET}, {"X": with_properties(BUCKET, BucketName="two")})
    )
    allowed = Approvals(yes=False, typed=frozenset([replaced]))
    assert allowed.missing([replaced, lost]) == [lost]
    assert allowed.missing([replace(replaced, description="and more")]) != []


# --- words


def texts(before, after):
    return [
        finding.text
        for finding in find_dangerous_changes(plan_of({"X": before}, {"X": after}))
        if finding.flag is ApprovalFlag.ACCESS
    ]


HTTP = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "CidrIp": "10.0.0.0/8"}


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        ([], [HTTP], "X opens tcp/80 to 10.0.0.0/8"),
        ([OFFICE], [WORLD], "X opens tcp/443 to 0.0.0.0/0 (CidrIp was 192.0.2.0/24)"),
        (
            [OFFICE],
            [{**OFFICE, "FromPort": 80}],
            "X opens tcp/80-443 to 192.0.2.0/24 (FromPort was 443)",
        ),
        (
            [OFFICE],
            [{**OFFICE, "IpProtocol": "-1"}],
            "X opens all traffic to 192.0.2.0/24 (IpProtocol was tcp)",
        ),
        (
            [],
            [{**HTTP, "FromPort": 0, "ToPort": 65535}, {**HTTP, "IpProtocol": "17"}],
            "X opens all tcp ports to 10.0.0.0/8; opens udp/80 to 10.0.0.0/8",
        ),
        (
            [],
            [{**HTTP, "CidrIp": f"10.{place}.0.0/16"} for place in range(5)],
            "X opens tcp/80 to 10.0.0.0/16; opens tcp/80 to 10.1.0.0/16; "
            "opens tcp/80 to 10.2.0.0/16 (and 2 more)",
        ),
        (
            [chosen(OFFICE)],
            [chosen(WORLD)],
            "X opens tcp/443 to 0.0.0.0/0 (CidrIp was 192.0.2.0/24)",
        ),
    ],
    ids=["new", "source", "ports", "protocol", "all ports", "many", "in a condition"],
)
def test_finding_names_the_opened_ports_and_sources(before, after, text):
    assert texts(group(before), group(after)) == [text]


def test_finding_names_opened_outbound_traffic():
    limited = group([], SecurityGroupEgress=[HTTP])
    wider = group([], SecurityGroupEgress=[HTTP, WORLD])
    assert texts(limited, wider) == ["X allows outbound tcp/443 to 0.0.0.0/0"]
    assert texts(limited, group([])) == [
        "X allows all outbound traffic: its outbound rules are removed"
    ]


@pytest.mark.parametrize("name", ["GroupId", "GroupName"])
@pytest.mark.parametrize("direction", ["Ingress", "Egress"])
def test_rule_that_moves_to_another_group_opens_that_group(name, direction):
    def rule(owner):
        return {
            "Type": f"AWS::EC2::SecurityGroup{direction}",
            "Properties": {**HTTP, name: owner},
        }

    verb = "opens" if direction == "Ingress" else "allows outbound"
    assert texts(rule("sg-1"), rule("sg-2")) == [
        f"X {verb} tcp/80 to 10.0.0.0/8 in sg-2 ({name} was sg-1)"
    ]
    assert texts(rule("sg-1"), with_properties(rule("sg-1"), Description="d")) == []


READS = allow(["s3:GetObject", "s3:ListBucket"], "arn:aws:s3:::a/*")


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        (role(), role(READS), "X allows s3:GetObject, s3:ListBucket on arn:aws:s3:::a/*"),
        (
            role(READS),
            role({**READS, "Action": [*READS["Action"], "s3:PutObject"]}),
            "X allows s3:PutObject on arn:aws:s3:::a/*",
        ),
        (
            role(READS),
            role({**READS, "Resource": "*"}),
            "X allows s3:GetObject, s3:ListBucket on *",
        ),
        (
            role(),
            role(allow([f"s3:{name}" for name in "abcde"], "*")),
            "X allows s3:a, s3:b, s3:c and 2 more on *",
        ),
        (
            role(),
            role({"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}),
            "X allows all but iam:* on *",
        ),
        (
            bucket_policy(deny()),
            bucket_policy(allow()),
            "X allows s3:GetObject on arn:aws:s3:::a/* to *; no longer denies s3:* on * to *",
        ),
        (role(deny()), role(), "X no longer denies s3:* on *"),
        (role(deny(["s3:a", "s3:b"])), role(deny(["s3:a"])), "X no longer denies s3:b on *"),
        (
            role(allow(Condition=IF)),
            role(allow()),
            "X allows s3:GetObject on arn:aws:s3:::a/* without a condition",
        ),
        (role(), role(ManagedPolicyArns=[ARN]), f"X attaches {ARN}"),
        (
            role(PermissionsBoundary=ARN),
            role(),
            f"X removes its permissions boundary {ARN}",
        ),
    ],
    ids=[
        "new",
        "action",
        "resource",
        "many",
        "all but",
        "principal",
        "denial",
        "denied action",
        "condition",
        "managed policy",
        "boundary",
    ],
)
def test_finding_names_what_a_policy_allows(before, after, text):
    assert texts(before, after) == [text]


def test_finding_names_who_gains_permissions():
    def attached(*roles):
        return policy("AWS::IAM::Policy", READ, deny("s3:Put*"), Roles=list(roles))

    assert texts(attached("a"), attached("a", "b")) == [
        "X allows s3:GetObject on arn:aws:s3:::a/* to b"
    ]
    assert texts(attached("a", "b"), attached("a")) == ["X no longer denies s3:Put* on * to b"]

    def trusting(principal):
        return with_properties(
            role(),
            AssumeRolePolicyDocument={
                "Statement": {
                    "Effect": "Allow",
                    "Action": "sts:AssumeRole",
                    "Principal": {"Service": principal},
                }
            },
        )

    assert texts(trusting("ecs.amazonaws.com"), trusting("ec2.amazonaws.com")) == [
        "X allows sts:AssumeRole to ec2.amazonaws.com"
    ]


def test_finding_has_kind_type_and_flag():
    replaced = with_properties(BUCKET, BucketName="two")
    lost, moved = find_dangerous_changes(plan_of({"X": BUCKET}, {"X": replaced}))
    assert (lost.kind, lost.flag, lost.type, lost.address) == (
        FindingKind.DATA,
        ApprovalFlag.DATA_LOSS,
        "AWS::S3::Bucket",
        "app:X",
    )
    assert lost.text == "X is replaced, and its data is deleted"
    assert (moved.kind, moved.broad_option) == (FindingKind.REPLACEMENT, "--allow-replace X")
    (removed,) = find_dangerous_changes(plan_of({"X": kept(BUCKET)}, {}))
    assert (removed.kind, removed.option) == (FindingKind.REMOVAL, "--approve X:removal")
    assert removed.text == "X is removed from the stack; its data is kept (Retain), but unused"


@pytest.mark.parametrize(
    ("text", "steps", "order"),
    [
        ("Roles", ("Roles",), False),
        ("Roles[order]", ("Roles",), True),
        ('Roles["order"]', ("Roles", Item("order")), False),
        ('A["a.b]\\"c"].B[2].C', ("A", Item('a.b]"c'), "B", Item(2), "C"), False),
        ("[0].A", (Item(0), "A"), False),
        ("", (), False),
    ],
)
def test_paths_are_parsed_into_steps(text, steps, order):
    assert parse_path(text) == PropertyPath(steps, order)


def test_declared_value_is_found_unless_functions_make_items():
    named = {"Name": "n", "A": 1}
    properties = {"L": [{"A": 0}, named], "F": [{"Ref": "X"}, named], "T": "text"}
    assert value_at(properties, ("L", Item(1), "A")) == 1
    assert value_at(properties, ("L", Item("n"))) is named
    for steps in (("F", Item(1)), ("L", Item(9)), ("L", Item("m")), ("T", "A"), ("L", "A")):
        assert value_at(properties, steps) is None, steps
