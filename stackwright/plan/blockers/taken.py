"""Find names that exist outside of the stacks: of resources that somebody made, or that an earlier
stack retained.

CloudFormation cannot create them, but import them into the stack (ImportExistingResources).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from msgspec import Struct

from ...aws import PARALLEL
from ...cfn import Schemas, ValidationError, is_importable_by_name, parse_template, plain_data
from ...core import AwsError
from ..model import Blocker, BlockerKind, DesiredStack
from .names import NamedResource, NameKey, RootChange, is_static_name, list_created, type_noun

if TYPE_CHECKING:
    from ...aws import Aws

IDENTIFIERS = {
    "AWS::DynamoDB::GlobalTable": ("TableName", "TableName"),
    "AWS::DynamoDB::Table": ("TableName", "TableName"),
    "AWS::ECR::Repository": ("RepositoryName", "RepositoryName"),
    "AWS::IAM::Role": ("RoleName", "RoleName"),
    "AWS::Kinesis::Stream": ("Name", "Name"),
    "AWS::Lambda::Function": ("FunctionName", "FunctionName"),
    "AWS::Logs::LogGroup": ("LogGroupName", "LogGroupName"),
    "AWS::RDS::DBCluster": ("DBClusterIdentifier", "DBClusterIdentifier"),
    "AWS::RDS::DBInstance": ("DBInstanceIdentifier", "DBInstanceIdentifier"),
    "AWS::S3::Bucket": ("BucketName", "BucketName"),
    "AWS::SQS::Queue": ("QueueName", "QueueUrl"),
    "AWS::SSM::Parameter": ("Name", "Name"),
    "AWS::SecretsManager::Secret": ("Name", "Id"),
}
"""Types whose names are looked up -> the property that holds the name, and the key of the
identifier in a resource import (``primaryIdentifier`` of the registry schema)."""
_RETAINING = ("Retain", "RetainExceptOnCreate")


class _Holder(Struct, frozen=True):
    """The existing resource of a name: its identifier, and the stack that has it, if one does."""

    identifier: str
    stack: str = ""
    logical_id: str = ""


def find_identifier(type_: str, name: str, aws: Aws) -> str | None:
    """Return the identifier of the existing resource of a type and name; None where the name is
    available. Raises AwsError."""
    if type_ == "AWS::S3::Bucket":
        return name if aws.bucket_exists(name) else None
    if type_ == "AWS::ECR::Repository":
        return name if aws.repositories([name]) else None
    if type_ == "AWS::SecretsManager::Secret":
        secret = aws.secret(name)
        return secret.arn if secret else None
    return aws.held_by(type_, name)


def find_taken_names(
    changes: Sequence[RootChange],
    owned: Collection[NameKey],
    aws: Aws,
    schemas: Schemas,
    *,
    new: bool,
) -> Iterator[Blocker]:
    """Yield a blocker for each resource that a root would create under a name which exists, and
    which is not imported.

    Names that live roots have (``owned``) are left out, and those of roots that are not deployed
    yet unless ``new``. A name that may not be looked up counts as available. Raises AwsError.
    """
    wanted = [
        resource
        for root, change in enumerate(changes)
        if change.live or new
        for resource in list_created(change, schemas, root)
        if resource.type in IDENTIFIERS and resource.name.key not in owned
    ]
    with ThreadPoolExecutor(PARALLEL) as pool:
        holders = list(pool.map(lambda resource: _find_holder(resource, aws), wanted))
    for resource, holder in zip(wanted, holders, strict=True):
        if holder is not None:
            desired = changes[resource.root].desired
            obstacle = "" if holder.stack else find_import_obstacle(desired, resource, schemas)
            if holder.stack or obstacle or not desired.import_existing:
                yield _describe(resource, holder, desired, obstacle)


def _find_holder(resource: NamedResource, aws: Aws) -> _Holder | None:
    try:
        identifier = find_identifier(resource.type, str(resource.name), aws)
        if identifier is None:
            return None
        owner = aws.owner(identifier)
    except AwsError as error:
        if error.problems[0].code == "SW403":
            return None
        raise
    return _Holder(identifier, *owner) if owner else _Holder(identifier)


def find_import_obstacle(desired: DesiredStack, resource: NamedResource, schemas: Schemas) -> str:
    """Return why CloudFormation would not import an existing resource by its name; empty where it
    would.

    Source:
    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/import-resources-automatically.html
    """
    known = schemas.get(resource.type)
    if known is None or not is_importable_by_name(known):
        return f"CloudFormation does not find a {type_noun(resource.type)} by its name"
    if not is_static_name(desired, resource):
        return f"{resource.name.naming} is not plain text in the template"
    stack, logical_id = resource.place
    try:
        declared = parse_template(desired.templates[stack]).resources[logical_id]
    except (KeyError, ValidationError):
        return "the template has macros"
    if str(plain_data(declared.deletion_policy)) not in _RETAINING:
        return "it has no DeletionPolicy: Retain"
    return ""


def _describe(
    resource: NamedResource, holder: _Holder, desired: DesiredStack, obstacle: str
) -> Blocker:
    noun, address = type_noun(resource.type), resource.address
    exists = f"the {noun} `{resource.name}` exists"
    if holder.stack:
        message = f"{exists}, and belongs to the stack {holder.stack} ({holder.logical_id})"
        hint = f"choose another name for {address}"
    else:
        message = f"{exists}, and no stack has it"
        hint = "add --import-existing, which imports it as it is"
        if obstacle:
            hint = _describe_import(resource, holder.identifier, obstacle)
    return Blocker(
        BlockerKind.NAME_TAKEN,
        desired.root,
        (address,),
        f"{address} cannot be created: {message}",
        hint,
    )


def _describe_import(resource: NamedResource, identifier: str, obstacle: str) -> str:
    """Return how to adopt a resource that CloudFormation does not import by its name."""
    stack, logical_id = resource.place
    if obstacle == "it has no DeletionPolicy: Retain":
        return f"set DeletionPolicy: Retain on {resource.address} and add --import-existing"
    if "/" in stack:
        return f"choose another name for {resource.address}: it cannot be imported ({obstacle})"
    key = IDENTIFIERS[resource.type][1]
    entry = f"imports: {{{stack}: {{{logical_id}: {{{key}: {identifier}}}}}}}"
    return f"write {entry} in the parameters, and run the verb import ({obstacle})"
