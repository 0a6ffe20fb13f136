"""What `preflight` finds, as frozen values."""

from __future__ import annotations

from dataclasses import dataclass

from .findings import State

__all__ = ["Check", "State"]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at, what was found, and what to do about it."""

    name: str
    state: State
    detail: str
    hint: str = ""
