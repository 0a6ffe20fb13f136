"""The intrinsic functions, each from its argument to a value.

Reference: docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/intrinsic-function-reference.html.
Error texts are CloudFormation's, where they are publicly known.
"""

from __future__ import annotations

import base64
import ipaddress
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from ..declarations import Parameter, Path, ValidationError, template_to_text
from ..values import (
    NO_VALUE,
    ChangeSource,
    Traced,
    Unknown,
    ValueReference,
    combine,
    derived_unknown,
    first_unknown,
    join_texts,
    plain_data,
)
from .world import Resolving, list_zones

_SUB_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_SUB_NAME = re.compile(r"[A-Za-z0-9_.:]+")


def _ref(resolver: Resolving, argument: Any, path: Path) -> Any:
    if not isinstance(argument, str):
        raise ValidationError(
            "Template error: every Ref object must have a single String value.", path
        )
    return _named(resolver, argument, path)


def _named(resolver: Resolving, name: str, path: Path) -> Any:
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


def _parameter_value(resolver: Resolving, parameter: Parameter) -> Traced:
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
        text = (
            f"Template format error: Unresolved dependencies [{name}]. Cannot reference resources "
            "in the Conditions"
        )
        return ValidationError(f"{text} block of the template", path)
    text = (
        f"Template format error: Unresolved resource dependencies [{name}] in the {block} block of "
        "the template"
    )
    return ValidationError(text, path)


def _get_att(resolver: Resolving, argument: Any, path: Path) -> Any:
    if isinstance(argument, str) and "." in argument:
        argument = argument.split(".", 1)
    wrong = (
        "Template error: every Fn::GetAtt object requires two non-empty parameters, the resource "
        "name and the"
    )
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


def _attribute(resolver: Resolving, logical_id: str, name: str, path: Path) -> Any:
    if logical_id not in resolver.template.resources:
        text = f"Template error: instance of Fn::GetAtt references undefined resource {logical_id}"
        raise ValidationError(text, path)
    return resolver.world.attribute(logical_id, name)


def _sub(resolver: Resolving, argument: Any, path: Path) -> Any:
    variables: Mapping[str, Any] = {}
    if isinstance(argument, list) and len(argument) == 2 and isinstance(argument[1], Mapping):
        argument, variables = argument[0], argument[1]
    if not isinstance(argument, str):
        text = (
            "Template error: One or more Fn::Sub intrinsic functions don't specify expected "
            "arguments. Specify a"
        )
        text += (
            " string as first argument, and an optional second argument to specify a mapping of "
            "values to replace"
        )
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
    return combine(join_texts([_text_of(part, "Fn::Sub", path) for part in parts], ""), parts)


def _sub_part(resolver: Resolving, name: str, variables: Mapping[str, Any], path: Path) -> Any:
    if name.startswith("!"):
        return f"${{{name[1:]}}}"
    name = name.strip()
    if name in variables:
        return resolver.resolve(variables[name], (*path, 1, name))
    if not _SUB_NAME.fullmatch(name):
        text = (
            "Template error: variable names in Fn::Sub syntax must contain only alphanumeric "
            "characters,"
        )
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
    "Template error: every Fn::Join object requires two parameters, (1) a string delimiter and "
    "(2) a list of strings to be joined or a function that returns a list of strings (such as "
    "Fn::GetAZs) to be joined."
)


def _join(resolver: Resolving, argument: Any, path: Path) -> Any:
    if not isinstance(argument, list) or len(argument) != 2 or not isinstance(argument[0], str):
        raise ValidationError(_JOIN, path)
    items = resolver.resolve(argument[1], (*path, 1))
    value = items.value if isinstance(items, Traced) else items
    if isinstance(value, Unknown):
        return combine(derived_unknown("Join", value, repr(argument[0])), (items,))
    if not isinstance(value, list):
        raise ValidationError(_JOIN, path)
    text = join_texts([_text_of(item, "Fn::Join", path) for item in value], argument[0])
    return combine(text, (items, *value))


