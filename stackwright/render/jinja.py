"""The one Jinja environment: values held out of the text, every piece with its template line,
strict names.

Every ``{{ … }}`` and every stretch of template text passes through `Environment`, which notes the
template line and the parameters read. What a template raises becomes a TemplateError at its line
(`template_problems`).
"""

from __future__ import annotations

import difflib
import io
import math
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any

import jinja2
from jinja2 import nodes
from jinja2.bccache import Bucket
from jinja2.compiler import CodeGenerator, Frame
from jinja2.idtracking import VAR_LOAD_RESOLVE
from jinja2.runtime import Macro
from msgspec import Struct

from ..core import (
    Cache,
    Location,
    ParameterPath,
    Problem,
    StackwrightError,
    TemplateError,
    dotted,
    logical_id,
)
from .emit import INTRINSIC_HINT, REFERENCE, REFERENCE_HINT, is_intrinsic, strip_provenance
from .text import CLOSE, OPEN, RESERVED, BlockResult, Chunk, Origin, Printed, Text, join_pieces

_TAG = re.compile(r"\{[{%].*?[%}]\}", re.DOTALL)
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")

_KEY = re.compile(r"""(?:\[|\.get\()\s*(['"])(.*?)\1""")
_ITEM = re.compile(r"""\[\s*(['"])(.*?)\1\s*\]""")
_QUOTED = re.compile(r"""(['"]).*?\1""")
_OPEN = re.compile(r"([A-Za-z_][A-Za-z0-9_-]*)\b(?![\w-]|\s*\.(?!items\b|keys\b|values\b|get\b))")

RuntimeMistake = jinja2.TemplateRuntimeError
"""What a function called by a template raises to be shown at the template's line."""


class ParameterMap(dict[str, Any]):
    """A map of parameters that knows its path, so that what a template reads of it can be told."""

    __slots__ = ("path", "whole")

    def __init__(self, data: Mapping[str, Any], path: ParameterPath) -> None:
        super().__init__(
            (_with_path(key, (*path, key)), _with_path(value, (*path, key)))
            for key, value in data.items()
        )
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


class _Joined(str):
    """Text made with ``~`` that knows the parameters in it, also after ``set`` and as a macro's
    argument."""

    __slots__ = ("paths",)
    paths: tuple[ParameterPath, ...]

    def __new__(cls, text: str, paths: tuple[ParameterPath, ...]) -> _Joined:
        self = super().__new__(cls, text)
        self.paths = paths
        return self


for _kind, _base in (
    (_Int, int),
    (_Float, float),
    (_Str, str),
    (_Joined, str),
    (ParameterMap, dict),
    (ParameterList, list),
):
    _kind.__name__ = _base.__name__  # what Python calls it in a message to the template's author

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


class NoSuchKeyError(jinja2.UndefinedError):
    """Something is read of a parameter that is no map; ``path`` is the parameter's."""

    def __init__(self, path: ParameterPath, message: str) -> None:
        super().__init__(message)
        self.path = path


def _undefined(known: Callable[[], Iterable[str]]) -> type[jinja2.Undefined]:
    """StrictUndefined with the nearest known name in its message."""

    class Undefined(jinja2.StrictUndefined):
        def __init__(
            self, hint: str | None = None, obj: Any = jinja2.utils.missing, name: Any = None
        ) -> None:
            paths = () if isinstance(obj, _Joined) else _path(obj)
            path = obj.path if isinstance(obj, ParameterList) else next(iter(paths), None)
            error = partial(NoSuchKeyError, path) if path else jinja2.UndefinedError
            super().__init__(hint, obj, name, error)  # type: ignore[arg-type]  # only called

        @property
        def _undefined_message(self) -> str:
            name = str(self._undefined_name)
            if isinstance(self._undefined_obj, ParameterMap):
                near = _close(name, list(dict.keys(self._undefined_obj)))
                return f"{dotted((*self._undefined_obj.path, name))} is not defined{near}"
            if self._undefined_obj is jinja2.utils.missing and self._undefined_hint is None:
                return f"{name} is not defined{_close(name, known())}"
            if self._undefined_hint is None and _kind_of(self._undefined_obj):
                return _lacking(self._undefined_obj, self._undefined_name)
            return str(super()._undefined_message)

    return Undefined


