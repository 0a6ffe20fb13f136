"""The functions of root templates that print nested stacks and the Parameters they need."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from ..core import (
    Declaration,
    Document,
    Location,
    RootStack,
    Source,
    SourceKind,
    Wiring,
    logical_id,
)
from .interface import read_interface
from .jinja import JinjaEnvironment, RuntimeMistake
from .text import Chunk, Text


class RootFunctions:
    """``nested_stacks()`` and ``wired_parameters()`` for one rendering of one root.

    ``nested`` are the rendered nested stacks, ``own`` the Parameters of the root's template.
    """

    def __init__(
        self,
        root: RootStack,
        nested: Sequence[Document],
        wiring: Wiring,
        environment: JinjaEnvironment,
        own: Mapping[str, Declaration] = MappingProxyType({}),
    ) -> None:
        self._own = own
        self._nested = {document.name.partition("/")[2]: document for document in nested}
        self._after = {stack.name: stack.after for stack in root.nested}
        self._wiring = wiring
        self._environment = environment
        self._given: Mapping[str, Mapping[str, Any]] = {}
        self.called: set[str] = set()
        """The names of the functions that the template called."""

    def names(self) -> dict[str, Any]:
        """Return the functions by the name that a root template sees."""
        return {"nested_stacks": self.nested_stacks, "wired_parameters": self.wired_parameters}

    def given_names(self) -> dict[str, Sequence[str]]:
        """Return the Parameters that the template gives a value, by nested stack."""
        return {name: list(values) for name, values in self._given.items()}

    def nested_stacks(
        self,
        parameters: Mapping[str, Mapping[str, Any]] | None = None,
        tags: Mapping[str, Any] | None = None,
    ) -> Text:
        """Print one AWS::CloudFormation::Stack for each enabled nested stack, its Parameters wired.

        ``parameters`` gives values by nested stack and Parameter; ``tags`` are added to every
        nested stack.
        """
        self.called.add("nested_stacks")
        self._given = parameters or {}
        unknown = [name for name in self._given if name not in self._nested]
        if unknown:
            raise RuntimeMistake(
                f"nested_stacks: there is no nested stack {unknown[0]} to give values"
            )
        if not self._wiring.nested:
            return Text()
        return Text(
            chunk
            for name, document in self._nested.items()
            for chunk in self._print_stack(name, document, tags or {})
        )

    def _print_stack(
        self, name: str, document: Document, tags: Mapping[str, Any]
    ) -> Iterator[Chunk]:
        at = (Location(document.template, 1),)
        yield Chunk(f"{logical_id(name)}:\n  Type: AWS::CloudFormation::Stack\n", at)
        after = [logical_id(other) for other in self._after.get(name, ()) if other in self._nested]
        if after:
            yield Chunk("".join(["  DependsOn:\n", *(f"    - {id_}\n" for id_ in after)]), at)
        yield Chunk(f"  Properties:\n    TemplateURL: ./{document.path}\n", at)
        sources = self._wiring.nested.get(name, {})
        if sources:
            yield Chunk("    Parameters:\n", at)
        for declaration in read_interface(document).parameters.values():
            if declaration.name in sources:
                value = self._print_value(name, declaration, sources[declaration.name])
                origin = document.lines[declaration.line - 1].origin
                yield Chunk(f"      {declaration.name}: {value}\n", origin)
        if tags:
            yield Chunk("    Tags:\n", at)
        for key, value in tags.items():
            yield Chunk(f"      - Key: {self._environment.make_token(key)}\n", at)
            yield Chunk(f"        Value: {self._environment.make_token(value)}\n", at)

    def _print_value(self, nested: str, parameter: Declaration, source: Source) -> str:
        """Return the expression that gives a nested stack's Parameter its value."""
        if source.kind is SourceKind.SIBLING:
            return f"!GetAtt {logical_id(source.stack)}.Outputs.{source.name}"
        if source.kind is SourceKind.GIVEN:
            return self._environment.make_token(self._given[nested][parameter.name])
        type_ = str(self._own.get(parameter.name, parameter).body.get("Type"))
        if "List<" in type_ or type_ == "CommaDelimitedList":
            return f"!Join [',', !Ref {parameter.name}]"  # a nested stack takes text only
        return f"!Ref {parameter.name}"

    def wired_parameters(self) -> Text:
        """Print the Parameters that the root needs besides those of its template, as its nested
        stacks declare them."""
        self.called.add("wired_parameters")
        return Text(
            chunk
            for declaration in self._wiring.parameters.values()
            for chunk in self._print_declaration(declaration)
        )

    def _print_declaration(self, declaration: Declaration) -> Iterator[Chunk]:
        yield Chunk(f"{declaration.name}:\n", ())
        for key, value in declaration.body.items():
            if key != "Default":
                yield Chunk(f"  {key}: {self._environment.make_token(value)}\n", ())
