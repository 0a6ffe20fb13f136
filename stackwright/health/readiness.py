"""What `preflight` finds, as frozen values."""

from __future__ import annotations

from msgspec import Struct

from .findings import CheckState


class PreflightCheck(Struct, frozen=True):
    """One thing that was looked at, what was found, and what to do about it."""

    name: str
    state: CheckState
    detail: str
    hint: str = ""
