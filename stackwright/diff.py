"""Two builds -> what deploying the second over the first does; offline, resource by resource, by meaning.

Stands on :mod:`stackwright.cfn.changes`, which knows what replaces and what follows. Here the changes of all
stacks come together, and properties are compared as people read them: containers by name, environment by
variable, policies by statement, JSON text by its content.
"""

from __future__ import annotations

import json
import posixpath
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from graphlib import CycleError, TopologicalSorter
from itertools import zip_longest
from pathlib import Path
from typing import Any

from .cfn import changes as cfn
from .cfn.difference import MISSING
from .cfn.intrinsics import Pseudo
from .cfn.schema import Recreation, ResourceType, Schemas
from .cfn.template import Template, ValidationError, parse, to_text
from .cfn.values import Reference, Source, Traced, Unknown, canonical, plain, traces
from .errors import InputError, TemplateError
from .model import Location

Files = Mapping[str, str]
"""A build folder: POSIX path relative to it -> text, e.g. ``app/network.yaml``."""

TEMPLATES = (".yaml", ".json")
"""What the names of templates end in."""


class Effect(StrEnum):
    """What happens to a resource, in the words of Terraform's users."""

    ADD = "add"
    CHANGE = "change"
    REPLACE = "replace"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True)
class PropertyDiff:
    """One value that differs. ``path`` reads like ``ContainerDefinitions["gateway"].Image``; a side that does
    not exist is None. ``replaces``: ``no``, ``yes`` or ``maybe``; ``after_apply``: the new value is only
    known then."""

    path: str
    before: Any
    after: Any
    exists_before: bool = True
    exists_after: bool = True
    replaces: str = "no"
    after_apply: bool = False
    certain: bool = True
    causes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ResourceDiff:
    """What happens to one resource of one stack (``app`` or ``app/gateway``).

    ``certain`` is False where it depends on values known after apply. ``causes`` name what a change merely
    follows.
    """

    stack: str
    logical_id: str
    type: str
    effect: Effect
    certain: bool = True
    may_replace: bool = False
    properties: tuple[PropertyDiff, ...] = ()
    line: int = 0

    @property
    def address(self) -> str:
        """``app/gateway:Service``."""
        return f"{self.stack}:{self.logical_id}"


@dataclass(frozen=True, slots=True)
class DataLoss:
    """A stateful resource that goes away or is made anew. ``policy`` is what the template says of the old
    one; ``kept`` whether its data survives (somewhere nothing uses it any more)."""

    resource: ResourceDiff
    policy: str
    kept: bool


@dataclass(frozen=True, slots=True)
class OutputDiff:
    """An output of a root stack that differs; a side that does not exist is None."""

    stack: str
    name: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class Diff:
    """Everything that differs, in the order of stacks and, in each, of logical ids."""

    resources: tuple[ResourceDiff, ...] = ()
    outputs: tuple[OutputDiff, ...] = ()
    losses: tuple[DataLoss, ...] = ()

    def count(self, effect: Effect) -> int:
        """How many resources it happens to."""
        return sum(each.effect is effect for each in self.resources)

    @property
    def empty(self) -> bool:
        """Whether deploying would change nothing."""
        return not self.resources and not self.outputs


# --- reading builds -----------------------------------------------------------------------------------------


def folder(path: Path) -> dict[str, str]:
    """The templates below a build folder; empty where it does not exist.

    Raises:
        InputError: a file cannot be read as text.
    """
    found = {}
    templates = [file for file in path.rglob("*") if file.suffix in TEMPLATES] if path.is_dir() else []
    for file in sorted(templates):
        try:
            found[file.relative_to(path).as_posix()] = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            where = Location(file.as_posix())
            raise InputError.of("SW501", f"cannot be read: {error}", where) from None
    return found


def revision(project: Path, ref: str, path: str) -> dict[str, str]:
    """The templates below ``path`` (relative to the project) as they are in the git revision ``ref``.

    Raises:
        InputError: there is no such revision, or the project is no git repository.
    """
    if ref.startswith("-") or not ref:
        raise InputError.of("SW502", f"{ref!r} is not a git revision")
    commit = _git(project, "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}").strip()
    listed = _git(project, "ls-tree", "-r", "-z", "--name-only", commit, "--", f"{path}/")
    names = [name for name in listed.split("\0") if name.endswith(TEMPLATES)]
    return {posixpath.relpath(name, path): _git(project, "show", f"{commit}:./{name}") for name in names}


