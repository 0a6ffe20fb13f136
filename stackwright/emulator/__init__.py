"""A local CloudFormation: deployments without an AWS account.

Requests to AWS's APIs go in, over HTTP or in this process; answers in the shapes of AWS come out.
In the order in which the packages build on one another:

- ``world``: the state, the time, the services and the faults of one account and Region.
- ``operation``: create, update, delete, roll back and import a stack, with AWS's events.
- ``api``: the actions of CloudFormation's API, one module a family.
- ``services``: every other service: moto's, so that clients see the resources that stacks made.
- ``server``: the server on the loopback interface, its journal, and its life in the background.
- ``rehearsal``: a deployment and its rollback, played ahead of time in this process.
- ``local``: the environment ``local``, whose commands use the emulator of the project.

What a template means is decided in :mod:`stackwright.cfn`, by the code that also predicts changes.
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
    from .rehearsal.build import RehearsalBuild
    from .rehearsal.model import Phase, Rehearsal, RehearsalStep, Rollback
    from .rehearsal.rehearse import rehearse
    from .rehearsal.world import RehearsalWorld
    from .server.application import Application
    from .server.fault_answers import action_of
    from .server.journal import ADMIN
    from .server.lifecycle import find_emulator, start_emulator, stop_emulator
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
    "find_emulator",
    "is_local_endpoint",
    "is_local_registry",
    "local_account",
    "local_environment",
    "local_folder",
    "local_settings",
    "make_local_keys",
    "rehearse",
    "require_packages",
    "start_emulator",
    "start_local",
    "stop_emulator",
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
    "Phase": "rehearsal.model",
    "Rehearsal": "rehearsal.model",
    "RehearsalBuild": "rehearsal.build",
    "RehearsalStep": "rehearsal.model",
    "RehearsalWorld": "rehearsal.world",
    "Rollback": "rehearsal.model",
    "rehearse": "rehearsal.rehearse",
    "Application": "server.application",
    "action_of": "server.fault_answers",
    "ADMIN": "server.journal",
    "find_emulator": "server.lifecycle",
    "start_emulator": "server.lifecycle",
    "stop_emulator": "server.lifecycle",
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
