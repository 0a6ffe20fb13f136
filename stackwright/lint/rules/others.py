"""Load balancers, functions, security groups, IAM, state, and secrets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from ...cfn import STATEFUL
from ...config import FUNCTION_LIMIT, looks_secret
from ...core import Document
from .base import (
    Path,
    Properties,
    ResourceRule,
    Rule,
    RuleFinding,
    listed,
    mapping,
    number,
    properties,
    texts,
)

_REFERENCE = "https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/"
_WORLD = ("0.0.0.0/0", "::/0")


class NameLengths(ResourceRule):
    """Names that cfn-lint does not measure."""

    id = "SW320"
    title = "Name too long"
    reason = "The service refuses it when the resource is created."
    source = "https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateTargetGroup.html"
    limits: ClassVar[Mapping[str, tuple[str, int]]] = {
        "AWS::ElasticLoadBalancingV2::LoadBalancer": ("Name", 32),
        "AWS::ElasticLoadBalancingV2::TargetGroup": ("Name", 32),
        "AWS::Lambda::Function": ("FunctionName", 64),
        "AWS::IAM::Role": ("RoleName", 64),
        "AWS::Events::Rule": ("Name", 64),
    }
    types = tuple(limits)

    def check_resource(
        self, document: Document, at: Path, resource: Properties
    ) -> Iterator[RuleFinding]:
        """The literal name."""
        key, longest = self.limits[str(resource.get("Type"))]
        name = properties(resource).get(key)
        if isinstance(name, str) and len(name) > longest:
            message = f"{key} {name!r} has {len(name)} characters; {longest} are allowed"
            yield RuleFinding(document, (*at, "Properties", key), message, "shorten the prefix")


class TargetGroupTimes(ResourceRule):
    """A target group's timeout and interval."""

    id = "SW321"
    title = "Target group health check: timeout not below interval, or out of bounds"
    reason = "CreateTargetGroup refuses it."
    source = "https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateTargetGroup.html"
    types = ("AWS::ElasticLoadBalancingV2::TargetGroup",)
    bounds: ClassVar[Mapping[str, tuple[int, int]]] = {
        "HealthCheckIntervalSeconds": (5, 300),
        "HealthCheckTimeoutSeconds": (2, 120),
        "HealthyThresholdCount": (2, 10),
        "UnhealthyThresholdCount": (2, 10),
    }

    def check_resource(
        self, document: Document, at: Path, resource: Properties
    ) -> Iterator[RuleFinding]:
        """Each number, and the pair."""
        found = properties(resource)
        for name, (low, high) in self.bounds.items():
            value = number(found.get(name))
            if value is not None and not low <= value <= high:
                yield RuleFinding(
                    document,
                    (*at, "Properties", name),
                    f"{name} is {value:g}; allowed are {low} to {high}",
                )
        interval = number(found.get("HealthCheckIntervalSeconds"))
        timeout = number(found.get("HealthCheckTimeoutSeconds"))
        if interval is not None and timeout is not None and timeout >= interval:
            message = f"the timeout of {timeout:g} s must be below the interval of {interval:g} s"
            yield RuleFinding(document, (*at, "Properties", "HealthCheckTimeoutSeconds"), message)


class IdleTimeout(ResourceRule):
    """A load balancer's idle timeout."""

    id = "SW322"
    title = "Load balancer idle timeout out of bounds"
    reason = "ModifyLoadBalancerAttributes refuses it after the load balancer was made."
    source = "https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_LoadBalancerAttribute.html"
    types = ("AWS::ElasticLoadBalancingV2::LoadBalancer",)

    def check_resource(
        self, document: Document, at: Path, resource: Properties
    ) -> Iterator[RuleFinding]:
        """The attribute idle_timeout.timeout_seconds."""
        for index, each in enumerate(listed(properties(resource).get("LoadBalancerAttributes"))):
            value = number(mapping(each).get("Value"))
            is_timeout = mapping(each).get("Key") == "idle_timeout.timeout_seconds"
            if is_timeout and value is not None and not 1 <= value <= 4000:
                where = (*at, "Properties", "LoadBalancerAttributes", index)
                yield RuleFinding(
                    document, where, f"the idle timeout is {value:g} s; allowed are 1 to 4000"
                )