def _git(project: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(project), *arguments], capture_output=True, text=True, check=True, encoding="utf-8"
        )
    except FileNotFoundError:
        raise InputError.of("SW502", "git is not installed", hint="compare with a folder instead") from None
    except subprocess.CalledProcessError as error:
        reason = error.stderr.strip() or f"git {arguments[0]} found nothing for {arguments[-1]!r}"
        hint = "name a branch, tag or commit of this repository, or a build folder"
        raise InputError.of("SW502", f"the revision cannot be read: {reason}", hint=hint) from None
    return done.stdout


def renamed(files: Files, name: str, to: str) -> dict[str, str]:
    """The build with one environment's name put for another's, wherever it stands as a word: so that two
    environments are compared by what they mean, not by what they are called."""
    word = re.compile(rf"(?<![A-Za-z0-9]){re.escape(name)}(?![A-Za-z0-9])")
    return {path: word.sub(to, text) for path, text in files.items()}


# --- comparing ----------------------------------------------------------------------------------------------


def diff(before: Files, after: Files, region: str = "us-east-1", account_id: str = "") -> Diff:
    """What deploying the build ``after`` over a deployment of ``before`` does to each resource.

    Values that only exist in AWS are compared by what they refer to. A root's parameter without a value takes
    the output of the same name of another root; else it is known after apply, and taken for changed where its
    declaration changed (an image's tag stands in its description).

    Raises:
        TemplateError: a template is not one, with file and line.
    """
    pseudo = Pseudo(region=region, account_id=account_id or "${AWS::AccountId}")
    old, new = _Build(before, pseudo), _Build(after, pseudo)
    schemas = Schemas(region)
    collector = _Collector(schemas, new)
    for name in [*new.order, *(name for name in old.order if name not in new.order)]:
        collector.root(name, *_compared(old, new, name, schemas))
    return collector.result()


def _compared(old: _Build, new: _Build, name: str, schemas: Schemas) -> tuple[cfn.Stack | None, cfn.Prediction]:
    before = old.stack(name, None) if name in old.roots else None
    after = new.stack(name, old.declared(name)) if name in new.roots else None
    try:
        if after is None:
            return before, cfn.removal(before, schemas) if before else cfn.Prediction(())
        found = cfn.predict(before, after, schemas)
        new.outputs.update(found.output_values)
        if before is not None:
            old.outputs.update(cfn.output_values(before, schemas))
        return after, found
    except ValidationError as error:
        raise TemplateError.of(
            "SW503", error.message, Location(new.roots.get(name) or old.roots[name], error.line)
        ) from None


class _Build:
    """The roots of a build folder with their nested stacks, wired as they will be deployed."""

    def __init__(self, files: Files, pseudo: Pseudo) -> None:
        self._files, self._pseudo = files, pseudo
        self._templates: dict[str, Template] = {}
        self.roots = {posixpath.splitext(name)[0]: name for name in files if "/" not in name}
        self.order = self._order()
        self.outputs: dict[str, Any] = {}

    def template(self, path: str) -> Template:
        if path not in self._templates:
            try:
                self._templates[path] = parse(self._files[path])
            except ValidationError as error:
                raise TemplateError.of("SW503", error.message, Location(path, error.line)) from None
        return self._templates[path]

    def declared(self, root: str) -> Template | None:
        return self.template(self.roots[root]) if root in self.roots else None

    def _order(self) -> list[str]:
        """Roots after those whose outputs they take."""
        templates = {root: self.template(self.roots[root]) for root in sorted(self.roots)}
        needs = {
            root: [o for o, other in templates.items() if o != root and {*other.outputs} & {*template.parameters}]
            for root, template in templates.items()
        }
        try:
            return list(TopologicalSorter(needs).static_order())
        except CycleError:
            return list(templates)

    def stack(self, root: str, earlier: Template | None) -> cfn.Stack:
        """A root with values for all parameters; ``earlier``: the declaration to compare with."""
        template = self.template(self.roots[root])
        old = earlier.data.get("Parameters", {}) if earlier else None
        given: dict[str, Any] = {}
        for name, parameter in template.parameters.items():
            if name in self.outputs:
                given[name] = Traced(plain(self.outputs[name]))
            elif parameter.default is None:
                news = _news(old, template.data["Parameters"], name) if old is not None else ""
                given[name] = Unknown(f"${{{name}}}", (f"{_PARAMETER}{name}{news}",), fresh=bool(news))
        nested = self._nested(self.roots[root], template)
        return cfn.Stack(template, given, self._pseudo, nested=nested)

    def _nested(self, path: str, template: Template) -> dict[str, cfn.Stack]:
        found = {}
        for name, resource in template.resources.items():
            inner = self.child(path, resource.properties.get("TemplateURL"))
            if resource.type == cfn.STACK_TYPE and inner in self._files:
                child = self.template(inner)
                found[name] = cfn.Stack(child, {}, self._pseudo, nested=self._nested(inner, child))
        return found

    @staticmethod
    def child(path: str, url: Any) -> str:
        """The file that a local ``TemplateURL`` names, relative to the build folder."""
        beside = posixpath.dirname(path)
        return posixpath.normpath(posixpath.join(beside, url)) if isinstance(url, str) else ""


