"""What a root grants is compared over its whole template: where a grant is declared, and how it is
split, makes no difference; what is new counts where the environment exists."""

from __future__ import annotations

import json
import re

import pytest
from msgspec.structs import replace

from stackwright.cfn.schema import Schemas, _free_form, _index
from stackwright.plan import ExposureKind, list_exposures
from stackwright.plan.guardrails import ApprovalFlag, find_dangerous_changes
from stackwright.plan.guardrails.grants.policy_types import (
    IDENTITY_POLICIES,
    OPAQUE_POLICIES,
    PRINCIPALS,
    RESOURCE_POLICIES,
)
from stackwright.plan.model import RootAction
from tests.plan.test_guardrails import ACCOUNT, plan_of
from tests.support.grant_templates import count_templates

QUEUE = {"Type": "AWS::SQS::Queue"}
TABLE = {"Type": "AWS::DynamoDB::Table", "Properties": {"KeySchema": []}}
READ, WRITE = "s3:GetObject", "s3:PutObject"
FILES = "arn:aws:s3:::files/*"


def resource(type_, **properties):
    return {"Type": type_, "Properties": properties}


def statement(action=READ, resource=FILES, effect="Allow", **more):
    return {"Effect": effect, "Action": action, "Resource": resource, **more}


def document(*statements):
    return {"Version": "2012-10-17", "Statement": list(statements)}


def trust(principal):
    return document({"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": principal})


TASKS = trust({"Service": "ecs-tasks.amazonaws.com"})


def role(*statements, trusted=TASKS, **more):
    """A role with an inline policy of these statements."""
    policies = {"Policies": [{"PolicyName": "p", "PolicyDocument": document(*statements)}]}
    properties = {"AssumeRolePolicyDocument": trusted, **(policies if statements else {}), **more}
    return resource("AWS::IAM::Role", **properties)


def policy(*statements, role="Role", name="p"):
    """A policy of its own, attached to a role of the template."""
    return resource(
        "AWS::IAM::Policy",
        PolicyName=name,
        PolicyDocument=document(*statements),
        Roles=[{"Ref": role}],
    )


def managed(*statements, **more):
    return resource("AWS::IAM::ManagedPolicy", PolicyDocument=document(*statements), **more)


def opened(before, after):
    """The logical IDs of the resources whose change needs an approval for access."""
    return [
        finding.logical_id
        for finding in find_dangerous_changes(plan_of(before, after))
        if finding.flag is ApprovalFlag.ACCESS
    ]


def texts(before, after, **options):
    return [
        finding.text
        for finding in find_dangerous_changes(plan_of(before, after, **options))
        if finding.flag is ApprovalFlag.ACCESS
    ]


# --- equal grants in another shape

BOTH = statement([READ, WRITE])
SPLIT = (statement(READ), statement(WRITE))
EVERYBODY = statement("sqs:SendMessage", "*", Principal="*")
QUEUES = {"Queues": [{"Ref": "Queue"}]}


def queue_policy(*statements, **more):
    return resource("AWS::SQS::QueuePolicy", PolicyDocument=document(*statements), **QUEUES | more)


HTTPS = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "CidrIp": "10.0.0.0/8"}


def group(*ingress, **more):
    rules = {"SecurityGroupIngress": list(ingress)} if ingress else {}
    return resource("AWS::EC2::SecurityGroup", GroupDescription="g", **rules, **more)


def ingress(owner="Group", **rule):
    group_id = {"Fn::GetAtt": [owner, "GroupId"]}
    return resource("AWS::EC2::SecurityGroupIngress", GroupId=group_id, **rule)


def egress(owner="Group", **rule):
    group_id = {"Fn::GetAtt": [owner, "GroupId"]}
    return resource("AWS::EC2::SecurityGroupEgress", GroupId=group_id, **rule)


