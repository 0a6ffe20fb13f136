"""Interfaces to wiring, by name: each Parameter of a stack takes its value from exactly one place.

A nested stack's Parameter is fed by a value given in the root template, by the Output of the same
name of an earlier nested stack, or by the root's Parameter of the same name; the root's Parameter
by its own template, by the Output of the same name of an earlier root, or by an image or secret
version that is bound when deploying. None, several, and Outputs that nobody takes are problems.
Pure: nothing is read or written.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence

from ..core import (
    Config,
    Declaration,
    Interface,
    Location,
    Problem,
    Source,
    SourceKind,
    Wiring,
    logical_id,
)


def wire_root(
    root: Interface,
    nested: Sequence[Interface],
    given: Mapping[str, Sequence[str]],
    earlier: Sequence[Interface],
    config: Config,
) -> Wiring:
    """Connect one root and its nested stacks; every problem is in the result.

    ``given`` lists by nested stack the Parameters that the root template gives a value, ``earlier``
    the roots that are deployed before this one.
    """
    wirer = _Wirer(root, nested, earlier, config)
    for stack in nested:
        wirer.connect(stack, given.get(_name(stack), ()))
    wirer.root_sources()
    wirer.unused_outputs()
    return Wiring(wirer.nested, wirer.parameters, wirer.sources, tuple(wirer.problems))


class _Wirer:
    def __init__(
        self,
        root: Interface,
        nested: Sequence[Interface],
        earlier: Sequence[Interface],
        config: Config,
    ) -> None:
        self._root = root
        self._stacks = nested
        self._earlier = earlier
        self._bound = dict(_bound_when_deploying(config))
        self._done: list[Interface] = []
        self._taken: set[tuple[str, str]] = set()
        self.nested: dict[str, dict[str, Source]] = {}
        self.parameters: dict[str, Declaration] = {}
        self.sources: dict[str, Source] = {}
        self.problems: list[Problem] = []

    def connect(self, stack: Interface, given: Sequence[str]) -> None:
        """Find the source of each Parameter of one nested stack."""
        for name in given:
            if name not in stack.parameters:
                self._problem(
                    "SW203",
                    f"{stack.name} has no Parameter {name} to give a value",
                    stack,
                    stack.parameters,
                    name,
                )
        chosen: dict[str, Source] = {}
        for parameter in stack.parameters.values():
            candidates = list(self._candidates(parameter.name, given))
            if len(candidates) > 1:
                self._ambiguous(stack, parameter, candidates)
            elif candidates:
                chosen[parameter.name] = candidates[0]
                self._take(candidates[0], parameter)
            elif "Default" not in parameter.body:
                self._missing(stack, parameter)
        self.nested[_name(stack)] = chosen
        self._done.append(stack)

    def _candidates(self, name: str, given: Sequence[str]) -> Iterator[Source]:
        if name in given:
            yield Source(SourceKind.GIVEN, name)
        for sibling in self._done:
            if name in sibling.outputs:
                yield Source(SourceKind.SIBLING, name, _name(sibling))
        if name in self._root.parameters:
            yield Source(SourceKind.ROOT, name, self._root.name)
        else:
            yield from self._outside(name)

    def _outside(self, name: str) -> Iterator[Source]:
        """Where the root's own Parameter may come from."""
        for root in self._earlier:
            if name in root.outputs:
                yield Source(SourceKind.OUTPUT, name, root.name)
        if name in self._bound:
            yield self._bound[name]

    def _take(self, source: Source, parameter: Declaration) -> None:
        self._taken.add((source.stack, source.name))
        if source.kind in (SourceKind.OUTPUT, SourceKind.IMAGE, SourceKind.SECRET):
            self.sources[parameter.name] = source
            self.parameters.setdefault(parameter.name, parameter)

    def root_sources(self) -> None:
        """Where the Parameters come from that the root's own template declares."""
        for parameter in self._root.parameters.values():
            candidates = list(self._outside(parameter.name))
            if len(candidates) > 1:
                self._ambiguous(self._root, parameter, candidates)
            elif candidates:
                self.sources[parameter.name] = candidates[0]

    def unused_outputs(self) -> None:
        """An Output of a nested stack is for a later one, or for the root."""
        for stack in self._stacks:
            for output in stack.outputs.values():
                read_by_root = (logical_id(_name(stack)), output.name) in self._root.reads
                if (_name(stack), output.name) not in self._taken and not read_by_root:
                    at = _origin(stack, output.line)
                    message = f"nobody takes the Output {output.name} of {stack.name}"
                    hint = f"remove it, or let a later stack declare a Parameter {output.name}"
                    self.problems.append(Problem("SW204", message, at, hint))

    def _missing(self, stack: Interface, parameter: Declaration) -> None:
        later = [
            each.name
            for each in self._stacks
            if each not in self._done and parameter.name in each.outputs
        ]
        message = f"nothing supplies the Parameter {parameter.name} of {stack.name}"
        if stack.name in later:
            hint = f"{stack.name} itself has that Output: a stack cannot take its own"
        elif later:
            hint = (
                f"{', '.join(later)} has that Output but comes later: change the order in stacks:"
            )
        else:
            known = {name for each in [*self._done, *self._earlier] for name in each.outputs}
            known |= set(self._root.parameters) | set(self._bound)
            close = difflib.get_close_matches(parameter.name, sorted(known), 1, 0.6)
            hint = f"did you mean {close[0]}? " if close else ""
            hint += f"Add the Output to an earlier stack, or declare the Parameter in the root {self._root.name}"
        code = "SW205" if later else "SW201"
        if later:
            message += (
                ": the stacks depend on one another in a circle"
                if self._circle(stack, later)
                else ""
            )
        self.problems.append(Problem(code, message, _origin(stack, parameter.line), hint))

    def _circle(self, stack: Interface, later: Sequence[str]) -> bool:
        """Whether a later stack that this one needs takes something from this one, itself or
        through others."""
        reached = {
            each.name: each for each in self._stacks if each.name in later and each is not stack
        }
        queue = list(reached.values())
        while queue:
            taker = queue.pop()
            for giver in self._stacks:
                if giver.name not in reached and any(
                    name in giver.outputs for name in taker.parameters
                ):
                    reached[giver.name] = giver
                    queue.append(giver)
        return stack.name in reached

    def _ambiguous(
        self, stack: Interface, parameter: Declaration, candidates: Sequence[Source]
    ) -> None:
        places = "; ".join(_described(source) for source in candidates)
        message = f"the Parameter {parameter.name} of {stack.name} has {len(candidates)} sources: {places}"
        where = _origin(stack, parameter.line)
        self.problems.append(Problem("SW202", message, where, "rename all but one of them"))

    def _problem(
        self, code: str, message: str, stack: Interface, known: Mapping[str, object], name: str
    ) -> None:
        close = difflib.get_close_matches(name, sorted(known), 1, 0.6)
        hint = (
            f"did you mean {close[0]}?"
            if close
            else f"it has: {', '.join(sorted(known)) or 'none'}"
        )
        self.problems.append(Problem(code, message, _origin(stack, 1), hint))


def _bound_when_deploying(config: Config) -> Iterator[tuple[str, Source]]:
    """The root Parameters that a deploy binds: ``images.gateway`` to GatewayImage, ``secrets.app``
    to its version."""
    for key, kind, suffix in (
        ("images", SourceKind.IMAGE, "Image"),
        ("secrets", SourceKind.SECRET, "SecretVersionId"),
    ):
        names = config.parameters.get(key)
        for name in names if isinstance(names, dict) else ():
            yield f"{logical_id(str(name))}{suffix}", Source(kind, str(name))


def _name(stack: Interface) -> str:
    return stack.name.partition("/")[2]


def _origin(stack: Interface, line: int) -> tuple[Location, ...]:
    return stack.lines[line - 1].origin if 0 < line <= len(stack.lines) else (Location(stack.name),)


def _described(source: Source) -> str:
    if source.kind in (SourceKind.SIBLING, SourceKind.OUTPUT):
        return f"the Output of {source.stack}"
    if source.kind is SourceKind.ROOT:
        return f"the Parameter of the root {source.stack}"
    return (
        "a value given in the root"
        if source.kind is SourceKind.GIVEN
        else f"the {source.kind} {source.name}"
    )
