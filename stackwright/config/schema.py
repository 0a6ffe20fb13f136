"""Read ``params/schema.json`` (JSON Schema 2020-12), and validate parameters in readable words.

A project's schema may hold five annotations of ours, which other validators ignore:

- ``x-aws-env``: the variable of ``aws.env`` that may supply the parameter;
- ``x-dotenv``: the variable of ``.env`` that may supply the parameter;
- ``x-expected``, beside a ``pattern``: a noun for the values that match, such as "IPv4 range such
  as 10.0.0.0/8"; the message is ``"::/0" is no <x-expected>``;
- ``x-message``: the whole message where a subschema fails;
- ``x-unit``: the unit of a number, for messages and the reference.
"""

from __future__ import annotations

import difflib
import ipaddress
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec.structs import replace

from ..core import (
    HIDDEN,
    InputError,
    Location,
    ParameterPath,
    Problem,
    decimal_number,
    dotted,
    key_with_dot,
    mask,
    whole_number,
)
from .layers import is_hidden

_WHOLE = re.compile(r"-?[0-9]+")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?")

JsonSchema = Mapping[str, Any]

_KINDS = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
}
_KINDS |= {"array": "a list", "object": "a map", "null": "null"}
_BOUNDS = {
    "minimum": "is below the minimum of {}",
    "maximum": "is above the maximum of {}",
    "exclusiveMinimum": "must be above {}",
    "exclusiveMaximum": "must be below {}",
    "minLength": "is shorter than {} characters",
    "maxLength": "is longer than {} characters",
    "minItems": "has fewer than {} items",
    "maxItems": "has more than {} items",
    "minProperties": "has fewer than {} keys",
    "maxProperties": "has more than {} keys",
    "multipleOf": "is not a multiple of {}",
    "const": "must be {}",
}


def parse_schema(text: str, path: str) -> JsonSchema:
    """Return the schema; raises InputError where the text is not a JSON object."""
    try:
        schema = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError.of(
            "SW008", f"not valid JSON: {error.msg}", Location(path, error.lineno)
        ) from None
    except ValueError:  # Python refuses to convert more than 4,300 digits
        raise InputError.of("SW027", "a number with too many digits", Location(path, 1)) from None
    except RecursionError:
        raise InputError.of("SW008", "nested too deeply", Location(path, 1)) from None
    if not isinstance(schema, dict):
        raise InputError.of("SW008", "the schema must be a map", Location(path, 1))
    return schema


def schema_properties(
    schema: JsonSchema, at: ParameterPath = ()
) -> Iterator[tuple[ParameterPath, JsonSchema]]:
    """Yield path and subschema of every declared property, parents first, ``$ref`` followed."""
    yield from _properties(schema, schema, at, ())


def _properties(
    root: JsonSchema, node: JsonSchema, at: ParameterPath, above: tuple[int, ...]
) -> Iterator[tuple[ParameterPath, JsonSchema]]:
    target = resolve_reference(root, node)
    if id(target) in above:  # a recursive schema: one level is enough
        return
    for name, child in target.get("properties", {}).items():
        yield (*at, name), {**resolve_reference(root, child), **child}
        yield from _properties(root, child, (*at, name), (*above, id(target)))


def resolve_reference(root: JsonSchema, node: JsonSchema) -> JsonSchema:
    """Return ``node``, or the subschema that its local ``$ref`` names; raises InputError where
    that does not exist."""
    followed: list[str] = []
    while str(node.get("$ref", "")).startswith("#"):
        reference = str(node["$ref"])
        if reference in followed:
            raise _reference_error(reference, "refers to itself")
        followed.append(reference)
        target: Any = root
        for part in reference.lstrip("#").split("/")[1:]:
            target = target.get(part) if isinstance(target, dict) else None
        if not isinstance(target, dict):
            raise _reference_error(reference, "does not exist")
        node = target
    return node


def _reference_error(reference: str, why: str) -> InputError:
    return InputError.of("SW008", f"the $ref {reference} {why}", Location("params/schema.json", 1))


