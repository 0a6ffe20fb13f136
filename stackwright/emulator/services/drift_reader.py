"""The properties of resources as moto's services have them, compared with those of a template.

As in AWS, only properties that the template states are compared, and only where the service returns
them; it does not return write-only values, such as the text of a secret.
docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-stack-drift.html
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from ...cfn import template_to_text
from ..world.provider import Refused
from ..world.state import DriftedProperty, DriftedResource
from .moto_services import MotoServices, Properties

Extra = Callable[[MotoServices, str], Properties]


@dataclass(frozen=True)
class LiveReader:
    """The API call that reads a type.

    ``key`` makes its arguments from the physical id and the properties; ``answer`` is the dotted
    path of the resource in the answer. ``optional`` are properties that the service omits after
    somebody removed them; ``unset`` are properties that the emulator does not pass to the service.
    ``rest`` reads properties that need further calls.
    """

    service: str
    operation: str
    key: Callable[[str, Properties], dict[str, Any]]
    answer: str = ""
    optional: frozenset[str] = frozenset()
    rest: Extra | None = None
    unset: frozenset[str] = frozenset()


class MotoDriftReader:
    """Reads resources from moto's services."""

    def __init__(self, services: MotoServices) -> None:
        self._services = services

    def read(self, type_: str, physical_id: str, properties: Properties) -> Properties | None:
        """The properties of a resource in its service; None where it does not exist.

        Raises:
            KeyError: this type cannot be read.
        """
        reader = READERS[type_]
        try:
            answer: Any = self._services.call(
                reader.service, reader.operation, reader.key(physical_id, properties)
            )
        except Refused:
            return None
        for part in filter(None, reader.answer.split(".")):
            answer = (
                answer.get(part) if isinstance(answer, Mapping) else next(iter(answer or ()), None)
            )
        if answer is None or (isinstance(answer, Mapping) and answer.get("status") == "INACTIVE"):
            return None
        more = reader.rest(self._services, physical_id) if reader.rest else {}
        return {**answer, **more}

    def compare(
        self, logical_id: str, type_: str, physical_id: str, properties: Properties, now: float
    ) -> DriftedResource:
        """The drift of one resource.

        Raises:
            KeyError: this type cannot be read.
        """
        live = self.read(type_, physical_id, properties)
        if live is None:
            return DriftedResource(logical_id, "DELETED", now, properties, {})
        optional = READERS[type_].optional
        properties = {
            name: value for name, value in properties.items() if name not in READERS[type_].unset
        }
        actual = {
            name: _actual_value(value, name, live, optional) for name, value in properties.items()
        }
        actual = {name: value for name, value in actual.items() if value is not None}
        differing = tuple(_differences("", properties, actual))
        return DriftedResource(
            logical_id, "MODIFIED" if differing else "IN_SYNC", now, properties, actual, differing
        )


def _actual_value(expected: Any, name: str, live: Properties, optional: frozenset[str]) -> Any:
    """The service's value of a property, in the property's shape; a value that the service does not
    return counts as expected."""
    names = {key.lower(): key for key in live}
    if name.lower() not in names:
        return None if name in optional else expected
    return _shape_like(expected, live[names[name.lower()]])


def _shape_like(expected: Any, actual: Any) -> Any:
    if isinstance(expected, Mapping) and isinstance(actual, str):
        try:
            return json.loads(unquote(actual))
        except ValueError:
            return actual
    if isinstance(expected, Mapping) and isinstance(actual, Mapping):
        return {
            name: _actual_value(value, name, actual, frozenset())
            for name, value in expected.items()
        }
    if isinstance(expected, list) and isinstance(actual, list):
        if expected and isinstance(expected[0], Mapping) and len(expected) == len(actual):
            return [
                _shape_like(want, have)
                for want, have in zip(_sort_tags(expected), _sort_tags(actual), strict=True)
            ]
        return actual
    return actual


def _sort_tags(items: list[Any]) -> list[Any]:
    """A list of tags by key, as services return tags in any order; other lists as they are."""
    if all(isinstance(item, Mapping) and {"Key", "Value"} == set(item) for item in items):
        return sorted(items, key=lambda item: str(item["Key"]))
    return items


def _differences(path: str, expected: Any, actual: Any) -> Iterator[DriftedProperty]:
    if isinstance(expected, Mapping) and isinstance(actual, Mapping):
        for name, value in expected.items():
            if name not in actual:
                yield DriftedProperty(f"{path}/{name}", _text(value), "null", "REMOVE")
            else:
                yield from _differences(f"{path}/{name}", value, actual[name])
        return
    if isinstance(expected, list) and isinstance(actual, list):
        yield from _in_lists(path, _sort_tags(expected), _sort_tags(actual))
        return
    if "{{resolve:" not in _text(expected) and _text(expected) != _text(actual):
        yield DriftedProperty(path, _text(expected), _text(actual), "NOT_EQUAL")


