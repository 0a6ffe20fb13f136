"""The page of every verb of the command line."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from .markdown import page_head, table_head, table_row


class OptionReference(Struct, frozen=True):
    """An option of a verb: its names with their metavariable, and its help."""

    names: str
    text: str


class VerbReference(Struct, frozen=True):
    """A verb of the command line. ``path`` is its full name, such as ``emulator fault kill``."""

    path: str
    usage: str
    text: str
    options: tuple[OptionReference, ...]
    example: str
    exit_status: str


def verbs_page(verbs: Iterable[VerbReference]) -> str:
    """Return the reference of all verbs as Markdown."""
    lines = page_head("Verbs", "the commands in stackwright/cli/")
    lines += [
        "`python render.py VERB`, or `stackwright VERB` where the tool is installed. Data goes"
    ]
    lines += [
        "to stdout, messages to stderr. Exit status: 0 success, 1 a problem, 130 interrupted;"
    ]
    lines += ["a verb's section names what it adds.", ""]
    for verb in verbs:
        lines += [f"## {verb.path}", "", verb.text, "", "```console"]
        lines += [f"$ python render.py {verb.usage}", "```", ""]
        if verb.options:
            lines += table_head("option", "meaning")
            lines += [table_row((f"`{option.names}`", option.text)) for option in verb.options]
            lines += [""]
        example = verb.example if "$(" in verb.example else f"stackwright {verb.example}"
        lines += [f"Example: `{example.replace('stackwright', 'python render.py')}`", ""]
        lines += [f"Exit status: {verb.exit_status}.", ""] if verb.exit_status else []
    return "\n".join(lines).rstrip() + "\n"
