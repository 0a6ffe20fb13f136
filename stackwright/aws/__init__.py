"""Typed calls to AWS: the only importer of botocore, and the Protocols that the stages depend on
and fakes implement.

In: a Region, and credentials where boto3 finds them. Out: frozen values instead of dictionaries,
and AwsError instead of botocore's exceptions. ``session`` makes calls and translates errors,
``stacks`` calls CloudFormation, ``storage`` Secrets Manager, S3 and ECR, ``parameter_store``
Systems Manager, ``services`` ECS, load balancers, Cloud Map, Lambda and CloudWatch, ``account`` the
services that preflight reads.
``client`` combines them in `Boto`, ``polling`` spaces repeated calls.
"""

from .account import Account, AccountCalls, Subnet
from .client import Aws, Boto, Caller, require_account
from .parameter_store import ParameterStore, ParameterStoreCalls, StoredParameter
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
from .stack_model import (
    ChangeSet,
    ChangeSetRequest,
    Drift,
    Stack,
    StackEvent,
    StackResource,
    Validation,
)
from .stacks import StackCalls, Stacks
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
    "ParameterStore",
    "ParameterStoreCalls",
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
    "StoredParameter",
    "Subnet",
    "Target",
    "Task",
    "Validation",
    "require_account",
]
