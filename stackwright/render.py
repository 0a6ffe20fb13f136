"""Config and templates to a Rendering: the one Jinja environment, the source map, and the nested stacks' wiring.

Every ``{{ … }}`` and every stretch of template text passes through `_Environment`, which notes the template line and
the parameters read; ``emit`` then puts the values in. Roots are rendered twice: the second time with their wiring.
"""

from __future__ import annotations

import difflib
import io
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import jinja2
from jinja2 import nodes
from jinja2.bccache import Bucket
from jinja2.compiler import CodeGenerator, Frame
from jinja2.runtime import Macro

from .cache import Cache
from .emit import Emitted, emit, plain
from .errors import StackwrightError, TemplateError
from .model import (
    Config,
    Declaration,
    Document,
    Interface,
    Location,
    NestedStack,
    ParameterPath,
    Problem,
    Rendering,
    RootStack,
    Source,
    SourceKind,
    Wiring,
    dotted,
    has_errors,
    logical_id,
)
from .text import CLOSE, OPEN, RESERVED, Chunk, Origin, Printed, Text, join, lines_of

Wire = Callable[[Interface, Sequence[Interface], Mapping[str, Sequence[str]], Sequence[Interface], Config], Wiring]
"""``wire.wire``: root, its nested stacks, Parameters given to them, earlier roots, config -> how they connect."""

_TAG = re.compile(r"\{[{%].*?[%}]\}", re.DOTALL)
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
SUFFIXES = (".yaml.j2", ".yml.j2", ".json.j2")
BUILD = "build"
ENGINE_PARAMETERS = frozenset(
    ("stacks", "environment", "region", "account_id", "images", "secrets", "variables", "deploy")
)
"""Top-level parameters that the engine reads itself."""


def render(config: Config, wire: Wire) -> Rendering:
    """Render every enabled stack of the environment.

    Raises TemplateError or WiringError with the problems of all templates together; nothing is written.
    """
    engine = _Engine(config)
    documents: list[Document] = []
    wirings: dict[str, Wiring] = {}
    roots: list[Interface] = []
    for root in engine.enabled(config.stacks):
        nested = engine.nested(root)
        made, wiring = engine.root(root, nested, wire, roots)
        documents += [*made, *nested]
        wirings[root.name] = wiring
        roots += [interface(document) for document in made]
    problems = [*engine.problems, *engine.unused()]
    if has_errors(problems):
        raise TemplateError(problems)
    return Rendering(config, tuple(documents), MappingProxyType(wirings), tuple(problems))


class ParameterMap(dict[str, Any]):
    """A map of parameters that knows its path, so that what a template reads of it can be told."""

    __slots__ = ("path", "whole")

    def __init__(self, data: Mapping[str, Any], path: ParameterPath) -> None:
        super().__init__((key, _with_path(value, (*path, key))) for key, value in data.items())
        self.path = path
        self.whole = False

    def items(self) -> Any:
        """The entries; whoever walks a map uses all of it."""
        self.whole = True
        return super().items()

    def values(self) -> Any:
        """The values; whoever walks a map uses all of it."""
        self.whole = True
        return super().values()

    def __iter__(self) -> Iterator[str]:
        self.whole = True
        return super().__iter__()


class ParameterList(list[Any]):
    """A list of parameters that knows its path."""

    def __init__(self, data: Sequence[Any], path: ParameterPath) -> None:
        super().__init__(_with_path(value, (*path, index)) for index, value in enumerate(data))
        self.path = path


class _Str(str):
    __slots__ = ("path",)
    path: ParameterPath


class _Int(int):
    path: ParameterPath


class _Float(float):
    path: ParameterPath


_LEAVES: Mapping[type, type] = {str: _Str, int: _Int, float: _Float}


