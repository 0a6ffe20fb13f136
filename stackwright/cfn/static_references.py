"""The texts that properties of a rendering come to, as far as templates tell before a deployment.

References are followed from stack to stack: parameters to what a parent, an earlier root or a
Default gives, outputs of nested and earlier stacks to their values.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..core import Document, Rendering, SourceKind, logical_id, url_suffix
from .declarations import STACK_TYPE, Path, ValidationError, template_to_text
from .intrinsics import Pseudo, Resolver, UnknownWorld
from .template import readable_template
from .values import Traced, Unknown, first_unknown, plain_data


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
    """The resources of a rendering, and the texts that their properties come to."""

    def __init__(self, rendering: Rendering, account: str | None = None) -> None:
        """``account`` is the account of the credentials, used if the parameters name none."""
        self._rendering = rendering
        region = rendering.config.region
        pseudo = {"AWS::Region": region, "AWS::URLSuffix": url_suffix(region)}
        if account := rendering.config.account or account:
            pseudo["AWS::AccountId"] = account
        self._pseudo = _StaticPseudo(region=region, known=pseudo)
        self._resolvers: dict[str, _StaticResolver] = {}
        self.resources = [
            RenderedResource(document, name, str(body.get("Type")), body.get("Properties") or {})
            for document in rendering.documents
            for name, body in document.resources().items()
        ]

    def of(self, *types: str) -> Iterator[RenderedResource]:
        """The resources of some types."""
        return (resource for resource in self.resources if resource.type in types)

    def texts(self, document: Document, value: Any) -> list[str]:
        """The texts of a value, those of a list one by one; none if only AWS knows one of them."""
        return list(_texts(self.value(document, value)))

    def text(self, document: Document, value: Any) -> str | None:
        """The text of a value; None if it is unknown, or several."""
        texts = self.texts(document, value)
        return texts[0] if len(texts) == 1 else None

    def output(self, name: str) -> str | None:
        """The text of the first root stack's Output of that name that is known, else None."""
        roots = (document for document in self._rendering.documents if "/" not in document.name)
        texts = (list(_texts(self.output_value(root.name, name))) for root in roots)
        return next((values[0] for values in texts if len(values) == 1), None)

    def value(self, document: Document, value: Any) -> Any:
        """A value of a document as plain data; an :class:`Unknown` if only AWS knows a part."""
        try:
            resolved = plain_data(self._resolver(document).resolve(value))
        except ValidationError as error:
            return Unknown(f"({error.message})", ())
        return first_unknown(resolved) or resolved

    def output_value(self, stack: str, name: str) -> Any:
        """The value of an Output of a stack such as ``app/network``, as `value` gives it."""
        document = self._rendering.document(stack)
        output = ((document.body.get("Outputs") or {}).get(name) or {}) if document else {}
        if document is None or "Value" not in output:
            return Unknown(f"${{{stack}.{name}}}", (name,))
        return self.value(document, output["Value"])

    def parameter_value(self, document: Document, name: str) -> Any:
        """The value that a Parameter of a document gets, as `value` gives it."""
        root, _, nested = document.name.partition("/")
        if nested:
            parent = self._rendering.document(root)
            stack = parent.resources().get(logical_id(nested), {}) if parent else {}
            given = (stack.get("Properties") or {}).get("Parameters") or {}
            if parent and name in given:
                return self.value(parent, given[name])
        elif root in self._rendering.wiring:
            source = self._rendering.wiring[root].sources.get(name)
            if source and source.kind is SourceKind.OUTPUT:
                return self.output_value(source.stack, source.name)
        declared = (document.body.get("Parameters") or {}).get(name) or {}
        return declared.get("Default", Unknown(f"${{{name}}}", (name,)))

    def nested_document(self, parent: Document, name: str) -> Document | None:
        """The document of a nested stack, by the logical ID that it has in its parent."""
        for document in self._rendering.documents:
            root, _, nested = document.name.partition("/")
            if nested and root == parent.name and logical_id(nested) == name:
                return document
        return None

    def _resolver(self, document: Document) -> _StaticResolver:
        if document.name not in self._resolvers:
            self._resolvers[document.name] = _StaticResolver(
                readable_template(document.body),
                _Parameters(self, document),
                self._pseudo,
                _RenderedWorld(self, document),
            )
        return self._resolvers[document.name]


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, str | int | float):
        yield from (part.strip() for part in template_to_text(value).split(","))


class _StaticPseudo(Pseudo, frozen=True):
    """Pseudo parameters of which only ``known`` is known before a deployment."""

    known: Mapping[str, str] = {}

    def get(self, name: str) -> Any:
        """The value of ``AWS::…``, or an :class:`Unknown`; raises KeyError for another name."""
        value = super().get(name)
        return value if name == "AWS::NoValue" else self.known.get(name, Unknown(name, (name,)))

    @property
    def availability_zones(self) -> list[str]:
        """Only AWS knows the zones of an account."""
        raise ValidationError("the Availability Zones are not known")


class _StaticResolver(Resolver):
    """A resolver that does not decide conditions on unknown values."""

    def truth(self, value: Any, path: Path) -> bool:
        """A condition as a boolean; raises ValidationError if it compares an unknown value."""
        if isinstance(value, Mapping) and first_unknown(self.resolve(value.get("Fn::Equals", []))):
            raise ValidationError("the condition depends on a value that is not known", path)
        return super().truth(value, path)


class _Parameters(Mapping[str, Any]):
    """The parameters of a document, each resolved when it is read."""

    def __init__(self, references: StaticReferences, document: Document) -> None:
        self._references, self._document = references, document

    def __getitem__(self, name: str) -> Any:
        return self._references.parameter_value(self._document, name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._document.body.get("Parameters") or {})

    def __len__(self) -> int:
        return len(self._document.body.get("Parameters") or {})


class _RenderedWorld(UnknownWorld, frozen=True):
    """The resources and nested stacks of a document, as far as its rendering names them."""

    references: StaticReferences
    document: Document

    def reference(self, logical_id: str) -> Traced:
        """The name that a template gives a resource, which ``Ref`` returns for most types that
        have one."""
        body = self.document.resources()[logical_id]
        kind = str(body.get("Type")).rpartition("::")[2]
        properties = body.get("Properties") or {}
        given = properties.get(f"{kind}Name", properties.get("Name"))
        if given is None:
            return super().reference(logical_id)
        return Traced(self.references.value(self.document, given))

    def attribute(self, logical_id: str, name: str) -> Traced:
        """The Output of a nested stack."""
        is_stack = self.document.resources()[logical_id].get("Type") == STACK_TYPE
        nested = self.references.nested_document(self.document, logical_id) if is_stack else None
        if nested is None or not name.startswith("Outputs."):
            return super().attribute(logical_id, name)
        return Traced(self.references.output_value(nested.name, name.removeprefix("Outputs.")))
