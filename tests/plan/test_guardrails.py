"""What a plan is refused for, and with which option it is not; each plan is predicted from two
templates."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
import yaml
from msgspec.structs import replace

from stackwright.cfn.schema import Schemas
from stackwright.cli.deploy import Approvals
from stackwright.core.errors import DeployError
from stackwright.core.model import Location
from stackwright.diff.diff import diff_builds
from stackwright.diff.model import Effect, PropertyDiff, ResourceDiff
from stackwright.plan.guardrails import ApprovalFlag, find_dangerous_changes, require_approval
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
    found = diff_builds(*texts, REGION, ACCOUNT)
    schemas = Schemas(REGION)
    listed = tuple(
        PlannedChange(
            each,
            ListedChange.BOTH,
            Certainty.CERTAIN,
            stateful=schemas.get(each.type).stateful,
            **changes,
        )
        for each in found.resources
    )
    target = DesiredStack("app", "news-prod-app", {"app": texts[1]["app.yaml"]}, {}, {}, {})
    root = RootPlan(target, kind, found, listed)
    now = datetime(2026, 1, 1, tzinfo=UTC)
    return Plan("prod", ACCOUNT, REGION, "arn:aws:iam::123456789012:user/me", "", now, (root,))


def flags(before, after, **rest):
    return [
        (each.logical_id, each.flag)
        for each in find_dangerous_changes(plan_of({"X": before}, {"X": after}, **rest))
    ]


def with_properties(resource, **properties):
    return {**resource, "Properties": {**resource["Properties"], **properties}}


def kept(resource, policy="Retain"):
    return {**resource, "DeletionPolicy": policy, "UpdateReplacePolicy": policy}


# --- data and replacements
# ----------------------------------------------------------------------------------


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
def test_replacements_need_leave(before, after, wanted):
    assert [flag for _, flag in flags(before, after)] == wanted


def test_removals_of_what_holds_data_need_leave():
    for policy, flag in [("Delete", ApprovalFlag.DATA_LOSS), ("Retain", ApprovalFlag.REPLACE)]:
        found = find_dangerous_changes(plan_of({"X": kept(BUCKET, policy)}, {}))
        assert [each.flag for each in found] == [flag], policy
    assert find_dangerous_changes(plan_of({"X": TOPIC}, {})) == []


def test_revisions_and_followers_are_replaced_without_leave():
    task = {"Type": "AWS::ECS::TaskDefinition", "Properties": {"Family": "f", "Cpu": "256"}}
    assert flags(task, with_properties(task, Cpu="512")) == []
    sub = {
        "Type": "AWS::SNS::Subscription",
        "Properties": {"TopicArn": {"Ref": "T"}, "Protocol": "sms"},
    }
    found = find_dangerous_changes(
        plan_of({"T": TOPIC, "S": sub}, {"T": with_properties(TOPIC, TopicName="two"), "S": sub})
    )
    assert [each.option for each in found] == ["--allow-replace T"]


def test_what_only_cloudformation_says_is_believed_unless_it_is_a_phantom():
    found = plan_of(
        {"X": TOPIC}, {"X": with_properties(TOPIC, TopicName="two")}, replacement="True"
    )
    change = found.roots[0].changes[0]
    bare = replace(
        change, diff=replace(change.diff, properties=()), listed=ListedChange.CLOUDFORMATION
    )

    def with_change(one):
        return replace(found, roots=(replace(found.roots[0], changes=(one,)),))

    assert [each.flag for each in find_dangerous_changes(with_change(bare))] == [
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


def test_cloudformations_word_on_what_happens_to_the_old_one_decides():
    change = {"X": BUCKET}, {"X": with_properties(BUCKET, BucketName="two")}
    assert {
        each.flag
        for each in find_dangerous_changes(plan_of(*change, policy_action="ReplaceAndDelete"))
    } == {
        ApprovalFlag.DATA_LOSS,
        ApprovalFlag.REPLACE,
    }
    assert [
        each.flag
        for each in find_dangerous_changes(plan_of(*change, policy_action="ReplaceAndRetain"))
    ] == [ApprovalFlag.REPLACE]


def test_a_new_deployment_endangers_nothing():
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
# ---------------------------------------------------------------------------------------------------


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
def test_wider_policies_need_leave(before, after, wider):
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
def test_a_statement_means_what_it_is_resolved_to(make):
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
def test_a_statement_of_which_nobody_knows_what_it_does_may_open(effect):
    def said(*actions):
        return role({**allow(list(actions)), "Effect": effect})

    assert flags(said("s3:Get*"), said("s3:Get*", "s3:Put*")) == [("X", ApprovalFlag.ACCESS)]
    assert flags(said("s3:Get*", "s3:Put*"), said("s3:Get*")) == [("X", ApprovalFlag.ACCESS)]
    assert flags(role(), said("s3:Get*")) == [("X", ApprovalFlag.ACCESS)]
    assert flags(said("s3:Get*"), role()) == [("X", ApprovalFlag.ACCESS)]


@pytest.mark.parametrize("name", ["a.Statement.b", 'a"].Statement["b', "a]b", "a.Statement[0]"])
def test_no_name_of_a_policy_or_statement_hides_what_opens(name):
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


def test_what_only_cloudformation_lists_of_a_statement_may_open():
    found = plan_of({"X": role(allow(["s3:Get*"]))}, {"X": role(allow(["s3:Get*", "s3:Put*"]))})
    root = found.roots[0]
    (change,) = root.changes
    leaf = PropertyDiff(
        "Policies[0].PolicyDocument.Statement[0].Action[1]", "s3:Put*", None, exists_after=False
    )
    bare = replace(
        change, diff=replace(change.diff, properties=(leaf,)), listed=ListedChange.CLOUDFORMATION
    )
    assert [
        each.flag
        for each in find_dangerous_changes(replace(found, roots=(replace(root, changes=(bare,)),)))
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
def test_wider_security_groups_need_leave(before, after, wider):
    assert [flag for _, flag in flags(before, after)] == [ApprovalFlag.ACCESS] * wider


@pytest.mark.parametrize(
    "rules", [chosen([WORLD], []), [chosen(WORLD)], [WORLD]], ids=["list", "item", "plain"]
)
def test_rules_of_a_new_group_open_wherever_a_condition_stands(rules):
    (danger,) = find_dangerous_changes(plan_of({}, {"X": group(rules)}))
    assert (danger.flag, "0.0.0.0/0" in danger.text) == (ApprovalFlag.ACCESS, True)


def test_new_resources_that_grant_need_leave_and_say_what():
    ingress = {"Type": "AWS::EC2::SecurityGroupIngress", "Properties": {**WORLD, "GroupId": "sg-1"}}
    permission = {
        "Type": "AWS::Lambda::Permission",
        "Properties": {"Action": "lambda:InvokeFunction", "FunctionName": "f", "Principal": "*"},
    }
    found = find_dangerous_changes(
        plan_of({}, {"I": ingress, "P": permission, "R": role(allow()), "T": TOPIC})
    )
    assert [(each.logical_id, each.flag) for each in found] == [
        (name, ApprovalFlag.ACCESS) for name in "IPR"
    ]
    assert "lets in or out: tcp 443 0.0.0.0/0" in found[0].text
    assert "lets * invoke a function" in found[1].text
    rule = {key: value for key, value in WORLD.items() if key != "CidrIp"}
    attribute = {"Fn::GetAtt": ["T", "TopicName"]}
    for peer, text in (
        (attribute, "${T.TopicName}"),
        ({"Fn::GetAtt": "T.TopicArn"}, "${T.TopicArn}"),
        ({"Ref": "T"}, "${T}"),
    ):
        ingress = {
            "Type": "AWS::EC2::SecurityGroupIngress",
            "Properties": {**rule, "SourceSecurityGroupId": peer},
        }
        (danger,) = find_dangerous_changes(plan_of({"T": TOPIC}, {"T": TOPIC, "I": ingress}))
        assert f"lets in or out: tcp 443 {text}" in danger.text
    assert "allows s3:GetObject" in found[2].text


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
def test_a_policy_that_denied_leaves_an_opening(type_, held, opens):
    gone = {"Type": type_, "Properties": {"PolicyDocument": {"Statement": held}}}
    assert [each.flag for each in find_dangerous_changes(plan_of({"X": gone}, {}))] == [
        ApprovalFlag.ACCESS
    ] * opens
    assert find_dangerous_changes(plan_of({"X": kept(gone)}, {})) == []


@pytest.mark.parametrize("type_", ["AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"])
@pytest.mark.parametrize("name", ["Roles", "Users", "Groups"])
def test_whoever_a_policy_is_attached_to_gains_what_it_allows(type_, name):
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


@pytest.mark.parametrize("name", ["Role", "User", "Group"])
def test_a_policy_that_goes_to_another_opens(name):
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
def test_whoever_joins_gains_what_is_allowed_there(type_, name, others):
    """And who leaves is no longer denied anything, which a role of instances is not: they are left
    with nothing."""

    def members(*names):
        return {"Type": type_, "Properties": {name: list(names), **others}}

    for before, after in ((["A"], ["A", "B"]), (["A"], ["B"]), ([], ["A"])):
        assert flags(members(*before), members(*after)) == [("X", ApprovalFlag.ACCESS)], after
    assert flags(members("A", "B"), members("B", "A")) == []
    leaves = [] if name == "Roles" else [("X", ApprovalFlag.ACCESS)]
    assert flags(members("A", "B"), members("B")) == leaves


def test_members_of_groups_come_and_go():
    def addition(group="g"):
        return {
            "Type": "AWS::IAM::UserToGroupAddition",
            "Properties": {"GroupName": group, "Users": ["u"]},
        }

    assert flags(addition(), addition("h")) == [("X", ApprovalFlag.ACCESS)]
    (came,) = find_dangerous_changes(plan_of({}, {"X": addition()}))
    assert "adds u to the group g" in came.text
    (went,) = find_dangerous_changes(plan_of({"X": addition()}, {}))
    assert "takes users out of a group" in went.text
    user = {"Type": "AWS::IAM::User", "Properties": {"Groups": ["g", "h"]}}
    (joined,) = find_dangerous_changes(plan_of({}, {"X": user}))
    assert "joins the groups g, h" in joined.text
    assert find_dangerous_changes(plan_of({"X": user}, {})) == []
    profile = {"Type": "AWS::IAM::InstanceProfile", "Properties": {"Roles": ["r"]}}
    assert find_dangerous_changes(plan_of({}, {"X": profile})) == []


def test_a_policy_that_cannot_be_read_may_allow_and_deny():
    one = {"Type": "AWS::SQS::QueuePolicy", "Properties": {"PolicyDocument": HIDDEN_DOCUMENT}}
    for known in (policy("AWS::SQS::QueuePolicy"), policy("AWS::SQS::QueuePolicy", deny())):
        assert flags(known, one) == [("X", ApprovalFlag.ACCESS)]
        assert flags(one, known) == [("X", ApprovalFlag.ACCESS)]
    (danger,) = find_dangerous_changes(plan_of({}, {"X": one}))
    assert "allows Fn::ImportValue: document" in danger.text
    text = json.dumps({"Statement": allow("logs:*")})
    (danger,) = find_dangerous_changes(
        plan_of(
            {}, {"X": {"Type": "AWS::Logs::ResourcePolicy", "Properties": {"PolicyDocument": text}}}
        )
    )
    assert "allows logs:*" in danger.text


def test_a_removed_policy_of_which_only_cloudformation_tells_may_have_denied():
    found = plan_of({"X": policy("AWS::SQS::QueuePolicy", allow())}, {})
    root = found.roots[0]
    bare = replace(
        root.changes[0], diff=ResourceDiff("app", "X", "AWS::SQS::QueuePolicy", Effect.REMOVE)
    )
    assert find_dangerous_changes(found) == []
    (danger,) = find_dangerous_changes(replace(found, roots=(replace(root, changes=(bare,)),)))
    assert "no longer denies anything" in danger.text


def test_what_follows_another_resource_is_not_wider():
    statement = allow(resource={"Fn::GetAtt": ["T", "TopicArn"]})
    changed = with_properties(TOPIC, TopicName="two")
    found = find_dangerous_changes(
        plan_of({"T": TOPIC, "R": role(statement)}, {"T": changed, "R": role(statement)})
    )
    assert [each.option for each in found] == ["--allow-replace T"]


def test_what_names_another_resource_is_a_change_of_its_own():
    def rule(source):
        peer = {"Fn::GetAtt": [source, "GroupId"]}
        properties = {**OFFICE, "GroupId": "sg-1", "SourceSecurityGroupId": peer}
        del properties["CidrIp"]
        return {"Type": "AWS::EC2::SecurityGroupIngress", "Properties": properties}

    def access(resource):
        return role(allow(resource={"Fn::Sub": f"arn:aws:s3:::${{{resource}}}/*"}))

    one, two = group([]), group([])
    found = find_dangerous_changes(
        plan_of({"A": one, "X": rule("A")}, {"A": one, "B": two, "X": rule("B")})
    )
    assert [(each.logical_id, each.flag) for each in found] == [
        ("X", ApprovalFlag.REPLACE),
        ("X", ApprovalFlag.ACCESS),
    ]
    found = find_dangerous_changes(
        plan_of({"A": BUCKET, "X": access("A")}, {"A": BUCKET, "B": TOPIC, "X": access("B")})
    )
    assert [(each.logical_id, each.flag) for each in found] == [("X", ApprovalFlag.ACCESS)]
    cluster = with_properties(
        CLUSTER, ClusterName="two"
    )  # whose Ref is known: it is its identifier
    service = {
        "Type": "AWS::ECS::Service",
        "Properties": {"Cluster": {"Ref": "A"}, "TaskDefinition": "t"},
    }
    (follower,) = [each for each in plan_of({"A": CLUSTER, "X": service}, {"A": cluster, "X": service}).roots[0].changes
                   if each.diff.logical_id == "X"]  # fmt: skip
    (leaf,) = follower.diff.properties
    for before, physical, own in (("one", "one", False), ("other", "one", True)):
        plan = plan_of(
            {"A": CLUSTER, "X": service}, {"A": cluster, "X": service}, physical_id=physical
        )
        said = replace(leaf, before=before, after="${A}", after_apply=True)
        root = plan.roots[0]
        changes = tuple(
            replace(each, diff=replace(each.diff, properties=(said,)))
            if each.diff.logical_id == "X"
            else each
            for each in root.changes
        )
        found = find_dangerous_changes(replace(plan, roots=(replace(root, changes=changes),)))
        assert ("X" in [each.logical_id for each in found]) is own
    renamed = group([], GroupName="other")
    found = find_dangerous_changes(
        plan_of({"A": one, "X": rule("A")}, {"A": renamed, "X": rule("A")})
    )
    assert "X" not in [each.logical_id for each in found]


# --- leave
# ------------------------------------------------------------------------------------------------------


def test_require_refuses_each_with_its_option_and_line():
    found = find_dangerous_changes(
        plan_of(
            {"X": BUCKET, "G": group([])},
            {"X": with_properties(BUCKET, BucketName="two"), "G": group([WORLD])},
        )
    )
    with pytest.raises(DeployError) as refused:
        require_approval(
            found,
            locate=lambda stack, name: (
                Location(f"templates/{stack}.yaml.j2", 7) if name == "X" else None
            ),
        )
    problems = refused.value.problems
    assert {(each.code, each.hint) for each in problems} == {
        ("SW820", "if that is meant: --allow-replace X"),
        ("SW821", "if that is meant: --allow-data-loss"),
        ("SW822", "if that is meant: --allow-broader-access"),
    }
    assert {str(where) for each in problems for where in each.where} == {"templates/app.yaml.j2:7"}
    assert all(each.message.startswith("refused: app:") for each in problems)
    with pytest.raises(DeployError, match="its data is deleted"):
        require_approval(found, replace=["X"], broader_access=True)
    with pytest.raises(
        DeployError, match="is replaced by a new one: BucketName cannot change in place"
    ):
        require_approval(found, replace=["Y"], data_loss=True, broader_access=True)
    require_approval(found, replace=["app:X"], data_loss=True, broader_access=True)
    require_approval([])


def test_a_logical_id_that_several_stacks_have_is_allowed_by_address_only():
    one = plan_of(
        {"X": TOPIC, "Y": TOPIC}, {each: with_properties(TOPIC, TopicName="two") for each in "XY"}
    )
    root = one.roots[0]

    def named(stack):
        changes = tuple(
            replace(each, diff=replace(each.diff, stack=stack)) for each in root.changes
        )
        target = replace(root.desired, root=stack, stack=f"news-prod-{stack}")
        return replace(root, desired=target, changes=changes)

    both = replace(
        one, roots=(named("app"), replace(named("web"), changes=named("web").changes[:1]))
    )
    found = find_dangerous_changes(both)
    assert [each.option for each in found] == [
        "--allow-replace app:X",
        "--allow-replace Y",
        "--allow-replace web:X",
    ]
    with pytest.raises(DeployError) as refused:
        require_approval(found, replace=["X", "Y"])
    assert [each.hint for each in refused.value.problems] == [
        "if that is meant: --allow-replace app:X",
        "if that is meant: --allow-replace web:X",
    ]
    (left,) = Approvals(yes=True, replace=frozenset(["app:X", "Y"])).missing(found)
    with pytest.raises(DeployError) as refused:
        require_approval([left], replace=["X"])
    assert [each.hint for each in refused.value.problems] == [
        "if that is meant: --allow-replace web:X"
    ]
    require_approval(found, replace=["app:X", "web:X", "app:Y"])


def test_typing_a_name_allows_what_was_shown_and_no_more():
    replaced, lost = find_dangerous_changes(
        plan_of({"X": BUCKET}, {"X": with_properties(BUCKET, BucketName="two")})
    )
    allowed = Approvals(yes=False, typed=frozenset([replaced]))
    assert allowed.missing([replaced, lost]) == [lost]
    assert allowed.missing([replace(replaced, text="and more")]) != []
