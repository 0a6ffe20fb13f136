"""Values of parameters: defaults under the given ones, held against types and constraints."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..declarations import Parameter, ValidationError, template_to_text
from ..template import Template
from ..values import Traced, Unknown, join_texts, plain_data


def parameter_values(
    template: Template, given: Mapping[str, Any], *, lenient: bool = False
) -> dict[str, Any]:
    """Defaults under the given values, checked against types and constraints; all as strings (or
    Unknown).

    ``lenient``: a value that is missing is Unknown, and so is a default that breaks a constraint,
    also one that a parent stack hands on: templates ask for a value in this way.

    Raises:
        ValidationError: a value is missing, not declared, or breaks a constraint.
    """
    extra = sorted(set(given) - set(template.parameters))
    if extra:
        raise ValidationError(
            f"Parameters: [{', '.join(extra)}] do not exist in the template", ("Parameters",)
        )
    missing = [
        name for name, p in template.parameters.items() if p.default is None and name not in given
    ]
    if missing and not lenient:
        raise ValidationError(
            f"Parameters: [{', '.join(missing)}] must have values", ("Parameters", missing[0])
        )
    values: dict[str, Any] = {name: _unknown(name) for name in missing}
    for name, parameter in template.parameters.items():
        if name in values:
            continue
        try:
            values[name] = _given(parameter, given.get(name, parameter.default))
        except ValidationError:
            if not lenient or (name in given and not isinstance(given[name], Traced)):
                raise
            values[name] = _unknown(name)
    return values


def _unknown(name: str) -> Unknown:
    return Unknown(f"${{{name}}}", (f"parameter {name}",))


def _given(parameter: Parameter, value: Any) -> Any:
    if isinstance(value, Traced):  # from a parent stack, whose own references mean nothing here
        return Traced(
            _given(parameter, plain_data(value)),
            frozenset(),
            value.unseen,
            value.stale,
            value.secret,
        )
    if isinstance(value, Unknown):
        return value
    if isinstance(value, list | tuple):
        if any(isinstance(item, Unknown) for item in value):
            return join_texts(list(value), ",")
        value = ",".join(template_to_text(item) for item in value)
    text = template_to_text(value)
    problem = _constraint(parameter, text)
    if problem:
        if parameter.constraint_description:
            problem = (
                f"Parameter {parameter.name} failed to satisfy constraint: "
                f"{parameter.constraint_description}"
            )
        raise ValidationError(problem, ("Parameters", parameter.name))
    return text


def _constraint(parameter: Parameter, text: str) -> str | None:
    """The broken constraint as CloudFormation words it, or None."""
    name = f"Parameter '{parameter.name}'"
    items = [item.strip() for item in text.split(",")] if parameter.is_list else [text]
    numeric = parameter.type in ("Number", "List<Number>")
    if numeric and not all(_is_number(item) for item in items):
        return f"{name} must be a number"
    if parameter.allowed_values and not set(items) <= set(parameter.allowed_values):
        return f"{name} must be one of AllowedValues"
    if parameter.minimum_length is not None and len(text) < parameter.minimum_length:
        return f"{name} must contain at least {parameter.minimum_length} characters"
    if parameter.maximum_length is not None and len(text) > parameter.maximum_length:
        return f"{name} must contain at most {parameter.maximum_length} characters"
    if (
        numeric
        and parameter.minimum is not None
        and any(float(i) < parameter.minimum for i in items)
    ):
        return f"{name} must be a number not less than {template_to_text(parameter.minimum)}"
    if (
        numeric
        and parameter.maximum is not None
        and any(float(i) > parameter.maximum for i in items)
    ):
        return f"{name} must be a number not greater than {template_to_text(parameter.maximum)}"
    pattern = parameter.allowed_pattern
    if pattern is not None and not all(_matches(pattern, item) for item in items):
        return f"{name} must match pattern {pattern}"
    return None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _matches(pattern: str, text: str) -> bool:
    """Java's ``matches``: the whole value. A pattern Python cannot read is left to
    CloudFormation."""
    try:
        return re.fullmatch(pattern, text) is not None
    except re.error:
        return True
