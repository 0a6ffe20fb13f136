"""What templates say in texts that are known before a deployment: references followed from stack to
stack."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..core import Document, Rendering, SourceKind, logical_id
from .declarations import STACK_TYPE

_NAME = re.compile(r"\$\{([^}!]+)\}")


@dataclass(frozen=True, slots=True)
class RenderedResource:
    """A resource of a rendering; ``address`` is ``app/agent:Service``."""

    document: Document
    logical_id: str
    type: str
    properties: Mapping[str, Any] = field(repr=False)

    @property
    def address(self) -> str:
        """As problems and plans write it."""
        return f"{self.document.name}:{self.logical_id}"


class StaticReferences:
    """The resources of a rendering, and the texts that their properties come to, as far as
    templates tell."""

    def __init__(self, rendering: Rendering, account: str | None = None) -> None:
        """``account`` is the one of the credentials, where the parameters name none."""
        self._rendering = rendering
        self._pseudo = {"AWS::Region": rendering.config.region}
        if account := rendering.config.account or account:
            self._pseudo["AWS::AccountId"] = account
        self.resources = [
            RenderedResource(document, name, str(body.get("Type")), body.get("Properties") or {})
            for document in rendering.documents
            for name, body in document.resources().items()
        ]

    def of(self, *types: str) -> Iterator[RenderedResource]:
        """The resources of some types."""
        return (each for each in self.resources if each.type in types)

    def texts(self, document: Document, value: Any) -> list[str]:
        """The texts of a value, a list's one by one; none where AWS alone will know one of them."""
        if isinstance(value, str | int | float):
            return [part.strip() for part in str(value).split(",")]
        if isinstance(value, list):
            found = [self.texts(document, each) for each in value]
            return [text for texts in found for text in texts] if all(found) else []
        if isinstance(value, Mapping) and len(value) == 1:
            ((function, argument),) = value.items()
            handler = getattr(self, f"_{function.replace('Fn::', '').lower()}", None)
            return handler(document, argument) if handler else []
        return []

    def text(self, document: Document, value: Any) -> str | None:
        """The one text of a value; None where it is not known, or not one."""
        found = self.texts(document, value)
        return found[0] if len(found) == 1 else None

    def output(self, name: str) -> str | None:
        """The text of a root stack's Output; None where none has one of that name, or AWS alone
        will know it."""
        roots = (each.name for each in self._rendering.documents if "/" not in each.name)
        return next(
            (found[0] for root in roots if len(found := self._output(root, name)) == 1), None
        )

    def _ref(self, document: Document, name: str) -> list[str]:
        if name in self._pseudo:
            return [self._pseudo[name]]
        if name in document.resources():
            return self._physical(document, name)
        return self._parameter(document, name)

    def _physical(self, document: Document, name: str) -> list[str]:
        """The name that a template gives a resource, which ``Ref`` returns for most types that have
        one."""
        body = document.resources()[name]
        last = str(body.get("Type")).rpartition("::")[2]
        properties = body.get("Properties") or {}
        given = properties.get(f"{last}Name", properties.get("Name"))
        return self.texts(document, given) if given is not None else []

    def _parameter(self, document: Document, name: str) -> list[str]:
        root, _, nested = document.name.partition("/")
        if nested:
            parent = self._rendering.document(root)
            body = parent.resources().get(logical_id(nested), {}) if parent else {}
            given = (body.get("Properties") or {}).get("Parameters") or {}
            if parent and name in given:
                return self.texts(parent, given[name])
        source = (
            self._rendering.wiring[root].sources.get(name)
            if not nested and root in self._rendering.wiring
            else None
        )
        if source and source.kind is SourceKind.OUTPUT:
            return self._output(source.stack, source.name)
        declared = (document.body.get("Parameters") or {}).get(name) or {}
        return self.texts(document, declared["Default"]) if "Default" in declared else []

    def _output(self, stack: str, name: str) -> list[str]:
        document = self._rendering.document(stack)
        output = ((document.body.get("Outputs") or {}).get(name) or {}) if document else {}
        return self.texts(document, output["Value"]) if document and "Value" in output else []

    def _getatt(self, document: Document, argument: Any) -> list[str]:
        parts = argument if isinstance(argument, list) else str(argument).split(".", 1)
        name, attribute = str(parts[0]), ".".join(str(part) for part in parts[1:])
        if document.resources().get(name, {}).get("Type") != STACK_TYPE or not attribute.startswith(
            "Outputs."
        ):
            return []
        nested = next(
            (d.name for d in self._rendering.documents if self._is_nested(d, document, name)), ""
        )
        return self._output(nested, attribute.removeprefix("Outputs."))

    @staticmethod
    def _is_nested(one: Document, parent: Document, name: str) -> bool:
        root, _, nested = one.name.partition("/")
        return root == parent.name and bool(nested) and logical_id(nested) == name

    def _select(self, document: Document, argument: Any) -> list[str]:
        index, found = int(argument[0]), self.texts(document, argument[1])
        return found[index : index + 1]

    def _join(self, document: Document, argument: Any) -> list[str]:
        found = self.texts(document, argument[1])
        return found if argument[0] == "," else [str(argument[0]).join(found)] if found else []

    def _sub(self, document: Document, argument: Any) -> list[str]:
        if not isinstance(argument, str):
            return []
        known = {
            name: self.text(document, {"Ref": name})
            for name in _NAME.findall(argument)
            if "." not in name
        }
        if any(known.get(name) is None for name in _NAME.findall(argument)):
            return []
        return [_NAME.sub(lambda found: str(known[found[1]]), argument)]
