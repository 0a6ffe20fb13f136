"""Two builds -> what deploying the second over the first does; offline, resource by resource, by
meaning.

Stands on :mod:`stackwright.cfn.changes`, which knows what replaces and what follows, and on
:mod:`.comparison`, which compares properties as people read them.
"""

from __future__ import annotations

import posixpath
import re
import subprocess
from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
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
from ..core import InputError, Location, TemplateError
from .collect import DiffCollector, describe_new_default
from .model import PARAMETER, Diff

Files = Mapping[str, str]
"""A build folder: POSIX path relative to it -> text, e.g. ``app/network.yaml``."""

TEMPLATES = (".yaml", ".json")
"""What the names of templates end in."""


# --- reading builds
# -----------------------------------------------------------------------------------------


def read_build_folder(path: Path) -> dict[str, str]:
    """The templates below a build folder; empty where it does not exist.

    Raises:
        InputError: a file cannot be read as text.
    """
    found = {}
    templates = (
        [file for file in path.rglob("*") if file.suffix in TEMPLATES] if path.is_dir() else []
    )
    for file in sorted(templates):
        try:
            found[file.relative_to(path).as_posix()] = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            where = Location(file.as_posix())
            raise InputError.of("SW501", f"cannot be read: {error}", where) from None
    return found


def read_build_revision(project: Path, ref: str, path: str) -> dict[str, str]:
    """The templates below ``path`` (relative to the project) as they are in the git revision
    ``ref``.

    Raises:
        InputError: there is no such revision, or the project is no git repository.
    """
    if ref.startswith("-") or not ref:
        raise InputError.of("SW502", f"{ref!r} is not a git revision")
    commit = _git(project, "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}").strip()
    listed = _git(project, "ls-tree", "-r", "-z", "--name-only", commit, "--", f"{path}/")
    names = [name for name in listed.split("\0") if name.endswith(TEMPLATES)]
    return {
        posixpath.relpath(name, path): _git(project, "show", f"{commit}:./{name}") for name in names
    }


def _git(project: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(project), *arguments],
            capture_output=True,
            text=True,
            check=True,
            encoding="utf-8",
        )
    except FileNotFoundError:
        raise InputError.of(
            "SW502", "git is not installed", hint="compare with a folder instead"
        ) from None
    except subprocess.CalledProcessError as error:
        reason = error.stderr.strip() or f"git {arguments[0]} found nothing for {arguments[-1]!r}"
        hint = "name a branch, tag or commit of this repository, or a build folder"
        raise InputError.of("SW502", f"the revision cannot be read: {reason}", hint=hint) from None
    return done.stdout


def rename_environment(files: Files, name: str, to: str) -> dict[str, str]:
    """The build with one environment's name put for another's, wherever it stands as a word: so
    that two environments are compared by what they mean, not by what they are called."""
    word = re.compile(rf"(?<![A-Za-z0-9]){re.escape(name)}(?![A-Za-z0-9])")
    return {path: word.sub(to, text) for path, text in files.items()}


# --- comparing
# ----------------------------------------------------------------------------------------------


def diff_builds(
    before: Files, after: Files, region: str = "us-east-1", account_id: str = ""
) -> Diff:
    """What deploying the build ``after`` over a deployment of ``before`` does to each resource.

    Values that only exist in AWS are compared by what they refer to. A root's parameter without a
    value takes the output of the same name of another root; else it is known after apply, and taken
    for changed where its declaration changed (an image's tag stands in its description).

    Raises:
        TemplateError: a template is not one, with file and line.
    """
    pseudo = Pseudo(region=region, account_id=account_id or "${AWS::AccountId}")
    old, new = _Build(before, pseudo), _Build(after, pseudo)
    schemas = Schemas(region)
    collector = DiffCollector(schemas)
    for name in [*new.order, *(name for name in old.order if name not in new.order)]:
        collector.root(name, *_compared(old, new, name, schemas))
    return collector.result()


def _compared(
    old: _Build, new: _Build, name: str, schemas: Schemas
) -> tuple[StackSide | None, Prediction]:
    before = old.stack(name, None) if name in old.roots else None
    after = new.stack(name, old.declared(name)) if name in new.roots else None
    try:
        if after is None:
            return before, predict_removal(before, schemas) if before else Prediction(())
        found = predict_changes(before, after, schemas)
        new.outputs.update(found.output_values)
        if before is not None:
            old.outputs.update(output_values(before, schemas))
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
                self._templates[path] = parse_template(self._files[path])
            except ValidationError as error:
                raise TemplateError.of("SW503", error.message, Location(path, error.line)) from None
        return self._templates[path]

    def declared(self, root: str) -> Template | None:
        return self.template(self.roots[root]) if root in self.roots else None

    def _order(self) -> list[str]:
        """Roots after those whose outputs they take."""
        templates = {root: self.template(self.roots[root]) for root in sorted(self.roots)}
        needs = {
            root: [
                o
                for o, other in templates.items()
                if o != root and {*other.outputs} & {*template.parameters}
            ]
            for root, template in templates.items()
        }
        try:
            return list(TopologicalSorter(needs).static_order())
        except CycleError:
            return list(templates)

    def stack(self, root: str, earlier: Template | None) -> StackSide:
        """A root with values for all parameters; ``earlier``: the declaration to compare with."""
        template = self.template(self.roots[root])
        old = earlier.data.get("Parameters", {}) if earlier else None
        given: dict[str, Any] = {}
        for name, parameter in template.parameters.items():
            if name in self.outputs:
                given[name] = Traced(plain_data(self.outputs[name]))
            elif parameter.default is None:
                what = (
                    describe_new_default(old, template.data["Parameters"], name)
                    if old is not None
                    else ""
                )
                given[name] = Unknown(
                    f"${{{name}}}", (f"{PARAMETER}{name}{what}",), fresh=bool(what)
                )
        nested = self._nested(self.roots[root], template)
        return StackSide(template, given, self._pseudo, nested=nested)

    def _nested(self, path: str, template: Template) -> dict[str, StackSide]:
        found = {}
        for name, resource in template.resources.items():
            inner = self.child(path, resource.properties.get("TemplateURL"))
            if resource.type == STACK_TYPE and inner in self._files:
                child = self.template(inner)
                found[name] = StackSide(child, {}, self._pseudo, nested=self._nested(inner, child))
        return found

    @staticmethod
    def child(path: str, url: Any) -> str:
        """The file that a local ``TemplateURL`` names, relative to the build folder."""
        beside = posixpath.dirname(path)
        return posixpath.normpath(posixpath.join(beside, url)) if isinstance(url, str) else ""
