"""What `preflight` finds, as frozen values."""

from __future__ import annotations

from msgspec import Struct

from .findings import State

__all__ = ["Check", "State"]


class Check(Struct, frozen=True):
    """One thing that was looked at, what was found, and what to do about it."""

    name: str
    state: State
    detail: str
    hint: str = ""
