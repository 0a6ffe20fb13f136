"""A local CloudFormation: what a deploy would do, done here.

- ``identity``: physical ids and attributes shaped as AWS shapes them.
- ``state``: stacks, resources, events and change sets as they are now; to and from JSON.
- ``clock``: what happens when; time passes only while a request is answered.
- ``resources``: makes, changes and deletes physical resources, or says why not.
- ``services``: resources that also exist in moto; ``rollout``, ``network`` and ``tasks``: what its
  ECS services do with time; ``ecs``: what clients ask of them; ``drift``: what moto holds against
  what a template says.
- ``functions``, ``bootstrap``: Lambda functions that run; ``account``: quotas and the like.
- ``moto_application``: moto's services as one application; ``registry``: ECR's, for podman and
  docker.
- ``operations``: creating, updating, deleting and rolling back a stack, with the events and
  statuses of AWS.
- ``policy``, ``imports``, ``history``: stack policies, change sets of existing resources, events by
  operation.
- ``faults``: requests and servers that fail on demand; ``durations``: how long AWS takes.
- ``engine``: the API's actions on all of that.
- ``protocol``: CloudFormation's Query protocol, from and to HTTP.
- ``server``: the loopback server; ``journal``: its state across restarts; ``lifecycle``: it in the
  background.

What a change does is decided in :mod:`stackwright.cfn`; nothing here knows templates' semantics.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .api.cloudformation import LocalCloudFormation
    from .api.errors import ApiError
    from .local import (
        REGISTRY,
        UNSET,
        describe_local,
        is_local_endpoint,
        is_local_registry,
        local_account,
        local_environment,
        local_folder,
        local_settings,
        make_local_keys,
        require_packages,
        start_local,
    )
    from .rehearsal import (
        Phase,
        Rehearsal,
        RehearsalBuild,
        RehearsalStep,
        RehearsalWorld,
        Rollback,
        rehearse,
    )
    from .server.application import Application
    from .server.fault_answers import action_of
    from .server.journal import ADMIN
    from .server.lifecycle import running, start, stop
    from .server.server import Server
    from .world.faults import AnyFault, Fault, RequestFault
    from .world.settings import EmulatorSettings

__all__ = [
    "ADMIN",
    "REGISTRY",
    "UNSET",
    "AnyFault",
    "ApiError",
    "Application",
    "EmulatorSettings",
    "Fault",
    "LocalCloudFormation",
    "Phase",
    "Rehearsal",
    "RehearsalBuild",
    "RehearsalStep",
    "RehearsalWorld",
    "RequestFault",
    "Rollback",
    "Server",
    "action_of",
    "describe_local",
    "is_local_endpoint",
    "is_local_registry",
    "local_account",
    "local_environment",
    "local_folder",
    "local_settings",
    "make_local_keys",
    "rehearse",
    "require_packages",
    "running",
    "start",
    "start_local",
    "stop",
]

_HOMES = {
    "LocalCloudFormation": "api.cloudformation",
    "ApiError": "api.errors",
    "REGISTRY": "local",
    "UNSET": "local",
    "describe_local": "local",
    "is_local_endpoint": "local",
    "is_local_registry": "local",
    "local_account": "local",
    "local_environment": "local",
    "local_folder": "local",
    "local_settings": "local",
    "make_local_keys": "local",
    "require_packages": "local",
    "start_local": "local",
    "Phase": "rehearsal",
    "Rehearsal": "rehearsal",
    "RehearsalBuild": "rehearsal",
    "RehearsalStep": "rehearsal",
    "RehearsalWorld": "rehearsal",
    "Rollback": "rehearsal",
    "rehearse": "rehearsal",
    "Application": "server.application",
    "action_of": "server.fault_answers",
    "ADMIN": "server.journal",
    "running": "server.lifecycle",
    "start": "server.lifecycle",
    "stop": "server.lifecycle",
    "Server": "server.server",
    "AnyFault": "world.faults",
    "Fault": "world.faults",
    "RequestFault": "world.faults",
    "EmulatorSettings": "world.settings",
}


def __getattr__(name: str) -> Any:
    """Import a public name at its first use: moto, which most of them need, takes a second."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
