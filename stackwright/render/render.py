"""Config and templates to a Rendering: documents with a source map, and the nested stacks' wiring.

Roots are rendered twice: once alone, to learn their interface, and once with their nested stacks
wired in.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ..core import (
    Config,
    Declaration,
    Document,
    Interface,
    Leaf,
    Location,
    NestedStack,
    ParameterPath,
    Problem,
    Rendering,
    RootStack,
    Source,
    SourceKind,
    StackwrightError,
    TemplateError,
    Wiring,
    dotted,
    has_errors,
    key_with_dot,
    logical_id,
)
from .emit import Emitted, emit_template
from .jinja import (
    Failure,
    JinjaEnvironment,
    Mentions,
    ParameterMap,
    RuntimeMistake,
    dynref,
    sub_var,
    template_problems,
)
from .text import Chunk, Text, lines_with_origin

Wire = Callable[
    [Interface, Sequence[Interface], Mapping[str, Sequence[str]], Sequence[Interface], Config],
    Wiring,
]
"""``wire.wire``: root, its nested stacks, Parameters given to them, earlier roots, config -> how
they connect."""

SUFFIXES = (".yaml.j2", ".yml.j2", ".json.j2")
BUILD = "build"
ENGINE_PARAMETERS = frozenset(
    ("stacks", "environment", "region", "account_id", "images", "secrets", "variables", "deploy", "imports", "prefix",
     "project", "tags")
)  # fmt: skip
"""Top-level parameters that the engine reads itself."""


def render_templates(config: Config, wire: Wire) -> Rendering:
    """Render every enabled stack of the environment.

    Raises TemplateError or WiringError with the problems of all templates together; nothing is
    written.
    """
    engine = TemplateRenderer(config)
    documents: list[Document] = []
    wirings: dict[str, Wiring] = {}
    roots: list[Interface] = []
    enabled = engine.enabled(config.stacks)
    if not enabled:
        where = [root.location for root in config.stacks[:1]]
        raise TemplateError.of(
            "SW015", f"no stack is enabled in {config.environment}", *where, hint="see their when:"
        )
    for root in enabled:
        nested = engine.nested(root)
        made, wiring = engine.root(root, nested, wire, roots)
        documents += [*made, *nested]
        wirings[root.name] = wiring
        roots += [read_interface(document) for document in made]
    problems = [*engine.problems, *engine.unused()]
    if has_errors(problems):
        raise TemplateError(problems)
    local_paths = tuple(dict.fromkeys(engine.local_paths))
    return Rendering(
        config, tuple(documents), MappingProxyType(wirings), tuple(problems), local_paths
    )


class TemplateRenderer:
    """Renders the stacks of one Config; collects problems, so that all templates' are shown
    together."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.problems: list[Problem] = list(config.problems)
        self.local_paths: list[str] = []
        self._parameters = ParameterMap(config.parameters, ())
        self._context: dict[str, Any] = {
            **{name: self._parameters[name] for name in config.parameters},
            "params": self._parameters,
            "dotenv": config.dotenv,
        }
        self._names: Mapping[str, Any] = self._context
        self._environment = JinjaEnvironment(
            config.project, lambda: {**self._names, **self._environment.globals}
        )
        functions = {
            "dynref": dynref,
            "sub_var": sub_var,
            "fail": self._fail,
            "local_path": self._local_path,
        }
        self._environment.globals |= functions  # globals, so that imported macros see them too
        self._output = ""

    def _fail(self, message: str, *parameters: str) -> str:
        """``{{ fail("message", "gateway.cpu") }}``: an error of the project's own, shown where the
        parameters stand."""
        leaves = {dotted(leaf.path): leaf.location for leaf in self.config.leaves.values()}
        raise Failure(message, [leaves[name] for name in parameters if name in leaves])

    def _given(self, path: ParameterPath) -> list[Location]:
        return [self.config.leaves[path].location] if path in self.config.leaves else []

    def enabled(self, stacks: Sequence[Any]) -> list[Any]:
        """The stacks whose ``when`` holds."""
        return [stack for stack in stacks if stack.when is None or self._holds(stack)]

    def _holds(self, stack: RootStack | NestedStack) -> bool:
        try:
            return self._environment.holds(str(stack.when), self._context)
        except RuntimeMistake as error:
            message = f"the condition of {stack.name}, {stack.when!r}, fails: {error.message}"
            raise TemplateError.of("SW015", message, stack.location) from None

    def nested(self, root: RootStack) -> list[Document]:
        """The nested stacks of one root; a template that fails is a problem and is left out."""
        documents = []
        for stack in self.enabled(root.nested):
            try:
                documents.append(
                    self._document(f"{root.name}/{stack.name}", stack, f"{root.template}/")
                )
            except StackwrightError as error:
                self.problems += error.problems
        return documents

    def root(
        self, stack: RootStack, nested: Sequence[Document], wire: Wire, earlier: Sequence[Interface]
    ) -> tuple[list[Document], Wiring]:
        """The root's document with its nested stacks wired in; empty where it or one of them
        failed."""
        if len(nested) < len(self.enabled(stack.nested)):
            return [], Wiring()
        try:
            return self._wired_root(stack, nested, wire, earlier)
        except StackwrightError as error:
            self.problems += error.problems
            return [], Wiring()

    def _wired_root(
        self, stack: RootStack, nested: Sequence[Document], wire: Wire, earlier: Sequence[Interface]
    ) -> tuple[list[Document], Wiring]:
        draft = _RootFunctions(stack, nested, Wiring(), self._environment)
        alone = read_interface(self._document(stack.name, stack, "", draft.functions()))
        wiring = wire(
            alone,
            [read_interface(each) for each in nested],
            draft.given_names(),
            earlier,
            self.config,
        )
        if has_errors(wiring.problems):
            self.problems += wiring.problems
            return [], Wiring()
        self._require_calls(stack, draft, wiring)
        final = _RootFunctions(stack, nested, wiring, self._environment, alone.parameters)
        return [self._document(stack.name, stack, "", final.functions())], wiring

    def _require_calls(self, stack: RootStack, draft: _RootFunctions, wiring: Wiring) -> None:
        at = Location(f"templates/{self._file('', stack.template)}", 1)
        if wiring.nested and "nested_stacks" not in draft.called:
            message = f"the root {stack.name} has nested stacks but does not print them"
            raise TemplateError.of(
                "SW109", message, at, hint="write {{ nested_stacks() }} below Resources:"
            )
        if wiring.parameters and "wired_parameters" not in draft.called:
            names = ", ".join(wiring.parameters)
            message = (
                f"the root {stack.name} does not declare {names}, which its nested stacks take"
            )
            raise TemplateError.of(
                "SW109", message, at, hint="write {{ wired_parameters() }} below Parameters:"
            )

    def _file(self, folder: str, stem: str) -> str:
        parent = self.config.project / "templates"
        return next(
            (f"{folder}{stem}{s}" for s in SUFFIXES if (parent / f"{folder}{stem}{s}").is_file()),
            stem,
        )

    def _document(
        self,
        name: str,
        stack: RootStack | NestedStack,
        folder: str,
        functions: Mapping[str, Any] | None = None,
    ) -> Document:
        file = self._file(folder, stack.template)
        path = name + (".json" if file.endswith(".json.j2") else ".yaml")
        context = {**self._context, **stack.variables, **(functions or {})}
        self._output, self._names = path, context
        with template_problems(self._given):
            text = self._environment.run(file, context)
            header = [
                f"# Generated by render.py from templates/{file}; edit that file, not this one."
            ]
            emitted: Emitted = emit_template(
                lines_with_origin(text), self._environment.tokens, f"templates/{file}", header
            )
        return Document(
            name,
            f"templates/{file}",
            path,
            emitted.text,
            emitted.body,
            emitted.lines,
            emitted.starts,
        )

    def _local_path(self, path: str) -> str:
        """A file or folder of the project relative to the rendered template, as the AWS CLI
        resolves it."""
        target = Path(os.path.normpath(self.config.project / path))
        if not target.is_relative_to(self.config.project):
            raise RuntimeMistake(f"local_path: {path} is outside of the project")
        if not target.exists():
            raise RuntimeMistake(f"local_path: the project has no {path}")
        self.local_paths.append(path)
        folder = (self.config.project / BUILD / self.config.environment / self._output).parent
        return Path(os.path.relpath(self.config.project / path, folder)).as_posix()

    def unused(self) -> list[Problem]:
        """Parameters that no template mentions and none read: most likely a misspelt name."""
        if has_errors(self.problems):
            return []
        candidates = [leaf for leaf in self.config.leaves.values() if not self._is_used(leaf.path)]
        roots = self.config.stacks
        conditions = [
            *(root.when for root in roots),
            *(each.when for root in roots for each in root.nested),
        ]
        if not candidates:
            return []
        mentions = self._environment.mentioned(filter(None, conditions))
        found = ((leaf, self._unnamed(leaf.path, mentions)) for leaf in candidates)
        return [
            _unused(leaf, key_with_dot(leaf.path), near) for leaf, near in found if near is not None
        ]

    def _unnamed(self, path: ParameterPath, mentions: Mentions) -> list[str] | None:
        """None where templates name each part of a path; or else what they name beside the first
        that they do not."""
        place: Any = self._parameters
        for index, part in enumerate(path):
            named = [str(key) for key in dict.keys(place) if mentions.has(str(key))]
            last = index == len(path) - 1
            if not mentions.has(str(part)) and (
                last or self._is_stray(str(part), place, mentions, named)
            ):
                return named
            place = place[part]
        return None

    def _is_stray(
        self, key: str, owner: ParameterMap, mentions: Mentions, named: Sequence[str]
    ) -> bool:
        """Whether a map's key would be named if it were used: others of it are, and none is read by
        a name that is worked out, which may also happen in a branch that was not taken."""
        name = str(owner.path[-1]) if owner.path else "params"
        unnamed = [(*owner.path, each) for each in dict.keys(owner) if not mentions.has(str(each))]
        computed = name in mentions.open or any(path in self._environment.read for path in unnamed)
        return bool(named) and not computed and not key[:1].isdigit()

    def _is_used(self, path: ParameterPath) -> bool:
        if (
            path[0] in ENGINE_PARAMETERS
            or isinstance(path[-1], int)
            or path in self._environment.read
        ):
            return True
        place: Any = self._parameters
        for part in path:
            if isinstance(place, ParameterMap) and place.whole and place is not self._parameters:
                return True
            place = place[part]
        return len(path) > 1 and any(isinstance(part, int) for part in path)


