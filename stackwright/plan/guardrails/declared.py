"""The resources that the new templates of a root declare."""

from __future__ import annotations

from collections.abc import Iterator

from ...cfn import Resource, ValidationError, declared_keys
from ..model import RootPlan


def read_declared(root: RootPlan) -> Iterator[tuple[str, Resource]]:
    """Yield the path of the stack and each resource of its new template; none of a template that
    cannot be read, which CloudFormation refuses."""
    for stack, text in root.desired.templates.items():
        try:
            resources = declared_keys(text).resources
        except ValidationError:
            continue
        yield from ((stack, resource) for resource in resources.values())
