"""Steps of mirrored resources: further calls besides the one that creates, updates or deletes, and
arguments that differ from the properties by more than the case of their names."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from ...cfn import template_to_text
from ..world.identity import Identity
from ..world.provider import Refused
from .moto_services import Answer, Arguments, MotoServices, Properties

_EVERYTHING_OUT = {"IpProtocol": "-1", "CidrIp": "0.0.0.0/0"}
"""The rule that EC2 gives to a new group; CloudFormation removes it where the template has egress
rules."""


def make_permission(rule: Properties, peer: str) -> Arguments:
    """A rule as EC2's ``IpPermission``; ``peer`` is ``Source`` or ``Destination``."""
    described = {"Description": rule["Description"]} if "Description" in rule else {}
    permission: Arguments = {
        key: rule[key] for key in ("IpProtocol", "FromPort", "ToPort") if key in rule
    }
    if "CidrIp" in rule:
        permission["IpRanges"] = [{"CidrIp": rule["CidrIp"], **described}]
    if "CidrIpv6" in rule:
        permission["Ipv6Ranges"] = [{"CidrIpv6": rule["CidrIpv6"], **described}]
    if f"{peer}SecurityGroupId" in rule:
        permission["UserIdGroupPairs"] = [{"GroupId": rule[f"{peer}SecurityGroupId"], **described}]
    lists = rule.get(f"{peer}PrefixListId")
    return {
        **permission,
        **({"PrefixListIds": [{"PrefixListId": lists, **described}]} if lists else {}),
    }


def rule_arguments(peer: str) -> Any:
    """The arguments that authorize the one rule of an ingress or egress resource."""
    return lambda _identity, properties: {"IpPermissions": [make_permission(properties, peer)]}


def rule_key(identity: Identity, properties: Properties) -> Arguments:
    """The arguments that identify the rule of an ingress or egress resource."""
    return {"GroupId": properties["GroupId"], "SecurityGroupRuleIds": [identity.id]}


def set_inline_rules(services: MotoServices, identity: Identity, properties: Properties) -> None:
    """Set a group's inline rules to those of the template; rules of other resources stay.

    The client remembers which rules are inline: EC2 does not distinguish them.
    """
    for kind, peer in (("ingress", "Source"), ("egress", "Destination")):
        wanted = [
            make_permission(rule, peer)
            for rule in properties.get(f"SecurityGroup{kind.title()}", ())
        ]
        if kind == "egress" and not wanted:
            wanted = [make_permission(_EVERYTHING_OUT, peer)]
        first = [make_permission(_EVERYTHING_OUT, peer)] if kind == "egress" else []
        old = services.inline.get((identity.id, kind), first)
        group = {"GroupId": identity.id}
        for rule in (rule for rule in old if rule not in wanted):
            arguments = {**group, "IpPermissions": [rule]}
            services.call("ec2", f"revoke_security_group_{kind}", arguments)
        for rule in (rule for rule in wanted if rule not in old):
            arguments = {**group, "IpPermissions": [rule]}
            services.call("ec2", f"authorize_security_group_{kind}", arguments)
        services.inline[identity.id, kind] = wanted


def read_namespace(services: MotoServices, answer: Answer) -> Answer:
    """The namespace that an operation created: Cloud Map answers with the operation only."""
    operation = services.call(
        "servicediscovery", "get_operation", {"OperationId": answer.get("OperationId")}
    )
    id_ = operation.get("Operation", {}).get("Targets", {}).get("NAMESPACE")
    return services.call("servicediscovery", "get_namespace", {"Id": id_}) if id_ else {}


def function_arguments(_identity: Identity, properties: Properties) -> Arguments:
    """Tags as a map, and inline code as a zip."""
    tags = {tag["Key"]: tag["Value"] for tag in properties.get("Tags", ())}
    return {"Tags": tags, "Code": _code(properties)}


def _code(properties: Properties) -> Arguments:
    code = dict(properties.get("Code", {}))
    if "ZipFile" in code:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr(zipfile.ZipInfo("index.py"), code["ZipFile"])
        code["ZipFile"] = buffer.getvalue()
    return code


def update_function_code(
    services: MotoServices, identity: Identity, properties: Properties
) -> None:
    """Update the code of a function: its configuration changes by another call."""
    services.call(
        "lambda", "update_function_code", {"FunctionName": identity.id, **_code(properties)}
    )


