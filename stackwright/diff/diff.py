"""Compare two builds offline: what deploying the second over the first does to each resource."""

from __future__ import annotations

import posixpath
from graphlib import CycleError, TopologicalSorter
from typing import Any

from ..cfn import (
    STACK_TYPE,
    Prediction,
    Pseudo,
    Schemas,
    StackSide,
    Template,
    Traced,
    Unknown,
    ValidationError,
    output_values,
    parse_template,
    plain_data,
    predict_changes,
    predict_removal,
)
from ..core import Location, TemplateError
from .builds import Files
from .collect import DiffCollector, describe_declaration_change
from .model import PARAMETER, Diff


def diff_builds(
    before: Files, after: Files, region: str = "us-east-1", account_id: str = ""
) -> Diff:
    """Return what deploying the build ``after`` over a deployment of ``before`` does.

    Values that only exist in AWS are compared by their references. A root's Parameter without a
    value takes the Output of the same name of another root; else it is known after apply, and
    counts as changed where its declaration changed (an image's tag stands in its Description).

    Raises:
        TemplateError: a template is invalid, with file and line.
    """
    pseudo = Pseudo(region=region, account_id=account_id or "${AWS::AccountId}")
    old, new = _Build(before, pseudo), _Build(after, pseudo)
    schemas = Schemas(region)
    collector = DiffCollector(schemas)
    collector.created += (name for name in new.order if name not in old.roots)
    for name in [*new.order, *(name for name in old.order if name not in new.order)]:
        collector.collect_root(name, *_compare_root(old, new, name, schemas))
    return collector.result()


def _compare_root(
    old: _Build, new: _Build, name: str, schemas: Schemas
) -> tuple[StackSide | None, Prediction]:
    """Return the new side of a root stack, or the old one where it is removed, and its changes."""
    before = old.make_side(name, None) if name in old.roots else None
    after = new.make_side(name, old.root_template(name)) if name in new.roots else None
    try:
        if after is None:
            return before, predict_removal(before, schemas) if before else Prediction(())
        prediction = predict_changes(before, after, schemas)
        new.outputs.update(prediction.output_values)
        if before is not None:
            old.outputs.update(output_values(before, schemas))
        return after, prediction
    except ValidationError as error:
        at = Location(new.roots.get(name) or old.roots[name], error.line)
        raise TemplateError.of("SW503", error.message, at) from None


class _Build:
    """The roots of a build folder with their nested stacks, wired as they will be deployed."""

    def __init__(self, files: Files, pseudo: Pseudo) -> None:
        self._files, self._pseudo = files, pseudo
        self._templates: dict[str, Template] = {}
        self.roots = {posixpath.splitext(name)[0]: name for name in files if "/" not in name}
        """Name of a root stack -> its file."""
        self.order = self._order_roots()
        self.outputs: dict[str, Any] = {}
        """The outputs of the roots compared so far."""

    def _parse(self, path: str) -> Template:
        if path not in self._templates:
            try:
                self._templates[path] = parse_template(self._files[path])
            except ValidationError as error:
                raise TemplateError.of("SW503", error.message, Location(path, error.line)) from None
        return self._templates[path]

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

    def make_side(self, root: str, earlier: Template | None) -> StackSide:
        """Return a root with values for all Parameters; ``earlier`` is its template in the other
        build."""
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
        nested = self._nested_sides(self.roots[root], template)
        return StackSide(template, given, self._pseudo, nested=nested)

    def _nested_sides(self, path: str, template: Template) -> dict[str, StackSide]:
        sides = {}
        for name, resource in template.resources.items():
            file = _template_file(path, resource.properties.get("TemplateURL"))
            if resource.type == STACK_TYPE and file in self._files:
                child = self._parse(file)
                nested = self._nested_sides(file, child)
                sides[name] = StackSide(child, {}, self._pseudo, nested=nested)
        return sides


def _template_file(path: str, url: Any) -> str:
    """Return the file that a local ``TemplateURL`` in ``path`` names, relative to the build
    folder; empty for an intrinsic."""
    folder = posixpath.dirname(path)
    return posixpath.normpath(posixpath.join(folder, url)) if isinstance(url, str) else ""
