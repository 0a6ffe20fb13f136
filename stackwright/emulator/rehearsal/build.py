"""The builds that a rehearsal deploys."""

from __future__ import annotations

import hashlib
import json
import posixpath
from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any

from ...cfn import STACK_TYPE, Parameter, Template, ValidationError, parse_template
from ...core import Location, TemplateError

Files = Mapping[str, str]
"""A build folder: POSIX path relative to it -> text."""
ORIGIN = "https://rehearsal.invalid/"
_CODE = {"AWS::Lambda::Function": "Code", "AWS::Lambda::LayerVersion": "Content"}


class RehearsalBuild:
    """A build folder, ready to deploy: templates by URLs of their content, root stacks in order."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._urls: dict[str, str] = {}
        self.texts: dict[str, str] = {}
        self.templates = {path: self._parsed(path) for path in files if "/" not in path}
        self.roots = {posixpath.splitext(path)[0]: path for path in sorted(self.templates)}
        self.order = self._order()

    def _parsed(self, path: str) -> Template:
        try:
            return parse_template(self._files[path])
        except ValidationError as error:
            raise TemplateError.of("SW503", error.message, Location(path, error.line)) from None

    def _order(self) -> list[str]:
        """The names of the root stacks, each after those whose outputs it takes."""
        named = {root: self.templates[path] for root, path in self.roots.items()}
        needs = {
            root: [
                name
                for name, other in named.items()
                if name != root and {*other.outputs} & {*template.parameters}
            ]
            for root, template in named.items()
        }
        try:
            return list(TopologicalSorter(needs).static_order())
        except CycleError:
            return list(named)

    def template(self, root: str) -> Template:
        """The template of a root stack."""
        return self.templates[self.roots[root]]

    def url(self, path: str) -> str:
        """The URL of a template; it changes with the content of it and its nested templates."""
        if path not in self._urls:
            data = json.loads(json.dumps(self._parsed(path).data, default=str))
            for resource in data.get("Resources", {}).values():
                self._address(path, resource.get("Type"), resource.get("Properties", {}))
            text = json.dumps(data)
            self._urls[path] = f"{ORIGIN}{hashlib.sha256(text.encode()).hexdigest()[:16]}/{path}"
            self.texts[self._urls[path]] = text
        return self._urls[path]

    def _address(self, path: str, type_: str, properties: dict[str, Any]) -> None:
        """Replace local paths by addresses, as packaging does."""
        given = properties.get("TemplateURL") if type_ == STACK_TYPE else None
        if isinstance(given, str):
            inner = posixpath.normpath(posixpath.join(posixpath.dirname(path), given))
            if inner in self._files:
                properties["TemplateURL"] = self.url(inner)
        name = _CODE.get(type_)
        if name and isinstance(properties.get(name), str):
            properties[name] = {
                "S3Bucket": "artifacts",
                "S3Key": posixpath.basename(properties[name]),
            }


def placeholder_value(parameter: Parameter, declaration: Mapping[str, Any]) -> str:
    """A value for a parameter whose value comes from outside of the build; another one where the
    declaration changed."""
    if parameter.allowed_values:
        return parameter.allowed_values[0]
    if "Number" in parameter.type:
        return "1" if parameter.minimum is None else f"{parameter.minimum:g}"
    mark = hashlib.sha256(json.dumps(declaration, sort_keys=True, default=str).encode()).hexdigest()
    return f"{parameter.name.lower()}-{mark[:12]}"