def set_concurrency(services: MotoServices, identity: Identity, properties: Properties) -> None:
    """Set a function's reserved concurrent executions."""
    name = {"FunctionName": identity.id}
    if "ReservedConcurrentExecutions" in properties:
        services.call("lambda", "put_function_concurrency", {**name, **properties})


def lambda_permission_key(identity: Identity, properties: Properties) -> Arguments:
    """The arguments that identify a permission: its statement id is in the physical id."""
    return {
        "FunctionName": properties["FunctionName"],
        "StatementId": identity.id.rpartition("|")[2],
    }


def scaling_policy_key(_identity: Identity, properties: Properties) -> Arguments:
    """The three names of the scalable target, from its physical id where that is given."""
    if "ScalingTargetId" not in properties:
        return {}
    names = ("ResourceId", "ScalableDimension", "ServiceNamespace")
    return dict(zip(names, properties["ScalingTargetId"].split("|"), strict=True))


def set_targets(services: MotoServices, identity: Identity, properties: Properties) -> None:
    """Set the targets of an EventBridge rule; others are removed."""
    wanted = list(properties.get("Targets", ()))
    remove_targets(services, identity, {target["Id"] for target in wanted})
    if wanted:
        services.call(
            "events", "put_targets", {"Rule": identity.id.rpartition("|")[2], "Targets": wanted}
        )


def remove_targets(services: MotoServices, identity: Identity, kept: Iterable[str]) -> None:
    """Remove the targets of a rule but for those to keep; a rule with targets cannot be deleted."""
    rule = {"Rule": identity.id.rpartition("|")[2]}
    present = services.call("events", "list_targets_by_rule", rule).get("Targets", ())
    obsolete = [target["Id"] for target in present if target["Id"] not in set(kept)]
    if obsolete:
        services.call("events", "remove_targets", {**rule, "Ids": obsolete})


def set_policies(services: MotoServices, identity: Identity, properties: Properties) -> None:
    """Set the policies of a role, inline and attached; others are removed."""
    role, inline = {"RoleName": identity.id}, list(properties.get("Policies", ()))
    attached = list(properties.get("ManagedPolicyArns", ()))
    _remove_other_policies(
        services, role, {policy["PolicyName"] for policy in inline}, set(attached)
    )
    for policy in inline:
        services.call("iam", "put_role_policy", {**role, **policy})
    for arn in attached:
        services.call("iam", "attach_role_policy", {**role, "PolicyArn": arn})


def update_role(services: MotoServices, identity: Identity, properties: Properties) -> None:
    """Update a role's description, session duration and tags."""
    role = {"RoleName": identity.id}
    services.call("iam", "update_role", {"Description": "", **properties, **role})
    tags = services.call("iam", "list_role_tags", role).get("Tags", ())
    _set_tags(services, "iam", ("tag_role", "untag_role"), role, tags, properties)


def remove_policies(services: MotoServices, identity: Identity, _properties: Properties) -> None:
    """Remove all policies of a role, which could not be deleted otherwise."""
    _remove_other_policies(services, {"RoleName": identity.id}, set(), set())


def _remove_other_policies(
    services: MotoServices, role: Arguments, inline: set[str], attached: set[str]
) -> None:
    """Remove the policies of a role but for those to keep."""
    for name in services.call("iam", "list_role_policies", role).get("PolicyNames", ()):
        if name not in inline:
            services.call("iam", "delete_role_policy", {**role, "PolicyName": name})
    for policy in services.call("iam", "list_attached_role_policies", role).get(
        "AttachedPolicies", ()
    ):
        if policy["PolicyArn"] not in attached:
            services.call("iam", "detach_role_policy", {**role, "PolicyArn": policy["PolicyArn"]})


def _set_tags(
    services: MotoServices,
    service: str,
    verbs: tuple[str, str],
    key: Arguments,
    present: Iterable[Properties],
    properties: Properties,
) -> None:
    """Set tags to those of the template; ``verbs`` are the calls that tag and untag."""
    wanted = list(properties.get("Tags", ()))
    obsolete = sorted({tag["Key"] for tag in present} - {tag["Key"] for tag in wanted})
    if obsolete:
        services.call(service, verbs[1], {**key, "TagKeys": obsolete})
    if wanted:
        services.call(service, verbs[0], {**key, "Tags": wanted})


