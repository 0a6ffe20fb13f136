"""The exports and imports of a stack and its nested stacks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..declarations import ValidationError, template_to_text
from ..schema import Schemas
from ..values import Unknown, plain_data
from .model import StackSide
from .resolution import ResolvedStack

StackPath = tuple[str, ...]
"""The logical IDs from a root stack down to a nested stack; empty for the root itself."""


def export_names(stack: StackSide, schemas: Schemas) -> dict[str, tuple[StackPath, str]]:
    """Return the exports of a stack and its nested stacks, by name, with the stack and the Output
    that makes each; names that are not known yet are left out.

    Raises ValidationError.
    """
    names = {}
    for path, resolved in _walk((), ResolvedStack(stack, schemas)):
        for output in resolved.outputs():
            declared = resolved.stack.template.outputs[output].export
            name = plain_data(resolved.resolver.resolve(declared)) if declared is not None else None
            if name is not None and not isinstance(name, Unknown):
                names[template_to_text(name)] = (path, output)
    return names


def import_names(stack: StackSide, schemas: Schemas) -> set[str]:
    """Return the names of the exports that a stack and its nested stacks import, as far as they
    are known. Raises ValidationError."""
    return {
        name
        for _, resolved in _walk((), _ImportingStack(stack, schemas))
        for name in _read_imports(resolved)
    }


class _ImportingStack(ResolvedStack):
    """A stack that remembers which exports its template asks for."""

    def __init__(self, stack: StackSide, schemas: Schemas) -> None:
        self.imports: set[str] = set()
        super().__init__(stack, schemas)

    def exported(self, name: str) -> Any:
        self.imports.add(name)
        return super().exported(name)


def _read_imports(resolved: ResolvedStack) -> set[str]:
    for logical_id in resolved.active:
        resolved.resolved(logical_id)
    resolved.outputs()
    return resolved.imports if isinstance(resolved, _ImportingStack) else set()


def _walk(path: StackPath, resolved: ResolvedStack) -> Iterator[tuple[StackPath, ResolvedStack]]:
    """Yield a stack and all below it; a nested stack whose parameters are invalid is left out."""
    yield path, resolved
    for logical_id in resolved.stack.nested:
        if logical_id not in resolved.active:
            continue
        child = resolved.child(logical_id)
        try:
            inner = type(resolved)(child, resolved.schemas) if child else None
        except ValidationError:
            continue
        if inner is not None:
            yield from _walk((*path, logical_id), inner)