_PARAMETER = "parameter "


def _news(old: Mapping[str, Any], new: Mapping[str, Any], name: str) -> str:
    """What is new in the declaration of a parameter that gets its value later, or nothing."""
    if old.get(name) == new[name]:
        return ""
    texts = [str(side.get(name, {}).get("Description", "")).split() for side in (old, new)]
    words = [" ".join(word for word in texts[i] if word not in texts[1 - i]) for i in (0, 1)]
    return f" ({words[0]} → {words[1]})" if all(words) else " (declared anew)"


# --- collecting ---------------------------------------------------------------------------------------------


@dataclass
class _Collector:
    """Gathers what happens to resources; nested stacks themselves are no resources to the reader."""

    schemas: Schemas
    build: _Build
    resources: list[ResourceDiff] = field(default_factory=list)
    outputs: list[OutputDiff] = field(default_factory=list)
    losses: list[DataLoss] = field(default_factory=list)

    def result(self) -> Diff:
        return Diff(tuple(self.resources), tuple(self.outputs), tuple(self.losses))

    def root(self, name: str, stack: cfn.Stack | None, prediction: cfn.Prediction) -> None:
        self._stack(name, stack, prediction, {})
        for output, (before, after) in prediction.outputs.items():
            sides = [None if side is MISSING else _shown(side) for side in (before, after)]
            if sides[0] != sides[1]:
                self.outputs.append(OutputDiff(name, output, *sides))

    def _stack(self, name: str, stack: cfn.Stack | None, prediction: cfn.Prediction, wires: Mapping[str, str]) -> None:
        for change in prediction.changes:
            if change.real and not (change.type == cfn.STACK_TYPE and change.nested):
                self._resource(name, stack, change, wires)
        places = list(stack.template.resources) if stack else []
        last = len(places)  # what is removed stands after what is there
        order = {name: index for index, name in enumerate(places)}
        for change in sorted(prediction.changes, key=lambda each: order.get(each.logical_id, last)):
            if change.nested:
                child = stack.nested.get(change.logical_id) if stack else None
                self._stack(f"{name}/{_file_name(change)}", child, change.nested, _wires(change))

    def _resource(
        self, name: str, stack: cfn.Stack | None, change: cfn.ResourceChange, wires: Mapping[str, str]
    ) -> None:
        known = self.schemas.get(change.type)
        modified = change.action is cfn.Action.MODIFY
        properties = tuple(_properties(change, known, wires)) if modified else ()
        effect = _effect(change)
        certain = any(each.certain for each in properties) or not modified
        found = ResourceDiff(
            stack=name,
            logical_id=change.logical_id,
            type=change.type,
            effect=effect,
            certain=certain,
            may_replace=change.replacement is cfn.Replacement.CONDITIONAL,
            properties=properties,
            line=stack.template.line(("Resources", change.logical_id)) if stack else 0,
        )
        self.resources.append(found)
        if known is not None and known.stateful:
            self.losses += _loss(found, change)