def _secret_value(services: MotoServices, identity: Identity, properties: Properties) -> Arguments:
    """The given value where it differs from the present one; a generated value stays."""
    given = properties.get("SecretString")
    secret = services.call("secretsmanager", "get_secret_value", {"SecretId": identity.id})
    return {} if given in (None, secret.get("SecretString")) else {"SecretString": given}


def update_secret(services: MotoServices, identity: Identity, properties: Properties) -> None:
    """Update a secret's value where it is given, its description, key and tags."""
    key, without_value = (
        {"SecretId": identity.id},
        {k: v for k, v in properties.items() if k != "SecretString"},
    )
    value = _secret_value(services, identity, properties)
    services.call("secretsmanager", "update_secret", {**without_value, **value, **key})
    tags = services.call("secretsmanager", "describe_secret", key).get("Tags", ())
    _set_tags(services, "secretsmanager", ("tag_resource", "untag_resource"), key, tags, properties)


def tag_list(properties: Properties) -> list[Arguments]:
    """The tags of a type whose property is a map, as a list."""
    return [{"Key": key, "Value": value} for key, value in properties.get("Tags", {}).items()]


def update_parameter(services: MotoServices, identity: Identity, properties: Properties) -> None:
    """Update a parameter's value and description, and its tags: PutParameter takes none with
    Overwrite."""
    untagged = {key: value for key, value in properties.items() if key != "Tags"}
    arguments = {**untagged, "Name": identity.id, "Overwrite": True}
    services.call("ssm", "put_parameter", arguments)
    key = {"ResourceType": "Parameter", "ResourceId": identity.id}
    tags = services.call("ssm", "list_tags_for_resource", key).get("TagList", ())
    verbs = ("add_tags_to_resource", "remove_tags_from_resource")
    _set_tags(services, "ssm", verbs, key, tags, {"Tags": tag_list(properties)})


def update_repository(services: MotoServices, identity: Identity, properties: Properties) -> None:
    """Set whether a repository's tags may move, and whether it scans images."""
    name = {"repositoryName": identity.id}
    services.call(
        "ecr", "put_image_tag_mutability", {"ImageTagMutability": "MUTABLE", **properties, **name}
    )
    scanning = {"ImageScanningConfiguration": {"ScanOnPush": False}}
    services.call("ecr", "put_image_scanning_configuration", {**scanning, **properties, **name})


def set_public_addresses(
    services: MotoServices, identity: Identity, properties: Properties
) -> None:
    """Set whether instances in a subnet get public addresses."""
    given = properties.get("MapPublicIpOnLaunch", False)
    arguments = {"SubnetId": identity.id, "MapPublicIpOnLaunch": {"Value": given}}
    services.call("ec2", "modify_subnet_attribute", arguments)


def set_retention(services: MotoServices, identity: Identity, properties: Properties) -> None:
    """Set the retention of a log group; without one it keeps events for ever."""
    verb = "put" if "RetentionInDays" in properties else "delete"
    services.call("logs", f"{verb}_retention_policy", {"LogGroupName": identity.id, **properties})


def set_balancer_network(
    services: MotoServices, identity: Identity, properties: Properties
) -> None:
    """Set a load balancer's security groups and subnets."""
    for verb, name in (("set_security_groups", "SecurityGroups"), ("set_subnets", "Subnets")):
        if name in properties:
            services.call("elbv2", verb, {"LoadBalancerArn": identity.id, name: properties[name]})


def set_balancer_attributes(
    services: MotoServices, identity: Identity, properties: Properties
) -> None:
    """Set the attributes of a load balancer."""
    _set_attributes(services, "load_balancer", "LoadBalancer", identity, properties)


def set_target_group_attributes(
    services: MotoServices, identity: Identity, properties: Properties
) -> None:
    """Set the attributes of a target group."""
    _set_attributes(services, "target_group", "TargetGroup", identity, properties)


def _set_attributes(
    services: MotoServices, words: str, name: str, identity: Identity, properties: Properties
) -> None:
    given = properties.get(f"{name}Attributes")
    if given:
        services.call(
            "elbv2", f"modify_{words}_attributes", {f"{name}Arn": identity.id, "Attributes": given}
        )


