"""CloudFormation's semantics as pure functions: offline, without state.

Modules, each built on those before it:

- ``template``: YAML or JSON text -> :class:`~stackwright.cfn.template.Template`, refused as
  CloudFormation refuses.
- ``schema``: the properties and attributes of each resource type, and which changes replace it.
- ``custom_names``: the names that templates give, and that only one resource can have.
- ``recreation``: whether a change replaces a resource whose schema says only that it may.
- ``values``: values with the references they depend on, and values known only after apply.
- ``intrinsics``: template + parameters + the world -> values.
- ``statuses``: the meaning of each stack status, and how to recover a stack.
- ``graph``: dependencies, an order, and cycles by name.
- ``changes``: a stack before and after -> the changes, as ``DescribeChangeSet`` lists them and as
  they will happen.
- ``static_references``: a rendering -> the texts of its properties that templates tell.
- ``answers``: texts as CloudFormation's API answers them.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "answers": ["replace_non_ascii"],
        "authorization": ["ArnKind", "read_arn_kinds"],
        "changes": [
            "Action",
            "PhysicalResource",
            "Prediction",
            "PropertyChange",
            "Replacement",
            "ResolvedResource",
            "ResourceChange",
            "StackSide",
            "deletion_policy",
            "export_names",
            "import_names",
            "output_values",
            "predict_changes",
            "predict_removal",
        ],
        "custom_names": [
            "CustomName",
            "custom_name",
            "custom_name_refusal",
            "is_importable_by_name",
            "naming_properties",
        ],
        "declarations": [
            "Parameter",
            "Resource",
            "STACK_TYPE",
            "ValidationError",
            "template_to_text",
        ],
        "difference": ["MISSING", "diff_values", "find_unknowns"],
        "graph": ["find_dependencies", "order_resources"],
        "intrinsics": [
            "Pseudo",
            "Resolver",
            "SecretReference",
            "UNKNOWN_ACCOUNT",
            "UnknownWorld",
            "dynamic_references",
            "parameter_values",
            "resolve_dynamic",
            "resolve_stored",
        ],
        "policy_statements": [
            "EFFECTS",
            "LocatedStatement",
            "locate_statements",
            "read_statements",
        ],
        "recreation": ["predict_recreation"],
        "schema": ["Recreation", "ResourceType", "STATEFUL", "Schemas", "holds_data"],
        "static_references": ["RenderedResource", "StaticReferences"],
        "statuses": ["Recovery", "StackStatus", "stack_status"],
        "template": [
            "Template",
            "declared_keys",
            "parse_template",
            "parse_unexpanded",
            "readable_template",
        ],
        "validation": ["validate_names", "validate_template"],
        "values": [
            "ChangeSource",
            "KNOWN_AFTER_APPLY",
            "Traced",
            "Unknown",
            "ValueReference",
            "canonical_value",
            "find_traces",
            "plain_data",
            "print_value",
        ],
    },
)
