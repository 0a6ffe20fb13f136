"""Wire stacks by name: each Parameter of a stack takes its value from exactly one source.

The sources of a nested stack's Parameter are a value given in the root template, the Output of the
same name of an earlier nested stack, and the root's Parameter of the same name. Those of a root's
Parameter are its own template, the Output of the same name of an earlier root, and an image or
secret version that a deployment binds. No source, several sources and unused Outputs are problems.
Nothing is read or written.
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
    """Return how one root and its nested stacks are connected, with every problem.

    ``given`` lists by nested stack the Parameters that the root template gives a value, ``earlier``
    the roots that are deployed before this one.
    """
    wirer = _Wirer(root, nested, earlier, config)
    for stack in nested:
        wirer.connect(stack, given.get(_name(stack), ()))
    wirer.find_root_sources()
    wirer.find_unused_outputs()
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
        self._bound = dict(_bound_parameters(config))
        self._done: list[Interface] = []
        """The nested stacks that are connected, in deployment order."""
        self._taken: set[tuple[str, str]] = set()
        """Stack and name of the sources in use."""
        self.nested: dict[str, dict[str, Source]] = {}
        self.parameters: dict[str, Declaration] = {}
        self.sources: dict[str, Source] = {}
        self.problems: list[Problem] = []

    def connect(self, stack: Interface, given: Sequence[str]) -> None:
        """Find the source of each Parameter of a nested stack; ``given`` are the Parameters with a
        value in the root template."""
        for name in given:
            if name not in stack.parameters:
                self._report_unknown(stack, name)
        chosen: dict[str, Source] = {}
        for parameter in stack.parameters.values():
            candidates = list(self._candidates(parameter.name, given))
            if len(candidates) > 1:
                self._report_ambiguous(stack, parameter, candidates)
            elif candidates:
                chosen[parameter.name] = candidates[0]
                self._take(candidates[0], parameter)
            elif "Default" not in parameter.body:
                self._report_missing(stack, parameter)
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
            yield from self._outside_sources(name)

    def _outside_sources(self, name: str) -> Iterator[Source]:
        """Yield the sources of a root's Parameter outside of the root."""
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

    def find_root_sources(self) -> None:
        """Find the source of each Parameter that the root's own template declares."""
        for parameter in self._root.parameters.values():
            candidates = list(self._outside_sources(parameter.name))
            if len(candidates) > 1:
                self._report_ambiguous(self._root, parameter, candidates)
            elif candidates:
                self.sources[parameter.name] = candidates[0]

    def find_unused_outputs(self) -> None:
        """Note each Output of a nested stack that no later stack takes and the root does not
        read."""
        for stack in self._stacks:
            for output in stack.outputs.values():
                read_by_root = (logical_id(_name(stack)), output.name) in self._root.reads
                if (_name(stack), output.name) not in self._taken and not read_by_root:
                    at = _origin(stack, output.line)
                    message = f"no stack uses the Output {output.name} of {stack.name}"
                    hint = f"remove it, or declare a Parameter {output.name} in a later stack"
                    self.problems.append(Problem("SW204", message, at, hint))

    def _report_missing(self, stack: Interface, parameter: Declaration) -> None:
        later = [
            other.name
            for other in self._stacks
            if other not in self._done and parameter.name in other.outputs
        ]
        code = "SW205" if later else "SW201"
        message = f"nothing supplies the Parameter {parameter.name} of {stack.name}"
        if later and self._is_circular(stack, later):
            message += ": the stacks depend on each other in a circle"
        if stack.name in later:
            hint = f"{stack.name} itself has that Output: a stack cannot take its own"
        elif later:
            names = ", ".join(later)
            hint = f"{names} has that Output but comes later: change the order in stacks:"
        else:
            hint = self._suggest_source(parameter.name)
        self.problems.append(Problem(code, message, _origin(stack, parameter.line), hint))

    def _suggest_source(self, name: str) -> str:
        known = {output for stack in [*self._done, *self._earlier] for output in stack.outputs}
        known |= set(self._root.parameters) | set(self._bound)
        close = difflib.get_close_matches(name, sorted(known), 1, 0.6)
        hint = f"did you mean {close[0]}? " if close else ""
        hint += "Add the Output to an earlier stack, "
        return f"{hint}or declare the Parameter in the root {self._root.name}"

    def _is_circular(self, stack: Interface, later: Sequence[str]) -> bool:
        """Return whether one of the ``later`` stacks, which this one needs, needs this one, itself
        or through others."""
        reached = {
            other.name: other
            for other in self._stacks
            if other.name in later and other is not stack
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

    def _report_ambiguous(
        self, stack: Interface, parameter: Declaration, candidates: Sequence[Source]
    ) -> None:
        places = "; ".join(_describe(source) for source in candidates)
        message = f"the Parameter {parameter.name} of {stack.name} "
        message += f"has {len(candidates)} sources: {places}"
        where = _origin(stack, parameter.line)
        self.problems.append(Problem("SW202", message, where, "rename all but one of them"))

    def _report_unknown(self, stack: Interface, name: str) -> None:
        known = sorted(stack.parameters)
        close = difflib.get_close_matches(name, known, 1, 0.6)
        hint = f"did you mean {close[0]}?" if close else f"it has: {', '.join(known) or 'none'}"
        message = f"{stack.name} has no Parameter {name} to give a value"
        self.problems.append(Problem("SW203", message, _origin(stack, 1), hint))


def _bound_parameters(config: Config) -> Iterator[tuple[str, Source]]:
    """Yield the root Parameters that a deployment binds, with their sources.

    ``images.gateway`` gives GatewayImage, ``secrets.app`` gives AppSecretVersionId.
    """
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


def _describe(source: Source) -> str:
    if source.kind in (SourceKind.SIBLING, SourceKind.OUTPUT):
        return f"the Output of {source.stack}"
    if source.kind is SourceKind.ROOT:
        return f"the Parameter of the root {source.stack}"
    return (
        "a value given in the root"
        if source.kind is SourceKind.GIVEN
        else f"the {source.kind} {source.name}"
    )