def topic_policy_arguments(_identity: Identity, properties: Properties) -> Arguments:
    """A topic's policy is one of its attributes."""
    return {"AttributeName": "Policy", "AttributeValue": json.dumps(properties["PolicyDocument"])}


def _tags(properties: Properties) -> list[Any]:
    return list(properties.get("Tags", ()))


def set_bucket(services: MotoServices, identity: Identity, properties: Properties) -> None:
    """Set the versioning, public access block, encryption and tags of a bucket."""
    name = {"Bucket": identity.id}
    calls: Iterable[tuple[str, str, str]] = (
        ("put_bucket_versioning", "VersioningConfiguration", "VersioningConfiguration"),
        (
            "put_public_access_block",
            "PublicAccessBlockConfiguration",
            "PublicAccessBlockConfiguration",
        ),
    )
    for operation, argument, key in calls:
        if key in properties:
            services.call("s3", operation, {**name, argument: properties[key]})
    if "BucketEncryption" in properties:
        rules = [
            {"ApplyServerSideEncryptionByDefault": rule.get("ServerSideEncryptionByDefault", {})}
            for rule in properties["BucketEncryption"].get("ServerSideEncryptionConfiguration", ())
        ]
        configuration = {"ServerSideEncryptionConfiguration": {"Rules": rules}}
        services.call("s3", "put_bucket_encryption", {**name, **configuration})
    verb = "put_bucket_tagging" if _tags(properties) else "delete_bucket_tagging"
    services.call("s3", verb, {**name, "Tagging": {"TagSet": _tags(properties)}})


def bucket_arguments(identity: Identity, _properties: Properties) -> Arguments:
    """A bucket names its Region everywhere but in us-east-1."""
    region = identity.attributes["RegionalDomainName"].split(".s3.")[1].split(".")[0]
    return (
        {}
        if region == "us-east-1"
        else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    )


def secret_arguments(_identity: Identity, properties: Properties) -> Arguments:
    """The given value, or a generated one of the given length; ``{}`` where neither is given."""
    generate = properties.get("GenerateSecretString")
    if generate is None:
        return {"SecretString": properties.get("SecretString", "{}")}
    from secrets import choice

    alphabet = "abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
    value = "".join(
        choice(alphabet) for _ in range(int(template_to_text(generate.get("PasswordLength", 32))))
    )
    if "GenerateStringKey" not in generate:
        return {"SecretString": value}
    body = json.loads(generate.get("SecretStringTemplate", "{}"))
    return {"SecretString": json.dumps({**body, generate["GenerateStringKey"]: value})}


def table_arguments(_identity: Identity, properties: Properties) -> Arguments:
    """A table's stream is on where the template describes it."""
    stream = properties.get("StreamSpecification")
    return {"StreamSpecification": {"StreamEnabled": True, **stream}} if stream else {}


def update_table(services: MotoServices, identity: Identity, properties: Properties) -> None:
    """Set the capacity of a table; moto refuses values that a table has already."""
    given = {name: properties[name] for name in _CAPACITY if name in properties}
    if given:
        with suppress(Refused):
            services.call("dynamodb", "update_table", {"TableName": identity.id, **given})


_CAPACITY = ("BillingMode", "ProvisionedThroughput", "DeletionProtectionEnabled")
_QUEUE_ATTRIBUTES = frozenset(
    (
        "ContentBasedDeduplication",
        "DeduplicationScope",
        "DelaySeconds",
        "FifoQueue",
        "FifoThroughputLimit",
        "KmsDataKeyReusePeriodSeconds",
        "KmsMasterKeyId",
        "MaximumMessageSize",
        "MessageRetentionPeriod",
        "ReceiveMessageWaitTimeSeconds",
        "RedriveAllowPolicy",
        "RedrivePolicy",
        "SqsManagedSseEnabled",
        "VisibilityTimeout",
    )
)
"""Properties of a queue that the service calls attributes. Source:
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html
"""


def queue_arguments(_identity: Identity, properties: Properties) -> Arguments:
    """A queue's properties are its attributes, as text."""
    attributes = {
        name: json.dumps(value) if isinstance(value, dict) else template_to_text(value)
        for name, value in properties.items()
        if name in _QUEUE_ATTRIBUTES
    }
    return {"Attributes": attributes}
