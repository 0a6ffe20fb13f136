"""Rules for IAM policies."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...core import Document
from .base import Path, Properties, ResourceRule, RuleFinding, as_list, as_mapping, read_properties


class BroadPolicy(ResourceRule):
    """An allowing statement names its actions and resources."""

    id = "SW340"
    title = "IAM statement with * as action or resource"
    action = "Name the actions and resources, or waive the rule with the reason."
    reason = (
        "A wildcard grants more than is needed; where an action supports no resource, a waiver "
        "says so."
    )
    source = "https://docs.aws.amazon.com/IAM/latest/UserGuide/best-practices.html"
    types = ("AWS::IAM::Role", "AWS::IAM::Policy", "AWS::IAM::ManagedPolicy")

    def check_resource(
        self, document: Document, at: Path, resource: Properties
    ) -> Iterator[RuleFinding]:
        """Yield each wildcard of each allowing statement of every policy."""
        body = read_properties(resource)
        documents: list[tuple[Path, Any]] = [(("PolicyDocument",), body.get("PolicyDocument"))]
        for index, policy in enumerate(as_list(body.get("Policies"))):
            documents.append(
                (("Policies", index, "PolicyDocument"), as_mapping(policy).get("PolicyDocument"))
            )
        for path, policy in documents:
            for index, statement in enumerate(as_list(as_mapping(policy).get("Statement"))):
                where = (*at, "Properties", *path, "Statement", index)
                yield from self._check_statement(document, where, as_mapping(statement))

    @staticmethod
    def _check_statement(
        document: Document, at: Path, statement: Properties
    ) -> Iterator[RuleFinding]:
        if statement.get("Effect") != "Allow":
            return
        for kind in ("Action", "Resource", "NotAction", "NotResource"):
            wildcards = [
                value
                for value in as_list(statement.get(kind))
                if value == "*" or (kind == "Action" and str(value).endswith(":*"))
            ]
            if wildcards or (kind.startswith("Not") and kind in statement):
                element = f"{kind} {wildcards[0]}" if wildcards else kind
                actions = ", ".join(str(action) for action in as_list(statement.get("Action")))
                message = f"{element} is allowed for {actions or 'everything'}"
                hint = "name the resources, or waive the rule with the reason"
                yield RuleFinding(document, (*at, kind), message, hint)


RULES = (BroadPolicy,)
