"""The result of a preflight check."""

from __future__ import annotations

from msgspec import Struct

from ..health import CheckState


class PreflightCheck(Struct, frozen=True):
    """One result: the name of the check, its state, the facts, and what to do about a failure."""

    name: str
    state: CheckState
    detail: str
    hint: str = ""
