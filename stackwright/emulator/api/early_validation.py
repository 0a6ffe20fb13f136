"""CloudFormation's early validation: property syntax and name conflicts, when a change set is
created.

docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/validate-stack-deployments.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from msgspec.structs import replace

from ...cfn import (
    STACK_TYPE,
    Action,
    Prediction,
    ResourceChange,
    custom_name,
    find_unknowns,
    is_importable_by_name,
    plain_data,
)
from ..operation.imports import find_adoptable
from ..operation.world import EmulatedWorld
from ..world.provider import ProviderRequest
from ..world.state import EarlyFinding, StackDefinition, StackState

_NOT_VALIDATED = frozenset(
    (
        STACK_TYPE,
        "AWS::ApplicationAutoScaling::ScalableTarget",
        "AWS::EC2::SecurityGroup",
        "AWS::EC2::SecurityGroupEgress",
        "AWS::EC2::SecurityGroupIngress",
        "AWS::ECR::Repository",
        "AWS::ECS::Cluster",
        "AWS::ECS::Service",
        "AWS::ECS::TaskDefinition",
        "AWS::EFS::AccessPoint",
        "AWS::EFS::FileSystem",
        "AWS::ElastiCache::ReplicationGroup",
        "AWS::ElasticLoadBalancingV2::Listener",
        "AWS::IAM::Policy",
        "AWS::IAM::Role",
        "AWS::KMS::Key",
        "AWS::Lambda::EventInvokeConfig",
        "AWS::Logs::LogGroup",
        "AWS::S3::BucketPolicy",
        "AWS::ServiceDiscovery::PrivateDnsNamespace",
        "AWS::ServiceDiscovery::Service",
        "AWS::SNS::Subscription",
        "AWS::SNS::Topic",
        "AWS::SNS::TopicPolicy",
    )
)
"""Types that early validation leaves out, of those on the page above."""
PROPERTIES = "PROPERTY_VALIDATION"
NAMES = "NAME_CONFLICT_VALIDATION"
_HOOKS = {
    PROPERTIES: "AWS::EarlyValidation::PropertyValidation",
    NAMES: "AWS::EarlyValidation::ResourceExistenceCheck",
}
"""Names of the validations in events, and in the reason of a failed change set."""


def validate_early(
    world: EmulatedWorld, stack: StackState, definition: StackDefinition, prediction: Prediction
) -> Iterator[EarlyFinding]:
    """The findings about the resources that a change set adds or modifies in one stack."""
    for change in prediction.changes:
        if change.real and change.action is not Action.REMOVE and change.type not in _NOT_VALIDATED:
            yield from _validate_properties(world, change)
            if change.action is Action.ADD:
                yield from _validate_name(world, stack, definition, change)


def failure_reason(findings: Iterable[EarlyFinding]) -> str:
    """The reason of a change set that early validation fails."""
    hooks = ", ".join(dict.fromkeys(_HOOKS[finding.name] for finding in findings))
    return (
        f"The following hook(s)/validation failed: [{hooks}]. To troubleshoot Early Validation "
        "errors, use the DescribeEvents API for detailed failure information."
    )


def _validate_properties(world: EmulatedWorld, change: ResourceChange) -> Iterator[EarlyFinding]:
    known, properties = world.schemas.get(change.type), _properties(change)
    if known is None or any(find_unknowns(properties)):
        return
    for problem in known.problems(properties):
        pointer = problem.partition(":")[0].removeprefix("#")
        path = f"/Resources/{change.logical_id}/Properties{pointer}"
        yield EarlyFinding(PROPERTIES, change.logical_id, change.type, problem, path)


def _validate_name(
    world: EmulatedWorld, stack: StackState, definition: StackDefinition, change: ResourceChange
) -> Iterator[EarlyFinding]:
    known, properties = world.schemas.get(change.type), _properties(change)
    name = custom_name(known, properties)
    if known is None or name is None or not is_importable_by_name(known):
        return
    pseudo = replace(world.pseudo, stack_name=stack.name, stack_id=stack.id)
    resource = definition.template.resources[change.logical_id]
    request = ProviderRequest(known, change.logical_id, properties, pseudo)
    identity = world.backend.provider.find(request)
    if identity is None or find_adoptable(world, definition, resource, properties, pseudo):
        return
    reason = f"Resource of type '{change.type}' with identifier '{identity.id}' already exists."
    path = f"/Resources/{change.logical_id}"
    yield EarlyFinding(NAMES, change.logical_id, change.type, reason, path)


def _properties(change: ResourceChange) -> dict[str, Any]:
    properties: dict[str, Any] = plain_data(change.after.get("Properties", {}))
    return properties