def _in_lists(path: str, expected: list[Any], actual: list[Any]) -> Iterator[DriftedProperty]:
    if not any(isinstance(item, Mapping | list) for item in [*expected, *actual]):
        expected, actual = sorted(expected, key=_text), sorted(actual, key=_text)
    for index, (want, have) in enumerate(zip(expected, actual, strict=False)):
        yield from _differences(f"{path}/{index}", want, have)
    for index, want in enumerate(expected[len(actual) :], len(actual)):
        yield DriftedProperty(f"{path}/{index}", _text(want), "null", "REMOVE")
    for index, have in enumerate(actual[len(expected) :], len(expected)):
        yield DriftedProperty(f"{path}/{index}", "null", _text(have), "ADD")


def _text(value: Any) -> str:
    return (
        json.dumps(value, sort_keys=True, default=str)
        if isinstance(value, dict | list)
        else template_to_text(value)
    )


def _ids(argument: str) -> Callable[[str, Properties], dict[str, Any]]:
    return lambda id_, _p: {argument: [id_]}


def _id(argument: str) -> Callable[[str, Properties], dict[str, Any]]:
    return lambda id_, _p: {argument: id_}


def _call_or_empty(
    services: MotoServices, service: str, operation: str, arguments: Properties
) -> Properties:
    try:
        return services.call(service, operation, arguments)
    except Refused:
        return {}


def _bucket(services: MotoServices, id_: str) -> Properties:
    name = {"Bucket": id_}
    versioning = _call_or_empty(services, "s3", "get_bucket_versioning", name)
    block = _call_or_empty(services, "s3", "get_public_access_block", name).get(
        "PublicAccessBlockConfiguration"
    )
    tags = _call_or_empty(services, "s3", "get_bucket_tagging", name).get("TagSet")
    properties = {
        "VersioningConfiguration": {"Status": versioning["Status"]}
        if "Status" in versioning
        else None,
        "PublicAccessBlockConfiguration": block,
        "Tags": tags,
        "BucketName": id_,
    }
    return {key: value for key, value in properties.items() if value is not None}


def _role(services: MotoServices, id_: str) -> Properties:
    name = {"RoleName": id_}
    names = services.call("iam", "list_role_policies", name).get("PolicyNames", ())
    inline = [
        services.call("iam", "get_role_policy", {**name, "PolicyName": policy}) for policy in names
    ]
    attached = services.call("iam", "list_attached_role_policies", name).get("AttachedPolicies", ())
    return {
        "Policies": [
            {key: policy[key] for key in ("PolicyName", "PolicyDocument")} for policy in inline
        ],
        "ManagedPolicyArns": [policy["PolicyArn"] for policy in attached],
    }


def _in_cluster(argument: str) -> Callable[[str, Properties], dict[str, Any]]:
    return lambda id_, p: {argument: [id_], "cluster": p.get("Cluster", "default")}


def _log_group(services: MotoServices, id_: str) -> Properties:
    answer = services.call("logs", "describe_log_groups", {"logGroupNamePrefix": id_})
    groups = answer.get("logGroups", ())
    return next((group for group in groups if group["logGroupName"] == id_), {})


_THROUGHPUT = frozenset({"ThroughputMode", "ProvisionedThroughputInMibps"})  # moto: not updated
_FUNCTION_PROPERTIES = frozenset(
    {"Architectures", "EphemeralStorage", "KmsKeyArn", "Layers", "SnapStart", "TracingConfig"}
)
"""Properties of functions that moto ignores in updates, or returns in another shape."""
_TABLE_PROPERTIES = frozenset(
    {"BillingMode", "PointInTimeRecoverySpecification", "SSESpecification", "StreamSpecification"}
    | {"GlobalSecondaryIndexes", "LocalSecondaryIndexes", "TimeToLiveSpecification", "Tags"}
)
"""Properties of tables that moto returns in another shape, or by other calls."""
_TAGS = frozenset({"Tags"})  # EC2 takes them in a shape of its own (TagSpecifications)


def _queue(services: MotoServices, id_: str) -> Properties:
    arguments = {"QueueUrl": id_, "AttributeNames": ["All"]}
    attributes = services.call("sqs", "get_queue_attributes", arguments).get("Attributes", {})
    return {"QueueName": id_.rpartition("/")[2], **attributes}


