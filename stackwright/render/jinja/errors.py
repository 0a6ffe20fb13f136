"""Exceptions of templates, as problems at the template's lines."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import jinja2
from jinja2.exceptions import SecurityError

from ...core import Location, ParameterPath, StackwrightError, TemplateError
from .limits import LimitError

RuntimeMistake = jinja2.TemplateRuntimeError
"""Raised by a function that a template calls; shown at the template's line."""


class NoSuchKeyError(jinja2.UndefinedError):
    """A key is read of a parameter that is not a map; ``path`` is the parameter's."""

    def __init__(self, path: ParameterPath, message: str) -> None:
        super().__init__(message)
        self.path = path


class Failure(Exception):
    """Raised by ``fail()`` in a template."""

    def __init__(self, message: str, where: Sequence[Location]) -> None:
        super().__init__(message)
        self.message = message
        self.where = tuple(where)


SANDBOX_HINT = "use parameters, filters and macros; templates run in a sandbox"


def code_of(error: Exception, otherwise: str = "SW108") -> str:
    """Return the code of an exception that a template raised."""
    codes: dict[type[Exception], str] = {SecurityError: "SW111", LimitError: "SW112"}
    return codes.get(type(error), otherwise)


@contextmanager
def template_problems(
    locate: Callable[[ParameterPath], Sequence[Location]], template: str
) -> Iterator[None]:
    """Turn an exception of a template into a TemplateError at its line, with the lines that called
    it.

    ``locate`` returns where a parameter was given: the place to edit if the parameter is wrong.
    ``template`` is the path of the template, for exceptions of Jinja's and Python's compilers.
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
        where = locate(error.path) if isinstance(error, NoSuchKeyError) else ()
        raise TemplateError.of("SW102", message, *where, *_call_lines(error), hint=hint) from None
    except Failure as error:
        raise TemplateError.of("SW017", error.message, *error.where, *_call_lines(error)) from None
    except RecursionError as error:
        lines = _call_lines(error)[:2]
        message = "a macro calls itself without end" if lines else "nested too deeply"
        raise TemplateError.of("SW108", message, *(lines or [Location(template, 1)])) from None
    except Exception as error:  # whatever an expression of the template's author raises
        message = getattr(error, "message", None) or f"{type(error).__name__}: {error}"
        lines = _call_lines(error) or [Location(template, 1)]
        hint = SANDBOX_HINT if isinstance(error, SecurityError) else ""
        raise TemplateError.of(code_of(error), str(message), *lines, hint=hint) from None


def _call_lines(error: BaseException) -> list[Location]:
    """Return the template lines of a traceback, innermost first."""
    lines: list[Location] = []
    trace = error.__traceback__
    while trace is not None:
        template = trace.tb_frame.f_globals.get("__jinja_template__")
        if template is not None:
            line = template.get_corresponding_lineno(trace.tb_lineno)
            lines.append(Location(f"templates/{template.name}", line))
        trace = trace.tb_next
    return list(dict.fromkeys(reversed(lines)))