def _lacking(value: Any, name: str | int | None) -> str:
    """What to say, and after a semicolon what to do, where something is read of what is no map of
    parameters."""
    lacks = f"has no element {name}" if isinstance(name, int) else f"has no {name}"
    if isinstance(value, _Joined) or not hasattr(value, "path"):
        return f"{_kind_of(value)} {lacks}"
    hint = "" if isinstance(name, int) else f"; make {dotted(value.path)} a map with {name} in it"
    return f"{dotted(value.path)} is {_kind_of(value)}, which {lacks}{hint}"


def _kind_of(value: Any) -> str:
    """A value in words, numbers with what they are; empty for what no parameter can be."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int | float):
        return f"{value}, a number"
    return next(
        (
            text
            for kind, text in ((str, "a text"), (list, "a list"), (dict, "a map"))
            if isinstance(value, kind)
        ),
        "",
    )


def _close(name: str, known: Iterable[str]) -> str:
    found = difflib.get_close_matches(name, sorted(known), 1, 0.6)
    return f"; did you mean {found[0]}?" if found else ""


@cache
def _at(name: str, line: int) -> Location:
    """A line of a template; a loop prints the same lines again and again."""
    return Location(f"templates/{name}", line)


class _Tracer(CodeGenerator):
    """Compiles templates so that every piece of output tells its template line.

    Jinja would merge constants and lose their lines; here each child of an Output is written by
    itself.
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
                self.write(f"), {self._from_context(child, frame)!r})")
            if frame.buffer is not None:
                self.write(")")
        if frame.require_output_check:
            self.outdent()

    @staticmethod
    def _from_context(node: nodes.Node, frame: Frame) -> tuple[str, ...]:
        """The names in an expression that are not the template's own variables."""
        loads = {
            each.name: frame.symbols.find_load(reference)
            for each in (node, *node.find_all(nodes.Name))
            if isinstance(each, nodes.Name)
            and (reference := frame.symbols.find_ref(each.name)) is not None
        }
        return tuple(
            name for name, load in loads.items() if load is not None and load[0] == VAR_LOAD_RESOLVE
        )

    def _begin(self, node: nodes.Node, frame: Frame) -> None:
        self.writeline("yield " if frame.buffer is None else f"{frame.buffer}.append(", node)

    def visit_CallBlock(self, node: nodes.CallBlock, frame: Frame) -> None:
        """The result of a call block is printed, but for its last line end."""
        call_frame, macro_ref = self.macro_body(node, frame)
        self.writeline("caller = ")
        self.macro_def(macro_ref, call_frame)
        self._begin(node, frame)
        self.write("environment.statement(environment.mark(), ")
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
        self.write("environment.statement(environment.mark(), ")
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


