"""Read dotenv files, and classify their variables.

A variable is forbidden, computed, secret, function or plain; the first that matches, in this order.
Values are compared with the forms of credentials to find secrets in files of plain variables.
"""

from __future__ import annotations

import io
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core import Dotenv, Level, Location, Problem, Variable, looks_secret

if TYPE_CHECKING:
    from dotenv.parser import Binding

FORBIDDEN = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_PROFILE",
    "ECS_CONTAINER_*",
    "ECS_AGENT_URI",
    "AWS_CONTAINER_*",
    "AWS_EXECUTION_ENV",
)
"""Names that would override the credentials or metadata that ECS and Lambda give a task.

Source: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-iam-roles.html
"""
SECRET_NAME = re.compile(r"(KEY|SECRET|TOKEN|PASSWORD|PASSWD|PRIVATE|CREDENTIAL|CREDENTIALS|DSN)$")
_NAME = re.compile("[A-Z_][A-Z0-9_]*")
"""A word that a message may show as a name; a line of Base64 is none."""
FUNCTION_LIMIT = 4096
"""Bytes of all environment variables of a Lambda function together.

Source: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
"""


def read_dotenv(
    text: str, path: str, secret_names: Collection[str] | None = None
) -> tuple[dict[str, Variable], list[Problem]]:
    """Return the variables of a dotenv file in order, and its problems.

    For ``keys.env``, ``secret_names`` are the names of its example. Problems show no other text of
    that file: the lines of an unquoted key parse as names, too. Values are not interpolated:
    interpolation reads the caller's environment, so equal files could give different templates.
    """
    from dotenv.parser import parse_stream

    variables: dict[str, Variable] = {}
    problems: list[Problem] = []
    for binding in parse_stream(io.StringIO(text)):
        at = Location(path, _first_line(binding))
        name = binding.key or ""
        if binding.error or (name and binding.value is None):
            problems.append(_malformed_line(name, at, secret_names))
        elif name in variables:
            shown = name if secret_names is None or name in secret_names else "this name"
            where = (at, variables[name].location)
            problems.append(Problem("SW004", f"{shown} is given twice", where))
        elif name:
            variables[name] = Variable(name, binding.value or "", at)
    return variables, problems


def _first_line(binding: Binding) -> int:
    """Return the line of a binding's name; the parser counts the blank lines before it, too."""
    text = binding.original.string
    blank = text[: len(text) - len(text.lstrip())]
    return binding.original.line + blank.count("\n")


def _malformed_line(name: str, at: Location, secret_names: Collection[str] | None) -> Problem:
    """Return the problem of a line that is not NAME=value; ``name`` is all of it, or empty."""
    is_name = _NAME.fullmatch(name) if secret_names is None else name in secret_names
    if is_name:
        return Problem("SW007", f"{name} has no '='", (at,), f"write {name}=value")
    return Problem("SW007", "this line is not NAME=value", (at,), "quote a value that spans lines")


