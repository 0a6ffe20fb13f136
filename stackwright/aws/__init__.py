"""Typed calls to AWS: the only importer of botocore, and the Protocols that the stages depend on
and fakes implement.

``session`` makes calls and says what went wrong, ``stacks`` speaks to CloudFormation, ``storage``
to Secrets Manager, S3 and ECR, ``services`` to what runs (ECS, load balancers, Cloud Map, Lambda,
CloudWatch), ``account`` reads what preflight checks, ``client`` is all of them together,
``polling`` spaces repeated calls.
"""

from .account import Account, AccountCalls, Subnet
from .client import Aws, Boto, Caller, require_account
from .polling import Polling
from .services import (
    Container,
    Deployment,
    Instance,
    Metric,
    Service,
    ServiceCalls,
    Services,
    Target,
    Task,
)
from .session import ATTEMPTS, NO_CREDENTIALS, PARALLEL, Session
from .stacks import (
    ChangeSet,
    ChangeSetRequest,
    Drift,
    Stack,
    StackCalls,
    StackEvent,
    StackResource,
    Stacks,
)
from .storage import Login, Secret, Storage, StorageCalls, StoredObject

__all__ = [
    "ATTEMPTS",
    "NO_CREDENTIALS",
    "PARALLEL",
    "Account",
    "AccountCalls",
    "Aws",
    "Boto",
    "Caller",
    "ChangeSet",
    "ChangeSetRequest",
    "Container",
    "Deployment",
    "Drift",
    "Instance",
    "Login",
    "Metric",
    "Polling",
    "Secret",
    "Service",
    "ServiceCalls",
    "Services",
    "Session",
    "Stack",
    "StackCalls",
    "StackEvent",
    "StackResource",
    "Stacks",
    "Storage",
    "StorageCalls",
    "StoredObject",
    "Subnet",
    "Target",
    "Task",
    "require_account",
]
