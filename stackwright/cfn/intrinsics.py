"""Intrinsic functions, conditions, mappings and parameters resolved to values.

Reference: docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/intrinsic-function-reference.html.
Error texts are CloudFormation's, where they are publicly known.
"""

from __future__ import annotations

import base64
import ipaddress
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from msgspec import Struct

from .template import Parameter, Path, Template, ValidationError, template_to_text
from .values import (
    NO_VALUE,
    ChangeSource,
    Traced,
    Unknown,
    ValueReference,
    canonical_value,
    plain_data,
)

DYNAMIC_REFERENCE = re.compile(r"\{\{resolve:(ssm|ssm-secure|secretsmanager):([^{}]+)\}\}")
"""A dynamic reference; group 1 the service, group 2 its arguments joined by colons."""

_SUB_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_SUB_NAME = re.compile(r"[A-Za-z0-9_.:]+")


class Pseudo(Struct, frozen=True):
    """The pseudo parameters of one stack. ``zones``: the Region's Availability Zones, for
    ``Fn::GetAZs``."""

    stack_name: str = "stack"
    stack_id: str | None = None
    region: str = "us-east-1"
    account_id: str = "123456789012"
    partition: str = "aws"
    url_suffix: str = "amazonaws.com"
    notification_arns: tuple[str, ...] = ()
    zones: tuple[str, ...] = ()

    def get(self, name: str) -> Any:
        """The value of ``AWS::…``; :class:`Unknown` for the id of a stack that does not exist yet.

        Raises:
            KeyError: there is no such pseudo parameter.
        """
        stack_id = self.stack_id or Unknown(
            "${AWS::StackId}", ("the stack's id is made when it is created",)
        )
        return {
            "AWS::StackName": self.stack_name,
            "AWS::StackId": stack_id,
            "AWS::Region": self.region,
            "AWS::AccountId": self.account_id,
            "AWS::Partition": self.partition,
            "AWS::URLSuffix": self.url_suffix,
            "AWS::NotificationARNs": list(self.notification_arns),
            "AWS::NoValue": NO_VALUE,
        }[name]

    @property
    def availability_zones(self) -> list[str]:
        """``zones``, or the three that nearly every Region has."""
        return list(self.zones) or [f"{self.region}{letter}" for letter in "abc"]


class ResolverWorld(Protocol):
    """What a resolver asks about things outside of the template's text."""

    def reference(self, logical_id: str) -> Traced:
        """What ``!Ref`` of a resource gives: its physical id, or an :class:`Unknown`."""

    def attribute(self, logical_id: str, name: str) -> Traced:
        """What ``!GetAtt`` of a resource gives."""

    def exported(self, name: str) -> Any:
        """The value of an export; an :class:`Unknown` where it does not exist (yet)."""

    def stored(self, name: str) -> Any:
        """The value of an SSM parameter; an :class:`Unknown` where it is not known."""


class UnknownWorld(Struct, frozen=True):
    """A world in which nothing outside of the template is known."""

    def reference(self, logical_id: str) -> Traced:
        reference = ValueReference(ChangeSource.RESOURCE, logical_id)
        return Traced(Unknown(f"${{{logical_id}}}", (logical_id,)), frozenset((reference,)))

    def attribute(self, logical_id: str, name: str) -> Traced:
        entity = f"{logical_id}.{name}"
        return Traced(
            Unknown(f"${{{entity}}}", (entity,)),
            frozenset((ValueReference(ChangeSource.ATTRIBUTE, entity),)),
        )

    def exported(self, name: str) -> Any:
        return Unknown(f"${{ImportValue {name}}}", (f"export {name}",))

    def stored(self, name: str) -> Any:
        return Unknown(f"${{ssm:{name}}}", (f"SSM parameter {name}",))


