"""The resources of the templates, and the calls that CloudFormation makes for them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from msgspec import Struct

from ...cfn import STACK_TYPE, ResourceType, Schemas
from ...core import Rendering
from .calls import NAMED_CALLS, SERVICE_LINKED
from .kinds import iam_prefix

_OPTIONAL = {
    "cognito-idp": "cognito",
    "ec2": "vpc|subnet|ipam",
    "elasticfilesystem": "filesystemconfig",
    "firehose": "firehose",
    "iam": "role",
    "kms": r'kms|"encrypted": (true|"true")',
    "lambda": "lambda",
    "lambda:PassCapacityProvider": "capacityprovider",
    "s3files": "filesystemconfig",
    "s3tables": "metadatatable|metadataconfiguration",
    "vpc-lattice": "servicenetwork|resourceconfiguration",
    "vpce": "serviceregion",
}
"""Calls that a handler makes to another service -> the properties that lead to them, as a pattern;
the schemas list such calls for every resource of the type."""
_CUSTOMER_KEY = re.compile(r'"(KmsKeyId|KMSMasterKeyID)"')
_SEPARATE = frozenset(("iam:PassRole", "iam:CreateServiceLinkedRole"))
"""Calls that have statements of their own, with conditions."""


class Call(Struct, frozen=True):
    """An action, and the type of the resource that it is made for; None: a call of Stackwright."""

    action: str
    type: ResourceType | None = None


class TemplateResources:
    """The resources of a rendering: type and properties, in the order of the templates."""

    def __init__(self, rendering: Rendering) -> None:
        self.rendering, self.config = rendering, rendering.config
        self.region, self.prefix = rendering.config.region, rendering.config.prefix
        self.pairs: list[tuple[str, Mapping[str, Any]]] = [
            (str(resource.get("Type")), resource.get("Properties") or {})
            for document in rendering.documents
            for resource in document.resources().values()
        ]
        schemas = Schemas(self.region)
        self.types = {name: schemas.get(name) for name, _ in self.pairs}
        self.roots = [doc.name for doc in rendering.documents if "/" not in doc.name]
        self.nested_roots = sorted({doc.root for doc in rendering.documents if "/" in doc.name})

    def uncovered(self) -> list[str]:
        """The types whose schema lists no permissions; custom resources have none."""
        custom = ("Custom::", "AWS::CloudFormation::CustomResource")
        return sorted(
            name
            for name, type_ in self.types.items()
            if not name.startswith(custom) and (type_ is None or not type_.permissions)
        )

    def calls(self) -> Iterator[Call]:
        """The calls of CloudFormation for all resources, each once."""
        seen: set[tuple[str, str]] = set()
        for name, properties in self.pairs:
            type_ = self.types[name]
            if type_ is None or name == STACK_TYPE:
                continue
            for action in _handler_calls(type_, properties):
                if (name, action) not in seen:
                    seen.add((name, action))
                    yield Call(action, type_)

    def name_calls(self) -> Iterator[Call]:
        """The calls by which preflight learns whether names are available."""
        for name, type_ in self.types.items():
            if name in NAMED_CALLS:
                yield Call(NAMED_CALLS[name], type_)

    @property
    def encrypted(self) -> bool:
        """Whether a secret or bucket is encrypted with a customer managed key."""
        return any(
            name in ("AWS::SecretsManager::Secret", "AWS::S3::Bucket")
            and _CUSTOMER_KEY.search(json.dumps(properties, default=str))
            for name, properties in self.pairs
        )

    def trusted_services(self) -> set[str]:
        """The services that the templates' roles trust."""
        return {
            service
            for name, properties in self.pairs
            if name == "AWS::IAM::Role"
            for service in _principals(properties.get("AssumeRolePolicyDocument"))
        }


def service_linked_roles(resources: Iterable[tuple[str, Mapping[str, Any]]]) -> set[str]:
    """The services that create a service-linked role for these resources (type, properties)."""
    services = set()
    for name, properties in resources:
        if name in SERVICE_LINKED:
            services.add(SERVICE_LINKED[name])
        namespace = properties.get("ServiceNamespace")
        scalable = name == "AWS::ApplicationAutoScaling::ScalableTarget"
        if scalable and isinstance(namespace, str):
            services.add(f"{namespace}.application-autoscaling.amazonaws.com")
    return services


def _handler_calls(type_: ResourceType, properties: Mapping[str, Any]) -> Iterator[str]:
    """The calls of a type's handlers, without those for properties that the resource lacks."""
    if type_.custom:
        yield "lambda:InvokeFunction"
        return
    own, text = iam_prefix(type_), json.dumps(properties, default=str).lower()
    handlers = type_.permissions
    actions = {action for name in handlers if name != "list" for action in handlers[name]}
    for action in sorted(actions - _SEPARATE):
        service = action.partition(":")[0]
        foreign = "" if service == own else _OPTIONAL.get(service, "")
        if re.search(_OPTIONAL.get(action) or foreign, text):
            yield action


def _principals(document: Any) -> Iterator[str]:
    """The services in a trust policy."""
    statements = document.get("Statement") if isinstance(document, Mapping) else None
    for statement in statements if isinstance(statements, list) else [statements]:
        principal = statement.get("Principal") if isinstance(statement, Mapping) else None
        services = principal.get("Service") if isinstance(principal, Mapping) else None
        for service in services if isinstance(services, list) else [services]:
            if isinstance(service, str):
                yield service
