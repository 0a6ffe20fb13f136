"""Names that the templates give, and that something else may hold already."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property

from ...aws import PARALLEL
from ...cfn import RenderedResource, Schemas, is_importable_by_name
from ...core import AwsError, command_line
from ...plan import IDENTIFIERS, find_identifier
from ..model import PreflightCheck
from .base import Check, describe_unknown, is_unknown

_NAMESPACE = "AWS::ServiceDiscovery::PrivateDnsNamespace"
_RETAINING = ("Retain", "RetainExceptOnCreate")
_Taken = tuple[RenderedResource, str, str]
"""A resource, its name, and the identifier of the existing resource of that name."""


class Namespaces(Check):
    """Looks for other namespaces of the same name."""

    id = "namespace"
    title = "Names of private DNS namespaces are free, or belong to this environment"
    reason = "A VPC takes one hosted zone of a name, so that the namespace cannot be created."
    source = "https://docs.aws.amazon.com/cloud-map/latest/api/API_CreatePrivateDnsNamespace.html"

    def run(self) -> Iterator[PreflightCheck]:
        """A result for each namespace whose name the templates know."""
        named = [
            (resource, name)
            for resource in self.references.of(_NAMESPACE)
            if (name := self.references.text(resource.document, resource.properties.get("Name")))
        ]
        if not named:
            return
        existing = self.aws.namespaces()
        for resource, name in named:
            ids = {id_ for id_, existing_name in existing.items() if existing_name == name}
            others = sorted(ids - self._deployed_ids(resource.document.root)) if ids else []
            if others:
                detail = f"{name} is the name of another namespace ({', '.join(others)})"
                hint = "choose another name"
                if not any(map(self.aws.owner, others)):
                    hint += ", or delete that namespace if nothing uses it"
                yield self.fail(detail, hint)
            else:
                yield self.ok(f"{name} {'belongs to this environment' if ids else 'is available'}")

    def _deployed_ids(self, root: str) -> set[str]:
        """The physical ids of the namespaces in a deployed root stack."""
        live = self.inputs.read_stack(root)
        return {
            resource.physical_id
            for stack in (live.walk() if live else ())
            for resource in stack.resources.values()
            if resource.type == _NAMESPACE
        }


class RetainedNames(Check):
    """Looks for resources that an earlier stack retained under the names of new stacks."""

    id = "names"
    title = "Retained-resource names are available"
    reason = "CloudFormation cannot create a resource whose name exists; it can import it."
    source = "https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/import-resources.html"

    def run(self) -> Iterator[PreflightCheck]:
        """One result; none where no stack with such a name is new. A plan checks the names that
        live stacks gain."""
        named = [
            (resource, name)
            for resource in self.references.of(*IDENTIFIERS)
            if (name := self._name(resource))
        ]
        roots = {resource.document.root for resource, _ in named}
        new = {root for root in roots if self.inputs.read_stack(root) is None}
        wanted = [(resource, name) for resource, name in named if resource.document.root in new]
        if not wanted:
            return
        with ThreadPoolExecutor(PARALLEL) as pool:
            identifiers = list(pool.map(lambda pair: self._find(*pair), wanted))
        taken = [
            (resource, name, identifier)
            for (resource, name), identifier in zip(wanted, identifiers, strict=True)
            if isinstance(identifier, str)
        ]
        unknown = {
            name: error
            for (_, name), error in zip(wanted, identifiers, strict=True)
            if isinstance(error, AwsError)
        }
        if taken:
            yield from self._judge(taken, unknown, len(wanted))
        elif unknown:
            yield self._unknown(unknown)
        else:
            yield self.ok(f"{len(wanted)} retained-resource names are available")

    def _judge(
        self, taken: Sequence[_Taken], unknown: Mapping[str, AwsError], count: int
    ) -> Iterator[PreflightCheck]:
        """One result about the names that exist, by who has them; ``count`` names were checked."""
        owners = [self.aws.owner(identifier) for _, _, identifier in taken]
        owned = [(entry, owner) for entry, owner in zip(taken, owners, strict=True) if owner]
        taken = [entry for entry, owner in zip(taken, owners, strict=True) if not owner]
        importable = [entry for entry in taken if self._is_importable(entry[0])]
        if self.inputs.import_existing:
            taken = [entry for entry in taken if entry not in importable]
        foreign = [
            (resource, f"{name} (of {stack}:{logical_id})")
            for (resource, name, _), (stack, logical_id) in owned
            if stack not in self._own_stacks  # a plan says what moves between our own
        ]
        if foreign:
            names = ", ".join(text for _, text in foreign)
            places = ", ".join(resource.address for resource, _ in foreign)
            detail = f"{names}: belongs to another stack, no new stack can create it"
            yield self.fail(detail, f"choose other names for {places}")
        elif taken:
            names = ", ".join(name for _, name, _ in taken)
            hint = self._describe_adoption(taken, importable)
            yield self.fail(f"{names}: exists already, no new stack can create it", hint)
        elif importable:
            yield self.ok(f"imported: {', '.join(name for _, name, _ in importable)}")
        elif unknown:
            yield self._unknown(unknown)
        else:
            yield self.ok(f"{count} retained-resource names are available")

    @cached_property
    def _own_stacks(self) -> set[str]:
        """The names of the live stacks of this environment, nested ones included."""
        lives = [self.inputs.read_stack(root) for root in self.inputs.roots]
        return {stack.stack.name for live in lives if live for stack in live.walk()}

    @cached_property
    def _schemas(self) -> Schemas:
        return Schemas(self.config.region)

    def _name(self, resource: RenderedResource) -> str | None:
        given = resource.properties.get(IDENTIFIERS[resource.type][0])
        return self.references.text(resource.document, given)

    def _unknown(self, unknown: Mapping[str, AwsError]) -> PreflightCheck:
        reasons = dict.fromkeys(describe_unknown(error) for error in unknown.values())
        texts = "; ".join(reason for reason, _ in reasons)
        hint = next((hint for _, hint in reasons if hint), "")
        return self.skip(f"{', '.join(unknown)}: not checked: {texts}", hint)

    def _find(self, resource: RenderedResource, name: str) -> str | AwsError | None:
        """The identifier of the resource that holds a name, None where the name is available, or
        the error that keeps it unknown: a missing permission for one type hides no other type."""
        try:
            return find_identifier(resource.type, name, self.aws)
        except AwsError as error:
            if is_unknown(error):
                return error
            raise

    def _is_importable(self, resource: RenderedResource) -> bool:
        """Whether CloudFormation imports the existing resource by its name, where it is asked to.

        Source:
        https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/import-resources-automatically.html
        """
        known = self._schemas.get(resource.type)
        body = resource.document.resources()[resource.logical_id]
        static = isinstance(resource.properties.get(IDENTIFIERS[resource.type][0]), str)
        retained = body.get("DeletionPolicy") in _RETAINING
        return bool(known and static and retained and is_importable_by_name(known))

    def _describe_adoption(
        self,
        taken: Sequence[_Taken],
        importable: Sequence[_Taken],
    ) -> str:
        """How to adopt existing resources: those that CloudFormation finds by their names, and the
        others."""
        rest = [
            (resource, id_)
            for resource, name, id_ in taken
            if (resource, name, id_) not in importable
        ]
        hints = ["add --import-existing"] if len(rest) < len(taken) else []
        if hints and rest:
            names = ", ".join(name for resource, name, id_ in importable)
            hints = [f"add --import-existing for {names}"]
        return "; ".join([*hints, *([self._adoption(rest)] if rest else [])])

    def _adoption(self, taken: Sequence[tuple[RenderedResource, str]]) -> str:
        """How to adopt existing resources: an import, which takes resources of root stacks only."""
        import yaml

        adopted: dict[str, dict[str, Mapping[str, str]]] = {}
        for resource, identifier in taken:
            if "/" not in resource.document.name:
                key = IDENTIFIERS[resource.type][1]
                imports = adopted.setdefault(resource.document.name, {})
                imports[resource.logical_id] = {key: identifier}
        given = self.config.parameters.get("imports") or {}
        command = command_line(f"import --env {self.config.environment}")
        if adopted and all(set(ids) <= set(given.get(root) or ()) for root, ids in adopted.items()):
            return command
        nested = [res.address for res, _ in taken if "/" in res.document.name]
        hints = []
        if adopted:
            text = yaml.safe_dump(
                {"imports": adopted}, default_flow_style=True, width=10_000, sort_keys=False
            ).strip()
            hints.append(f"run {command} after adding to the parameters: {text[1:-1]}")
        if nested:
            hints.append(f"choose other names for {', '.join(nested)}, which cannot be imported")
        return "; ".join(hints)
