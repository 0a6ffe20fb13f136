"""Templates: read, validate and summarize."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from ...cfn import Parameter, Template, replace_non_ascii, template_to_text
from .actions import Action, ActionFamily, Arguments, Result
from .definitions import describe_capability, needed_capability
from .errors import invalid


class TemplateActions(ActionFamily):
    """The actions on templates."""

    def actions(self) -> Mapping[str, Action]:
        return {
            "GetTemplate": self.get_template,
            "GetTemplateSummary": self.get_template_summary,
            "ValidateTemplate": self.validate_template,
        }

    def get_template(self, arguments: Arguments) -> Result:
        owner = self.find_change_set if "ChangeSetName" in arguments else self.find_stack
        definition = owner(arguments).definition
        if definition is None:
            raise invalid(f"Stack with id {arguments.get('StackName')} does not exist")
        body = replace_non_ascii(definition.text)
        return {"TemplateBody": body, "StagesAvailable": ["Original", "Processed"]}

    def validate_template(self, arguments: Arguments) -> Result:
        template = self.definitions.parse(self.definitions.read_text(arguments, None))
        parameters = [_parameter_shape(p) for p in template.parameters.values()]
        return {"Parameters": parameters, **_capabilities(template), **_description(template)}

    def get_template_summary(self, arguments: Arguments) -> Result:
        old = self.find_stack(arguments).definition if "StackName" in arguments else None
        text = old.text if old else self.definitions.read_text(arguments, None)
        template = self.definitions.parse(text)
        version = template.data.get("AWSTemplateFormatVersion", "2010-09-09")
        types = dict.fromkeys(resource.type for resource in template.resources.values())
        shape: Result = {
            "Parameters": [_declaration_shape(p) for p in template.parameters.values()],
            "ResourceTypes": list(types),
            "Version": template_to_text(version),
            "ResourceIdentifierSummaries": list(self._identifiers(template)),
        }
        if template.data.get("Metadata"):
            shape["Metadata"] = json.dumps(template.data["Metadata"])
        return {**shape, **_capabilities(template), **_description(template)}

    def _identifiers(self, template: Template) -> Iterable[Result]:
        """The identifiers that an import of each type needs, and the resources of the type."""
        names: dict[str, list[str]] = {}
        for resource in template.resources.values():
            names.setdefault(resource.type, []).append(resource.logical_id)
        for type_, logical_ids in names.items():
            resource_type = self.world.schemas.get(type_)
            paths = resource_type.primary_identifier if resource_type else ()
            if paths:
                yield {
                    "ResourceType": type_,
                    "LogicalResourceIds": logical_ids,
                    "ResourceIdentifiers": [str(path[-1]) for path in paths],
                }


def _capabilities(template: Template) -> Result:
    needed = needed_capability(template)
    if needed is None:
        return {}
    return {"Capabilities": [needed], "CapabilitiesReason": describe_capability(template)}


def _description(template: Template) -> Result:
    return {"Description": template.description} if template.description else {}


def _parameter_shape(parameter: Parameter) -> Result:
    shape: Result = {"ParameterKey": parameter.name, "NoEcho": parameter.no_echo}
    if parameter.default is not None:
        shape["DefaultValue"] = parameter.default
    if parameter.description:
        shape["Description"] = parameter.description
    return shape


def _declaration_shape(parameter: Parameter) -> Result:
    values = parameter.allowed_values
    constraints = {"AllowedValues": list(values)} if values else {}
    declared = {"ParameterType": parameter.type, "ParameterConstraints": constraints}
    return _parameter_shape(parameter) | declared
