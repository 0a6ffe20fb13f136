"""What one call of a service does not do when a resource is mirrored in moto: further calls, and
arguments that differ from the properties by more than the case of their names."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterable
from typing import Any

from ..world.identity import Identity
from .moto_services import Arguments, Found, MotoServices

# --- security groups
# ----------------------------------------------------------------------------------------------

_EVERYTHING_OUT = {"IpProtocol": "-1", "CidrIp": "0.0.0.0/0"}
"""The rule that EC2 gives a new group, and CloudFormation removes where the template has egress
rules."""


def permission(rule: Found, peer: str) -> Arguments:
    """One rule as EC2's ``IpPermission``; ``peer`` is ``Source`` or ``Destination``."""
    described = {"Description": rule["Description"]} if "Description" in rule else {}
    found: Arguments = {
        key: rule[key] for key in ("IpProtocol", "FromPort", "ToPort") if key in rule
    }
    if "CidrIp" in rule:
        found["IpRanges"] = [{"CidrIp": rule["CidrIp"], **described}]
    if "CidrIpv6" in rule:
        found["Ipv6Ranges"] = [{"CidrIpv6": rule["CidrIpv6"], **described}]
    if f"{peer}SecurityGroupId" in rule:
        found["UserIdGroupPairs"] = [{"GroupId": rule[f"{peer}SecurityGroupId"], **described}]
    lists = rule.get(f"{peer}PrefixListId")
    return {**found, **({"PrefixListIds": [{"PrefixListId": lists, **described}]} if lists else {})}


def rule_arguments(peer: str) -> Any:
    """The arguments that authorize the one rule of an ingress or egress resource."""
    return lambda _identity, properties: {"IpPermissions": [permission(properties, peer)]}


def rule_key(identity: Identity, properties: Found) -> Arguments:
    """What names a rule of its own."""
    return {"GroupId": properties["GroupId"], "SecurityGroupRuleIds": [identity.id]}


def inline_rules(services: MotoServices, identity: Identity, properties: Found) -> None:
    """Bring a group's inline rules to what the template says; rules of other resources stay.

    Which rules are inline is remembered beside the client: EC2 knows no difference.
    """
    for kind, peer in (("ingress", "Source"), ("egress", "Destination")):
        wanted = [
            permission(rule, peer) for rule in properties.get(f"SecurityGroup{kind.title()}", ())
        ]
        if kind == "egress" and not wanted:
            wanted = [permission(_EVERYTHING_OUT, peer)]
        first = [permission(_EVERYTHING_OUT, peer)] if kind == "egress" else []
        old = services.inline.get((identity.id, kind), first)
        group = {"GroupId": identity.id}
        for gone in (each for each in old if each not in wanted):
            services.call(
                "ec2", f"revoke_security_group_{kind}", {**group, "IpPermissions": [gone]}
            )
        for new in (each for each in wanted if each not in old):
            services.call(
                "ec2", f"authorize_security_group_{kind}", {**group, "IpPermissions": [new]}
            )
        services.inline[identity.id, kind] = wanted


# --- Cloud Map
# ----------------------------------------------------------------------------------------------------


def namespace(services: MotoServices, answer: Found) -> Found:
    """The namespace that an operation made: Cloud Map answers with the operation only."""
    operation = services.call(
        "servicediscovery", "get_operation", {"OperationId": answer.get("OperationId")}
    )
    made = operation.get("Operation", {}).get("Targets", {}).get("NAMESPACE")
    return services.call("servicediscovery", "get_namespace", {"Id": made}) if made else {}


# --- Lambda
# -------------------------------------------------------------------------------------------------------


def function_arguments(_identity: Identity, properties: Found) -> Arguments:
    """Tags as a map, and inline code as a zip."""
    tags = {tag["Key"]: tag["Value"] for tag in properties.get("Tags", ())}
    return {"Tags": tags, "Code": _code(properties)}


