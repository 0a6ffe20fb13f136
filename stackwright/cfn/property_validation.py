"""Resolved properties against the registry schema of their type, in CloudFormation's words.

CloudFormation checks with https://github.com/everit-org/json-schema; only the keywords that it
checks are checked here, and scalars may be text, as CloudFormation converts them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from .declarations import template_to_text

_JSON_NAMES = {
    str: "String",
    bool: "Boolean",
    int: "Integer",
    float: "Number",
    list: "JSONArray",
    dict: "JSONObject",
}


def property_problems(
    definition: Mapping[str, Any], read_only: Collection[str], properties: Mapping[str, Any]
) -> Iterator[str]:
    """The problems of resolved properties; ``read_only`` names those that cannot be given."""
    yield from (
        f"#: extraneous key [{key}] is not permitted" for key in properties if key in read_only
    )
    errors = sorted(
        _validator_class()(definition).iter_errors(dict(properties)),
        key=lambda error: [str(part) for part in error.absolute_path],
    )
    for error in errors:
        yield from _texts(error)


def _texts(error: Any) -> Iterator[str]:
    where = "#" + "".join(f"/{part}" for part in error.absolute_path)
    instance, expected, keyword = error.instance, error.validator_value, error.validator
    if keyword == "additionalProperties":
        extra = _additional_keys(instance, error.schema)
        yield from (f"{where}: extraneous key [{key}] is not permitted" for key in extra)
    elif keyword == "required":
        missing = error.message.split("'")[1]  # one error a key: "'Value' is a required property"
        yield f"{where}: required key [{missing}] not found"
    elif keyword == "type":
        name = expected if isinstance(expected, str) else expected[0]
        shown = {"object": "JSONObject", "array": "JSONArray"}.get(name, name.capitalize())
        yield f"{where}: expected type: {shown}, found: {_JSON_NAMES.get(type(instance), 'Null')}"
    elif keyword in _KEYWORD_TEXTS:
        yield f"{where}: {_KEYWORD_TEXTS[keyword](instance, expected)}"
    else:
        yield f"{where}: failed validation constraint for keyword [{keyword}]"


_KEYWORD_TEXTS: Mapping[str, Any] = {
    "enum": lambda value, _: f"{template_to_text(value)} is not a valid enum value",
    "minLength": lambda value, bound: f"expected minLength: {bound}, actual: {len(value)}",
    "maxLength": lambda value, bound: f"expected maxLength: {bound}, actual: {len(value)}",
    "minItems": lambda value, bound: f"expected minimum item count: {bound}, found: {len(value)}",
    "maxItems": lambda value, bound: f"expected maximum item count: {bound}, found: {len(value)}",
    "minimum": lambda value, bound: (
        f"{template_to_text(value)} is not greater or equal to {template_to_text(bound)}"
    ),
    "maximum": lambda value, bound: (
        f"{template_to_text(value)} is not less or equal to {template_to_text(bound)}"
    ),
    "uniqueItems": lambda _value, _: "array items are not unique",
}


@cache
def _validator_class() -> Any:
    """JSON Schema draft 7 that takes text for numbers and booleans, and numbers for text."""
    from jsonschema import Draft7Validator, ValidationError, validators

    def bounded(low: bool) -> Any:
        def check(validator: Any, bound: float, instance: Any, _schema: Any) -> Iterator[Any]:
            number = float(instance) if _numeric(validator, instance) else None
            if number is not None and (number < bound if low else number > bound):
                yield ValidationError("out of bounds")

        return check

    def enum(_validator: Any, allowed: Sequence[Any], instance: Any, _schema: Any) -> Iterator[Any]:
        if not isinstance(instance, list | dict) and template_to_text(instance) not in map(
            template_to_text, allowed
        ):
            yield ValidationError("not in enum")

    def pattern(_validator: Any, expression: str, instance: Any, _schema: Any) -> Iterator[Any]:
        if isinstance(instance, str) and not _searches(expression, instance):
            yield ValidationError("no match")

    checker = Draft7Validator.TYPE_CHECKER.redefine_many(
        {
            "integer": lambda _, value: _is_whole(value),
            "number": lambda _, value: _is_number(value),
            "boolean": lambda _, value: isinstance(value, bool) or value in ("true", "false"),
            "string": lambda _, value: isinstance(value, str | bool | int | float),
        }
    )

    keywords = {
        "patternProperties": _pattern_properties,
        "additionalProperties": _additional_properties,
        "minimum": bounded(True),
        "maximum": bounded(False),
        "enum": enum,
        "pattern": pattern,
        "minLength": _length_check(True),
        "maxLength": _length_check(False),
    }
    extend: Any = validators.extend  # typed nowhere
    return extend(Draft7Validator, keywords, type_checker=checker)


def _pattern_properties(
    validator: Any, patterns: Mapping[str, Any], instance: Any, _schema: Any
) -> Iterator[Any]:
    for expression, schema in patterns.items() if isinstance(instance, dict) else ():
        for key, value in instance.items():
            if _searches(expression, key):
                yield from validator.descend(value, schema, path=key, schema_path=expression)


def _additional_properties(
    validator: Any, allowed: Any, instance: Any, schema: Any
) -> Iterator[Any]:
    from jsonschema import ValidationError

    extra = _additional_keys(instance, schema) if isinstance(instance, dict) else []
    if allowed is False and extra:
        yield ValidationError("additional properties")
    for key in extra if isinstance(allowed, dict) else ():
        yield from validator.descend(instance[key], allowed, path=key)


def _additional_keys(instance: Mapping[str, Any], schema: Mapping[str, Any]) -> list[str]:
    """The keys that neither a name nor a pattern of the schema allows; a pattern in Java's syntax
    allows each."""
    known, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    return [
        key
        for key in instance
        if key not in known and not any(_searches(expression, key) for expression in patterns)
    ]


def _length_check(low: bool) -> Any:
    from jsonschema import ValidationError

    def check(_validator: Any, bound: int, instance: Any, _schema: Any) -> Iterator[Any]:
        if isinstance(instance, str) and (len(instance) < bound if low else len(instance) > bound):
            yield ValidationError("wrong length")

    return check


def _numeric(_validator: Any, value: Any) -> bool:
    return _is_number(value)


def _is_number(value: Any) -> bool:
    if isinstance(value, bool | list | dict) or value is None:
        return False
    try:
        float(value)
    except ValueError:
        return False
    return True


def _is_whole(value: Any) -> bool:
    return _is_number(value) and float(value).is_integer()


@cache
def _searches_cached(expression: str) -> re.Pattern[str] | None:
    try:
        return re.compile(expression)
    except re.error:
        return None  # Java's syntax: left to AWS


def _searches(expression: str, text: str) -> bool:
    compiled = _searches_cached(expression)
    return compiled is None or compiled.search(text) is not None
