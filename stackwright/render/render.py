"""Render a `Config`: documents with a source map, and the wiring of nested stacks.

Roots are rendered twice: once alone, to learn their interface, and once with their nested stacks
wired in.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from ..core import (
    Config,
    Document,
    Interface,
    Location,
    NestedStack,
    ParameterPath,
    Problem,
    Rendering,
    RootStack,
    StackwrightError,
    TemplateError,
    Wiring,
    dotted,
    has_errors,
    require_readable,
)
from .emit import emit_template
from .interface import read_interface
from .jinja import (
    Failure,
    JinjaEnvironment,
    RuntimeMistake,
    code_of,
    dynref,
    sub_var,
    template_problems,
)
from .nested_stacks import RootFunctions
from .provenance import ParameterMap
from .text import lines_with_origin
from .usage import find_unused

Wire = Callable[
    [Interface, Sequence[Interface], Mapping[str, Sequence[str]], Sequence[Interface], Config],
    Wiring,
]
"""`wire_root`: root, its nested stacks, Parameters given to them, earlier roots, config -> their
wiring."""

_Stack = TypeVar("_Stack", RootStack, NestedStack)
SUFFIXES = (".yaml.j2", ".yml.j2", ".json.j2")
BUILD = "build"


def render_templates(config: Config, wire: Wire) -> Rendering:
    """Render every enabled stack of the environment.

    Raises TemplateError or WiringError with the problems of all templates together; writes nothing.
    """
    renderer = TemplateRenderer(config)
    documents: list[Document] = []
    wirings: dict[str, Wiring] = {}
    roots: list[Interface] = []
    enabled = renderer.select_enabled(config.stacks)
    if not enabled:
        where = [root.location for root in config.stacks[:1]]
        raise TemplateError.of(
            "SW015",
            f"no stack is enabled in {config.environment}",
            *where,
            hint="correct their conditions, when:",
        )
    for root in enabled:
        nested = renderer.render_nested(root)
        document, wiring = renderer.render_root(root, nested, wire, roots)
        wirings[root.name] = wiring
        if document is not None:
            documents.append(document)
            roots.append(read_interface(document))
        documents += nested
    problems = renderer.problems
    if not has_errors(problems):
        problems = [*problems, *renderer.find_unused_parameters()]
    if has_errors(problems):
        raise TemplateError(problems)
    local_paths = tuple(dict.fromkeys(renderer.local_paths))
    return Rendering(
        config, tuple(documents), MappingProxyType(wirings), tuple(problems), local_paths
    )


class TemplateRenderer:
    """Renders the stacks of one Config; collects problems, so that those of all templates are shown
    together."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self.problems: list[Problem] = list(config.problems)
        self.local_paths: list[str] = []
        """The files and folders that templates named by ``local_path``."""
        self._parameters = ParameterMap(config.parameters, ())
        self._context: dict[str, Any] = {
            **{name: self._parameters[name] for name in config.parameters},
            "params": self._parameters,
            "dotenv": config.dotenv,
        }
        self._names: Mapping[str, Any] = self._context
        """The names that the template being rendered sees."""
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
        """The path of the document being rendered, below ``build/<env>``."""

    def _fail(self, message: str, *parameters: str) -> str:
        """Raise an error of the project's own, ``{{ fail("message", "gateway.cpu") }}``, at the
        lines that give the parameters."""
        locations = {dotted(leaf.path): leaf.location for leaf in self._config.leaves.values()}
        raise Failure(message, [locations[name] for name in parameters if name in locations])

    def _locate(self, path: ParameterPath) -> list[Location]:
        leaves = self._config.leaves
        return [leaves[path].location] if path in leaves else []

    def select_enabled(self, stacks: Sequence[_Stack]) -> list[_Stack]:
        """Return the stacks whose condition ``when`` is true."""
        return [stack for stack in stacks if stack.when is None or self._is_enabled(stack)]

    def _is_enabled(self, stack: RootStack | NestedStack) -> bool:
        try:
            return self._environment.evaluate(str(stack.when), self._context)
        except RuntimeMistake as error:
            message = f"the condition of {stack.name}, {stack.when!r}, fails: {error.message}"
            raise TemplateError.of(code_of(error, "SW015"), message, stack.location) from None

    def render_nested(self, root: RootStack) -> list[Document]:
        """Return the nested stacks of a root; a template that fails is a problem and left out."""
        documents = []
        for stack in self.select_enabled(root.nested):
            try:
                documents.append(
                    self._render(f"{root.name}/{stack.name}", stack, f"{root.template}/")
                )
            except StackwrightError as error:
                self.problems += error.problems
        return documents

    def render_root(
        self, stack: RootStack, nested: Sequence[Document], wire: Wire, earlier: Sequence[Interface]
    ) -> tuple[Document | None, Wiring]:
        """Return the root's document with its nested stacks wired in; None where it or one of them
        failed."""
        if len(nested) < len(self.select_enabled(stack.nested)):
            return None, Wiring()
        try:
            return self._render_wired(stack, nested, wire, earlier)
        except StackwrightError as error:
            self.problems += error.problems
            return None, Wiring()

    def _render_wired(
        self, stack: RootStack, nested: Sequence[Document], wire: Wire, earlier: Sequence[Interface]
    ) -> tuple[Document | None, Wiring]:
        draft = RootFunctions(stack, nested, Wiring(), self._environment)
        alone = read_interface(self._render(stack.name, stack, "", draft.names()))
        interfaces = [read_interface(document) for document in nested]
        wiring = wire(alone, interfaces, draft.given_names(), earlier, self._config)
        if has_errors(wiring.problems):
            self.problems += wiring.problems
            return None, Wiring()
        self._require_calls(stack, draft, wiring)
        final = RootFunctions(stack, nested, wiring, self._environment, alone.parameters)
        return self._render(stack.name, stack, "", final.names()), wiring

    def _require_calls(self, stack: RootStack, draft: RootFunctions, wiring: Wiring) -> None:
        at = Location(f"templates/{self._find_file('', stack.template)}", 1)
        if wiring.nested and "nested_stacks" not in draft.called:
            message = f"the root {stack.name} has nested stacks but does not print them"
            hint = "write {{ nested_stacks() }} below Resources:"
            raise TemplateError.of("SW109", message, at, hint=hint)
        if wiring.parameters and "wired_parameters" not in draft.called:
            names = ", ".join(wiring.parameters)
            message = (
                f"the root {stack.name} does not declare {names}, which its nested stacks take"
            )
            hint = "write {{ wired_parameters() }} below Parameters:"
            raise TemplateError.of("SW109", message, at, hint=hint)

    def _find_file(self, folder: str, name: str) -> str:
        """Return the path of a template below ``templates/``."""
        parent = self._config.project / "templates"
        files = (f"{folder}{name}{suffix}" for suffix in SUFFIXES)
        return next((file for file in files if (parent / file).is_file()), name)

    def _render(
        self,
        name: str,
        stack: RootStack | NestedStack,
        folder: str,
        functions: Mapping[str, Any] | None = None,
    ) -> Document:
        """Render one template; ``folder`` is its place below ``templates/``, ``functions`` are
        names that it sees besides the parameters."""
        file = self._find_file(folder, stack.template)
        template = f"templates/{file}"
        path = name + (".json" if file.endswith(".json.j2") else ".yaml")
        context = {**self._context, **stack.variables, **(functions or {})}
        self._output, self._names = path, context
        with template_problems(self._locate, template):
            text = self._environment.run(file, context)
            header = f"# Generated by render.py from {template}; edit that file, not this one."
            emitted = emit_template(
                lines_with_origin(text), self._environment.tokens, template, [header]
            )
        return Document(
            name,
            template,
            path,
            emitted.text,
            emitted.body,
            emitted.lines,
            emitted.starts,
        )

    def _local_path(self, path: str) -> str:
        """Return a file or folder of the project relative to the rendered template, as the AWS CLI
        resolves it."""
        project = self._config.project
        target = Path(os.path.normpath(project / path))
        if not target.is_relative_to(project):
            raise RuntimeMistake(f"local_path: {path} is outside of the project")
        if not target.exists():
            raise RuntimeMistake(f"local_path: the project has no {path}")
        require_readable(target, project)
        self.local_paths.append(path)
        folder = (project / BUILD / self._config.environment / self._output).parent
        return Path(os.path.relpath(project / path, folder)).as_posix()

    def find_unused_parameters(self) -> list[Problem]:
        """Return a problem for each parameter that no template uses."""
        environment = self._environment
        return list(
            find_unused(self._config, self._parameters, environment.read, environment.sources())
        )
