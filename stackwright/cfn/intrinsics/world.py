"""The surroundings of a template: pseudo parameters, resources, exports, stored parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from msgspec import Struct

from ..declarations import Path
from ..template import Template
from ..values import NO_VALUE, ChangeSource, Traced, Unknown, ValueReference

UNKNOWN_ACCOUNT = "${AWS::AccountId}"
"""The ``account_id`` of a stack whose account is not known."""
_ZONE_LETTERS = {"us-east-1": "abcdef", "us-west-2": "abcd", "ap-northeast-2": "abcd"}
"""Regions with more than three Availability Zones. Source:
https://docs.aws.amazon.com/global-infrastructure/latest/regions/aws-availability-zones.html"""


def list_zones(region: str) -> list[str]:
    """The Availability Zones that most accounts have in a Region."""
    return [f"{region}{letter}" for letter in _ZONE_LETTERS.get(region, "abc")]


class Pseudo(Struct, frozen=True):
    """The pseudo parameters of one stack. ``zones``: the Region's Availability Zones, for
    ``Fn::GetAZs``."""

    stack_name: str = "stack"
    stack_id: str | None = None
    region: str = "us-east-1"
    account_id: str = "123456789012"
    partition: str = "aws"
    url_suffix: str = "amazonaws.com"
    notification_arns: tuple[str, ...] = ()
    zones: tuple[str, ...] = ()

    def get(self, name: str) -> Any:
        """The value of ``AWS::…``; :class:`Unknown` for the id of a stack that does not exist yet,
        and for an account that is not known.

        Raises:
            KeyError: there is no such pseudo parameter.
        """
        stack_id = self.stack_id or Unknown(
            "${AWS::StackId}", ("the stack's id is made when it is created",)
        )
        account_id: str | Unknown = self.account_id
        if account_id == UNKNOWN_ACCOUNT:
            account_id = Unknown(UNKNOWN_ACCOUNT, ("the account is not known",))
        return {
            "AWS::StackName": self.stack_name,
            "AWS::StackId": stack_id,
            "AWS::Region": self.region,
            "AWS::AccountId": account_id,
            "AWS::Partition": self.partition,
            "AWS::URLSuffix": self.url_suffix,
            "AWS::NotificationARNs": list(self.notification_arns),
            "AWS::NoValue": NO_VALUE,
        }[name]

    @property
    def availability_zones(self) -> list[str]:
        """``zones``, or those that most accounts have."""
        return list(self.zones) or list_zones(self.region)


class ResolverWorld(Protocol):
    """Answers a resolver's questions about resources, exports and stored parameters."""

    def reference(self, logical_id: str) -> Traced:
        """The value of ``!Ref`` of a resource: its physical id, or an :class:`Unknown`."""

    def attribute(self, logical_id: str, name: str) -> Traced:
        """The value of ``!GetAtt`` of a resource."""

    def exported(self, name: str) -> Any:
        """The value of an export; an :class:`Unknown` where it does not exist (yet)."""

    def stored(self, name: str) -> Any:
        """The value of an SSM parameter; an :class:`Unknown` where it is not known."""


class UnknownWorld(Struct, frozen=True):
    """A world in which nothing outside of the template is known."""

    def reference(self, logical_id: str) -> Traced:
        reference = ValueReference(ChangeSource.RESOURCE, logical_id)
        return Traced(Unknown(f"${{{logical_id}}}", (logical_id,)), frozenset((reference,)))

    def attribute(self, logical_id: str, name: str) -> Traced:
        entity = f"{logical_id}.{name}"
        return Traced(
            Unknown(f"${{{entity}}}", (entity,)),
            frozenset((ValueReference(ChangeSource.ATTRIBUTE, entity),)),
        )

    def exported(self, name: str) -> Any:
        return Unknown(f"${{ImportValue {name}}}", (f"export {name}",))

    def stored(self, name: str) -> Any:
        return Unknown(f"${{ssm:{name}}}", (f"SSM parameter {name}",))


class Resolving(Protocol):
    """A resolver as the functions see it: what it resolves in, and how it resolves arguments."""

    template: Template
    parameters: Mapping[str, Any]
    pseudo: Pseudo
    world: ResolverWorld

    def resolve(self, value: Any, path: Path = ()) -> Any:
        """A value with every intrinsic function replaced by its result."""

    def condition(self, name: str, path: Path = ()) -> bool:
        """Whether a named condition holds."""

    def truth(self, value: Any, path: Path) -> bool:
        """A condition expression as a boolean."""

    def assume(self) -> bool:
        """The answer to a comparison that cannot be decided."""
