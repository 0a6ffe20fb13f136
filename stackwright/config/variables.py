"""Variables of dotenv files that stand for parameters, and variables that services need.

The schema names the variable that may supply a parameter: ``x-aws-env`` for one of ``aws.env``,
``x-dotenv`` for one of ``.env``. Such a variable is a layer of the parameters, so it has their
bounds, and a function gets the merged value under the variable's name.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from ..core import Dotenv, InputError, Leaf, Location, ParameterPath, Problem, dotted, mask
from .dotenv import matches_pattern, name_patterns
from .layers import Layer
from .schema import JsonSchema, schema_properties, value_from_text

AWS_ENV, ENV = "aws.env", ".env"
_KEYWORDS = {AWS_ENV: "x-aws-env", ENV: "x-dotenv"}


def _supplied(schema: JsonSchema, file: str) -> Iterator[tuple[ParameterPath, JsonSchema, str]]:
    """Yield path, subschema and variable of each parameter that ``file`` may supply."""
    for path, node in schema_properties(schema):
        if name := node.get(_KEYWORDS[file]):
            yield path, node, str(name)


def _values(dotenv: Dotenv, file: str) -> Mapping[str, str]:
    return dotenv.aws if file == AWS_ENV else {**dotenv.plain, **dotenv.function}


def make_variable_layer(schema: JsonSchema, dotenv: Dotenv) -> Layer:
    """Return the parameters that the dotenv files supply; an empty variable supplies nothing.

    Raises InputError for a number with too many digits.
    """
    data: dict[str, Any] = {}
    locations: dict[ParameterPath, Location] = {}
    for file in _KEYWORDS:
        values = _values(dotenv, file)
        for path, node, name in _supplied(schema, file):
            if not values.get(name):
                continue
            parent = data
            for part in path[:-1]:
                parent = parent.setdefault(str(part), {})
            locations[path] = dotenv.locations[name]
            try:
                parent[str(path[-1])] = value_from_text(values[name], node)
            except ValueError as error:
                raise InputError.of("SW027", f"{name}: {error}", locations[path]) from None
    return Layer(data, locations)


def find_conflicts(
    schema: JsonSchema,
    variables: Layer,
    own: Layer,
    leaves: Mapping[ParameterPath, Leaf],
) -> Iterator[Problem]:
    """Yield a problem for each variable whose parameter has another value in the environment's file
    ``own``, unless the command line overrides both."""
    for file in _KEYWORDS:
        for path, _, name in _supplied(schema, file):
            leaf = leaves.get(path)
            at = own.locations.get(path)
            if path not in variables.locations or leaf is None or leaf.location != at:
                continue
            variable, parameter = _value_at(variables.data, path), _value_at(own.data, path)
            if variable != parameter:
                shown = [mask(_as_text(value), dotted(path)) for value in (variable, parameter)]
                message = f"{name} is {shown[0]}, but {dotted(path)} is {shown[1]}"
                where = (variables.locations[path], at)
                yield Problem("SW034", message, where, "remove one of the two lines")


def find_misplaced(
    schema: JsonSchema, dotenv: Dotenv, parameters: Mapping[str, Any]
) -> Iterator[Problem]:
    """Yield a problem for each variable that stands in the wrong file, and for each of ``aws.env``
    that nothing reads: it supplies no parameter, and ``variables.aws`` does not list it."""
    names = {
        file: {name: path for path, _, name in _supplied(schema, file)} for file in (AWS_ENV, ENV)
    }
    for file, other in ((AWS_ENV, ENV), (ENV, AWS_ENV)):
        for name in _values(dotenv, file):
            if name in names[other] and name not in names[file]:
                message = f"{name} belongs in {other}, where it stands for "
                message += dotted(names[other][name])
                where = (dotenv.locations[name],)
                yield Problem("SW035", message, where, f"move the line to {other}")
    if names[AWS_ENV]:
        listed = name_patterns(parameters.get("variables"), "aws")
        known = {*names[AWS_ENV], *names[ENV]}
        for name in dotenv.aws:
            if name not in known and not matches_pattern(name, listed):
                yield _unread(name, dotenv.locations[name], sorted(names[AWS_ENV]))


def _unread(name: str, at: Location, known: Sequence[str]) -> Problem:
    close = difflib.get_close_matches(name, known, 1, 0.6)
    hint = f"did you mean {close[0]}? " if close else ""
    hint += "Otherwise remove the line, or list the name under variables.aws if a template reads it"
    return Problem("SW035", f"nothing reads {name} of aws.env", (at,), hint)


def find_missing(
    dotenv: Dotenv,
    parameters: Mapping[str, Any],
    locations: Mapping[ParameterPath, Location],
    file: str,
) -> Iterator[Problem]:
    """Yield a problem for each variable of ``variables.required``, names by service, that is absent
    or empty in ``.env`` and that neither keys.env.example nor the templates give; ``file`` is the
    path of ``.env`` for messages."""
    rules = parameters.get("variables")
    required = rules.get("required") if isinstance(rules, Mapping) else None
    needed: dict[str, list[str]] = {}
    for service in sorted(required) if isinstance(required, Mapping) else ():
        for name in name_patterns(required, service):
            needed.setdefault(name, []).append(service)
    values = _values(dotenv, ENV)
    computed = name_patterns(rules, "computed")
    for name, services in needed.items():
        if values.get(name) or name in dotenv.secret_names or matches_pattern(name, computed):
            continue
        state = "empty" if name in values else "missing"
        verb = "needs" if len(services) == 1 else "need"
        message = f"{name} is {state}; {_join(services)} {verb} it"
        at = dotenv.locations[name] if name in values else Location(file)
        rule = _nearest(locations, ("variables", "required", services[0]))
        yield Problem("SW036", message, (at, *rule), f"write {name}=… in {file}")


def _nearest(
    locations: Mapping[ParameterPath, Location], path: ParameterPath
) -> tuple[Location, ...]:
    """Return where the path, or the nearest one above it, is given."""
    paths = (path[:length] for length in range(len(path), 0, -1))
    return tuple(locations[above] for above in paths if above in locations)[:1]


def fill_variables(dotenv: Dotenv, schema: JsonSchema, parameters: Mapping[str, Any]) -> Dotenv:
    """Return the variables with the merged value of each parameter for which one stands.

    A function gets every such variable that is not null, containers those that ``.env`` gives.
    """
    for_functions = name_patterns(parameters.get("variables"), "function")
    plain, function = dict(dotenv.plain), dict(dotenv.function)
    for path, _, name in _supplied(schema, ENV):
        value = _value_at(parameters, path)
        group = function if matches_pattern(name, for_functions) else plain
        if value is None:
            group.pop(name, None)
        elif group is function or name in plain:
            group[name] = _as_text(value)
    return replace(
        dotenv, plain=dict(sorted(plain.items())), function=dict(sorted(function.items()))
    )


def _value_at(data: Any, path: ParameterPath) -> Any:
    for part in path:
        data = data.get(part) if isinstance(data, Mapping) else None
    return data


def _as_text(value: Any) -> str:
    """Return a value as a dotenv file holds it; `value_from_text` is the inverse."""
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def _join(names: Sequence[str]) -> str:
    """Return ``agent, gateway and indexer``."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
