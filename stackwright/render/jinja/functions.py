"""Functions and filters that templates call."""

from __future__ import annotations

import re
from typing import Any

from jinja2.filters import do_indent

from ..provenance import LiveText, scalar_paths
from ..text import Chunk, Text
from .errors import RuntimeMistake


def dynref(service: str, *parts: str) -> str:
    """Return a dynamic reference: ``dynref("ssm", "/euglena/flag")`` gives
    ``{{resolve:ssm:/euglena/flag}}``.

    Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/dynamic-references.html
    """
    if service not in ("ssm", "ssm-secure", "secretsmanager"):
        raise RuntimeMistake(f"dynref: {service!r} is not ssm, ssm-secure or secretsmanager")
    for part in parts:
        allowed = (
            r"[A-Za-z0-9_./:+=@-]*"
            if scalar_paths(part)
            else r"([A-Za-z0-9_./:+=@-]|\$\{[A-Za-z0-9.:]+\})*"
        )
        if not re.fullmatch(allowed, part):
            raise RuntimeMistake(f"dynref: {part!r} cannot stand in a dynamic reference")
    return LiveText("{{resolve:" + ":".join([service, *parts]) + "}}")


def sub_var(name: str) -> str:
    """Return a variable for Fn::Sub: ``sub_var("GatewayRole.Arn")`` gives
    ``${GatewayRole.Arn}``."""
    if not re.fullmatch(r"[A-Za-z0-9]+([.:]+[A-Za-z0-9]+)*", name):
        raise RuntimeMistake(
            f"sub_var: {name!r} is not a logical ID, an attribute or a pseudo parameter"
        )
    return LiveText("${" + name + "}")


def indent(text: Any, width: int | str = 4, first: bool = False, blank: bool = False) -> Any:
    """Indent as Jinja's filter does; a block is indented where it is printed, so only ``first``
    has an effect on it."""
    if not isinstance(text, Text):
        return do_indent(text, width, first, blank)
    if not first:
        return text
    margin = width if isinstance(width, str) else " " * width
    lead = [Chunk(margin, text.chunks[0].origin)] if text.chunks else []
    rest = (Chunk(chunk.text.replace("\n", "\n" + margin), chunk.origin) for chunk in text.chunks)
    return Text([*lead, *rest])
