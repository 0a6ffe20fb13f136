"""CloudFormation's semantics as pure functions: offline, without state.

Modules, each built on those before it:

- ``template``: YAML or JSON text -> :class:`~stackwright.cfn.template.Template`, refused as
  CloudFormation refuses.
- ``schema``: the properties and attributes of each resource type, and which changes replace it.
- ``values``: values with the references they depend on, and values known only after apply.
- ``intrinsics``: template + parameters + the world -> values.
- ``statuses``: the meaning of each stack status, and how to recover a stack.
- ``graph``: dependencies, an order, and cycles by name.
- ``changes``: a stack before and after -> the changes, as ``DescribeChangeSet`` lists them and as
  they will happen.
- ``static_references``: a rendering -> the texts of its properties that templates tell.
"""

from .authorization import ArnKind, read_arn_kinds
from .changes import (
    Action,
    PhysicalResource,
    Prediction,
    PropertyChange,
    Replacement,
    ResourceChange,
    StackSide,
    deletion_policy,
    output_values,
    predict_changes,
    predict_removal,
)
from .declarations import STACK_TYPE, Parameter, Resource, ValidationError, template_to_text
from .difference import MISSING, diff_values, find_unknowns
from .graph import find_dependencies, order_resources
from .intrinsics import Pseudo, Resolver, UnknownWorld, parameter_values, resolve_dynamic
from .policy_statements import (
    EFFECTS,
    LocatedStatement,
    locate_statements,
    read_statements,
)
from .schema import STATEFUL, Recreation, ResourceType, Schemas
from .static_references import RenderedResource, StaticReferences
from .statuses import Recovery, StackStatus, stack_status
from .template import Template, declared_keys, parse_template
from .validation import validate_template
from .values import (
    KNOWN_AFTER_APPLY,
    ChangeSource,
    Traced,
    Unknown,
    ValueReference,
    canonical_value,
    find_traces,
    plain_data,
    print_value,
)

__all__ = [
    "EFFECTS",
    "KNOWN_AFTER_APPLY",
    "MISSING",
    "STACK_TYPE",
    "STATEFUL",
    "Action",
    "ArnKind",
    "ChangeSource",
    "LocatedStatement",
    "Parameter",
    "PhysicalResource",
    "Prediction",
    "PropertyChange",
    "Pseudo",
    "Recovery",
    "Recreation",
    "RenderedResource",
    "Replacement",
    "Resolver",
    "Resource",
    "ResourceChange",
    "ResourceType",
    "Schemas",
    "StackSide",
    "StackStatus",
    "StaticReferences",
    "Template",
    "Traced",
    "Unknown",
    "UnknownWorld",
    "ValidationError",
    "ValueReference",
    "canonical_value",
    "declared_keys",
    "deletion_policy",
    "diff_values",
    "find_dependencies",
    "find_traces",
    "find_unknowns",
    "locate_statements",
    "order_resources",
    "output_values",
    "parameter_values",
    "parse_template",
    "plain_data",
    "predict_changes",
    "predict_removal",
    "print_value",
    "read_arn_kinds",
    "read_statements",
    "resolve_dynamic",
    "stack_status",
    "template_to_text",
    "validate_template",
]
