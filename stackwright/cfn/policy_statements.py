"""The policy statements in a resource's properties."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

EFFECTS = ("Allow", "Deny")
_DOCUMENTS = frozenset(
    (
        "PolicyDocument",
        "AssumeRolePolicyDocument",
        "ResourcePolicy",
        "KeyPolicy",
        "RepositoryPolicyText",
        "FileSystemPolicy",
        "AccessPolicies",
        "Statement",
    )
)
"""Properties that are a policy, or statements of one."""
_POOLS = ("Policies", "Statement")
"""Lists whose items apply together: the inline policies of a role, the statements of a policy."""
_FIRST_VERSION = "2008-10-17"
"""The language of a policy without ``Version``. Source:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_version.html"""


class LocatedStatement(Struct, frozen=True):
    """A statement, where it stands, and the version of its policy's language.

    ``path`` leads to the policy (``("Policies", "PolicyDocument", "Statement")``): statements with
    equal paths apply together. A statement that cannot be read, such as a ``Ref``, is the Action
    of a statement that has no Effect.
    """

    path: tuple[str, ...]
    version: str
    elements: Mapping[str, Any]


def locate_statements(
    value: Any, path: tuple[str, ...] = (), version: str = _FIRST_VERSION
) -> Iterator[LocatedStatement]:
    """Yield the statements at any depth and in JSON text. All branches of ``Fn::If`` count."""
    if isinstance(value, Mapping):
        version = str(value.get("Version", _FIRST_VERSION)) if "Statement" in value else version
        if any(_has(value, effect) for effect in EFFECTS):
            yield LocatedStatement(path, version, value)
        for key, item in value.items():
            below = (*path, str(key))
            if key in _DOCUMENTS:
                statements = item if isinstance(item, list) else [item]
                for statement in filter(_unread, statements):
                    yield LocatedStatement(below, version, {"Action": statement})
            yield from locate_statements(item, below, version)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            below = path if path[-1:] and path[-1] in _POOLS else (*path, str(index))
            yield from locate_statements(item, below, version)
    elif isinstance(value, str):
        yield from locate_statements(_read(value), path, version)


def read_statements(value: Any, effect: str) -> Iterator[Mapping[str, Any]]:
    """Yield the statements of `locate_statements` that have an effect or may have it."""
    for statement in locate_statements(value):
        if "Effect" not in statement.elements or _has(statement.elements, effect):
            yield statement.elements


def _has(value: Mapping[str, Any], effect: str) -> bool:
    said = value.get("Effect")
    return said == effect or (
        said is not None and said not in EFFECTS and ("Action" in value or "NotAction" in value)
    )


def _unread(value: Any) -> bool:
    if isinstance(value, str):
        return _read(value) is None
    called = (
        isinstance(value, Mapping)
        and len(value) == 1
        and str(next(iter(value))).startswith(("Ref", "Fn::"))
    )
    return called and not any(locate_statements(value))


def _read(text: str) -> Any:
    """The document or list in JSON text; None where the text holds neither."""
    try:
        return json.loads(text) if text.lstrip()[:1] in ("{", "[") else None
    except (ValueError, RecursionError):
        return None
