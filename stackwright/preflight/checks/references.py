"""Values that stacks take from Parameter Store and Secrets Manager."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from ...cfn import (
    SecretReference,
    dynamic_references,
    readable_template,
    template_to_text,
)
from ...core import Document
from ..model import PreflightCheck
from .base import Check

if TYPE_CHECKING:
    from ...aws import Secret

_PARAMETER, _SECRET = "AWS::SSM::Parameter", "AWS::SecretsManager::Secret"
_KEYED = {"AWS::SecretsManager::RotationSchedule", "AWS::SecretsManager::SecretTargetAttachment"}
"""Types that add keys to a secret: the address of its database, for example. Source:
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-secretsmanager-secrettargetattachment.html"""


class Use(Struct, frozen=True):
    """One use of a value: ``stack`` is where (``app/web``), ``service`` ``ssm``, ``ssm-secure`` or
    ``secretsmanager``, ``arguments`` what follows it in the reference.

    ``typed`` says that a Parameter of an SSM type names it.
    """

    stack: str
    service: str
    arguments: str
    typed: bool = False

    @property
    def root(self) -> str:
        """The root stack."""
        return self.stack.partition("/")[0]

    @property
    def id(self) -> str:
        """The name in Parameter Store without a version, or the name or ARN of the secret."""
        length = 6 + (self.service == "secretsmanager") if self.arguments.startswith("arn:") else 1
        return ":".join(self.arguments.split(":")[:length])


class _ReferenceCheck(Check):
    """A check of the values of one service that templates and parameters name."""

    def _makers(self, type_: str) -> dict[str, str]:
        """The root stacks that make a resource of a type, by its Name."""
        makers: dict[str, str] = {}
        for resource in self.references.of(type_):
            name = self.references.text(resource.document, resource.properties.get("Name"))
            if name:
                makers.setdefault(name, resource.document.name.partition("/")[0])
        return makers

    def _uses(self, *services: str) -> list[Use]:
        """The dynamic references of some services, each once."""
        found = (
            Use(document.name, service, arguments)
            for document in self.inputs.rendering.documents
            for value in self._values(document)
            for service, arguments in dynamic_references(value)
            if service in services and "${" not in arguments
        )
        return list(dict.fromkeys(found))

    def _values(self, document: Document) -> Iterator[Any]:
        """The values of a document in which references may stand, as far as they are known."""
        for section in ("Resources", "Outputs"):
            yield from self._leaves(document, document.body.get(section) or {})
        yield from _given_values(self.config.parameters, document.name).values()

    def _leaves(self, document: Document, value: Any) -> Iterator[Any]:
        """The texts in a tree, those of intrinsic functions resolved."""
        if isinstance(value, Mapping):
            names = list(value)
            if len(names) == 1 and (names[0] == "Ref" or str(names[0]).startswith("Fn::")):
                yield self.references.value(document, value)
            for item in value.values():
                yield from self._leaves(document, item)
        elif isinstance(value, list):
            for item in value:
                yield from self._leaves(document, item)
        else:
            yield value

    def _place(self, root: str, use: Use) -> PreflightCheck:
        """The result for a value that does not exist yet and that the root stack ``root`` makes;
        a failure where it is made too late."""
        order = self.inputs.roots
        maker = self.inputs.stack_name(root)
        is_earlier = order.index(root) < order.index(use.root)
        if is_earlier or (root == use.root and not use.typed):
            return self.skip(f"{maker} makes it first", name=self._name(use))
        if root == use.root:
            detail = f"{maker} takes its value before it makes it: CloudFormation would refuse it"
            hint = "make it in an earlier root stack, or use !Ref or !GetAtt of the resource"
        else:
            detail = f"{use.stack} takes its value, and {maker}, which makes it, is deployed later"
            hint = f"move {root} before {use.root} in stacks:"
        return self.fail(detail, hint, name=self._name(use))

    def _name(self, use: Use) -> str:
        return f"{'secret' if use.service == 'secretsmanager' else use.service} {use.id}"


class StoredParameters(_ReferenceCheck):
    """Reads the parameters of Parameter Store that templates and parameters name; secure values
    stay encrypted."""

    id = "parameter store"
    title = "Parameters that stacks read from Parameter Store exist, or an earlier stack makes them"
    reason = "CloudFormation refuses a change set, or the resource fails, midway in a deployment."
    source = (
        "https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/"
        "cloudformation-supplied-parameter-types.html"
    )

    def run(self) -> Iterator[PreflightCheck]:
        """A result for each missing parameter, and one for all that exist."""
        uses = [*self._typed_uses(), *self._uses("ssm", "ssm-secure")]
        if not uses:
            return
        names = list(dict.fromkeys(use.arguments for use in uses))
        stored = self.aws.stored_parameters(names)
        makers = self._makers(_PARAMETER)
        for use in uses:
            parameter = stored.get(use.arguments)
            if parameter is None:
                yield self._missing(use, makers)
            elif parameter.type == "SecureString" and use.service == "ssm":
                hint = "name a parameter of the type String, or use {{resolve:ssm-secure:…}}"
                detail = f"{use.stack} cannot read it: it is a SecureString"
                yield self.fail(detail, hint, name=self._name(use))
        if stored:
            yield self.ok(f"{len(stored)} of {len(names)} exist")

    def _typed_uses(self) -> Iterator[Use]:
        for document in self.inputs.rendering.documents:
            given = _given_values(self.config.parameters, document.name)
            for name, parameter in readable_template(document.body).parameters.items():
                if not parameter.reads_store:
                    continue
                value = given.get(name, self.references.parameter_value(document, name))
                if isinstance(value, str) and value and "{{" not in value:
                    yield Use(document.name, "ssm", value, typed=True)

    def _missing(self, use: Use, makers: Mapping[str, str]) -> PreflightCheck:
        if use.id in makers:
            return self._place(makers[use.id], use)
        detail = f"{use.arguments} does not exist in Parameter Store; {use.stack} reads it"
        hint = "create it, or correct the name"
        return self.fail(detail, hint, name=self._name(use))


class SecretReferences(_ReferenceCheck):
    """Reads the versions of the secrets that ``{{resolve:secretsmanager:…}}`` names, no values."""

    id = "secret references"
    title = "Secrets that templates refer to exist, with the version and key that they name"
    reason = "The resource that holds the reference fails midway in a deployment."
    source = (
        "https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/"
        "dynamic-references-secretsmanager.html"
    )

    def run(self) -> Iterator[PreflightCheck]:
        """A result for each reference that cannot be resolved, and one for all secrets that
        exist."""
        uses = self._uses("secretsmanager")
        if not uses:
            return
        makers, keys = self._makers(_SECRET), self._known_keys()
        parts = {use: SecretReference.of(use.arguments) for use in uses}
        names = dict.fromkeys(part.id for part in parts.values())
        secrets = {name: self.aws.secret(name) for name in names}
        for use, part in parts.items():
            secret = secrets[part.id]
            problem = self._find_problem(part, secret) if secret else _find_wrong_key(part, keys)
            if problem:
                detail = f"{problem}; {use.stack} refers to it"
                yield self.fail(detail, _HINT, name=self._name(use))
            elif secret is None:
                yield self._missing(use, makers)
        if existing := [secret for secret in secrets.values() if secret]:
            yield self.ok(f"{len(existing)} of {len(secrets)} exist")

    def _missing(self, use: Use, makers: Mapping[str, str]) -> PreflightCheck:
        if use.id in makers:
            return self._place(makers[use.id], use)
        detail = f"{use.id} does not exist in Secrets Manager; {use.stack} refers to it"
        return self.fail(detail, "create it, or correct the name", name=self._name(use))

    def _find_problem(self, parts: SecretReference, secret: Secret) -> str:
        """What keeps a reference from being resolved; empty where nothing known does."""
        if secret.deleted:
            return f"is scheduled for deletion ({secret.deleted:%Y-%m-%d})"
        if parts.version and parts.version not in secret.versions:
            return f"has no version {parts.version}, or one that is deprecated"
        stage = parts.stage or ("" if parts.version else "AWSCURRENT")
        labels = {label for version in secret.versions.values() for label in version}
        if not stage or stage in labels or secret.name in self._pushed():
            return ""
        return f"has no version with the label {stage}" if labels else "has no value yet"

    def _pushed(self) -> set[str]:
        """The names of secrets whose values the deployment puts."""
        secrets = self.config.parameters.get("secrets") or {}
        bodies = secrets.values() if isinstance(secrets, Mapping) else ()
        return {str(body.get("name")) for body in bodies if isinstance(body, Mapping)}

    def _known_keys(self) -> dict[str, list[str]]:
        """The keys of secrets that the templates give or generate, by Name; others get their value,
        or further keys, from elsewhere."""
        if self.inputs.types & _KEYED:
            return {}
        keys: dict[str, list[str]] = {}
        pushed = self._pushed()
        for resource in self.references.of(_SECRET):
            name = self.references.text(resource.document, resource.properties.get("Name"))
            generated = resource.properties.get("GenerateSecretString") or {}
            text = resource.properties.get("SecretString", generated.get("SecretStringTemplate"))
            if name and name not in pushed and isinstance(text, str):
                known = _json_keys(text)
                extra = [generated.get("GenerateStringKey")]
                if known is not None:
                    keys[name] = [*known, *filter(None, extra)]
        return keys


_HINT = "correct the reference, or put the value"


def _find_wrong_key(parts: SecretReference, keys: Mapping[str, list[str]]) -> str:
    """What is wrong with the key in a reference to a secret that does not exist yet; empty where
    nothing is known to be."""
    known = keys.get(parts.id)
    if not parts.key or known is None or parts.key in known:
        return ""
    return f"will have no key {parts.key}, only {', '.join(known) or 'none'}"


def _json_keys(text: str) -> Iterable[str] | None:
    """The keys of a JSON object in a text; None where it holds none."""
    try:
        data = json.loads(text)
    except ValueError:
        return None
    return list(data) if isinstance(data, dict) else None


def _given_values(parameters: Mapping[str, Any], root: str) -> dict[str, str]:
    """The values of ``deploy.parameters`` for a root stack, by Parameter."""
    values: Any = parameters
    for key in ("deploy", "parameters", root):
        values = (values.get(key) if isinstance(values, Mapping) else None) or {}
    if not isinstance(values, Mapping):
        return {}
    return {str(name): template_to_text(value) for name, value in values.items()}