def parameter_values(template: Template, given: Mapping[str, Any]) -> dict[str, Any]:
    """Defaults under the given values, checked against types and constraints; all as strings (or
    Unknown).

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
    if missing:
        raise ValidationError(
            f"Parameters: [{', '.join(missing)}] must have values", ("Parameters", missing[0])
        )
    values: dict[str, Any] = {}
    for name, parameter in template.parameters.items():
        value = given.get(name, parameter.default)
        values[name] = _given(parameter, value)
    return values


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
            return _joined(list(value), ",")
        value = ",".join(template_to_text(item) for item in value)
    text = template_to_text(value)
    problem = _constraint(parameter, text)
    if problem:
        if parameter.constraint_description:
            problem = f"Parameter {parameter.name} failed to satisfy constraint: {parameter.constraint_description}"
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


@dataclass
class Resolver:
    """Resolves the intrinsic functions of one template in one world. Conditions are evaluated once
    each."""

    template: Template
    parameters: Mapping[str, Any]
    pseudo: Pseudo = field(default_factory=Pseudo)
    world: ResolverWorld = field(default_factory=UnknownWorld)
    _conditions: dict[str, bool | None] = field(default_factory=dict, repr=False)

    def resolve(self, value: Any, path: Path = ()) -> Any:
        """A value with every intrinsic function replaced by a :class:`Traced`, and ``AWS::NoValue``
        dropped.

        Raises:
            ValidationError: a function is misused, or names something that is not there.
        """
        if isinstance(value, Mapping):
            if len(value) == 1:
                name, argument = next(iter(value.items()))
                function = _FUNCTIONS.get(name)
                if function is not None:
                    return function(self, argument, (*path, name))
                if isinstance(name, str) and name.startswith("Fn::"):
                    raise ValidationError(f"Template error: {name} is not supported", path)
            items = {key: self.resolve(item, (*path, key)) for key, item in value.items()}
            return {key: item for key, item in items.items() if not _absent(item)}
        if isinstance(value, list):
            found = [self.resolve(item, (*path, index)) for index, item in enumerate(value)]
            return [item for item in found if not _absent(item)]
        return value

    def condition(self, name: str, path: Path = ()) -> bool:
        """Whether a named condition holds.

        Raises:
            ValidationError: it is not declared, or depends on itself.
        """
        if name not in self.template.conditions:
            text = f"Template error: unresolved condition dependency {name} in the Conditions block of the template"
            raise ValidationError(text, path)
        if name not in self._conditions:
            self._conditions[name] = None
            found = self.truth(self.template.conditions[name], ("Conditions", name))
            self._conditions[name] = found
        result = self._conditions[name]
        if result is None:
            raise ValidationError(
                f"Template error: condition {name} depends on itself", ("Conditions", name)
            )
        return result

    def truth(self, value: Any, path: Path) -> bool:
        """A condition expression as a boolean.

        Raises:
            ValidationError: it is none.
        """
        if isinstance(value, Mapping) and len(value) == 1:
            name, argument = next(iter(value.items()))
            function = _CONDITION_FUNCTIONS.get(name)
            if function is not None:
                return function(self, argument, (*path, name))
        raise ValidationError(
            "Template format error: Every Conditions member must be a condition function.", path
        )

    def active(self, condition: str | None, path: Path = ()) -> bool:
        """Whether a resource or output with this ``Condition`` exists."""
        return condition is None or self.condition(condition, path)


def _absent(value: Any) -> bool:
    return value is NO_VALUE or (isinstance(value, Traced) and _absent(value.value))


# --- building values
# ----------------------------------------------------------------------------------------


def _combine(value: Any, parts: Iterable[Any]) -> Traced:
    """A value that depends on everything that its parts depend on."""
    from_parts = [part for part in parts if isinstance(part, Traced)]
    references = frozenset(reference for part in from_parts for reference in part.references)
    return Traced(
        value,
        references,
        unseen=any(part.unseen for part in from_parts),
        stale=any(part.stale for part in from_parts),
        secret=any(part.secret for part in from_parts),
    )


def _joined(parts: Sequence[Any], delimiter: str) -> str | Unknown:
    """Text of the parts; one unknown part makes the whole unknown, and keeps the expression
    readable."""
    missing = [part for part in parts if isinstance(part, Unknown)]
    text = delimiter.join(
        part.text if isinstance(part, Unknown) else template_to_text(part) for part in parts
    )
    if not missing:
        return text
    causes = tuple(dict.fromkeys(cause for part in missing for cause in part.causes))
    return Unknown(text, causes, any(p.fresh for p in missing), any(p.certain for p in missing))


def _derived(function: str, unknown: Unknown, *arguments: Any) -> Unknown:
    shown = ", ".join([str(argument) for argument in arguments] + [unknown.text])
    return Unknown(
        f"{function}({shown})", unknown.causes, unknown.fresh
    )  # a part of it may well be as before


def _first_unknown(value: Any) -> Unknown | None:
    if isinstance(value, Unknown):
        return value
    items = (
        value
        if isinstance(value, list)
        else list(value.values())
        if isinstance(value, Mapping)
        else []
    )
    return next((found for item in items if (found := _first_unknown(plain_data(item)))), None)


# --- functions
# ----------------------------------------------------------------------------------------------


def _ref(resolver: Resolver, argument: Any, path: Path) -> Any:
    if not isinstance(argument, str):
        raise ValidationError(
            "Template error: every Ref object must have a single String value.", path
        )
    return _named(resolver, argument, path)


def _named(resolver: Resolver, name: str, path: Path) -> Any:
    if name.startswith("AWS::"):
        try:
            return Traced(resolver.pseudo.get(name))
        except KeyError:
            raise _unresolved(name, path) from None
    parameter = resolver.template.parameters.get(name)
    if parameter is not None:
        return _parameter_value(resolver, parameter)
    if name in resolver.template.resources:
        return resolver.world.reference(name)
    raise _unresolved(name, path)


def _parameter_value(resolver: Resolver, parameter: Parameter) -> Traced:
    given = resolver.parameters[parameter.name]
    reference = frozenset((ValueReference(ChangeSource.PARAMETER, parameter.name),))
    held = given if isinstance(given, Traced) else Traced(given)
    value = plain_data(held)
    if parameter.ssm_type and not isinstance(value, Unknown):
        value = resolver.world.stored(value)
    if parameter.is_list and isinstance(value, str):
        value = [item.strip() for item in value.split(",")] if value else []
    return Traced(value, reference, held.unseen, held.stale, held.secret or parameter.no_echo)


def _unresolved(name: str, path: Path) -> ValidationError:
    block = str(path[0]) if path else "Resources"
    if block == "Conditions":
        text = f"Template format error: Unresolved dependencies [{name}]. Cannot reference resources in the Conditions"
        return ValidationError(f"{text} block of the template", path)
    text = f"Template format error: Unresolved resource dependencies [{name}] in the {block} block of the template"
    return ValidationError(text, path)


def _get_att(resolver: Resolver, argument: Any, path: Path) -> Any:
    if isinstance(argument, str) and "." in argument:
        argument = argument.split(".", 1)
    wrong = "Template error: every Fn::GetAtt object requires two non-empty parameters, the resource name and the"
    if (
        not isinstance(argument, list)
        or len(argument) < 2
        or not isinstance(argument[0], str)
        or not argument[0]
    ):
        raise ValidationError(f"{wrong} resource attribute", path)
    names = [plain_data(resolver.resolve(item, path)) for item in argument[1:]]
    if not all(isinstance(name, str) and name for name in names):
        raise ValidationError(f"{wrong} resource attribute", path)
    return _attribute(resolver, argument[0], ".".join(names), path)


def _attribute(resolver: Resolver, logical_id: str, name: str, path: Path) -> Any:
    if logical_id not in resolver.template.resources:
        text = f"Template error: instance of Fn::GetAtt references undefined resource {logical_id}"
        raise ValidationError(text, path)
    return resolver.world.attribute(logical_id, name)


def _sub(resolver: Resolver, argument: Any, path: Path) -> Any:
    variables: Mapping[str, Any] = {}
    if isinstance(argument, list) and len(argument) == 2 and isinstance(argument[1], Mapping):
        argument, variables = argument[0], argument[1]
    if not isinstance(argument, str):
        text = "Template error: One or more Fn::Sub intrinsic functions don't specify expected arguments. Specify a"
        text += " string as first argument, and an optional second argument to specify a mapping of values to replace"
        raise ValidationError(f"{text} in the string", path)
    parts: list[Any] = []
    end = 0
    for match in _SUB_VARIABLE.finditer(argument):
        parts += [
            argument[end : match.start()],
            _sub_part(resolver, match.group(1), variables, path),
        ]
        end = match.end()
    parts.append(argument[end:])
    return _combine(_joined([_text_of(part, "Fn::Sub", path) for part in parts], ""), parts)


def _sub_part(resolver: Resolver, name: str, variables: Mapping[str, Any], path: Path) -> Any:
    if name.startswith("!"):
        return f"${{{name[1:]}}}"
    name = name.strip()
    if name in variables:
        return resolver.resolve(variables[name], (*path, 1, name))
    if not _SUB_NAME.fullmatch(name):
        text = "Template error: variable names in Fn::Sub syntax must contain only alphanumeric characters,"
        raise ValidationError(f"{text} underscores, periods, and colons", path)
    if "." in name:
        logical_id, _, attribute = name.partition(".")
        if logical_id not in resolver.template.resources:
            raise _unresolved(logical_id, path)
        return resolver.world.attribute(logical_id, attribute)
    return _named(resolver, name, path)


def _text_of(part: Any, function: str, path: Path) -> Any:
    value = plain_data(part)
    if isinstance(value, list | Mapping) or value is NO_VALUE:
        raise ValidationError(
            f"Template error: {function} needs strings, not lists or objects.", path
        )
    return value


_JOIN = (
    "Template error: every Fn::Join object requires two parameters, (1) a string delimiter and (2) a list of "
    "strings to be joined or a function that returns a list of strings (such as Fn::GetAZs) to be joined."
)


def _join(resolver: Resolver, argument: Any, path: Path) -> Any:
    if not isinstance(argument, list) or len(argument) != 2 or not isinstance(argument[0], str):
        raise ValidationError(_JOIN, path)
    items = resolver.resolve(argument[1], (*path, 1))
    value = items.value if isinstance(items, Traced) else items
    if isinstance(value, Unknown):
        return _combine(_derived("Join", value, repr(argument[0])), (items,))
    if not isinstance(value, list):
        raise ValidationError(_JOIN, path)
    text = _joined([_text_of(item, "Fn::Join", path) for item in value], argument[0])
    return _combine(text, (items, *value))


def _split(resolver: Resolver, argument: Any, path: Path) -> Any:
    if not isinstance(argument, list) or len(argument) != 2 or not isinstance(argument[0], str):
        text = "Template error: every Fn::Split object requires two parameters, (1) a string delimiter and (2) a string"
        raise ValidationError(
            f"{text} to be split or a function that returns a string to be split.", path
        )
    source = resolver.resolve(argument[1], (*path, 1))
    value = _text_of(source, "Fn::Split", path)
    if isinstance(value, Unknown):
        return _combine(_derived("Split", value, repr(argument[0])), (source,))
    return _combine(template_to_text(value).split(argument[0]), (source,))


def _select(resolver: Resolver, argument: Any, path: Path) -> Any:
    if not isinstance(argument, list) or len(argument) != 2:
        text = "Template error: Fn::Select requires a list argument with two elements: an integer index and a list"
        raise ValidationError(text, path)
    index, items = (
        resolver.resolve(argument[0], (*path, 0)),
        resolver.resolve(argument[1], (*path, 1)),
    )
    value, number = (
        items.value if isinstance(items, Traced) else items,
        template_to_text(plain_data(index)),
    )
    if isinstance(value, Unknown):
        return _combine(_derived("Select", value, number), (index, items))
    if not isinstance(value, list) or not number.isdigit():
        text = "Template error: Fn::Select requires a list argument with two elements: an integer index and a list"
        raise ValidationError(text, path)
    if int(number) >= len(value):
        raise ValidationError(
            f"Template error: Fn::Select  cannot select nonexistent value at index {number}", path
        )
    chosen = value[int(number)]
    return _combine(plain_data(chosen), (index, items, chosen))


def _if(resolver: Resolver, argument: Any, path: Path) -> Any:
    if not isinstance(argument, list) or not argument or not isinstance(argument[0], str):
        text = "Template error: Fn::If requires a list argument with the first element being a condition"
        raise ValidationError(text, path)
    if len(argument) != 3:
        raise ValidationError(
            "Template error: Fn::If requires a list argument with three elements", path
        )
    chosen = 1 if resolver.condition(argument[0], path) else 2
    return resolver.resolve(argument[chosen], (*path, chosen))


def _find_in_map(resolver: Resolver, argument: Any, path: Path) -> Any:
    default = _map_default(resolver, argument, path)
    if not isinstance(argument, list) or len(argument) not in (3, 4):
        text = "Template error: every Fn::FindInMap object requires three parameters, the map name, map key and the"
        raise ValidationError(f"{text} attribute for return value", path)
    keys = [resolver.resolve(item, (*path, index)) for index, item in enumerate(argument[:3])]
    names = [_text_of(key, "Fn::FindInMap", path) for key in keys]
    missing = _first_unknown(names)
    if missing:
        return _combine(_derived("FindInMap", missing), keys)
    found: Any = resolver.template.mappings
    for name in map(template_to_text, names):
        if not isinstance(found, Mapping) or name not in found:
            if default is not NO_VALUE:
                return _combine(plain_data(default), (*keys, default))
            shown = "::".join(map(template_to_text, names))
            raise ValidationError(f"Template error: Unable to get mapping for {shown}", path)
        found = found[name]
    return _combine(found, keys)


def _map_default(resolver: Resolver, argument: Any, path: Path) -> Any:
    if not isinstance(argument, list) or len(argument) != 4:
        return NO_VALUE
    options = argument[3]
    if not isinstance(options, Mapping) or set(options) != {"DefaultValue"}:
        raise ValidationError(
            "Template error: the fourth parameter of Fn::FindInMap must be a DefaultValue.", path
        )
    _needs_extensions(resolver, "Fn::FindInMap with DefaultValue", path)
    return resolver.resolve(options["DefaultValue"], (*path, 3))


def _needs_extensions(resolver: Resolver, what: str, path: Path) -> None:
    if not resolver.template.language_extensions:
        text = f"Template error: {what} requires the transform AWS::LanguageExtensions"
        raise ValidationError(text, path)


def _base64(resolver: Resolver, argument: Any, path: Path) -> Any:
    source = resolver.resolve(argument, path)
    value = plain_data(source)
    if isinstance(value, Unknown):
        return _combine(_derived("Base64", value), (source,))
    if not isinstance(value, str):
        raise ValidationError(
            "Template error: every Fn::Base64 object must have a String-typed value.", path
        )
    return _combine(base64.b64encode(value.encode()).decode(), (source,))


def _cidr(resolver: Resolver, argument: Any, path: Path) -> Any:
    if not isinstance(argument, list) or len(argument) not in (2, 3):
        text = "Template error: every Fn::Cidr object requires two or three parameters: an ipBlock, a count and cidrBits"
        raise ValidationError(text, path)
    parts = [resolver.resolve(item, (*path, index)) for index, item in enumerate(argument)]
    values = [plain_data(part) for part in parts]
    missing = _first_unknown(values)
    if missing:
        return _combine(_derived("Cidr", missing, *values[1:]), parts)
    try:
        network = ipaddress.ip_network(template_to_text(values[0]))
        count = int(template_to_text(values[1]))
        bits = (
            int(template_to_text(values[2]))
            if len(values) == 3
            else 8
            if network.version == 4
            else 64
        )
        if not 1 <= count <= 256:
            raise ValueError("the count must be between 1 and 256")
        subnets = network.subnets(new_prefix=network.max_prefixlen - bits)
        blocks = [str(block) for _, block in zip(range(count), subnets, strict=False)]
        if len(blocks) < count:
            raise ValueError(f"{network} holds only {len(blocks)} such blocks")
    except ValueError as error:
        raise ValidationError(f"Template error: Fn::Cidr: {error}", path) from None
    return _combine(blocks, parts)


def _get_azs(resolver: Resolver, argument: Any, path: Path) -> Any:
    region = resolver.resolve(argument, path)
    value = plain_data(region)
    if value not in ("", resolver.pseudo.region):
        return _combine([f"{template_to_text(value)}{letter}" for letter in "abc"], (region,))
    return _combine(resolver.pseudo.availability_zones, (region,))


def _import_value(resolver: Resolver, argument: Any, path: Path) -> Any:
    name = resolver.resolve(argument, path)
    value = _text_of(name, "Fn::ImportValue", path)
    if isinstance(value, Unknown):
        return _combine(_derived("ImportValue", value), (name,))
    return _combine(resolver.world.exported(template_to_text(value)), (name,))


def _length(resolver: Resolver, argument: Any, path: Path) -> Any:
    _needs_extensions(resolver, "Fn::Length", path)
    items = resolver.resolve(argument, path)
    value = plain_data(items)
    if isinstance(value, Unknown):
        return _combine(_derived("Length", value), (items,))
    if not isinstance(value, list):
        raise ValidationError("Template error: Fn::Length needs a list.", path)
    return _combine(len(value), (items,))


def _to_json_string(resolver: Resolver, argument: Any, path: Path) -> Any:
    _needs_extensions(resolver, "Fn::ToJsonString", path)
    if not isinstance(argument, list | Mapping):
        raise ValidationError("Template error: Fn::ToJsonString needs an object or a list.", path)
    tree = resolver.resolve(argument, path)
    value = plain_data(tree)
    missing = _first_unknown(value)
    if missing:
        return Traced(_derived("ToJsonString", missing), _references(tree))
    return Traced(json.dumps(value, separators=(",", ":"), ensure_ascii=False), _references(tree))


def _references(tree: Any) -> frozenset[ValueReference]:
    if isinstance(tree, Traced):
        return tree.references | _references(tree.value)
    items = tree.values() if isinstance(tree, Mapping) else tree if isinstance(tree, list) else ()
    return frozenset(reference for item in items for reference in _references(item))


def _transform(_resolver: Resolver, _argument: Any, path: Path) -> Any:
    raise ValidationError("Fn::Transform is not supported: only AWS can run a macro.", path)


def _in_conditions_only(_resolver: Resolver, _argument: Any, path: Path) -> Any:
    raise ValidationError(f"Template error: {path[-1]} cannot be partially collapsed", path)


_FUNCTIONS: Mapping[str, Callable[[Resolver, Any, Path], Any]] = {
    "Ref": _ref,
    "Fn::GetAtt": _get_att,
    "Fn::Sub": _sub,
    "Fn::Join": _join,
    "Fn::Split": _split,
    "Fn::Select": _select,
    "Fn::If": _if,
    "Fn::FindInMap": _find_in_map,
    "Fn::Base64": _base64,
    "Fn::Cidr": _cidr,
    "Fn::GetAZs": _get_azs,
    "Fn::ImportValue": _import_value,
    "Fn::Length": _length,
    "Fn::ToJsonString": _to_json_string,
    "Fn::Transform": _transform,
    "Fn::Equals": _in_conditions_only,
    "Fn::And": _in_conditions_only,
    "Fn::Or": _in_conditions_only,
    "Fn::Not": _in_conditions_only,
}


# --- conditions
# ---------------------------------------------------------------------------------------------


def _equals(resolver: Resolver, argument: Any, path: Path) -> bool:
    if not isinstance(argument, list) or len(argument) != 2:
        raise ValidationError(
            "Template error: every Fn::Equals object requires a list of two string parameters.",
            path,
        )
    left, right = (
        canonical_value(resolver.resolve(item, (*path, i))) for i, item in enumerate(argument)
    )
    return bool(left == right)


def _several(resolver: Resolver, argument: Any, path: Path) -> list[bool]:
    if not isinstance(argument, list) or not 2 <= len(argument) <= 10:
        text = f"Template error: every {path[-1]} object requires a list of at least 2 and at most 10 boolean parameters."
        raise ValidationError(text, path)
    return [resolver.truth(item, (*path, index)) for index, item in enumerate(argument)]


def _not(resolver: Resolver, argument: Any, path: Path) -> bool:
    if not isinstance(argument, list) or len(argument) != 1:
        raise ValidationError(
            "Template error: every Fn::Not object requires one boolean parameter.", path
        )
    return not resolver.truth(argument[0], (*path, 0))


def _condition(resolver: Resolver, argument: Any, path: Path) -> bool:
    if not isinstance(argument, str):
        raise ValidationError("Template format error: Condition must name a condition.", path)
    return resolver.condition(argument, path)


_CONDITION_FUNCTIONS: Mapping[str, Callable[[Resolver, Any, Path], bool]] = {
    "Fn::Equals": _equals,
    "Fn::And": lambda resolver, argument, path: all(_several(resolver, argument, path)),
    "Fn::Or": lambda resolver, argument, path: any(_several(resolver, argument, path)),
    "Fn::Not": _not,
    "Condition": _condition,
}


def dynamic_references(value: Any) -> list[tuple[str, str]]:
    """Every ``{{resolve:service:arguments}}`` in a plain tree, as (service, arguments), in
    order."""
    if isinstance(value, str):
        return [(match.group(1), match.group(2)) for match in DYNAMIC_REFERENCE.finditer(value)]
    items = (
        value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    )
    return [found for item in items for found in dynamic_references(item)]


def resolve_dynamic(value: Any, lookup: Callable[[str, str], str]) -> Any:
    """A plain tree with its dynamic references replaced by ``lookup(service, arguments)``.

    CloudFormation does this while it creates or updates a resource; change sets show the references
    as written.
    """
    if isinstance(value, str):
        return DYNAMIC_REFERENCE.sub(lambda match: lookup(match.group(1), match.group(2)), value)
    if isinstance(value, Mapping):
        return {key: resolve_dynamic(item, lookup) for key, item in value.items()}
    if isinstance(value, list):
        return [resolve_dynamic(item, lookup) for item in value]
    return value