def function_permission(**more):
    properties = {
        "Action": "lambda:InvokeFunction",
        "FunctionName": "f",
        "Principal": "events.amazonaws.com",
        **more,
    }
    return resource("AWS::Lambda::Permission", **properties)


SHORT = {**HTTPS, "ToPort": 500}
EQUAL = {
    "inline policy moved to one of its own": (
        {"Role": role(BOTH)},
        {"Role": role(), "Policy": policy(BOTH)},
    ),
    "inline policy moved to a role policy": (
        {"Role": role(BOTH)},
        {
            "Role": role(),
            "Policy": resource(
                "AWS::IAM::RolePolicy",
                PolicyName="p",
                RoleName={"Ref": "Role"},
                PolicyDocument=document(BOTH),
            ),
        },
    ),
    "inline policy moved to a managed one": (
        {"Role": role(BOTH)},
        {"Role": role(), "Policy": managed(BOTH, Roles=[{"Ref": "Role"}])},
    ),
    "inline policy moved to a managed one that the role attaches": (
        {"Role": role(BOTH)},
        {"Role": role(ManagedPolicyArns=[{"Ref": "Policy"}]), "Policy": managed(BOTH)},
    ),
    "managed policy with a Deny made inline": (
        {"Role": role(), "Policy": managed(BOTH, statement("*", "*", "Deny"), Roles=[{"Ref": "Role"}])},
        {"Role": role(BOTH, statement("*", "*", "Deny"))},
    ),
    "policy of its own made inline": (
        {"Role": role(), "Policy": policy(BOTH, statement("s3:*", "*", "Deny"))},
        {"Role": role(BOTH, statement("s3:*", "*", "Deny"))},
    ),
    "logical ID of a policy renamed": (
        {"Role": role(), "Old": policy(BOTH)},
        {"Role": role(), "New": policy(BOTH)},
    ),
    "policy renamed": ({"Role": role(), "P": policy(BOTH)}, {"Role": role(), "P": policy(BOTH, name="q")}),
    "statements split over two policies": (
        {"Role": role(), "P": policy(BOTH)},
        {"Role": role(), "P": policy(SPLIT[0]), "Q": policy(SPLIT[1])},
    ),
    "policies merged": (
        {"Role": role(), "P": policy(SPLIT[0]), "Q": policy(SPLIT[1])},
        {"Role": role(), "P": policy(BOTH)},
    ),
    "one removed while another narrows": (
        {"Role": role(statement("s3:*")), "P": policy(SPLIT[1])},
        {"Role": role(), "P": policy(BOTH)},
    ),
    "granted already elsewhere": (
        {"Role": role(statement("s3:*", "*"))},
        {"Role": role(statement("s3:*", "*")), "P": policy(BOTH)},
    ),
    "policy as JSON in text": (
        {"Role": role(), "P": policy(BOTH)},
        {"Role": role(), "P": {**policy(BOTH), "Properties": {**policy(BOTH)["Properties"], "PolicyDocument": json.dumps(document(BOTH))}}},
    ),
    "queue policy renamed": (
        {"Queue": QUEUE, "A": queue_policy(EVERYBODY)},
        {"Queue": QUEUE, "B": queue_policy(EVERYBODY)},
    ),
    "queue policy made inline": (
        {"Queue": QUEUE, "A": queue_policy(EVERYBODY)},
        {
            "Queue": QUEUE,
            "B": resource("AWS::SQS::QueueInlinePolicy", Queue={"Ref": "Queue"}, PolicyDocument=document(EVERYBODY)),
        },
    ),
    "everybody in two spellings, then the account": (
        {"Queue": QUEUE, "A": queue_policy({**EVERYBODY, "Principal": "*"})},
        {"Queue": QUEUE, "A": queue_policy({**EVERYBODY, "Principal": {"AWS": ACCOUNT}})},
    ),
    "account and root user": (
        {"Queue": QUEUE, "A": queue_policy({**EVERYBODY, "Principal": {"AWS": ACCOUNT}})},
        {"Queue": QUEUE, "A": queue_policy({**EVERYBODY, "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}})},
    ),
    "permission renamed, action in another case": (
        {"A": function_permission()},
        {"B": function_permission(Action="lambda:invokeFunction")},
    ),
    "permission narrowed": (
        {"A": function_permission()},
        {"A": function_permission(SourceArn="arn:aws:events:us-east-2:1:rule/x")},
    ),
    "rule moved to a resource of its own": (
        {"Group": group(HTTPS)},
        {"Group": group(), "Rule": ingress(**HTTPS)},
    ),
    "rule moved into the group": (
        {"Group": group(), "Rule": ingress(**HTTPS)},
        {"Group": group({**HTTPS, "Description": "d"})},
    ),
    "rule renamed": (
        {"Group": group(), "Old": ingress(**HTTPS)},
        {"Group": group(), "New": ingress(**HTTPS)},
    ),
    "ports split": (
        {"Group": group(SHORT)},
        {"Group": group({**SHORT, "ToPort": 450}, {**SHORT, "FromPort": 451})},
    ),
    "ports merged": (
        {"Group": group({**SHORT, "ToPort": 450}, {**SHORT, "FromPort": 451})},
        {"Group": group(SHORT)},
    ),
    "addresses split": (
        {"Group": group(HTTPS)},
        {"Group": group({**HTTPS, "CidrIp": "10.0.0.0/9"}, {**HTTPS, "CidrIp": "10.128.0.0/9"})},
    ),
    "addresses merged": (
        {"Group": group({**HTTPS, "CidrIp": "10.0.0.0/9"}, {**HTTPS, "CidrIp": "10.128.0.0/9"})},
        {"Group": group(HTTPS)},
    ),
    "IPv6 narrowed": (
        {"Group": group({**HTTPS, "CidrIpv6": "::/0"})},
        {"Group": group({**HTTPS, "CidrIpv6": "2001:db8::/32"})},
    ),
    "outbound rules where there were none": (
        {"Group": group()},
        {"Group": group(SecurityGroupEgress=[HTTPS])},
    ),
    "the default as an outbound rule, removed": (
        {"Group": group(SecurityGroupEgress=[{"IpProtocol": "-1", "CidrIp": "0.0.0.0/0"}, {"IpProtocol": -1, "CidrIpv6": "::/0"}])},
        {"Group": group()},
    ),
    "outbound rule beside the default": (
        {"Group": group()},
        {"Group": group(), "Rule": egress(**HTTPS)},
    ),
    "attributes outside of the properties": (
        {"Group": group(), "Rule": ingress(**HTTPS)},
        {"Group": group(), "Rule": {**ingress(**HTTPS), "Metadata": {"a": "b"}, "DeletionPolicy": "Retain"}},
    ),
    "membership moved to the user": (
        {
            "User": resource("AWS::IAM::User"),
            "In": resource("AWS::IAM::UserToGroupAddition", GroupName="g", Users=[{"Ref": "User"}]),
        },
        {"User": resource("AWS::IAM::User", Groups=["g"])},
    ),
    "endpoint policy where everything was allowed": (
        {"E": resource("AWS::EC2::VPCEndpoint", VpcId="v", ServiceName="s")},
        {"E": resource("AWS::EC2::VPCEndpoint", VpcId="v", ServiceName="s", PolicyDocument=document(statement(Principal="*")))},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("before", "after"), EQUAL.values(), ids=EQUAL)
def test_equal_or_narrower_grants_need_no_approval(before, after):
    assert texts(before, after) == []


WIDER = {
    "policy of its own beside an inline one": (
        {"Role": role(BOTH)},
        {"Role": role(BOTH), "P": policy(statement("s3:DeleteObject"))},
        ["P"],
    ),
    "policy moved to another role": (
        {"Role": role(), "Other": role(), "P": policy(BOTH)},
        {"Role": role(), "Other": role(), "P": policy(BOTH, role="Other")},
        ["P"],
    ),
    "managed policy attached by the role": (
        {"Role": role(), "P": managed(BOTH)},
        {"Role": role(ManagedPolicyArns=[{"Ref": "P"}]), "P": managed(BOTH)},
        ["Role"],
    ),
    "Deny moved to another role": (
        {"Role": role(BOTH), "Other": role(BOTH), "P": policy(statement("*", "*", "Deny"))},
        {"Role": role(BOTH), "Other": role(BOTH), "P": policy(statement("*", "*", "Deny"), role="Other")},
        ["P"],
    ),
    "queue policy on one more queue": (
        {"Queue": QUEUE, "Other": QUEUE, "P": queue_policy(EVERYBODY)},
        {"Queue": QUEUE, "Other": QUEUE, "P": queue_policy(EVERYBODY, Queues=[{"Ref": "Queue"}, {"Ref": "Other"}])},
        ["P"],
    ),
    "Deny on one queue less": (
        {"Queue": QUEUE, "Other": QUEUE, "P": queue_policy({**EVERYBODY, "Effect": "Deny"}, Queues=[{"Ref": "Queue"}, {"Ref": "Other"}])},
        {"Queue": QUEUE, "Other": QUEUE, "P": queue_policy({**EVERYBODY, "Effect": "Deny"})},
        ["P"],
    ),
    "service control policy on one account less": (
        {"P": resource("AWS::Organizations::Policy", Name="n", Type="SERVICE_CONTROL_POLICY", TargetIds=["1", "2"], Content=document(statement("*", "*", "Deny")))},
        {"P": resource("AWS::Organizations::Policy", Name="n", Type="SERVICE_CONTROL_POLICY", TargetIds=["1"], Content=document(statement("*", "*", "Deny")))},
        ["P"],
    ),
    "rule moved to another group": (
        {"Group": group(), "Other": group(), "R": ingress(**HTTPS)},
        {"Group": group(), "Other": group(), "R": ingress("Other", **HTTPS)},
        ["R"],
    ),
    "ports between two rules": (
        {"Group": group({**SHORT, "ToPort": 450}, {**SHORT, "FromPort": 452})},
        {"Group": group(SHORT)},
        ["Group"],
    ),
    "addresses beyond the merged ones": (
        {"Group": group({**HTTPS, "CidrIp": "10.0.0.0/9"}, {**HTTPS, "CidrIp": "10.128.0.0/10"})},
        {"Group": group(HTTPS)},
        ["Group"],
    ),
    "another prefix list": (
        {"Group": group(), "R": ingress(IpProtocol="tcp", FromPort=1, ToPort=1, SourcePrefixListId="pl-1")},
        {"Group": group(), "R": ingress(IpProtocol="tcp", FromPort=1, ToPort=1, SourcePrefixListId="pl-2")},
        ["R"],
    ),
    "last outbound rule removed": (
        {"Group": group(SecurityGroupEgress=[HTTPS])},
        {"Group": group()},
        ["Group"],
    ),
    "cedar policy": (
        {"V": resource("AWS::EC2::VerifiedAccessGroup", VerifiedAccessInstanceId="v", PolicyDocument="permit(a);")},
        {"V": resource("AWS::EC2::VerifiedAccessGroup", VerifiedAccessInstanceId="v", PolicyDocument="permit(b);")},
        ["V"],
    ),
    "policy of an API removed": (
        {"A": resource("AWS::ApiGateway::RestApi", Name="a", Policy=document(statement(Principal="*")))},
        {"A": resource("AWS::ApiGateway::RestApi", Name="a")},
        ["A"],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("before", "after", "wanted"), WIDER.values(), ids=WIDER)
def test_wider_grants_need_approval_wherever_they_are_declared(before, after, wanted):
    assert opened(before, after) == wanted


@pytest.mark.parametrize("seed", range(0, 10_000, 1_000))
def test_random_rewrites_need_no_approval_and_random_widenings_do(seed):
    assert count_templates(3, seed, texts) == (0, 0)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_many_random_rewrites_need_no_approval_and_widenings_do():
    """``python -m tests.support.grant_templates`` prints the figures of more of them."""
    assert count_templates(500, 50_000, texts) == (0, 0)


# --- new resources

ADMIN = statement("*", "*")
ALL_OUTSIDE = document({**statement(), "Principal": "*"})
NEW_AND_DANGEROUS = {
    "administrator": role(ADMIN),
    "administrator by a policy of AWS": role(ManagedPolicyArns=["arn:aws:iam::aws:policy/AdministratorAccess"]),
    "role that reaches what exists": role(BOTH),
    "role that another account may assume": role(trusted=trust({"AWS": "210987654321"})),
    "role that everybody may assume": role(trusted=trust("*")),
    "role for an identity provider": role(trusted=trust({"Federated": "arn:aws:iam::1:oidc-provider/x"})),
    "public policy of a bucket": resource("AWS::S3::BucketPolicy", Bucket="b", PolicyDocument=ALL_OUTSIDE),
    "bucket policy for a service": resource(
        "AWS::S3::BucketPolicy", Bucket="b", PolicyDocument=document({**statement(), "Principal": {"Service": "s"}})
    ),
    "open security group": group({**HTTPS, "CidrIp": "0.0.0.0/0"}),
    "security group open to addresses": group(HTTPS),
    "rule of a group that exists": resource("AWS::EC2::SecurityGroupIngress", GroupId="sg-1", **HTTPS),
    "assignment": resource(
        "AWS::SSO::Assignment", InstanceArn="i", PermissionSetArn="p", PrincipalId="x",
        PrincipalType="GROUP", TargetId=ACCOUNT, TargetType="AWS_ACCOUNT",
    ),
    "permission set": resource(
        "AWS::SSO::PermissionSet", Name="n", InstanceArn="i", ManagedPolicies=["arn:aws:iam::aws:policy/ReadOnlyAccess"]
    ),
    "layer for everybody": resource(
        "AWS::Lambda::LayerVersionPermission", Action="lambda:GetLayerVersion", LayerVersionArn="l", Principal="*"
    ),
    "event bus for everybody": resource(
        "AWS::Events::EventBusPolicy", StatementId="s", Action="events:PutEvents", Principal="*"
    ),
    "share": resource("AWS::RAM::ResourceShare", Name="n", ResourceArns=["r"], Principals=["210987654321"]),
    "function that exists for a service": function_permission(),
    "user in a group": resource("AWS::IAM::User", Groups=["g"]),
}  # fmt: skip


@pytest.mark.parametrize("new", NEW_AND_DANGEROUS.values(), ids=NEW_AND_DANGEROUS)
def test_new_resource_is_judged_as_widened_from_nothing(new):
    assert opened({}, {"X": new}) == ["X"]


OWN_QUEUE = {"Fn::GetAtt": ["Queue", "Arn"]}
NEW_AND_HARMLESS = {
    "role of a service": {"X": role()},
    "role on a new queue": {"Queue": QUEUE, "X": role(statement("sqs:*", OWN_QUEUE))},
    "role on the indexes of a new table": {
        "Table": TABLE,
        "X": role(statement("dynamodb:*", {"Fn::Sub": "arn:aws:dynamodb:::table/${Table}/index/*"})),
    },
    "role on a new log group by its name": {
        "Logs": resource("AWS::Logs::LogGroup", LogGroupName="/web"),
        "X": role(statement("logs:PutLogEvents", f"arn:aws:logs:us-east-2:{ACCOUNT}:log-group:/web:*")),
    },
    "role that writes metrics": {"X": role(statement("cloudwatch:PutMetricData", "*"))},
    "role that lets a task run": {
        "X": role(ManagedPolicyArns=["arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"])
    },
    "role of another role of the template": {
        "Role": role(),
        "X": role(trusted=trust({"AWS": {"Fn::GetAtt": ["Role", "Arn"]}})),
    },
    "profile": {"Role": role(), "X": resource("AWS::IAM::InstanceProfile", Roles=[{"Ref": "Role"}])},
    "policy of a new queue for a service": {
        "Queue": QUEUE,
        "X": queue_policy({**EVERYBODY, "Principal": {"Service": "sns.amazonaws.com"}}),
    },
    "group for other groups": {
        "Group": group(),
        "X": group({"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "SourceSecurityGroupId": {"Ref": "Group"}}),
    },
    "endpoint with the default policy": {"X": resource("AWS::EC2::VPCEndpoint", VpcId="v", ServiceName="s")},
    "managed policy without a holder": {"X": managed(BOTH)},
}  # fmt: skip


@pytest.mark.parametrize("new", NEW_AND_HARMLESS.values(), ids=NEW_AND_HARMLESS)
def test_new_resource_that_reaches_nothing_else_needs_no_approval(new):
    assert texts({}, new) == []


def test_wildcard_does_not_hide_behind_a_new_resource():
    resource = {"Fn::Sub": "arn:aws:dynamodb:::table/*${Table}*"}
    new = {"Table": TABLE, "X": role(statement("dynamodb:*", resource))}
    assert opened({}, new) == ["X"]


@pytest.mark.parametrize("arn", ["log-group:/web/*", "log-group:/web2", "log-group:*", "*"])
def test_name_of_a_new_resource_covers_no_others(arn):
    new = {
        "Logs": resource("AWS::Logs::LogGroup", LogGroupName="/web"),
        "X": role(statement("logs:PutLogEvents", f"arn:aws:logs:us-east-2:{ACCOUNT}:{arn}")),
    }
    assert opened({}, new) == ["X"]


def test_only_what_reaches_beyond_new_resources_is_named():
    new = {
        "Queue": QUEUE,
        "X": role(statement(["sqs:*"], [OWN_QUEUE, "arn:aws:sqs:us-east-2:1:q"])),
    }
    assert texts({}, new) == ["X allows sqs:* on arn:aws:sqs:us-east-2:1:q"]


# --- new roots


def with_roots(plan, *kinds):
    """The plan with a root before its own for each kind; they have nothing to do."""
    root = plan.roots[0]
    other = replace(
        root,
        desired=replace(root.desired, root="base", stack="news-prod-base", templates={"base": "Resources: {A: {Type: AWS::SNS::Topic}}"}),
        changes=(),
        diff=replace(root.diff, resources=(), unchanged=()),
    )  # fmt: skip
    return replace(plan, roots=(*(replace(other, kind=kind) for kind in kinds), root))


NEW = {"Admin": role(ADMIN), "Web": group({**HTTPS, "CidrIp": "0.0.0.0/0"})}


@pytest.mark.parametrize("kind", [RootAction.CREATE, RootAction.LATER])
def test_new_root_needs_approval_where_the_environment_exists(kind):
    first = plan_of({}, NEW, kind=kind)
    assert find_dangerous_changes(first) == []
    for exists in (RootAction.NOTHING, RootAction.UPDATE):
        findings = find_dangerous_changes(with_roots(first, exists))
        assert {finding.logical_id for finding in findings} == {"Admin", "Web"}
    assert find_dangerous_changes(with_roots(first, RootAction.CREATE)) == []


def test_root_that_only_holds_a_bucket_makes_no_environment():
    plan = with_roots(plan_of({}, NEW, kind=RootAction.CREATE), RootAction.NOTHING)
    bucket = {"base": "Resources: {A: {Type: AWS::S3::Bucket}}"}
    base = replace(plan.roots[0], desired=replace(plan.roots[0].desired, templates=bucket))
    assert find_dangerous_changes(replace(plan, roots=(base, plan.roots[1]))) == []


def test_first_deployment_lists_what_is_exposed_and_granted():
    new = {
        **NEW,
        "Site": resource("AWS::ElasticLoadBalancingV2::LoadBalancer", Scheme="internet-facing"),
        "Inside": resource("AWS::ElasticLoadBalancingV2::LoadBalancer", Scheme="internal"),
        "Policy": resource("AWS::S3::BucketPolicy", Bucket="b", PolicyDocument=ALL_OUTSIDE),
    }
    plan = plan_of({}, new, kind=RootAction.CREATE)
    exposures = list_exposures(plan)
    assert [(one.kind, one.logical_id, one.description) for one in exposures] == [
        (ExposureKind.EXPOSED, "Policy", f"allows {READ} on {FILES} to *"),
        (ExposureKind.EXPOSED, "Site", "is an internet-facing load balancer"),
        (ExposureKind.EXPOSED, "Web", "opens tcp/443 to 0.0.0.0/0"),
        (ExposureKind.GRANTED, "Admin", "may * on *"),
    ]
    assert list_exposures(with_roots(plan, RootAction.NOTHING)) == []


# --- the tables and the schemas

NO_ACCESS = re.compile(
    r"Lifecycle|Redrive|Delivery(?!Destination)|Filter|Replay|Archive|DataProtection|QueryStatement"
    r"|(TLS|Tls|Ssl|Https|Security|Dns|ImagePull|Protocol|Safeguard|Import|Snapshot|Referrer)Policy$"
    r"|ContentSecurityPolicy|NotificationPolicy|ReputationEntity|AnswerPolicy|LanguageSelection"
    r"|CustomPolicyDetails|OrganizationCustomPolicy|BrowserPolicy"
    r"|^AWS::(Logs::AccountPolicy|OpenSearchServerless::LifecyclePolicy|SSM::Parameter)\b"
)
"""Properties that have ``Policy`` in their names and say nothing of who may do what."""


def list_policy_properties():
    """Every property in the schemas that may hold a policy: (type, path)."""
    schemas = Schemas("us-east-1")
    for name in sorted(_index("us-east-1")):
        known = schemas.get(name)
        for path, node in walk(known, known.definition, (), frozenset()):
            if path not in known.read_only and may_be_policy(name, path, known._resolve(node)):
                yield name, ".".join(path)


def may_be_policy(name, path, node):
    types = node.get("type", ())
    text = types == "string" or "string" in types
    named = re.search(r"Polic(y|ies)$|Polic(y|ies).*(Document|Text)$|Statement$", path[-1])
    open_ = _free_form(node) or (text and "enum" not in node)
    return bool(named) and open_ and not NO_ACCESS.search(".".join((name, *path)))


def walk(known, node, path, seen):
    reference = node.get("$ref")
    if reference in seen:
        return
    node = known._resolve(node)
    for key, child in node.get("properties", {}).items():
        yield (*path, key), child
        yield from walk(known, child, (*path, key), seen | {reference})
    if isinstance(node.get("items"), dict):
        yield from walk(known, node["items"], (*path, "*"), seen | {reference})


SECOND_POLICIES = {
    "AWS::DynamoDB::Table": ("StreamSpecification",),
    "AWS::ODB::OdbNetwork": (
        "KmsPolicyDocument",
        "S3PolicyDocument",
        "StsPolicyDocument",
        "ManagedServices",
    ),
}
"""Properties that are read because they hold statements: any property of any type may."""


def test_every_policy_property_of_the_schemas_is_read():
    read = {
        **SECOND_POLICIES,
        **{type_: (name,) for type_, name in IDENTITY_POLICIES.items()},
        **{type_: (name, "AssumeRolePolicyDocument") for type_, name in PRINCIPALS.items()},
        **{
            type_: (name, *SECOND_POLICIES.get(type_, ()))
            for type_, (name, _) in RESOURCE_POLICIES.items()
        },
        **{type_: (name,) for type_, name in OPAQUE_POLICIES.items()},
    }
    properties = list(list_policy_properties())
    assert len(properties) > 80
    missing = [
        (type_, path)
        for type_, path in properties
        if path.partition(".")[0] not in read.get(type_, ())
    ]
    assert missing == []


def test_every_type_of_the_tables_is_in_the_schemas():
    schemas = Schemas("us-east-1")
    tables = {**IDENTITY_POLICIES, **PRINCIPALS, **RESOURCE_POLICIES, **OPAQUE_POLICIES}
    assert schemas.unrecognized(list(tables)) == []


DENYING = document({**statement("*", "*", "Deny"), "Principal": "*"})


@pytest.mark.parametrize("type_", [*RESOURCE_POLICIES])
@pytest.mark.parametrize("text", [False, True], ids=["object", "text"])
def test_policy_of_every_type_is_compared(type_, text):
    """A grant to everybody, and a Deny that goes, need an approval wherever a policy may stand."""
    name, target = RESOURCE_POLICIES[type_]
    others = {target: "x"} if target and " " not in target else {}

    def having(value):
        return resource(type_, **{name: json.dumps(value) if text else value}, **others)

    quiet = having(document({**statement(), "Principal": {"AWS": ACCOUNT}}))
    assert opened({"X": quiet}, {"X": having(ALL_OUTSIDE)}) == ["X"]
    assert opened({"X": having(DENYING)}, {"X": quiet}) == ["X"]
    assert opened({"X": quiet}, {"X": quiet}) == []


# --- renamed resources


def renamed_role(name, *statements, **more):
    """A function with its role, the role's policy and a queue that trusts it, all by that name."""
    arn = {"Fn::GetAtt": [name, "Arn"]}
    statements = statements or (BOTH,)
    return {
        "Keep": QUEUE,
        name: role(**more),
        f"{name}Policy": policy(*statements, role=name),
        "Function": resource("AWS::Lambda::Function", Role=arn),
        "Rights": resource(
            "AWS::SQS::QueuePolicy",
            PolicyDocument=document(statement("sqs:SendMessage", "*", Principal={"AWS": arn})),
            Queues=[{"Ref": "Keep"}],
        ),
    }


def test_renaming_role_with_all_that_names_it_opens_nothing():
    assert texts(renamed_role("Role"), renamed_role("Executor")) == []


def test_renaming_security_group_with_all_that_names_it_opens_nothing():
    def groups(name):
        source = {"Fn::GetAtt": [name, "GroupId"]}
        return {
            name: group(HTTPS),
            "Database": group(),
            "Rule": ingress("Database", IpProtocol="tcp", SourceSecurityGroupId=source),
            "Lambda": resource("AWS::Lambda::Function", VpcConfig={"SecurityGroupIds": [source]}),
        }

    findings = find_dangerous_changes(plan_of(groups("Group"), groups("Service")))
    assert findings == []


def test_renaming_open_method_opens_nothing():
    method = resource("AWS::ApiGateway::Method", HttpMethod="GET", AuthorizationType="NONE")
    assert texts({"Get": method}, {"GetItem": method}) == []


def test_role_that_gains_rights_while_it_is_renamed_opens_something():
    more = renamed_role("Executor", BOTH, statement("s3:DeleteObject"))
    assert "s3:DeleteObject" in " ".join(texts(renamed_role("Role"), more))
    trusted = trust({"AWS": "*"})
    assert texts(renamed_role("Role"), renamed_role("Executor", trusted=trusted))


def test_retained_role_is_not_renamed():
    before = renamed_role("Role")
    before["Role"]["DeletionPolicy"] = "Retain"
    assert texts(before, renamed_role("Executor"))