def _code(properties: Found) -> Arguments:
    code = dict(properties.get("Code", {}))
    if "ZipFile" in code:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr(zipfile.ZipInfo("index.py"), code["ZipFile"])
        code["ZipFile"] = buffer.getvalue()
    return code


def function_code(services: MotoServices, identity: Identity, properties: Found) -> None:
    """Configuration and code of a function change by calls of their own."""
    services.call(
        "lambda", "update_function_code", {"FunctionName": identity.id, **_code(properties)}
    )


def concurrency(services: MotoServices, identity: Identity, properties: Found) -> None:
    """Reserved concurrent executions."""
    name = {"FunctionName": identity.id}
    if "ReservedConcurrentExecutions" in properties:
        services.call("lambda", "put_function_concurrency", {**name, **properties})


def permission_key(identity: Identity, properties: Found) -> Arguments:
    """What names a permission: its statement id is the second part of the physical id."""
    return {
        "FunctionName": properties["FunctionName"],
        "StatementId": identity.id.rpartition("|")[2],
    }


# --- others
# -------------------------------------------------------------------------------------------------------


def scaling_policy(_identity: Identity, properties: Found) -> Arguments:
    """The target's three names, which the properties may hold as its one physical id."""
    if "ScalingTargetId" not in properties:
        return {}
    names = ("ResourceId", "ScalableDimension", "ServiceNamespace")
    return dict(zip(names, properties["ScalingTargetId"].split("|"), strict=True))


def targets(services: MotoServices, identity: Identity, properties: Found) -> None:
    """The targets of an EventBridge rule; those that left the template go."""
    wanted = list(properties.get("Targets", ()))
    remove_targets(services, identity, {each["Id"] for each in wanted})
    if wanted:
        services.call(
            "events", "put_targets", {"Rule": identity.id.rpartition("|")[2], "Targets": wanted}
        )


def remove_targets(services: MotoServices, identity: Identity, kept: Iterable[str]) -> None:
    """Targets but for those that are kept; a rule with targets cannot be deleted."""
    rule = {"Rule": identity.id.rpartition("|")[2]}
    present = [
        each["Id"]
        for each in services.call("events", "list_targets_by_rule", rule).get("Targets", ())
    ]
    gone = [each for each in present if each not in set(kept)]
    if gone:
        services.call("events", "remove_targets", {**rule, "Ids": gone})


def policies(services: MotoServices, identity: Identity, properties: Found) -> None:
    """The policies of a role, inline and attached; those that left the template go."""
    role, inline = {"RoleName": identity.id}, list(properties.get("Policies", ()))
    attached = list(properties.get("ManagedPolicyArns", ()))
    _strip(services, role, {each["PolicyName"] for each in inline}, set(attached))
    for policy in inline:
        services.call("iam", "put_role_policy", {**role, **policy})
    for arn in attached:
        services.call("iam", "attach_role_policy", {**role, "PolicyArn": arn})


def role_itself(services: MotoServices, identity: Identity, properties: Found) -> None:
    """A role's description, duration and tags."""
    role = {"RoleName": identity.id}
    services.call("iam", "update_role", {"Description": "", **properties, **role})
    held = services.call("iam", "list_role_tags", role).get("Tags", ())
    _retag(services, "iam", ("tag_role", "untag_role"), role, held, properties)


def strip_role(services: MotoServices, identity: Identity, _properties: Found) -> None:
    """A role with policies cannot be deleted."""
    _strip(services, {"RoleName": identity.id}, set(), set())


def _strip(services: MotoServices, role: Arguments, inline: set[str], attached: set[str]) -> None:
    """Policies but for those that are kept."""
    for name in services.call("iam", "list_role_policies", role).get("PolicyNames", ()):
        if name not in inline:
            services.call("iam", "delete_role_policy", {**role, "PolicyName": name})
    for policy in services.call("iam", "list_attached_role_policies", role).get(
        "AttachedPolicies", ()
    ):
        if policy["PolicyArn"] not in attached:
            services.call("iam", "detach_role_policy", {**role, "PolicyArn": policy["PolicyArn"]})