class JinjaEnvironment(jinja2.Environment):
    """Jinja with values held out; one instance a run."""

    code_generator_class = _Tracer
    concat = staticmethod(join_pieces)  # type: ignore[assignment]

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
        self._file = ""
        self._pathless: dict[str, ParameterPath] = {}
        self.read: set[ParameterPath] = set()
        self.filters |= {"indent": _indent, "logical_id": logical_id}

    def chunk(self, data: str, name: str, line: int) -> Chunk:
        """A stretch of template text."""
        return Chunk(data, (_at(name, line), *reversed(self._including)))

    def mark(self) -> int:
        """Where the reads of the expression begin that is evaluated next."""
        return len(self._reads)

    def printed(
        self,
        mark: int,
        value: Any,
        name: str,
        line: int,
        names: Sequence[Any] = (),
        context: Sequence[str] = (),
    ) -> Chunk | Text:
        """What ``{{ value }}`` at a template line leaves in the text: a block as it is, anything
        else as a token.

        ``names`` are the variables of the expression: a filter makes a new value, but they still
        know their path; ``context`` names those that come from the parameters, as true, false and
        null cannot know theirs.
        """
        at = _at(name, line)
        reads = [
            *self._reads[mark:],
            *(self._pathless[each] for each in context if each in self._pathless),
        ]
        del self._reads[mark:]
        if isinstance(value, Text):
            return value.called_from(at)
        origin = (at, *reversed(self._including))
        self._refuse(value, origin)
        whole = () if isinstance(value, _Joined) else _paths(value)
        paths = whole or _leaf_paths(
            [*reads, *(p for each in (value, *names) for p in _path(each))]
        )
        self.tokens.append(Printed(_data(value), paths, origin, isinstance(value, _Live)))
        return Chunk(f"{OPEN}{len(self.tokens) - 1}{CLOSE}", origin)

    def statement(self, mark: int, value: Any, name: str, line: int) -> Chunk | Text:
        """What a call or filter block leaves in the text."""
        piece = self.printed(mark, value, name, line)
        return BlockResult(piece.chunks) if isinstance(piece, Text) else piece

    def _refuse(self, value: Any, origin: Origin) -> None:
        if isinstance(value, jinja2.Undefined):
            str(value)  # raises, with the name
        objection = _objection(value)
        if objection is not None:
            code, message, hint = objection
            raise TemplateError([Problem(code, message, origin, hint)])

    def enter(self, name: str, line: int) -> None:
        """Called before an include."""
        self._including.append(_at(name, line))

    def leave(self) -> None:
        """Called after an include."""
        self._including.pop()

    def concatenated(self, parts: Sequence[Any]) -> Any:
        """``a ~ b``: where one part is a block, or the engine's text, each part is printed by
        itself."""
        if any(isinstance(part, Text | _Live) for part in parts):
            return Text(chunk for part in parts for chunk in self._chunks(part, ()))
        for part in parts:
            if part is None:
                raise jinja2.TemplateRuntimeError("null is joined to a text with ~")
        paths = tuple(dict.fromkeys(path for part in parts for path in _path(part)))
        return _Joined(
            "".join(part if isinstance(part, str) else _text(part) for part in parts), paths
        )

    def hold(self, value: Any) -> str:
        """A token for a value that the engine itself prints."""
        origin = (Location(f"templates/{self._file}", 1),)
        self._refuse(value, origin)
        self.tokens.append(Printed(_data(value), _paths(value), origin))
        return f"{OPEN}{len(self.tokens) - 1}{CLOSE}"

    def run(self, file: str, context: Mapping[str, Any]) -> Text:
        """The text of a template with its values held out in ``tokens``."""
        self.tokens.clear()
        self._reads.clear()
        self._including.clear()
        self._file = file
        self._pathless = {
            name: (name,)
            for name, value in context.items()
            if value is None or isinstance(value, bool)
        }
        template = self.get_template(file)
        pieces: Any = template.root_render_func(
            template.new_context(dict(context))
        )  # not text: see _Tracer
        return join_pieces(pieces)

    def holds(self, condition: str, context: Mapping[str, Any]) -> bool:
        """Whether a Jinja expression is true; raises RuntimeMistake with the reason where it
        fails."""
        try:
            return bool(self.compile_expression(condition, undefined_to_none=False)(**context))
        except jinja2.TemplateError as error:
            raise RuntimeMistake(str(error.message)) from None
        except Exception as error:  # whatever an expression of the project's author raises
            raise RuntimeMistake(f"{type(error).__name__}: {error}") from None

    def mentioned(self, conditions: Iterable[str]) -> Mentions:
        """What conditions, and the tags and expressions of any template of the project, name."""
        found = list(conditions)
        for name in self.list_templates(filter_func=lambda each: each.endswith(".j2")):
            source = self.loader.get_source(self, name)[0]  # type: ignore[union-attr]
            found += _TAG.findall(source)
        text = "\n".join(found)
        keys = frozenset(key for _, key in _KEY.findall(text))
        code = _QUOTED.sub("", _ITEM.sub(r".\2", text))
        return Mentions(frozenset(_WORD.findall(text)), keys, frozenset(_OPEN.findall(code)))

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


