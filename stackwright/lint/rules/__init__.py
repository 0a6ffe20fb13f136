"""Our own lint rules, one class each, and the catalogue of every code.

A new rule is a class with id, title, action, reason and source in the module of its theme, and its
name in that module's ``RULES``.
"""

from __future__ import annotations

from collections.abc import Mapping

from ...core import CODES, Code
from . import (
    containers,
    data,
    functions,
    iam,
    load_balancers,
    logs,
    names,
    networking,
    secrets,
    services,
)
from .base import Rule, RuleFinding

__all__ = ["RULES", "Rule", "RuleFinding", "catalogue"]

_CLASSES: tuple[type[Rule], ...] = (
    *containers.RULES,
    *data.RULES,
    *functions.RULES,
    *iam.RULES,
    *load_balancers.RULES,
    *logs.RULES,
    *names.RULES,
    *networking.RULES,
    *secrets.RULES,
    *services.RULES,
)
RULES: tuple[Rule, ...] = tuple(rule() for rule in sorted(_CLASSES, key=lambda rule: rule.id))
"""Every rule, sorted by id."""


def catalogue() -> Mapping[str, Code]:
    """Return every code, those of rules included, by id and sorted."""
    rules = (Code(rule.id, rule.title, rule.action, rule.reason, rule.source) for rule in RULES)
    return {code.id: code for code in sorted((*CODES, *rules), key=lambda code: code.id)}