def _unused(leaf: Leaf, flat: tuple[str, str] | None, near: Sequence[str]) -> Problem:
    message, hint = flat or (dotted(leaf.path), "remove it, or print it in a template")
    close = (
        []
        if flat
        else [c for part in leaf.path for c in difflib.get_close_matches(str(part), near, 1, 0.7)]
    )
    hint = (
        f"did you mean {close[0]}? If not, {hint}" if close and close[0] not in leaf.path else hint
    )
    return Problem("SW110", f"no template uses the parameter {message}", (leaf.location,), hint)


class _RootFunctions:
    """``nested_stacks()`` and ``wired_parameters()`` for one rendering of one root."""

    def __init__(
        self,
        root: RootStack,
        nested: Sequence[Document],
        wiring: Wiring,
        environment: JinjaEnvironment,
        own: Mapping[str, Declaration] = MappingProxyType({}),
    ) -> None:
        self._own = own
        self._nested = nested
        self._after = {each.name: each.after for each in root.nested}
        self._wiring = wiring
        self._environment = environment
        self._given: Mapping[str, Mapping[str, Any]] = {}
        self.called: set[str] = set()

    def functions(self) -> dict[str, Any]:
        """The names that a root template sees."""
        return {"nested_stacks": self.nested_stacks, "wired_parameters": self.wired_parameters}

    def given_names(self) -> dict[str, Sequence[str]]:
        """Nested stack -> Parameters that the template gives a value."""
        return {name: list(values) for name, values in self._given.items()}

    def nested_stacks(
        self,
        parameters: Mapping[str, Mapping[str, Any]] | None = None,
        tags: Mapping[str, Any] | None = None,
    ) -> Text:
        """One AWS::CloudFormation::Stack for each enabled nested stack, in order, its Parameters
        wired.

        ``parameters`` gives values by nested stack and Parameter; ``tags`` are added to every
        nested stack.
        """
        self.called.add("nested_stacks")
        self._given = parameters or {}
        unknown = [
            name
            for name in self._given
            if name not in {each.name.partition("/")[2] for each in self._nested}
        ]
        if unknown:
            raise RuntimeMistake(
                f"nested_stacks: there is no nested stack {unknown[0]} to give values"
            )
        if not self._wiring.nested:
            return Text()
        return Text(
            chunk for document in self._nested for chunk in self._stack(document, tags or {})
        )

    def _stack(self, document: Document, tags: Mapping[str, Any]) -> Iterator[Chunk]:
        name = document.name.partition("/")[2]
        at = (Location(document.template, 1),)
        yield Chunk(f"{logical_id(name)}:\n  Type: AWS::CloudFormation::Stack\n", at)
        present = {each.name.partition("/")[2] for each in self._nested}
        after = [logical_id(each) for each in self._after.get(name, ()) if each in present]
        if after:
            yield Chunk("".join(["  DependsOn:\n", *(f"    - {each}\n" for each in after)]), at)
        yield Chunk(f"  Properties:\n    TemplateURL: ./{document.path}\n", at)
        sources = self._wiring.nested.get(name, {})
        if sources:
            yield Chunk("    Parameters:\n", at)
        for declaration in read_interface(document).parameters.values():
            if declaration.name in sources:
                reference = self._reference(name, declaration, sources[declaration.name])
                yield Chunk(
                    f"      {declaration.name}: {reference}\n",
                    document.lines[declaration.line - 1].origin,
                )
        if tags:
            yield Chunk("    Tags:\n", at)
        for key, value in tags.items():
            yield Chunk(f"      - Key: {self._environment.hold(key)}\n", at)
            yield Chunk(f"        Value: {self._environment.hold(value)}\n", at)

    def _reference(self, nested: str, parameter: Declaration, source: Source) -> str:
        if source.kind is SourceKind.SIBLING:
            return f"!GetAtt {logical_id(source.stack)}.Outputs.{source.name}"
        if source.kind is SourceKind.GIVEN:
            return self._environment.hold(self._given[nested][parameter.name])
        kind = str(self._own.get(parameter.name, parameter).body.get("Type"))
        if "List<" in kind or kind == "CommaDelimitedList":
            return f"!Join [',', !Ref {parameter.name}]"  # a nested stack takes text only
        return f"!Ref {parameter.name}"

    def wired_parameters(self) -> Text:
        """The Parameters that the root needs besides those in its template, declared as its nested
        stacks do."""
        self.called.add("wired_parameters")
        return Text(
            chunk for each in self._wiring.parameters.values() for chunk in self._declaration(each)
        )

    def _declaration(self, declaration: Declaration) -> Iterator[Chunk]:
        yield Chunk(f"{declaration.name}:\n", ())
        for key, value in declaration.body.items():
            if key != "Default":
                yield Chunk(f"  {key}: {self._environment.hold(value)}\n", ())


