"""Rules for secrets in templates."""

from __future__ import annotations

from collections.abc import Iterator

from ...core import Document, looks_secret
from .base import Rule, RuleFinding, as_mapping, walk_texts

_REFERENCE = "https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/"


class SecretValue(Rule):
    """No text in a template looks like a credential."""

    id = "SW360"
    title = "Template holds a value that looks like a secret"
    action = "Move the value to keys.env, and take it from Secrets Manager by name."
    reason = "Templates are committed, reviewed, stored in S3 and shown in the console."
    source = "https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/security-best-practices.html"

    def check_document(self, document: Document) -> Iterator[RuleFinding]:
        """Yield the place of each such text; the value is never shown."""
        for path, text in walk_texts(document.body):
            kind = looks_secret(text)
            if kind:
                hint = "move it to keys.env and take it from Secrets Manager by name"
                yield RuleFinding(document, path, f"a value that looks like {kind}", hint)


class SecretDefault(Rule):
    """A Parameter that hides its value has no Default."""

    id = "SW361"
    title = "NoEcho Parameter with a Default"
    action = "Remove the Default, and bind the Parameter when deploying."
    reason = "The default stands in the template, which NoEcho does not hide."
    source = f"{_REFERENCE}parameters-section-structure.html"

    def check_document(self, document: Document) -> Iterator[RuleFinding]:
        """Yield each Parameter with NoEcho and a Default."""
        for name, body in as_mapping(document.body.get("Parameters")).items():
            if str(as_mapping(body).get("NoEcho")).lower() == "true" and as_mapping(body).get(
                "Default"
            ):
                yield RuleFinding(
                    document, ("Parameters", name, "Default"), f"{name} is NoEcho and has a Default"
                )


RULES = (
    SecretValue,
    SecretDefault,
)
