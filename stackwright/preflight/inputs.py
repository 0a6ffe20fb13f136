"""The inputs of the preflight checks, and the readings that several of them share."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ..cfn import StaticReferences
from ..core import Config, Rendering
from ..plan import LiveStack, read_stack
from .given_network import GivenNetwork, read_given_network

if TYPE_CHECKING:
    from ..aws import Aws


@dataclass(frozen=True)
class PreflightInputs:
    """One environment and its account.

    ``env_dir`` is the folder of ``keys.env``; ``registry`` is a host that stands in for ECR
    (``127.0.0.1:5000``), or None. ``import_existing`` says that resources which exist already are
    imported by their names.
    """

    config: Config
    rendering: Rendering
    aws: Aws
    env_dir: Path
    registry: str | None
    references: StaticReferences
    import_existing: bool = False

    @cached_property
    def roots(self) -> list[str]:
        """The root stacks by their names in ``stacks:``, in order of deployment."""
        return [doc.name for doc in self.rendering.documents if "/" not in doc.name]

    @cached_property
    def types(self) -> frozenset[str]:
        """The resource types that the templates have."""
        return frozenset(resource.type for resource in self.references.resources)

    @cached_property
    def network(self) -> GivenNetwork | None:
        """The subnets that the parameters give; None where they give none. Raises AwsError.

        Only the checks of the topic ``network`` read it, one after another in one thread.
        """
        return read_given_network(self.references, self.aws)

    def stack_name(self, root: str) -> str:
        """The name of a root stack in CloudFormation."""
        return f"{self.config.prefix}-{root}"

    def read_stack(self, root: str) -> LiveStack | None:
        """Read a deployed root stack with its nested stacks; None where it is not deployed. Raises
        AwsError."""
        return read_stack(self.stack_name(root), self.aws, root)