def read_interface(document: Document) -> Interface:
    """What a rendered template takes and offers."""
    body = document.body
    return Interface(
        document.name,
        _declarations(document, "Parameters"),
        _declarations(document, "Outputs"),
        frozenset(_nested_reads(body)),
        document.lines,
    )


def _declarations(document: Document, section: str) -> dict[str, Declaration]:
    found = document.body.get(section)
    if not isinstance(found, dict):
        return {}
    return {
        name: Declaration(
            name, body if isinstance(body, dict) else {}, document.starts.get((section, name), 1)
        )
        for name, body in found.items()
    }


_SUB_READ = re.compile(r"\$\{([A-Za-z0-9]+)\.Outputs\.([A-Za-z0-9]+)\}")


def _nested_reads(value: Any) -> Iterator[tuple[str, str]]:
    """Logical ID and Output of every ``!GetAtt X.Outputs.Y`` and ``${X.Outputs.Y}``."""
    if isinstance(value, list):
        for item in value:
            yield from _nested_reads(item)
    elif isinstance(value, dict):
        parts = value.get("Fn::GetAtt")
        if isinstance(parts, list) and len(parts) == 2 and str(parts[1]).startswith("Outputs."):
            yield str(parts[0]), str(parts[1])[len("Outputs.") :]
        for key, item in value.items():
            if key == "Fn::Sub":
                text = item[0] if isinstance(item, list) and item else item
                yield from _SUB_READ.findall(text if isinstance(text, str) else "")
            yield from _nested_reads(item)
