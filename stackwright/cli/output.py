"""Text and problems on the terminal, or for machines."""

from __future__ import annotations

import codecs
import io
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click
from msgspec.structs import replace

from ..core import Report, StackwrightError, escape_text

_MARKS = str.maketrans({"…": "...", "→": "->", "✓": "+", "✗": "x", "↩": "<", "≤": "<=", "≥": ">="})
"""Our own marks, for terminals that cannot show them."""
_ERRORS = "stackwright.marks"


def prepare_streams() -> None:
    """Let stdout and stderr replace characters that their encoding lacks, such as in the locale C,
    instead of failing in the middle of a command."""
    codecs.register_error(_ERRORS, _replace_character)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_ERRORS)


def _replace_character(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end].translate(_MARKS)
    return lacking.encode("ascii", "backslashreplace").decode("ascii"), error.end


def echo(text: str, *, err: bool = False, nl: bool = True) -> None:
    """Print text for people, in which characters that do not print are escaped."""
    click.echo(escape_text(text), err=err, nl=nl)


def console(*, stderr: bool = False, width: int | None = None) -> Any:
    """Return a rich console for text with its own layout: it wraps nothing, and colours only
    markup. ``width`` is in columns, by default the terminal's."""
    from rich.console import Console

    class EscapingConsole(Console):
        def print(self, *objects: Any, **settings: Any) -> None:
            super().print(
                *(escape_text(item) if isinstance(item, str) else item for item in objects),
                **settings,
            )

    plain = bool(os.environ.get("NO_COLOR"))  # https://no-color.org
    return EscapingConsole(
        stderr=stderr,
        width=width,
        soft_wrap=True,
        highlight=False,
        emoji=False,
        color_system=None if plain else "auto",
    )


def echo_as(style: str, text: str) -> None:
    """Print a result in a style: JSON as it is, anything else for people."""
    if style == "json":
        click.echo(text)
    else:
        echo(text)


def echo_json(data: Any) -> None:
    """Print data for a machine, as JSON in ASCII."""
    click.echo(json.dumps(data, indent=2))


def show_report(report: Report, style: str = "text", *, verbose: bool = False) -> None:
    """Print problems: as text to stderr, in another style to stdout. ``verbose`` adds waivers."""
    if style == "text" and not report.problems and not (verbose and report.waivers):
        return
    from ..report import format_problems, sort_problems

    ordered = replace(report, problems=sort_problems(report.problems))
    text = format_problems(ordered, style, verbose=verbose)
    if style == "text":
        console(stderr=True).print(text)
    elif text:
        click.echo(text)


def show_data(text: str, data: Any, style: str) -> None:
    """Print a result: ``data`` as JSON for the style ``json``, ``text`` otherwise."""
    if style == "json":
        echo_json(data)
    else:
        echo(text)


@contextmanager
def problems_in(style: str) -> Iterator[None]:
    """Print the problems of a StackwrightError in that style and exit 1, so that annotations show
    mistakes in inputs and templates too. In the style ``text`` the error passes."""
    try:
        yield
    except StackwrightError as error:
        if style == "text":
            raise
        show_report(Report(error.problems), style)
        raise click.exceptions.Exit(1) from None
