"""Rules for log groups."""

from __future__ import annotations

from collections.abc import Iterator

from ...core import Document
from .base import Path, Properties, ResourceRule, RuleFinding, read_properties

_REFERENCE = "https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/"


class LogRetention(ResourceRule):
    """A log group sets RetentionInDays."""

    id = "SW351"
    title = "Log group without retention"
    action = "Set RetentionInDays."
    reason = "Logs are kept, and billed, for ever."
    source = f"{_REFERENCE}aws-resource-logs-loggroup.html"
    types = ("AWS::Logs::LogGroup",)

    def check_resource(
        self, document: Document, at: Path, resource: Properties
    ) -> Iterator[RuleFinding]:
        """Yield a log group without RetentionInDays."""
        if "RetentionInDays" not in read_properties(resource):
            yield RuleFinding(
                document, (*at, "Properties"), "RetentionInDays is not set: logs are kept for ever"
            )


RULES = (LogRetention,)