def schema_defaults(schema: JsonSchema) -> dict[str, Any]:
    """Return the declared defaults as nested maps."""
    defaults: dict[str, Any] = {}
    for path, node in schema_properties(schema):
        if "default" in node:
            parent = defaults
            for part in path[:-1]:
                parent = parent.setdefault(str(part), {})
            parent.setdefault(str(path[-1]), node["default"])
    return defaults


def value_from_text(text: str, node: JsonSchema) -> Any:
    """Return a dotenv value as the type that its schema declares; commas separate list items.

    Raises ValueError for a number with too many digits.
    """
    kinds = node.get("type", "string")
    kinds = kinds if isinstance(kinds, list) else [kinds]
    if "array" in kinds:
        return [item.strip() for item in text.split(",") if item.strip()]
    if "boolean" in kinds and text.lower() in ("true", "false"):
        return text.lower() == "true"
    if {"integer", "number"}.intersection(kinds) and _WHOLE.fullmatch(text):
        return whole_number(text)
    if "number" in kinds and _NUMBER.fullmatch(text):
        return decimal_number(text)
    return text


def validate_parameters(
    schema: JsonSchema, parameters: Mapping[str, Any], locate: Mapping[ParameterPath, Location]
) -> list[Problem]:
    """Return every violation of the schema, each at the location that gives the value."""
    from jsonschema import Draft202012Validator, FormatChecker
    from jsonschema.exceptions import SchemaError

    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        at = "/".join(str(part) for part in error.absolute_path)
        message = f"not a JSON Schema: {error.message[:200]} at /{at}"
        return [Problem("SW008", message, (Location("params/schema.json", 1),))]
    checker = FormatChecker(formats=())
    checker.checks("cidr", raises=ValueError)(_is_cidr)
    validator = Draft202012Validator(schema, format_checker=checker)
    problems: dict[tuple[ParameterPath, str], Problem] = {}
    for violation in validator.iter_errors(parameters):
        for problem, path in _problems(violation, ()):  # repeats where branches share a rule
            located = _hide_value(replace(problem, where=_nearest(locate, path)), dotted(path))
            problems.setdefault((path, problem.message), located)
    return list(problems.values())


def _hide_value(problem: Problem, name: str) -> Problem:
    """Return the problem without the value where that must not be shown."""
    about_value = problem.code in ("SW011", "SW012")
    secret = any(map(is_hidden, problem.where)) or mask("text", name) == HIDDEN
    if not about_value or not secret:
        return problem
    message = f"{name} is not as params/schema.json asks; its value is not shown"
    return replace(problem, message=message, hint="")


def _is_cidr(value: object) -> bool:
    if isinstance(value, str):
        if "/" not in value:
            raise ValueError("a prefix length such as /24 is missing")
        ipaddress.ip_network(value)
    return True


def _nearest(locate: Mapping[ParameterPath, Location], path: ParameterPath) -> tuple[Location, ...]:
    for length in range(len(path), -1, -1):
        if path[:length] in locate:
            return (locate[path[:length]],)
    return ()


def _problems(error: Any, above: ParameterPath) -> Iterator[tuple[Problem, ParameterPath]]:
    """Yield the problems that one error of jsonschema stands for, each with its path; ``above`` is
    the path of the value that holds the error's instance."""
    path: ParameterPath = (*above, *error.path)
    message = _own_message(error)
    if message:
        yield Problem("SW012", f"{dotted(path) or 'parameters'}: {message}"), path
    elif error.validator in ("additionalProperties", "unevaluatedProperties"):
        yield from _unknown_keys(error, path)
    elif error.validator == "required":
        for name in error.validator_value:
            if name not in error.instance:
                yield Problem("SW013", f"{dotted((*path, name))} is missing"), (*path, name)
    elif error.context:
        for child in _closest(error):
            yield from _problems(child, path)
    else:
        key = (error.instance,) if "propertyNames" in error.schema_path else ()
        yield _value_problem(error, path), (*path, *key)


