"""The names that templates give to resources, and that only one resource can have.

A resource with such a name cannot be replaced while the name stays, and no other resource can be
created under it. Source:
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-name.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from .declarations import template_to_text
from .schema import ResourceType
from .values import Unknown, plain_data

_GENERATED: Mapping[str, tuple[str, ...]] = {
    "AWS::AccessAnalyzer::Analyzer": ("AnalyzerName",),
    "AWS::AmazonMQ::Broker": ("BrokerName",),
    "AWS::AppRunner::Service": ("ServiceName",),
    "AWS::Batch::ComputeEnvironment": ("ComputeEnvironmentName",),
    "AWS::Batch::JobQueue": ("JobQueueName",),
    "AWS::CloudFront::Function": ("Name",),
    "AWS::CodeBuild::Project": ("Name",),
    "AWS::DAX::Cluster": ("ClusterName",),
    "AWS::EC2::LaunchTemplate": ("LaunchTemplateName",),
    "AWS::EC2::SecurityGroup": ("GroupName", "VpcId"),
    "AWS::ECS::Service": ("ServiceName", "Cluster"),
    "AWS::EKS::Nodegroup": ("NodegroupName", "ClusterName"),
    "AWS::ElasticLoadBalancingV2::LoadBalancer": ("Name",),
    "AWS::ElasticLoadBalancingV2::TargetGroup": ("Name",),
    "AWS::Elasticsearch::Domain": ("DomainName",),
    "AWS::Events::Rule": ("Name", "EventBusName"),
    "AWS::IAM::ManagedPolicy": ("ManagedPolicyName",),
    "AWS::Lambda::Alias": ("Name", "FunctionName"),
    "AWS::NeptuneGraph::Graph": ("GraphName",),
    "AWS::OpenSearchServerless::Collection": ("Name",),
    "AWS::S3Tables::TableBucket": ("TableBucketName",),
    "AWS::SNS::Topic": ("TopicName",),
    "AWS::SQS::Queue": ("QueueName",),
    "AWS::SageMaker::Endpoint": ("EndpointName",),
    "AWS::SageMaker::EndpointConfig": ("EndpointConfigName",),
    "AWS::SageMaker::Model": ("ModelName",),
    "AWS::SecretsManager::Secret": ("Name",),
    "AWS::ServiceDiscovery::Service": ("Name", "NamespaceId"),
    "AWS::StepFunctions::Activity": ("Name",),
    "AWS::StepFunctions::StateMachine": ("StateMachineName",),
    "AWS::WAFv2::IPSet": ("Name", "Scope"),
    "AWS::WAFv2::RegexPatternSet": ("Name", "Scope"),
    "AWS::WAFv2::RuleGroup": ("Name", "Scope"),
    "AWS::WAFv2::WebACL": ("Name", "Scope"),
}
"""Types that AWS identifies by a generated ID or ARN, and whose names are unique nevertheless ->
the property that names the resource, and those within which the name is unique. Source: the
``Name`` of each type's Create call in the service's API reference, which refuses one that exists.
Names of other types may repeat (``AWS::ApiGateway::RestApi``, ``AWS::Cognito::UserPool``)."""
_SHARED = {
    "AWS::DynamoDB::GlobalTable": "AWS::DynamoDB::Table",
    "AWS::Elasticsearch::Domain": "AWS::OpenSearchService::Domain",
}
"""Types whose names are also names of another type."""


class CustomName(Struct, frozen=True):
    """A name that only one resource can have.

    ``space`` is the type among whose resources it is unique; ``values`` are the name and the places
    within which it is unique; ``naming`` is the property that gives it.
    """

    space: str
    values: tuple[str, ...]
    naming: str = ""

    def __str__(self) -> str:
        return self.values[0]

    @property
    def key(self) -> tuple[str, tuple[str, ...]]:
        """Equal for two resources that cannot exist side by side."""
        return self.space, self.values


def naming_properties(known: ResourceType) -> tuple[str, ...]:
    """Return the properties that name a resource of a type, the name itself first; none where AWS
    names it.

    They are the primary identifier of the type, unless AWS generates a part of that.
    """
    if known.name in _GENERATED:
        return _GENERATED[known.name]
    identifier = [path[0] for path in known.primary_identifier if len(path) == 1]
    generated = {path[0] for path in known.read_only if len(path) == 1}
    if len(identifier) != len(known.primary_identifier) or generated & set(identifier):
        return ()
    return tuple(sorted(map(str, identifier), key=lambda name: not name.endswith("Name")))


def is_importable_by_name(known: ResourceType) -> bool:
    """Return whether CloudFormation finds an existing resource of a type by its name in the
    template (ImportExistingResources): its primary identifier is not generated.

    Source:
    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/import-resources-automatically.html
    """
    return bool(naming_properties(known)) and known.name not in _GENERATED


def custom_name(
    known: ResourceType | None, properties: Mapping[str, Any], physical_id: str = ""
) -> CustomName | None:
    """Return the name of a resource with these resolved properties; None where AWS generates it or
    it is not known yet.

    ``physical_id`` is that of an existing resource: where the type is identified by its name alone,
    it is the name although the template gives none.
    """
    names = naming_properties(known) if known else ()
    if known is None or not names:
        return None
    space = _SHARED.get(known.name, known.name)
    texts = [_text(plain_data(properties.get(name))) for name in names]
    values = tuple(text for text in texts if text is not None)
    if values == ("",) and known.name not in _GENERATED:
        values = (physical_id,)
    return CustomName(space, values, names[0]) if len(values) == len(names) and values[0] else None


def _text(value: Any) -> str | None:
    """Return a scalar as text, empty where it is absent; None where it is known only after
    apply."""
    if value is None:
        return ""
    if isinstance(value, Unknown):
        return None if value.fresh else value.text
    return None if isinstance(value, dict | list) else template_to_text(value)


def custom_name_refusal(name: CustomName) -> str:
    """Return CloudFormation's reason for not replacing a resource whose name stays.

    Source: https://repost.aws/knowledge-center/cloudformation-custom-name
    """
    return (
        "CloudFormation cannot update a stack when a custom-named resource requires replacing. "
        f"Rename {name} and update the stack again."
    )
