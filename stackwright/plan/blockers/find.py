"""Find all changes of a deployment that CloudFormation cannot carry out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ...cfn import Schemas
from ...core import DeployError, Location, Problem
from ..model import Blocker
from .exports import find_export_blockers, find_import_blockers
from .names import RootChange, find_name_blockers, list_owners
from .taken import find_taken_names

if TYPE_CHECKING:
    from ...aws import Aws


def find_blockers(
    changes: Sequence[RootChange], aws: Aws, region: str, *, new: bool = False
) -> tuple[Blocker, ...]:
    """Return what CloudFormation cannot carry out of these changes, which are in the order of
    deployment.

    AWS is asked about exports that go or change, and about names that are created; those of roots
    that are not deployed yet, which preflight checks, only where ``new``. Raises AwsError.
    """
    schemas = Schemas(region)
    owners = list_owners(changes, schemas)
    return (
        *find_name_blockers(changes, owners, schemas),
        *find_taken_names(changes, owners, aws, schemas, new=new),
        *find_export_blockers(changes, aws.importers, schemas),
        *find_import_blockers(changes, aws.exports, schemas),
    )


def require_unblocked(
    blockers: Sequence[Blocker], locate: Callable[[str, str], Location | None]
) -> None:
    """Refuse a plan that CloudFormation cannot carry out; ``locate`` gives the template line of a
    resource.

    Raises:
        DeployError: SW807 to SW811 for each blocker.
    """
    if blockers:
        raise DeployError(_as_problem(blocker, locate) for blocker in blockers)


def _as_problem(blocker: Blocker, locate: Callable[[str, str], Location | None]) -> Problem:
    stack, _, logical_id = blocker.addresses[0].partition(":")
    where = locate(stack, logical_id)
    return Problem(blocker.kind.code, blocker.message, (where,) if where else (), blocker.hint)
