"""Dotenv files: reading them, and deciding what each variable is.

First match wins: forbidden, computed, secret, function, plain (see ``docs/parameters.md``). Secret
values are looked at here to find the ones that stand in the wrong file; they never leave this
module.
"""

from __future__ import annotations

import base64
import binascii
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from ..core import Dotenv, Level, Location, Problem, Variable

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
_JWT = re.compile(r"eyJ[A-Za-z0-9_-]{5,}\.(eyJ[A-Za-z0-9_-]{5,})\.[A-Za-z0-9_-]*")
SECRET_VALUES: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("a PEM private key", re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")),
    ("a JSON Web Token", _JWT),
    (
        "a URL with a password",
        re.compile(r"[a-z][a-z0-9+.-]*://[^\s/:@\"'<>{}]+:(?![\"'<>{}$])[^\s/@\"'<>]{3,}@"),
    ),
    ("an AWS access key", re.compile(r"(?<![A-Z0-9])(AKIA|ASIA)[A-Z0-9]{16}(?![A-Z0-9])")),
    (
        "an API key",
        re.compile(r"(?<![A-Za-z0-9])(sk|pk|rk)[-_](live|test|proj|ant)?[-_]?[A-Za-z0-9_-]{20,}"),
    ),
    (
        "a GitHub token",
        re.compile(r"(?<![A-Za-z0-9])(gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{30,})"),
    ),
    ("a Slack token", re.compile(r"xox[abprs]-[A-Za-z0-9-]{10,}")),
    ("a Google API key", re.compile(r"AIza[0-9A-Za-z_-]{35}")),
)
"""What a credential looks like; the descriptions are shown, the values never."""
FUNCTION_LIMIT = 4096
"""Bytes of all environment variables of a Lambda function together.

Source: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
"""


def looks_secret(value: str) -> str:
    """What kind of credential ``value`` looks like, or an empty string; a token made to be public
    is none."""
    for kind, pattern in SECRET_VALUES:
        if any(not is_public_token(match.group(0)) for match in pattern.finditer(value)):
            return kind
    return ""


def is_public_token(value: str) -> bool:
    """Whether ``value`` is a JWT made to be public: its ``role`` claim is ``anon`` (Supabase's
    anonymous key)."""
    match = _JWT.fullmatch(value)
    if match is None:
        return False
    body = match.group(1)
    try:
        claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    except (ValueError, binascii.Error):
        return False
    return isinstance(claims, dict) and claims.get("role") == "anon"


def read_dotenv(text: str, path: str) -> tuple[dict[str, Variable], list[Problem]]:
    """The variables of a dotenv file in order, and its problems; values are not interpolated.

    Interpolation would read the caller's environment, and the same inputs would no longer give the
    same output.
    """
    from dotenv.parser import parse_stream

    found: dict[str, Variable] = {}
    problems: list[Problem] = []
    for binding in parse_stream(io.StringIO(text)):
        blank = len(binding.original.string) - len(binding.original.string.lstrip("\n"))
        at = Location(path, binding.original.line + blank)
        if binding.error:
            problems.append(
                Problem(
                    "SW007", "this line is not NAME=value", (at,), "quote a value that spans lines"
                )
            )
        elif binding.key and binding.value is None:
            problems.append(
                Problem("SW007", f"{binding.key} has no '='", (at,), f"write {binding.key}=value")
            )
        elif binding.key and binding.key in found:
            problems.append(
                Problem("SW004", f"{binding.key} is given twice", (at, found[binding.key].location))
            )
        elif binding.key:
            found[binding.key] = Variable(binding.key, binding.value or "", at)
    return found, problems


