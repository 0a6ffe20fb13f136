"""Values as CloudFormation computes them: plain, known only after apply, and with their
dependencies.

A resolved tree is made of dicts, lists, scalars and :class:`Traced` nodes; a ``Traced`` stands
where an intrinsic function stood and holds the references that its value depends on;
:func:`plain_data` strips them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum, StrEnum
from typing import Any, Final

from msgspec import Struct

from .declarations import template_to_text

KNOWN_AFTER_APPLY: Final = "{{changeSet:KNOWN_AFTER_APPLY}}"
"""What ``DescribeChangeSet`` prints for a value that only exists once the change set was
executed."""


class NoValue(Enum):
    """The type of :data:`NO_VALUE`."""

    NO_VALUE = "AWS::NoValue"


NO_VALUE: Final = NoValue.NO_VALUE
"""``!Ref AWS::NoValue``: the property or list item that holds it does not exist."""


class ChangeSource(StrEnum):
    """The kind of a reference; the names of ``ResourceChangeDetail.ChangeSource``."""

    PARAMETER = "ParameterReference"
    RESOURCE = "ResourceReference"
    ATTRIBUTE = "ResourceAttribute"


class ValueReference(Struct, frozen=True, order=True):
    """One dependency of a value: ``entity`` is a parameter, ``LogicalId`` or
    ``LogicalId.Attribute``."""

    source: ChangeSource
    entity: str

    @property
    def logical_id(self) -> str:
        """The resource (or the parameter) that is named."""
        return self.entity.partition(".")[0]


class Unknown(Struct, frozen=True):
    """A value that is known only after apply.

    ``text`` shows it as an expression (``arn:${Topic}``), ``causes`` say why it is not known.
    ``fresh``: the update makes the value; without it, the value exists in AWS but is not known
    here, and two such values with equal texts are equal. ``certain``: it will differ from every
    value there was before.
    """

    text: str
    causes: tuple[str, ...]
    fresh: bool = False
    certain: bool = False

    def __str__(self) -> str:
        return self.text


class Traced(Struct, frozen=True):
    """The result of an intrinsic function with what it depends on.

    ``unseen`` and ``stale`` are what AWS's change sets make of it: ``unseen``, AWS prints
    ``KNOWN_AFTER_APPLY`` though the value may be computable or even unchanged; ``stale``, AWS goes
    on showing the value from before, though it will change. ``secret`` values (``NoEcho``) are
    printed as ``****``.
    """

    value: Any
    references: frozenset[ValueReference] = frozenset()
    unseen: bool = False
    stale: bool = False
    secret: bool = False


def plain_data(value: Any) -> Any:
    """The tree without :class:`Traced` nodes; :class:`Unknown` values stay."""
    if isinstance(value, Traced):
        return plain_data(value.value)
    if isinstance(value, Mapping):
        return {key: plain_data(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain_data(item) for item in value]
    return value


def find_traces(value: Any) -> Iterator[Traced]:
    """Every :class:`Traced` node in the tree, outermost first."""
    if isinstance(value, Traced):
        yield value
        yield from find_traces(value.value)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from find_traces(item)
    elif isinstance(value, list):
        for item in value:
            yield from find_traces(item)


def canonical_value(value: Any) -> Any:
    """The plain tree with every scalar as text: CloudFormation compares ``5`` and ``"5"`` as
    equal."""
    if isinstance(value, Traced):
        return canonical_value(value.value)
    if isinstance(value, Mapping):
        return {key: canonical_value(item) for key, item in value.items()}
    if isinstance(value, list):
        return [canonical_value(item) for item in value]
    return value if isinstance(value, Unknown) else template_to_text(value)


def print_value(value: Any, attributes: bool = True) -> Any:
    """The tree as ``DescribeChangeSet`` prints it: scalars as text, unknown values and secrets
    masked.

    With ``attributes=False`` everything that an ``Fn::GetAtt`` takes part in is masked too:
    CloudFormation does not read attributes when it creates a change set.
    """
    if isinstance(value, Traced):
        hidden = value.unseen or (not attributes and uses_attributes(value))
        return (
            "****"
            if value.secret
            else KNOWN_AFTER_APPLY
            if hidden
            else print_value(value.value, attributes)
        )
    if isinstance(value, Mapping):
        return {key: print_value(item, attributes) for key, item in value.items()}
    if isinstance(value, list):
        return [print_value(item, attributes) for item in value]
    return KNOWN_AFTER_APPLY if isinstance(value, Unknown) else template_to_text(value)


def uses_attributes(value: Traced) -> bool:
    """Whether an ``Fn::GetAtt`` takes part in the value."""
    return any(reference.source is ChangeSource.ATTRIBUTE for reference in value.references)


def value_text(shown: Any) -> str:
    """A printed tree as one string, the form of ``BeforeValue`` and ``AfterValue``."""
    return (
        shown
        if isinstance(shown, str)
        else json.dumps(shown, separators=(",", ":"), sort_keys=True)
    )


# --- values made of values


def combine(value: Any, parts: Iterable[Any]) -> Traced:
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


def join_texts(parts: Sequence[Any], delimiter: str) -> str | Unknown:
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


def derived_unknown(function: str, unknown: Unknown, *arguments: Any) -> Unknown:
    shown = ", ".join([str(argument) for argument in arguments] + [unknown.text])
    return Unknown(
        f"{function}({shown})", unknown.causes, unknown.fresh
    )  # a part of it may well be as before


def first_unknown(value: Any) -> Unknown | None:
    if isinstance(value, Unknown):
        return value
    items = (
        value
        if isinstance(value, list)
        else list(value.values())
        if isinstance(value, Mapping)
        else []
    )
    return next((unknown for item in items if (unknown := first_unknown(plain_data(item)))), None)