READERS: Mapping[str, LiveReader] = {
    "AWS::DynamoDB::Table": LiveReader(
        "dynamodb", "describe_table", _id("TableName"), "Table", unset=_TABLE_PROPERTIES
    ),
    "AWS::Kinesis::Stream": LiveReader(
        "kinesis",
        "describe_stream_summary",
        _id("StreamName"),
        "StreamDescriptionSummary",
        unset=frozenset({"ShardCount", "StreamModeDetails", "StreamEncryption", "Tags"}),
    ),
    "AWS::SQS::Queue": LiveReader(
        "sqs",
        "get_queue_url",
        lambda id_, _p: {"QueueName": id_.rpartition("/")[2]},
        rest=_queue,
        unset=_TAGS,
    ),
    "AWS::S3::Bucket": LiveReader(
        "s3",
        "head_bucket",
        _id("Bucket"),
        optional=frozenset({"VersioningConfiguration", "PublicAccessBlockConfiguration", "Tags"}),
        rest=_bucket,
    ),
    "AWS::S3::BucketPolicy": LiveReader(
        "s3", "get_bucket_policy", lambda _i, p: {"Bucket": p["Bucket"]}
    ),
    "AWS::ECR::Repository": LiveReader(
        "ecr", "describe_repositories", _ids("repositoryNames"), "repositories.0"
    ),
    "AWS::SecretsManager::Secret": LiveReader(
        "secretsmanager",
        "describe_secret",
        _id("SecretId"),
        optional=frozenset({"Description", "Tags"}),
    ),
    "AWS::IAM::Role": LiveReader("iam", "get_role", _id("RoleName"), "Role", rest=_role),
    "AWS::Logs::LogGroup": LiveReader(
        "logs",
        "describe_log_groups",
        _id("logGroupNamePrefix"),
        "logGroups.0",
        frozenset({"RetentionInDays"}),
        _log_group,
    ),
    "AWS::SSM::Parameter": LiveReader("ssm", "get_parameter", _id("Name"), "Parameter"),
    "AWS::SNS::Topic": LiveReader(
        "sns",
        "get_topic_attributes",
        _id("TopicArn"),
        "Attributes",
        unset=frozenset({"DisplayName", "KmsMasterKeyId"}),
    ),
    "AWS::ECS::Cluster": LiveReader("ecs", "describe_clusters", _ids("clusters"), "clusters.0"),
    "AWS::ECS::TaskDefinition": LiveReader(
        "ecs", "describe_task_definition", _id("taskDefinition"), "taskDefinition"
    ),
    "AWS::ECS::Service": LiveReader(
        "ecs", "describe_services", _in_cluster("services"), "services.0"
    ),
    "AWS::EC2::VPC": LiveReader("ec2", "describe_vpcs", _ids("VpcIds"), "Vpcs.0", unset=_TAGS),
    "AWS::EC2::Subnet": LiveReader(
        "ec2", "describe_subnets", _ids("SubnetIds"), "Subnets.0", unset=_TAGS
    ),
    "AWS::EC2::RouteTable": LiveReader(
        "ec2", "describe_route_tables", _ids("RouteTableIds"), "RouteTables.0", unset=_TAGS
    ),
    "AWS::EC2::SecurityGroup": LiveReader(
        "ec2", "describe_security_groups", _ids("GroupIds"), "SecurityGroups.0", unset=_TAGS
    ),
    "AWS::ElasticLoadBalancingV2::LoadBalancer": LiveReader(
        "elbv2", "describe_load_balancers", _ids("LoadBalancerArns"), "LoadBalancers.0"
    ),
    "AWS::ElasticLoadBalancingV2::TargetGroup": LiveReader(
        "elbv2", "describe_target_groups", _ids("TargetGroupArns"), "TargetGroups.0"
    ),
    "AWS::EFS::FileSystem": LiveReader(
        "efs", "describe_file_systems", _id("FileSystemId"), "FileSystems.0", unset=_THROUGHPUT
    ),
    "AWS::EFS::AccessPoint": LiveReader(
        "efs", "describe_access_points", _id("AccessPointId"), "AccessPoints.0"
    ),
    "AWS::Events::Rule": LiveReader(
        "events", "describe_rule", _id("Name"), optional=frozenset({"Description"})
    ),
    "AWS::CloudWatch::Alarm": LiveReader(
        "cloudwatch", "describe_alarms", _ids("AlarmNames"), "MetricAlarms.0"
    ),
    "AWS::Lambda::Function": LiveReader(
        "lambda", "get_function_configuration", _id("FunctionName"), unset=_FUNCTION_PROPERTIES
    ),
}