def _split(resolver: Resolving, argument: Any, path: Path) -> Any:
    if not isinstance(argument, list) or len(argument) != 2 or not isinstance(argument[0], str):
        text = (
            "Template error: every Fn::Split object requires two parameters, (1) a string "
            "delimiter and (2) a string"
        )
        raise ValidationError(
            f"{text} to be split or a function that returns a string to be split.", path
        )
    source = resolver.resolve(argument[1], (*path, 1))
    value = _text_of(source, "Fn::Split", path)
    if isinstance(value, Unknown):
        return combine(derived_unknown("Split", value, repr(argument[0])), (source,))
    return combine(template_to_text(value).split(argument[0]), (source,))


def _select(resolver: Resolving, argument: Any, path: Path) -> Any:
    if not isinstance(argument, list) or len(argument) != 2:
        text = (
            "Template error: Fn::Select requires a list argument with two elements: an integer "
            "index and a list"
        )
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
        return combine(derived_unknown("Select", value, number), (index, items))
    if not isinstance(value, list) or not number.isdigit():
        text = (
            "Template error: Fn::Select requires a list argument with two elements: an integer "
            "index and a list"
        )
        raise ValidationError(text, path)
    if int(number) >= len(value):
        raise ValidationError(
            f"Template error: Fn::Select  cannot select nonexistent value at index {number}", path
        )
    chosen = value[int(number)]
    return combine(plain_data(chosen), (index, items, chosen))


def _if(resolver: Resolving, argument: Any, path: Path) -> Any:
    if not isinstance(argument, list) or not argument or not isinstance(argument[0], str):
        text = (
            "Template error: Fn::If requires a list argument with the first element being a "
            "condition"
        )
        raise ValidationError(text, path)
    if len(argument) != 3:
        raise ValidationError(
            "Template error: Fn::If requires a list argument with three elements", path
        )
    chosen = 1 if resolver.condition(argument[0], path) else 2
    return resolver.resolve(argument[chosen], (*path, chosen))


def _find_in_map(resolver: Resolving, argument: Any, path: Path) -> Any:
    default = _map_default(resolver, argument, path)
    if not isinstance(argument, list) or len(argument) not in (3, 4):
        text = (
            "Template error: every Fn::FindInMap object requires three parameters, the map name, "
            "map key and the"
        )
        raise ValidationError(f"{text} attribute for return value", path)
    keys = [resolver.resolve(item, (*path, index)) for index, item in enumerate(argument[:3])]
    names = [_text_of(key, "Fn::FindInMap", path) for key in keys]
    if first_unknown(names):
        return combine(_possible_cells(resolver, names), keys)
    table: Any = resolver.template.mappings
    for name in map(template_to_text, names):
        if not isinstance(table, Mapping) or name not in table:
            if default is not NO_VALUE:
                return combine(plain_data(default), (*keys, default))
            shown = "::".join(map(template_to_text, names))
            raise ValidationError(f"Template error: Unable to get mapping for {shown}", path)
        table = table[name]
    return combine(table, keys)


def _possible_cells(resolver: Resolving, names: list[Any]) -> Any:
    """The value of a map for keys that are not all known: the one that every possible cell has, or
    an :class:`Unknown` that lists them."""
    name, top, second = names
    rows = resolver.template.mappings.get(template_to_text(name), {})
    cells = [
        cell
        for key, row in rows.items()
        if isinstance(top, Unknown) or key == template_to_text(top)
        for inner, cell in row.items()
        if isinstance(second, Unknown) or inner == template_to_text(second)
    ]
    values = list(dict.fromkeys(json.dumps(cell) for cell in cells))
    if len(values) == 1 and not isinstance(name, Unknown):
        return cells[0]
    keys = join_texts(names, ", ")
    shown = f"FindInMap({keys})" + (f" = {' | '.join(values)}" if values else "")
    return Unknown(shown, keys.causes, keys.fresh) if isinstance(keys, Unknown) else shown


def _map_default(resolver: Resolving, argument: Any, path: Path) -> Any:
    if not isinstance(argument, list) or len(argument) != 4:
        return NO_VALUE
    options = argument[3]
    if not isinstance(options, Mapping) or set(options) != {"DefaultValue"}:
        raise ValidationError(
            "Template error: the fourth parameter of Fn::FindInMap must be a DefaultValue.", path
        )
    _needs_extensions(resolver, "Fn::FindInMap with DefaultValue", path)
    return resolver.resolve(options["DefaultValue"], (*path, 3))