class Classifier:
    """Sorts the variables of one environment by kind; problems are collected in ``problems``.

    ``rules`` is the parameter ``variables``: shell-style patterns of names by kind.
    """

    def __init__(self, rules: Mapping[str, Any]) -> None:
        self._computed = name_patterns(rules, "computed")
        self._function = name_patterns(rules, "function")
        self._plain = name_patterns(rules, "plain")
        self.problems: list[Problem] = []

    def classify(
        self,
        plain: Mapping[str, Variable],
        aws: Mapping[str, Variable],
        secret_names: Sequence[str],
    ) -> Dotenv:
        """Return ``.env`` and ``aws.env`` sorted by kind, with the names of ``keys.env``."""
        by_kind: dict[str, dict[str, Variable]] = {}
        for variable in plain.values():
            kind = self._classify_variable(variable, secret_names)
            by_kind.setdefault(kind, {})[variable.name] = variable
        for variable in aws.values():
            self._is_forbidden(variable) or self._is_secret(variable, secret_names)
        function = by_kind.get("function", {})
        self._check_size(list(function.values()))
        return Dotenv(
            plain=_values(by_kind.get("plain", {})),
            secret_names=tuple(sorted(secret_names)),
            function=_values(function),
            aws=_values(aws),
            locations={
                variable.name: variable.location for variable in [*aws.values(), *plain.values()]
            },
        )

    def _classify_variable(self, variable: Variable, secret_names: Sequence[str]) -> str:
        """Return the kind of a variable; notes a problem unless it is function or plain."""
        if self._is_forbidden(variable):
            return "forbidden"
        if matches_pattern(variable.name, self._computed):
            message = f"{variable.name} is computed by the templates; the value here is ignored"
            self._report("SW021", message, variable, "remove the line", Level.WARNING)
            return "computed"
        if self._is_secret(variable, secret_names):
            return "secret"
        return "function" if matches_pattern(variable.name, self._function) else "plain"

    def _is_forbidden(self, variable: Variable) -> bool:
        if not matches_pattern(variable.name, FORBIDDEN):
            return False
        message = (
            f"{variable.name} must not be set: it would override the credentials of the task's role"
        )
        self._report(
            "SW020",
            message,
            variable,
            "remove the line; tasks and functions get credentials from their roles",
        )
        return True

    def _is_secret(self, variable: Variable, secret_names: Sequence[str]) -> bool:
        if variable.name in secret_names:
            message = f"{variable.name} is a key of keys.env and is given here too"
            self._report("SW022", message, variable, "remove the line")
            return True
        if matches_pattern(variable.name, self._plain) and not looks_secret(variable.value):
            return False
        if variable.value and SECRET_NAME.search(variable.name):
            reason = "its name is that of a secret"
        elif kind := looks_secret(variable.value):
            reason = f"its value looks like {kind}"
        else:
            return False
        hint = (
            "move it to keys.env; if it is public, list the name under variables.plain "
            "in params/defaults.yaml"
        )
        self._report("SW022", f"{variable.name} would be plain text: {reason}", variable, hint)
        return True

    def _check_size(self, variables: Sequence[Variable]) -> None:
        """Note a problem where the variables for functions exceed Lambda's limit."""
        size = sum(
            len(variable.name.encode()) + len(variable.value.encode()) for variable in variables
        )
        if size > FUNCTION_LIMIT:
            message = (
                f"the variables for functions take {size:,} bytes; Lambda allows {FUNCTION_LIMIT:,}"
            )
            hint = "shorten them, or keep them in a file of the function"
            self._report("SW023", message, variables[0], hint)

    def _report(
        self, code: str, message: str, variable: Variable, hint: str, level: Level = Level.ERROR
    ) -> None:
        self.problems.append(Problem(code, message, (variable.location,), hint, level))


def declared_secret_names(
    keys: Mapping[str, Variable] | None,
    example: Mapping[str, Variable] | None,
    folder: Path,
) -> tuple[tuple[str, ...], list[Problem]]:
    """Return the names of the secrets, sorted, and where ``keys.env`` and its example disagree.

    ``folder`` holds the two files; None stands for an absent file. The example alone says what the
    names are: it is committed, while ``keys.env`` may hold anything. No problem shows a name that
    only ``keys.env`` has, because it may be a part of a value.
    """
    shown = f"{folder.as_posix()}/keys.env"
    if example is None:
        return (), [_missing_example(shown)] if keys else []
    problems = [
        Problem(
            "SW025",
            f"{variable.name} has a value; the example is committed and must hold names only",
            (variable.location,),
        )
        for variable in example.values()
        if variable.value
    ]
    if keys is not None:
        problems += find_undeclared(keys, example, shown)
        problems += [
            Problem(
                "SW024",
                f"{name} is missing from keys.env",
                (variable.location,),
                f"add {name}=… to {shown}, or remove it from the example",
            )
            for name, variable in example.items()
            if name not in keys
        ]
    return tuple(sorted(example)), problems


def _missing_example(keys: str) -> Problem:
    """Return the warning that templates get no names; ``keys`` is the path of keys.env."""
    message = "there is no keys.env.example beside it, so the templates know no secret"
    hint = f"write {keys}.example: each name and '=', without the value; commit it"
    return Problem("SW024", message, (Location(keys),), hint, Level.WARNING)


def find_undeclared(
    keys: Mapping[str, Variable], names: Collection[str], path: str
) -> list[Problem]:
    """Return a problem for each variable of keys.env, the file ``path``, that ``names``, those of
    its example, lack."""
    message = "this name is not in keys.env.example, the list of names that everyone renders with"
    hint = f"add the name and '=' to {path}.example, or remove the line"
    hint += "; quote a value that spans lines"
    return [
        Problem("SW024", message, (variable.location,), hint)
        for variable in keys.values()
        if variable.name not in names
    ]


def _values(variables: Mapping[str, Variable]) -> dict[str, str]:
    return {name: variables[name].value for name in sorted(variables)}


def name_patterns(rules: Any, kind: str) -> tuple[str, ...]:
    """Return the patterns of one kind in the parameter ``variables``; none where it is no list."""
    value = (rules.get(kind) if isinstance(rules, Mapping) else None) or ()
    return tuple(str(item) for item in value) if isinstance(value, list | tuple) else ()


def matches_pattern(name: str, patterns: Iterable[str]) -> bool:
    """Return whether the name matches one of the shell-style patterns."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)
