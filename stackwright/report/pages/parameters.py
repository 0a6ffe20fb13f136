"""The page of every parameter in ``params/schema.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ...config import JsonSchema, schema_properties
from ...core import dotted
from .markdown import page_head, table_head, table_row

_BOUNDS = (
    ("minimum", "≥ {}"),
    ("maximum", "≤ {}"),
    ("exclusiveMinimum", "> {}"),
    ("minLength", "at least {} characters"),
    ("maxLength", "at most {} characters"),
    ("minItems", "at least {} items"),
    ("maxItems", "at most {} items"),
    ("x-expected", "{}"),
    ("format", "{}"),
)


def parameters_page(schema: JsonSchema, defaults: Mapping[str, Any]) -> str:
    """Return the reference of all parameters as Markdown, grouped by their first key."""
    lines = page_head("Parameters", "params/schema.json")
    lines += [str(schema.get("description", "")), ""] if schema.get("description") else []
    groups: dict[str, list[str]] = {"": []}
    titles: dict[str, str] = {"": "Parameters without a group."}
    for path, node in schema_properties(schema):
        if node.get("properties"):
            titles.setdefault(str(path[0]), _text(node))
        else:
            groups.setdefault(str(path[0]) if len(path) > 1 else "", []).append(
                _row(path, node, defaults)
            )
    for name, rows in groups.items():
        lines += [f"## {name or 'General'}", "", titles.get(name, ""), ""]
        lines += table_head("parameter", "type", "default", "allowed", "description")
        lines += [*rows, ""]
    return "\n".join(lines).replace("\n\n\n", "\n\n").rstrip() + "\n"


def _row(path: tuple[str | int, ...], node: JsonSchema, defaults: Any) -> str:
    default: Any = defaults
    for part in path:
        default = default.get(part) if isinstance(default, Mapping) else None
    default = node.get("default") if default is None else default
    kind = node.get("type", "")
    kinds = " or ".join(kind) if isinstance(kind, list) else str(kind)
    kinds = kinds or ("enum" if "enum" in node else "")
    unit = f" ({node['x-unit']})" if "x-unit" in node else ""
    cells = [
        f"`{dotted(path)}`",
        kinds,
        "" if default is None else _code(default),
        _allowed(node),
        _text(node) + unit,
    ]
    return table_row(cells)


def _allowed(node: JsonSchema) -> str:
    if "enum" in node:
        return ", ".join(_code(item) for item in node["enum"])
    return ", ".join(text.format(node[key]) for key, text in _BOUNDS if key in node)


def _code(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"`{text}`" if len(text) <= 80 else f"`{text[:77]}…`"


def _text(node: JsonSchema) -> str:
    title, description = node.get("title", ""), node.get("description", "")
    files = (("aws.env", "x-aws-env"), (".env", "x-dotenv"))
    env = "".join(f" `{file}`: `{node[key]}`." for file, key in files if key in node)
    return (
        ". ".join(part.rstrip(".") for part in (title, description) if part)
        + ("." if title else "")
        + env
    )
