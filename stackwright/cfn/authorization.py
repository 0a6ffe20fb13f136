"""The kinds of resource that each IAM action names, from the data that cfn-lint bundles.

The file is cfn-lint's extract of
https://docs.aws.amazon.com/service-authorization/latest/reference/ and is read without importing
cfn-lint. Its ARN formats end where names begin: ``arn:${Partition}:ecs:…:service/.*``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from msgspec import Struct

from .schema import data_folder


class ArnKind(Struct, frozen=True):
    """A kind of resource in IAM: ``name`` such as ``log-group``; ``arn`` up to where the resource's
    name begins."""

    service: str
    name: str
    arn: str
    named: bool
    """Whether a name follows ``arn``; without one the ARN is whole."""
    tagged: bool
    """Whether ``aws:ResourceTag`` can be asked for."""


def read_arn_kinds(action: str) -> tuple[ArnKind, ...] | None:
    """The kinds of resource that an action (``ecs:UpdateService``) names.

    Empty: the action takes only ``*``. None: there is no such action.
    """
    service, _, name = action.partition(":")
    known = _reference().get(service, {})
    entry = known.get("Actions", {}).get(name.lower())
    if entry is None:
        return None
    formats = {key.lower(): value for key, value in known.get("Resources", {}).items()}
    kinds = [kind.lower() for kind in entry.get("Resources", ())]
    return tuple(
        _kind(service, kind, text, formats[kind])
        for kind in kinds
        for text in formats[kind]["ARNFormats"]
    )


def _kind(service: str, name: str, text: str, entry: Mapping[str, Any]) -> ArnKind:
    tagged = "aws:ResourceTag/${TagKey}" in entry.get("ConditionKeys", ())
    return ArnKind(service, name, text.removesuffix(".*"), text.endswith(".*"), tagged)


@cache
def _reference() -> Mapping[str, Any]:
    path = data_folder() / "AdditionalSpecs" / "Policies.json"
    reference: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return reference
