"""The schema of one parameters file, for editors.

A parameters file holds a part of the parameters, so it cannot be judged by the schema of all of
them: nothing is required, and a condition says nothing about keys that another file may give.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from .schema import JsonSchema

OVERLAY = "params/schema.overlay.json"
_OF_THE_WHOLE = ("required", "minProperties", "dependentRequired", "else", "default")
"""Keywords about keys that another file may give. ``default`` is wrong in an editor that completes
with it: the value in ``params/defaults.yaml`` counts."""
_NAMED = ("properties", "patternProperties", "$defs", "dependentSchemas")
"""Keywords whose values are maps of names to schemas."""


def overlay_schema(schema: JsonSchema) -> dict[str, Any]:
    """Return the schema of a file whose keys are optional, without annotations of ours, which
    strict validators refuse."""
    overlay: dict[str, Any] = _reduce(schema)
    overlay.pop("$id", None)  # that of the full schema
    title = overlay.get("title")
    return {**overlay, **({"title": f"{title}, those of one file"} if title else {})}


def overlay_text(schema: JsonSchema) -> str:
    """Return the overlay schema as the text of its file."""
    return json.dumps(overlay_schema(schema), indent=2, ensure_ascii=False) + "\n"


def _reduce(schema: Any) -> Any:
    """Return a subschema without keywords about the whole."""
    if isinstance(schema, list):
        return [_reduce(item) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    reduced = {}
    for key, value in schema.items():
        if key in _OF_THE_WHOLE or key.startswith("x-"):
            continue
        if key in _NAMED:
            reduced[key] = {name: _reduce(child) for name, child in value.items()}
        elif key == "if":
            reduced[key] = _require_all(value)
        elif key in ("enum", "const"):
            reduced[key] = value
        else:
            # Without what they require, several branches of oneOf may fit.
            reduced["anyOf" if key == "oneOf" else key] = _reduce(value)
    if "then" not in reduced:
        reduced.pop("if", None)
    return reduced


def _require_all(condition: Any) -> Any:
    """Return an ``if`` that holds only where the file itself gives every key that it names."""
    if not isinstance(condition, Mapping):
        return condition
    properties = condition.get("properties", {})
    required = {"required": list(properties)} if properties else {}
    inner = {name: _require_all(child) for name, child in properties.items()}
    return {**condition, **({"properties": inner} if inner else {}), **required}