def _retag(
    services: MotoServices,
    service: str,
    verbs: tuple[str, str],
    key: Arguments,
    held: Iterable[Found],
    properties: Found,
) -> None:
    """Bring tags to what the template says."""
    wanted = list(properties.get("Tags", ()))
    gone = sorted({each["Key"] for each in held} - {each["Key"] for each in wanted})
    if gone:
        services.call(service, verbs[1], {**key, "TagKeys": gone})
    if wanted:
        services.call(service, verbs[0], {**key, "Tags": wanted})


def _secret_value(services: MotoServices, identity: Identity, properties: Found) -> Arguments:
    """A given value that is another than the secret has; a generated one stays."""
    given = properties.get("SecretString")
    held = services.call("secretsmanager", "get_secret_value", {"SecretId": identity.id}).get(
        "SecretString"
    )
    return {} if given in (None, held) else {"SecretString": given}


def secret_itself(services: MotoServices, identity: Identity, properties: Found) -> None:
    """A secret's value where it is given, its description, key and tags."""
    key, without_value = (
        {"SecretId": identity.id},
        {k: v for k, v in properties.items() if k != "SecretString"},
    )
    value = _secret_value(services, identity, properties)
    services.call("secretsmanager", "update_secret", {**without_value, **value, **key})
    held = services.call("secretsmanager", "describe_secret", key).get("Tags", ())
    _retag(services, "secretsmanager", ("tag_resource", "untag_resource"), key, held, properties)


def repository(services: MotoServices, identity: Identity, properties: Found) -> None:
    """Whether a repository's tags may move, and whether it scans."""
    name = {"repositoryName": identity.id}
    services.call(
        "ecr", "put_image_tag_mutability", {"ImageTagMutability": "MUTABLE", **properties, **name}
    )
    scanning = {"ImageScanningConfiguration": {"ScanOnPush": False}}
    services.call("ecr", "put_image_scanning_configuration", {**scanning, **properties, **name})


def public_addresses(services: MotoServices, identity: Identity, properties: Found) -> None:
    """Whether what starts in a subnet gets a public address."""
    given = properties.get("MapPublicIpOnLaunch", False)
    arguments = {"SubnetId": identity.id, "MapPublicIpOnLaunch": {"Value": given}}
    services.call("ec2", "modify_subnet_attribute", arguments)


def retention(services: MotoServices, identity: Identity, properties: Found) -> None:
    """How long a log group keeps events, for ever where the template does not say."""
    verb = "put" if "RetentionInDays" in properties else "delete"
    services.call("logs", f"{verb}_retention_policy", {"LogGroupName": identity.id, **properties})


def balancer_network(services: MotoServices, identity: Identity, properties: Found) -> None:
    """A load balancer's security groups and subnets."""
    for verb, name in (("set_security_groups", "SecurityGroups"), ("set_subnets", "Subnets")):
        if name in properties:
            services.call("elbv2", verb, {"LoadBalancerArn": identity.id, name: properties[name]})


def balancer_attributes(services: MotoServices, identity: Identity, properties: Found) -> None:
    """Attributes of a load balancer."""
    _attributes(services, "load_balancer", "LoadBalancer", identity, properties)


def target_group_attributes(services: MotoServices, identity: Identity, properties: Found) -> None:
    """Attributes of a target group."""
    _attributes(services, "target_group", "TargetGroup", identity, properties)


def _attributes(
    services: MotoServices, words: str, name: str, identity: Identity, properties: Found
) -> None:
    given = properties.get(f"{name}Attributes")
    if given:
        services.call(
            "elbv2", f"modify_{words}_attributes", {f"{name}Arn": identity.id, "Attributes": given}
        )


def topic_policy(_identity: Identity, properties: Found) -> Arguments:
    """A topic's policy is one of its attributes."""
    return {"AttributeName": "Policy", "AttributeValue": json.dumps(properties["PolicyDocument"])}