def _file_name(change: cfn.ResourceChange) -> str:
    """``network`` for a nested stack from ``./app/network.yaml``; its logical id where that is not known."""
    properties = (change.after or change.before).get("Properties", {})
    url = plain(properties.get("TemplateURL"))
    if not isinstance(url, str):
        return change.logical_id
    return posixpath.basename(url).split(".")[0]


def _wires(change: cfn.ResourceChange) -> dict[str, str]:
    """Parameter of a nested stack -> what its parent gives it, e.g. ``Network.Outputs.VpcId``."""
    given = change.after.get("Properties", {}).get("Parameters", {})
    found = {}
    for name, value in given.items() if isinstance(given, Mapping) else ():
        names = sorted(reference.entity for node in traces(value) for reference in node.references)
        if names:
            found[name] = ", ".join(dict.fromkeys(names))
    return found


def _effect(change: cfn.ResourceChange) -> Effect:
    if change.action is cfn.Action.MODIFY:
        return Effect.REPLACE if change.replacement is cfn.Replacement.TRUE else Effect.CHANGE
    return Effect.REMOVE if change.action is cfn.Action.REMOVE else Effect.ADD


def _loss(found: ResourceDiff, change: cfn.ResourceChange) -> Iterator[DataLoss]:
    if found.effect is Effect.REMOVE:
        policy = change.policy_action or "Delete"
    elif found.effect is Effect.REPLACE or found.may_replace:
        policy = to_text(plain(change.after.get("UpdateReplacePolicy", "Delete")))
    else:
        return
    yield DataLoss(found, policy, kept=policy != "Delete")


# --- properties by meaning ----------------------------------------------------------------------------------

_IDENTITIES = (
    "Name",
    "ContainerName",
    "Key",
    "Sid",
    "PolicyName",
    "SourceVolume",
    "ContainerPort",
    "Id",
    "LoadBalancerName",
    "AttributeName",
    "IndexName",
    "LogicalResourceId",
    "Device",
    "DeviceName",
)
"""Keys by which lists of maps are compared, where each item has one and no two have the same."""


def _properties(
    change: cfn.ResourceChange, known: ResourceType | None, wires: Mapping[str, str]
) -> Iterator[PropertyDiff]:
    for attribute in sorted({*change.before, *change.after}):
        prefix = "" if attribute == "Properties" else attribute
        before, after = (side.get(attribute, MISSING) for side in (change.before, change.after))
        for leaf in _leaves(before, after, prefix, ()):
            inside = attribute == "Properties" and known is not None
            recreation = known.recreation(leaf.path) if inside and known else Recreation.NEVER
            yield _described(leaf, recreation, wires)


@dataclass(frozen=True, slots=True)
class _Leaf:
    shown: str
    path: tuple[str | int, ...]
    before: Any
    after: Any


def _described(leaf: _Leaf, recreation: Recreation, wires: Mapping[str, str]) -> PropertyDiff:
    references = {reference for node in traces(leaf.after) for reference in node.references}
    after = plain(leaf.after)
    unknown = [found for found in _unknowns(after) if found.fresh]
    certain = all(found.certain for found in unknown)
    bound = {cause for found in unknown for cause in found.causes if cause.startswith(_PARAMETER)}
    replaces = {Recreation.ALWAYS: "yes" if certain else "maybe", Recreation.CONDITIONALLY: "maybe"}
    return PropertyDiff(
        path=leaf.shown,
        before=None if leaf.before is MISSING else _shown(leaf.before),
        after=None if leaf.after is MISSING else _shown(leaf.after),
        exists_before=leaf.before is not MISSING,
        exists_after=leaf.after is not MISSING,
        replaces=replaces.get(recreation, "no"),
        after_apply=bool(unknown),
        certain=certain,
        causes=tuple(sorted(bound or {_cause(reference, wires) for reference in references})),
    )


def _cause(reference: Reference, wires: Mapping[str, str]) -> str:
    if reference.source is Source.PARAMETER:
        return wires.get(reference.entity, reference.entity)
    return reference.entity


def _unknowns(value: Any) -> Iterator[Unknown]:
    if isinstance(value, Unknown):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _unknowns(item)
    elif isinstance(value, list):
        for item in value:
            yield from _unknowns(item)


