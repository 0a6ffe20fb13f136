"""Text and problems on the terminal, or for machines."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click
from msgspec.structs import replace

from ..core import Report, StackwrightError


def console(*, stderr: bool = False, width: int | None = None) -> Any:
    """Return a rich console for text with its own layout: it wraps nothing, and colours only
    markup. ``width`` is in columns, by default the terminal's."""
    from rich.console import Console

    plain = bool(os.environ.get("NO_COLOR"))  # https://no-color.org
    return Console(
        stderr=stderr,
        width=width,
        soft_wrap=True,
        highlight=False,
        emoji=False,
        color_system=None if plain else "auto",
    )


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
    click.echo(json.dumps(data, indent=2) if style == "json" else text)


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