class FunctionEnvironment(ResourceRule):
    """Environment variables of a function."""

    id = "SW313"
    title = "Function environment: reserved name or more than 4 KB"
    reason = "CreateFunction refuses it."
    source = "https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html"
    types = ("AWS::Lambda::Function",)
    reserved = frozenset(
        [
            "_HANDLER",
            "_X_AMZN_TRACE_ID",
            "AWS_DEFAULT_REGION",
            "AWS_REGION",
            "AWS_EXECUTION_ENV",
            "AWS_LAMBDA_FUNCTION_NAME",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
            "AWS_LAMBDA_FUNCTION_VERSION",
            "AWS_LAMBDA_INITIALIZATION_TYPE",
            "AWS_LAMBDA_LOG_GROUP_NAME",
            "AWS_LAMBDA_LOG_STREAM_NAME",
            "AWS_ACCESS_KEY",
            "AWS_ACCESS_KEY_ID",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_SESSION_TOKEN",
            "AWS_LAMBDA_RUNTIME_API",
            "LAMBDA_TASK_ROOT",
            "LAMBDA_RUNTIME_DIR",
        ]
    )

    def check_resource(
        self, document: Document, at: Path, resource: Properties
    ) -> Iterator[RuleFinding]:
        """Names and size."""
        variables = mapping(mapping(properties(resource).get("Environment")).get("Variables"))
        where = (*at, "Properties", "Environment", "Variables")
        for name in variables:
            if name in self.reserved:
                yield RuleFinding(
                    document, (*where, name), f"{name} is reserved by Lambda, which sets it itself"
                )
        size = sum(
            len(str(k).encode()) + len(v.encode())
            for k, v in variables.items()
            if isinstance(v, str)
        )
        if size > FUNCTION_LIMIT:
            yield RuleFinding(
                document,
                where,
                f"the variables take {size:,} bytes; Lambda allows {FUNCTION_LIMIT:,}",
            )


class ScalingBounds(ResourceRule):
    """Minimum and maximum of a scalable target."""

    id = "SW323"
    title = "Scalable target with a minimum above its maximum"
    reason = "RegisterScalableTarget refuses it."
    source = "https://docs.aws.amazon.com/autoscaling/application/APIReference/API_RegisterScalableTarget.html"
    types = ("AWS::ApplicationAutoScaling::ScalableTarget",)

    def check_resource(
        self, document: Document, at: Path, resource: Properties
    ) -> Iterator[RuleFinding]:
        """The pair."""
        low = number(properties(resource).get("MinCapacity"))
        high = number(properties(resource).get("MaxCapacity"))
        if low is not None and high is not None and low > high:
            message = f"MinCapacity {low:g} is above MaxCapacity {high:g}"
            yield RuleFinding(document, (*at, "Properties", "MinCapacity"), message)


class OpenToTheWorld(ResourceRule):
    """Ingress from anywhere."""

    id = "SW330"
    title = "Security group open to the world"
    reason = "Only a load balancer's ports 80 and 443 are meant to be reached from anywhere."
    source = "https://docs.aws.amazon.com/vpc/latest/userguide/security-group-rules.html"
    types = ("AWS::EC2::SecurityGroup", "AWS::EC2::SecurityGroupIngress")

    def check_resource(
        self, document: Document, at: Path, resource: Properties
    ) -> Iterator[RuleFinding]:
        """Inline and standalone ingress rules."""
        found = properties(resource)
        if resource.get("Type") == "AWS::EC2::SecurityGroupIngress":
            yield from self._rule(document, (*at, "Properties"), found)
            return
        for index, each in enumerate(listed(found.get("SecurityGroupIngress"))):
            yield from self._rule(
                document, (*at, "Properties", "SecurityGroupIngress", index), mapping(each)
            )

    @staticmethod
    def _rule(document: Document, at: Path, rule: Properties) -> Iterator[RuleFinding]:
        world = [rule.get(key) for key in ("CidrIp", "CidrIpv6") if rule.get(key) in _WORLD]
        ports = (number(rule.get("FromPort")), number(rule.get("ToPort")))
        if world and not (
            ports[0] == ports[1]
            and ports[0] in (80, 443)
            and rule.get("IpProtocol") in ("tcp", "6", 6)
        ):
            shown = _ports(*ports)
            hint = "name a source security group or CIDR, or waive the rule with the reason"
            yield RuleFinding(document, at, f"{shown} can be reached from {world[0]}", hint)


def _ports(first: float | None, last: float | None) -> str:
    if first is None:
        return "all ports"
    return f"port {first:g}" if last is None or first == last else f"ports {first:g} to {last:g}"


