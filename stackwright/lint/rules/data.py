"""Rules for resources that hold data."""

from __future__ import annotations

from collections.abc import Iterator

from ...cfn import STATEFUL
from ...core import Document
from .base import Path, Properties, ResourceRule, RuleFinding

_REFERENCE = "https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/"


class StatefulPolicies(ResourceRule):
    """A resource that holds data states what happens to the data."""

    id = "SW350"
    title = "Stateful resource without DeletionPolicy and UpdateReplacePolicy"
    action = "State Retain, Snapshot or Delete in both attributes."
    reason = "By default, a removed or replaced resource is deleted with its data."
    source = f"{_REFERENCE}aws-attribute-updatereplacepolicy.html"
    types = tuple(sorted(STATEFUL))

    def check_resource(
        self, document: Document, at: Path, resource: Properties
    ) -> Iterator[RuleFinding]:
        """Yield a resource that lacks one of the two attributes."""
        missing = [
            name for name in ("DeletionPolicy", "UpdateReplacePolicy") if name not in resource
        ]
        if missing:
            message = f"{at[1]} holds data and does not state {' and '.join(missing)}"
            yield RuleFinding(document, at, message, "state Retain, Snapshot or Delete for both")


RULES = (StatefulPolicies,)
