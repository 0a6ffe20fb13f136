"""Compare two builds offline: what deploying the second over the first does to each resource."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any

from msgspec.structs import replace

from ..cfn import (
    STACK_TYPE,
    UNKNOWN_ACCOUNT,
    Prediction,
    Pseudo,
    Schemas,
    StackSide,
    Template,
    Traced,
    Unknown,
    ValidationError,
    output_values,
    parse_unexpanded,
    plain_data,
    predict_changes,
    predict_removal,
    validate_names,
)
from ..core import Location, TemplateError
from .alternatives import merge_alternatives
from .builds import Files
from .collect import DiffCollector, describe_declaration_change
from .model import PARAMETER, Diff, merge_diffs
from .unread import describe_templates, diff_unread


def diff_builds(
    before: Files, after: Files, region: str = "us-east-1", account_id: str = ""
) -> Diff:
    """Return what deploying the build ``after`` over a deployment of ``before`` does.

    Values that only exist in AWS are compared by their references. A root's Parameter without a
    value takes the Output of the same name of another root; else it is known after apply, and
    counts as changed where its declaration changed (an image's tag stands in its Description).

    Raises:
        TemplateError: CloudFormation would refuse a template, with file and line.
    """
    pseudo = Pseudo(region=region, account_id=account_id or UNKNOWN_ACCOUNT)
    old, new = _Build(before, pseudo), _Build(after, pseudo)
    schemas = Schemas(region)
    names = [*new.order, *(name for name in old.order if name not in new.order)]
    diff = merge_diffs(_diff_root(old, new, name, schemas) for name in names)
    return replace(
        diff,
        created=tuple(name for name in new.order if name not in old.roots),
        texts=tuple(diff_unread(old.templates, new.templates)),
        notes=describe_templates(old.templates, new.templates),
    )


def _diff_root(old: _Build, new: _Build, name: str, schemas: Schemas) -> Diff:
    """Return the changes of a root; where conditions cannot be decided, those of either answer."""
    try:
        diff, undecided = _diff_assuming(old, new, name, schemas, assumed=False)
        if undecided:
            other, _ = _diff_assuming(old, new, name, schemas, assumed=True)
            diff = merge_alternatives(diff, other)
    except ValidationError as error:
        at = Location(new.roots.get(name) or old.roots[name], error.line)
        raise TemplateError.of("SW503", error.message, at) from None
    return diff


def _diff_assuming(
    old: _Build, new: _Build, name: str, schemas: Schemas, *, assumed: bool
) -> tuple[Diff, bool]:
    """Return the changes of a root, and whether a condition was answered by ``assumed``."""
    before = old.make_side(name, None, assumed) if name in old.roots else None
    after = new.make_side(name, old.root_template(name), assumed) if name in new.roots else None
    side = after or before
    if after is not None:
        prediction = predict_changes(before, after, schemas)
        new.outputs.update(prediction.output_values)
        if before is not None:
            old.outputs.update(output_values(before, schemas))
    else:
        prediction = predict_removal(before, schemas) if before else Prediction(())
    collector = DiffCollector(schemas)
    collector.collect_root(name, side, prediction)
    return collector.result(), prediction.undecided


class _Build:
    """The roots of a build folder with their nested stacks, wired as they will be deployed."""

    def __init__(self, files: Files, pseudo: Pseudo) -> None:
        self._files, self._pseudo = files, pseudo
        self.templates: dict[str, Template] = {}
        """The templates read so far, by file."""
        self.roots = {posixpath.splitext(name)[0]: name for name in files if "/" not in name}
        """Name of a root stack -> its file."""
        self.order = self._order_roots()
        self.outputs: dict[str, Any] = {}
        """The outputs of the roots compared so far."""

    def _parse(self, path: str) -> Template:
        if path not in self.templates:
            try:
                template = parse_unexpanded(self._files[path])
                validate_names(template)
            except ValidationError as error:
                raise TemplateError.of("SW503", error.message, Location(path, error.line)) from None
            self.templates[path] = template
        return self.templates[path]

    def root_template(self, root: str) -> Template | None:
        """Return a root's template; None where the build has no such root."""
        return self._parse(self.roots[root]) if root in self.roots else None

    def _order_roots(self) -> list[str]:
        """Return the roots, each after those whose outputs it takes."""
        templates = {root: self._parse(self.roots[root]) for root in sorted(self.roots)}
        needs = {
            root: [
                name
                for name, other in templates.items()
                if name != root and {*other.outputs} & {*template.parameters}
            ]
            for root, template in templates.items()
        }
        try:
            return list(TopologicalSorter(needs).static_order())
        except CycleError:
            return list(templates)

    def make_side(self, root: str, earlier: Template | None, assumed: bool) -> StackSide:
        """Return a root with values for all Parameters; ``earlier`` is its template in the other
        build, ``assumed`` the answer to conditions that cannot be decided."""
        template = self._parse(self.roots[root])
        old = earlier.data.get("Parameters", {}) if earlier else None
        given: dict[str, Any] = {}
        for name, parameter in template.parameters.items():
            if name in self.outputs:
                given[name] = Traced(plain_data(self.outputs[name]))
            elif parameter.default is None:
                new = template.data["Parameters"]
                change = describe_declaration_change(old, new, name) if old is not None else ""
                cause = f"{PARAMETER}{name}{change}"
                given[name] = Unknown(f"${{{name}}}", (cause,), fresh=bool(change))
        nested = self._nested_sides(self.roots[root], template, assumed)
        return self._side(template, given, nested, assumed)

    def _side(
        self,
        template: Template,
        parameters: Mapping[str, Any],
        nested: Mapping[str, StackSide],
        assumed: bool,
    ) -> StackSide:
        return StackSide(
            template, parameters, self._pseudo, nested=nested, lenient=True, assumed=assumed
        )

    def _nested_sides(self, path: str, template: Template, assumed: bool) -> dict[str, StackSide]:
        sides = {}
        for name, resource in template.resources.items():
            file = _template_file(path, resource.properties.get("TemplateURL"))
            if resource.type == STACK_TYPE and file in self._files:
                child = self._parse(file)
                nested = self._nested_sides(file, child, assumed)
                sides[name] = self._side(child, {}, nested, assumed)
        return sides


def _template_file(path: str, url: Any) -> str:
    """Return the file that a local ``TemplateURL`` in ``path`` names, relative to the build
    folder; empty for an intrinsic."""
    folder = posixpath.dirname(path)
    return posixpath.normpath(posixpath.join(folder, url)) if isinstance(url, str) else ""