class BroadPolicy(ResourceRule):
    """Wildcards in IAM policies."""

    id = "SW340"
    title = "IAM statement with * as action or resource"
    reason = (
        "Least privilege: name the resources; where an action supports none, say so in a waiver."
    )
    source = "https://docs.aws.amazon.com/IAM/latest/UserGuide/best-practices.html"
    types = ("AWS::IAM::Role", "AWS::IAM::Policy", "AWS::IAM::ManagedPolicy")

    def check_resource(
        self, document: Document, at: Path, resource: Properties
    ) -> Iterator[RuleFinding]:
        """Every allowing statement of every policy."""
        found = properties(resource)
        documents: list[tuple[Path, Any]] = [(("PolicyDocument",), found.get("PolicyDocument"))]
        for index, policy in enumerate(listed(found.get("Policies"))):
            documents.append(
                (("Policies", index, "PolicyDocument"), mapping(policy).get("PolicyDocument"))
            )
        for path, policy in documents:
            for index, each in enumerate(listed(mapping(policy).get("Statement"))):
                where = (*at, "Properties", *path, "Statement", index)
                yield from self._statement(document, where, mapping(each))

    @staticmethod
    def _statement(document: Document, at: Path, statement: Properties) -> Iterator[RuleFinding]:
        if statement.get("Effect") != "Allow":
            return
        for kind in ("Action", "Resource", "NotAction", "NotResource"):
            broad = [
                v
                for v in listed(statement.get(kind))
                if v == "*" or (kind == "Action" and str(v).endswith(":*"))
            ]
            if broad or (kind.startswith("Not") and kind in statement):
                what = f"{kind} {broad[0]}" if broad else kind
                actions = ", ".join(str(a) for a in listed(statement.get("Action")))
                hint = "name the resources, or waive the rule with the reason"
                yield RuleFinding(
                    document, (*at, kind), f"{what} is allowed for {actions or 'everything'}", hint
                )


class StatefulPolicies(ResourceRule):
    """Resources that hold data say what becomes of it."""

    id = "SW350"
    title = "Stateful resource without DeletionPolicy and UpdateReplacePolicy"
    reason = "By default a removed or replaced resource is deleted with its data."
    source = f"{_REFERENCE}aws-attribute-updatereplacepolicy.html"
    types = tuple(sorted(STATEFUL))

    def check_resource(
        self, document: Document, at: Path, resource: Properties
    ) -> Iterator[RuleFinding]:
        """Both attributes."""
        missing = [
            name for name in ("DeletionPolicy", "UpdateReplacePolicy") if name not in resource
        ]
        if missing:
            message = f"{at[1]} holds data and does not state {' and '.join(missing)}"
            yield RuleFinding(document, at, message, "state Retain, Snapshot or Delete for both")


class LogRetention(ResourceRule):
    """Log groups that keep logs for ever."""

    id = "SW351"
    title = "Log group without retention"
    reason = "Logs are kept, and paid for, for ever."
    source = f"{_REFERENCE}aws-resource-logs-loggroup.html"
    types = ("AWS::Logs::LogGroup",)

    def check_resource(
        self, document: Document, at: Path, resource: Properties
    ) -> Iterator[RuleFinding]:
        """RetentionInDays."""
        if "RetentionInDays" not in properties(resource):
            yield RuleFinding(
                document, (*at, "Properties"), "RetentionInDays is not set: logs are kept for ever"
            )


class SecretValue(Rule):
    """Credentials in the output."""

    id = "SW360"
    title = "Something that looks like a secret in a template"
    reason = "Templates are committed, reviewed, stored in S3 and shown in the console."
    source = "https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/security-best-practices.html"

    def check_document(self, document: Document) -> Iterator[RuleFinding]:
        """Every text of the template; the value is never shown."""
        for path, text in texts(document.body):
            kind = looks_secret(text)
            if kind:
                hint = "move it to keys.env and take it from Secrets Manager by name"
                yield RuleFinding(document, path, f"a value that looks like {kind}", hint)


class SecretDefault(Rule):
    """Parameters that hide their value must not have it in the template."""

    id = "SW361"
    title = "NoEcho parameter with a default"
    reason = "The default stands in the template, which NoEcho does not hide."
    source = f"{_REFERENCE}parameters-section-structure.html"

    def check_document(self, document: Document) -> Iterator[RuleFinding]:
        """Each Parameter with NoEcho."""
        for name, body in mapping(document.body.get("Parameters")).items():
            if str(mapping(body).get("NoEcho")).lower() == "true" and mapping(body).get("Default"):
                yield RuleFinding(
                    document, ("Parameters", name, "Default"), f"{name} is NoEcho and has a Default"
                )


RULES = (
    NameLengths,
    TargetGroupTimes,
    IdleTimeout,
    FunctionEnvironment,
    ScalingBounds,
    OpenToTheWorld,
    BroadPolicy,
    StatefulPolicies,
    LogRetention,
    SecretValue,
    SecretDefault,
)