def _own_message(error: Any) -> str:
    """Return the schema's ``x-message``, or an empty string."""
    if isinstance(error.schema, dict):
        message = error.schema.get("x-message")
        if message and error.validator not in ("additionalProperties", "type"):
            return str(message)
    return ""


def _closest(error: Any) -> list[Any]:
    """Return the errors of the branch of anyOf or oneOf that fails deepest, the likeliest one."""
    branches: dict[Any, list[Any]] = {}
    for child in error.context:
        branches.setdefault(child.schema_path[0], []).append(child)
    return max(branches.values(), key=lambda branch: (*_closeness(branch), -len(branch)))


def _closeness(branch: list[Any]) -> tuple[bool, int]:
    """Rank a branch: first whether its type is that of the value, then the depth of its errors."""
    is_type = all(error.validator != "type" or error.path for error in branch)
    return is_type, max(len(error.path) for error in branch)


def _unknown_keys(error: Any, path: ParameterPath) -> Iterator[tuple[Problem, ParameterPath]]:
    known = list(error.schema.get("properties", {}))
    patterns = list(error.schema.get("patternProperties", {}))
    for name in error.instance:
        if name in known or any(re.search(pattern, name) for pattern in patterns):
            continue
        key = (*path, name)
        if dot := key_with_dot(key):
            message, hint = dot
            yield Problem("SW010", f"unknown parameter {message}", (), hint), key
            continue
        close = difflib.get_close_matches(name, known, 1, 0.6)
        hint = (
            f"did you mean {dotted((*path, close[0]))}?"
            if close
            else f"known here: {', '.join(sorted(known))}"
        )
        yield Problem("SW010", f"unknown parameter {dotted(key)}", (), hint), key


def _value_problem(error: Any, path: ParameterPath) -> Problem:
    name, value, rule = dotted(path) or "parameters", error.instance, error.validator_value
    if error.validator == "type":
        types = [rule] if isinstance(rule, str) else rule
        expected = " or ".join(_KINDS.get(type_, type_) for type_ in types)
        hint = "put it in quotes" if rule == "string" and isinstance(value, int | float) else ""
        return Problem("SW011", f"{name} must be {expected}, not {short_value(value)}", (), hint)
    if error.validator == "enum":
        close = difflib.get_close_matches(str(value), [str(item) for item in rule], 1, 0.6)
        allowed = ", ".join(str(item) for item in rule)
        return Problem(
            "SW012",
            f"{name} is {short_value(value)}; allowed: {allowed}",
            (),
            f"did you mean {close[0]}?" if close else "",
        )
    if error.validator == "format":
        return Problem(
            "SW012",
            f"{name}: {short_value(value)} is not a valid {rule} ({error.cause or error.message})",
        )
    return Problem("SW012", f"{name}: {_violation(error)}")


def _violation(error: Any) -> str:
    """Describe a violation, ``0 is below the minimum of 1 tasks``; in the words of jsonschema where
    there are none here."""
    value, rule, schema = error.instance, error.validator_value, error.schema
    if error.validator == "pattern":
        expected = schema.get("x-expected")
        text = f"is no {expected}" if expected else f"does not match {rule}"
    elif error.validator == "uniqueItems":
        twice = next(item for index, item in enumerate(value) if item in value[:index])
        text = f"has the item {short_value(twice)} twice"
    elif error.validator == "not" and isinstance(rule, dict) and "enum" in rule:
        text = f"must be none of {', '.join(str(item) for item in rule['enum'])}"
    elif error.validator in _BOUNDS:
        unit = f" {schema['x-unit']}" if "x-unit" in schema else ""
        text = _BOUNDS[error.validator].format(short_value(rule)) + unit
    else:
        return str(error.message[:200])
    return f"{short_value(value)} {text}"


def short_value(value: Any) -> str:
    """Return a value as JSON for a message, cut to 60 characters."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:57] + "…"
