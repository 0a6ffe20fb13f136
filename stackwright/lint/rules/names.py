"""Rules for physical names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

from ...core import Document
from .base import Path, Properties, ResourceRule, RuleFinding, read_properties


class NameLengths(ResourceRule):
    """Names that cfn-lint does not measure have an allowed length."""

    id = "SW320"
    title = "Name too long"
    action = "Shorten the prefix or the name."
    reason = "The service refuses the name when the resource is created."
    source = "https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateTargetGroup.html"
    limits: ClassVar[Mapping[str, tuple[str, int]]] = {
        "AWS::ElasticLoadBalancingV2::LoadBalancer": ("Name", 32),
        "AWS::ElasticLoadBalancingV2::TargetGroup": ("Name", 32),
        "AWS::Lambda::Function": ("FunctionName", 64),
        "AWS::IAM::Role": ("RoleName", 64),
        "AWS::Events::Rule": ("Name", 64),
    }
    types = tuple(limits)

    def check_resource(
        self, document: Document, at: Path, resource: Properties
    ) -> Iterator[RuleFinding]:
        """Yield a literal name that is too long."""
        key, longest = self.limits[str(resource.get("Type"))]
        name = read_properties(resource).get(key)
        if isinstance(name, str) and len(name) > longest:
            message = f"{key} {name!r} has {len(name)} characters; {longest} are allowed"
            yield RuleFinding(document, (*at, "Properties", key), message, "shorten the prefix")


RULES = (NameLengths,)