def _needs_extensions(resolver: Resolving, what: str, path: Path) -> None:
    if not resolver.template.language_extensions:
        text = f"Template error: {what} requires the transform AWS::LanguageExtensions"
        raise ValidationError(text, path)


def _base64(resolver: Resolving, argument: Any, path: Path) -> Any:
    source = resolver.resolve(argument, path)
    value = plain_data(source)
    if isinstance(value, Unknown):
        return combine(derived_unknown("Base64", value), (source,))
    if not isinstance(value, str):
        raise ValidationError(
            "Template error: every Fn::Base64 object must have a String-typed value.", path
        )
    return combine(base64.b64encode(value.encode()).decode(), (source,))


def _cidr(resolver: Resolving, argument: Any, path: Path) -> Any:
    if not isinstance(argument, list) or len(argument) not in (2, 3):
        text = (
            "Template error: every Fn::Cidr object requires two or three parameters: an ipBlock, a "
            "count and cidrBits"
        )
        raise ValidationError(text, path)
    parts = [resolver.resolve(item, (*path, index)) for index, item in enumerate(argument)]
    values = [plain_data(part) for part in parts]
    missing = first_unknown(values)
    if missing:
        return combine(derived_unknown("Cidr", missing, *values[1:]), parts)
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
    return combine(blocks, parts)


def _get_azs(resolver: Resolving, argument: Any, path: Path) -> Any:
    region = resolver.resolve(argument, path)
    value = plain_data(region)
    if value not in ("", resolver.pseudo.region):
        if isinstance(value, Unknown):
            return combine(derived_unknown("GetAZs", value), (region,))
        return combine(list_zones(template_to_text(value)), (region,))
    return combine(resolver.pseudo.availability_zones, (region,))


def _import_value(resolver: Resolving, argument: Any, path: Path) -> Any:
    name = resolver.resolve(argument, path)
    value = _text_of(name, "Fn::ImportValue", path)
    if isinstance(value, Unknown):
        return combine(derived_unknown("ImportValue", value), (name,))
    return combine(resolver.world.exported(template_to_text(value)), (name,))


def _length(resolver: Resolving, argument: Any, path: Path) -> Any:
    _needs_extensions(resolver, "Fn::Length", path)
    items = resolver.resolve(argument, path)
    value = plain_data(items)
    if isinstance(value, Unknown):
        return combine(derived_unknown("Length", value), (items,))
    if not isinstance(value, list):
        raise ValidationError("Template error: Fn::Length needs a list.", path)
    return combine(len(value), (items,))


def _to_json_string(resolver: Resolving, argument: Any, path: Path) -> Any:
    _needs_extensions(resolver, "Fn::ToJsonString", path)
    if not isinstance(argument, list | Mapping):
        raise ValidationError("Template error: Fn::ToJsonString needs an object or a list.", path)
    tree = resolver.resolve(argument, path)
    value = plain_data(tree)
    missing = first_unknown(value)
    if missing:
        return Traced(derived_unknown("ToJsonString", missing), _references(tree))
    return Traced(json.dumps(value, separators=(",", ":"), ensure_ascii=False), _references(tree))


def _references(tree: Any) -> frozenset[ValueReference]:
    if isinstance(tree, Traced):
        return tree.references | _references(tree.value)
    items = tree.values() if isinstance(tree, Mapping) else tree if isinstance(tree, list) else ()
    return frozenset(reference for item in items for reference in _references(item))


def _transform(_resolver: Resolving, _argument: Any, path: Path) -> Any:
    raise ValidationError("Fn::Transform is not supported: only AWS can run a macro.", path)


def _in_conditions_only(_resolver: Resolving, _argument: Any, path: Path) -> Any:
    raise ValidationError(f"Template error: {path[-1]} cannot be partially collapsed", path)


FUNCTIONS: Mapping[str, Callable[[Resolving, Any, Path], Any]] = {
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
