"""The one Jinja environment: values held out of the text, strict names, parameters traced.

Every ``{{ … }}`` and every stretch of template text passes through `JinjaEnvironment`, which notes
the template line and the parameters read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from ...core import (
    MAX_DIGITS,
    Cache,
    Location,
    ParameterPath,
    Problem,
    TemplateError,
    logical_id,
)
from ..provenance import (
    JoinedText,
    LiveText,
    ParameterMap,
    all_paths,
    drop_prefixes,
    scalar_paths,
    strip_provenance,
)
from ..text import CLOSE, OPEN, BlockResult, Chunk, Origin, Printed, Text, join_pieces
from .compiler import INTERCEPTED, TracingCompiler
from .errors import RuntimeMistake
from .functions import indent
from .limits import Limits, limited_range
from .loader import BytecodeCache, TemplateLoader
from .printable import find_objection
from .undefined import strict_undefined

Functions = dict[str, Any]
"""Filters or tests by name."""


@cache
def _location(name: str, line: int) -> Location:
    """Return a line of a template; cached, because a loop prints the same lines many times."""
    return Location(f"templates/{name}", line)


class JinjaEnvironment(ImmutableSandboxedEnvironment):
    """Jinja in its sandbox, with values held out; one instance serves all templates of a run.

    Attributes that reach Python's internals raise SecurityError, and values beyond the limits
    LimitError. A template may append to a list of its own; nothing else can be changed.

    Compiled templates call `make_chunk`, `count_reads`, `print_value`, `print_block`,
    `enter_include`, `leave_include` and `concatenate` (see ``compiler``).
    """

    code_generator_class = TracingCompiler
    intercepted_binops = INTERCEPTED
    concat = staticmethod(join_pieces)  # type: ignore[assignment]

    def __init__(self, project: Path, known: Callable[[], Iterable[str]]) -> None:
        super().__init__(
            loader=TemplateLoader(project / "templates"),
            undefined=strict_undefined(known),
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
            auto_reload=False,
            cache_size=-1,
            bytecode_cache=BytecodeCache(Cache("jinja")),
            extensions=["jinja2.ext.do", "jinja2.ext.loopcontrols"],
        )
        self.tokens: list[Printed] = []
        """The values held out of the template that is run, by the numbers of their tokens."""
        self.read: set[ParameterPath] = set()
        """The parameters that any template read."""
        self._reads: list[ParameterPath] = []
        """The parameters that the expression being evaluated read, in order."""
        self._includes: list[Location] = []
        """The lines of the includes that are open, outermost first."""
        self._file = ""
        self._pathless: dict[str, ParameterPath] = {}
        """The parameters that are true, false or null, which cannot carry their path."""
        self.limits = Limits()
        self.watch = self.limits.watch
        filters: Functions = dict(self.filters) | {"indent": indent, "logical_id": logical_id}
        tests: Functions = dict(self.tests)
        self.filters = {name: self.limits.guard(name, filters[name]) for name in filters}
        self.tests = {name: self.limits.guard_time(tests[name]) for name in tests}
        self.globals["range"] = limited_range
        del self.globals["lipsum"]  # random text, of any length

    def run(self, file: str, context: Mapping[str, Any]) -> Text:
        """Return the text of a template; its values are held out in ``tokens``."""
        self.tokens.clear()
        self._reads.clear()
        self._includes.clear()
        self.limits.start_template()
        self._file = file
        self._pathless = {
            name: (name,)
            for name, value in context.items()
            if value is None or isinstance(value, bool)
        }
        template = self.get_template(file)
        # Chunks, not text: see TracingCompiler.
        pieces: Any = template.root_render_func(template.new_context(dict(context)))
        return join_pieces(pieces)

    def evaluate(self, condition: str, context: Mapping[str, Any]) -> bool:
        """Return whether a Jinja expression is true; raises RuntimeMistake with the reason where it
        fails, of which SecurityError and LimitError are kinds."""
        try:
            return bool(self.compile_expression(condition, undefined_to_none=False)(**context))
        except RuntimeMistake:
            raise
        except jinja2.TemplateError as error:
            raise RuntimeMistake(str(error.message)) from None
        except Exception as error:  # whatever an expression of the project's author raises
            raise RuntimeMistake(f"{type(error).__name__}: {error}") from None

    def sources(self) -> Iterator[str]:
        """Yield the source of every template of the project, macros included."""
        for name in self.list_templates(filter_func=lambda name: name.endswith(".j2")):
            yield self.loader.get_source(self, name)[0]  # type: ignore[union-attr]

    def make_token(self, value: Any) -> str:
        """Return a token for a value that the engine itself prints."""
        origin = (Location(f"templates/{self._file}", 1),)
        self._require_printable(value, origin)
        return self._add_token(value, all_paths(value), origin)

    def _add_token(self, value: Any, paths: tuple[ParameterPath, ...], origin: Origin) -> str:
        data = strip_provenance(value) if isinstance(value, dict | list | tuple) else value
        self.tokens.append(Printed(data, paths, origin, isinstance(value, LiveText)))
        return f"{OPEN}{len(self.tokens) - 1}{CLOSE}"

    # --- called by compiled templates

    def make_chunk(self, data: str, name: str, line: int) -> Chunk:
        """Return a stretch of template text with its line."""
        self.limits.print_out(data)
        return Chunk(data, (_location(name, line), *reversed(self._includes)))

    def count_reads(self) -> int:
        """Return the number of reads before the expression that is evaluated next."""
        return len(self._reads)

    def print_value(
        self,
        reads_before: int,
        value: Any,
        name: str,
        line: int,
        variables: Sequence[Any] = (),
        context: Sequence[str] = (),
    ) -> Chunk | Text:
        """Return the text of ``{{ value }}`` at a template line: a block as it is, anything else as
        a token.

        ``variables`` are those of the expression, which still know their paths where a filter made
        a new value; ``context`` names those that come from the parameters.
        """
        at = _location(name, line)
        reads = [
            *self._reads[reads_before:],
            *(self._pathless[variable] for variable in context if variable in self._pathless),
        ]
        del self._reads[reads_before:]
        self.limits.print_out(value)
        if isinstance(value, Text):
            return value.called_from(at)
        origin = (at, *reversed(self._includes))
        self._require_printable(value, origin)
        paths = () if isinstance(value, JoinedText) else all_paths(value)
        if not paths:
            carried = (path for item in (value, *variables) for path in scalar_paths(item))
            paths = drop_prefixes([*reads, *carried])
        return Chunk(self._add_token(value, paths, origin), origin)

    def print_block(self, reads_before: int, value: Any, name: str, line: int) -> Chunk | Text:
        """Return the text of a call or filter block."""
        piece = self.print_value(reads_before, value, name, line)
        return BlockResult(piece.chunks) if isinstance(piece, Text) else piece

    def _require_printable(self, value: Any, origin: Origin) -> None:
        if isinstance(value, jinja2.Undefined):
            str(value)  # raises, with the name
        objection = find_objection(value)
        if objection is not None:
            code, message, hint = objection
            raise TemplateError([Problem(code, message, origin, hint)])

    def enter_include(self, name: str, line: int) -> None:
        """Note the line of an include."""
        self._includes.append(_location(name, line))

    def leave_include(self) -> None:
        """Forget the line of the innermost include."""
        self._includes.pop()

    def concatenate(self, parts: Sequence[Any]) -> Any:
        """Return ``a ~ b``; where one part is a block or the engine's text, each part is printed by
        itself."""
        self.limits.measured(parts)
        if any(isinstance(part, Text | LiveText) for part in parts):
            return Text(chunk for part in parts for chunk in self._make_chunks(part))
        if any(part is None for part in parts):
            raise RuntimeMistake("null is joined to a text with ~")
        paths = tuple(dict.fromkeys(path for part in parts for path in scalar_paths(part)))
        return JoinedText("".join(_as_text(part) for part in parts), paths)

    def _make_chunks(self, part: Any) -> Iterable[Chunk]:
        if isinstance(part, Text):
            return part.chunks
        return [Chunk(self._add_token(part, all_paths(part), ()), ())]

    # --- called by Jinja

    def _parse(self, source: str, name: str | None, filename: str | None) -> jinja2.nodes.Template:
        """Parse a template; raises TemplateSyntaxError for a number that Python refuses."""
        try:
            return super()._parse(source, name, filename)
        except ValueError:
            number = re.search(f"[0-9]{{{MAX_DIGITS},}}", source)
            line = source.count("\n", 0, number.start() if number else 0) + 1
            message = "a number with too many digits"
            raise jinja2.TemplateSyntaxError(message, line, name, filename) from None

    def call(__self, __context: Any, __obj: Any, *args: Any, **kwargs: Any) -> Any:
        """Call a function of a template, within the limits."""
        __self.limits.check_call(__obj, (*args, *kwargs.values()))
        result = super().call(__context, __obj, *args, **kwargs)
        return __self.limits.measured(result)

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Return the result of an operator, within the limits."""
        self.limits.check_operator(operator, left, right)
        return super().call_binop(context, operator, left, right)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Return whether a template may read an attribute."""
        if type(obj) is list and attr == "append":  # a list of the template's own
            return True
        return super().is_safe_attribute(obj, attr, value)

    def unsafe_undefined(self, obj: Any, attribute: str) -> jinja2.Undefined:
        """Raise SecurityError: Jinja would return an undefined value, whose message comes later."""
        kind = type(obj).__name__
        raise SecurityError(f"{attribute} of a {kind} is not allowed in a template")

    def wrap_str_format(self, value: Any) -> Any:
        """Return ``str.format`` of the sandbox, within the limits; None for any other method."""
        text = getattr(value, "__self__", None)
        if not isinstance(text, str) or value.__name__ not in ("format", "format_map"):
            return None
        plain = str(text)  # a subclass would take the result for one of its own
        wrapped: Any = super().wrap_str_format(getattr(plain, value.__name__))

        def format_text(*args: Any, **kwargs: Any) -> str:
            self.limits.estimate("format", plain, (*args, *kwargs.values()))
            return str(wrapped(*args, **kwargs))

        return format_text

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Return ``obj.attribute``: in parameters, a key comes before a method of maps."""
        if isinstance(obj, ParameterMap):
            return self._read_parameter(obj, attribute)
        return super().getattr(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """Return ``obj[argument]``."""
        if isinstance(obj, ParameterMap) and isinstance(argument, str):
            return self._read_parameter(obj, argument)
        return super().getitem(obj, argument)

    def _read_parameter(self, obj: ParameterMap, name: str) -> Any:
        if name in obj:
            path = (*obj.path, name)
            self._reads.append(path)
            self.read.add(path)
            return obj[name]
        if name in ("items", "keys", "values", "get"):
            return getattr(obj, name)
        if name.startswith("__"):
            return self.unsafe_undefined(obj, name)
        return self.undefined(obj=obj, name=name)


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
