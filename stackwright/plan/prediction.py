"""Predict what an update will do, from the live stack and the desired one. No AWS calls.

A change set lists what CloudFormation takes for changed; the prediction says what changes, and
what CloudFormation will list of it (`cfn.changes`). ``reconcile`` compares the two.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
from collections.abc import Callable, Iterator, Mapping
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
    declared_keys,
    parse_template,
    predict_changes,
)
from ..core import HIDDEN
from ..diff import (
    PARAMETER,
    Diff,
    DiffCollector,
    describe_declaration_change,
    describe_templates,
    diff_tags,
    diff_unread,
)
from .live_stack import (
    LiveStack,
    hidden_parameters,
    nested_name,
    pseudo_parameters,
)
from .model import DesiredStack

Place = tuple[str, str]
"""A resource: path of its stack (``app/network``), logical ID."""

_REGION = re.compile(r"https://[^/]+\.s3\.([a-z0-9-]+)\.amazonaws\.com")


class Surroundings(Struct, frozen=True):
    """The values around a root that its prediction takes from elsewhere.

    ``inputs`` are Parameters that get another value before, with that value, which may be an
    ``Unknown``. ``stored`` holds parameters of Parameter Store by name, for Parameters of an SSM
    type. ``before`` and ``after`` look up the values of ``{{resolve:ssm:…}}`` where they change.
    ``place`` has the account and the Region of a new stack. ``parse`` reads the text of a template.
    """

    inputs: Mapping[str, Any] = {}
    stored: Mapping[str, Any] = {}
    before: Callable[[str], Any] | None = None
    after: Callable[[str], Any] | None = None
    place: Pseudo | None = None
    parse: Callable[[str], Template] = parse_template


class PredictedPlan(Struct, frozen=True):
    """The predicted changes of a root and its nested stacks.

    ``changes`` also holds the changes that only CloudFormation will list; ``names`` the path of
    each nested stack, by its parent's path and its logical ID. ``problem`` is the reason why
    nothing can be predicted; empty where there is none. ``outputs`` are the root's Outputs that
    change, with their new values (``MISSING`` where the Output goes). ``before`` and ``after`` are
    the two sides that were compared.
    """

    diff: Diff = Diff()
    changes: Mapping[Place, ResourceChange] = {}
    names: Mapping[Place, str] = {}
    problem: str = ""
    outputs: Mapping[str, Any] = {}
    before: StackSide | None = None
    after: StackSide | None = None

    def name(self, parent: str, logical_id: str) -> str:
        """Return the path of a nested stack: ``app/network``."""
        return _find_name(self.names, parent, logical_id)


def predict_stack(
    desired: DesiredStack,
    live: LiveStack | None,
    around: Surroundings | None = None,
) -> PredictedPlan:
    """Return what making the live stack the desired one will change.

    Parameters without a value, also in ``around``, are known after apply. Where a template has
    something that only AWS understands, such as a macro, nothing is predicted and ``problem`` says
    so.
    """
    around = around or Surroundings()
    tree = _DesiredTree(desired, around)
    pseudo = pseudo_parameters(live.stack) if live else _pseudo_of_new_stack(desired, around.place)
    tags = tuple(diff_tags(desired.root, live.stack.tags, desired.tags)) if live else ()
    try:
        after = tree.build(pseudo, live)
        before = live.as_cfn(dynamic=around.before, parse=around.parse) if live else None
        schemas = Schemas(after.pseudo.region)
        prediction = predict_changes(before, after, schemas)
    except ValidationError as error:
        return PredictedPlan(Diff(tags=tags), names=tree.names, problem=error.message)
    collector = DiffCollector(
        schemas, lambda parent, logical_id: _find_name(tree.names, parent, logical_id)
    )
    collector.created += () if live else (desired.root,)
    collector.collect_root(desired.root, after, prediction, tags)
    changes = dict(flatten_changes(desired.root, prediction, tree.names))
    outputs = {name: value for name, (_, value) in prediction.outputs.items()}
    old, new = (dict(_list_templates(desired.root, side, tree.names)) for side in (before, after))
    diff = replace(
        collector.result(),
        texts=tuple(diff_unread(old, new)),
        notes=describe_templates(old, new),
    )
    return PredictedPlan(diff, changes, tree.names, outputs=outputs, before=before, after=after)


def kept_parameters(desired: DesiredStack, live: LiveStack) -> tuple[str, ...]:
    """Return the parameters that keep the stack's value (UsePreviousValue): they have no default,
    or are NoEcho, and neither the desired stack nor an earlier root gives them one.

    The value of a NoEcho parameter is in no release, so restoring a release keeps the stack's.
    """
    try:
        return tuple(_list_kept(parse_template(desired.body), desired, live))
    except ValidationError:
        return ()


def _list_kept(template: Template, desired: DesiredStack, live: LiveStack) -> list[str]:
    given = {*desired.parameters, *desired.missing}
    return [
        name
        for name, parameter in template.parameters.items()
        if (parameter.no_echo or parameter.default is None)
        and name not in given
        and name in live.stack.parameters
    ]


def _list_templates(
    path: str, side: StackSide | None, names: Mapping[Place, str]
) -> Iterator[tuple[str, Template]]:
    """Yield the templates of a stack and its nested stacks by their paths."""
    if side is not None:
        yield path, side.template
        for logical_id, child in side.nested.items():
            yield from _list_templates(_find_name(names, path, logical_id), child, names)


def keep_missing(desired: DesiredStack, live: LiveStack) -> DesiredStack:
    """Return the desired stack with the live stack's values for its Parameters without one, unless
    their declaration changed (an image's tag stands in its description)."""
    try:
        old, new = (
            declared_keys(text).data.get("Parameters") or {}
            for text in (live.template, desired.body)
        )
    except ValidationError:
        return desired
    values = live.stack.parameters
    kept = {
        name: values[name]
        for name in desired.missing
        if name in values and not describe_declaration_change(old, new, name)
    }
    missing = tuple(name for name in desired.missing if name not in kept)
    return replace(desired, parameters={**desired.parameters, **kept}, missing=missing)


def _find_name(names: Mapping[Place, str], parent: str, logical_id: str) -> str:
    return names.get((parent, logical_id)) or nested_name(parent, logical_id)


def flatten_changes(
    stack: str, prediction: Prediction, names: Mapping[Place, str]
) -> Iterator[tuple[Place, ResourceChange]]:
    """Yield the changes of a stack and its nested stacks by their places."""
    for change in prediction.changes:
        yield (stack, change.logical_id), change
        if change.nested:
            child = _find_name(names, stack, change.logical_id)
            yield from flatten_changes(child, change.nested, names)


def _describe_declaration(template: Template, live: LiveStack | None, name: str) -> str:
    """Return what changed in a parameter's declaration, which hints at its coming value."""
    old = (declared_keys(live.template).data.get("Parameters") or {}) if live else {}
    if name not in old or name not in template.parameters:
        return ""
    return describe_declaration_change(old, template.data["Parameters"], name)


def _pseudo_of_new_stack(desired: DesiredStack, place: Pseudo | None) -> Pseudo:
    """Return the pseudo parameters as far as they are known before there is a stack."""
    if place is not None:
        return replace(place, stack_name=desired.stack, stack_id=None)
    regions = [match[1] for match in map(_REGION.match, desired.urls.values()) if match]
    region = regions[0] if regions else "us-east-1"
    return Pseudo(desired.stack, region=region, account_id="${AWS::AccountId}")


class _DesiredTree:
    """The templates of a desired stack as a tree.

    A nested template is found by its address, or by the hash of its text, which is its name in the
    bucket.
    """

    def __init__(self, desired: DesiredStack, around: Surroundings) -> None:
        self._desired, self._around = desired, around
        self._by_hash = {
            hashlib.sha256(text.encode()).hexdigest(): name
            for name, text in desired.templates.items()
        }
        self._by_url = {url: name for name, url in desired.urls.items()}
        self.names: dict[Place, str] = {}

    def build(self, pseudo: Pseudo, live: LiveStack | None) -> StackSide:
        """Return the root with its nested stacks; parameters without a value are unknown.

        Raises:
            ValidationError: a template has something that only AWS understands.
        """
        desired = self._desired
        template = self._around.parse(desired.body)
        kept = _list_kept(template, desired, live) if live else ()
        values: dict[str, Any] = hidden_parameters(template, desired.parameters)
        for name, parameter in template.parameters.items():
            if name in self._around.inputs:
                hidden = Unknown(HIDDEN, (f"NoEcho parameter {name}",), fresh=True)
                values[name] = hidden if parameter.no_echo else self._around.inputs[name]
            elif name in desired.missing:
                cause = f"{PARAMETER}{name}{_describe_declaration(template, live, name)}"
                values[name] = Unknown(f"${{{name}}}", (cause,), fresh=True)
            elif live and name in kept:
                values.setdefault(name, live.stack.parameters[name])
        nested = self._build_nested(desired.root, template, pseudo, live)
        return self._make_side(template, values, pseudo, nested)

    def _build_nested(
        self, parent: str, template: Template, pseudo: Pseudo, live: LiveStack | None
    ) -> dict[str, StackSide]:
        sides = {}
        for logical_id, resource in template.resources.items():
            name = self._find_template(resource.properties.get("TemplateURL"))
            if resource.type != STACK_TYPE or name is None:
                continue
            self.names[parent, logical_id] = name
            child = live.nested.get(logical_id) if live else None
            inner = self._around.parse(self._desired.templates[name])
            nested = self._build_nested(name, inner, pseudo, child)
            own = pseudo if child is None else pseudo_parameters(child.stack, pseudo)
            sides[logical_id] = self._make_side(inner, {}, own, nested)
        return sides

    def _make_side(
        self,
        template: Template,
        values: Mapping[str, Any],
        pseudo: Pseudo,
        nested: Mapping[str, StackSide],
    ) -> StackSide:
        around = self._around
        return StackSide(
            template,
            values,
            pseudo,
            nested=nested,
            stored=around.stored,
            dynamic=around.after,
            tags=self._desired.tags,
            lenient=True,
        )

    def _find_template(self, url: Any) -> str | None:
        if not isinstance(url, str):
            return None
        return self._by_url.get(url) or self._by_hash.get(posixpath.basename(url).partition(".")[0])