class Mentions(Struct, frozen=True):
    """What the text of templates names: ``words``, keys in quotes as ``a["b"]``, and in ``open``
    what stands somewhere without a key of its own: ``a[name]`` and ``a.items()``, or ``a`` as an
    argument, may read any key of it."""

    words: frozenset[str]
    keys: frozenset[str]
    open: frozenset[str]

    def has(self, name: str) -> bool:
        """Whether a parameter or key of that name is read somewhere, in a branch that was not taken
        too."""
        return name in self.words or name in self.keys


class _Bytecode(jinja2.BytecodeCache):
    """Compiled templates by the hash of their source, of this compiler, and of Jinja's and Python's
    version."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    def get_cache_key(self, name: str, filename: str | None = None) -> str:  # noqa: ARG002 - the base class
        """The template's name: its path may hold bytes that are no text."""
        return name

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

    def get_source(
        self, _environment: jinja2.Environment, template: str
    ) -> tuple[str, str, Callable[[], bool]]:
        """The text of a template; raises TemplateError where it is empty or not text."""
        path = Path(self.searchpath[0], template)
        at = Location(f"templates/{template}", 1)
        if not path.is_file() or ".." in path.relative_to(self.searchpath[0]).parts:
            raise jinja2.TemplateNotFound(template)
        try:
            text = path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
        except UnicodeDecodeError as error:
            at = Location(at.path, path.read_bytes()[: error.start].count(b"\n") + 1)
            raise TemplateError.of(
                "SW002", "not UTF-8 text", at, hint="save the file as UTF-8"
            ) from None
        if not text.strip():
            raise TemplateError.of(
                "SW105",
                "the template is empty",
                at,
                hint="write Resources: and at least one resource",
            )
        if RESERVED.search(text):
            raise TemplateError.of("SW105", "the characters U+E000 to U+E002 are reserved", at)
        return text, str(path), lambda: True


def _indent(text: Any, width: int | str = 4, first: bool = False, blank: bool = False) -> Any:
    """Jinja's filter; a block is indented where it is printed, so only ``first`` has work left for
    it."""
    if not isinstance(text, Text):
        return jinja2.filters.do_indent(text, width, first, blank)
    if not first:
        return text
    margin = width if isinstance(width, str) else " " * width
    lead = [Chunk(margin, text.chunks[0].origin)] if text.chunks else []
    return Text(
        [*lead, *(Chunk(c.text.replace("\n", "\n" + margin), c.origin) for c in text.chunks)]
    )


def _path(value: Any) -> tuple[ParameterPath, ...]:
    """The path of a scalar parameter, if ``value`` is one, or of those that a text was made of."""
    if isinstance(value, _Joined):
        return value.paths
    return (value.path,) if isinstance(value, _Str | _Int | _Float) else ()


def _paths(value: Any) -> tuple[ParameterPath, ...]:
    """The paths of a scalar parameter, or of a list or map and all that is in it."""
    if not isinstance(value, ParameterMap | ParameterList):
        return _path(value)
    entries: Iterable[tuple[Any, Any]] = (
        value.items() if isinstance(value, ParameterMap) else enumerate(value)
    )
    return (
        value.path,
        *(p for key, item in entries for p in _paths(item) or ((*value.path, key),)),
    )


def _leaf_paths(paths: Iterable[ParameterPath]) -> tuple[ParameterPath, ...]:
    """The paths without those that only led to another: reading ``a.b.c`` reads ``a.b`` on the
    way."""
    distinct = list(dict.fromkeys(paths))
    return tuple(
        p for p in distinct if not any(len(q) > len(p) and q[: len(p)] == p for q in distinct)
    )


def _objection(value: Any) -> tuple[str, str, str] | None:
    """Code, message and hint where ``value`` cannot be printed."""
    if isinstance(value, str):
        return _text_objection(value)
    if isinstance(value, dict):
        return next(
            (
                found
                for item in (*dict.keys(value), *dict.values(value))
                if (found := _inner_objection(item))
            ),
            None,
        )
    if isinstance(value, list | tuple):
        return next((found for item in value if (found := _inner_objection(item))), None)
    if isinstance(value, float) and not math.isfinite(value):
        return "SW108", f"{value} cannot be printed", "only finite numbers can"
    if isinstance(value, Macro):
        return "SW108", f"the macro {value.name} is printed, not called", f"write {value.name}(...)"
    if value is None or isinstance(value, bool | int | float):
        return None
    hint = (
        "end the filters with | list"
        if isinstance(value, Iterator)
        else "print text, numbers, lists or maps"
    )
    return "SW108", f"a {type(value).__name__} cannot be printed", hint


