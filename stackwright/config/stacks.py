"""The parameter ``stacks:``: root stacks and their nested stacks, in deployment order.

Without it, every template of ``templates/`` is a root stack, and those in the folder of its name
are nested in it.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..core import (
    Location,
    NestedStack,
    ParameterPath,
    Problem,
    RootStack,
    dotted,
    logical_id,
)

DEFAULTS = "params/defaults.yaml"
_STACK_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")


def read_stacks(
    project: Path, parameters: Mapping[str, Any], locations: Mapping[ParameterPath, Location]
) -> tuple[tuple[RootStack, ...], list[Problem]]:
    """Return the root stacks of a project in deployment order, and what is wrong with ``stacks:``.

    ``locations`` tells where each path of the parameters was given.
    """
    if "stacks" not in parameters:
        roots = _list_templates(project)
        hint = "write templates/<stack>.yaml.j2"
        missing = Problem("SW016", "there are no templates", (Location("templates"),), hint)
        return roots, [] if roots else [missing]
    reader = _StackReader(project, locations)
    entries = parameters["stacks"]
    if not isinstance(entries, list) or not entries:
        message = "stacks must be a list of stack names"
        return (), [Problem("SW015", message, reader.locate(("stacks",)))]
    roots = tuple(
        root
        for index, entry in enumerate(entries)
        for root in reader.read_root(entry, ("stacks", index))
    )
    return roots, reader.problems


def _list_templates(project: Path) -> tuple[RootStack, ...]:
    """Return a root stack for every template, in the order of their names."""
    roots = []
    for path in _template_files(project / "templates"):
        name = _template_name(path)
        nested = []
        for child in _template_files(project / "templates" / name):
            at = Location(child.relative_to(project).as_posix(), 1)
            stem = _template_name(child)
            nested.append(NestedStack(stem, stem, None, {}, (), at))
        at = Location(path.relative_to(project).as_posix(), 1)
        roots.append(RootStack(name, name, None, {}, at, tuple(nested)))
    return tuple(roots)


def _template_files(folder: Path) -> list[Path]:
    """Return the templates of a folder, ``*.yaml.j2``, ``*.yml.j2`` and ``*.json.j2``, sorted."""
    return sorted(path for kind in ("yaml", "yml", "json") for path in folder.glob(f"*.{kind}.j2"))


def _template_name(path: Path) -> str:
    """Return ``network`` for ``templates/app/network.yaml.j2``."""
    return path.name.rsplit(".", 2)[0]


class _StackReader:
    """Reads the entries of ``stacks:``: names or maps, whose templates must exist."""

    def __init__(self, project: Path, locations: Mapping[ParameterPath, Location]) -> None:
        self._project = project
        self._locations = locations
        self._seen: set[tuple[str, str]] = set()
        """Folder of the template and name of each stack read so far."""
        self._templates: dict[str, set[str]] = {}
        """Folder below templates/ -> the names of its templates."""
        self.problems: list[Problem] = []

    def locate(self, path: ParameterPath) -> tuple[Location, ...]:
        """Return where a path of the parameters was given, or else the nearest one above it."""
        for length in range(len(path), 0, -1):
            if path[:length] in self._locations:
                return (self._locations[path[:length]],)
        return (Location(DEFAULTS),)

    def _report(self, code: str, message: str, path: ParameterPath, hint: str = "") -> None:
        self.problems.append(Problem(code, message, self.locate(path), hint))

    def read_root(self, entry: Any, path: ParameterPath) -> Iterator[RootStack]:
        """Yield the root stack of an entry; nothing where it is malformed."""
        children: Any = []
        if (
            isinstance(entry, dict)
            and len(entry) == 1
            and isinstance(next(iter(entry.values())), list)
        ):
            entry, children = next(iter(entry.items()))
            path = (*path, entry)
        fields = self._read_fields(entry, path, "")
        if fields is None:
            return
        name, template, when, variables = fields
        nested = tuple(
            NestedStack(
                *child,
                self._read_after(item, (*path, index), children[:index]),
                self.locate((*path, index))[0],
            )
            for index, item in enumerate(children)
            if (child := self._read_fields(item, (*path, index), template)) is not None
        )
        self._require_distinct(nested)
        yield RootStack(name, template, when, variables, self.locate(path)[0], nested)

    def _require_distinct(self, nested: Sequence[NestedStack]) -> None:
        names: dict[str, str] = {}
        for stack in nested:
            id_ = logical_id(stack.name)
            other = names.setdefault(id_, stack.name)
            if other != stack.name:
                message = f"the stacks {other} and {stack.name} have the same logical ID {id_}"
                where = (stack.location,)
                self.problems.append(Problem("SW015", message, where, "rename one of them"))

    def _read_after(
        self, entry: Any, path: ParameterPath, earlier: Sequence[Any]
    ) -> tuple[str, ...]:
        """Return the ``after`` of an entry; each name must be an earlier stack of the same root."""
        names = entry.get("after", []) if isinstance(entry, dict) else []
        names = [names] if isinstance(names, str) else names
        known = [
            stack.get("name") if isinstance(stack, dict) else stack
            for stack in earlier
            if isinstance(stack, dict | str)
        ]
        for name in names:
            if name not in known:
                message = f"{dotted(path)} comes after {name}, "
                message += "which is not an earlier stack of the same root"
                self._report("SW015", message, path)
        return tuple(str(name) for name in names)

    def _read_fields(
        self, entry: Any, path: ParameterPath, folder: str
    ) -> tuple[str, str, str | None, dict[str, Any]] | None:
        """Return name, template, ``when`` and ``with`` of an entry; None where it is malformed."""
        fields = {"name": entry} if isinstance(entry, str) else entry
        if (
            not isinstance(fields, dict)
            or set(fields) - {"name", "template", "when", "with", "after"}
            or not isinstance(fields.get("name"), str)
        ):
            hint = "write a name, or {name: …, when: …, template: …, with: {…}, after: […]}"
            self._report("SW015", f"{dotted(path)} is not a stack", path, hint)
            return None
        name = str(fields["name"])
        if not _STACK_NAME.fullmatch(name):
            hint = "use letters, digits, '-', '_' and '.', beginning with a letter"
            self._report("SW015", f"{name!r} cannot be a stack's name", path, hint)
        variables = fields.get("with", {})
        if not isinstance(variables, dict):
            self._report("SW015", f"{dotted(path)}: with must be a map of names", path)
            variables = {}
        if (folder, name) in self._seen:
            self._report("SW015", f"the stack {name} is listed twice", path)
        self._seen.add((folder, name))
        template = str(fields.get("template", name))
        when = fields.get("when")
        self._require_template(folder, template, path)
        return name, template, None if when is None else str(when), dict(variables)

    def _require_template(self, folder: str, template: str, path: ParameterPath) -> None:
        if folder not in self._templates:
            files = _template_files(self._project / "templates" / folder)
            self._templates[folder] = {_template_name(file) for file in files}
        known = self._templates[folder]
        if template in known:
            return
        close = difflib.get_close_matches(template, sorted(known), 1)
        file = Path("templates", folder, f"{template}.yaml.j2").as_posix()
        hint = f"did you mean {close[0]}?" if close else f"write {file}"
        self._report("SW016", f"the stack {template} has no template {file}", path, hint)