def _with_path(value: Any, path: ParameterPath) -> Any:
    if isinstance(value, dict):
        return ParameterMap(value, path)
    if isinstance(value, list):
        return ParameterList(value, path)
    if type(value) in _LEAVES:
        leaf = _LEAVES[type(value)](value)
        leaf.path = path
        return leaf
    return value  # bool and None cannot carry a path: reading them is noted instead


class _Live(str):
    """Text made by the engine that CloudFormation must see as it is."""

    __slots__ = ()


def _undefined(known: Callable[[], Iterable[str]]) -> type[jinja2.Undefined]:
    """StrictUndefined with the nearest known name in its message."""

    class Undefined(jinja2.StrictUndefined):
        @property
        def _undefined_message(self) -> str:
            name = str(self._undefined_name)
            if isinstance(self._undefined_obj, ParameterMap):
                near = _close(name, list(dict.keys(self._undefined_obj)))
                return f"{dotted((*self._undefined_obj.path, name))} is not defined{near}"
            if self._undefined_obj is jinja2.utils.missing and self._undefined_hint is None:
                return f"{name} is not defined{_close(name, known())}"
            return str(super()._undefined_message)

    return Undefined


def _close(name: str, known: Iterable[str]) -> str:
    found = difflib.get_close_matches(name, sorted(known), 1, 0.6)
    return f"; did you mean {found[0]}?" if found else ""


class _Tracer(CodeGenerator):
    """Compiles templates so that every piece of output tells its template line.

    Jinja would merge constants and lose their lines; here each child of an Output is written by itself.
    """

    def visit_Output(self, node: nodes.Output, frame: Frame) -> None:
        """Text becomes a Chunk, an expression goes through ``printed``."""
        if frame.require_output_check:
            if self.has_known_extends:
                return
            self.writeline("if parent_template is None:")
            self.indent()
        for child in node.nodes:
            self._begin(child, frame)
            if isinstance(child, nodes.TemplateData):
                self.write(f"environment.chunk({child.data!r}, {self.name!r}, {child.lineno})")
            else:
                self.write("environment.printed(environment.mark(), ")
                self.visit(child, frame)
                self.write(f", {self.name!r}, {child.lineno}, (")
                for name in child.find_all(nodes.Name):
                    self.visit(name, frame)
                    self.write(", ")
                self.write("))")
            if frame.buffer is not None:
                self.write(")")
        if frame.require_output_check:
            self.outdent()

    def _begin(self, node: nodes.Node, frame: Frame) -> None:
        self.writeline("yield " if frame.buffer is None else f"{frame.buffer}.append(", node)

    def visit_CallBlock(self, node: nodes.CallBlock, frame: Frame) -> None:
        """The result of a call block is printed like any other."""
        call_frame, macro_ref = self.macro_body(node, frame)
        self.writeline("caller = ")
        self.macro_def(macro_ref, call_frame)
        self._begin(node, frame)
        self.write("environment.printed(environment.mark(), ")
        self.visit_Call(node.call, frame, forward_caller=True)
        self.write(f", {self.name!r}, {node.lineno})" + (")" if frame.buffer is not None else ""))

    def visit_FilterBlock(self, node: nodes.FilterBlock, frame: Frame) -> None:
        """So is the result of a filter block."""
        inner = frame.inner()
        inner.symbols.analyze_node(node)
        self.enter_frame(inner)
        self.buffer(inner)
        self.blockvisit(node.body, inner)
        self._begin(node, frame)
        self.write("environment.printed(environment.mark(), ")
        self.visit_Filter(node.filter, inner)
        self.write(f", {self.name!r}, {node.lineno})" + (")" if frame.buffer is not None else ""))
        self.leave_frame(inner)

    def visit_Include(self, node: nodes.Include, frame: Frame) -> None:
        """Note the including line while the included template runs."""
        self.writeline(f"environment.enter({self.name!r}, {node.lineno})", node)
        super().visit_Include(node, frame)
        self.writeline("environment.leave()")

    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:
        """``~`` keeps blocks apart from values and the provenance of values."""
        self.write("environment.concatenated((")
        for part in node.nodes:
            self.visit(part, frame)
            self.write(", ")
        self.write("))")


