"""What is known of a code."""

from __future__ import annotations

from msgspec import Struct


class Code(Struct, frozen=True):
    """One code, such as SW012.

    ``title`` says what is wrong, ``action`` the next step in one sentence, ``reason`` why it
    matters, and ``source`` is the URL of the AWS page that states the fact.
    """

    id: str
    title: str
    action: str
    reason: str = ""
    source: str = ""