class Classifier:
    """Sorts the variables of one environment; problems are collected in ``problems``."""

    def __init__(self, rules: Mapping[str, Any]) -> None:
        self._computed = _globs(rules, "computed")
        self._function = _globs(rules, "function")
        self._plain = _globs(rules, "plain")
        self.problems: list[Problem] = []

    def classify(
        self,
        plain: Mapping[str, Variable],
        aws: Mapping[str, Variable],
        secret_names: Sequence[str],
    ) -> Dotenv:
        """``.env`` and ``aws.env`` sorted by kind, with the names of ``keys.env``."""
        kept: dict[str, Variable] = {}
        function: dict[str, Variable] = {}
        for variable in plain.values():
            kind = self._kind(variable, secret_names)
            if kind == "function":
                function[variable.name] = variable
            elif kind == "plain":
                kept[variable.name] = variable
        for variable in aws.values():
            self._forbidden(variable) or self._secret(variable, secret_names)
        self._limit(function.values())
        return Dotenv(
            plain={name: kept[name].value for name in sorted(kept)},
            secret_names=tuple(sorted(secret_names)),
            function={name: function[name].value for name in sorted(function)},
            aws={name: aws[name].value for name in sorted(aws)},
            locations={v.name: v.location for v in [*aws.values(), *plain.values()]},
        )

    def _kind(self, variable: Variable, secret_names: Sequence[str]) -> str:
        if self._forbidden(variable):
            return "forbidden"
        if matches_pattern(variable.name, self._computed):
            message = f"{variable.name} is computed by the templates; the value here is ignored"
            self._add("SW021", message, variable, "remove the line", Level.WARNING)
            return "computed"
        if self._secret(variable, secret_names):
            return "secret"
        return "function" if matches_pattern(variable.name, self._function) else "plain"

    def _forbidden(self, variable: Variable) -> bool:
        if not matches_pattern(variable.name, FORBIDDEN):
            return False
        message = (
            f"{variable.name} must not be set: it would replace the credentials of the task's role"
        )
        self._add(
            "SW020",
            message,
            variable,
            "remove the line; tasks and functions get credentials from their roles",
        )
        return True

    def _secret(self, variable: Variable, secret_names: Sequence[str]) -> bool:
        if variable.name in secret_names:
            self._add(
                "SW022",
                f"{variable.name} is a key of keys.env and stands here too",
                variable,
                "remove the line",
            )
            return True
        if matches_pattern(variable.name, self._plain) and not looks_secret(variable.value):
            return False
        if variable.value and SECRET_NAME.search(variable.name):
            reason = "its name says that it is a secret"
        elif kind := looks_secret(variable.value):
            reason = f"its value looks like {kind}"
        else:
            return False
        hint = "move it to keys.env; if it is public, list the name under variables.plain in params/defaults.yaml"
        self._add("SW022", f"{variable.name} would be plain text: {reason}", variable, hint)
        return True

    def _limit(self, function: Iterable[Variable]) -> None:
        variables = list(function)
        size = sum(len(v.name.encode()) + len(v.value.encode()) for v in variables)
        if size > FUNCTION_LIMIT:
            message = (
                f"the variables for functions take {size:,} bytes; Lambda allows {FUNCTION_LIMIT:,}"
            )
            self._add(
                "SW023",
                message,
                variables[0],
                "shorten them, or keep them in a file of the function",
            )

    def _add(
        self, code: str, message: str, variable: Variable, hint: str, level: Level = Level.ERROR
    ) -> None:
        self.problems.append(Problem(code, message, (variable.location,), hint, level))


def declared_secret_names(
    keys: Mapping[str, Variable] | None, example: Mapping[str, Variable] | None, folder: Path
) -> tuple[tuple[str, ...], list[Problem]]:
    """The names of the secrets, and where ``keys.env`` and its committed example disagree."""
    filled = [
        Problem(
            "SW025",
            f"{v.name} has a value; the example is committed and must hold names only",
            (v.location,),
        )
        for v in (example or {}).values()
        if v.value
    ]
    if keys is None or example is None:
        return tuple(sorted(keys or example or ())), filled
    problems = [
        Problem(
            "SW024",
            f"{name} is not in keys.env.example, the list of names that everyone renders with",
            (keys[name].location,),
            f"add the line '{name}=' to {folder.as_posix()}/keys.env.example, or remove it here",
        )
        for name in keys
        if name not in example
    ]
    problems += [
        Problem(
            "SW024",
            f"{name} is missing in keys.env",
            (example[name].location,),
            f"add {name}=… to {folder.as_posix()}/keys.env, or remove it from the example",
        )
        for name in example
        if name not in keys
    ]
    return tuple(sorted({*keys, *example})), problems + filled


def _globs(rules: Mapping[str, Any], kind: str) -> tuple[str, ...]:
    value = rules.get(kind) or ()
    return tuple(str(item) for item in value) if isinstance(value, list | tuple) else ()


def matches_pattern(name: str, patterns: Iterable[str]) -> bool:
    """Whether the name is one of the shell-style patterns."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)