def _text_objection(value: str) -> tuple[str, str, str] | None:
    if not RESERVED.search(value):
        return None
    if isinstance(value, _Str):
        return (
            "SW108",
            f"{dotted(value.path)} holds one of U+E000 to U+E002, which the renderer uses itself",
            "remove it",
        )
    return (
        "SW108",
        "a filter took the result of a macro apart",
        "print the macro alone; it is indented by itself",
    )


def _inner_objection(item: Any) -> tuple[str, str, str] | None:
    """What `emit` finds in a text that is printed by itself must be found in lists and maps
    here."""
    if isinstance(item, str) and not isinstance(item, _Live):
        name = dotted(item.path) if isinstance(item, _Str) else "the printed value"
        if REFERENCE in item:
            return (
                "SW107",
                f"{name} contains '{REFERENCE}', which CloudFormation would replace when it deploys",
                REFERENCE_HINT,
            )
        if isinstance(item, _Str) and item.path[-1] == item and is_intrinsic(item):
            return "SW107", f"{name} is an intrinsic function in a value", INTRINSIC_HINT
    return _objection(item)


def _data(value: Any) -> Any:
    return strip_provenance(value) if isinstance(value, dict | list | tuple) else value


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


class Failure(Exception):
    """Raised by ``fail()`` in a template."""

    def __init__(self, message: str, where: Sequence[Location]) -> None:
        super().__init__(message)
        self.message = message
        self.where = tuple(where)


def dynref(service: str, *parts: str) -> str:
    """A dynamic reference, e.g. ``dynref("ssm", "/euglena/flag")`` as
    ``{{resolve:ssm:/euglena/flag}}``.

    Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/dynamic-references.html
    """
    if service not in ("ssm", "ssm-secure", "secretsmanager"):
        raise jinja2.TemplateRuntimeError(
            f"dynref: {service!r} is not ssm, ssm-secure or secretsmanager"
        )
    for part in parts:
        allowed = (
            r"[A-Za-z0-9_./:+=@-]*"
            if _path(part)
            else r"([A-Za-z0-9_./:+=@-]|\$\{[A-Za-z0-9.:]+\})*"
        )
        if not re.fullmatch(allowed, part):
            raise jinja2.TemplateRuntimeError(
                f"dynref: {part!r} cannot stand in a dynamic reference"
            )
    return _Live("{{resolve:" + ":".join([service, *parts]) + "}}")


def sub_var(name: str) -> str:
    """A live variable for Fn::Sub, e.g. ``sub_var("GatewayRole.Arn")`` as
    ``${GatewayRole.Arn}``."""
    if not re.fullmatch(r"[A-Za-z0-9]+([.:]+[A-Za-z0-9]+)*", name):
        raise jinja2.TemplateRuntimeError(
            f"sub_var: {name!r} is not a logical ID, an attribute or a pseudo parameter"
        )
    return _Live("${" + name + "}")


@contextmanager
def template_problems(given: Callable[[ParameterPath], Sequence[Location]]) -> Iterator[None]:
    """Turn whatever a template raises into a TemplateError at its line, called from the lines that
    led there.

    ``given`` tells where a parameter was given: the place to edit where the parameter is at fault.
    """
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
        where = given(error.path) if isinstance(error, NoSuchKeyError) else ()
        raise TemplateError.of("SW102", message, *where, *_call_lines(error), hint=hint) from None
    except Failure as error:
        raise TemplateError.of("SW017", error.message, *error.where, *_call_lines(error)) from None
    except RecursionError as error:
        raise TemplateError.of(
            "SW108", "a macro calls itself without end", *_call_lines(error)[:2]
        ) from None
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
            found.append(
                Location(
                    f"templates/{template.name}", template.get_corresponding_lineno(trace.tb_lineno)
                )
            )
        trace = trace.tb_next
    return list(dict.fromkeys(reversed(found)))