class _Environment(jinja2.Environment):
    """Jinja with values held out; one instance a run."""

    code_generator_class = _Tracer
    concat = staticmethod(join)  # type: ignore[assignment]

    def __init__(self, project: Path, known: Callable[[], Iterable[str]]) -> None:
        super().__init__(
            loader=_Loader(project / "templates"),
            undefined=_undefined(known),
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
            auto_reload=False,
            cache_size=-1,
            bytecode_cache=_Bytecode(Cache(project, "jinja")),
            extensions=["jinja2.ext.do", "jinja2.ext.loopcontrols"],
        )
        self.tokens: list[Printed] = []
        self._reads: list[ParameterPath] = []
        self._including: list[Location] = []
        self.read: set[ParameterPath] = set()
        self.filters |= {"indent": _indent, "logical_id": logical_id}

    def chunk(self, data: str, name: str, line: int) -> Chunk:
        """A stretch of template text."""
        return Chunk(data, (Location(f"templates/{name}", line), *reversed(self._including)))

    def mark(self) -> int:
        """Where the reads of the expression begin that is evaluated next."""
        return len(self._reads)

    def printed(self, mark: int, value: Any, name: str, line: int, names: Sequence[Any] = ()) -> Chunk | Text:
        """What ``{{ value }}`` at a template line leaves in the text: a block as it is, anything else as a token.

        ``names`` are the variables of the expression: a filter makes a new value, but they still know their path.
        """
        at = Location(f"templates/{name}", line)
        reads = self._reads[mark:]
        del self._reads[mark:]
        if isinstance(value, Text):
            return value.called_from(at)
        origin = (at, *reversed(self._including))
        self._refuse(value, origin)
        paths = _paths(value) or _leaf_paths([*reads, *(p for each in names for p in _path(each))])
        self.tokens.append(Printed(_data(value), paths, origin, isinstance(value, _Live)))
        return Chunk(f"{OPEN}{len(self.tokens) - 1}{CLOSE}", origin)

    def _refuse(self, value: Any, origin: Origin) -> None:
        if isinstance(value, jinja2.Undefined):
            str(value)  # raises, with the name
        if isinstance(value, str) and RESERVED.search(value):
            message, hint = "a filter took the result of a macro apart", "print the macro alone; it is indented by itself"
        elif isinstance(value, Macro):
            message, hint = f"the macro {value.name} is printed, not called", f"write {value.name}(...)"
        elif value is not None and not isinstance(value, str | bool | int | float | list | tuple | dict):
            message, hint = f"a {type(value).__name__} cannot be printed", "print text, numbers, lists or maps"
            hint = "end the filters with | list" if isinstance(value, Iterator) else hint
        else:
            return
        raise TemplateError([Problem("SW108", message, origin, hint)])

    def enter(self, name: str, line: int) -> None:
        """Called before an include."""
        self._including.append(Location(f"templates/{name}", line))

    def leave(self) -> None:
        """Called after an include."""
        self._including.pop()

    def concatenated(self, parts: Sequence[Any]) -> Any:
        """``a ~ b``: where one part is a block, or the engine's text, each part is printed by itself."""
        if any(isinstance(part, Text | _Live) for part in parts):
            return Text(chunk for part in parts for chunk in self._chunks(part, ()))
        for part in parts:
            if part is None:
                raise jinja2.TemplateRuntimeError("null is joined to a text with ~")
            self._reads += _path(part)
        return "".join(part if isinstance(part, str) else _text(part) for part in parts)

    def hold(self, value: Any) -> str:
        """A token for a value that the engine itself prints."""
        self.tokens.append(Printed(_data(value), _paths(value), ()))
        return f"{OPEN}{len(self.tokens) - 1}{CLOSE}"

    def run(self, file: str, context: Mapping[str, Any]) -> Text:
        """The text of a template with its values held out in ``tokens``."""
        self.tokens.clear()
        self._reads.clear()
        self._including.clear()
        template = self.get_template(file)
        return join(template.root_render_func(template.new_context(dict(context))))

    def mentioned(self) -> set[str]:
        """Every word in a tag or expression of any template of the project."""
        found: set[str] = set()
        for name in self.list_templates(filter_func=lambda each: each.endswith(".j2")):
            source = self.loader.get_source(self, name)[0]  # type: ignore[union-attr]
            for tag in _TAG.findall(source):
                found.update(_WORD.findall(tag))
        return found

    def _chunks(self, part: Any, origin: Origin) -> Iterable[Chunk]:
        if isinstance(part, Text):
            return part.chunks
        self.tokens.append(Printed(_data(part), _paths(part), origin, isinstance(part, _Live)))
        return [Chunk(f"{OPEN}{len(self.tokens) - 1}{CLOSE}", origin)]

    def getattr(self, obj: Any, attribute: str) -> Any:
        """``obj.attribute``: in parameters a key comes before a method of maps."""
        if isinstance(obj, ParameterMap):
            return self._parameter(obj, attribute)
        return super().getattr(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """``obj[argument]``."""
        if isinstance(obj, ParameterMap) and isinstance(argument, str):
            return self._parameter(obj, argument)
        return super().getitem(obj, argument)

    def _parameter(self, obj: ParameterMap, name: str) -> Any:
        if name in obj:
            path = (*obj.path, name)
            self._reads.append(path)
            self.read.add(path)
            return obj[name]
        if name in ("items", "keys", "values", "get"):
            return getattr(obj, name)
        return self.undefined(obj=obj, name=name)


class _Bytecode(jinja2.BytecodeCache):
    """Compiled templates by the hash of their source, of this compiler, and of Jinja's and Python's version."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    def _key(self, bucket: Bucket) -> str:
        return self._cache.key(bucket.key, bucket.checksum, _compiler_version())

    def load_bytecode(self, bucket: Bucket) -> None:
        """Fill the bucket if its template was compiled before."""
        data = self._cache.get(self._key(bucket))
        if data is not None:
            bucket.load_bytecode(io.BytesIO(data))

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep what was compiled."""
        self._cache.put(self._key(bucket), bucket.bytecode_to_string())


@cache
def _compiler_version() -> bytes:
    return f"{jinja2.__version__} {sys.version}".encode() + Path(__file__).read_bytes()


class _Loader(jinja2.FileSystemLoader):
    """Templates of the project by POSIX path below ``templates/``, any line ends, UTF-8 only."""

    def get_source(self, environment: jinja2.Environment, template: str) -> tuple[str, str, Callable[[], bool]]:
        """The text of a template; raises TemplateError where it is empty or not text."""
        path = Path(self.searchpath[0], template)
        at = Location(f"templates/{template}", 1)
        if not path.is_file():
            raise jinja2.TemplateNotFound(template)
        try:
            text = path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
        except UnicodeDecodeError as error:
            at = Location(at.path, path.read_bytes()[: error.start].count(b"\n") + 1)
            raise TemplateError.of("SW002", "not UTF-8 text", at, hint="save the file as UTF-8") from None
        if not text.strip():
            raise TemplateError.of("SW105", "the template is empty", at, hint="write Resources: and at least one resource")
        if RESERVED.search(text):
            raise TemplateError.of("SW105", "the characters U+E000 to U+E002 are reserved", at)
        return text, str(path), lambda: True


def _indent(text: Any, width: int | str = 4, first: bool = False, blank: bool = False) -> Any:
    """Jinja's filter; a block is indented where it is printed, so only ``first`` has work left for it."""
    if not isinstance(text, Text):
        return jinja2.filters.do_indent(text, width, first, blank)
    if not first:
        return text
    margin = width if isinstance(width, str) else " " * width
    lead = [Chunk(margin, text.chunks[0].origin)] if text.chunks else []
    return Text([*lead, *(Chunk(c.text.replace("\n", "\n" + margin), c.origin) for c in text.chunks)])


def _path(value: Any) -> tuple[ParameterPath, ...]:
    """The path of a scalar parameter, if ``value`` is one."""
    return (value.path,) if isinstance(value, _Str | _Int | _Float) else ()


def _paths(value: Any) -> tuple[ParameterPath, ...]:
    """The paths of a scalar parameter, or of a list or map and all that is in it."""
    if not isinstance(value, ParameterMap | ParameterList):
        return _path(value)
    entries: Iterable[tuple[Any, Any]] = value.items() if isinstance(value, ParameterMap) else enumerate(value)
    return (value.path, *(p for key, item in entries for p in _paths(item) or ((*value.path, key),)))


def _leaf_paths(paths: Iterable[ParameterPath]) -> tuple[ParameterPath, ...]:
    """The paths without those that only led to another: reading ``a.b.c`` reads ``a.b`` on the way."""
    distinct = list(dict.fromkeys(paths))
    return tuple(p for p in distinct if not any(len(q) > len(p) and q[: len(p)] == p for q in distinct))


def _data(value: Any) -> Any:
    return plain(value) if isinstance(value, dict | list | tuple) else value


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


class _Failure(Exception):
    """Raised by ``fail()`` in a template."""

    def __init__(self, message: str, where: Sequence[Location]) -> None:
        super().__init__(message)
        self.message = message
        self.where = tuple(where)


class _Engine:
    """Renders the stacks of one Config; collects problems, so that all templates' are shown together."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.problems: list[Problem] = list(config.problems)
        self._parameters = ParameterMap(config.parameters, ())
        self._context: dict[str, Any] = {
            **{name: self._parameters[name] for name in config.parameters},
            "params": self._parameters,
            "dotenv": config.dotenv,
        }
        self._environment = _Environment(config.project, lambda: {**self._context, **self._environment.globals})
        functions = {"dynref": dynref, "sub_var": sub_var, "fail": self._fail, "local_path": self._local_path}
        self._environment.globals |= functions  # globals, so that imported macros see them too
        self._output = ""

    def _fail(self, message: str, *parameters: str) -> str:
        """``{{ fail("message", "gateway.cpu") }}``: an error of the project's own, shown where the parameters stand."""
        leaves = {dotted(leaf.path): leaf.location for leaf in self.config.leaves.values()}
        raise _Failure(message, [leaves[name] for name in parameters if name in leaves])

    def enabled(self, stacks: Sequence[Any]) -> list[Any]:
        """The stacks whose ``when`` holds."""
        return [stack for stack in stacks if stack.when is None or self._holds(stack)]

    def _holds(self, stack: RootStack | NestedStack) -> bool:
        try:
            test = self._environment.compile_expression(str(stack.when), undefined_to_none=False)
            return bool(test(**self._context))
        except jinja2.TemplateError as error:
            message = f"the condition of {stack.name}, {stack.when!r}, fails: {error.message}"
            raise TemplateError.of("SW015", message, stack.location) from None

    def nested(self, root: RootStack) -> list[Document]:
        """The nested stacks of one root; a template that fails is a problem and is left out."""
        documents = []
        for stack in self.enabled(root.nested):
            try:
                documents.append(self._document(f"{root.name}/{stack.name}", stack, f"{root.template}/"))
            except StackwrightError as error:
                self.problems += error.problems
        return documents

    def root(
        self, stack: RootStack, nested: Sequence[Document], wire: Wire, earlier: Sequence[Interface]
    ) -> tuple[list[Document], Wiring]:
        """The root's document with its nested stacks wired in; empty where it or one of them failed."""
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
        alone = interface(self._document(stack.name, stack, "", draft.functions()))
        wiring = wire(alone, [interface(each) for each in nested], draft.given_names(), earlier, self.config)
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
            raise TemplateError.of("SW109", message, at, hint="write {{ nested_stacks() }} below Resources:")
        if wiring.parameters and "wired_parameters" not in draft.called:
            names = ", ".join(wiring.parameters)
            message = f"the root {stack.name} does not declare {names}, which its nested stacks take"
            raise TemplateError.of("SW109", message, at, hint="write {{ wired_parameters() }} below Parameters:")

    def _file(self, folder: str, stem: str) -> str:
        parent = self.config.project / "templates"
        return next((f"{folder}{stem}{s}" for s in SUFFIXES if (parent / f"{folder}{stem}{s}").is_file()), stem)

    def _document(
        self, name: str, stack: RootStack | NestedStack, folder: str, functions: Mapping[str, Any] | None = None
    ) -> Document:
        file = self._file(folder, stack.template)
        path = name + (".json" if file.endswith(".json.j2") else ".yaml")
        context = {**self._context, **stack.variables, **(functions or {})}
        self._output = path
        with _template_problems(self._environment):
            text = self._environment.run(file, context)
            header = [f"# Generated by render.py from templates/{file}; edit that file, not this one."]
            emitted: Emitted = emit(lines_of(text), self._environment.tokens, f"templates/{file}", header)
        return Document(name, f"templates/{file}", path, emitted.text, emitted.body, emitted.lines, emitted.starts)

    def _local_path(self, path: str) -> str:
        """A file or folder of the project relative to the rendered template, as the AWS CLI resolves it."""
        if not (self.config.project / path).exists():
            raise jinja2.TemplateRuntimeError(f"local_path: the project has no {path}")
        folder = (self.config.project / BUILD / self.config.environment / self._output).parent
        return Path(os.path.relpath(self.config.project / path, folder)).as_posix()

    def unused(self) -> list[Problem]:
        """Parameters that no template mentions and none read: most likely a misspelt name."""
        if has_errors(self.problems):
            return []
        candidates = [leaf for leaf in self.config.leaves.values() if not self._is_used(leaf.path)]
        mentioned = self._environment.mentioned() if candidates else set()
        return [
            Problem(
                "SW110",
                f"no template uses the parameter {dotted(leaf.path)}",
                (leaf.location,),
                "remove it, or print it in a template",
            )
            for leaf in candidates
            if not any(part in mentioned for part in leaf.path[-1:])
        ]

    def _is_used(self, path: ParameterPath) -> bool:
        if path[0] in ENGINE_PARAMETERS or isinstance(path[-1], int) or path in self._environment.read:
            return True
        place: Any = self._parameters
        for part in path:
            if isinstance(place, ParameterMap) and place.whole and place is not self._parameters:
                return True
            place = place[part]
        return len(path) > 1 and any(isinstance(part, int) for part in path)


class _RootFunctions:
    """``nested_stacks()`` and ``wired_parameters()`` for one rendering of one root."""

    def __init__(
        self,
        root: RootStack,
        nested: Sequence[Document],
        wiring: Wiring,
        environment: _Environment,
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
        self, parameters: Mapping[str, Mapping[str, Any]] | None = None, tags: Mapping[str, Any] | None = None
    ) -> Text:
        """One AWS::CloudFormation::Stack for each enabled nested stack, in order, its Parameters wired.

        ``parameters`` gives values by nested stack and Parameter; ``tags`` are added to every nested stack.
        """
        self.called.add("nested_stacks")
        self._given = parameters or {}
        unknown = [name for name in self._given if name not in {each.name.partition("/")[2] for each in self._nested}]
        if unknown:
            raise jinja2.TemplateRuntimeError(f"nested_stacks: there is no nested stack {unknown[0]} to give values")
        if not self._wiring.nested:
            return Text()
        return Text(chunk for document in self._nested for chunk in self._stack(document, tags or {}))

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
        for declaration in interface(document).parameters.values():
            if declaration.name in sources:
                reference = self._reference(name, declaration, sources[declaration.name])
                yield Chunk(f"      {declaration.name}: {reference}\n", document.lines[declaration.line - 1].origin)
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
        """The Parameters that the root needs besides those in its template, declared as its nested stacks do."""
        self.called.add("wired_parameters")
        return Text(chunk for each in self._wiring.parameters.values() for chunk in self._declaration(each))

    def _declaration(self, declaration: Declaration) -> Iterator[Chunk]:
        yield Chunk(f"{declaration.name}:\n", ())
        for key, value in declaration.body.items():
            if key != "Default":
                yield Chunk(f"  {key}: {self._environment.hold(value)}\n", ())


def interface(document: Document) -> Interface:
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
        name: Declaration(name, body if isinstance(body, dict) else {}, document.starts.get((section, name), 1))
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


def dynref(service: str, *parts: str) -> str:
    """A dynamic reference, e.g. ``dynref("ssm", "/euglena/flag")`` as ``{{resolve:ssm:/euglena/flag}}``.

    Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/dynamic-references.html
    """
    if service not in ("ssm", "ssm-secure", "secretsmanager"):
        raise jinja2.TemplateRuntimeError(f"dynref: {service!r} is not ssm, ssm-secure or secretsmanager")
    for part in parts:
        allowed = r"[A-Za-z0-9_./:+=@-]*" if isinstance(part, _Str) else r"[A-Za-z0-9_./:+=@${}-]*"
        if not re.fullmatch(allowed, part):
            raise jinja2.TemplateRuntimeError(f"dynref: {part!r} cannot stand in a dynamic reference")
    return _Live("{{resolve:" + ":".join([service, *parts]) + "}}")


def sub_var(name: str) -> str:
    """A live variable for Fn::Sub, e.g. ``sub_var("GatewayRole.Arn")`` as ``${GatewayRole.Arn}``."""
    if not re.fullmatch(r"[A-Za-z0-9]+([.:]+[A-Za-z0-9]+)*", name):
        raise jinja2.TemplateRuntimeError(f"sub_var: {name!r} is not a logical ID, an attribute or a pseudo parameter")
    return _Live("${" + name + "}")


@contextmanager
def _template_problems(environment: _Environment) -> Iterator[None]:
    """Turn whatever a template raises into a TemplateError at its line, called from the lines that led there."""
    try:
        yield
    except StackwrightError:
        raise
    except jinja2.TemplateSyntaxError as error:
        at = Location(f"templates/{error.name}", error.lineno)
        raise TemplateError.of("SW101", f"Jinja syntax: {error.message}", at) from None
    except jinja2.TemplateNotFound as error:
        message = f"there is no template templates/{error.name}"
        raise TemplateError.of("SW016", message, *_call_lines(error)) from None
    except jinja2.UndefinedError as error:
        message, _, hint = str(error.message).partition("; ")
        raise TemplateError.of("SW102", message, *_call_lines(error), hint=hint) from None
    except _Failure as error:
        raise TemplateError.of("SW017", error.message, *error.where, *_call_lines(error)) from None
    except RecursionError as error:
        raise TemplateError.of("SW108", "a macro calls itself without end", *_call_lines(error)[:2]) from None
    except Exception as error:  # whatever an expression of the template's author raises
        message = getattr(error, "message", None) or f"{type(error).__name__}: {error}"
        raise TemplateError.of("SW108", str(message), *_call_lines(error)) from None


def _call_lines(error: BaseException) -> list[Location]:
    """The template lines of a traceback, innermost first."""
    found: list[Location] = []
    trace = error.__traceback__
    while trace is not None:
        template = trace.tb_frame.f_globals.get("__jinja_template__")
        if template is not None:
            found.append(Location(f"templates/{template.name}", template.get_corresponding_lineno(trace.tb_lineno)))
        trace = trace.tb_next
    return list(dict.fromkeys(reversed(found)))
