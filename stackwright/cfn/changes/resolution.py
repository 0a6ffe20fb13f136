"""One side of a comparison with its values resolved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from ..declarations import Resource, ValidationError, is_custom, template_to_text
from ..difference import MISSING
from ..intrinsics import Resolver, parameter_values, resolve_stored
from ..schema import ResourceType, Schemas
from ..values import ChangeSource, Traced, Unknown, ValueReference, plain_data
from .model import ATTRIBUTES, ResolvedResource, StackSide

_REFERENCE_ATTRIBUTES = {
    "AWS::EC2::SecurityGroup": "GroupId",
    "AWS::EC2::Subnet": "SubnetId",
    "AWS::EC2::VPC": "VpcId",
    "AWS::ElasticLoadBalancingV2::Listener": "ListenerArn",
    "AWS::ElasticLoadBalancingV2::LoadBalancer": "LoadBalancerArn",
    "AWS::ElasticLoadBalancingV2::TargetGroup": "TargetGroupArn",
    "AWS::KMS::Key": "KeyId",
    "AWS::SNS::Topic": "TopicArn",
    "AWS::SQS::Queue": "QueueUrl",
}
"""Type -> the attribute whose value ``Ref`` returns, too: templates take the one for the other.
Source: "Return values" of the types' pages below
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/"""


class ResolvedStack:
    """One stack, resolved lazily. It is also the world of its own resolver: what exists in AWS
    already."""

    def __init__(self, stack: StackSide, schemas: Schemas) -> None:
        self.stack, self.schemas = stack, schemas
        self.parameters = parameter_values(stack.template, stack.parameters, lenient=stack.lenient)
        self.resolver = Resolver(
            stack.template,
            self.parameters,
            stack.pseudo,
            self,
            lenient=stack.lenient,
            assumed=stack.assumed,
        )
        self.active = {
            name
            for name, resource in stack.template.resources.items()
            if self.resolver.active(resource.condition, ("Resources", name, "Condition"))
        }
        self._attributes: dict[str, dict[str, Any]] = {}
        self._outputs: dict[str, Mapping[str, Traced]] = {}

    def resource(self, logical_id: str) -> Resource:
        return self.stack.template.resources[logical_id]

    def type(self, logical_id: str) -> ResourceType | None:
        return self.schemas.get(self.resource(logical_id).type)

    def resolved(self, logical_id: str) -> dict[str, Any]:
        """Attribute (``Properties``, ``Metadata`` …) -> resolved tree, absent attributes left
        out."""
        if logical_id not in self._attributes:
            resource, path = self.resource(logical_id), ("Resources", logical_id)
            given = zip(ATTRIBUTES, _attributes(resource), strict=True)
            resolved = {
                name: self.resolver.resolve(value, (*path, name))
                for name, value in given
                if value is not None
            }
            if not isinstance(resolved["Properties"], Mapping):  # an unresolved Fn::Transform
                (name,) = resource.properties
                resolved["Properties"] = {name: resolved["Properties"]}
            dynamic = self.stack.dynamic
            if dynamic is not None:
                resolved = resolve_stored(resolved, dynamic)
            self._attributes[logical_id] = resolved
        return self._attributes[logical_id]

    def resources(self) -> tuple[ResolvedResource, ...]:
        """All active resources with their values, sorted by logical ID."""
        return tuple(
            ResolvedResource(
                name, self.resource(name).type, self.reference(name), self.resolved(name)
            )
            for name in sorted(self.active)
        )

    def outputs(self) -> dict[str, Traced]:
        outputs = {}
        for name, output in self.stack.template.outputs.items():
            if self.resolver.active(output.condition, ("Outputs", name, "Condition")):
                value = self.resolver.resolve(output.value, ("Outputs", name, "Value"))
                outputs[name] = value if isinstance(value, Traced) else Traced(value)
        return outputs

    def _require(self, logical_id: str) -> None:
        if logical_id not in self.active:
            text = (
                f"Template format error: Unresolved resource dependencies [{logical_id}] in the "
                "Resources block"
            )
            raise ValidationError(f"{text} of the template", ("Resources", logical_id))

    def reference(self, logical_id: str) -> Traced:
        self._require(logical_id)
        known = self.stack.physical.get(logical_id)
        value: Any = known.id if known else Unknown(f"${{{logical_id}}}", (logical_id,))
        return Traced(value, frozenset((ValueReference(ChangeSource.RESOURCE, logical_id),)))

    def attribute(self, logical_id: str, name: str) -> Traced:
        self._require(logical_id)
        references = frozenset((ValueReference(ChangeSource.ATTRIBUTE, f"{logical_id}.{name}"),))
        known = self.stack.physical.get(logical_id)
        if known and name in known.attributes:
            return Traced(known.attributes[name], references)
        if known and self._returns_reference(logical_id, name):
            return Traced(known.id, references)
        return Traced(self.model_value(logical_id, name), references)

    def model_value(self, logical_id: str, name: str) -> Any:
        """An attribute that is a property of the resource, or a nested stack's output, else an
        Unknown."""
        if name.startswith("Outputs."):
            output = self.child_outputs(logical_id).get(name.removeprefix("Outputs."))
            if output is not None:
                return plain_data(output)
        value = self.resolved(logical_id)["Properties"].get(name, MISSING)
        if value is not MISSING and not is_custom(self.resource(logical_id).type):
            return plain_data(value)
        if self._returns_reference(logical_id, name):
            return Unknown(f"${{{logical_id}}}", (logical_id,))
        return Unknown(f"${{{logical_id}.{name}}}", (f"{logical_id}.{name}",))

    def _returns_reference(self, logical_id: str, name: str) -> bool:
        return _REFERENCE_ATTRIBUTES.get(self.resource(logical_id).type) == name

    def child_outputs(self, logical_id: str) -> Mapping[str, Traced]:
        if logical_id not in self._outputs:
            child = self.child(logical_id)
            self._outputs[logical_id] = (
                ResolvedStack(child, self.schemas).outputs() if child else {}
            )
        return self._outputs[logical_id]

    def child(self, logical_id: str) -> StackSide | None:
        """The nested stack with the parameters that this stack gives it, None where its template is
        not known."""
        child = self.stack.nested.get(logical_id)
        if child is None:
            return None
        given = self.resolved(logical_id)["Properties"].get("Parameters", {})
        values = given.value if isinstance(given, Traced) else given
        return replace(child, parameters=values if isinstance(values, Mapping) else {})

    def exported(self, name: str) -> Any:
        return self.stack.exports.get(
            name, Unknown(f"${{ImportValue {name}}}", (f"export {name}",))
        )

    def stored(self, name: str) -> Any:
        return self.stack.stored.get(name, Unknown(f"${{ssm:{name}}}", (f"SSM parameter {name}",)))


def _attributes(resource: Resource) -> tuple[Any, ...]:
    return (
        resource.properties,
        resource.metadata,
        resource.creation_policy,
        resource.update_policy,
        resource.deletion_policy,
        resource.update_replace_policy,
    )


def deletion_policy(resource: Resource, resolved: Mapping[str, Any]) -> str:
    """``Delete``, ``Retain`` or ``Snapshot``: what becomes of the physical resource when it leaves
    the stack.

    Databases default to a snapshot:
    docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-attribute-deletionpolicy.html.
    """
    given = plain_data(resolved.get("DeletionPolicy"))
    if given is not None:
        return template_to_text(given).removesuffix("ExceptOnCreate")
    single = (
        resource.type == "AWS::RDS::DBInstance" and "DBClusterIdentifier" not in resource.properties
    )
    return "Snapshot" if single or resource.type == "AWS::RDS::DBCluster" else "Delete"
