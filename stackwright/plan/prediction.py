"""What an update will do, by our own prediction: the live stack against what it is asked to become.
No AWS calls.

A change set says what CloudFormation takes for changed; this says what changes, and what
CloudFormation will make of it (`cfn.changes`). `agreement` holds one against the other.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from ..cfn import (
    STACK_TYPE,
    Prediction,
    Pseudo,
    ResourceChange,
    Schemas,
    StackSide,
    Template,
    Unknown,
    ValidationError,
    parse_template,
    predict_changes,
)
from ..core import TemplateError
from ..diff import PARAMETER, Diff, DiffCollector, describe_declaration_change
from .live_stack import LiveStack, hidden_parameters, nested_name, pseudo_parameters
from .model import DesiredStack

Place = tuple[str, str]
"""A resource: name of its stack (``app/network``), logical ID."""

_REGION = re.compile(r"https://[^/]+\.s3\.([a-z0-9-]+)\.amazonaws\.com")


class PredictedPlan(Struct, frozen=True):
    """What is predicted. ``changes`` holds the changes of all stacks, also those that only
    CloudFormation will list; ``names`` the name of each nested stack by its parent's and its
    logical ID; ``problem`` is why nothing is."""

    diff: Diff = Diff()
    changes: Mapping[Place, ResourceChange] = {}
    names: Mapping[Place, str] = {}
    problem: str = ""

    def name(self, parent: str, logical_id: str) -> str:
        """``app/network``."""
        return self.names.get((parent, logical_id)) or nested_name(parent, logical_id)


def predict_stack(desired: DesiredStack, live: LiveStack | None) -> PredictedPlan:
    """What making the live stack what the desired says will do; parameters without a value are known
    after apply.

    Never fails: where one of the templates has what only AWS understands, ``problem`` says so.
    """
    side = _Target(desired)
    try:
        after = side.stack(pseudo_parameters(live.stack) if live else _pseudo(desired), live)
        before = live.as_cfn() if live else None
        schemas = Schemas(after.pseudo.region)
        prediction = predict_changes(before, after, schemas)
    except ValidationError as error:
        return PredictedPlan(names=side.names, problem=error.message)
    collector = DiffCollector(
        schemas, lambda parent, change: _named(side.names, parent, change.logical_id)
    )
    collector.collect_root(desired.root, after, prediction)
    changes = dict(_flat(desired.root, prediction, side.names))
    return PredictedPlan(collector.result(), changes, side.names)


def kept_parameters(desired: DesiredStack, live: LiveStack) -> tuple[str, ...]:
    """Parameters whose value stays as it is (UsePreviousValue): the desired gives none, and nothing
    else does.

    That of a NoEcho parameter is in no release, so restoring one keeps what the stack has.
    """
    try:
        return tuple(_kept(parse_template(desired.body), desired, live))
    except ValidationError:
        return ()


def _kept(template: Template, desired: DesiredStack, live: LiveStack) -> list[str]:
    without = [
        name for name, each in template.parameters.items() if each.no_echo or each.default is None
    ]
    given = {*desired.parameters, *desired.missing}
    return [name for name in without if name not in given and name in live.stack.parameters]


def diff_with_live(desired: DesiredStack, live: LiveStack | None) -> Diff:
    """What making the live stack what the desired says would do, without asking anything else of
    AWS.

    Parameters that nothing gives a value keep the stack's, unless their declaration changed (an
    image's tag stands in its description). Raises TemplateError where one of the templates has what
    only AWS understands.
    """
    found = predict_stack(_carried(desired, live) if live else desired, live)
    if found.problem:
        raise TemplateError.of(
            "SW503", f"{desired.root} cannot be compared with {desired.stack}: {found.problem}"
        )
    return found.diff


def _carried(desired: DesiredStack, live: LiveStack) -> DesiredStack:
    try:
        old, new = (
            parse_template(text).data.get("Parameters") or {}
            for text in (live.template, desired.body)
        )
    except ValidationError:
        return desired
    values = live.stack.parameters
    same = {
        name: values[name]
        for name in desired.missing
        if name in values and old.get(name) == new.get(name)
    }
    missing = tuple(name for name in desired.missing if name not in same)
    return replace(desired, parameters={**desired.parameters, **same}, missing=missing)


def _named(names: Mapping[Place, str], parent: str, logical_id: str) -> str:
    return names.get((parent, logical_id)) or nested_name(parent, logical_id)


def _flat(
    name: str, prediction: Prediction, names: Mapping[Place, str]
) -> Iterator[tuple[Place, ResourceChange]]:
    for change in prediction.changes:
        yield (name, change.logical_id), change
        if change.nested:
            yield from _flat(_named(names, name, change.logical_id), change.nested, names)


def _news(template: Template, live: LiveStack | None, name: str) -> str:
    """What changed in the declaration of a parameter, for a reader who wonders what its value will
    be."""
    old = (parse_template(live.template).data.get("Parameters") or {}) if live else {}
    return (
        describe_declaration_change(old, template.data["Parameters"], name)
        if name in old and name in template.parameters
        else ""
    )


def _pseudo(desired: DesiredStack) -> Pseudo:
    """As far as it is known before there is a stack."""
    found = [match[1] for match in map(_REGION.match, desired.urls.values()) if match]
    region = found[0] if found else "us-east-1"
    return Pseudo(desired.stack, region=region, account_id="${AWS::AccountId}")


class _Target:
    """The templates of a desired as a tree. Nested ones are found by what they hold: addresses name
    it by its hash."""

    def __init__(self, desired: DesiredStack) -> None:
        self._target = desired
        self._by_hash = {
            hashlib.sha256(text.encode()).hexdigest(): name
            for name, text in desired.templates.items()
        }
        self._by_url = {url: name for name, url in desired.urls.items()}
        self.names: dict[Place, str] = {}

    def stack(self, pseudo: Pseudo, live: LiveStack | None) -> StackSide:
        template = parse_template(self._target.body)
        given: dict[str, Any] = hidden_parameters(template, self._target.parameters)
        for name in template.parameters:
            if name in self._target.missing:
                given[name] = Unknown(
                    f"${{{name}}}", (f"{PARAMETER}{name}{_news(template, live, name)}",), fresh=True
                )
            elif live and name in _kept(template, self._target, live):
                given.setdefault(name, live.stack.parameters[name])
        return StackSide(
            template,
            given,
            pseudo,
            nested=self._nested(self._target.root, template, pseudo, live),
            tags=self._target.tags,
        )

    def _nested(
        self, parent: str, template: Template, pseudo: Pseudo, live: LiveStack | None
    ) -> dict[str, StackSide]:
        found = {}
        for logical_id, resource in template.resources.items():
            name = self._name(resource.properties.get("TemplateURL"))
            if resource.type != STACK_TYPE or name is None:
                continue
            self.names[parent, logical_id] = name
            child = live.nested.get(logical_id) if live else None
            template_ = parse_template(self._target.templates[name])
            inner = self._nested(name, template_, pseudo, child)
            own = pseudo if child is None else pseudo_parameters(child.stack, pseudo)
            found[logical_id] = StackSide(template_, {}, own, nested=inner, tags=self._target.tags)
        return found

    def _name(self, url: Any) -> str | None:
        if not isinstance(url, str):
            return None
        return self._by_url.get(url) or self._by_hash.get(posixpath.basename(url).partition(".")[0])