def _shown(value: Any) -> Any:
    """A plain tree in which unknown values are their expressions and secrets are masked."""
    if isinstance(value, Traced):
        return "****" if value.secret else _shown(value.value)
    if isinstance(value, Mapping):
        return {key: _shown(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_shown(item) for item in value]
    return value.text if isinstance(value, Unknown) else value


def _leaves(before: Any, after: Any, shown: str, path: tuple[str | int, ...]) -> Iterator[_Leaf]:
    """The differing leaves of two resolved trees, lists of named things compared by name."""
    if canonical(before) == canonical(after):
        return
    before, after = _opened(before), _opened(after)
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in sorted({**before, **after}):
            name = f"{shown}.{key}" if shown else str(key)
            yield from _leaves(before.get(key, MISSING), after.get(key, MISSING), name, (*path, key))
    elif isinstance(before, list) and isinstance(after, list):
        if _reordered(before, after):
            yield _Leaf(f"{shown}[order]", path, before, after)
        for label, old, new in _paired(before, after):
            yield from _leaves(old, new, f"{shown}[{label}]", (*path, 0))
    else:
        yield _Leaf(shown, path, before, after)


def _opened(value: Any) -> Any:
    """Containers as they are, and JSON in text as what it says; what they depend on stays with the parts."""
    held = value.value if isinstance(value, Traced) else value
    text = held.text if isinstance(held, Unknown) else held
    if isinstance(text, str) and text.lstrip().startswith(('{"', "{\n", "[{", "{ ")):
        try:
            found = json.loads(text)
        except json.JSONDecodeError:
            return value
        return _marked(found, value) if isinstance(found, dict | list) else value
    if isinstance(value, Traced) and isinstance(held, list | Mapping):
        return _marked(held, value)
    return value


def _marked(container: Any, origin: Any) -> Any:
    if not isinstance(origin, Traced):
        return container
    if isinstance(container, list):
        return [replace(origin, value=item) for item in container]
    return {key: replace(origin, value=item) for key, item in container.items()}


def _paired(before: Sequence[Any], after: Sequence[Any]) -> Iterator[tuple[str, Any, Any]]:
    """Items of two lists that belong together: by name, else by equal content, else by place."""
    key = _identity(before, after)
    if key is not None:
        sides: list[dict[str | None, Any]] = [{_name(i, key): i for i in side} for side in (before, after)]
        for name in dict.fromkeys([*sides[0], *sides[1]]):
            yield json.dumps(name), sides[0].get(name, MISSING), sides[1].get(name, MISSING)
        return
    rest_before, rest_after = _unmatched(before, after)
    nothing: tuple[int | None, Any] = (None, MISSING)
    for (place, old), (new_place, new) in zip_longest(rest_before, rest_after, fillvalue=nothing):
        yield str(place if new_place is None else new_place), old, new


def _reordered(before: Sequence[Any], after: Sequence[Any]) -> bool:
    """Whether the same items stand in another order, which CloudFormation takes for a change."""
    key = _identity(before, after)
    sides = [[_name(item, key) if key else repr(canonical(item)) for item in side] for side in (before, after)]
    return sides[0] != sides[1] and sorted(map(str, sides[0])) == sorted(map(str, sides[1]))


def _identity(before: Sequence[Any], after: Sequence[Any]) -> str | None:
    for key in _IDENTITIES:
        sides = [[_name(item, key) for item in side] for side in (before, after)]
        if all(None not in names and len(set(names)) == len(names) for names in sides) and (before or after):
            return key
    return None


def _name(item: Any, key: str) -> str | None:
    held = _opened(item)
    value = plain(held.get(key)) if isinstance(held, Mapping) and key in held else None
    return value.text if isinstance(value, Unknown) else None if value is None else to_text(value)


def _unmatched(before: Sequence[Any], after: Sequence[Any]) -> tuple[list[tuple[int, Any]], list[tuple[int, Any]]]:
    """The items of each list without an equal one in the other, with their places."""
    waiting = [repr(canonical(item)) for item in after]
    rest_before = []
    for place, item in enumerate(before):
        key = repr(canonical(item))
        if key in waiting:
            waiting[waiting.index(key)] = ""
        else:
            rest_before.append((place, item))
    return rest_before, [(place, after[place]) for place, key in enumerate(waiting) if key]
