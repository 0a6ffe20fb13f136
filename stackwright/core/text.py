"""Text from outside on a terminal, in a log or in a Markdown comment: it shows, and does, nothing
that the reader does not see."""

from __future__ import annotations

import re

_SUSPECT = re.compile(r"[^\x20-\x7e\n\t]")
_COMMAND = re.compile(r"^(\s*)(?=::)", re.MULTILINE)


def escape_text(text: str) -> str:
    r"""Return ``text`` with characters that do not print as escapes (``\x1b``, ``\u202e``); line
    feeds and tabs stay.

    These are control characters, which move the cursor or colour lies, and format characters: a
    bidirectional override shows text in another order than a program reads it. Source:
    https://www.unicode.org/reports/tr55/

    A line that begins with ``::``, or holds ``##[``, is no command to GitHub's runner afterwards.
    Source: https://github.com/actions/runner/blob/main/src/Runner.Common/ActionCommand.cs
    """
    escaped = _SUSPECT.sub(_escape_character, text)
    if "::" in escaped:
        escaped = _COMMAND.sub(r"\1| ", escaped)
    return escaped.replace("##[", "## [")


def _escape_character(match: re.Match[str]) -> str:
    character = match[0]
    if character.isprintable():
        return character
    return character.encode("unicode_escape", "backslashreplace").decode("ascii")
